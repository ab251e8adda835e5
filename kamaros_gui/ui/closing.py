"""Closing a window whose jobs still run: ask, cancel them, and wait, seen by the user, until they are cleaned up."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from kamaros_gui.jobs.snapshots import JobSnapshot
from kamaros_gui.ui import texts
from kamaros_gui.ui.dialogs import ButtonRole, ask
from kamaros_gui.ui.widgets import Card, heading, muted_label
from kamaros_gui.ui.workspace import Workspace

__all__ = ["CancellingOverlay", "EndOfJobs"]

_CLEAN_UP_PATIENCE_SECONDS = 60.0

RunningJobs = Callable[[], list[JobSnapshot]]


class EndOfJobs(QObject):
    """Brings the jobs of a window to their end before it closes.

    Args:
        window: the window.
        workspace: what all windows share.
    """

    def __init__(self, window: QWidget, workspace: Workspace) -> None:
        super().__init__(window)
        self._window = window
        self._workspace = workspace

    async def reach(self, running: RunningJobs) -> bool:
        """Cancel what *running* returns, if the user agrees, and wait; return whether the window may close."""
        jobs = running()
        if not jobs:
            return True
        if not await self._agree_to_cancel(jobs):
            return False
        overlay = CancellingOverlay(self._window)
        for job in jobs:
            self._workspace.engine.cancel(job.id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLEAN_UP_PATIENCE_SECONDS):
                await self._ended(running)
        overlay.deleteLater()
        return True

    async def _agree_to_cancel(self, jobs: list[JobSnapshot]) -> bool:
        last = self._workspace.windows.count == 1
        answer = await ask(
            self._window,
            self.tr("Jobs are running"),
            self.tr("{} still running on {}.").format(texts.jobs_text(len(jobs)), os.path.basename(jobs[0].archive)),
            [
                (self.tr("Keep running"), ButtonRole.RejectRole),
                (
                    self.tr("Cancel jobs and quit") if last else self.tr("Cancel jobs and close"),
                    ButtonRole.DestructiveRole,
                ),
            ],
            details=self.tr("Cancelled jobs leave no trace: the archive stays as it was before them."),
        )
        return answer == 1

    async def _ended(self, running: RunningJobs) -> None:
        ended = asyncio.Event()

        def look(_snapshots: object) -> None:
            if not running():
                ended.set()

        self._workspace.watch.updated.connect(look)
        try:
            self._workspace.watch.wake()
            await ended.wait()
        finally:
            self._workspace.watch.updated.disconnect(look)


class CancellingOverlay(QWidget):
    """A veil over the whole window with a card that says what is waited for.

    Args:
        window: the window it covers.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setAccessibleName(self.tr("Cancelling"))
        title = heading(self.tr("Cancelling…"), 1.3)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = muted_label(self.tr("What was written is removed; the archive stays as it was."))
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        bar = QProgressBar()
        bar.setRange(0, 0)
        bar.setTextVisible(False)
        bar.setFixedHeight(8)
        card = Card()
        inside = QVBoxLayout(card)
        inside.setContentsMargins(36, 26, 36, 26)
        inside.setSpacing(12)
        inside.addWidget(title)
        inside.addWidget(text)
        inside.addWidget(bar)
        layout = QVBoxLayout(self)
        layout.addWidget(card, 0, Qt.AlignmentFlag.AlignCenter)
        window.installEventFilter(self)
        self.setGeometry(window.rect())
        self.show()
        self.raise_()
        self.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize and watched is self._window:
            self.setGeometry(self._window.rect())
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        veil = self.palette().color(QPalette.ColorRole.Window)
        veil.setAlpha(190)
        QPainter(self).fillRect(self.rect(), veil)
