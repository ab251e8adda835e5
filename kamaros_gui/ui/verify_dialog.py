"""What a verification found."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.reports import VerifyReport
from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.widgets import IconLabel, heading, muted_label, plain_buttons

__all__ = ["VerifyDialog"]

_MAX_ROWS = 1000
"""More problems than this are counted, not listed: nobody reads them, and each row costs."""


class VerifyDialog(QDialog):
    """The outcome of a verification, problem by problem.

    Args:
        name: name of the archive.
        report: what was found.
        parent: window it belongs to.
    """

    def __init__(self, name: str, report: VerifyReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Verify {}").format(name))
        self._report = report
        good = report.valid
        title = (
            self.tr("No problems found")
            if good
            else self.tr("{} found").format(texts.problems_text(len(report.errors)))
        )
        text = self.tr("{} checked against CRC-32 and SHA-256: {} in {}.").format(
            texts.entries_text(report.checked), texts.size(report.bytes_read), texts.duration(report.seconds)
        )
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(heading(title, 1.2))
        words.addWidget(muted_label(text, wrap=True))
        top = QHBoxLayout()
        top.setSpacing(16)
        mark = IconLabel("verify" if good else "error", 40, "success" if good else "danger")
        top.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(top)
        if report.errors:
            layout.addWidget(self._problems(), 1)
            self.resize(720, 420)
        else:
            self.setMinimumWidth(460)
        for warning in report.warnings[:20]:
            remark = QLabel(warning)
            remark.setWordWrap(True)
            remark.setTextFormat(Qt.TextFormat.PlainText)
            layout.addWidget(remark)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        plain_buttons(buttons)
        buttons.rejected.connect(self.reject)
        if report.errors:
            copy = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
            copy.setIcon(icon("copy"))
            copy.clicked.connect(self.copy)
        layout.addWidget(buttons)

    def copy(self) -> None:
        """Put all problems on the clipboard, one per line."""
        lines = [
            f"{problem.type}\t{problem.path}\t{problem.version}\t{problem.hash}\t{problem.message}"
            for problem in self._report.errors
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _problems(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setAccessibleName(self.tr("Problems"))
        table.setHeaderLabels([self.tr("File"), self.tr("Version"), self.tr("Problem")])
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        rows = []
        for problem in self._report.errors[:_MAX_ROWS]:
            path = problem.path or self.tr("(the archive)")
            row = QTreeWidgetItem([path, problem.version[:12], problem.message])
            row.setToolTip(2, problem.message)
            rows.append(row)
        table.addTopLevelItems(rows)
        table.header().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        table.setColumnWidth(0, 230)
        return table
