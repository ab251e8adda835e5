"""Group small things into batches for one worker call each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from kamaros_gui.base.limits import BATCH_BYTES, BATCH_FILES

__all__ = ["batches"]

T = TypeVar("T")


def batches(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Group *items*, in order, into batches bounded in number and bytes.

    Args:
        items: what is to be grouped.
        size_of: content bytes of one item; one larger than the bound makes a batch of its own.
    """
    batch: list[T] = []
    weight = 0
    for item in items:
        size = size_of(item)
        if batch and (len(batch) >= BATCH_FILES or weight + size > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(item)
        weight += size
    if batch:
        yield batch
