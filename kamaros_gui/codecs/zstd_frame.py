"""The headers of a zstd frame (RFC 8878, 3.1.1), as far as a decoder must know them to bound its output."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kamaros_gui.base.errors import IntegrityError, UnsupportedEntryError
from kamaros_gui.base.limits import KIB, MIB

__all__ = ["FRAME_MAGIC", "MAX_WINDOW", "SKIPPABLE_MAGICS", "BlockHeader", "FrameHeader"]

FRAME_MAGIC: Final = 0xFD2FB528
SKIPPABLE_MAGICS: Final = range(0x184D2A50, 0x184D2A60)

MAX_WINDOW: Final = 128 * MIB
"""The largest window the zstd program opens without being told to; a frame that asks for more is refused."""

_MAX_BLOCK: Final = 128 * KIB
"""No block holds or unpacks to more (RFC 8878, 3.1.1.2.4)."""

_RLE, _COMPRESSED = 1, 2


class FrameHeader(NamedTuple):
    """What the header of one frame says.

    Attributes:
        size: bytes of the header itself, magic number included.
        max_block: bytes a block of this frame may hold or unpack to.
        checksum_size: bytes after the last block, 0 or 4.
    """

    size: int
    max_block: int
    checksum_size: int

    @classmethod
    def parse(cls, data: bytearray) -> FrameHeader | None:
        """Read the header *data* begins with; ``None`` while it isn't complete.

        Raises:
            IntegrityError: a reserved bit is set.
            UnsupportedEntryError: the frame needs a dictionary, or a window beyond ``MAX_WINDOW``.
        """
        if len(data) < 5:
            return None
        descriptor = data[4]
        single_segment = descriptor >> 5 & 1
        window_at = 5
        dictionary_at = window_at + (1 - single_segment)
        content_at = dictionary_at + (0, 1, 2, 4)[descriptor & 3]
        size = content_at + (single_segment, 2, 4, 8)[descriptor >> 6]
        if len(data) < size:
            return None
        if descriptor & 8:
            raise IntegrityError("The compressed data is damaged (reserved bit in the zstd frame header).")
        if any(data[dictionary_at:content_at]):
            raise UnsupportedEntryError("The entry needs a zstd dictionary, which an archive can't hold.")
        if single_segment:
            content_size = data[content_at:size]
            window = int.from_bytes(content_size, "little") + (256 if len(content_size) == 2 else 0)
        else:
            base = 1 << 10 + (data[window_at] >> 3)
            window = base + (base >> 3) * (data[window_at] & 7)
        if window > MAX_WINDOW:
            raise UnsupportedEntryError(
                f"The entry needs {window // MIB} MiB of memory to unpack; {MAX_WINDOW // MIB} MiB are the limit."
            )
        return cls(size, min(_MAX_BLOCK, window), 4 if descriptor & 4 else 0)


class BlockHeader(NamedTuple):
    """What the three bytes before a block say.

    Attributes:
        last: whether the frame ends with this block.
        size: bytes of the block in the stream, without its header.
        content_bound: bytes it may unpack to.
    """

    last: bool
    size: int
    content_bound: int

    @classmethod
    def parse(cls, data: bytearray, position: int, max_block: int) -> BlockHeader:
        """Read the block header at *position*; three bytes must be there.

        Raises:
            IntegrityError: there is no such block type, or it is larger than the frame allows.
        """
        header = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        kind, size = header >> 1 & 3, header >> 3
        if kind > _COMPRESSED or size > max_block:
            raise IntegrityError("The compressed data is damaged (impossible zstd block).")
        return cls(bool(header & 1), 1 if kind == _RLE else size, max_block if kind == _COMPRESSED else size)


def skippable_size(data: bytearray) -> int | None:
    """Bytes of the skippable frame *data* begins with, header included; ``None`` while that isn't known."""
    return 8 + int(struct.unpack_from("<I", data, 4)[0]) if len(data) >= 8 else None
