"""Line icons that take the colour of the text around them, crisp at every scale.

An icon is an SVG whose strokes say ``currentColor``; the colour is filled in when it is painted, so one set
serves light and dark, enabled and disabled, and follows a change of palette by itself.
"""

from __future__ import annotations

import functools

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QImage, QPainter, QPalette, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from kamaros_gui.ui.resources import read_resource, resource_path
from kamaros_gui.ui.theme import is_dark

__all__ = ["TINTS", "application_icon", "icon", "pixmap", "tint_colour"]

TINTS = {
    "accent": ("#4759c9", "#93a0ff"),
    "folder": ("#b7791f", "#e5b567"),
    "success": ("#1f8a4c", "#5ecb8b"),
    "warning": ("#b45f06", "#f0b45a"),
    "danger": ("#c0303a", "#ff8088"),
    "muted": ("#69717d", "#979fab"),
    "image": ("#8e44ad", "#c99be0"),
    "media": ("#c2410c", "#ff9d6b"),
    "code": ("#0f7c8a", "#5fc9d6"),
}
"""Tint → its colour on light, its colour on dark."""


class _LineIconEngine(QIconEngine):
    """Paints one SVG in the colour the palette asks for."""

    def __init__(self, name: str, tint: str) -> None:
        super().__init__()
        self._name = name
        self._tint = tint

    def _colour(self, mode: QIcon.Mode) -> QColor:
        palette = QApplication.palette()
        if mode is QIcon.Mode.Disabled:
            return palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
        if mode is QIcon.Mode.Selected:
            return palette.color(QPalette.ColorRole.HighlightedText)
        return tint_colour(self._tint, palette) if self._tint else palette.color(QPalette.ColorRole.ButtonText)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        # A list paints the same few icons for every row: a picture costs a twentieth of drawing the lines again.
        scale = painter.device().devicePixelRatioF()
        picture = _pixmap(self._name, self._colour(mode).name(), (QSizeF(rect.size()) * scale).toSize())
        painter.drawPixmap(rect, picture)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return _pixmap(self._name, self._colour(mode).name(), size)

    def clone(self) -> QIconEngine:
        return _LineIconEngine(self._name, self._tint)


@functools.cache
def icon(name: str, tint: str = "") -> QIcon:
    """Return the line icon *name* (a file in ``icons/`` without its ending), in the text colour or in *tint*."""
    read_resource(f"icons/{name}.svg")
    return QIcon(_LineIconEngine(name, tint))


@functools.cache
def application_icon() -> QIcon:
    """Return the icon of the program."""
    return QIcon(resource_path("icons/kamaros.svg"))


def tint_colour(tint: str, palette: QPalette) -> QColor:
    """Return the colour of *tint* that suits *palette*."""
    light, dark = TINTS[tint]
    return QColor(dark if is_dark(palette) else light)


def pixmap(name: str, extent: int, colour: QColor, scale: float = 1.0) -> QPixmap:
    """Return the line icon *name*, *extent* device-independent pixels wide, for a screen with *scale*."""
    physical = round(extent * scale)
    picture = QPixmap(_pixmap(name, colour.name(), QSize(physical, physical)))
    picture.setDevicePixelRatio(scale)
    return picture


def _pixmap(name: str, colour: str, size: QSize) -> QPixmap:
    key = f"kamaros:{name}:{colour}:{size.width()}x{size.height()}"
    cached = QPixmap()
    if QPixmapCache.find(key, cached):
        return cached
    image = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    _render(name, colour, painter, QRectF(0, 0, size.width(), size.height()))
    painter.end()
    picture = QPixmap.fromImage(image)
    QPixmapCache.insert(key, picture)
    return picture


def _render(name: str, colour: str, painter: QPainter, area: QRectF) -> None:
    extent = min(area.width(), area.height())
    square = QRectF(0, 0, extent, extent)
    square.moveCenter(area.center())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _renderer(name, colour).render(painter, square)


@functools.lru_cache(maxsize=512)
def _renderer(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(read_resource(f"icons/{name}.svg").replace(b"currentColor", colour.encode())))
