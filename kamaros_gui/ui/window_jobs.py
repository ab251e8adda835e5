"""Jobs that a window starts: hands requests to the engine, waits for their end, and shows what came of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.errors import AbortError, KamarosError
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ForgetReport
from kamaros_gui.jobs.requests import (
    CompactRequest,
    ForgetRequest,
    ImportRequest,
    MoveRequest,
    RemoveRequest,
    Request,
    RestoreRequest,
    SaveRequest,
    TagRequest,
)
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_session import HEAD
from kamaros_gui.ui.engine import SubmittedJob, outcome
from kamaros_gui.ui.event_loop import spawn
from kamaros_gui.ui.verify_dialog import VerifyDialog
from kamaros_gui.ui.workspace import Workspace

if TYPE_CHECKING:
    from kamaros_gui.ui.main_window import MainWindow

__all__ = ["WindowJobs"]

_NEW_VERSION = SaveRequest | ImportRequest | MoveRequest | RemoveRequest
_SAME_VERSIONS = TagRequest | ForgetRequest | CompactRequest


class WindowJobs(QObject):
    """Starts the jobs of one window.

    Args:
        window: shows what comes of them.
        workspace: what all windows share.
    """

    def __init__(self, window: MainWindow, workspace: Workspace) -> None:
        super().__init__(window)
        self._window = window
        self._workspace = workspace
        self._session = window.session

    def start(self, request: Request, *, select: str = "") -> None:
        """Start a job and follow it to its end.

        Args:
            request: what is to be done.
            select: path of the row to select once the archive is read again.
        """
        spawn(self._follow(self._submit(request), request, select))

    async def attempt(self, request: Request, *, select: str = "") -> str:
        """Start a job and wait for its end; cancelling the waiter cancels the job too.

        Args:
            request: what is to be done.
            select: as for :meth:`start`.

        Returns:
            Why it could not be done, empty where it is done.
        """
        job = self._submit(request)
        try:
            report = await outcome(job)
        except asyncio.CancelledError:
            self._workspace.engine.cancel(job.id)
            if not self._window.closed:
                spawn(self._follow(job, request, select))  # a job that was about to be done is done, and shown
            raise
        except AbortError:
            return self._outcome(job)
        except KamarosError as error:
            # Whoever asked says why, at once; a card would say it a second time.
            self._workspace.engine.dismiss(job.id)
            return " ".join(part for part in (error.message, error.hint) if part)
        finally:
            self._workspace.watch.wake()
        await self._show_result(job, request, report, select)
        return ""

    async def result(self, request: Request) -> Any:
        """Start a job that changes nothing; return its report, ``None`` where there is none, which is said."""
        job = self._submit(request)
        try:
            return await outcome(job)
        except KamarosError as error:
            self._explain(job, request, error)
            return None
        finally:
            self._workspace.watch.wake()

    def _submit(self, request: Request) -> SubmittedJob:
        job = self._workspace.engine.submit(request)
        self._window.statusBar().clearMessage()
        self._workspace.watch.wake()
        return job

    async def _follow(self, job: SubmittedJob, request: Request, select: str) -> None:
        report: Any = None
        try:
            report = await outcome(job)
        except KamarosError as error:
            self._explain(job, request, error)
        finally:
            self._workspace.watch.wake()
        await self._show_result(job, request, report, select)

    def _explain(self, job: SubmittedJob, request: Request, error: KamarosError) -> None:
        if isinstance(error, AbortError):
            self._window.say(self._outcome(job) or self.tr("Cancelled; the archive is as it was."))
            return
        # The card in the transfers panel keeps the error and its details.
        self._window.say(self.tr("{} failed: {}").format(display_path(request.title), error.message))

    def _outcome(self, job: SubmittedJob) -> str:
        """Return the sentence on how *job* ended; empty where its card has been dismissed already."""
        try:
            return display_path(self._workspace.engine.snapshot(job.id).outcome)
        except KeyError:
            return ""

    async def _show_result(self, job: SubmittedJob, request: Request, report: Any, select: str) -> None:
        if self._window.closed:
            return
        if isinstance(request, _NEW_VERSION):
            await self._after_save(job, report, select)
        elif isinstance(request, _SAME_VERSIONS) and report is not None:
            await self._session.load(self._version_to_show(report))
            self._window.say(self._outcome(job))
        elif isinstance(request, RestoreRequest) and isinstance(report, RestoreReport):
            self._window.say(self.tr("Extracted {} to {}").format(texts.items_text(report.restored), report.target))
        elif isinstance(report, VerifyReport):
            VerifyDialog(self._session.name, report, self._window).open()
        elif isinstance(report, DiffReport):
            self._window.say(self._outcome(job))

    async def _after_save(self, job: SubmittedJob, report: SaveReport | None, select: str) -> None:
        if report is not None:
            self._workspace.preferences.note_archive(self._session.path)
            if select:
                self._window.page.select_when_read(select)
            await self._session.load(HEAD)
            self._window.say(self._outcome(job))
        elif self._session.unsaved:
            self._window.show_new_archive(self._session.path)

    def _version_to_show(self, report: Any) -> str:
        """Return the version that stays in view: the one that is, or the newest where it was forgotten."""
        tree = self._session.tree
        if tree is None or tree.listing.is_head:
            return HEAD
        shown = tree.listing.version
        gone = isinstance(report, ForgetReport) and shown in {version.id for version in report.forgotten}
        return HEAD if gone else shown
