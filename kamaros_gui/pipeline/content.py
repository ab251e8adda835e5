"""Content from Python objects as readable streams: bytes, binary files, iterables of either kind, streams."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Protocol

from kamaros_gui.base.limits import READ_SLAB
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.streams import CountQueuingStrategy, ReadableController, ReadableStream

__all__ = ["BinaryFile", "ByteStream", "Content", "content_stream"]

ByteStream = ReadableStream[Buffer]
"""A stream of buffers."""


class BinaryFile(Protocol):
    """An object that is read like a binary file; ``read`` may also be a coroutine function."""

    def read(self, size: int, /) -> Any:
        """Return up to *size* bytes, none at the end."""


Content = Buffer | BinaryFile | Iterable[Buffer] | AsyncIterable[Buffer] | ByteStream
"""What can be added to an archive, beside files on disk."""


def content_stream(content: Content) -> ByteStream:
    """Return a stream of the bytes of *content*, one chunk of any length ahead at most.

    =====================================  ========================================================================
    ``bytes``, ``bytearray``,              one chunk
    ``memoryview``
    ``ReadableStream``                     itself
    object with ``read``                   read in steps of 1 MiB, from where it stands to its end; it stays open
    asynchronous iterable                  its items, on the running loop
    iterable                               its items
    =====================================  ========================================================================

    What may block (``read`` that is no coroutine function, ``next``) runs in a thread of its own, always the same one.
    Nobody can interrupt such a call: a cancel does not wait for it, drops what it gives, and the thread ends with it.
    Asynchronous sources are interrupted as tasks are, by ``CancelledError``. Iterators are closed after a cancel.

    Raises:
        TypeError: *content* is none of these.
    """
    if isinstance(content, ReadableStream):
        return content
    if isinstance(content, (bytes, bytearray, memoryview)):
        return ReadableStream.from_([content])
    if isinstance(content, str):
        raise TypeError("a string is no content; encode it, or give a path as pathlib.Path")
    read = getattr(content, "read", None)
    if callable(read):
        if inspect.iscoroutinefunction(read):
            return ReadableStream(_AsyncSource(_read_async(read)), CountQueuingStrategy(0))
        return ReadableStream(_ThreadSource(iter(lambda: read(READ_SLAB), b""), lambda: None), CountQueuingStrategy(0))
    if isinstance(content, AsyncIterable):
        return ReadableStream(_AsyncSource(aiter(content)), CountQueuingStrategy(0))
    if isinstance(content, Iterable):
        iterator = iter(content)
        return ReadableStream(_ThreadSource(iterator, lambda: _close_iterator(iterator)), CountQueuingStrategy(0))
    raise TypeError(
        f"content must be bytes, a binary file, an iterable of bytes or a ReadableStream, not {type(content).__name__}"
    )


async def _read_async(read: Callable[[int], Any]) -> AsyncIterator[Buffer]:
    while data := await read(READ_SLAB):
        yield data


def _close_iterator(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if callable(close):
        close()


_END = object()


class _AsyncSource:
    """Underlying source over an asynchronous iterator; a cancel interrupts the step under way."""

    def __init__(self, iterator: AsyncIterator[Buffer]) -> None:
        self._iterator = iterator
        self._step: asyncio.Future[Any] | None = None
        self._cancelled = False

    async def pull(self, controller: ReadableController[Buffer]) -> None:
        self._step = asyncio.ensure_future(anext(self._iterator, _END))
        try:
            item = await self._step
        except asyncio.CancelledError:
            if self._cancelled:
                return
            raise
        if self._cancelled:
            return
        if item is _END:
            controller.close()
        else:
            controller.enqueue(item)

    async def cancel(self, _reason: object = None) -> None:
        self._cancelled = True
        if self._step is not None:
            self._step.cancel()
            await asyncio.gather(self._step, return_exceptions=True)
        close = getattr(self._iterator, "aclose", None)
        if callable(close):
            await close()


class _ThreadSource:
    """Underlying source over an iterator whose ``next`` may block: one daemon thread, one item at a time.

    No pool is used: a call that never returns would keep a pool, and with it the program, from ending.
    """

    def __init__(self, iterator: Iterator[Buffer], close: Callable[[], None]) -> None:
        self._iterator = iterator
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[asyncio.Future[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._answer: asyncio.Future[Any] | None = None
        self._cancelled = False

    async def pull(self, controller: ReadableController[Buffer]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="kamaros-content", daemon=True)
            self._thread.start()
        self._answer = answer = self._loop.create_future()
        self._requests.put(answer)
        item = await answer
        if self._cancelled:
            return
        if item is _END:
            self._requests.put(None)
            controller.close()
        else:
            controller.enqueue(item)

    def cancel(self, _reason: object = None) -> None:
        self._cancelled = True
        if self._answer is not None:
            _settle(self._answer, _END, None)  # the pull ends now, the call it waits for when it likes
        self._requests.put(None)
        if self._thread is None:
            self._close()

    def _serve(self) -> None:
        while (answer := self._requests.get()) is not None:
            try:
                item = next(self._iterator, _END)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever reads the stream
                self._reply(answer, None, error)
                return
            self._reply(answer, item, None)
        with contextlib.suppress(Exception):  # it is over; nobody is left to hear of it
            self._close()

    def _reply(self, answer: asyncio.Future[Any], item: object, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(_settle, answer, item, error)


def _settle(answer: asyncio.Future[Any], item: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(item)
