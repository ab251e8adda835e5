"""The dock of running and finished jobs of one archive."""

from __future__ import annotations

import os

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDockWidget, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from kamaros_gui.base.reports import VerifyReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.jobs.snapshots import JobSnapshot
from kamaros_gui.ui import texts
from kamaros_gui.ui.engine import Engine
from kamaros_gui.ui.error_dialog import ErrorDialog
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.job_card import JobCard, went_wrong
from kamaros_gui.ui.verify_dialog import VerifyDialog
from kamaros_gui.ui.widgets import muted_label, set_text

__all__ = ["OPEN_AFTER_SECONDS", "TransfersDock"]

OPEN_AFTER_SECONDS = 0.6
"""A job shorter than this is over before a panel would help."""


class TransfersDock(QDockWidget):
    """One card per job of an archive, newest first.

    Signals:
        wanted: a job runs long enough, or went wrong, to be looked at; emitted once per job.
        steered: a button changed a job, so its snapshot is worth a look.

    Args:
        engine: steered by the buttons.
        parent: owner.
    """

    wanted = Signal()
    steered = Signal()

    def __init__(self, engine: Engine, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Transfers") if parent is None else parent.tr("Transfers"), parent)
        self._engine = engine
        self._archive = ""
        self._cards: dict[int, JobCard] = {}
        self._announced: set[int] = set()
        self.setObjectName("transfers")
        self.setAllowedAreas(Qt.DockWidgetArea.BottomDockWidgetArea | Qt.DockWidgetArea.TopDockWidgetArea)
        self._summary = muted_label(self.tr("No jobs yet. What you save, extract or verify shows up here."))
        self.clear_button = QPushButton(icon("clear"), self.tr("Clear finished"))
        self.clear_button.clicked.connect(self.clear_finished)
        head = QHBoxLayout()
        head.setContentsMargins(12, 8, 8, 0)
        head.addWidget(self._summary, 1)
        head.addWidget(self.clear_button)
        self._list = QVBoxLayout()
        self._list.setContentsMargins(8, 0, 8, 8)
        self._list.setSpacing(8)
        self._list.addStretch(1)
        inside = QWidget()
        inside.setLayout(self._list)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        scroll.setAccessibleName(self.tr("Jobs"))
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(scroll, 1)
        self.setWidget(body)
        self._scroll = scroll
        self._update_summary()

    @property
    def cards(self) -> dict[int, JobCard]:
        """Job number → its card."""
        return self._cards

    @property
    def summary(self) -> str:
        """The line above the cards."""
        return self._summary.text()

    def set_archive(self, archive: str) -> None:
        """Show the jobs of *archive*."""
        self._archive = archive

    def show_jobs(self, snapshots: tuple[JobSnapshot, ...]) -> None:
        """Bring the cards up to date."""
        mine = {job.id: job for job in snapshots if job.archive == self._archive}
        for job_id in [known for known in self._cards if known not in mine]:
            card = self._cards.pop(job_id)
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        for job in mine.values():
            card = self._cards.get(job.id) or self._add_card(job)
            if card.snapshot is not job:
                card.show_snapshot(job)
            self._announce(job)
        self._update_summary()

    def clear_finished(self) -> None:
        """Forget the jobs that have ended."""
        for job_id, card in list(self._cards.items()):
            if card.snapshot.finished:
                self._engine.dismiss(job_id)
        self.steered.emit()

    def _add_card(self, job: JobSnapshot) -> JobCard:
        card = JobCard(job)
        job_id = job.id
        card.cancel_requested.connect(lambda: self._steer(self._engine.cancel, job_id))
        card.pause_requested.connect(lambda: self._steer(self._engine.pause, job_id))
        card.resume_requested.connect(lambda: self._steer(self._engine.resume, job_id))
        card.dismiss_requested.connect(lambda: self._steer(self._engine.dismiss, job_id))
        card.details_requested.connect(lambda: self._show_error(card.snapshot))
        card.report_requested.connect(lambda: self._show_report(card.snapshot))
        card.folder_requested.connect(lambda: self._open_folder(card.snapshot))
        # Once the layout has made room for them.
        card.unfolded.connect(lambda: self._scroll.ensureWidgetVisible(card.stages), Qt.ConnectionType.QueuedConnection)
        self._cards[job_id] = card
        self._list.insertWidget(0, card)
        self._scroll.verticalScrollBar().setValue(0)
        return card

    def _steer(self, call: object, job_id: int) -> None:
        if callable(call):
            call(job_id)
        self.steered.emit()

    def _announce(self, job: JobSnapshot) -> None:
        long_enough = not job.finished and job.progress.elapsed_seconds >= OPEN_AFTER_SECONDS
        worth_a_look = went_wrong(job) or (job.finished and job.issue_count > 0)
        if (long_enough or worth_a_look) and job.id not in self._announced:
            self._announced.add(job.id)
            self.wanted.emit()

    def _update_summary(self) -> None:
        running = sum(not card.snapshot.finished for card in self._cards.values())
        finished = len(self._cards) - running
        if self.clear_button.isEnabled() != bool(finished):
            self.clear_button.setEnabled(bool(finished))
        if not self._cards:
            set_text(self._summary, self.tr("No jobs yet. What you save, extract or verify shows up here."))
        elif running:
            set_text(self._summary, self.tr("{} running").format(texts.jobs_text(running)))
        else:
            set_text(self._summary, self.tr("Nothing is running"))

    def _show_error(self, job: JobSnapshot) -> None:
        if job.error is not None:
            ErrorDialog(self.tr("{} failed").format(display_path(job.title)), job.error, self.window()).open()

    def _show_report(self, job: JobSnapshot) -> None:
        if isinstance(job.report, VerifyReport):
            VerifyDialog(os.path.basename(job.archive), job.report, self.window()).open()

    def _open_folder(self, job: JobSnapshot) -> None:
        # The target of an export is a file, and opening that would start another program.
        folder = os.path.dirname(job.target) if job.kind == "export" else job.target
        QDesktopServices.openUrl(QUrl.fromLocalFile(folder))
