"""How a row of the content list and of the folder tree is drawn: roomy cells, the name in front, the rest quieter."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

__all__ = ["RowDelegate"]

_Index = QModelIndex | QPersistentModelIndex
_PADDING = 8
_ICON = 18


class RowDelegate(QStyledItemDelegate):
    """Draws cells with the same margins in every column, and all but the first column in the secondary colour."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        usual = super().sizeHint(option, index)
        return QSize(usual.width() + _PADDING, max(27, option.fontMetrics.height() + 10))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        self.initStyleOption(option, index)
        widget = option.widget
        # A frame around one cell says nothing where whole rows are selected.
        option.state &= ~QStyle.StateFlag.State_HasFocus
        style = widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        inside = QRect(option.rect)
        first = index.column() == 0
        if first and not option.icon.isNull():
            place = QRect(inside.left() + _PADDING - 2, inside.center().y() - _ICON // 2 + 1, _ICON, _ICON)
            mode = QIcon.Mode.Selected if selected else QIcon.Mode.Normal
            option.icon.paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode)
            inside.setLeft(place.right() - 1)
        inside.adjust(_PADDING, 0, -_PADDING, 0)
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        if not first and not selected:
            role = QPalette.ColorRole.PlaceholderText
        painter.setPen(option.palette.color(role))
        painter.setFont(option.font)
        elide = Qt.TextElideMode.ElideMiddle if first else Qt.TextElideMode.ElideRight
        text = option.fontMetrics.elidedText(option.text, elide, inside.width())
        painter.drawText(inside, int(option.displayAlignment | Qt.AlignmentFlag.AlignVCenter), text)
