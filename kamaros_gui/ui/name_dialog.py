"""Asks for a name and stays open, saying why, until that name is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.widgets import TintedLabel, heading, muted_label

__all__ = ["NameDialog"]


class NameDialog(QDialog):
    """One line of text and a button that tries it.

    Args:
        title: what is done.
        text: what the name is for.
        button: text of the button that does it.
        attempt: does it with the name; returns why that is not possible, empty once it is done. Closing the dialog
            cancels it.
        parent: window it belongs to.

    Attributes:
        field: the name.
        problem: why the name was refused.
        ok: the button that tries it.
    """

    def __init__(
        self,
        title: str,
        text: str,
        button: str,
        attempt: Callable[[str], Coroutine[Any, Any, str]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._attempt = attempt
        self._task: asyncio.Task[Any] | None = None
        self.setWindowTitle(title)
        self.setMinimumWidth(440)
        explanation: QLabel = muted_label(text, wrap=True)
        explanation.setTextFormat(Qt.TextFormat.PlainText)
        self.field = QLineEdit()
        self.field.setAccessibleName(self.tr("Name"))
        self.problem = TintedLabel("danger")
        self.problem.hide()
        self.buttons = QDialogButtonBox()
        self.ok = self.buttons.addButton(button, QDialogButtonBox.ButtonRole.AcceptRole)
        cancel = self.buttons.addButton(self.tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        cancel.setAutoDefault(False)  # or it stays the default after the other one was disabled
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.ok.setDefault(True)
        self.field.textChanged.connect(lambda _text: self._on_edited())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 16)
        layout.setSpacing(8)
        layout.addWidget(heading(title, 1.15))
        layout.addWidget(explanation)
        layout.addSpacing(4)
        layout.addWidget(self.field)
        layout.addWidget(self.problem)
        layout.addSpacing(6)
        layout.addWidget(self.buttons)
        self._on_edited()

    def show_name(self, name: str, selected: int) -> None:
        """Begin with *name*, its first *selected* characters selected."""
        self.field.setText(name)
        self.field.setFocus()
        self.field.setSelection(0, selected)

    def accept(self) -> None:
        """Try the name; the dialog closes once it was taken."""
        if self._task is None and self.ok.isEnabled():
            self._try()

    def reject(self) -> None:
        """Close the dialog, and cancel what it is waiting for."""
        if self._task is not None:
            self._task.cancel()
        super().reject()

    @async_slot
    async def _try(self) -> None:
        self._task = asyncio.current_task()
        self._show_problem("")
        self._enable(enabled=False)
        problem = await self._attempt(self.field.text().strip())
        self._task = None
        if problem:
            self._enable(enabled=True)
            self._show_problem(problem)
            self.field.setFocus()
        else:
            super().accept()

    def _enable(self, *, enabled: bool) -> None:
        self.field.setEnabled(enabled)
        self.ok.setEnabled(enabled)
        if enabled:
            self.ok.setDefault(True)

    def _on_edited(self) -> None:
        self.ok.setEnabled(bool(self.field.text().strip()))
        self._show_problem("")

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        self._fit()

    def _fit(self) -> None:
        """Be as high as the wrapped texts need: a dialog does not follow them by itself."""
        layout = self.layout()
        if layout is not None and self.isVisible():
            layout.activate()
            self.resize(self.width(), layout.totalHeightForWidth(self.width()))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()
