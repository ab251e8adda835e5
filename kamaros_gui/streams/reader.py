"""Readers of a readable stream: one that reads chunk by chunk, and the iterator of ``async for``.

WHATWG Streams, sections 4.3 (ReadableStreamDefaultReader) and 4.2.5 (asynchronous iteration).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, final

from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.readable_controller import ReadableController

if TYPE_CHECKING:
    from kamaros_gui.streams.readable import ReadableStream

__all__ = ["ReadResult", "ReadableStreamDefaultReader", "ReadableStreamIterator"]

T = TypeVar("T")


class ReadResult(NamedTuple, Generic[T]):
    """What a read brings.

    Attributes:
        value: the chunk; ``None`` at the end.
        done: whether the stream has ended.
    """

    value: T | None
    done: bool


_END: ReadResult[Any] = ReadResult(None, True)  # noqa: FBT003 - the field's name is one line above


@final
class ReadableStreamDefaultReader(Generic[T]):
    """Reads a stream, which it locks until :meth:`release_lock`.

    Raises:
        TypeError: the stream is locked.
    """

    __slots__ = ("_closed", "_controller")

    def __init__(self, stream: ReadableStream[T]) -> None:
        controller = stream.controller
        controller.acquire(self)
        self._controller: ReadableController[T] | None = controller
        self._closed: Promise[None] = Promise()
        self.on_source()

    @property
    def closed(self) -> Promise[None]:
        """Fulfilled when the stream closes; fails with its error, or with ``TypeError`` once the lock is released."""
        return self._closed

    def read(self) -> Promise[ReadResult[T]]:
        """Read one chunk. The read takes its turn at once, whether or not it is awaited.

        A read whose waiter was cancelled still takes its chunk. The promise fails with the stream's error, and with
        ``TypeError`` if the reader was released.
        """
        promise: Promise[ReadResult[T]] = Promise()
        controller = self._controller
        if controller is None:
            promise.reject(TypeError("the reader was released"))
            return promise
        controller.disturbed = True
        if controller.state == "readable":
            if controller.queue:
                promise.resolve(ReadResult(controller.take(), False))  # noqa: FBT003 - done=False; a hot path
            else:
                controller.ask_for(promise)
        elif controller.state == "closed":
            promise.resolve(_END)
        else:
            assert controller.error_stored is not None  # noqa: S101 - an errored stream has one; for the type checker
            promise.reject(controller.error_stored)
        return promise

    def cancel(self, reason: object = None) -> Promise[None]:
        """Cancel the stream; see :meth:`ReadableStream.cancel`."""
        if self._controller is None:
            return Promise.rejected(TypeError("the reader was released"))
        return self._controller.cancel(reason)

    def release_lock(self) -> None:
        """Let go of the stream. Pending reads fail with ``TypeError``; unread chunks stay for the next reader."""
        controller, self._controller = self._controller, None
        if controller is None:
            return
        error = TypeError("the reader was released")
        if not self._closed.pending:
            self._closed = Promise()
        self._closed.reject(error)
        requests = list(controller.requests)
        controller.release()
        for request in requests:
            request.reject(error)

    def on_chunk(self, chunk: T) -> None:
        """Hand a chunk to the oldest pending read; called by the controller."""
        assert self._controller is not None  # noqa: S101 - only the holder is called; for the type checker
        self._controller.requests.popleft().resolve(ReadResult(chunk, False))  # noqa: FBT003 - done=False; a hot path

    def on_source(self) -> None:
        """Note that the stream closed or failed; called by the controller."""
        controller = self._controller
        if controller is None or controller.state == "readable":
            return
        requests = list(controller.requests)
        controller.requests.clear()
        if controller.state == "closed":
            self._closed.resolve(None)
            for request in requests:
                request.resolve(_END)
        else:
            assert controller.error_stored is not None  # noqa: S101 - an errored stream has one; for the type checker
            for request in requests:
                request.reject(controller.error_stored)
            self._closed.reject(controller.error_stored)


@final
class ReadableStreamIterator(AsyncIterator[T]):
    """The asynchronous iterator of a stream. Dropping it, as leaving a loop does, ends it like :meth:`aclose`."""

    __slots__ = ("_prevent_cancel", "_reader")

    def __init__(self, stream: ReadableStream[T], *, prevent_cancel: bool) -> None:
        self._reader: ReadableStreamDefaultReader[T] | None = None
        self._prevent_cancel = prevent_cancel
        self._reader = stream.get_reader()

    async def __anext__(self) -> T:
        """Read the next chunk.

        Raises:
            StopAsyncIteration: the stream has ended.
            BaseException: the stream's error.
        """
        if self._reader is None:
            raise StopAsyncIteration
        try:
            result = await self._reader.read()
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._finish()
            raise
        if result.done:
            self._finish()
            raise StopAsyncIteration
        chunk: T = result.value  # type: ignore[assignment]  # a chunk unless done; T may include None
        return chunk

    async def aclose(self, reason: object = None) -> None:
        """End the iteration early: cancel the stream, unless told not to, and release it."""
        if self._reader is None:
            return
        if self._prevent_cancel:
            self._finish()
            return
        cancelled = self._reader.cancel(reason)
        self._finish()
        await cancelled

    def _finish(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.release_lock()

    def __del__(self) -> None:
        # ``break`` drops the iterator without a word: CPython does this at once, so the source is told at once.
        reader = self._reader
        if reader is None:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # the loop is gone, and the stream with it
        if not self._prevent_cancel:
            reader.cancel()
        self._finish()
