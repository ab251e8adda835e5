"""A strip above the content that says something important and offers one way on."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from kamaros_gui.ui.widgets import Card, IconLabel

__all__ = ["Banner"]


class Banner(Card):
    """An icon, a sentence, and a button.

    Signals:
        clicked: the button was pressed.

    Args:
        icon_name: line icon at its beginning.
        tint: colour of the strip.
        button: text of the button, empty for none.
        parent: owner.
    """

    clicked = Signal()

    def __init__(self, icon_name: str, tint: str, button: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent, tint=tint)
        self._label = QLabel()
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.button = QPushButton(button)
        self.button.setVisible(bool(button))
        self.button.clicked.connect(self.clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 6, 6)
        layout.setSpacing(10)
        layout.addWidget(IconLabel(icon_name, 18, tint))
        layout.addWidget(self._label, 1)
        layout.addWidget(self.button)
        layout.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.setMinimumHeight(38)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence shown."""
        return self._label.text()

    def say(self, text: str) -> None:
        """Show *text*, or nothing at all when it is empty."""
        self._label.setText(text)
        self.setAccessibleName(text)
        self.setVisible(bool(text))
