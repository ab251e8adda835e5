"""Qt models over an :class:`~kamaros_gui.ui.archive_tree.ArchiveTree`: the list of a folder, the tree of folders.

The list is a table model on purpose. A ``QTreeView`` asks the model about every row it lays out: 50,000 rows cost
150–200 ms of the GUI thread from Python, again after each filter. A ``QTableView`` asks about the visible rows
only. Sorting and filtering happen in :meth:`ContentModel.set_nodes`'s caller, in a worker thread.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QIcon

from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import ArchiveTree, Column, Node
from kamaros_gui.ui.file_types import icon_for, type_text
from kamaros_gui.ui.icons import icon

__all__ = ["ContentModel", "FolderModel"]

_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_RIGHT_COLUMNS = frozenset({Column.SIZE, Column.PACKED, Column.RATIO})
_METHODS = {"deflate": "Deflate", "zstd": "Zstandard", "store": "Store"}


class ContentModel(QAbstractTableModel):
    """Rows of the content list: the children of a folder, or the matches of a filter, in display order."""

    # No flags() here: selecting everything asks for the flags of every cell, and half a million calls into Python
    # take two seconds. Qt's own answer, enabled and selectable, is the right one.

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._nodes: list[Node] = []

    @property
    def nodes(self) -> list[Node]:
        """The rows, top to bottom."""
        return self._nodes

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """Show *nodes*, which are sorted already."""
        self.beginResetModel()
        self._nodes = list(nodes)
        self.endResetModel()

    def node_at(self, index: _Index) -> Node | None:
        """Return the node of a row."""
        return self._nodes[index.row()] if index.isValid() and index.row() < len(self._nodes) else None

    def find_by_prefix(self, text: str, start: int) -> int:
        """Return the first row from *start* on, wrapping around, whose name begins with *text*; −1 if none."""
        folded = text.casefold()
        for step in range(len(self._nodes)):
            row = (start + step) % len(self._nodes)
            if self._nodes[row].name.casefold().startswith(folded):
                return row
        return -1

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(self._nodes)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(Column)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        node = self.node_at(index)
        if node is None:
            return None
        column = index.column()
        answer: Any = None
        if role == _Role.DisplayRole:
            answer = _TEXTS[column](node)
        elif role == _Role.DecorationRole and column == Column.NAME:
            answer = _icon(node)
        elif role == _Role.TextAlignmentRole and column in _RIGHT_COLUMNS:
            answer = _RIGHT
        elif role == _Role.ToolTipRole:
            answer = texts.tool_tip(_tool_tip(node))
        elif role == _Role.AccessibleTextRole and column == Column.NAME:
            answer = f"{node.name}, {type_text(node.name, node.type)}"
        return answer

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _Role.DisplayRole:
            return self._titles()[section]
        if role == _Role.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if Column(section) in _RIGHT_COLUMNS else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Name"),
            self.tr("Size"),
            self.tr("Packed"),
            self.tr("Ratio"),
            self.tr("Modified"),
            self.tr("Type"),
            self.tr("SHA-256"),
            self.tr("Method"),
            self.tr("Folder"),
        )


class FolderModel(QAbstractItemModel):
    """The tree of folders, with the archive itself as its only top row."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._root: Node | None = None
        self._title = ""
        # Qt keeps only the address of a node in an index; the tree must outlive the views' last look at it.
        self._tree: ArchiveTree | None = None

    def set_tree(self, tree: ArchiveTree | None, title: str) -> None:
        """Show the folders of *tree*, with *title* for the archive."""
        self.beginResetModel()
        self._tree, self._root, self._title = tree, tree.root if tree is not None else None, title
        self.endResetModel()

    def node_at(self, index: _Index) -> Node | None:
        """Return the folder of an index."""
        node: Node | None = index.internalPointer() if index.isValid() else None
        return node

    def index_of(self, node: Node) -> QModelIndex:
        """Return the index of a folder."""
        return self.createIndex(node.row, 0, node)

    def index(self, row: int, column: int, parent: _Index = QModelIndex()) -> QModelIndex:  # noqa: B008  # Qt's own
        if self._root is None or column != 0:
            return QModelIndex()
        if not parent.isValid():
            return self.createIndex(0, 0, self._root) if row == 0 else QModelIndex()
        folders = parent.internalPointer().folders
        return self.createIndex(row, 0, folders[row]) if 0 <= row < len(folders) else QModelIndex()

    def parent(self, index: _Index = QModelIndex()) -> Any:  # noqa: B008  # Qt overloads it
        node: Node | None = index.internalPointer() if index.isValid() else None
        if node is None or self._tree is None or not node.path:
            return QModelIndex()
        above = self._tree.by_path[node.parent_path]
        return self.createIndex(above.row, 0, above)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        if self._root is None:
            return 0
        return len(parent.internalPointer().folders) if parent.isValid() else 1

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own signature
        return 1

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        node = self.node_at(index)
        if node is None:
            return None
        if role == _Role.DisplayRole:
            return node.name if node.path else self._title
        if role == _Role.DecorationRole:
            return icon("folder", "folder") if node.path else icon("archive", "accent")
        if role == _Role.ToolTipRole:
            return f"{node.path or self._title}\n{texts.files_text(node.file_count)}, {texts.size(node.size)}"
        return None


def _icon(node: Node) -> QIcon:
    name, tint = icon_for(node.name, node.type)
    return icon(name, tint)


def _size_text(node: Node) -> str:
    return texts.size(node.size) if not node.is_folder or node.file_count else ""


def _packed_text(node: Node) -> str:
    return texts.size(node.packed) if node.packed or not node.is_folder else ""


_TEXTS: dict[int, Callable[[Node], str]] = {
    Column.NAME: lambda node: node.name,
    Column.SIZE: _size_text,
    Column.PACKED: _packed_text,
    Column.RATIO: lambda node: texts.percent(node.packed, node.size),
    Column.MODIFIED: lambda node: texts.date_time(node.modified),
    Column.TYPE: lambda node: type_text(node.name, node.type),
    Column.SHA256: lambda node: node.sha256,
    Column.METHOD: lambda node: _METHODS.get(node.method, node.method),
    Column.FOLDER: lambda node: node.path.rpartition("/")[0] or "/",
}


def _tool_tip(node: Node) -> str:
    lines = [node.path]
    if node.is_folder:
        lines.append(f"{texts.files_text(node.file_count)}, {texts.size(node.size)}")
    elif node.entry is not None:
        moment = dt.datetime.fromtimestamp(node.modified / 1e9).astimezone()
        lines.append(f"{texts.size(node.size)} ({texts.count(node.size)} B), {moment:%Y-%m-%d %H:%M:%S}")
        if node.sha256:
            lines.append(f"SHA-256 {node.sha256}")
    return "\n".join(lines)
