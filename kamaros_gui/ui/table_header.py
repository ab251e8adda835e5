"""How the titles above the columns of a list look."""

from __future__ import annotations

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QHeaderView

__all__ = ["colour_header"]


def colour_header(header: QHeaderView) -> None:
    """Draw *header* flat, its titles with the margins of the cells below them.

    A style sheet is the only way to say so. It does not follow a change of palette by itself, so it is made of the
    colours in force: call this again when they change.
    """
    palette = QApplication.palette()
    role = QPalette.ColorRole
    base, quiet = palette.color(role.Base).name(), palette.color(role.PlaceholderText).name()
    line, loud = palette.color(role.Midlight).name(), palette.color(role.Text).name()
    header.setStyleSheet(
        f"QHeaderView {{ background: {base}; }}"
        f"QHeaderView::section {{ background: {base}; color: {quiet}; padding: 5px 8px; border: none;"
        f" border-bottom: 1px solid {line}; }}"
        f"QHeaderView::section:hover {{ color: {loud}; }}"
    )
