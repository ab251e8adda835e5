"""The history of the archive: look at any version, restore it, tag it, compare it, forget it."""

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
from kamaros_gui.base.texts import display_path
from kamaros_gui.ui import texts
from kamaros_gui.ui.banner import Banner
from kamaros_gui.ui.history_model import HistoryDelegate, HistoryModel
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.widgets import muted_label

__all__ = ["HistoryDock"]


class HistoryDock(QDockWidget):
    """The versions of an archive, or those that touched one file, newest first.

    Signals:
        version_chosen: the archive is to be shown as of that version; carries its id.
        restore_requested: that version is to be restored; carries its id.
        tag_requested: that version is to be tagged; carries it.
        untag_requested: a tag is to go; carries its name.
        forget_requested: versions are to be forgotten; carries a tuple of them.
        compare_requested: two versions are to be compared; carries the older and the newer one.
        compare_folder_requested: a version is to be compared with a folder; carries it.
        file_outdated: the history has changed while that of one file is shown; carries its path.

    Args:
        parent: owner.
    """

    version_chosen = Signal(str)
    restore_requested = Signal(str)
    tag_requested = Signal(object)
    untag_requested = Signal(str)
    forget_requested = Signal(tuple)
    compare_requested = Signal(object, object)
    compare_folder_requested = Signal(object)
    file_outdated = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("History"))
        self.setObjectName("history")
        self.setAllowedAreas(Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea)
        self._shown = ""
        self._all: tuple[VersionInfo, ...] = ()
        self._file = ""
        self._writable = True
        self.model = HistoryModel(self)
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(HistoryDelegate(self.view))
        self.view.setUniformItemSizes(True)
        self.view.setFrameShape(QListView.Shape.NoFrame)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setAccessibleName(self.tr("Versions, newest first"))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._on_selection())
        self.file_banner = Banner("clock", "accent", self.tr("All versions"))
        self.file_banner.clicked.connect(self.show_all)
        self.restore_button = QPushButton(icon("restore"), self.tr("Restore this version…"))
        self.restore_button.setToolTip(self.tr("Writes the files of the selected version into a folder you choose"))
        self.restore_button.clicked.connect(self._restore_selected)
        self.compare_button = QPushButton(icon("transfers"), self.tr("Compare these two"))
        self.compare_button.setToolTip(self.tr("Shows what differs between the two selected versions"))
        self.compare_button.clicked.connect(self._compare_selected)
        hint = muted_label(self.tr("Each save is a version.\nNothing has been saved here yet."))
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(hint)
        self._stack.addWidget(self.view)
        self._lay_out()
        self.show_versions((), "")

    def _lay_out(self) -> None:
        head = QVBoxLayout()
        head.setContentsMargins(8, 0, 8, 0)
        head.addWidget(self.file_banner)
        foot = QHBoxLayout()
        foot.setContentsMargins(8, 8, 8, 8)
        foot.addWidget(self.restore_button, 1)
        foot.addWidget(self.compare_button, 1)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        layout.addLayout(foot)
        self.setWidget(body)
        self.setMinimumWidth(250)

    @property
    def file(self) -> str:
        """Path of the file whose versions alone are shown, empty for all versions."""
        return self._file

    def set_writable(self, writable: bool) -> None:  # mirrors QWidget.setEnabled
        """Allow or refuse what changes the history."""
        self._writable = writable

    def show_versions(self, versions: tuple[VersionInfo, ...], shown: str) -> None:
        """List *versions* and select *shown*, the id of the one the window looks at."""
        changed, self._all, self._shown = versions != self._all, versions, shown
        if self._file and versions and not changed:
            self._select_shown()
        elif self._file and versions:
            self.file_outdated.emit(self._file)
        else:
            self.show_all()

    def show_all(self) -> None:
        """Show the versions of the whole archive."""
        self._file = ""
        self.file_banner.say("")
        self._show(self._all)

    def show_file(self, path: str, versions: tuple[VersionInfo, ...]) -> None:
        """Show only *versions*, those that touched the file or folder at *path*."""
        self._file = path
        self.file_banner.say(
            self.tr("Versions of {}").format(texts.shortened(display_path(path.rpartition("/")[2]), 40))
        )
        self.file_banner.setToolTip(texts.tool_tip(display_path(path)))
        self._show(versions)

    def _show(self, versions: tuple[VersionInfo, ...]) -> None:
        self.model.set_versions(versions)
        self._stack.setCurrentIndex(1 if versions else 0)
        self._select_shown()
        self._show_buttons()

    def _select_shown(self) -> None:
        chosen = [version.id for version in self.selected()]
        if len(chosen) > 1 and self._shown in chosen:
            return  # the first of them was still being read when the others were added to it
        row = self.model.row_of(self._shown)
        selection = self.view.selectionModel()
        if row >= 0:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            selection.setCurrentIndex(self.model.index(row), flags)
        else:
            selection.clearSelection()

    def selected(self) -> list[VersionInfo]:
        """Return the selected versions, newest first."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedIndexes())
        return [self.model.versions[row] for row in rows]

    def _on_selection(self) -> None:
        chosen = self.selected()
        self._show_buttons()
        if len(chosen) == 1 and chosen[0].id != self._shown:
            self._shown = chosen[0].id
            self.version_chosen.emit(chosen[0].id)

    def _show_buttons(self) -> None:
        number = len(self.selected())
        self.compare_button.setVisible(number == 2)
        self.restore_button.setVisible(number != 2)
        self.restore_button.setEnabled(number == 1)

    def _restore_selected(self) -> None:
        chosen = self.selected()
        if len(chosen) == 1:
            self.restore_requested.emit(chosen[0].id)

    def _compare_selected(self) -> None:
        chosen = self.selected()
        if len(chosen) == 2:
            self.compare_requested.emit(chosen[1], chosen[0])

    # ----------------------------------------------------------------------------------------------- menu

    def _open_menu(self, position: QPoint) -> None:
        chosen = self.selected()
        if not chosen:
            return
        if not self.view.indexAt(position).isValid():  # asked for with the keyboard
            position = self.view.visualRect(self.view.currentIndex()).center()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if len(chosen) == 1:
            self._offer_one(menu, chosen[0])
        else:
            self._offer_several(menu, tuple(chosen))
        menu.popup(self.view.viewport().mapToGlobal(position))

    def _offer_one(self, menu: QMenu, version: VersionInfo) -> None:
        row = next((row for row, known in enumerate(self._all) if known.id == version.id), -1)
        newest = self._all[0] if self._all else version
        before = self._all[row + 1] if 0 <= row < len(self._all) - 1 else None
        menu.addAction(
            icon("restore"), self.tr("Restore this version…"), lambda: self.restore_requested.emit(version.id)
        )
        menu.addSeparator()
        compare = menu.addAction(
            icon("transfers"),
            self.tr("Compare with the version before"),
            lambda: self.compare_requested.emit(before, version),
        )
        compare.setEnabled(before is not None)
        compare = menu.addAction(self.tr("Compare with now"), lambda: self.compare_requested.emit(version, newest))
        compare.setEnabled(version.id != newest.id)
        menu.addAction(self.tr("Compare with folder…"), lambda: self.compare_folder_requested.emit(version))
        menu.addSeparator()
        menu.addAction(self.tr("Tag…"), lambda: self.tag_requested.emit(version)).setEnabled(self._writable)
        for tag in version.tags:
            self._offer_removal(menu, tag)
        forget = menu.addAction(icon("clear"), self.tr("Forget…"), lambda: self.forget_requested.emit((version,)))
        forget.setEnabled(self._writable and version.id != newest.id)
        menu.addSeparator()
        menu.addAction(
            icon("copy"), self.tr("Copy version id"), lambda: QGuiApplication.clipboard().setText(version.id)
        )

    def _offer_removal(self, menu: QMenu, tag: str) -> None:
        name = texts.shortened(display_path(tag), 40).replace("&", "&&")
        text = self.tr("Remove tag “{}”").format(name)
        menu.addAction(text, lambda: self.untag_requested.emit(tag)).setEnabled(self._writable)

    def _offer_several(self, menu: QMenu, versions: tuple[VersionInfo, ...]) -> None:
        if len(versions) == 2:
            menu.addAction(icon("transfers"), self.tr("Compare these two"), self._compare_selected)
            menu.addSeparator()
        forget = menu.addAction(icon("clear"), self.tr("Forget…"), lambda: self.forget_requested.emit(versions))
        forget.setEnabled(self._writable and self._all[:1] != versions[:1])
