"""Everything the window can do, as actions with icon, words and keys."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow

from kamaros_gui.ui.icons import icon

__all__ = ["WindowActions", "make_actions"]

_Keys = QKeySequence | QKeySequence.StandardKey | str


@dataclasses.dataclass(frozen=True, slots=True)
class WindowActions:
    """The actions of one window."""

    new: QAction
    open: QAction
    add_files: QAction
    add_folder: QAction
    paste: QAction
    extract: QAction
    extract_all: QAction
    verify: QAction
    find: QAction
    reload: QAction
    settings: QAction
    about: QAction
    close: QAction
    quit: QAction
    leave: QAction

    @property
    def needing_archive(self) -> tuple[QAction, ...]:
        """Actions that make sense with an open archive only."""
        return (self.extract, self.extract_all, self.verify, self.find, self.reload)


def make_actions(window: QMainWindow) -> WindowActions:
    """Make the actions of *window* and add them to it, so that their keys work."""

    def action(icon_name: str, text: str, tip: str, keys: _Keys = "") -> QAction:
        made = QAction(icon(icon_name), text, window)
        made.setShortcut(keys)
        made.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        shown = made.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        made.setToolTip(f"{tip} ({shown})" if shown else tip)
        window.addAction(made)
        return made

    standard = QKeySequence.StandardKey
    return WindowActions(
        new=action("archive-new", _tr("New"), _tr("Start a new archive"), standard.New),
        open=action("open", _tr("Open"), _tr("Open an archive"), standard.Open),
        add_files=action("add-file", _tr("Add files…"), _tr("Save files into the archive"), "Ctrl+Shift+A"),
        add_folder=action("add-folder", _tr("Add a folder…"), _tr("Save a folder into the archive"), "Ctrl+Alt+A"),
        paste=action("copy", _tr("Paste files"), _tr("Save the files on the clipboard"), standard.Paste),
        extract=action("extract", _tr("Extract"), _tr("Write files into a folder"), "Ctrl+E"),
        extract_all=action("extract", _tr("Extract everything…"), _tr("Write all files into a folder"), "Ctrl+Shift+E"),
        verify=action("verify", _tr("Verify"), _tr("Check every stored byte against its hash"), "Alt+T"),
        find=action("search", _tr("Filter"), _tr("Show only what matches"), standard.Find),
        reload=action("refresh", _tr("Read again"), _tr("Read the archive again"), standard.Refresh),
        settings=action("settings", _tr("Settings…"), _tr("Change the settings"), "Ctrl+,"),
        about=action("info", _tr("About Kamaros"), _tr("Versions and codecs"), "F1"),
        close=action("close", _tr("Close window"), _tr("Close this window"), "Ctrl+W"),
        quit=action("cancel", _tr("Quit"), _tr("Close all windows"), "Ctrl+Q"),
        leave=action("close", _tr("Leave"), _tr("Leave the filter or the past"), "Esc"),
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("Actions", text)
