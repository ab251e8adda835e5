"""A list of files a job left out, as many as it kept: the view asks for the visible ones only."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from kamaros_gui.base.reports import FileIssue
from kamaros_gui.ui.icons import icon

__all__ = ["IssueModel"]

_ICONS = {"failed": ("error", "danger"), "skipped": ("info", "muted"), "blocked": ("lock", "warning")}


class IssueModel(QAbstractListModel):
    """One row per file that was left out: path and reason."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._issues: tuple[FileIssue, ...] = ()

    def set_issues(self, issues: tuple[FileIssue, ...]) -> None:
        """Show *issues*; those that came since the last call are appended, nothing else is touched."""
        known = len(self._issues)
        if len(issues) < known:
            self.beginResetModel()
            self._issues = issues
            self.endResetModel()
        elif len(issues) > known:
            self.beginInsertRows(QModelIndex(), known, len(issues) - 1)
            self._issues = issues
            self.endInsertRows()

    def text(self, rows: list[int] | None = None) -> str:
        """Return the given rows (all of them for ``None``) as lines of text."""
        chosen = self._issues if rows is None else [self._issues[row] for row in rows]
        return "\n".join(f"{issue.path}\t{issue.reason}" for issue in chosen)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008  # Qt's own
        return 0 if parent.isValid() else len(self._issues)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._issues):
            return None
        issue = self._issues[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return f"{issue.path} — {issue.reason}"
            case Qt.ItemDataRole.ToolTipRole:
                return f"{issue.path}\n{issue.reason}"
            case Qt.ItemDataRole.DecorationRole:
                return icon(*_ICONS[issue.kind])
            case _:
                return None
