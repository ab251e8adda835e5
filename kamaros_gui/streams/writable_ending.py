"""WritableEnding: how a writable stream fails, is aborted and tells so; the base of ``WritableController``.

A stream that fails does so in two steps (WHATWG Streams, section 5.4): it is *erroring* while a write or the start is
still running, and *errored* when that is over. Only then is ``sink.abort`` called, and who waits is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

from kamaros_gui.base.abort import AbortController, AbortSignal, exception_from, reason_from
from kamaros_gui.streams.calling import call, method_of
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf
from kamaros_gui.streams.stream_controller import StreamController

__all__ = ["WritableEnding", "WritableHolder"]

T = TypeVar("T")


class WritableHolder(Protocol):
    """Who holds the lock of a writable stream: a writer or a pipe."""

    def on_backpressure(self, backpressure: bool) -> None:
        """Note that the queue became full or has room again."""

    def on_dest(self) -> None:
        """Look at the stream's state: a write finished or the state changed."""


class WritableEnding(StreamController[WritableHolder], Generic[T]):
    """The half of a writable stream's state machine that deals with errors and aborts."""

    __slots__ = (
        "_abort_controller",
        "_abort_outcome",
        "_abort_sink",
        "_close_in_flight",
        "_close_queued",
        "_close_sink",
        "_pending_abort",
        "_write_in_flight",
        "_write_sink",
        "aborting",
        "close_request",
        "state",
    )

    def __init__(self, sink: object | None, high_water_mark: float, size_of: SizeOf | None) -> None:
        super().__init__(high_water_mark, size_of)
        self._write_sink: Callable[..., object] | None = method_of(sink, "write")
        self._close_sink: Callable[[], object] | None = method_of(sink, "close")
        self._abort_sink: Callable[[object], object] | None = method_of(sink, "abort")
        self.state: Literal["writable", "erroring", "errored", "closed"] = "writable"
        self.queue: deque[tuple[T, float, Promise[None] | None]] = deque()
        # The chunk being written stays at the head of the queue until the sink is done with it.
        self._write_in_flight = False
        self._close_queued = False
        self._close_in_flight = False
        self.close_request: Promise[None] | None = None  # there is one while a close is queued or running
        self._abort_controller: AbortController | None = None
        self._abort_outcome: Promise[None] | None = None
        self._pending_abort: tuple[Promise[None], BaseException, bool] | None = None
        # True while sink.abort runs: the stream is errored, but nobody who waits for its end is told yet.
        self.aborting = False

    # ------------------------------------------------------------------------------------------ for the sink

    @property
    def signal(self) -> AbortSignal:
        """Aborted at once when the stream is, for a sink whose write can be cut short. Not fired by errors."""
        if self._abort_controller is None:
            self._abort_controller = AbortController()
        return self._abort_controller.signal

    def error(self, reason: object) -> None:
        """Fail the stream: queued writes fail too, a running one is waited for. A no-op unless it is writable."""
        self.fail_if_writable(exception_from(reason))

    # --------------------------------------------------------------------------------------- for the package

    def abort(self, error: BaseException) -> Promise[None]:
        """Fail the stream, drop what is queued, and call ``sink.abort`` once the running write is over."""
        if self.settled_for_good():
            return Promise.resolved(None)
        signal = self.signal
        assert self._abort_controller is not None  # noqa: S101 - made by asking for the signal; for the type checker
        self._abort_controller.abort(error)
        # A listener may have aborted in turn, with another reason: the first one counts.
        error = signal.error
        if self.settled_for_good():
            return Promise.resolved(None) if self._abort_outcome is None else self._abort_outcome
        if self._pending_abort is not None:
            return self._pending_abort[0]
        was_erroring = self.state == "erroring"
        promise = self._abort_outcome = Promise()
        self._pending_abort = (promise, error, was_erroring)
        if not was_erroring:
            self._start_erroring(error)
        return promise

    def fail_if_writable(self, error: BaseException) -> None:
        """Do what :meth:`error` does, with something that can be raised."""
        if self.state == "writable":
            self._start_erroring(error)

    def settled_for_good(self) -> bool:
        """Whether the stream is closed or errored."""
        return self.state in {"closed", "errored"}

    # --------------------------------------------------------------------------------------------- internals

    def _deal_with_rejection(self, error: BaseException) -> None:
        if self.state == "writable":
            self._start_erroring(error)
        else:
            self._finish_erroring()

    def _start_erroring(self, error: BaseException) -> None:
        self.state = "erroring"
        self.error_stored = error
        self._stop_clocks()
        if self.holder is not None:
            self.holder.on_dest()
        if self.started and not self._write_in_flight and not self._close_in_flight:
            self._finish_erroring()

    def _finish_erroring(self) -> None:
        error = self.error_stored
        assert error is not None  # noqa: S101 - set when the erroring began; for the type checker
        self.state = "errored"
        dropped = [promise for _chunk, _size, promise in self.queue if promise is not None]
        self._drop_queue()
        for promise in dropped:
            promise.reject(error)
        abort_sink = self._abort_sink
        self._forget_sink()
        self.aborting = self._pending_abort is not None
        if self._pending_abort is None:
            self._reject_close(error)
            return
        promise, reason, was_erroring = self._pending_abort
        self._pending_abort = None
        if was_erroring:
            promise.reject(error)
            self._reject_close(error)
            return

        def aborted(_result: object) -> None:
            promise.resolve(None)
            self._reject_close(error)

        def abort_failed(failure: BaseException) -> None:
            promise.reject(failure)
            self._reject_close(error)

        call(abort_sink, (reason_from(reason),), aborted, abort_failed)

    def _reject_close(self, error: BaseException) -> None:
        request, self.close_request = self.close_request, None
        self._close_queued = self.aborting = False
        if request is not None:
            request.reject(error)
        if self.holder is not None:
            self.holder.on_dest()

    def _forget_sink(self) -> None:
        self._write_sink = self._close_sink = self._abort_sink = self._size_of = None
