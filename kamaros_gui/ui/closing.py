"""What covers a window while its jobs are cancelled, so that waiting is seen and nothing else can be started."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from kamaros_gui.ui.widgets import Card, heading, muted_label

__all__ = ["CancellingOverlay"]


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
