"""What differs between two versions, or a version and a folder: a list to filter, and to take paths from."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, QSize, Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.differences import DiffChange, DiffEntry, DiffReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.ui import texts
from kamaros_gui.ui.diff_model import CHANGES, DiffColumn, DiffModel, change_text, chosen_entries
from kamaros_gui.ui.empty_state import EmptyState
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.row_delegate import RowDelegate
from kamaros_gui.ui.table_header import colour_header
from kamaros_gui.ui.widgets import TintedLabel, heading, muted_elided_label, muted_label, plain_buttons

__all__ = ["DiffDialog"]

_ISSUES_SHOWN = 5


class DiffDialog(QDialog):
    """The outcome of a comparison. It stays open beside its window.

    Args:
        old: what the older state is called.
        new: what the newer state is called.
        report: what differs.
        parent: window it belongs to.

    Attributes:
        kinds: kind of change → the button that shows or hides it; only kinds that there are.
        filter_field: words that paths must have.
        view: the list.
        model: its rows.
    """

    def __init__(self, old: str, new: str, report: DiffReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("What changed"))
        self._entries = report.entries
        self.model = DiffModel(self)
        self.kinds: dict[DiffChange, QToolButton] = {}
        self.filter_field = QLineEdit()
        self.view = QTableView()
        self.nothing = EmptyState()
        self.summary = muted_label()
        self._stack = QStackedWidget()
        self._set_up_view()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 14)
        layout.setSpacing(10)
        layout.addLayout(self._head(old, new, report))
        layout.addLayout(self._filters())
        self._stack.addWidget(self.view)
        self._stack.addWidget(self.nothing)
        layout.addWidget(self._stack, 1)
        if report.issues:
            layout.addWidget(self._issues(report))
        layout.addLayout(self._foot(report))
        self.resize(QSize(860, 560))
        self.show_chosen()
        self.view.setFocus()

    def _head(self, old: str, new: str, report: DiffReport) -> QVBoxLayout:
        head = QVBoxLayout()
        head.setSpacing(3)
        head.addWidget(heading(self._title(report), 1.2))
        for text, name in ((self.tr("From {}").format(old), "old"), (self.tr("To {}").format(new), "new")):
            line = muted_elided_label()
            line.setObjectName(name)
            line.setText(text)
            head.addWidget(line)
        return head

    def _title(self, report: DiffReport) -> str:
        if not report.entries:
            return self.tr("Nothing differs")
        return self.tr("{} differ").format(texts.entries_text(len(report.entries)))

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setAccessibleName(self.tr("Differences"))
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setItemDelegate(RowDelegate(view))
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._open_menu)
        rows = view.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(max(28, view.fontMetrics().height() + 11))
        columns = view.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setSectionsClickable(False)
        colour_header(columns)
        # See the content list: without this every selection of many rows asks for each of them.
        columns.setSelectionModel(QItemSelectionModel(self.model, columns))
        columns.setSectionResizeMode(DiffColumn.PATH, QHeaderView.ResizeMode.Stretch)
        widths = {
            DiffColumn.CHANGE: 156,
            DiffColumn.OLD_SIZE: 104,
            DiffColumn.NEW_SIZE: 94,
            DiffColumn.GROWTH: 94,
        }
        for column, width in widths.items():
            view.setColumnWidth(column, width)
        self._copy = QAction(icon("copy"), self.tr("Copy path"), view)
        self._copy.setShortcut(QKeySequence.StandardKey.Copy)
        self._copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._copy.triggered.connect(self.copy_paths)
        view.addAction(self._copy)

    def _filters(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(6)
        numbers = dict.fromkeys(CHANGES, 0)
        for entry in self._entries:
            numbers[entry.change] += 1
        for change, (icon_name, tint) in CHANGES.items():
            if not numbers[change]:
                continue
            button = QToolButton()
            button.setCheckable(True)
            button.setChecked(True)
            button.setIcon(icon(icon_name, tint))
            button.setIconSize(QSize(14, 14))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setText(f" {change_text(change)}  {texts.count(numbers[change])}")
            button.setAccessibleName(self.tr("Show: {}").format(change_text(change)))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.toggled.connect(lambda _shown: self.show_chosen())
            self.kinds[change] = button
            line.addWidget(button)
        line.addStretch(1)
        self.filter_field.setPlaceholderText(self.tr("Filter by path"))
        self.filter_field.setAccessibleName(self.tr("Filter by path"))
        self.filter_field.setClearButtonEnabled(True)
        self.filter_field.setMinimumWidth(200)
        self.filter_field.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self.filter_field.textChanged.connect(lambda _text: self.show_chosen())
        line.addWidget(self.filter_field)
        return line

    def _issues(self, report: DiffReport) -> QWidget:
        lines = [f"{display_path(issue.path)}: {issue.reason}" for issue in report.issues[:_ISSUES_SHOWN]]
        more = len(report.issues) - len(lines)
        if more > 0:
            lines.append(self.tr("… and {} more").format(texts.count(more)))
        label = TintedLabel("danger")
        label.setText(self.tr("Not compared:") + "\n" + "\n".join(lines))
        return label

    def _foot(self, report: DiffReport) -> QHBoxLayout:
        self._same = self.tr("{} the same").format(texts.files_text(report.unchanged))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(self.tr("Copy list"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setIcon(icon("copy"))
        copy.setToolTip(self.tr("Puts what is shown on the clipboard, one path per line"))
        copy.clicked.connect(self.copy_list)
        plain_buttons(buttons)
        for button in buttons.buttons():
            if isinstance(button, QPushButton):
                button.setAutoDefault(False)  # Enter in the filter must not close the dialog
        buttons.rejected.connect(self.reject)
        line = QHBoxLayout()
        line.addWidget(self.summary, 1)
        line.addWidget(buttons)
        return line

    def show_chosen(self) -> None:
        """Show the kinds that are switched on, as far as the filter lets them through."""
        shown = frozenset(change for change, button in self.kinds.items() if button.isChecked())
        entries = chosen_entries(self._entries, shown, self.filter_field.text())
        self.model.set_entries(entries)
        self._explain_emptiness()
        self._stack.setCurrentWidget(self.view if entries else self.nothing)
        grown = sum(entry.new_size - entry.old_size for entry in entries)
        sign = "+" if grown > 0 else "−" if grown < 0 else ""
        parts = [self._same]
        if self._entries:
            parts.insert(0, self.tr("{} shown").format(texts.entries_text(len(entries))))
            parts.append(self.tr("{}{} in all").format(sign, texts.size(abs(grown))))
        self.summary.setText("  ·  ".join(parts))

    def _explain_emptiness(self) -> None:
        if self._entries:
            self.nothing.say("search", self.tr("Nothing matches"))
        else:
            self.nothing.say("success", self.tr("Both are the same"), self._same)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            colour_header(self.view.horizontalHeader())

    def selected(self) -> list[DiffEntry]:
        """Return the selected rows, top to bottom."""
        # Ranges stay few where indexes would be one per cell.
        parts = self.view.selectionModel().selection().toList()
        rows = sorted({row for part in parts for row in range(part.top(), part.bottom() + 1)})
        return [self.model.entries[row] for row in rows]

    def copy_paths(self) -> None:
        """Put the paths of the selected rows on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(entry.path for entry in self.selected()))

    def copy_list(self) -> None:
        """Put everything that is shown on the clipboard: kind, sizes in bytes, path, path before; tabs between."""
        lines = [
            f"{entry.change}\t{entry.old_size}\t{entry.new_size}\t{entry.path}\t{entry.old_path}".rstrip("\t")
            for entry in self.model.entries
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _open_menu(self, position: QPoint) -> None:
        chosen = self.selected()
        if not chosen:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self._copy)
        if len(chosen) == 1 and chosen[0].old_path:
            menu.addAction(self.tr("Copy path before"), lambda: QGuiApplication.clipboard().setText(chosen[0].old_path))
        menu.popup(self.view.viewport().mapToGlobal(position))
