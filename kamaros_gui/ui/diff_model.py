"""What differs between two states of an archive, as rows of a table."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QCoreApplication, QModelIndex, QObject, QPersistentModelIndex, Qt

from kamaros_gui.base.differences import DiffChange, DiffEntry
from kamaros_gui.base.texts import display_path
from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import icon

__all__ = ["CHANGES", "DiffColumn", "DiffModel", "change_text", "chosen_entries"]

_Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

CHANGES: Final[dict[DiffChange, tuple[str, str]]] = {
    "added": ("add", "success"),
    "changed": ("refresh", "warning"),
    "removed": ("close", "danger"),
    "renamed": ("chevron-right", "accent"),
    "metadata": ("info", "muted"),
}
"""Kind of change → its icon and tint, in the order in which they are offered."""


class DiffColumn(enum.IntEnum):
    """Columns of the table."""

    PATH = 0
    CHANGE = 1
    OLD_SIZE = 2
    NEW_SIZE = 3
    GROWTH = 4


_RIGHT_COLUMNS = frozenset({DiffColumn.OLD_SIZE, DiffColumn.NEW_SIZE, DiffColumn.GROWTH})


def change_text(change: DiffChange) -> str:
    """Return the word for a kind of change."""
    return {
        "added": _tr("Added"),
        "changed": _tr("Changed"),
        "removed": _tr("Removed"),
        "renamed": _tr("Renamed"),
        "metadata": _tr("Time or mode"),
    }[change]


def chosen_entries(entries: Iterable[DiffEntry], changes: frozenset[DiffChange], text: str) -> list[DiffEntry]:
    """Return the *entries* of these kinds whose paths have every word of *text*, letter case aside."""
    words = text.casefold().split()
    return [
        entry
        for entry in entries
        if entry.change in changes
        and (not words or all(word in f"{entry.path}\n{entry.old_path}".casefold() for word in words))
    ]


class DiffModel(QAbstractTableModel):
    """One row per path that differs."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[DiffEntry] = []

    @property
    def entries(self) -> list[DiffEntry]:
        """The rows, top to bottom."""
        return self._entries

    def set_entries(self, entries: list[DiffEntry]) -> None:
        """Show *entries*."""
        self.beginResetModel()
        self._entries = entries
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(DiffColumn)

    def data(self, index: _Index, role: int = _Role.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry, column = self._entries[index.row()], index.column()
        answer: Any = None
        if role == _Role.DisplayRole:
            answer = _TEXTS[column](entry)
        elif role == _Role.DecorationRole and column == DiffColumn.PATH:
            answer = icon(*CHANGES[entry.change])
        elif role == _Role.TextAlignmentRole and column in _RIGHT_COLUMNS:
            answer = _RIGHT
        elif role == _Role.ToolTipRole:
            answer = texts.tool_tip(_description(entry))
        elif role == _Role.AccessibleTextRole and column == DiffColumn.PATH:
            answer = f"{_path_text(entry)}, {change_text(entry.change)}"
        return answer

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _Role.DisplayRole:
            titles = (
                self.tr("Path"),
                self.tr("Change"),
                self.tr("Size before"),
                self.tr("Size after"),
                self.tr("Growth"),
            )
            return titles[section]
        if role == _Role.TextAlignmentRole:
            return _RIGHT if section in _RIGHT_COLUMNS else _LEFT
        return None


def _path_text(entry: DiffEntry) -> str:
    path = display_path(entry.path)
    if not entry.old_path:
        return path
    folder, _, name = entry.old_path.rpartition("/")
    same_folder = folder == entry.path.rpartition("/")[0]
    return f"{path} ← {display_path(name if same_folder else entry.old_path)}"


def _change_words(entry: DiffEntry) -> str:
    word = change_text(entry.change)
    if entry.change == "renamed" and entry.old_hash != entry.new_hash:
        return _tr("{} and changed").format(word)
    return word


def _old_size(entry: DiffEntry) -> str:
    return texts.size(entry.old_size) if entry.change != "added" and entry.type != "directory" else ""


def _new_size(entry: DiffEntry) -> str:
    return texts.size(entry.new_size) if entry.change != "removed" and entry.type != "directory" else ""


def _growth(entry: DiffEntry) -> str:
    difference = entry.new_size - entry.old_size
    return f"{'+' if difference > 0 else '−'}{texts.size(abs(difference))}" if difference else ""


_TEXTS: dict[int, Callable[[DiffEntry], str]] = {
    DiffColumn.PATH: _path_text,
    DiffColumn.CHANGE: _change_words,
    DiffColumn.OLD_SIZE: _old_size,
    DiffColumn.NEW_SIZE: _new_size,
    DiffColumn.GROWTH: _growth,
}


def _description(entry: DiffEntry) -> str:
    lines = [
        _path_text(entry),
        _change_words(entry),
        entry.old_hash and _tr("SHA-256 before: {}").format(entry.old_hash),
        entry.new_hash and entry.new_hash != entry.old_hash and _tr("SHA-256 after: {}").format(entry.new_hash),
    ]
    return "\n".join(line for line in lines if line)


def _tr(text: str) -> str:
    return QCoreApplication.translate("DiffModel", text)
