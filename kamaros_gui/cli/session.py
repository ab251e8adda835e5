"""Session: one run of the program, its jobs, and Ctrl+C as a clean cancel."""

from __future__ import annotations

import concurrent.futures
import signal
from types import FrameType
from typing import Any, Final, Self, TypeVar

from kamaros_gui.cli.output import Output
from kamaros_gui.cli.progress import make_display
from kamaros_gui.jobs import JobRunner, JobSnapshot, Report, Request

__all__ = ["Session"]

_POLL_SECONDS: Final = 0.1

R = TypeVar("R", bound=Report)


class Session:
    """One run of the program: a runner, an output, and Ctrl+C as a clean cancel.

    Args:
        output: where results go.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.runner = JobRunner()
        self._job_id: int | None = None
        self._interrupted = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def finish(self, request: Request, *, silent: bool = False) -> JobSnapshot:
        """Run *request* to its end, showing progress unless *silent*; return its last snapshot.

        Raises:
            KamarosError: it failed, or was cancelled.
        """
        display = make_display(silent=silent or self.output.json or self.output.quiet)
        job = self.runner.submit(request)
        self._job_id = job.id
        if self._interrupted:
            self.runner.cancel(job.id)
        display.show(job.snapshot())  # before it is entered, so that the first thing drawn says what is done
        with display:
            while not concurrent.futures.wait([job.future], timeout=_POLL_SECONDS).done:
                display.show(job.snapshot())
        self._job_id = None
        job.future.result()
        return job.snapshot()

    def report(self, request: Request, kind: type[R]) -> tuple[R, JobSnapshot]:
        """Run *request* to its end as :meth:`finish` does; return its report, which is of *kind*, and the snapshot.

        Raises:
            KamarosError: it failed, or was cancelled.
            TypeError: the report is of another kind, which is a fault of the program.
        """
        snapshot = self.finish(request)
        if not isinstance(snapshot.report, kind):
            raise TypeError(f"{request.kind} answered with {type(snapshot.report).__name__}")
        return snapshot.report, snapshot

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if self._job_id is None:
            raise KeyboardInterrupt
        self.runner.cancel(self._job_id)
