"""Tells what went wrong, what to do about it, and offers the details to copy."""

from __future__ import annotations

import traceback

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from kamaros_gui.base.errors import KamarosError
from kamaros_gui.jobs.snapshots import ErrorDetails
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.widgets import IconLabel, heading, muted_label, plain_buttons

__all__ = ["ErrorDialog", "describe"]


def describe(error: BaseException) -> ErrorDetails:
    """Return *error* as the user reads it; an error nobody foresaw keeps its traceback in the details."""
    if isinstance(error, KamarosError):
        return ErrorDetails(error.message, error.hint, f"{type(error).__name__}: {error.message}\n{error.hint}".strip())
    return ErrorDetails(
        QCoreApplication.translate("ErrorDialog", "Something unexpected happened: {}").format(error),
        QCoreApplication.translate(
            "ErrorDialog", "Your archives are as they were. Please report this, with the details."
        ),
        "".join(traceback.format_exception(error)),
    )


class ErrorDialog(QDialog):
    """An error with its hint and its details.

    Args:
        title: what could not be done.
        error: why.
        parent: window it belongs to.
    """

    def __init__(self, title: str, error: ErrorDetails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setMinimumWidth(480)
        self._error = error
        message = QLabel(error.message)
        message.setWordWrap(True)
        message.setTextFormat(Qt.TextFormat.PlainText)
        message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        hint = muted_label(error.hint, wrap=True)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setVisible(bool(error.hint))
        self.details = QPlainTextEdit(error.details)
        self.details.setReadOnly(True)
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.details.setAccessibleName(self.tr("Details of the error"))
        self.details.setMinimumHeight(150)
        self.details.hide()
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(heading(title, 1.15))
        words.addWidget(message)
        words.addWidget(hint)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(IconLabel("error", 36, "danger"), 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(top)
        layout.addWidget(self.details, 1)
        layout.addWidget(self._buttons())

    def _buttons(self) -> QDialogButtonBox:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        more = buttons.addButton(self.tr("Details"), QDialogButtonBox.ButtonRole.ActionRole)
        more.setCheckable(True)
        more.toggled.connect(self.details.setVisible)
        more.toggled.connect(lambda _on: self.adjustSize())
        more.setVisible(bool(self._error.details))
        copy = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setIcon(icon("copy"))
        copy.clicked.connect(self.copy)
        plain_buttons(buttons)
        buttons.rejected.connect(self.reject)
        return buttons

    def copy(self) -> None:
        """Put title, message, hint and details on the clipboard."""
        parts = [self.windowTitle(), self._error.message, self._error.hint, self._error.details]
        QGuiApplication.clipboard().setText("\n\n".join(part for part in parts if part))
