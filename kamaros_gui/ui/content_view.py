"""The two views of an archive: the list of a folder and the tree of folders; both take drops."""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QTreeView, QWidget

from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_model import ContentModel, FolderModel
from kamaros_gui.ui.archive_tree import Column, Node
from kamaros_gui.ui.column_layout import ColumnLayout
from kamaros_gui.ui.dropping import local_paths
from kamaros_gui.ui.row_delegate import RowDelegate
from kamaros_gui.ui.table_header import colour_header
from kamaros_gui.ui.theme import blend

__all__ = ["ContentView", "FolderView"]

_Index = QModelIndex | QPersistentModelIndex

_CELL_MARGIN = 9
_SOME_LONG_DATE = 1_795_996_799_000_000_000
"""28 November 2026: two digits for the day and for the month wherever a locale writes numbers."""
_WIDTHS = {
    Column.NAME: 285,
    Column.SIZE: 92,
    Column.PACKED: 92,
    Column.RATIO: 70,
    Column.MODIFIED: 145,
    Column.TYPE: 130,
    Column.SHA256: 220,
    Column.METHOD: 84,
    Column.FOLDER: 220,
}


class ContentView(QTableView):
    """The list of a folder's content.

    Signals:
        opened: a row was activated (Enter, double click); carries its node.
        went_up: the folder above was asked for (Backspace).
        paths_dropped: files were dropped; carries their paths, the folder they go to (``None`` for the one shown)
            and whether Shift was held.

    Args:
        model: the rows.
        parent: owner.
    """

    opened = Signal(object)
    went_up = Signal()
    paths_dropped = Signal(list, object, bool)

    def __init__(self, model: ContentModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._drop_row = -1
        self.setModel(model)
        self.setAccessibleName(self.tr("Content of the archive"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(18, 18))
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.setAcceptDrops(True)
        self.viewport().setAcceptDrops(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._set_up_headers()
        self.setItemDelegate(RowDelegate(self))
        self.activated.connect(self._open_index)

    def _set_up_headers(self) -> None:
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(max(28, self.fontMetrics().height() + 11))
        columns = self.horizontalHeader()
        columns.setHighlightSections(False)
        # The header asks of each column whether all its rows are selected, to draw what is not drawn here. A selection
        # of its own, always empty, answers at once; the real one takes a second for 50,000 rows.
        columns.setSelectionModel(QItemSelectionModel(self._model, columns))
        columns.setSectionsMovable(True)
        columns.setSortIndicator(Column.NAME, Qt.SortOrder.AscendingOrder)
        columns.setSortIndicatorShown(True)
        columns.setSectionsClickable(True)
        columns.setMinimumSectionSize(48)
        columns.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        columns.customContextMenuRequested.connect(self._choose_columns)
        date = self.fontMetrics().horizontalAdvance(texts.date_time(_SOME_LONG_DATE)) + 2 * _CELL_MARGIN
        self.columns = ColumnLayout(self, _WIDTHS | {Column.MODIFIED: max(_WIDTHS[Column.MODIFIED], date)})
        # Where a match is matters most, so its folder stands beside its name.
        columns.moveSection(columns.visualIndex(Column.FOLDER), 1)
        colour_header(columns)

    def selected_nodes(self) -> list[Node]:
        """Return the nodes of the selected rows, top to bottom."""
        # The ranges of a selection stay few even when 50,000 rows are selected; its indexes do not.
        parts = sorted(self.selectionModel().selection().toList(), key=lambda part: part.top())
        nodes: list[Node] = []
        following = 0
        for part in parts:
            nodes += self._model.nodes[max(part.top(), following) : part.bottom() + 1]
            following = max(following, part.bottom() + 1)
        return nodes

    def select_path(self, path: str) -> None:
        """Make the row of *path* the current one, if it is shown."""
        for row, node in enumerate(self._model.nodes):
            if node.path == path:
                self._go_to_row(row)
                return

    def _go_to_row(self, row: int) -> None:
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        index = self._model.index(row, 0)
        self.selectionModel().setCurrentIndex(index, flags)
        self.scrollTo(index)

    def _open_index(self, index: QModelIndex) -> None:
        node = self._model.node_at(index)
        if node is not None:
            self.opened.emit(node)

    def _choose_columns(self, position: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for column in Column:
            if column is Column.NAME or (column is Column.FOLDER and self.isColumnHidden(column)):
                continue
            action = menu.addAction(self._model.headerData(column, Qt.Orientation.Horizontal))
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(column))
            action.toggled.connect(lambda shown, column=column: self.columns.choose(column, shown))
        menu.popup(self.horizontalHeader().mapToGlobal(position))

    def _drop_target(self, position: QPoint) -> int:
        row = self.rowAt(position.y())
        node = self._model.nodes[row] if 0 <= row < len(self._model.nodes) else None
        return row if node is not None and node.is_folder else -1

    def _mark_row(self, row: int) -> None:
        if row != self._drop_row:
            self._drop_row = row
            self.viewport().update()

    def keyboardSearch(self, search: str) -> None:
        """Jump to the next row whose name begins with what was typed."""
        if not search:
            return
        row = self._model.find_by_prefix(search, max(0, self.currentIndex().row() + (len(search) == 1)))
        if row >= 0:
            self._go_to_row(row)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            colour_header(self.horizontalHeader())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Backspace:
            self.went_up.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            self._open_index(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if local_paths(event.mimeData()):
            self._mark_row(self._drop_target(event.position().toPoint()))
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark_row(-1)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = local_paths(event.mimeData())
        row = self._drop_target(event.position().toPoint())
        self._mark_row(-1)
        if paths:
            event.acceptProposedAction()
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.paths_dropped.emit(paths, self._model.nodes[row].path if row >= 0 else None, shift)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._drop_row >= 0:
            area = self.visualRect(self._model.index(self._drop_row, 0)).united(
                self.visualRect(self._model.index(self._drop_row, self.horizontalHeader().count() - 1))
            )
            _paint_drop_mark(self, area)


class FolderView(QTreeView):
    """The tree of the archive's folders.

    Signals:
        folder_chosen: another folder became the current one; carries its node.
        paths_dropped: as :attr:`ContentView.paths_dropped`.

    Args:
        model: the folders.
        parent: owner.
    """

    folder_chosen = Signal(object)
    paths_dropped = Signal(list, object, bool)

    def __init__(self, model: FolderModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._drop_index = QModelIndex()
        self.setModel(model)
        self.setAccessibleName(self.tr("Folders of the archive"))
        self.setHeaderHidden(True)
        self.setUniformRowHeights(True)
        self.setItemDelegate(RowDelegate(self))
        self.setIconSize(QSize(18, 18))
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setIndentation(16)
        self.setAcceptDrops(True)
        self.viewport().setAcceptDrops(True)
        self.setMinimumWidth(140)

    def show_folder(self, node: Node) -> None:
        """Make *node* the current folder without telling anybody."""
        index = self._model.index_of(node)
        if self.currentIndex() == index:
            return
        parent = index.parent()
        while parent.isValid():
            self.expand(parent)
            parent = parent.parent()
        with QSignalBlocker(self):
            self.setCurrentIndex(index)
        self.scrollTo(index)

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        super().currentChanged(current, previous)
        node = self._model.node_at(current)
        if node is not None and not self.signalsBlocked():
            self.folder_chosen.emit(node)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if local_paths(event.mimeData()):
            self._mark(self.indexAt(event.position().toPoint()))
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark(QModelIndex())

    def dropEvent(self, event: QDropEvent) -> None:
        paths = local_paths(event.mimeData())
        node = self._model.node_at(self.indexAt(event.position().toPoint()))
        self._mark(QModelIndex())
        if paths:
            event.acceptProposedAction()
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.paths_dropped.emit(paths, node.path if node is not None else None, shift)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._drop_index.isValid():
            _paint_drop_mark(self, self.visualRect(self._drop_index))

    def _mark(self, index: QModelIndex) -> None:
        if index != self._drop_index:
            self._drop_index = index
            self.viewport().update()


def _paint_drop_mark(view: QAbstractItemView, area: QRect) -> None:
    palette = view.palette()
    accent = palette.color(QPalette.ColorRole.Highlight)
    painter = QPainter(view.viewport())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(blend(accent, palette.color(QPalette.ColorRole.Base), 0.1), 2))
    painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 4, 4)
