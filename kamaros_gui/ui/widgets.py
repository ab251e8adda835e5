"""Small widgets the panels are made of. They paint with the palette, so light and dark need no style sheets."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QFrame, QLabel, QSizePolicy, QToolButton, QWidget

from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import icon, pixmap, tint_colour
from kamaros_gui.ui.theme import blend

__all__ = [
    "Card",
    "ElidedLabel",
    "IconLabel",
    "TintedLabel",
    "flat_button",
    "heading",
    "muted_elided_label",
    "muted_label",
    "plain_buttons",
    "set_text",
]


class ElidedLabel(QLabel):
    """One line of text that gives up its middle (or its end) rather than its place.

    Args:
        text: full text; shown as tool tip when it does not fit.
        mode: where to elide.
        parent: owner.
    """

    def __init__(
        self,
        text: str = "",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        line = self.text().replace("\n", " ")
        shown = painter.fontMetrics().elidedText(line, self._mode, self.width())
        painter.drawText(self.rect(), int(self.alignment()), shown)
        self.setToolTip(texts.tool_tip(self.text()) if shown != line else "")


class Card(QFrame):
    """A rounded panel with a thin border, in the background colour of lists.

    Args:
        parent: owner.
        tint: name of a tint that colours the panel, empty for none.
    """

    def __init__(self, parent: QWidget | None = None, *, tint: str = "") -> None:
        super().__init__(parent)
        self._tint = tint

    def set_tint(self, tint: str) -> None:
        """Colour the panel."""
        if tint != self._tint:
            self._tint = tint
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        base, line = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Mid)
        if self._tint:
            colour = tint_colour(self._tint, palette)
            base, line = blend(base, colour, 0.10), blend(base, colour, 0.45)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(blend(line, base, 0.25), 1))
        painter.setBrush(base)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)


class IconLabel(QLabel):
    """A line icon that follows the palette.

    Args:
        name: icon file without its ending.
        extent: width and height in device-independent pixels.
        tint: name of a tint, empty for the text colour.
        parent: owner.
    """

    def __init__(self, name: str, extent: int = 20, tint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._extent, self._tint = name, extent, tint
        self.setFixedSize(extent, extent)

    def set_icon(self, name: str, tint: str = "") -> None:
        """Show another icon."""
        if (name, tint) != (self._name, self._tint):
            self._name, self._tint = name, tint
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        colour: QColor = self.palette().color(QPalette.ColorRole.WindowText)
        if self._tint:
            colour = tint_colour(self._tint, self.palette())
        QPainter(self).drawPixmap(0, 0, pixmap(self._name, self._extent, colour, self.devicePixelRatioF()))


class TintedLabel(QLabel):
    """Plain text in the colour of a tint, wrapped, that follows a change of palette.

    Args:
        tint: name of the tint.
        parent: owner.
    """

    def __init__(self, tint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tint = tint
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self._take_colour()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.ApplicationPaletteChange:
            self._take_colour()

    def _take_colour(self) -> None:
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.WindowText, tint_colour(self._tint, QApplication.palette()))
        self.setPalette(palette)


def heading(text: str, factor: float = 1.35, parent: QWidget | None = None) -> QLabel:
    """Return a label in bold type, *factor* times the usual size."""
    label = QLabel(text, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)  # names from archives are in some
    font = QFont(label.font())
    font.setPointSizeF(font.pointSizeF() * factor)
    font.setWeight(QFont.Weight.DemiBold)
    label.setFont(font)
    return label


def muted_label(text: str = "", parent: QWidget | None = None, *, wrap: bool = False) -> QLabel:
    """Return a label for secondary text."""
    label = QLabel(text, parent)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    label.setWordWrap(wrap)
    return label


def muted_elided_label(parent: QWidget | None = None) -> ElidedLabel:
    """Return a label for secondary text that gives up its end rather than its place."""
    label = ElidedLabel(mode=Qt.TextElideMode.ElideRight, parent=parent)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def flat_button(icon_name: str, text: str, parent: QWidget | None = None, *, show_text: bool = False) -> QToolButton:
    """Return a tool button without a frame; *text* is its accessible name and, unless shown, its tool tip."""
    button = QToolButton(parent)
    button.setIcon(icon(icon_name))
    button.setIconSize(QSize(16, 16))
    button.setText(text)
    button.setAutoRaise(True)
    button.setAccessibleName(text)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if show_text:
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    else:
        button.setToolTip(text)
    return button


def set_text(label: QLabel, text: str) -> None:
    """Change the text of *label* if it is another one: a label that is set again lays its parents out again."""
    if label.text() != text:
        label.setText(text)


def plain_buttons(box: QDialogButtonBox) -> None:
    """Take the style's pictures off standard buttons: they come from another set than ours."""
    for button in box.buttons():
        if box.standardButton(button) is not QDialogButtonBox.StandardButton.NoButton:
            button.setIcon(QIcon())
