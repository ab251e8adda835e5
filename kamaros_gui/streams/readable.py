"""ReadableStream, its reader and its iterator.

WHATWG Streams, section 4. The state machine is :class:`~kamaros_gui.streams.readable_controller.ReadableController`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, final

from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, high_water_mark_of, size_of
from kamaros_gui.streams.readable_controller import ReadableController

if TYPE_CHECKING:
    from kamaros_gui.streams.writable import WritableStream

__all__ = ["ReadResult", "ReadableStream", "ReadableStreamDefaultReader", "ReadableWritablePair"]

T = TypeVar("T")
U = TypeVar("U")


class ReadResult(NamedTuple, Generic[T]):
    """What a read brings.

    Attributes:
        value: the chunk; ``None`` at the end.
        done: whether the stream has ended.
    """

    value: T | None
    done: bool


_END: ReadResult[Any] = ReadResult(None, True)  # noqa: FBT003 - the field's name is one line above


class ReadableWritablePair(Generic[T, U]):
    """Anything with a ``writable`` side that takes T and a ``readable`` side that gives U."""

    __slots__ = ("readable", "writable")

    def __init__(self, writable: WritableStream[T], readable: ReadableStream[U]) -> None:
        self.writable = writable
        self.readable = readable


class ReadableStream(Generic[T]):
    """Chunks to be read, one reader at a time. Make it while an event loop is running.

    Args:
        source: an object with any of ``start``, ``pull`` and ``cancel``
            (:class:`~kamaros_gui.streams.protocols.UnderlyingSource`).
        strategy: how much to read ahead; one chunk by default.
        controller: a state machine made elsewhere; for the package's own use.

    Raises:
        TypeError: a method of the source is not callable.
        ValueError: the strategy's high-water mark is NaN or negative.
        Exception: what ``source.start`` raised.
    """

    __slots__ = ("__weakref__", "controller")

    def __init__(
        self,
        source: object | None = None,
        strategy: object | None = None,
        *,
        controller: ReadableController[T] | None = None,
    ) -> None:
        if controller is None:
            controller = ReadableController(source, high_water_mark_of(strategy, 1), size_of(strategy))
            controller.start(source)
        self.controller = controller

    @property
    def locked(self) -> bool:
        """Whether a reader, a tee or a pipe holds the stream."""
        return self.controller.holder is not None

    @property
    def disturbed(self) -> bool:
        """Whether it was ever read from or cancelled."""
        return self.controller.disturbed

    def get_reader(self) -> ReadableStreamDefaultReader[T]:
        """Lock the stream and return its reader.

        Raises:
            TypeError: it is locked.
        """
        return ReadableStreamDefaultReader(self)

    def cancel(self, reason: object = None) -> Promise[None]:
        """Give the stream up: it closes at once, queued chunks are dropped, the source is told.

        The promise settles when ``source.cancel`` has; it fails with a ``TypeError`` if the stream is locked and with
        the stored error if it has failed. Works without being awaited.
        """
        if self.controller.holder is not None:
            return Promise.rejected(TypeError("a locked stream can't be cancelled"))
        return self.controller.cancel(reason)

    def tee(
        self, bound: int | None = None, *, size: SizeOf | None = None
    ) -> tuple[ReadableStream[T], ReadableStream[T]]:
        """Split the stream in two that get the same chunk objects; see :func:`kamaros_gui.streams.tee.tee`."""
        from kamaros_gui.streams.tee import DEFAULT_BOUND, tee

        return tee(self, DEFAULT_BOUND if bound is None else bound, size=size)

    def pipe_to(
        self,
        dest: WritableStream[T],
        *,
        prevent_close: bool = False,
        prevent_abort: bool = False,
        prevent_cancel: bool = False,
        signal: AbortSignal | None = None,
    ) -> Promise[None]:
        """Move every chunk into ``dest``; see :func:`kamaros_gui.streams.piping.pipe_to`."""
        from kamaros_gui.streams.piping import pipe_to

        return pipe_to(
            self,
            dest,
            prevent_close=prevent_close,
            prevent_abort=prevent_abort,
            prevent_cancel=prevent_cancel,
            signal=signal,
        )

    def pipe_through(
        self,
        pair: Any,
        *,
        prevent_close: bool = False,
        prevent_abort: bool = False,
        prevent_cancel: bool = False,
        signal: AbortSignal | None = None,
    ) -> ReadableStream[Any]:
        """Pipe into ``pair.writable`` and return ``pair.readable``. A failure shows up in the returned stream.

        Raises:
            TypeError: one of the two sides to be connected is locked, or ``signal`` is no signal.
        """
        from kamaros_gui.streams.piping import is_signal, pipe_to

        if self.locked or pair.writable.locked:
            raise TypeError("pipe_through needs two unlocked streams")
        if not is_signal(signal):
            raise TypeError("signal must be an AbortSignal")
        pipe_to(
            self,
            pair.writable,
            prevent_close=prevent_close,
            prevent_abort=prevent_abort,
            prevent_cancel=prevent_cancel,
            signal=signal,
        )
        readable: ReadableStream[Any] = pair.readable
        return readable

    @staticmethod
    def from_(iterable: Iterable[U] | AsyncIterable[U]) -> ReadableStream[U]:
        """Make a stream of an iterable, read only as fast as somebody reads the stream.

        Cancelling the stream closes a generator (``close`` or ``aclose``, awaited).

        Raises:
            TypeError: it is not iterable.
        """
        from kamaros_gui.streams.iterables import source_of
        from kamaros_gui.streams.queuing import CountQueuingStrategy

        return ReadableStream(source_of(iterable), CountQueuingStrategy(0))

    def values(self, *, prevent_cancel: bool = False) -> ReadableStreamIterator[T]:
        """Iterate over the chunks. Leaving the loop early cancels the stream unless ``prevent_cancel``.

        Raises:
            TypeError: the stream is locked.
        """
        return ReadableStreamIterator(self, prevent_cancel=prevent_cancel)

    def __aiter__(self) -> AsyncIterator[T]:
        return self.values()

    def __repr__(self) -> str:
        return f"<ReadableStream {self.controller.state}{' locked' if self.locked else ''}>"


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
                controller.requests.append(promise)
                controller.pull_if_needed()
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
        controller.release()
        requests = list(controller.requests)
        controller.requests.clear()
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
        elif controller.error_stored is not None:
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
