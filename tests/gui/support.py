"""What GUI tests share: waiting, dropping, and a user who answers file dialogs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QMenu, QWidget

from kamaros_gui.jobs import SaveRequest
from kamaros_gui.ui.application import WindowManager
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.main_window import MainWindow

D = TypeVar("D", bound=QWidget)


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


async def save(manager: WindowManager, archive: Path, *paths: Path, message: str = "") -> None:
    request = SaveRequest(archive=str(archive), paths=tuple(map(str, paths)), message=message)
    job = manager.workspace.engine.submit(request)
    await until(job.future.done)
    job.future.result()


async def opened(manager: WindowManager, archive: Path) -> MainWindow:
    await manager.open_archive(str(archive))
    window = manager.windows[-1]
    await until(lambda: window.session.tree is not None and window.page.rows)
    return window


def names(window: MainWindow) -> list[str]:
    return [node.name for node in window.page.rows]


async def dialog_of(window: QWidget, kind: type[D]) -> D:
    """Return the dialog of that kind once *window* shows it."""
    await until(lambda: any(found.isVisible() for found in window.findChildren(kind)))
    return next(found for found in window.findChildren(kind) if found.isVisible())


async def gone(window: QWidget, kind: type[QWidget]) -> None:
    """Wait until *window* has no dialog of that kind any more."""
    await until(lambda: not window.findChildren(kind))


def menu_texts(menu: QMenu) -> list[str]:
    """Return what a menu offers, separators left out."""
    return [action.text() for action in menu.actions() if not action.isSeparator()]


async def context_menu(view: QAbstractItemView, row: int) -> QMenu:
    """Ask for the context menu of a row and return it."""
    view.customContextMenuRequested.emit(view.visualRect(view.model().index(row, 0)).center())
    await until(lambda: isinstance(QApplication.activePopupWidget(), QMenu))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    return menu


def choose(menu: QMenu, text: str) -> None:
    """Trigger the action of *menu* with that text."""
    [action] = [action for action in menu.actions() if action.text() == text]
    assert action.isEnabled()
    menu.close()
    action.trigger()
