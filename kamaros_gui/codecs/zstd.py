"""Zstandard (RFC 8878), ZIP method 93: exactly one frame per entry, because several break other readers."""

from __future__ import annotations

from typing import Final

import zstandard

from kamaros_gui.base.limits import KIB, MIB
from kamaros_gui.codecs.contexts import ContextPool
from kamaros_gui.codecs.encoder import Buffer, EncodeJob

__all__ = ["ZSTD", "ZstdEncoder", "zstd_all"]

ZSTD: Final = 93
"""ZIP method number (APPNOTE 4.4.5)."""

_JOB_SIZE: Final = 512 * KIB
"""Input of one of zstd's own worker jobs. The library would take four windows (8 MiB at level 3), which holds
80 MiB; and what is dropped on a cancel first waits, with the GIL held, for the jobs that run. Half a MiB costs
0.4 % in size."""

_OVERLAP_LOG: Final = 6
"""Each job sees an eighth of the window before it, as zstd itself has it at its fast levels; at high levels it would
take the whole window and make the jobs as large as that."""

_THREADED_LEVELS: Final = range(1, 13)
"""Levels whose jobs end within an abort's 100 ms; higher ones work in the caller's thread, in small blocks."""

_FAST_LEVELS: Final = range(1, 7)
"""Levels that compress a MiB well within an abort's 100 ms."""

_SLOW_BLOCK: Final = 128 * KIB
"""The block zstd works on: smaller pieces would only be gathered, larger ones take 200 ms at level 19."""


class ZstdEncoder:
    """Encodes an entry as one zstd frame; zstd's own threads share the work inside it.

    Args:
        level: 1–19.
        threads: zstd's worker threads, at least 1, used up to level 12. The bytes do not depend on how many they are.
    """

    method: Final = ZSTD
    max_parallel: Final = 1

    def __init__(self, level: int, threads: int) -> None:
        if not 1 <= level <= 19:
            raise ValueError(f"zstd has levels 1 to 19, not {level}")
        self.block_size = MIB if level in _FAST_LEVELS else _SLOW_BLOCK
        self._compressor = zstandard.ZstdCompressor(compression_params=_parameters(level, threads)).compressobj()

    def prepare(self, block: Buffer) -> EncodeJob:
        """Return the job that feeds *block* into the frame; jobs must run in order, one at a time."""
        return lambda: [self._compressor.compress(block)]

    def finish(self) -> EncodeJob:
        """Return the job that ends the frame."""
        return lambda: [self._compressor.flush()]


def _parameters(level: int, threads: int) -> zstandard.ZstdCompressionParameters:
    if level not in _THREADED_LEVELS:
        return zstandard.ZstdCompressionParameters.from_level(level)
    return zstandard.ZstdCompressionParameters.from_level(
        level, threads=max(threads, 1), job_size=_JOB_SIZE, overlap_log=_OVERLAP_LOG
    )


_pools: Final[dict[int, ContextPool[zstandard.ZstdCompressor]]] = {}


def zstd_all(data: Buffer, level: int) -> list[Buffer]:
    """Compress *data* as one complete frame that records its size."""
    # Two threads may both find the level missing; one pool is then dropped, which costs a context and no more.
    pool = _pools.get(level) or _pools.setdefault(
        level, ContextPool(lambda: zstandard.ZstdCompressor(level=level, write_content_size=True))
    )
    context = pool.borrow()
    packed = context.compress(data)
    pool.give_back(context)
    return [packed]
