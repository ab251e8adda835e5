"""ReadableStream: what programs use of a readable stream.

WHATWG Streams, section 4.2. Readers are in ``reader``; the state machine is
:class:`~kamaros_gui.streams.readable_controller.ReadableController`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, high_water_mark_of, size_of
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.reader import ReadableStreamDefaultReader, ReadableStreamIterator

if TYPE_CHECKING:
    from kamaros_gui.streams.writable import WritableStream

__all__ = ["ReadableStream", "ReadableWritablePair"]

T = TypeVar("T")
U = TypeVar("U")


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

    def statistics(self) -> StreamStatistics:
        """Return what has gone through so far. Plain reads, so any thread may call it.

        ``chunks_in`` and ``bytes_in`` are what the source enqueued, ``chunks_out`` and ``bytes_out`` what was read;
        chunks that a cancel or an error dropped are in neither. ``queued`` and ``high_water_mark`` are in the units of
        the stream's strategy. ``waited_for_input`` are the seconds in which somebody's read was pending;
        ``waited_for_output`` those in which the queue was full and nobody's read was pending, so that the source
        was not asked. Both stand still once the source has closed the stream. A wait that goes on counts; time inside
        a plain ``pull`` counts for neither. Called from another thread, the figures may be one chunk apart.
        """
        return self.controller.statistics()

    def __repr__(self) -> str:
        return f"<ReadableStream {self.controller.state}{' locked' if self.locked else ''}>"
