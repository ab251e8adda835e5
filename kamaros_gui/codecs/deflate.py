"""Block-parallel deflate: one raw stream (RFC 1951) made of blocks that are compressed independently."""

from __future__ import annotations

import struct
from typing import Any, Final

from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE, DEFLATE_WINDOW, KIB
from kamaros_gui.codecs.encoder import Buffer, EncodeJob
from kamaros_gui.codecs.libraries import RAW_DEFLATE, deflate_backend
from kamaros_gui.codecs.probe import looks_incompressible

__all__ = ["DEFLATE", "DeflateEncoder", "deflate_all"]

DEFLATE: Final = 8
"""ZIP method number (APPNOTE 4.4.5)."""

_EMPTY_FINAL_BLOCK: Final = b"\x03\x00"
"""A last block with fixed codes and nothing in it (RFC 1951, 3.2.6)."""

_STORED_MAX: Final = 0xFFFF
"""Length field of a stored block (RFC 1951, 3.2.4)."""

_STORED_HEADER: Final = struct.Struct("<BHH")

_MEMORY_LEVEL: Final = 8
_DEFAULT_STRATEGY: Final = 0

_PROBE_MINIMUM: Final = 4 * KIB
"""Below this the probe costs as much as compressing."""


class DeflateEncoder:
    """Encodes an entry as deflate, any number of blocks at once.

    Every block has a compressor of its own, primed with the 32 KiB before it and ended by a sync flush, which
    leaves the stream on a byte boundary; an empty final block closes it. Blocks that don't compress go in as
    stored blocks, whose parts are views of the block given: it must stay unchanged until they are written.

    Args:
        level: 1–9.
    """

    method: Final = DEFLATE
    block_size: Final = DEFLATE_BLOCK_SIZE
    max_parallel: Final = None

    def __init__(self, level: int) -> None:
        if not 1 <= level <= 9:
            raise ValueError(f"deflate has levels 1 to 9, not {level}")
        self._level = level
        self._window = b""

    def prepare(self, block: Buffer) -> EncodeJob:
        """Return the job for *block*; keeps a copy of its last 32 KiB as the dictionary of the next one."""
        window, level = self._window, self._level
        tail = bytes(memoryview(block)[-DEFLATE_WINDOW:])
        self._window = tail if len(tail) == DEFLATE_WINDOW else (window + tail)[-DEFLATE_WINDOW:]
        return lambda: _encode_block(block, window, level)

    def finish(self) -> EncodeJob:
        """Return the job that closes the stream."""
        return lambda: [_EMPTY_FINAL_BLOCK]


def _encode_block(block: Buffer, window: bytes, level: int) -> list[Buffer]:
    if len(block) >= _PROBE_MINIMUM and looks_incompressible(block):
        return _stored_blocks(block)
    backend: Any = deflate_backend(level)
    settings = (level, DEFLATE, RAW_DEFLATE, _MEMORY_LEVEL, _DEFAULT_STRATEGY)
    compressor = backend.compressobj(*settings, window) if window else backend.compressobj(*settings)
    parts: list[Buffer] = [compressor.compress(block), compressor.flush(backend.Z_SYNC_FLUSH)]
    if sum(map(len, parts)) > len(block) + _STORED_HEADER.size * -(-len(block) // _STORED_MAX):
        return _stored_blocks(block)
    return parts


def _stored_blocks(block: Buffer) -> list[Buffer]:
    """Stored blocks of RFC 1951, 3.2.4; right only on a byte boundary, where every job begins and ends."""
    view = memoryview(block)
    parts: list[Buffer] = []
    for start in range(0, len(view), _STORED_MAX):
        piece = view[start : start + _STORED_MAX]
        parts += (_STORED_HEADER.pack(0, len(piece), len(piece) ^ 0xFFFF), piece)
    return parts


def deflate_all(data: Buffer, level: int) -> list[Buffer]:
    """Compress *data* as one complete stream: the smallest and fastest way for a file that is held whole."""
    return [deflate_backend(level).compress(data, level, RAW_DEFLATE)]
