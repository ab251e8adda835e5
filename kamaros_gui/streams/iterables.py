"""Sources made of iterables, for ``ReadableStream.from_`` (WHATWG Streams, ReadableStreamFromIterable)."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from kamaros_gui.streams.calling import method_of
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.readable_controller import ReadableController

__all__ = ["source_of"]


def source_of(iterable: Iterable[Any] | AsyncIterable[Any]) -> object:
    """Return a source that pulls from an iterable, asynchronous if it can be.

    Raises:
        TypeError: it is not iterable.
    """
    if isinstance(iterable, AsyncIterable):
        return _AsyncIteratorSource(aiter(iterable))
    return _IteratorSource(iter(iterable))


class _IteratorSource:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def pull(self, controller: ReadableController[Any]) -> None:
        try:
            chunk = next(self._iterator)
        except StopIteration:
            controller.close()
        else:
            controller.enqueue(chunk)

    def cancel(self, _reason: object) -> Any:
        close = method_of(self._iterator, "close")
        return close() if close is not None else None


class _AsyncIteratorSource:
    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator
        self._pulled: Promise[None] = Promise.resolved(None)

    async def pull(self, controller: ReadableController[Any]) -> None:
        self._pulled = Promise()
        try:
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            controller.close_if_possible()
        else:
            if controller.can_enqueue():
                controller.enqueue(chunk)
        finally:
            self._pulled.resolve(None)

    async def cancel(self, _reason: object) -> None:
        # An asynchronous generator can't be closed while it is running: it comes to its next yield first.
        await self._pulled
        close = method_of(self._iterator, "aclose")
        if close is not None:
            await close()
