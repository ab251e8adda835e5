"""The history of the archive: look at any version, restore it."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QHBoxLayout,
    QListView,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.ui.history_model import HistoryDelegate, HistoryModel
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.widgets import muted_label

__all__ = ["HistoryDock"]


class HistoryDock(QDockWidget):
    """The versions of an archive, newest first.

    Signals:
        version_chosen: the archive is to be shown as of that version; carries its id.
        restore_requested: that version is to be restored; carries its id.

    Args:
        parent: owner.
    """

    version_chosen = Signal(str)
    restore_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("History"))
        self.setObjectName("history")
        self.setAllowedAreas(Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea)
        self.model = HistoryModel(self)
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(HistoryDelegate(self.view))
        self.view.setUniformItemSizes(True)
        self.view.setFrameShape(QListView.Shape.NoFrame)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setAccessibleName(self.tr("Versions, newest first"))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._on_current())
        self.restore_button = QPushButton(icon("restore"), self.tr("Restore this version…"))
        self.restore_button.setToolTip(self.tr("Writes the files of the selected version into a folder you choose"))
        self.restore_button.clicked.connect(lambda: self._restore(self.selected()))
        hint = muted_label(self.tr("Each save is a version.\nNothing has been saved here yet."))
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(hint)
        self._stack.addWidget(self.view)
        foot = QHBoxLayout()
        foot.setContentsMargins(8, 8, 8, 8)
        foot.addWidget(self.restore_button, 1)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._stack, 1)
        layout.addLayout(foot)
        self.setWidget(body)
        self.setMinimumWidth(250)
        self._shown = ""
        self.show_versions((), "")

    def show_versions(self, versions: tuple[VersionInfo, ...], shown: str) -> None:
        """List *versions* and select *shown*, the id of the one the window looks at."""
        self._shown = shown
        self.model.set_versions(versions)
        self._stack.setCurrentIndex(1 if versions else 0)
        row = self.model.row_of(shown)
        if row >= 0:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.view.selectionModel().setCurrentIndex(self.model.index(row), flags)
        self.restore_button.setEnabled(bool(versions))

    def selected(self) -> VersionInfo | None:
        """Return the selected version."""
        index = self.view.currentIndex()
        return self.model.versions[index.row()] if index.isValid() else None

    def _on_current(self) -> None:
        version = self.selected()
        if version is not None and version.id != self._shown:
            self._shown = version.id
            self.version_chosen.emit(version.id)

    def _restore(self, version: VersionInfo | None) -> None:
        if version is not None:
            self.restore_requested.emit(version.id)

    def _open_menu(self, position: QPoint) -> None:
        index = self.view.indexAt(position)
        if not index.isValid():
            return
        version = self.model.versions[index.row()]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(icon("eye"), self.tr("Look at this version"), lambda: self.version_chosen.emit(version.id))
        menu.addAction(icon("restore"), self.tr("Restore this version…"), lambda: self._restore(version))
        menu.addSeparator()
        menu.addAction(
            icon("copy"), self.tr("Copy version id"), lambda: QGuiApplication.clipboard().setText(version.id)
        )
        menu.popup(self.view.viewport().mapToGlobal(position))
