"""The page of a window without an archive: a large place to drop things, and ways to begin without a mouse."""

from __future__ import annotations

import os

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QEnterEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from kamaros_gui.ui.dropping import local_paths
from kamaros_gui.ui.icons import application_icon, icon, pixmap, tint_colour
from kamaros_gui.ui.theme import blend
from kamaros_gui.ui.widgets import IconLabel, heading, muted_label

__all__ = ["DropArea", "RecentButton", "WelcomePage"]

_MAX_RECENTS_SHOWN = 5


class DropArea(QFrame):
    """A large target for files; Enter and a click ask for them instead.

    Signals:
        activated: files are to be chosen in a dialog.
        paths_dropped: files were dropped; carries their paths, no folder (``None``) and whether Shift was held.

    Args:
        parent: owner.
    """

    activated = Signal()
    paths_dropped = Signal(list, object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hot = False
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumHeight(220)
        self.setAccessibleName(self.tr("Drop files or folders here, or press Enter to choose them"))
        self._icon = IconLabel("drop", 56, "accent")
        title = heading(self.tr("Drop files or folders here"), 1.45)
        text = muted_label(self.tr("They are saved into a new archive. An archive dropped here opens."))
        keys = muted_label(self.tr("Or press Enter to choose files, Ctrl+V to paste them"))
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addStretch(1)
        layout.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(4)
        for label in (title, text, keys):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addStretch(1)

    def _set_hot(self, hot: bool) -> None:  # a state
        if hot != self._hot:
            self._hot = hot
            self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.activated.emit()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.activated.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event.mimeData()):
            self._set_hot(True)  # noqa: FBT003  # a state
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_hot(False)  # noqa: FBT003  # a state

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_hot(False)  # noqa: FBT003  # a state
        paths = local_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.paths_dropped.emit(paths, None, shift)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        accent = tint_colour("accent", palette)
        base = palette.color(QPalette.ColorRole.Base)
        hot = self._hot or self.hasFocus()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(blend(base, accent, 0.12 if self._hot else 0.03))
        line = accent if hot else blend(accent, base, 0.55)
        painter.setPen(QPen(line, 2, Qt.PenStyle.SolidLine if self._hot else Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), 14, 14)


class RecentButton(QAbstractButton):
    """One line for an archive that was open lately: its name, and where it is.

    Args:
        path: path of the archive.
        parent: owner.
    """

    def __init__(self, path: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self.setText(os.path.basename(path))
        self.setToolTip(path)
        self.setAccessibleName(self.tr("Open {}").format(path))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(320, self.fontMetrics().height() + 16)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.hasFocus():
            base, accent = palette.color(QPalette.ColorRole.Window), tint_colour("accent", palette)
            painter.setPen(QPen(accent, 1) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(blend(base, accent, 0.12))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        middle = self.rect().center().y()
        scale = self.devicePixelRatioF()
        painter.drawPixmap(10, middle - 8, pixmap("archive", 18, tint_colour("accent", palette), scale))
        metrics = painter.fontMetrics()
        inside = self.rect().adjusted(38, 0, -12, 0)
        name = metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, int(inside.width() * 0.45))
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(inside, int(Qt.AlignmentFlag.AlignVCenter), name)
        taken = metrics.horizontalAdvance(name) + 24
        rest = QRect(inside.left() + taken, inside.top(), inside.width() - taken, inside.height())
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        folder = metrics.elidedText(os.path.dirname(self.path), Qt.TextElideMode.ElideMiddle, rest.width())
        painter.drawText(rest, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight), folder)


class WelcomePage(QWidget):
    """Where a window without an archive begins.

    Signals:
        new_requested, open_requested: a button was pressed.
        files_requested: the drop area was activated with the keyboard or a click.
        recent_chosen: a recent archive was chosen; carries its path.
        paths_dropped: as :attr:`DropArea.paths_dropped`.

    Args:
        parent: owner.
    """

    new_requested = Signal()
    open_requested = Signal()
    files_requested = Signal()
    recent_chosen = Signal(str)
    paths_dropped = Signal(list, object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.drop_area = DropArea()
        self.drop_area.activated.connect(self.files_requested)
        self.drop_area.paths_dropped.connect(self.paths_dropped)
        self.new_button = QPushButton(icon("archive-new"), self.tr("New archive…"))
        self.new_button.clicked.connect(self.new_requested)
        self.open_button = QPushButton(icon("open"), self.tr("Open archive…"))
        self.open_button.clicked.connect(self.open_requested)
        for button in (self.new_button, self.open_button):
            button.setMinimumHeight(34)
            button.setMinimumWidth(150)
        self._recents = QVBoxLayout()
        self._recents.setSpacing(1)
        self._recents_title = heading(self.tr("Recent"), 1.0)
        self._lay_out()

    def _lay_out(self) -> None:
        mark = QLabel()
        mark.setPixmap(application_icon().pixmap(56, 56))
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(heading("Kamaros", 1.9))
        words.addWidget(muted_label(self.tr("One file that holds your files, and every version of them")))
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(mark)
        head.addLayout(words)
        head.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addStretch(1)
        buttons.addWidget(self.new_button)
        buttons.addWidget(self.open_button)
        buttons.addStretch(1)
        column = QWidget()
        column.setMaximumWidth(740)
        inside = QVBoxLayout(column)
        inside.setContentsMargins(24, 24, 24, 24)
        inside.setSpacing(18)
        inside.addStretch(1)
        inside.addLayout(head)
        inside.addWidget(self.drop_area, 4)
        inside.addLayout(buttons)
        recents = QVBoxLayout()
        recents.setSpacing(6)
        recents.addWidget(self._recents_title)
        recents.addLayout(self._recents)
        inside.addLayout(recents)
        inside.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addStretch(1)
        layout.addWidget(column, 100)
        layout.addStretch(1)
        self.setFocusProxy(self.drop_area)

    def show_recents(self, paths: tuple[str, ...]) -> None:
        """List the archives that were open lately."""
        while (item := self._recents.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for path in paths[:_MAX_RECENTS_SHOWN]:
            button = RecentButton(path)
            button.clicked.connect(lambda _checked=False, path=path: self.recent_chosen.emit(path))
            self._recents.addWidget(button)
        self._recents_title.setVisible(bool(paths))
