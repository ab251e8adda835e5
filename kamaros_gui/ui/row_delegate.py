"""How a row of the content list and of the folder tree is drawn: roomy cells, the name in front, the rest quieter."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

__all__ = ["RowDelegate"]

_Index = QModelIndex | QPersistentModelIndex
_PADDING = 8
_ICON = 18
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_HIGHLIGHTED = QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver


class RowDelegate(QStyledItemDelegate):
    """Draws cells with the same margins in every column, and all but the first column in the secondary colour."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        usual = super().sizeHint(option, index)
        return QSize(usual.width() + _PADDING, max(27, option.fontMetrics.height() + 10))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        # Qt's initStyleOption asks the model seven times, each time taking the interpreter anew: while worker threads
        # are busy in Python it has to be waited for every time. Two or three direct questions are all that is needed.
        model = index.model()
        widget = option.widget
        # A frame around one cell says nothing where whole rows are selected.
        option.state &= ~QStyle.StateFlag.State_HasFocus
        if option.state & _HIGHLIGHTED:
            widget.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        inside = QRect(option.rect)
        first = index.column() == 0
        picture = model.data(index, Qt.ItemDataRole.DecorationRole) if first else None
        if isinstance(picture, QIcon):
            place = QRect(inside.left() + _PADDING - 2, inside.center().y() - _ICON // 2 + 1, _ICON, _ICON)
            mode = QIcon.Mode.Selected if selected else QIcon.Mode.Normal
            picture.paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode)
            inside.setLeft(place.right() - 1)
        inside.adjust(_PADDING, 0, -_PADDING, 0)
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        if not first and not selected:
            role = QPalette.ColorRole.PlaceholderText
        painter.setPen(option.palette.color(role))
        painter.setFont(option.font)
        elide = Qt.TextElideMode.ElideMiddle if first else Qt.TextElideMode.ElideRight
        words = str(model.data(index, Qt.ItemDataRole.DisplayRole) or "")
        text = option.fontMetrics.elidedText(words, elide, inside.width())
        painter.drawText(inside, model.data(index, Qt.ItemDataRole.TextAlignmentRole) or _LEFT, text)
