"""Fits the columns of the content list to its width: the name takes what is left, minor columns give way."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QTableView

from kamaros_gui.ui.archive_tree import Column

__all__ = ["ColumnLayout"]

_NAME_WIDTH = 220
"""Less is no room for a name beside its icon; a column has to give way before that."""
_GIVE_WAY = (Column.METHOD, Column.TYPE, Column.RATIO, Column.PACKED, Column.MODIFIED)
"""Columns that are hidden where there is no room, the first one first."""
_AT_FIRST_HIDDEN = frozenset({Column.SHA256, Column.FOLDER})


class ColumnLayout(QObject):
    """Shows, hides and sizes the columns of *view* whenever its width changes.

    A column the user chose to see stays, whatever the width, and one the user hid stays away: then the list scrolls
    sideways where it must.

    Args:
        view: the list, with its model set.
        widths: column → usual width in device-independent pixels.
    """

    def __init__(self, view: QTableView, widths: dict[Column, int]) -> None:
        super().__init__(view)
        self._view = view
        self._header = view.horizontalHeader()
        self._name_width = _NAME_WIDTH
        # A hidden section has no size; what it had is remembered here.
        self._widths = dict(widths)
        self._chosen: dict[Column, bool] = {}
        self._at_work = False
        for column, width in widths.items():
            self._header.resizeSection(column, width)
        for column in _AT_FIRST_HIDDEN:
            self._header.hideSection(column)
        self._header.sectionResized.connect(self._on_section_resized)
        view.viewport().installEventFilter(self)

    def choose(self, column: Column, shown: bool) -> None:  # a signal's value
        """Follow the user's choice to see *column* or not."""
        self._chosen[column] = shown
        self.fit()

    def show_folder(self, shown: bool) -> None:  # a state
        """Show where each row is, which matters only among the matches of a filter."""
        if shown is self._header.isSectionHidden(Column.FOLDER):
            self._header.setSectionHidden(Column.FOLDER, not shown)
            self.fit()

    def fit(self) -> None:
        """Decide on every column for the width there is."""
        if self._at_work:
            return
        self._at_work = True
        try:
            available = self._view.viewport().width()
            shown = self._wanted()
            for column in _GIVE_WAY:
                if self._needed(shown) <= available:
                    break
                if column not in self._chosen:
                    shown.discard(column)
            for column in Column:
                if self._header.isSectionHidden(column) is (column in shown):
                    self._header.setSectionHidden(column, column not in shown)
            others = self._needed(shown) - self._name_width
            self._header.resizeSection(Column.NAME, max(self._name_width, available - others))
        finally:
            self._at_work = False

    def _wanted(self) -> set[Column]:
        wanted = {column for column in Column if self._chosen.get(column, column not in _AT_FIRST_HIDDEN)}
        if not self._header.isSectionHidden(Column.FOLDER):
            wanted.add(Column.FOLDER)
        return wanted

    def _needed(self, shown: set[Column]) -> int:
        return self._name_width + sum(self._widths[column] for column in shown if column is not Column.NAME)

    def _on_section_resized(self, section: int, _former: int, width: int) -> None:
        if self._at_work or not width:
            return
        if section == Column.NAME:
            self._name_width = max(_NAME_WIDTH // 2, width)
        else:
            self._widths[Column(section)] = width
            self.fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize:
            self.fit()
        return False
