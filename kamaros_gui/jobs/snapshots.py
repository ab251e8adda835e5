"""What the window and the terminal see of a job: its state and a frozen picture of its progress."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from kamaros_gui.base.progress import ProgressSnapshot
from kamaros_gui.base.reports import FileIssue
from kamaros_gui.base.statistics import StageStatistics
from kamaros_gui.jobs.reports import Report

__all__ = ["TERMINAL_STATES", "TRANSITIONS", "ErrorDetails", "JobSnapshot", "JobState"]


class JobState(enum.StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"


TRANSITIONS: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.PAUSED, JobState.CANCELLING, JobState.DONE, JobState.FAILED}),
    JobState.PAUSED: frozenset({JobState.RUNNING, JobState.CANCELLING, JobState.FAILED}),
    # A cancel that arrives after the commit loses the race: the job is done, and says so.
    JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.DONE, JobState.FAILED}),
    JobState.CANCELLED: frozenset(),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
}
"""Every change of state there is; anything else is a bug and raises."""

TERMINAL_STATES: Final = frozenset(state for state, following in TRANSITIONS.items() if not following)


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorDetails:
    """A failure as the user reads it.

    Attributes:
        message: what went wrong.
        hint: the way out, may be empty.
        details: text to copy into a report: kind of error, traceback where the error was not expected.
    """

    message: str
    hint: str
    details: str


@dataclasses.dataclass(frozen=True, slots=True)
class JobSnapshot:
    """One job at one moment.

    Attributes:
        id: number of the job in this runner, rising.
        kind: ``save``, ``move``, ``remove``, ``import``, ``restore``, ``export``, ``read``, ``tag``, ``forget``,
            ``compact``, ``diff`` or ``verify``.
        title: a line for people.
        archive: path of the archive.
        target: folder of a restore, file of an export, empty otherwise.
        state: where it is in its life.
        progress: bytes, files, chunks, speed and time.
        issues: files left out so far, the first ``MAX_ISSUES_KEPT``.
        issue_count: all of them.
        report: the outcome once DONE.
        error: why it FAILED.
        outcome: one sentence on how it ended and what that means for the archive, empty before.
        stages: what each stage has done so far, in the order the data goes through them; final once the job has ended,
            however it ended.
    """

    id: int
    kind: str
    title: str
    archive: str
    target: str
    state: JobState
    progress: ProgressSnapshot
    issues: tuple[FileIssue, ...] = ()
    issue_count: int = 0
    report: Report | None = None
    error: ErrorDetails | None = None
    outcome: str = ""
    stages: tuple[StageStatistics, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in TERMINAL_STATES
