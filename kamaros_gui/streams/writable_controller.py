"""WritableController: the state machine of a writable stream, and what its sink is given.

One object where the standard has two, for the reason told in ``readable_controller``. The order of the steps is that
of WHATWG Streams, sections 5.4 and 5.5; the method names are those of its abstract operations where they fit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

from kamaros_gui.base.abort import AbortController, AbortSignal, exception_from, reason_from
from kamaros_gui.streams.promise import Promise, call, is_awaitable, method_of, react
from kamaros_gui.streams.queuing import SizeOf, checked_size

__all__ = ["WritableController", "WritableHolder"]

T = TypeVar("T")

WritableState = Literal["writable", "erroring", "errored", "closed"]


class WritableHolder(Protocol):
    """Who holds the lock of a writable stream: a writer or a pipe."""

    def on_backpressure(self, backpressure: bool) -> None:
        """Note that the queue became full or has room again."""

    def on_dest(self) -> None:
        """Look at the stream's state: a write finished or the state changed."""


class WritableController(Generic[T]):
    """What a sink uses: ``error``, ``signal``, ``hold`` and ``release_hold``."""

    __slots__ = (
        "_abort_controller",
        "_abort_outcome",
        "_abort_sink",
        "_close_in_flight",
        "_close_queued",
        "_close_request",
        "_close_sink",
        "_loop",
        "_pending_abort",
        "_size_of",
        "_started",
        "_write_in_flight",
        "_write_sink",
        "aborting",
        "backpressure",
        "error_stored",
        "high_water_mark",
        "holder",
        "queue",
        "queue_size",
        "state",
    )

    def __init__(self, sink: object | None, high_water_mark: float, size_of: SizeOf | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._write_sink: Callable[[T, WritableController[T]], object] | None = method_of(sink, "write")
        self._close_sink: Callable[[], object] | None = method_of(sink, "close")
        self._abort_sink: Callable[[object], object] | None = method_of(sink, "abort")
        self._size_of = size_of
        self._abort_controller: AbortController | None = None
        self._abort_outcome: Promise[None] | None = None
        self._started = False
        # The chunk being written stays at the head of the queue until the sink is done with it.
        self._write_in_flight = False
        self._close_queued = False
        self._close_in_flight = False
        self._close_request: Promise[None] | None = None
        self._pending_abort: tuple[Promise[None], BaseException, bool] | None = None
        # True while sink.abort runs: the stream is errored, but nobody who waits for its end is told yet.
        self.aborting = False
        self.high_water_mark = high_water_mark
        self.state: WritableState = "writable"
        self.error_stored: BaseException | None = None
        self.queue: deque[tuple[T, float, Promise[None] | None]] = deque()
        self.queue_size: float = 0
        self.backpressure = high_water_mark <= 0
        self.holder: WritableHolder | None = None

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

    def hold(self, size: float) -> None:
        """Count ``size`` against the high-water mark for work that goes on after ``write`` has returned."""
        self.queue_size += size
        self._update_backpressure()

    def release_hold(self, size: float) -> None:
        """Take back what :meth:`hold` counted. Does nothing once the stream has failed."""
        if self.state == "writable":
            self.queue_size = max(0, self.queue_size - size)
            self._update_backpressure()

    # --------------------------------------------------------------------------------------- for the package

    @property
    def desired_size(self) -> float | None:
        """How much more the queue should get; negative when overfull, 0 when closed, ``None`` when failed."""
        if self.state == "writable":
            return self.high_water_mark - self.queue_size
        return 0 if self.state == "closed" else None

    @property
    def closing(self) -> bool:
        """Whether a close is queued or running."""
        return self._close_request is not None

    @property
    def writes_settled(self) -> bool:
        """Whether every chunk handed over was written, or has failed."""
        return not self._write_in_flight and not self.queue

    def start(self, sink: object | None) -> None:
        """Call ``sink.start``. Writing begins from the event loop, when start is done.

        Raises:
            Exception: what a plain ``start`` raised.
        """
        method = method_of(sink, "start")
        self.started_by(method(self) if method is not None else None)

    def started_by(self, result: object) -> None:
        """Begin writing when the result of ``start`` is settled."""
        if is_awaitable(result):
            react(result, self._on_started, self._on_start_failed)
        else:
            self._loop.call_soon(self._on_started, None)

    def acquire(self, holder: WritableHolder) -> None:
        """Lock the stream.

        Raises:
            TypeError: it is locked.
        """
        if self.holder is not None:
            raise TypeError("the stream is locked")
        self.holder = holder

    def release(self) -> None:
        """Unlock the stream."""
        self.holder = None

    def write(self, chunk: T, promise: Promise[None] | None) -> None:
        """Queue a chunk and write it if the sink is free. ``promise`` learns the outcome; a pipe needs none."""
        size: float = 1
        if self._size_of is not None:
            try:
                size = checked_size(self._size_of(chunk))
            except Exception as error:  # noqa: BLE001 - a size that fails fails the stream
                self.fail_if_writable(error)
        if self.state != "writable" or self._close_request is not None:
            if promise is not None:
                promise.reject(self._refusal())
            return
        self.queue.append((chunk, size, promise))
        self.queue_size += size
        if self._write_in_flight or not self._started:
            self._update_backpressure()
        else:
            self._advance()

    def close(self) -> Promise[None]:
        """Close the sink after the queued writes."""
        if self.state == "closed" or self._close_request is not None:
            return Promise.rejected(TypeError("the stream is closed or closing"))
        if self.state == "errored":
            return Promise.rejected(TypeError("the stream has failed"))
        request = self._close_request = Promise()
        if self.holder is not None and self.backpressure and self.state == "writable":
            self.holder.on_backpressure(False)  # noqa: FBT003 - the parameter's name is the method's
        self._close_queued = True
        self._advance_if_free()
        return request

    def abort(self, error: BaseException) -> Promise[None]:
        """Fail the stream, drop what is queued, and call ``sink.abort`` once the running write is over."""
        if self.state in {"closed", "errored"}:
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

    def _refusal(self) -> BaseException:
        closing = self._close_request is not None or self.state == "closed"
        if self.error_stored is None or (closing and self.state != "errored"):
            return TypeError("the stream is closed or closing")
        return self.error_stored

    def _on_started(self, _result: object) -> None:
        self._started = True
        self._advance_if_free()
        if self.holder is not None:
            self.holder.on_dest()

    def _on_start_failed(self, error: BaseException) -> None:
        self._started = True
        self._deal_with_rejection(error)

    def _advance_if_free(self) -> None:
        if self._started and not self._write_in_flight:
            self._advance()

    def _advance(self) -> None:
        """Write chunk after chunk as long as the sink takes them at once; then close, if that was asked for."""
        queue = self.queue
        while True:
            if self.state == "erroring":
                self._finish_erroring()
                return
            if not queue:
                break
            if self._write_sink is not None:
                self._write_in_flight = True
                try:
                    result = self._write_sink(queue[0][0], self)
                except Exception as error:  # noqa: BLE001 - the sink's error is the stream's error
                    self._on_write_failed(error)
                    return
                if result is not None and is_awaitable(result):
                    react(result, self._on_written, self._on_write_failed)
                    self._update_backpressure()
                    return
            self._write_done()
        if self.backpressure:
            self._update_backpressure()
        if self._close_queued and not self._close_in_flight:
            self._process_close()

    def _write_done(self) -> None:
        _chunk, size, promise = self.queue.popleft()
        self._write_in_flight = False
        self.queue_size -= size
        if promise is not None:
            promise.resolve(None)

    def _on_written(self, _result: object) -> None:
        self._write_done()
        self._update_backpressure()
        self._advance()
        if self.holder is not None:
            self.holder.on_dest()

    def _on_write_failed(self, error: BaseException) -> None:
        _chunk, _size, promise = self.queue.popleft()
        self._write_in_flight = False
        if promise is not None:
            promise.reject(error)
        self._deal_with_rejection(error)

    def _update_backpressure(self) -> None:
        if self.state != "writable" or self._close_request is not None:
            return
        backpressure = self.queue_size >= self.high_water_mark
        if backpressure != self.backpressure:
            self.backpressure = backpressure
            if self.holder is not None:
                self.holder.on_backpressure(backpressure)

    def _process_close(self) -> None:
        self._close_in_flight = True
        close_sink = self._close_sink
        self._forget_sink()
        call(close_sink, (), self._on_closed, self._on_close_failed)

    def _on_closed(self, _result: object) -> None:
        request, self._close_request = self._close_request, None
        self._close_in_flight = self._close_queued = False
        if request is not None:
            request.resolve(None)
        if self.state == "erroring":
            # The close won: an error that came while it was running does not count.
            self.error_stored = None
            if self._pending_abort is not None:
                self._pending_abort[0].resolve(None)
                self._pending_abort = None
        self.state = "closed"
        if self.holder is not None:
            self.holder.on_dest()

    def _on_close_failed(self, error: BaseException) -> None:
        request, self._close_request = self._close_request, None
        self._close_in_flight = self._close_queued = False
        if request is not None:
            request.reject(error)
        if self._pending_abort is not None:
            self._pending_abort[0].reject(error)
            self._pending_abort = None
        self._deal_with_rejection(error)

    def _deal_with_rejection(self, error: BaseException) -> None:
        if self.state == "writable":
            self._start_erroring(error)
        elif self.state == "erroring":
            self._finish_erroring()

    def _start_erroring(self, error: BaseException) -> None:
        self.state = "erroring"
        self.error_stored = error
        if self.holder is not None:
            self.holder.on_dest()
        if self._started and not self._write_in_flight and not self._close_in_flight:
            self._finish_erroring()

    def _finish_erroring(self) -> None:
        error = self.error_stored
        assert error is not None  # noqa: S101 - set when the erroring began; for the type checker
        self.state = "errored"
        dropped = [promise for _chunk, _size, promise in self.queue if promise is not None]
        self.queue.clear()
        self.queue_size = 0
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
        request, self._close_request = self._close_request, None
        self._close_queued = self.aborting = False
        if request is not None:
            request.reject(error)
        if self.holder is not None:
            self.holder.on_dest()

    def _forget_sink(self) -> None:
        self._write_sink = self._close_sink = self._abort_sink = self._size_of = None
