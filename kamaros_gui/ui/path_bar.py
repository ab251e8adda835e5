"""Breadcrumbs: the folder that is shown, each folder above it one click away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.widgets import IconLabel, flat_button

__all__ = ["PathBar"]

_MAX_CRUMBS = 6


class PathBar(QWidget):
    """A row of buttons, one for the archive and one for each folder down to the shown one.

    Signals:
        folder_requested: a folder was clicked; carries its path.

    Args:
        parent: owner.
    """

    folder_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ""
        self._path = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._up = flat_button("up", self.tr("Folder above"), self)
        self._up.clicked.connect(self._go_up)
        self._crumbs = QHBoxLayout()
        self._crumbs.setSpacing(0)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._up)
        layout.addLayout(self._crumbs)
        layout.addStretch(1)
        self.show_path("", "")

    @property
    def path(self) -> str:
        """The folder shown."""
        return self._path

    def show_path(self, title: str, path: str) -> None:
        """Show the way from the archive called *title* to the folder *path*."""
        self._title, self._path = title, path
        self._up.setEnabled(bool(path))
        while (item := self._crumbs.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._crumbs.addWidget(self._crumb(title, "", current=not path))
        parts = path.split("/") if path else []
        hidden = max(0, len(parts) - _MAX_CRUMBS)
        for depth in range(hidden, len(parts)):
            self._crumbs.addWidget(IconLabel("chevron-right", 12, "muted", self))
            name = parts[depth] if depth > hidden or not hidden else "… / " + parts[depth]
            self._crumbs.addWidget(self._crumb(name, "/".join(parts[: depth + 1]), current=depth == len(parts) - 1))

    def _crumb(self, name: str, path: str, *, current: bool) -> QToolButton:
        button = QToolButton(self)
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setText(button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 220).replace("&", "&&"))
        button.setToolTip(name)
        button.setAccessibleName(self.tr("Go to {}").format(name))
        if not path:
            button.setIcon(icon("archive", "accent"))
            button.setIconSize(QSize(16, 16))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        font = button.font()
        font.setBold(current)
        button.setFont(font)
        button.clicked.connect(lambda: self.folder_requested.emit(path))
        return button

    def _go_up(self) -> None:
        self.folder_requested.emit(self._path.rpartition("/")[0])
