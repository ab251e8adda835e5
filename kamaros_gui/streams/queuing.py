"""Queuing strategies: how much a queue may hold before its producer is told to wait.

WHATWG Streams, section 7. A strategy is any object with ``high_water_mark`` and, optionally, ``size(chunk)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

__all__ = [
    "ByteLengthQueuingStrategy",
    "CountQueuingStrategy",
    "QueuingStrategy",
    "SizeOf",
    "byte_length",
    "bytes_of",
    "checked_size",
    "high_water_mark_of",
    "size_of",
]

SizeOf = Callable[[Any], float]


class QueuingStrategy(Protocol):
    """What a stream asks of a strategy; ``size`` may be missing, which counts every chunk as 1."""

    @property
    def high_water_mark(self) -> float:
        """The size of the queue, in the units of ``size``, at which the producer is to wait."""
        ...


def byte_length(chunk: Any) -> int:
    """Return the bytes in a bytes-like chunk: of a memoryview of wider items too, where ``len`` counts items.

    Raises:
        TypeError: the chunk does not support the buffer protocol.
    """
    kind = type(chunk)
    if kind is bytes or kind is bytearray:
        return len(chunk)
    if kind is memoryview:
        nbytes: int = chunk.nbytes
        return nbytes
    return memoryview(chunk).nbytes


def bytes_of(chunk: Any) -> int:
    """Return the bytes in a chunk; 0 for one that is no buffer. For figures, where any chunk will do."""
    kind = type(chunk)
    if kind is memoryview:
        nbytes: int = chunk.nbytes
        return nbytes
    if kind is bytes or kind is bytearray:
        return len(chunk)
    try:
        return memoryview(chunk).nbytes
    except TypeError:
        return 0


class ByteLengthQueuingStrategy:
    """Counts the bytes of bytes-like chunks.

    Args:
        high_water_mark: bytes. Kept as given; the stream it is handed to rejects NaN and negative numbers.
    """

    __slots__ = ("high_water_mark",)

    size = staticmethod(byte_length)

    def __init__(self, high_water_mark: float) -> None:
        self.high_water_mark = high_water_mark


def _one(_chunk: object) -> int:
    return 1


class CountQueuingStrategy:
    """Counts chunks, whatever they are.

    Args:
        high_water_mark: chunks. Kept as given; the stream it is handed to rejects NaN and negative numbers.
    """

    __slots__ = ("high_water_mark",)

    size = staticmethod(_one)

    def __init__(self, high_water_mark: float) -> None:
        self.high_water_mark = high_water_mark


def high_water_mark_of(strategy: object | None, default: float) -> float:
    """Return a strategy's high-water mark. Infinity is allowed.

    Raises:
        ValueError: it is NaN or negative.
    """
    mark: Any = getattr(strategy, "high_water_mark", None)
    if mark is None:
        return default
    if math.isnan(mark) or mark < 0:
        raise ValueError(f"a high-water mark can't be {mark}")
    return mark  # type: ignore[no-any-return]  # duck-typed on purpose, checked by the comparison above


def size_of(strategy: object | None) -> SizeOf | None:
    """Return a strategy's size function, or ``None`` where every chunk counts as 1.

    Raises:
        TypeError: ``size`` is there but not callable.
    """
    size: Any = getattr(strategy, "size", None)
    if size is None or size is _one:
        return None
    if not callable(size):
        raise TypeError("size of a queuing strategy must be callable")
    return size  # type: ignore[no-any-return]  # duck-typed on purpose


def checked_size(size: float) -> float:
    """Return what a size function returned.

    Raises:
        ValueError: it is negative, NaN or infinite.
    """
    if size >= 0 and size != math.inf:
        return size
    raise ValueError(f"the size of a chunk can't be {size}")
