"""RunControl: what steers one operation from outside, and what is seen of it there: abort, pause, progress, stages."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.limits import MAX_ISSUES_KEPT
from kamaros_gui.base.progress import ProgressCounters
from kamaros_gui.base.reports import FileIssue, IssueKind
from kamaros_gui.base.statistics import StageMeters

__all__ = ["PauseGate", "RunControl"]


class PauseGate:
    """A gate the source of a job passes before each read. Closed and opened from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paused = False
        self._retired = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def paused(self) -> bool:
        """Whether the gate is closed."""
        return self._paused

    def close(self) -> None:
        """Hold whoever passes next; does nothing once the gate is retired."""
        with self._lock:
            self._paused = not self._retired

    def open(self) -> None:
        """Let everybody pass."""
        with self._lock:
            self._paused = False
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            with contextlib.suppress(RuntimeError):  # the loop of a waiter that was cancelled may have ended
                loop.call_soon_threadsafe(_release, future)

    def retire(self) -> None:
        """Open the gate for good: a pause that comes after an abort holds nobody."""
        with self._lock:
            self._retired = True
        self.open()

    async def passed(self) -> None:
        """Wait until the gate is open. Cancelling the waiter leaves the gate as it is."""
        while True:
            with self._lock:
                if not self._paused:
                    return
                loop = asyncio.get_running_loop()
                future: asyncio.Future[None] = loop.create_future()
                self._waiting.append((loop, future))
            await future


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class RunControl:
    """Steers one operation.

    An abort opens the gate too, for good, so a paused operation notices it at once.

    Attributes:
        signal: aborted when the operation is to stop and leave no trace.
        progress: counters, written by the engine thread.
        gate: closed while the operation is paused.
        stages: what each stage of the operation has done, fed by the pipeline; its snapshot may be taken on any thread.
        issues: files left out so far, at most ``MAX_ISSUES_KEPT``; written by the engine thread.
        issue_count: all of them.
        failures: how many of those are files that could not be read or written.
        first_failure: the first of these.
    """

    def __init__(self, signal: AbortSignal | None = None, progress: ProgressCounters | None = None) -> None:
        self.signal = signal if signal is not None else AbortSignal()
        self.progress = progress if progress is not None else ProgressCounters()
        self.gate = PauseGate()
        self.stages = StageMeters()
        self.issues: list[FileIssue] = []
        self.issue_count = 0
        self.failures = 0
        self.first_failure: FileIssue | None = None
        self.signal.add_listener(self._on_abort)
        if self.signal.aborted:
            self.gate.retire()

    def add_issue(self, path: str, reason: str, kind: IssueKind = "failed") -> None:
        """Note a file that was left out."""
        self.issue_count += 1
        if kind == "failed":
            self.failures += 1
            self.first_failure = self.first_failure or FileIssue(path, reason, kind)
        if len(self.issues) < MAX_ISSUES_KEPT:
            self.issues.append(FileIssue(path, reason, kind))

    async def checkpoint(self) -> None:
        """Pass the pause gate, then raise the abort reason if the operation was aborted."""
        if self.gate.paused:
            await self.gate.passed()
        self.signal.throw_if_aborted()

    def _on_abort(self, _signal: AbortSignal) -> None:
        self.gate.retire()
