"""``kamaros``: from arguments to requests, from reports to an exit status."""

from __future__ import annotations

import argparse
import concurrent.futures
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Self

from kamaros_gui.base.config import load_config
from kamaros_gui.base.errors import AbortError, KamarosError
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport
from kamaros_gui.cli.exit_status import ExitStatus, status_of
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.parser import parse_arguments
from kamaros_gui.cli.progress import make_display
from kamaros_gui.jobs import (
    JobRunner,
    JobSnapshot,
    ListRequest,
    LogRequest,
    Request,
    RestoreRequest,
    SaveRequest,
    VerifyRequest,
)

__all__ = ["Session", "main"]

_POLL_SECONDS = 0.1


def main(arguments: Sequence[str] | None = None, *, open_window: Callable[[list[str]], int]) -> int:
    """Run ``kamaros`` with *arguments* (the process's own by default); return its exit status.

    Args:
        arguments: without the program's name.
        open_window: what ``kamaros gui`` does; given from outside, because this layer knows no window.
    """
    _accept_any_text()
    options = parse_arguments(arguments)
    if options.verb == "gui":
        return open_window(options.paths)
    output = Output(json=getattr(options, "json", False), quiet=getattr(options, "quiet", False))
    try:
        with Session(output) as session:
            status = session.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever reads our output has read enough, as in ``kamaros list … | head``.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.ERROR
    except (KamarosError, KeyboardInterrupt) as error:
        output.error(error if isinstance(error, KamarosError) else AbortError())
        return status_of(error)
    except Exception as error:  # noqa: BLE001 - a fault of the program is told in one line too, not as a traceback
        output.error(
            KamarosError(
                f"An unexpected error stopped the work: {type(error).__name__}: {error}.",
                hint="This is a fault of the program; please report it.",
            )
        )
        return ExitStatus.ERROR


def _accept_any_text() -> None:
    """Let a terminal without Unicode show what it can't as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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

    def run(self, options: argparse.Namespace) -> int:
        """Carry out one verb; return the exit status.

        Raises:
            KamarosError: it could not be done.
        """
        verbs: dict[str, Callable[[argparse.Namespace], int]] = {
            "save": self._save,
            "restore": self._restore,
            "verify": self._verify,
            "list": self._list,
            "log": self._log,
            "demo": self._demo,
        }
        names = ("chunk_size", "codec", "level", "workers")
        overrides = {name: getattr(options, name, None) for name in names}
        overrides["verify_after_save"] = getattr(options, "verify", None)
        overrides["reread_unchanged"] = getattr(options, "reread", None)
        self.runner.config = load_config(overrides=overrides)
        return verbs[options.verb](options)

    def finish(self, request: Request) -> JobSnapshot:
        """Run *request* to its end, showing progress; return its last snapshot.

        Raises:
            KamarosError: it failed, or was cancelled.
        """
        display = make_display(silent=self.output.json or self.output.quiet)
        job = self.runner.submit(request)
        self._job_id = job.id
        if self._interrupted:
            self.runner.cancel(job.id)
        with display:
            while not concurrent.futures.wait([job.future], timeout=_POLL_SECONDS).done:
                display.show(job.snapshot())
        self._job_id = None
        job.future.result()
        return job.snapshot()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if self._job_id is None:
            raise KeyboardInterrupt
        self.runner.cancel(self._job_id)

    # ------------------------------------------------------------------------------------------------ verbs

    def _save(self, options: argparse.Namespace) -> int:
        snapshot = self.finish(
            SaveRequest(
                archive=options.archive,
                paths=tuple(options.paths),
                into=options.into,
                message=options.message,
                author=options.author,
                mirror=options.mirror,
                excludes=tuple(options.exclude),
                strict=options.strict,
            )
        )
        report = snapshot.report
        if isinstance(report, SaveReport):
            self.output.issues(report.issues, snapshot.issue_count)
            self.output.saved(report, snapshot.outcome, snapshot.stages if options.stats else None)
        return ExitStatus.SKIPPED if snapshot.issue_count else ExitStatus.DONE

    def _restore(self, options: argparse.Namespace) -> int:
        snapshot = self.finish(
            RestoreRequest(
                archive=options.archive,
                target=options.directory,
                paths=tuple(options.paths),
                version=options.wanted,
                on_conflict=options.on_conflict,
                outside_links=options.outside_links,
            )
        )
        report = snapshot.report
        if not isinstance(report, RestoreReport):
            return ExitStatus.ERROR
        self.output.issues(report.issues, snapshot.issue_count)
        self.output.restored(report, snapshot.outcome, snapshot.stages if options.stats else None)
        if report.damaged:
            return ExitStatus.DAMAGED
        # What was skipped on the user's own word is no surprise.
        return ExitStatus.SKIPPED if report.failed else ExitStatus.DONE

    def _verify(self, options: argparse.Namespace) -> int:
        snapshot = self.finish(VerifyRequest(archive=options.archive))
        report = snapshot.report
        if not isinstance(report, VerifyReport):
            return ExitStatus.ERROR
        self.output.verified(report, snapshot.outcome, snapshot.stages if options.stats else None)
        return ExitStatus.DONE if report.valid else ExitStatus.DAMAGED

    def _list(self, options: argparse.Namespace) -> int:
        self.output.listing(self.runner.query(ListRequest(archive=options.archive, version=options.wanted)).result())
        return ExitStatus.DONE

    def _log(self, options: argparse.Namespace) -> int:
        self.output.history(self.runner.query(LogRequest(archive=options.archive, path=options.path)).result())
        return ExitStatus.DONE

    def _demo(self, options: argparse.Namespace) -> int:
        from kamaros_gui.cli.demo import run_demo

        return run_demo(self, options.folder)
