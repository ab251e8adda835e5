"""Reusable codec contexts for any number of threads, without a lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["ContextPool"]

_Context = TypeVar("_Context")

_KEPT: Final = 16
"""Contexts kept for reuse. More threads than this still work, they only build theirs anew."""


class ContextPool(Generic[_Context]):
    """Lends contexts that only one thread at a time may use.

    Building a zstd context costs more than compressing a small file with it. ``deque.append`` and ``deque.pop``
    are atomic, so threads can share the pool as it is.
    """

    __slots__ = ("_create", "_idle")

    def __init__(self, create: Callable[[], _Context]) -> None:
        self._create = create
        self._idle: deque[_Context] = deque(maxlen=_KEPT)

    def borrow(self) -> _Context:
        """Return a context that nobody else uses now."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._create()

    def give_back(self, context: _Context) -> None:
        """Offer *context* to the next caller; leave it out after an error, and the context is simply dropped."""
        self._idle.append(context)
