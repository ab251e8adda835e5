"""Job: one request on its way through the states. Everything that changes a job's state is in this file."""

from __future__ import annotations

import concurrent.futures
import threading
import traceback

from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import AbortError, KamarosError
from kamaros_gui.base.statistics import StageStatistics
from kamaros_gui.jobs.outcomes import describe_outcome
from kamaros_gui.jobs.reports import Report
from kamaros_gui.jobs.requests import ExportRequest, Request, RestoreRequest
from kamaros_gui.jobs.snapshots import TERMINAL_STATES, TRANSITIONS, ErrorDetails, JobSnapshot, JobState

__all__ = ["Job"]


class Job:
    """One request and what has become of it. Readable from any thread.

    Args:
        number: id within its runner.
        request: what was asked for.

    Attributes:
        id: as given.
        request: as given.
        future: the report, or the error; :class:`AbortError` when the job was cancelled. Don't cancel the future,
            cancel the job.
        control: abort signal, pause gate, progress, stages.
    """

    def __init__(self, number: int, request: Request) -> None:
        self.id = number
        self.request = request
        self.future: concurrent.futures.Future[Report] = concurrent.futures.Future()
        self._abort = AbortController()
        self.control = RunControl(self._abort.signal)
        self._lock = threading.RLock()
        self._state = JobState.QUEUED
        self._report: Report | None = None
        self._error: ErrorDetails | None = None
        self._outcome = ""
        self._stages: tuple[StageStatistics, ...] | None = None

    @property
    def state(self) -> JobState:
        """Where the job is in its life."""
        return self._state

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self._state in TERMINAL_STATES

    def snapshot(self) -> JobSnapshot:
        """Return a frozen picture of the job."""
        control, request = self.control, self.request
        with self._lock:
            return JobSnapshot(
                id=self.id,
                kind=request.kind,
                title=request.title,
                archive=request.archive,
                target=request.target if isinstance(request, RestoreRequest | ExportRequest) else "",
                state=self._state,
                progress=control.progress.snapshot(),
                issues=tuple(control.issues),
                issue_count=control.issue_count,
                report=self._report,
                error=self._error,
                outcome=self._outcome,
                stages=control.stages.snapshot() if self._stages is None else self._stages,
            )

    def begin(self) -> bool:
        """Let a queued job run; false when it was cancelled before."""
        with self._lock:
            if self._state is not JobState.QUEUED:
                return False
            self._enter(JobState.RUNNING)
        self.future.set_running_or_notify_cancel()
        return True

    def request_cancel(self) -> None:
        """Ask the job to stop and leave no trace; a queued one is cancelled at once. Called on the engine thread."""
        with self._lock:
            if self._state is JobState.QUEUED:
                self.future.set_running_or_notify_cancel()
                self._end(JobState.CANCELLED, None, AbortError())
                return
            if self._state not in {JobState.RUNNING, JobState.PAUSED}:
                return
            self._enter(JobState.CANCELLING)
        self._abort.abort(AbortError())

    def pause(self) -> None:
        """Hold a running job before its next read."""
        with self._lock:
            if self._state is JobState.RUNNING:
                self._enter(JobState.PAUSED)
                self.control.gate.close()

    def resume(self) -> None:
        """Let a paused job go on."""
        with self._lock:
            if self._state is JobState.PAUSED:
                self._enter(JobState.RUNNING)
                self.control.gate.open()

    def succeed(self, report: Report) -> None:
        """Note that the job has reached its end. A cancel that came too late, or a pause, loses against that."""
        with self._lock:
            if self._state is JobState.PAUSED:
                self._enter(JobState.RUNNING)
            self._end(JobState.DONE, report, None)

    def fail(self, error: BaseException) -> None:
        """Note that the job ended with *error*; an abort that was asked for is a cancel, not a failure."""
        with self._lock:
            cancelled = self._state is JobState.CANCELLING and error is self._abort.signal.reason
            self._end(JobState.CANCELLED if cancelled else JobState.FAILED, None, error)

    def _end(self, state: JobState, report: Report | None, error: BaseException | None) -> None:
        self._report = report
        # A job stays on show long after its end; the streams it measured, and what they hold, must not.
        self.control.stages.settle()
        self._stages = self.control.stages.snapshot()
        if state is JobState.FAILED and error is not None:
            self._error = _details(error)
        self._enter(state)
        self._outcome = describe_outcome(self.request, state, report)
        if error is not None:
            _forget_frames(error)
            self.future.set_exception(error)
        elif report is not None:
            self.future.set_result(report)

    def _enter(self, state: JobState) -> None:
        if state not in TRANSITIONS[self._state]:
            raise RuntimeError(f"job {self.id} can't go from {self._state} to {state}")
        self._state = state


def _forget_frames(error: BaseException) -> None:
    """Let go of the frames *error* came through: they hold everything the job had in memory, as long as it is shown."""
    links: list[BaseException | None] = [error]
    seen: set[int] = set()
    while links:
        link = links.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            links += [link.__cause__, link.__context__]


def _details(error: BaseException) -> ErrorDetails:
    if isinstance(error, KamarosError):
        lines = [f"{type(error).__name__}: {error}"]
        cause = error.__cause__
        while cause is not None:
            lines.append(f"caused by {type(cause).__name__}: {cause}")
            cause = cause.__cause__
        return ErrorDetails(error.message, error.hint, "\n".join(lines))
    return ErrorDetails(
        f"An unexpected error stopped the work: {type(error).__name__}: {error}",
        "This is a fault of the program. Please report it with the details.",
        "".join(traceback.format_exception(error)),
    )
