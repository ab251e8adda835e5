"""ReadableController: the state machine of a readable stream, and what its source is given.

The standard keeps this state in two objects, the stream and its default controller, because a stream may have
another kind of controller there. Here there is one kind, so there is one object, and a pipe moves a chunk with one
call. Names without an underscore below "For the package" are used by the reader, the pipe, the tee and the transform.
The steps are those of WHATWG Streams, sections 4.6 and 4.9.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Generic, Literal, Protocol, TypeVar

from kamaros_gui.base.abort import exception_from
from kamaros_gui.streams.calling import call, is_awaitable, method_of, react
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, bytes_of, checked_size
from kamaros_gui.streams.stream_controller import StreamController

__all__ = ["ReadableController", "ReadableHolder"]

T = TypeVar("T")


class ReadableHolder(Protocol):
    """Who holds the lock of a readable stream: a reader, a pipe or a tee."""

    def on_chunk(self, chunk: Any) -> None:
        """Take the chunk that was asked for."""

    def on_source(self) -> None:
        """Look at the stream's state, which has changed to closed or errored."""


class ReadableController(StreamController[ReadableHolder], Generic[T]):
    """What a source uses to feed its stream: ``enqueue``, ``close``, ``error``, ``desired_size``.

    WHATWG Streams, section 4.6 (ReadableStreamDefaultController).
    """

    __slots__ = (
        "_cancel_source",
        "_pull_again",
        "_pull_source",
        "_pulling",
        "close_requested",
        "disturbed",
        "requests",
        "state",
        "wanted",
    )

    def __init__(self, source: object | None, high_water_mark: float, size_of: SizeOf | None) -> None:
        super().__init__(high_water_mark, size_of)
        self._pull_source: Callable[[ReadableController[T]], object] | None = method_of(source, "pull")
        self._cancel_source: Callable[[object], object] | None = method_of(source, "cancel")
        self._pulling = False
        self._pull_again = False
        self.state: Literal["readable", "closed", "errored"] = "readable"
        self.disturbed = False
        self.close_requested = False
        self.queue: deque[tuple[T, float]] = deque()
        self.requests: deque[Promise[Any]] = deque()
        # A pipe or tee asks for a chunk with this flag where a reader appends a request.
        self.wanted = False

    # ---------------------------------------------------------------------------------------- for the source

    @property
    def desired_size(self) -> float | None:
        """How much more the queue should get; negative when overfull, 0 when closed, ``None`` when errored."""
        if self.state == "readable":
            return self.high_water_mark - self.queue_size
        return 0 if self.state == "closed" else None

    def enqueue(self, chunk: T) -> None:
        """Add a chunk. It goes straight to whoever waits for one; the queue takes it otherwise, full or not.

        Backpressure is the source's own business: a pull that is asked for means room, ``desired_size`` tells how much.

        Raises:
            TypeError: the stream is closed, closing or errored.
            ValueError: the strategy's size for it is negative, NaN or infinite; the stream has failed with this error.
        """
        if self.close_requested or self.state != "readable":
            raise TypeError("a chunk can't be enqueued: the stream is closed, closing or errored")
        data: Any = chunk
        nbytes: int = data.nbytes if type(data) is memoryview else bytes_of(data)  # saves a call where it counts
        if self.wanted or self.requests:
            self.chunks_in += 1
            self.bytes_in += nbytes
            if self._input_clock < 0 and len(self.requests) <= 1:
                self._input_clock += perf_counter()
            self.wanted = False
            assert self.holder is not None  # noqa: S101 - a holder asked; for the type checker
            self.holder.on_chunk(chunk)
            if self.high_water_mark <= 0:  # with a mark above, the queue, which is empty, has room
                self._note_waits()
        else:
            self._append(chunk, nbytes)
        if self._pulling:
            self._pull_again = True  # whether there is still room is looked at when the running pull is over
        else:
            self.pull_if_needed()

    def close(self) -> None:
        """End the stream once its queue is read.

        Raises:
            TypeError: it is closed, closing or errored already.
        """
        if self.close_requested or self.state != "readable":
            raise TypeError("the stream can't be closed: it is closed, closing or errored")
        self.close_if_possible()

    def error(self, reason: object) -> None:
        """Fail the stream at once: queued chunks are dropped. A no-op when it is closed or errored."""
        self.fail(exception_from(reason))

    # ---------------------------------------------------------------------------------------- for the package

    def ask(self) -> None:
        """Have the next chunk given to the holder's ``on_chunk``. The queue must be empty; may call it at once."""
        self.wanted = True
        if self._output_clock < 0:
            self._output_clock += perf_counter()
        self.pull_if_needed()
        if self.wanted and self._input_clock >= 0:
            self._input_clock -= perf_counter()

    def ask_for(self, request: Promise[Any]) -> None:
        """Have the next chunk that nobody waits for yet given to the holder, for ``request``."""
        self.requests.append(request)
        if self._output_clock < 0:
            self._output_clock += perf_counter()
        self.pull_if_needed()
        if self.requests and self._input_clock >= 0:
            self._input_clock -= perf_counter()

    def release(self) -> None:
        """Unlock the stream. What was asked for is not wanted any more."""
        super().release()
        self.wanted = False
        self.requests.clear()
        self._note_waits()

    def can_enqueue(self) -> bool:
        """Whether ``enqueue`` and ``close`` are allowed."""
        return self.state == "readable" and not self.close_requested

    def close_if_possible(self) -> None:
        """Do what :meth:`close` does, or nothing where that raises."""
        if self.close_requested or self.state != "readable":
            return
        self.close_requested = True
        self._stop_clocks()
        if not self.queue:
            self._finish_close()

    def fail(self, error: BaseException) -> None:
        """Do what :meth:`error` does, with something that can be raised."""
        if self.state != "readable":
            return
        self.state = "errored"
        self.error_stored = error
        self._forget_source()
        if self.holder is not None:
            self.holder.on_source()

    def should_pull(self) -> bool:
        """Whether the source is to be asked for a chunk (the standard's ShouldCallPull)."""
        if self.state != "readable" or self.close_requested or not self.started:
            return False
        return self.wanted or bool(self.requests) or self.high_water_mark > self.queue_size

    def pull_if_needed(self) -> None:
        """Call ``source.pull`` as long as it is plain and more is wanted; never while it is running."""
        if not self.should_pull():
            return
        if self._pulling:
            self._pull_again = True
            return
        self._pulling = True
        while True:
            self._pull_again = False
            if self._pull_source is not None:
                try:
                    result = self._pull_source(self)
                except Exception as error:  # noqa: BLE001 - the source's error is the stream's error
                    self._pulling = False
                    self.fail(error)
                    return
                if result is not None and is_awaitable(result):
                    react(result, self._on_pulled, self._on_pull_failed)
                    return
            if not self._pull_again or not self.should_pull():
                break
        self._pulling = False

    def take(self) -> T:
        """Remove and return the first chunk of the queue, which must not be empty."""
        chunk, size = self.queue.popleft()
        # Sizes may be fractions: the sum of what is left must not drift below zero.
        self.queue_size = self.queue_size - size if self.queue else 0
        if self.close_requested:
            if not self.queue:
                self._finish_close()
        else:
            if self._output_clock < 0 and self.queue_size < self.high_water_mark:
                self._output_clock += perf_counter()
            self.pull_if_needed()
        return chunk

    def cancel(self, reason: object) -> Promise[None]:
        """Close the stream, drop its queue and tell the source, whoever holds the lock."""
        self.disturbed = True
        if self.state == "closed":
            return Promise.resolved(None)
        if self.error_stored is not None:
            return Promise.rejected(self.error_stored)
        cancel_source = self._cancel_source
        self._finish_close()
        promise: Promise[None] = Promise()
        call(cancel_source, (reason,), lambda _result: promise.resolve(None), promise.reject)
        return promise

    # --------------------------------------------------------------------------------------------- internals

    def _append(self, chunk: T, nbytes: int) -> None:
        size: float = 1
        size_of = self._size_of
        if nbytes and self._by_bytes:
            size = nbytes
        elif size_of is not None:
            try:
                size = checked_size(size_of(chunk))
            except Exception as error:
                self.fail(error)
                raise
        self.chunks_in += 1
        self.bytes_in += nbytes
        self.queue.append((chunk, size))
        self.queue_size += size
        if self.queue_size >= self.high_water_mark and self._output_clock >= 0:
            self._output_clock -= perf_counter()

    def _note_waits(self) -> None:
        """Start or stop the clocks after a change in what is wanted: somebody waits, or the source is held back."""
        open_ = self.state == "readable" and not self.close_requested
        wanted = self.wanted or bool(self.requests)
        hungry = open_ and wanted
        held = open_ and not wanted and self.queue_size >= self.high_water_mark
        if hungry != (self._input_clock < 0):
            self._input_clock += -perf_counter() if hungry else perf_counter()
        if held != (self._output_clock < 0):
            self._output_clock += -perf_counter() if held else perf_counter()

    def _on_started(self, _result: object) -> None:
        self.started = True
        self.pull_if_needed()
        self._note_waits()

    def _on_start_failed(self, error: BaseException) -> None:
        self.fail(error)

    def _on_pulled(self, _result: object) -> None:
        self._pulling = False
        if self._pull_again:
            self._pull_again = False
            self.pull_if_needed()

    def _on_pull_failed(self, error: BaseException) -> None:
        self._pulling = False
        self.fail(error)

    def _finish_close(self) -> None:
        self.state = "closed"
        self._forget_source()
        if self.holder is not None:
            self.holder.on_source()

    def _forget_source(self) -> None:
        self._drop_queue()
        self._stop_clocks()
        self.wanted = False
        self._pull_source = self._cancel_source = self._size_of = None
