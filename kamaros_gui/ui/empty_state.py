"""What is shown where there is nothing to list: an icon, a sentence, and what to do."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from kamaros_gui.ui.widgets import IconLabel, heading, muted_label

__all__ = ["EmptyState"]


class EmptyState(QWidget):
    """A centred message.

    Signals:
        clicked: the button was pressed.

    Args:
        parent: owner.
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon = IconLabel("archive", 48, "muted")
        self._title = heading("", 1.2)
        self._text = muted_label(wrap=True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setFixedWidth(420)
        self._busy = QProgressBar()
        self._busy.setRange(0, 1)
        self._busy.setTextVisible(False)
        self._busy.setFixedWidth(220)
        self._busy.setAccessibleName(self.tr("Working"))
        self._button = QPushButton()
        self._button.clicked.connect(self.clicked)
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addStretch(2)
        for widget in (self._icon, self._title, self._text, self._busy, self._button):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)

    def say(self, icon_name: str, title: str, text: str = "", *, button: str = "", busy: bool = False) -> None:
        """Show a message; *busy* adds a moving bar, *button* a button with that text."""
        self._icon.set_icon(icon_name, "muted")
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self._busy.setRange(0, 0 if busy else 1)
        self._busy.setVisible(busy)
        self._button.setText(button)
        self._button.setVisible(bool(button))

    @property
    def title(self) -> str:
        """The message shown."""
        return self._title.text()

    def hideEvent(self, event: object) -> None:
        # A bar without end animates even where nobody sees it.
        self._busy.setRange(0, 1)
