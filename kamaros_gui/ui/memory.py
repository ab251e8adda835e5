"""How much content a save holds in memory at most, with the settings as they are being chosen."""

from __future__ import annotations

from kamaros_gui.base.limits import (
    BATCH_BYTES,
    DEFLATE_BLOCK_SIZE,
    READ_SLAB,
    SMALL_FILE_LIMIT,
    STAGE_QUEUE,
    TEE_BOUND,
    WRITE_BATCH,
)

__all__ = ["memory_bound"]


def memory_bound(chunk_size: int, workers: int) -> int:
    """Return the bytes of content a save holds at most; the program itself comes on top.

    Small files and large ones are saved one kind after the other, so the larger of the two bounds holds.

    Args:
        chunk_size: bytes.
        workers: threads that hash and compress.
    """
    return max(_small_files(workers), _large_file(chunk_size, workers))


def _small_files(workers: int) -> int:
    # Two batches more than workers are packed or on their way; each worker has one file open besides.
    return (workers + 2) * BATCH_BYTES + workers * SMALL_FILE_LIMIT


def _large_file(chunk_size: int, workers: int) -> int:
    block, stage = max(chunk_size, DEFLATE_BLOCK_SIZE), max(chunk_size, STAGE_QUEUE)
    read = 2 * max(chunk_size, READ_SLAB)
    hashed = max(TEE_BOUND, 2 * chunk_size) + stage
    # One block per worker and one more are compressed; as many wait, one is gathered, and each leaves a result.
    compressed = (2 * (workers + 1) + 1) * block + (workers + 1) * DEFLATE_BLOCK_SIZE
    written = 2 * stage + 2 * WRITE_BATCH
    return read + hashed + compressed + written
