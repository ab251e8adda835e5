"""The page that shows an archive: path bar and filter, banners, folders on the left, content on the right."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kamaros_gui.ui.archive_model import ContentModel, FolderModel
from kamaros_gui.ui.archive_tree import ArchiveTree, Column, Node, find_nodes, sort_nodes
from kamaros_gui.ui.banner import Banner
from kamaros_gui.ui.content_view import ContentView, FolderView
from kamaros_gui.ui.empty_state import EmptyState
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.path_bar import PathBar

__all__ = ["ArchivePage"]

_FILTER_DELAY_MS = 120
_SYNCHRONOUS_ROWS = 2000
"""Up to this many rows, sorting takes less time than a trip to a worker thread and back."""


class ArchivePage(QWidget):
    """Shows one version of an archive.

    Signals:
        extract_requested: the context menu asked to extract the selection.
        selection_changed: other rows are selected.
        paths_dropped: files were dropped; carries their paths, the folder they go to and whether Shift was held.
        back_to_now: the way back from an old version was taken.
        add_requested: the empty archive's button was pressed.
        rename_requested, delete_requested: the selection is to get another name, or to leave the archive.
        versions_requested: the history of one entry is asked for; carries its path.

    Args:
        parent: owner.
    """

    extract_requested = Signal()
    selection_changed = Signal()
    paths_dropped = Signal(list, str, bool)
    back_to_now = Signal()
    add_requested = Signal()
    rename_requested = Signal()
    delete_requested = Signal()
    versions_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tree: ArchiveTree | None = None
        self._folder = ""
        self._title = ""
        self._generation = 0
        self._select_next = ""
        self._content = ContentModel(self)
        self._folders = FolderModel(self)
        self.path_bar = PathBar()
        self.filter_field = QLineEdit()
        self.past_banner = Banner("clock", "accent", self.tr("Back to now"))
        self.notice_banner = Banner("warning", "warning")
        self.content_view = ContentView(self._content)
        self.folder_view = FolderView(self._folders)
        self.empty_state = EmptyState()
        self._stack = QStackedWidget()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self.filter_field.setPlaceholderText(self.tr("Filter by name"))
        self.filter_field.setAccessibleName(self.tr("Filter by name"))
        self.filter_field.setToolTip(self.tr("Shows what has every word in its path ({})").format("Ctrl+F"))
        self.filter_field.setClearButtonEnabled(True)
        self.filter_field.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self.filter_field.setFixedWidth(250)
        top = QHBoxLayout()
        top.setContentsMargins(8, 6, 8, 0)
        top.setSpacing(8)
        top.addWidget(self.path_bar, 1)
        top.addWidget(self.filter_field)
        banners = QVBoxLayout()
        banners.setContentsMargins(8, 6, 8, 6)
        banners.setSpacing(6)
        banners.addWidget(self.past_banner)
        banners.addWidget(self.notice_banner)
        self._stack.addWidget(self.content_view)
        self._stack.addWidget(self.empty_state)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.folder_view)
        self.splitter.addWidget(self._stack)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([210, 800])
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addLayout(banners)
        layout.addWidget(self.splitter, 1)

    def _connect(self) -> None:
        self._filter_timer = QTimer(self)
        self._filter_timer.setSingleShot(True)
        self._filter_timer.setInterval(_FILTER_DELAY_MS)
        self._filter_timer.timeout.connect(self._refresh)
        self.filter_field.textChanged.connect(lambda _text: self._filter_timer.start())
        self.filter_field.returnPressed.connect(self.content_view.setFocus)
        self.path_bar.folder_requested.connect(self.go_to)
        self.folder_view.folder_chosen.connect(lambda node: self.go_to(node.path))
        self.content_view.opened.connect(self._open_node)
        self.content_view.went_up.connect(lambda: self.go_to(self._folder.rpartition("/")[0]))
        self.content_view.horizontalHeader().sortIndicatorChanged.connect(lambda *_: self._refresh())
        self.content_view.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self.content_view.customContextMenuRequested.connect(self._open_menu)
        self.content_view.paths_dropped.connect(self._on_drop)
        self.folder_view.paths_dropped.connect(self._on_drop)
        self.past_banner.clicked.connect(self.back_to_now)
        self.empty_state.clicked.connect(self.add_requested)
        self._copy_action = self._action(self.tr("Copy path"), QKeySequence.StandardKey.Copy, "copy")
        self._copy_action.triggered.connect(self.copy_paths)
        self.rename_action = self._action(self.tr("Rename…"), "F2")
        self.rename_action.triggered.connect(self.rename_requested)
        self.delete_action = self._action(self.tr("Delete…"), QKeySequence.StandardKey.Delete, "clear")
        self.delete_action.triggered.connect(self.delete_requested)

    def _action(self, text: str, keys: QKeySequence.StandardKey | str, icon_name: str = "") -> QAction:
        action = QAction(text, self.content_view)
        action.setShortcut(keys)
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        if icon_name:
            action.setIcon(icon(icon_name))
        self.content_view.addAction(action)
        return action

    @property
    def tree(self) -> ArchiveTree | None:
        """What is shown, ``None`` while nothing is."""
        return self._tree

    @property
    def folder(self) -> str:
        """Path of the folder that is shown."""
        return self._folder

    @property
    def rows(self) -> list[Node]:
        """The rows of the content list, top to bottom."""
        return self._content.nodes

    def selected_nodes(self) -> list[Node]:
        """Return what is selected in the content list."""
        return self.content_view.selected_nodes()

    def set_writable(self, writable: bool) -> None:  # mirrors QWidget.setEnabled
        """Allow or refuse what changes the selection."""
        self.rename_action.setEnabled(writable)
        self.delete_action.setEnabled(writable)

    def select_when_read(self, path: str) -> None:
        """Select the row of *path* when rows are shown next."""
        self._select_next = path

    def neighbour_of(self, nodes: list[Node]) -> str:
        """Return the path of the row to go on with once *nodes* are gone: the next one, else the one before."""
        gone = {node.path for node in nodes}
        rows = self.rows
        last = max((number for number, node in enumerate(rows) if node.path in gone), default=-1)
        nearest = [*rows[last + 1 :], *reversed(rows[: last + 1])]
        return next((node.path for node in nearest if node.path not in gone), "")

    def show_tree(self, tree: ArchiveTree, title: str) -> None:
        """Show *tree*, staying in the same folder where it still exists."""
        self._tree, self._title = tree, title
        self._folder = tree.folder(self._folder).path
        self._folders.set_tree(tree, title)
        self.folder_view.expand(self._folders.index_of(tree.root))
        self.folder_view.setVisible(bool(tree.root.folders))
        self._show_folder()

    def show_message(self, icon_name: str, title: str, text: str = "", *, button: str = "", busy: bool = False) -> None:
        """Show a message instead of content."""
        self._generation += 1
        self._tree = None
        self._folders.set_tree(None, "")
        self._content.set_nodes([])
        self.folder_view.hide()
        self.past_banner.say("")
        self.notice_banner.say("")
        self.empty_state.say(icon_name, title, text, button=button, busy=busy)
        self._stack.setCurrentWidget(self.empty_state)
        self.path_bar.show_path(self._title, "")

    def stop(self) -> None:
        """Show nothing more: the page is about to go."""
        self._generation += 1
        self._tree = None
        self._filter_timer.stop()

    def set_title(self, title: str) -> None:
        """Name the archive in the path bar."""
        self._title = title
        self.path_bar.show_path(title, self._folder if self._tree is not None else "")

    def go_to(self, path: str) -> None:
        """Show the folder at *path* and leave the filter."""
        if self._tree is None:
            return
        former = self._folder
        self._folder = self._tree.folder(path).path
        if former.startswith(f"{self._folder}/" if self._folder else "") and former != self._folder:
            below = former[len(self._folder) + 1 if self._folder else 0 :].partition("/")[0]
            self._select_next = f"{self._folder}/{below}" if self._folder else below
        if self.filter_field.text():
            self.filter_field.clear()
            self._filter_timer.stop()
        self._show_folder()

    def clear_filter(self) -> bool:
        """Empty the filter field; return whether there was anything in it."""
        had_text = bool(self.filter_field.text())
        self.filter_field.clear()
        return had_text

    def copy_paths(self) -> None:
        """Put the paths of the selected rows on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(node.path for node in self.selected_nodes()))

    def _show_folder(self) -> None:
        if self._tree is not None:
            self.path_bar.show_path(self._title, self._folder)
            self.folder_view.show_folder(self._tree.folder(self._folder))
            self._refresh()

    @async_slot
    async def _refresh(self) -> None:
        tree = self._tree
        if tree is None:
            return
        self._generation += 1
        generation = self._generation
        text = self.filter_field.text()
        inside = tree.folder(self._folder)
        header = self.content_view.horizontalHeader()
        column = Column(header.sortIndicatorSection())
        descending = header.sortIndicatorOrder() is Qt.SortOrder.DescendingOrder

        def arrange() -> list[Node]:
            return sort_nodes(find_nodes(tree, text, inside), column, descending=descending)

        candidates = len(tree.nodes) if text.strip() else len(inside.children)
        if candidates > _SYNCHRONOUS_ROWS:
            nodes = await asyncio.to_thread(arrange)
        else:
            nodes = arrange()
        if generation == self._generation:
            self._show_rows(nodes, text.strip())

    def _show_rows(self, nodes: list[Node], text: str) -> None:
        current = self._content.node_at(self.content_view.currentIndex())
        select = self._select_next or (current.path if current is not None else "")
        self._select_next = ""
        self.content_view.columns.show_folder(bool(text))
        self._content.set_nodes(nodes)
        if select:
            self.content_view.select_path(select)
        self._stack.setCurrentWidget(self.content_view if nodes else self.empty_state)
        if not nodes:
            self._explain_emptiness(text)
        self.selection_changed.emit()

    def _explain_emptiness(self, text: str) -> None:
        if text:
            self.empty_state.say("search", self.tr("Nothing matches “{}”").format(text))
        elif self._folder:
            self.empty_state.say("folder", self.tr("This folder is empty"))
        else:
            self.empty_state.say(
                "drop",
                self.tr("This archive is empty"),
                self.tr("Drop files or folders here to save them as its first version."),
                button=self.tr("Add files…"),
            )

    def _open_node(self, node: Node) -> None:
        if node.is_folder:
            self.go_to(node.path)
        else:
            self.extract_requested.emit()

    def _open_menu(self, position: QPoint) -> None:
        nodes = self.selected_nodes()
        if not nodes:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if len(nodes) == 1 and nodes[0].is_folder:
            menu.addAction(icon("folder"), self.tr("Open"), lambda: self.go_to(nodes[0].path))
        menu.addAction(icon("extract"), self.tr("Extract…"), self.extract_requested.emit)
        if self.filter_field.text() and len(nodes) == 1:
            menu.addAction(icon("open-folder"), self.tr("Show in its folder"), lambda: self._reveal(nodes[0]))
        if len(nodes) == 1 and self._tree is not None and self._tree.listing.versions:
            versions = self.tr("Versions of this folder") if nodes[0].is_folder else self.tr("Versions of this file")
            menu.addAction(icon("history"), versions, lambda: self.versions_requested.emit(nodes[0].path))
        menu.addSeparator()
        if len(nodes) == 1:
            menu.addAction(self.rename_action)
        menu.addAction(self.delete_action)
        menu.addSeparator()
        menu.addAction(self._copy_action)
        menu.popup(self.content_view.viewport().mapToGlobal(position))

    def _reveal(self, node: Node) -> None:
        self._select_next = node.path
        self.go_to(node.parent_path)

    def _on_drop(self, paths: list[str], folder: str | None, shift: bool) -> None:  # a signal's value
        self.paths_dropped.emit(paths, self._folder if folder is None else folder, shift)
