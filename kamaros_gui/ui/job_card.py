"""The card of one job: what it does, how far it is, how fast, and how it ended."""

from __future__ import annotations

import os

from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QListView, QProgressBar, QPushButton, QVBoxLayout, QWidget

from kamaros_gui.base.progress import ProgressSnapshot
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.jobs.snapshots import JobSnapshot, JobState
from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.issue_model import IssueModel
from kamaros_gui.ui.job_texts import activity_text, chunk_text, progress_text, time_text
from kamaros_gui.ui.stage_view import StageView, bottleneck_text
from kamaros_gui.ui.widgets import (
    Card,
    ElidedLabel,
    IconLabel,
    flat_button,
    heading,
    muted_elided_label,
    muted_label,
    set_text,
)

__all__ = ["JobCard", "went_wrong"]

_STATE_ICONS = {
    JobState.QUEUED: ("clock", "muted"),
    JobState.RUNNING: ("transfers", "accent"),
    JobState.PAUSED: ("pause", "warning"),
    JobState.CANCELLING: ("cancel", "warning"),
    JobState.CANCELLED: ("cancel", "muted"),
    JobState.DONE: ("success", "success"),
    JobState.FAILED: ("error", "danger"),
}
_ISSUE_LIST_HEIGHT = 132


class JobCard(Card):
    """Shows one job and steers it.

    Signals:
        pause_requested, resume_requested, cancel_requested, dismiss_requested: a button was pressed.
        details_requested: the details of a failure are asked for.
        report_requested: the problems a verification found are asked for.
        folder_requested: the folder of a restore, or the one an export is in, is to be opened.
        unfolded: the figures of the stages were unfolded, and want to be seen.

    Args:
        snapshot: the job.
        parent: owner.
    """

    pause_requested = Signal()
    resume_requested = Signal()
    cancel_requested = Signal()
    dismiss_requested = Signal()
    details_requested = Signal()
    report_requested = Signal()
    folder_requested = Signal()
    unfolded = Signal()

    def __init__(self, snapshot: JobSnapshot, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.snapshot = snapshot
        self._state_icon = IconLabel("clock", 20, "muted")
        title = display_path(snapshot.title)
        self.title = heading(title, 1.05)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.archive = muted_label(os.path.basename(snapshot.archive))
        self.archive.setToolTip(snapshot.archive)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setAccessibleName(self.tr("Progress of {}").format(title))
        self.current_file = ElidedLabel()
        self.chunk = muted_label()
        self.numbers = muted_elided_label()
        self.times = muted_label()
        self.stages_button = flat_button("chevron-right", "", show_text=True)
        self.stages_button.setCheckable(True)
        self.stages = StageView()
        self.stages.hide()
        self.outcome = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.pause = QPushButton(icon("pause"), self.tr("Pause"))
        self.cancel = QPushButton(icon("close"), self.tr("Cancel"))
        self.open_folder = QPushButton(icon("open-folder"), self.tr("Open folder"))
        self.details = QPushButton(self.tr("Details…"))
        self.dismiss = flat_button("close", self.tr("Remove from the list"))
        self.issues_button = flat_button("chevron-right", "", show_text=True)
        self.issues_button.setCheckable(True)
        self.copy_issues = flat_button("copy", self.tr("Copy list"), show_text=True)
        self.issues = IssueModel(self)
        self.issue_view = QListView()
        self._lay_out()
        self._connect()
        self.show_snapshot(snapshot)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self._state_icon)
        top.addWidget(self.title)
        top.addWidget(self.archive)
        top.addStretch(1)
        for button in (self.open_folder, self.details, self.pause, self.cancel, self.dismiss):
            top.addWidget(button)
        middle = QHBoxLayout()
        middle.setSpacing(16)
        middle.addWidget(self.current_file, 1)
        middle.addWidget(self.chunk)
        bottom = QHBoxLayout()
        bottom.setSpacing(16)
        # Texts that change ten times a second must not move the button between them under the pointer.
        self.times.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bottom.addWidget(self.numbers, 1)
        bottom.addWidget(self.stages_button)
        bottom.addWidget(self.times, 1)
        problems = QHBoxLayout()
        problems.addWidget(self.issues_button)
        problems.addWidget(self.copy_issues)
        problems.addStretch(1)
        self.issue_view.setModel(self.issues)
        self.issue_view.setUniformItemSizes(True)
        self.issue_view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.issue_view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.issue_view.setAccessibleName(self.tr("Files left out"))
        self.issue_view.setFixedHeight(_ISSUE_LIST_HEIGHT)
        self.issue_view.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 12, 12)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.outcome)
        layout.addWidget(self.bar)
        layout.addLayout(middle)
        layout.addLayout(bottom)
        layout.addWidget(self.stages)
        layout.addLayout(problems)
        layout.addWidget(self.issue_view)

    def _connect(self) -> None:
        self.pause.clicked.connect(self._toggle_pause)
        self.cancel.clicked.connect(self.cancel_requested)
        self.open_folder.clicked.connect(self.folder_requested)
        self.details.clicked.connect(self._ask_for_details)
        self.dismiss.clicked.connect(self.dismiss_requested)
        self.issues_button.toggled.connect(self._show_issue_list)
        self.stages_button.toggled.connect(self._unfold_stages)
        self.copy_issues.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.issues.text()))
        copy = QShortcut(QKeySequence.StandardKey.Copy, self.issue_view)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self._copy_selected)

    def show_snapshot(self, snapshot: JobSnapshot) -> None:
        """Show *snapshot*, touching only what is different from the one before."""
        self.snapshot = snapshot
        progress = snapshot.progress
        self._show_state(snapshot)
        if snapshot.finished:
            # It names tags and paths as they are.
            set_text(self.outcome, display_path(snapshot.outcome))
            set_text(self.times, self.tr("took {}").format(texts.duration(progress.elapsed_seconds)))
        else:
            self._show_bar(progress)
            set_text(self.current_file, activity_text(snapshot))
            set_text(self.chunk, chunk_text(progress))
            set_text(self.times, time_text(snapshot))
        set_text(self.numbers, progress_text(progress, finished=snapshot.finished))
        self._show_issues(snapshot)
        self._show_stages(snapshot)

    def _show_state(self, snapshot: JobSnapshot) -> None:
        state = snapshot.state
        finished = snapshot.finished
        self._state_icon.set_icon(*_state_icon(snapshot))
        paused = state is JobState.PAUSED
        if self.pause.property("paused") != paused:
            self.pause.setProperty("paused", paused)
            self.pause.setText(self.tr("Resume") if paused else self.tr("Pause"))
            self.pause.setIcon(icon("play" if paused else "pause"))
        cancelling = state is JobState.CANCELLING
        wanted = self.tr("Cancelling…") if cancelling else self.tr("Cancel")
        if self.cancel.text() != wanted:
            self.cancel.setText(wanted)
        _set_enabled(self.cancel, not cancelling)
        _set_enabled(self.pause, state in (JobState.RUNNING, JobState.PAUSED))
        for widget in (self.bar, self.current_file, self.chunk, self.pause, self.cancel):
            _set_visible(widget, not finished)
        _set_visible(self.outcome, finished)
        _set_visible(self.dismiss, finished)
        _set_visible(self.open_folder, state is JobState.DONE and snapshot.kind in {"restore", "export"})
        _set_visible(self.details, snapshot.error is not None or _has_findings(snapshot))
        self.set_tint("danger" if went_wrong(snapshot) else "")

    def _show_bar(self, progress: ProgressSnapshot) -> None:
        permille = progress.permille
        # Qt's bars hold 32-bit numbers; a share of 1000 fits at any size.
        maximum = 0 if permille is None else 1000
        if self.bar.maximum() != maximum:
            self.bar.setRange(0, maximum)
        if permille is not None and self.bar.value() != permille:
            self.bar.setValue(permille)

    def _show_issues(self, snapshot: JobSnapshot) -> None:
        _set_visible(self.issues_button, snapshot.issue_count > 0)
        _set_visible(self.copy_issues, snapshot.issue_count > 0 and self.issues_button.isChecked())
        if not snapshot.issue_count:
            return
        text = self.tr("{} left out").format(texts.files_text(snapshot.issue_count))
        if self.issues_button.text() != text:
            self.issues_button.setText(text)
            self.issues_button.setAccessibleName(text)
        self.issues.set_issues(snapshot.issues)

    def _show_issue_list(self, shown: bool) -> None:  # a signal's value
        self.issue_view.setVisible(shown)
        self.copy_issues.setVisible(shown)
        self.issues_button.setIcon(icon("chevron-down" if shown else "chevron-right"))

    def _show_stages(self, snapshot: JobSnapshot) -> None:
        text = bottleneck_text(snapshot.stages)
        _set_visible(self.stages_button, bool(text))
        if self.stages_button.text() != text:
            self.stages_button.setText(text)
            self.stages_button.setAccessibleName(text)
        if self.stages_button.isChecked():
            self.stages.show_stages(snapshot.stages, snapshot.progress.elapsed_seconds)

    def _unfold_stages(self, shown: bool) -> None:  # a signal's value
        self._show_stages(self.snapshot)
        self.stages.setVisible(shown)
        self.stages_button.setIcon(icon("chevron-down" if shown else "chevron-right"))
        if shown:
            self.unfolded.emit()

    def _copy_selected(self) -> None:
        selection: QItemSelectionModel = self.issue_view.selectionModel()
        rows = sorted(index.row() for index in selection.selectedIndexes())
        QGuiApplication.clipboard().setText(self.issues.text(rows or None))

    def _toggle_pause(self) -> None:
        (self.resume_requested if self.snapshot.state is JobState.PAUSED else self.pause_requested).emit()

    def _ask_for_details(self) -> None:
        (self.details_requested if self.snapshot.error is not None else self.report_requested).emit()


def _state_icon(snapshot: JobSnapshot) -> tuple[str, str]:
    if snapshot.state is JobState.DONE and went_wrong(snapshot):
        return "error", "danger"
    if snapshot.state is JobState.DONE and snapshot.issue_count:
        return "warning", "warning"
    return _STATE_ICONS[snapshot.state]


def went_wrong(snapshot: JobSnapshot) -> bool:
    """Whether a job failed, found damage, or left out part of what it was to export."""
    report = snapshot.report
    partial = isinstance(report, ExportReport) and report.failed > 0
    return snapshot.state is JobState.FAILED or partial or _has_findings(snapshot)


def _has_findings(snapshot: JobSnapshot) -> bool:
    return snapshot.kind == "verify" and not getattr(snapshot.report, "valid", True)


def _set_visible(widget: QWidget, visible: bool) -> None:  # mirrors QWidget.setVisible
    if widget.isHidden() == visible:
        widget.setVisible(visible)


def _set_enabled(widget: QWidget, enabled: bool) -> None:  # mirrors QWidget.setEnabled
    if widget.isEnabled() != enabled:
        widget.setEnabled(enabled)
