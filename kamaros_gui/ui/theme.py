"""Light and dark: the colour scheme of the platform, and palettes of our own where the platform has none."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from kamaros_gui.ui.preferences import Theme

__all__ = ["ThemeManager", "blend", "is_dark", "muted"]

_Role = QPalette.ColorRole

_LIGHT = {
    _Role.Window: "#f4f5f7", _Role.WindowText: "#1c2026", _Role.Base: "#ffffff", _Role.AlternateBase: "#f8f9fb",
    _Role.Text: "#1c2026", _Role.Button: "#fbfbfc", _Role.ButtonText: "#1c2026", _Role.BrightText: "#ffffff",
    _Role.Light: "#ffffff", _Role.Midlight: "#eceef1", _Role.Mid: "#c9ced6", _Role.Dark: "#aeb5bf",
    _Role.Shadow: "#767d87", _Role.Highlight: "#4759c9", _Role.HighlightedText: "#ffffff", _Role.Link: "#4253c4",
    _Role.LinkVisited: "#6a4fb0", _Role.ToolTipBase: "#2a2f37", _Role.ToolTipText: "#f3f4f6",
    _Role.PlaceholderText: "#69717d", _Role.Accent: "#4759c9",
}  # fmt: skip
_DARK = {
    _Role.Window: "#191c20", _Role.WindowText: "#e6e8eb", _Role.Base: "#25282e", _Role.AlternateBase: "#2a2d34",
    _Role.Text: "#e6e8eb", _Role.Button: "#30343c", _Role.ButtonText: "#e6e8eb", _Role.BrightText: "#ffffff",
    _Role.Light: "#454b55", _Role.Midlight: "#3a3f48", _Role.Mid: "#464c57", _Role.Dark: "#0f1114",
    _Role.Shadow: "#0b0c0e", _Role.Highlight: "#4c5bc4", _Role.HighlightedText: "#ffffff", _Role.Link: "#9aa6ff",
    _Role.LinkVisited: "#bfa6ff", _Role.ToolTipBase: "#363b44", _Role.ToolTipText: "#f3f4f6",
    _Role.PlaceholderText: "#979fab", _Role.Accent: "#8391f5",
}  # fmt: skip
_DISABLED = (_Role.WindowText, _Role.Text, _Role.ButtonText)


class ThemeManager(QObject):
    """Applies a theme to the application and follows the desktop while the theme is ``system``.

    Args:
        application: the application.
        theme: colour scheme to begin with.
    """

    def __init__(self, application: QApplication, theme: Theme = "system") -> None:
        super().__init__(application)
        self._application = application
        self._theme: Theme = theme
        application.styleHints().colorSchemeChanged.connect(self._refresh)
        self.apply(theme)

    @property
    def theme(self) -> Theme:
        """The theme in force."""
        return self._theme

    def apply(self, theme: Theme) -> None:
        """Switch to *theme* at once, in every open window."""
        self._theme = theme
        hints = self._application.styleHints()
        wanted = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(theme, Qt.ColorScheme.Unknown)
        hints.setColorScheme(wanted)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        # The styles of Windows and macOS bring their own colours; Fusion takes whatever the palette says.
        if self._application.style().name().lower() != "fusion":
            return
        dark = self._theme == "dark" or (
            self._theme == "system" and self._application.styleHints().colorScheme() is Qt.ColorScheme.Dark
        )
        self._application.setPalette(_palette(_DARK if dark else _LIGHT))


def _palette(colours: dict[QPalette.ColorRole, str]) -> QPalette:
    palette = QPalette()
    for role, name in colours.items():
        palette.setColor(role, QColor(name))
    faint = blend(palette.color(_Role.Text), palette.color(_Role.Window), 0.6)
    for role in _DISABLED:
        palette.setColor(QPalette.ColorGroup.Disabled, role, faint)
    palette.setColor(QPalette.ColorGroup.Disabled, _Role.Highlight, palette.color(_Role.Mid))
    return palette


def blend(first: QColor, second: QColor, share: float) -> QColor:
    """Return *first* mixed with *share* (0–1) of *second*."""
    keep = 1.0 - share
    return QColor(
        round(first.red() * keep + second.red() * share),
        round(first.green() * keep + second.green() * share),
        round(first.blue() * keep + second.blue() * share),
    )


def is_dark(palette: QPalette) -> bool:
    """Return whether text is lighter than its background."""
    return palette.color(_Role.WindowText).lightness() > palette.color(_Role.Window).lightness()


def muted(palette: QPalette) -> QColor:
    """Return the colour of secondary text."""
    return palette.color(_Role.PlaceholderText)
