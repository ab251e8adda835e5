"""SlabPool: read buffers that are used again as soon as nobody looks at them.

Allocating a fresh buffer for every read scatters blocks of all sizes over the heap; after gigabytes the process holds
several times the memory it uses. A pool keeps the set of buffers small and fixed.
"""

from __future__ import annotations

__all__ = ["SlabPool"]


class SlabPool:
    """Buffers of one size. A buffer is free again when the last view of it is gone; nobody has to give it back.

    The check for that is Python's own: a ``bytearray`` refuses to change its length while any view of it exists. So a
    buffer that a hash or a compressor still reads, on whatever thread, is never handed out again.

    One caller at a time.

    Args:
        size: bytes per buffer.

    Attributes:
        size: as given.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._slabs: list[bytearray] = []

    def __len__(self) -> int:
        """Number of buffers the pool has made."""
        return len(self._slabs)

    def borrow(self) -> memoryview:
        """Return a view of a buffer nobody else looks at, with any content; the pool grows when there is none."""
        for slab in self._slabs:
            if _is_unseen(slab):
                return memoryview(slab)[: self.size]
        # One byte more than needed: a length that can be changed and changed back without moving the buffer.
        slab = bytearray(self.size + 1)
        self._slabs.append(slab)
        return memoryview(slab)[: self.size]


def _is_unseen(slab: bytearray) -> bool:
    try:
        slab.pop()
    except BufferError:
        return False
    slab.append(0)
    return True
