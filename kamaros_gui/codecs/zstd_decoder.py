"""Zstandard decoding with bounded output.

The library has no limit on what one call returns, and four bytes of input can unpack to 128 KiB. So this decoder
reads the block headers itself and hands the library only as many blocks at a time as the caller has room for.
"""

from __future__ import annotations

from typing import Any, Final

import zstandard

from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.codecs.encoder import Buffer
from kamaros_gui.codecs.zstd_frame import (
    FRAME_MAGIC,
    MAX_WINDOW,
    SKIPPABLE_MAGICS,
    BlockHeader,
    FrameHeader,
    skippable_size,
)

__all__ = ["ZstdDecoder"]


class ZstdDecoder:
    """Unpacks one or more zstd frames (skippable ones are passed over), with one window in memory at most.

    Other writers put several frames into an entry, so the end of one is an end only if no input follows.
    """

    unused_data: Final = b""

    def __init__(self) -> None:
        self._library = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._header: FrameHeader | None = None
        self._frame: Any = None
        self._input = bytearray()
        self._output = memoryview(b"")
        self._skip = 0
        self._any_frame = False
        self._starved = True

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can come out before more goes in."""
        return self._starved and not self._output

    @property
    def eof(self) -> bool:
        """Whether a frame has just ended and nothing of another one was seen."""
        return self._any_frame and not (self._header or self._input or self._output or self._skip)

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Take in *data* and return at most *max_length* bytes; see :class:`Decoder`.

        Raises:
            IntegrityError: a frame is damaged.
            UnsupportedEntryError: it wants a dictionary, or a window beyond 128 MiB.
        """
        self._input += data
        self._starved = False
        while not self._output and not self._starved:
            self._output = memoryview(self._advance(max_length))
        piece, self._output = self._output[:max_length], self._output[max_length:]
        return bytes(piece)

    def finish(self) -> None:
        """Check that the last frame is complete.

        Raises:
            IntegrityError: the input ended inside a frame, or held none.
        """
        if not self.eof:
            raise IntegrityError("The compressed data ends too early.")

    def _advance(self, room: int) -> bytes:
        """Do one step: pass over a skippable frame, begin a frame, or unpack the blocks that fit into *room*."""
        if self._skip:
            passed = min(self._skip, len(self._input))
            del self._input[:passed]
            self._skip -= passed
            self._starved = self._skip > 0
            return b""
        return self._begin_frame() if self._header is None else self._unpack_blocks(self._header, room)

    def _begin_frame(self) -> bytes:
        magic = int.from_bytes(self._input[:4], "little") if len(self._input) >= 4 else None
        if magic in SKIPPABLE_MAGICS:
            self._skip = skippable_size(self._input) or 0
            self._starved = not self._skip
            return b""
        if magic not in (None, FRAME_MAGIC):
            raise IntegrityError("The compressed data is damaged (no zstd frame where one must begin).")
        header = None if magic is None else FrameHeader.parse(self._input)
        if header is None:
            self._starved = True
            return b""
        self._header = header
        self._frame = self._library.decompressobj()
        return self._feed(header.size)

    def _unpack_blocks(self, frame: FrameHeader, room: int) -> bytes:
        """Feed the complete blocks whose content surely fits into *room*, and one at the least."""
        position = content = 0
        last = False
        while not last and len(self._input) >= position + 3:
            block = BlockHeader.parse(self._input, position, frame.max_block)
            end = position + 3 + block.size + (frame.checksum_size if block.last else 0)
            if end > len(self._input) or (position and content + block.content_bound > room):
                break
            position, content, last = end, content + block.content_bound, block.last
        if not position:
            self._starved = True
            return b""
        unpacked = self._feed(position)
        if last:
            self._header = self._frame = None
            self._any_frame = True
        return unpacked

    def _feed(self, size: int) -> bytes:
        piece = bytes(memoryview(self._input)[:size])
        del self._input[:size]
        try:
            return bytes(self._frame.decompress(piece))
        except zstandard.ZstdError as error:
            raise IntegrityError(f"The compressed data is damaged ({error}).") from None
