"""Who this is: versions of the program, of its libraries, and its codecs."""

from __future__ import annotations

import importlib.metadata
import platform

import PySide6.QtCore
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

import kamaros_gui
from kamaros_gui.ui.icons import application_icon, icon
from kamaros_gui.ui.widgets import heading, muted_label, plain_buttons

__all__ = ["AboutDialog", "component_versions"]

_CODECS = (
    ("Deflate 1–3", "isal"),
    ("Deflate 4–9", "zlib-ng"),
    ("Zstandard", "zstandard"),
)


def component_versions() -> list[tuple[str, str]]:
    """Return name and version of what the program runs on. Reads package records: for a worker thread."""
    rows = [("Kamaros", kamaros_gui.__version__), ("Python", platform.python_version())]
    rows += [("Qt", PySide6.QtCore.qVersion()), ("PySide", PySide6.__version__)]
    rows += [(title, f"{package} {_version(package)}") for title, package in _CODECS]
    rows.append((platform.system(), platform.release()))
    return rows


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # A frozen program carries the libraries without their records.
        return ""


class AboutDialog(QDialog):
    """Shows the program and what it is made of.

    Args:
        versions: rows of :func:`component_versions`.
        parent: window it belongs to.
    """

    def __init__(self, versions: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("About Kamaros"))
        self._versions = versions
        picture = QLabel()
        picture.setPixmap(application_icon().pixmap(72, 72))
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(heading("Kamaros", 1.6))
        words.addWidget(
            muted_label(
                self.tr(
                    "An archiver with a memory. Drop files in, they stream into one .jcf file that any unzip opens;"
                    " every save is a version you can go back to."
                ),
                wrap=True,
            )
        )
        top = QHBoxLayout()
        top.setSpacing(18)
        top.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        table = QFormLayout()
        table.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        table.setHorizontalSpacing(14)
        table.setVerticalSpacing(4)
        for name, version in versions:
            value = QLabel(version)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            table.addRow(muted_label(name), value)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setIcon(icon("copy"))
        copy.clicked.connect(self.copy)
        plain_buttons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 22, 24, 16)
        layout.setSpacing(18)
        layout.addLayout(top)
        layout.addLayout(table)
        layout.addWidget(buttons)
        self.setMinimumWidth(460)

    def copy(self) -> None:
        """Put the versions on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(f"{name}: {version}" for name, version in self._versions))
