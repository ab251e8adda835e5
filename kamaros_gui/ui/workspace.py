"""What all windows share, as each window sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from PySide6.QtWidgets import QWidget

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.engine import Engine
from kamaros_gui.ui.jobs_watch import JobsWatch
from kamaros_gui.ui.preferences import PreferenceStore
from kamaros_gui.ui.theme import ThemeManager

__all__ = ["Windows", "Workspace"]


class Windows(Protocol):
    """Who opens windows and lets them go."""

    async def open_archive(self, path: str, window: QWidget | None = None) -> None:
        """Show the archive at *path*: in the window that has it, in *window* if that is free, or in a new one."""

    def new_window(self) -> QWidget:
        """Open a window without an archive."""

    def forget(self, window: QWidget) -> None:
        """Note that *window* is closed; the program ends with its last window."""

    def quit(self) -> None:
        """Close all windows, each of which may object."""

    @property
    def count(self) -> int:
        """Number of open windows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Workspace:
    """What a window is given.

    Attributes:
        engine: runs the jobs.
        watch: looks after them.
        preferences: what is remembered.
        themes: applies light and dark.
        choosers: asks for files and folders.
        windows: opens and forgets windows.
        save_config: writes the engine's settings; called in a worker thread.
    """

    engine: Engine
    watch: JobsWatch
    preferences: PreferenceStore
    themes: ThemeManager
    choosers: Choosers
    windows: Windows
    save_config: Callable[[JCFConfig], None]
