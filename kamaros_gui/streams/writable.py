"""WritableStream and its writer.

WHATWG Streams, sections 5.2 and 5.3. The state machine is
:class:`~kamaros_gui.streams.writable_controller.WritableController`.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, final

from kamaros_gui.base.abort import exception_from
from kamaros_gui.base.errors import AbortError
from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import high_water_mark_of, size_of
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["WritableStream", "WritableStreamDefaultWriter"]

T = TypeVar("T")


class _Default:
    """Type of the marker for "no reason given"; ``None`` is a reason like any other."""


_DEFAULT: Final = _Default()


def _error_of(reason: object) -> BaseException:
    return AbortError() if reason is _DEFAULT else exception_from(reason)


class WritableStream(Generic[T]):
    """Takes chunks, one writer at a time. Make it while an event loop is running.

    Args:
        sink: an object with any of ``start``, ``write``, ``close`` and ``abort``
            (:class:`~kamaros_gui.streams.protocols.UnderlyingSink`).
        strategy: how much may be queued; one chunk by default.
        controller: a state machine made elsewhere; for the package's own use.

    Raises:
        TypeError: a method of the sink is not callable.
        ValueError: the strategy's high-water mark is NaN or negative.
        Exception: what ``sink.start`` raised.
    """

    __slots__ = ("__weakref__", "controller")

    def __init__(
        self,
        sink: object | None = None,
        strategy: object | None = None,
        *,
        controller: WritableController[T] | None = None,
    ) -> None:
        if controller is None:
            controller = WritableController(sink, high_water_mark_of(strategy, 1), size_of(strategy))
            controller.start(sink)
        self.controller = controller

    @property
    def locked(self) -> bool:
        """Whether a writer or a pipe holds the stream."""
        return self.controller.holder is not None

    def get_writer(self) -> WritableStreamDefaultWriter[T]:
        """Lock the stream and return its writer.

        Raises:
            TypeError: it is locked.
        """
        return WritableStreamDefaultWriter(self)

    def close(self) -> Promise[None]:
        """Close the stream; see :meth:`WritableStreamDefaultWriter.close`. Fails with ``TypeError`` if locked."""
        if self.controller.holder is not None:
            return Promise.rejected(TypeError("a locked stream can't be closed"))
        return self.controller.close()

    def abort(self, reason: object = _DEFAULT) -> Promise[None]:
        """Abort the stream; see :meth:`WritableStreamDefaultWriter.abort`. Fails with ``TypeError`` if locked."""
        if self.controller.holder is not None:
            return Promise.rejected(TypeError("a locked stream can't be aborted"))
        return self.controller.abort(_error_of(reason))

    def statistics(self) -> StreamStatistics:
        """Return what has gone through so far. Plain reads, so any thread may call it.

        ``chunks_in`` and ``bytes_in`` are what the stream took, ``chunks_out`` and ``bytes_out`` what its sink took and
        was done with; chunks that an abort or an error dropped, and the one whose write failed, are in the first only.
        ``queued`` and ``high_water_mark`` are in the units of the stream's strategy; the chunk being written is queued.
        ``waited_for_input`` are the seconds in which the sink had started and had nothing to write;
        ``waited_for_output`` those in which ``desired_size`` was 0 or less. Both stand still once a close was asked
        for or the stream has failed. A wait that goes on counts. Called from another thread, the figures may be one
        chunk apart.
        """
        return self.controller.statistics()

    def __repr__(self) -> str:
        return f"<WritableStream {self.controller.state}{' locked' if self.locked else ''}>"


@final
class WritableStreamDefaultWriter(Generic[T]):
    """Writes a stream, which it locks until :meth:`release_lock`.

    Raises:
        TypeError: the stream is locked.
    """

    __slots__ = ("_closed", "_controller", "_ready")

    def __init__(self, stream: WritableStream[T]) -> None:
        controller = stream.controller
        controller.acquire(self)
        self._controller: WritableController[T] | None = controller
        self._closed: Promise[None] = Promise()
        self._ready: Promise[None] = Promise()
        if not controller.backpressure or controller.close_request is not None:
            self._ready.resolve(None)
        self.on_dest()
        if controller.state == "errored" and controller.error_stored is not None:
            self._closed.reject(controller.error_stored)

    @property
    def closed(self) -> Promise[None]:
        """Fulfilled when the stream has closed; fails with its error, or ``TypeError`` once the lock is released."""
        return self._closed

    @property
    def ready(self) -> Promise[None]:
        """Fulfilled while there is room in the queue. Await it before each write: this is the backpressure."""
        return self._ready

    @property
    def desired_size(self) -> float | None:
        """How much more the queue should get; negative when overfull, 0 when closed, ``None`` when failed.

        Raises:
            TypeError: the writer was released.
        """
        if self._controller is None:
            raise TypeError("the writer was released")
        return self._controller.desired_size

    def write(self, chunk: T) -> Promise[None]:
        """Hand over a chunk. The promise settles when the sink has taken it, or fails with the stream's error.

        The chunk takes its place in the queue at once, whether or not the promise is awaited.
        """
        promise: Promise[None] = Promise()
        if self._controller is None:
            promise.reject(TypeError("the writer was released"))
        else:
            self._controller.write(chunk, promise)
        return promise

    def close(self) -> Promise[None]:
        """Close the sink after all queued writes. The promise settles with the outcome of ``sink.close``.

        It fails with ``TypeError`` if the stream is closed, closing or errored, with the stored error if it is failing.
        """
        if self._controller is None:
            return Promise.rejected(TypeError("the writer was released"))
        return self._controller.close()

    def abort(self, reason: object = _DEFAULT) -> Promise[None]:
        """Drop what is queued, wait for a running write, then have the sink throw away what it got.

        The promise settles with the outcome of ``sink.abort``. On a closed or errored stream nothing happens. The
        stream fails with ``reason``: an ``AbortError`` if none is given.
        """
        if self._controller is None:
            return Promise.rejected(TypeError("the writer was released"))
        return self._controller.abort(_error_of(reason))

    def release_lock(self) -> None:
        """Let go of the stream. Writes and a close asked for before take their course."""
        controller, self._controller = self._controller, None
        if controller is None:
            return
        controller.release()
        error = TypeError("the writer was released")
        if not self._ready.pending:
            self._ready = Promise()
        self._ready.reject(error)
        if not self._closed.pending:
            self._closed = Promise()
        self._closed.reject(error)

    def on_backpressure(self, backpressure: bool) -> None:
        """Renew or fulfil :attr:`ready`; called by the controller."""
        if backpressure:
            self._ready = Promise()
        else:
            self._ready.resolve(None)

    def on_dest(self) -> None:
        """Settle :attr:`ready` and :attr:`closed` after a change of state; called by the controller."""
        controller = self._controller
        if controller is None or controller.state == "writable":
            return
        if controller.state == "closed":
            self._ready.resolve(None)
            self._closed.resolve(None)
            return
        error: Any = controller.error_stored
        if self._ready.state != "rejected":
            if not self._ready.pending:
                self._ready = Promise()
            self._ready.reject(error)
        if controller.state == "errored" and not controller.aborting:
            self._closed.reject(error)
