"""ParallelCore: the jobs of a parallel transform, kept in order between its two sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from kamaros_gui.base.abort import exception_from
from kamaros_gui.streams.calling import call, method_of, react
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["Job", "JobResult", "ParallelCore", "ParallelTransformer", "Submit"]

T_contra = TypeVar("T_contra", contravariant=True)

Buffer: TypeAlias = bytes | bytearray | memoryview
JobResult: TypeAlias = Buffer | Sequence[Buffer] | None
Job: TypeAlias = Callable[[], JobResult]
Submit: TypeAlias = Callable[[Job], Awaitable[JobResult]]

_MISSING: Final[Any] = object()


class ParallelTransformer(Protocol[T_contra]):
    """Cuts chunks into jobs. All methods but ``transform`` are optional; all are plain functions."""

    def transform(self, chunk: T_contra) -> Sequence[Job] | None:
        """Take a chunk; return the jobs that are ready to run. None are while a block is still being filled."""

    def flush(self) -> Sequence[Job] | None:
        """Return the last jobs, after the last chunk."""

    def cancel(self, reason: object) -> Any:
        """Give up. Called when no job runs any more, so buffers may be reused. May return an awaitable."""


class _Block:
    """A job on its way: submitted or waiting for a slot, done or not."""

    __slots__ = ("job", "result", "size")

    def __init__(self, job: Job, size: float) -> None:
        self.job = job
        self.size = size
        self.result: Any = _MISSING


class ParallelCore:
    """The sink of the writable side; keeps the blocks in order."""

    def __init__(self, transformer: ParallelTransformer[Any], submit: Submit, max_in_flight: int, size: SizeOf) -> None:
        self._transform: Any = transformer.transform
        self._flush = method_of(transformer, "flush")
        self._cancel = method_of(transformer, "cancel")
        self._submit = submit
        self._max_in_flight = max_in_flight
        self._size = size
        self._blocks: deque[_Block] = deque()  # submitted, in order
        self._waiting: deque[_Block] = deque()  # not yet submitted, in order behind them
        self._unassigned: float = 0  # size of chunks that became no job yet
        self._jobs_running = 0
        self._delivering = False
        self._room: Promise[None] | None = None  # a write that waits for a slot
        self._closing: Promise[None] | None = None
        self._stopping: Promise[None] | None = None
        self._error: BaseException | None = None
        self._reason: object = None
        self._writable: WritableController[Any]
        self._readable: ReadableController[Any]

    def attach(self, writable: WritableController[Any], readable: ReadableController[Any]) -> None:
        """Connect the two sides, once."""
        self._writable = writable
        self._readable = readable
        # A write that waits for a slot would hold up the abort, which waits for it: so the abort is heard here first.
        writable.signal.add_listener(lambda signal: self._stop(signal.error, signal.reason))

    # ------------------------------------------------------------------------------------------------- sink

    def write(self, chunk: Any, _controller: WritableController[Any]) -> Promise[None] | None:
        """Cut a chunk into jobs; ask the writer to wait while jobs wait for a slot."""
        if self._stopping is None:
            try:
                size = self._size(chunk)
                jobs = self._transform(chunk)
                self._unassigned += size
                self._add(jobs)
            except Exception as error:  # noqa: BLE001 - both sides fail with it, when no job runs any more
                self._fail(error)
            else:
                if not self._waiting:
                    return None
        # Waits for a slot; after a failure, for the jobs that still run.
        room = self._room = Promise()
        if self._stopping is not None and not self._stopping.pending and self._error is not None:
            room.reject(self._error)
        return room

    def close(self) -> Promise[None]:
        """Run the last jobs; settles when the last result was delivered."""
        closing = self._closing = Promise()
        if self._stopping is None:
            try:
                self._add(self._flush() if self._flush is not None else None)
            except Exception as error:  # noqa: BLE001 - whatever flush raises fails both sides
                self._fail(error)
            else:
                self.deliver()
        return closing

    def abort(self, reason: object) -> Promise[None]:
        """The writable side was aborted: settle when no job runs any more."""
        return self._stop(exception_from(reason), reason)

    def stop_for_reader(self, reason: object) -> Promise[None]:
        """The readable side was cancelled: settle when no job runs any more."""
        return self._stop(exception_from(reason), reason)

    # ------------------------------------------------------------------------------------------------- jobs

    def _add(self, jobs: Sequence[Job] | None) -> None:
        if jobs:
            # Counted only now: bytes swallowed for a block that is still being filled must not stop the chunks that
            # would fill it. Whole shares, so that releasing them leaves no rounding errors.
            self._writable.hold(self._unassigned)
            share = self._unassigned // len(jobs)
            self._waiting.extend(_Block(job, share) for job in jobs)
            self._waiting[-1].size += self._unassigned - share * len(jobs)
            self._unassigned = 0
            self._submit_waiting()

    def _submit_waiting(self) -> None:
        while self._waiting and len(self._blocks) < self._max_in_flight and self._stopping is None:
            block = self._waiting.popleft()
            self._blocks.append(block)
            self._jobs_running += 1
            try:
                future = self._submit(self._guarded(block.job))
            except BaseException:
                self._jobs_running -= 1
                raise
            react(future, partial(self._on_result, block), self._on_job_failed)
        if not self._waiting and self._room is not None:
            room, self._room = self._room, None
            room.resolve(None)

    def _guarded(self, job: Job) -> Job:
        """Let a job that is still queued in the pool end at once after a stop."""

        def run() -> JobResult:
            return None if self._stopping is not None else job()

        return run

    def _on_result(self, block: _Block, result: JobResult) -> None:
        self._jobs_running -= 1
        if self._stopping is not None:
            self._stopped_when_idle()
            return
        block.result = result
        if block is self._blocks[0]:
            self.deliver()

    def _on_job_failed(self, error: BaseException) -> None:
        self._jobs_running -= 1
        if self._stopping is not None:
            self._stopped_when_idle()
        else:
            self._fail(error)

    # --------------------------------------------------------------------------------------------- delivery

    def deliver(self) -> None:
        """Hand over finished results in order, as far as the readable side wants them."""
        if self._delivering or self._stopping is not None:
            return
        self._delivering = True
        try:
            while self._blocks and self._blocks[0].result is not _MISSING and self._readable.should_pull():
                block = self._blocks.popleft()
                if not self._enqueue(block.result):
                    return
                self._writable.release_hold(block.size)
                self._submit_waiting()
        except Exception as error:  # noqa: BLE001 - a size or submit that fails fails both sides
            self._fail(error)
            return
        finally:
            self._delivering = False
        if self._closing is not None and not self._blocks and not self._waiting:
            self._readable.close_if_possible()
            self._closing.resolve(None)

    def _enqueue(self, result: JobResult) -> bool:
        """Enqueue the parts; false when a reader cancelled meanwhile."""
        if result is None:
            return True
        parts = (result,) if isinstance(result, bytes | bytearray | memoryview) else result
        for part in parts:
            self._readable.enqueue(part)
            if not self._readable.can_enqueue():
                return False
        return self._stopping is None

    # --------------------------------------------------------------------------------------------- stopping

    def _fail(self, error: BaseException) -> None:
        self._stop(error, error)

    def _stop(self, error: BaseException, reason: object) -> Promise[None]:
        """Drop everything; the first error counts. Returns what settles when the transformer was told."""
        if self._stopping is None:
            self._stopping = Promise()
            self._error = error
            self._reason = reason
            self._waiting.clear()
            self._stopped_when_idle()
        return self._stopping

    def _stopped_when_idle(self) -> None:
        if self._jobs_running or self._stopping is None or not self._stopping.pending:
            return
        self._blocks.clear()
        cancel, self._cancel = self._cancel, None
        call(cancel, (self._reason,), lambda _result: self._settle(None), self._settle)

    def _settle(self, failure: BaseException | None) -> None:
        error = self._error if failure is None else failure
        assert error is not None  # noqa: S101 - set by _stop; for the type checker
        assert self._stopping is not None  # noqa: S101 - as above
        self._readable.fail(error)
        if not self._writable.signal.aborted:  # else the abort is what fails it, and it has only begun
            self._writable.fail_if_writable(error)
        for waiting in (self._room, self._closing):
            if waiting is not None:
                waiting.reject(error)
        if failure is None:
            self._stopping.resolve(None)
        else:
            self._stopping.reject(failure)
