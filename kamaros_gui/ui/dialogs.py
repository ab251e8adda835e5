"""Dialogs without modal loops: they are opened, and what the user says is awaited.

``exec()`` would start a nested event loop, in which waiting tasks of the asyncio loop die.
"""

from __future__ import annotations

import asyncio
import os

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.ui.widgets import IconLabel, heading, muted_label

__all__ = ["ButtonRole", "Choosers", "QuestionDialog", "accepted", "ask", "ask_with_line"]

ButtonRole = QDialogButtonBox.ButtonRole


async def accepted(dialog: QDialog) -> bool:
    """Open *dialog* over its window, wait until it is closed, and return whether it was accepted."""
    closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def finish(result: int) -> None:
        if not closed.done():
            closed.set_result(result)

    dialog.finished.connect(finish)
    dialog.open()
    try:
        return await closed == QDialog.DialogCode.Accepted
    finally:
        # Cancelled while open: the dialog must not stay behind.
        if dialog.isVisible():
            dialog.reject()


class QuestionDialog(QDialog):
    """A question with a few named answers.

    Args:
        title: the question in a few words.
        text: what the question is about.
        details: what follows from the answers.
        buttons: text and role of each answer; the first is the default, Escape gives the first that rejects.
        parent: window the question belongs to.
        line: what a line of text below the question is for, empty for no such line.

    Attributes:
        answer: number of the button that was pressed.
        field: the line of text, hidden where none was asked for.
    """

    def __init__(
        self,
        title: str,
        text: str,
        details: str,
        buttons: list[tuple[str, ButtonRole]],
        parent: QWidget | None = None,
        *,
        line: str = "",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(460)
        message = QLabel(text)
        secondary = muted_label(details, wrap=True)
        secondary.setVisible(bool(details))
        for label in (message, secondary):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(heading(title, 1.15))
        words.addWidget(message)
        words.addWidget(secondary)
        self.field = QLineEdit()
        self.field.setPlaceholderText(line)
        self.field.setAccessibleName(line)
        self.field.setVisible(bool(line))
        words.addSpacing(6)
        words.addWidget(self.field)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(IconLabel("question", 36, "accent"), 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        self._escape = next((n for n, (_, role) in enumerate(buttons) if role is ButtonRole.RejectRole), 0)
        self.answer = self._escape
        box = QDialogButtonBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 16)
        layout.setSpacing(16)
        layout.addLayout(top)
        layout.addWidget(box)
        self.buttons = [box.addButton(label, role) for label, role in buttons]
        for number, button in enumerate(self.buttons):
            button.clicked.connect(lambda _checked=False, number=number: self._answer(number))
        self.buttons[0].setDefault(True)
        self.buttons[0].setFocus()

    def _answer(self, number: int) -> None:
        self.answer = number
        self.accept()


async def ask(
    parent: QWidget, title: str, text: str, buttons: list[tuple[str, ButtonRole]], *, details: str = ""
) -> int:
    """Ask a question and return the number of the answer; see :class:`QuestionDialog`."""
    answer, _ = await ask_with_line(parent, title, text, buttons, details=details, line="")
    return answer


async def ask_with_line(
    parent: QWidget, title: str, text: str, buttons: list[tuple[str, ButtonRole]], *, details: str, line: str
) -> tuple[int, str]:
    """Ask a question; return the number of the answer and what was typed into the line below it."""
    dialog = QuestionDialog(title, text, details, buttons, parent, line=line)
    try:
        await accepted(dialog)
        return dialog.answer, dialog.field.text().strip()
    finally:
        dialog.deleteLater()


class Choosers:
    """Asks for files and folders. A test, or a script, puts its own answers in the place of these methods."""

    async def choose_archive_path(self, parent: QWidget, proposal: str) -> str:
        """Return where a new archive goes, empty when the user thinks better of it."""
        dialog = QFileDialog(parent, _tr("Name the new archive"), proposal)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([_tr("Kamaros archives (*.jcf)"), _tr("All files (*)")])
        dialog.setDefaultSuffix("jcf")
        # An archive that exists is never overwritten: the window asks whether to add to it.
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
        dialog.selectFile(os.path.basename(proposal))
        return (await _selected(dialog) or [""])[0]

    async def choose_archives(self, parent: QWidget, folder: str) -> list[str]:
        """Return archives to open."""
        dialog = QFileDialog(parent, _tr("Open an archive"), folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([_tr("Archives (*.jcf *.zip)"), _tr("All files (*)")])
        return await _selected(dialog)

    async def choose_files(self, parent: QWidget, folder: str) -> list[str]:
        """Return files to add."""
        dialog = QFileDialog(parent, _tr("Choose files to add"), folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        return await _selected(dialog)

    async def choose_folder(self, parent: QWidget, title: str, folder: str) -> str:
        """Return a folder, empty for none."""
        dialog = QFileDialog(parent, title, folder)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        return (await _selected(dialog) or [""])[0]


async def _selected(dialog: QFileDialog) -> list[str]:
    try:
        return dialog.selectedFiles() if await accepted(dialog) else []
    finally:
        dialog.deleteLater()


def _tr(text: str) -> str:
    return QCoreApplication.translate("Choosers", text)
