"""The versions of an archive, newest first, and how one of them is drawn."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import tint_colour
from kamaros_gui.ui.theme import blend

__all__ = ["HistoryDelegate", "HistoryModel", "VersionRole", "change_summary"]

VersionRole = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex
_RAIL = 30
_MARGIN = 9
_TAG_PADDING = 7


def change_summary(version: VersionInfo) -> list[tuple[str, str]]:
    """Return what a version changed as pairs of text and tint: ``+3``, ``~1``, ``→1``, ``−2``."""
    counts = (
        (version.added, "+", "success"),
        (version.modified, "~", "warning"),
        (version.renamed, "→", "accent"),
        (version.deleted, "−", "danger"),
    )
    return [(f"{sign}{texts.count(number)}", tint) for number, sign, tint in counts if number]


class HistoryModel(QAbstractListModel):
    """One row per version."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._versions: tuple[VersionInfo, ...] = ()

    @property
    def versions(self) -> tuple[VersionInfo, ...]:
        """The rows, newest first."""
        return self._versions

    def set_versions(self, versions: tuple[VersionInfo, ...]) -> None:
        """Show *versions*."""
        if versions != self._versions:
            self.beginResetModel()
            self._versions = versions
            self.endResetModel()

    def row_of(self, version: str) -> int:
        """Return the row of the version with that id, −1 if there is none."""
        return next((row for row, known in enumerate(self._versions) if known.id == version), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(self._versions)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._versions):
            return None
        version = self._versions[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return version.message or self.tr("Saved without a message")
            case Qt.ItemDataRole.UserRole:
                return version
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleDescriptionRole:
                return texts.tool_tip(self._description(version))
            case _:
                return None

    def _description(self, version: VersionInfo) -> str:
        lines = [
            version.message,
            texts.timestamp(version.timestamp),
            version.author and self.tr("by {}").format(version.author),
            self.tr("{} added, {} changed, {} renamed, {} deleted").format(
                version.added, version.modified, version.renamed, version.deleted
            ),
            version.tags and self.tr("Tagged: {}").format(", ".join(map(display_path, version.tags))),
            self.tr("Version {}").format(version.id),
        ]
        return "\n".join(line for line in lines if line)


class HistoryDelegate(QStyledItemDelegate):
    """Draws a version as a stop on a line: message, then time, author and what changed."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        line = option.fontMetrics.height()
        return QSize(200, 2 * line + 2 * _MARGIN + 3)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        version = index.data(VersionRole)
        rect: QRect = option.rect
        palette: QPalette = option.palette
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        widget = option.widget
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        style = widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)
        ink = palette.color(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text)
        ground = palette.color(QPalette.ColorRole.Highlight if selected else QPalette.ColorRole.Base)
        faint = blend(ink, ground, 0.38)
        self._draw_rail(painter, rect, index, palette, selected=selected)
        inner = rect.adjusted(_RAIL, _MARGIN, -_MARGIN, -_MARGIN)
        line = painter.fontMetrics().height()
        first = QRect(inner.left(), inner.top(), inner.width(), line)
        second = QRect(inner.left(), inner.bottom() - line, inner.width(), line + 1)
        right = second.right()
        for text, tint in reversed(change_summary(version)):
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.setPen(ink if selected else tint_colour(tint, palette))
            painter.drawText(QRect(right - width, second.top(), width + 1, second.height()), 0, text)
            right -= width + 7
        tag_ink = ink if selected else tint_colour("accent", palette)
        taken = self._draw_tags(painter, version.tags, first, (tag_ink, blend(tag_ink, ground, 0.86)))
        first.setRight(first.right() - taken)
        self._draw_words(painter, version, (first, second.adjusted(0, 0, right - second.right() - 4, 0)), (ink, faint))
        painter.restore()

    def _draw_tags(self, painter: QPainter, tags: tuple[str, ...], area: QRect, colours: tuple[QColor, QColor]) -> int:
        """Draw *tags* at the right end of *area*, the first one in front, in at most half of it; return their width."""
        if not tags:
            return 0
        ink, ground = colours
        metrics = painter.fontMetrics()
        more = f" +{len(tags) - 1}" if len(tags) > 1 else ""
        room = area.width() // 2 - 2 * _TAG_PADDING - metrics.horizontalAdvance(more)
        text = metrics.elidedText(display_path(tags[0]), Qt.TextElideMode.ElideRight, room) + more
        width = metrics.horizontalAdvance(text) + 2 * _TAG_PADDING
        pill = QRectF(area.right() - width, area.top() - 0.5, width, area.height() + 1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
        painter.setPen(ink)
        painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), text)
        return width + _TAG_PADDING

    def _draw_words(
        self, painter: QPainter, version: VersionInfo, lines: tuple[QRect, QRect], inks: tuple[Any, Any]
    ) -> None:
        first, second = lines
        words = texts.timestamp(version.timestamp) + (f" · {version.author}" if version.author else "")
        painter.setPen(inks[1])
        elided = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, second.width())
        painter.drawText(second, 0, elided)
        message = display_path(version.message.partition("\n")[0]) or self.tr("Saved without a message")
        if version.message:
            font = QFont(painter.font())
            font.setWeight(QFont.Weight.DemiBold)
            painter.setFont(font)
            painter.setPen(inks[0])
        painter.drawText(
            first, 0, painter.fontMetrics().elidedText(message, Qt.TextElideMode.ElideRight, first.width())
        )

    def _draw_rail(self, painter: QPainter, rect: QRect, index: _Index, palette: QPalette, *, selected: bool) -> None:
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Mid
        x, y = rect.left() + _RAIL // 2, rect.center().y()
        painter.setPen(QPen(palette.color(role), 2))
        last = index.row() == index.model().rowCount() - 1
        painter.drawLine(x, rect.top() if index.row() else y, x, y if last else rect.bottom() + 1)
        dot = palette.color(QPalette.ColorRole.HighlightedText) if selected else tint_colour("accent", palette)
        newest = index.row() == 0
        ground = palette.color(QPalette.ColorRole.Highlight if selected else QPalette.ColorRole.Base)
        painter.setPen(QPen(dot, 2))
        painter.setBrush(dot if newest else ground)
        painter.drawEllipse(x - 4, y - 4, 9, 9)
