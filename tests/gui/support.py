"""What GUI tests share: waiting, dropping, and a user who answers file dialogs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from kamaros_gui.ui.dialogs import Choosers


class FixedChoosers(Choosers):
    """Answers instead of a user, and notes what was asked."""

    def __init__(self) -> None:
        self.archive_path = ""
        self.archives: list[str] = []
        self.files: list[str] = []
        self.folder = ""
        self.proposals: list[str] = []

    async def choose_archive_path(self, parent: QWidget, proposal: str) -> str:
        self.proposals.append(proposal)
        return self.archive_path

    async def choose_archives(self, parent: QWidget, folder: str) -> list[str]:
        return self.archives

    async def choose_files(self, parent: QWidget, folder: str) -> list[str]:
        return self.files

    async def choose_folder(self, parent: QWidget, title: str, folder: str) -> str:
        return self.folder


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the loop run until *condition* holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for may be on a screen, where nothing signals it
            await asyncio.sleep(0.005)


def drop(widget: QWidget, paths: list[str], position: QPointF | None = None, *, shift: bool = False) -> bool:
    """Send *widget* what a file manager sends: a drag that enters and a drop; return whether it was accepted."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
    where = position or QPointF(widget.rect().center())
    keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where.toPoint(), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, keys)
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(where, Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, keys)
    QApplication.sendEvent(widget, event)
    return event.isAccepted()
