"""WritableController: the state machine of a writable stream, and what its sink is given.

One object where the standard has two, for the reason told in ``readable_controller``. The order of the steps is that
of WHATWG Streams, sections 5.4 and 5.5; the method names are those of its abstract operations where they fit. Errors
and aborts are in ``writable_ending``.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Generic, TypeVar

from kamaros_gui.streams.calling import call, is_awaitable, react
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, bytes_of, checked_size
from kamaros_gui.streams.writable_ending import WritableEnding

__all__ = ["WritableController"]

T = TypeVar("T")


class WritableController(WritableEnding[T], Generic[T]):
    """What a sink uses: ``error``, ``signal``, ``hold`` and ``release_hold``.

    WHATWG Streams, section 5.4 (WritableStreamDefaultController); the two holds are this package's own, for sinks
    that go on with a chunk after ``write`` has returned.
    """

    __slots__ = ("backpressure",)

    def __init__(self, sink: object | None, high_water_mark: float, size_of: SizeOf | None) -> None:
        super().__init__(sink, high_water_mark, size_of)
        self.backpressure = False
        self._set_backpressure(high_water_mark <= 0)

    # ------------------------------------------------------------------------------------------ for the sink

    def hold(self, size: float) -> None:
        """Count ``size``, in the units of the strategy, against the mark for work that goes on after ``write``."""
        self.queue_size += size
        self._update_waits()

    def release_hold(self, size: float) -> None:
        """Take back what :meth:`hold` counted. Does nothing once the stream has failed."""
        if self.state == "writable":
            self.queue_size = max(0, self.queue_size - size)
            self._update_waits()

    # --------------------------------------------------------------------------------------- for the package

    @property
    def desired_size(self) -> float | None:
        """How much more the queue should get; negative when overfull, 0 when closed, ``None`` when failed."""
        if self.state == "writable":
            return self.high_water_mark - self.queue_size
        return 0 if self.state == "closed" else None

    @property
    def writes_settled(self) -> bool:
        """Whether every chunk handed over was written, or has failed."""
        return not self._write_in_flight and not self.queue

    def write(self, chunk: T, promise: Promise[None] | None = None) -> None:
        """Queue a chunk and write it if the sink is free. ``promise`` learns the outcome; a pipe needs none."""
        data: Any = chunk
        nbytes: int = data.nbytes if type(data) is memoryview else bytes_of(data)  # saves a call where it counts
        size: float = 1
        size_of = self._size_of
        if nbytes and self._by_bytes:
            size = nbytes
        elif size_of is not None:
            try:
                size = checked_size(size_of(chunk))
            except Exception as error:  # noqa: BLE001 - a size that fails fails the stream
                self.fail_if_writable(error)
        if self.state != "writable" or self.close_request is not None:
            if promise is not None:
                promise.reject(self._refusal())
            return
        if self._input_clock < 0:
            self._input_clock += perf_counter()
        self.chunks_in += 1
        self.bytes_in += nbytes
        self.queue.append((chunk, size, promise))
        self.queue_size += size
        if self._write_in_flight or not self.started:
            self._update_waits()
        else:
            self._advance()

    def close(self) -> Promise[None]:
        """Close the sink after the queued writes."""
        if self.state == "closed" or self.close_request is not None:
            return Promise.rejected(TypeError("the stream is closed or closing"))
        if self.state == "errored":
            return Promise.rejected(TypeError("the stream has failed"))
        request = self.close_request = Promise()
        self._stop_clocks()
        if self.holder is not None and self.backpressure and self.state == "writable":
            self.holder.on_backpressure(False)  # noqa: FBT003 - the parameter's name is the method's
        self._close_queued = True
        self._advance_if_free()
        return request

    # --------------------------------------------------------------------------------------------- internals

    def _refusal(self) -> BaseException:
        closing = self.close_request is not None or self.state == "closed"
        if self.error_stored is None or (closing and self.state != "errored"):
            return TypeError("the stream is closed or closing")
        return self.error_stored

    def _on_started(self, _result: object) -> None:
        self.started = True
        self._advance_if_free()
        if self.holder is not None:
            self.holder.on_dest()

    def _on_start_failed(self, error: BaseException) -> None:
        self.started = True
        self._deal_with_rejection(error)

    def _advance_if_free(self) -> None:
        if self.started and not self._write_in_flight:
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
                    self._update_waits()
                    return
            self._write_done()
        if self._close_queued:
            self._process_close()
        elif self.backpressure or self.queue_size:
            self._update_waits()
        elif self._input_clock >= 0:
            self._input_clock -= perf_counter()

    def _write_done(self) -> None:
        _chunk, size, promise = self.queue.popleft()
        self._write_in_flight = False
        self.queue_size -= size
        if promise is not None:
            promise.resolve(None)

    def _on_written(self, _result: object) -> None:
        self._write_done()
        self._update_waits()
        self._advance()
        if self.holder is not None:
            self.holder.on_dest()

    def _on_write_failed(self, error: BaseException) -> None:
        chunk, _size, promise = self.queue.popleft()
        self._drop(chunk)
        self._write_in_flight = False
        if promise is not None:
            promise.reject(error)
        self._deal_with_rejection(error)

    def _update_waits(self) -> None:
        """Tell the holder when the queue became full or has room; start or stop the clocks."""
        if self.state != "writable" or self.close_request is not None:
            return
        hungry = self.started and not self.queue and not self.queue_size
        if hungry != (self._input_clock < 0):
            self._input_clock += -perf_counter() if hungry else perf_counter()
        backpressure = self.queue_size >= self.high_water_mark
        if backpressure != self.backpressure:
            self._set_backpressure(backpressure)
            if self.holder is not None:
                self.holder.on_backpressure(backpressure)

    def _set_backpressure(self, backpressure: bool) -> None:
        self.backpressure = backpressure
        if backpressure != (self._output_clock < 0):
            self._output_clock += -perf_counter() if backpressure else perf_counter()

    def _process_close(self) -> None:
        self._close_in_flight = True
        close_sink = self._close_sink
        self._forget_sink()
        call(close_sink, (), self._on_closed, self._on_close_failed)

    def _on_closed(self, _result: object) -> None:
        self._end_close().resolve(None)
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
        self._end_close().reject(error)
        if self._pending_abort is not None:
            self._pending_abort[0].reject(error)
            self._pending_abort = None
        self._deal_with_rejection(error)

    def _end_close(self) -> Promise[None]:
        request, self.close_request = self.close_request, None
        self._close_in_flight = self._close_queued = False
        assert request is not None  # noqa: S101 - a close that runs was asked for; for the type checker
        return request
