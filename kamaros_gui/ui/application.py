"""The program with windows: makes the engine, opens windows, and ends both in order."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication, QWidget

from kamaros_gui.base.config import JCFConfig, load_config, save_config
from kamaros_gui.base.errors import ConfigError
from kamaros_gui.jobs import JobRunner
from kamaros_gui.ui import event_loop
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.display import missing_display
from kamaros_gui.ui.dropping import absolute, plan_drop
from kamaros_gui.ui.engine import Engine
from kamaros_gui.ui.garbage import GarbageKeeper
from kamaros_gui.ui.icons import application_icon
from kamaros_gui.ui.jobs_watch import JobsWatch
from kamaros_gui.ui.latency import LatencyProbe
from kamaros_gui.ui.main_window import MainWindow
from kamaros_gui.ui.preferences import PreferenceStore
from kamaros_gui.ui.theme import ThemeManager
from kamaros_gui.ui.workspace import Workspace

__all__ = ["WindowManager", "make_application", "run"]


def make_application(arguments: Sequence[str] = ()) -> QApplication:
    """Return the QApplication, made on the first call, with name, icon and style."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["kamaros", *arguments])
    application.setApplicationName("kamaros")
    application.setApplicationDisplayName("Kamaros")
    application.setDesktopFileName("org.kamaros.Kamaros")
    application.setWindowIcon(application_icon())
    if application.style().name().lower() not in ("windows11", "windowsvista", "macos"):
        application.setStyle("Fusion")
    application.setQuitOnLastWindowClosed(False)
    return application


_SWITCH_SECONDS = 0.001
"""How long a thread busy in Python may let the GUI thread wait. Painting a list takes the interpreter a few hundred
times: beside a busy thread that is 16 ms rather than 28 with the usual 5 ms, and saves are as fast."""


class WindowManager:
    """Keeps the windows, one per archive, and the parts they share.

    Args:
        application: the QApplication.
        engine: runs the jobs.
        preferences: what is remembered.
        choosers: asks for files and folders.
        keep_config: writes the engine's settings; called in a worker thread.
    """

    def __init__(
        self,
        application: QApplication,
        engine: Engine,
        preferences: PreferenceStore,
        choosers: Choosers | None = None,
        keep_config: Callable[[JCFConfig], None] = save_config,
    ) -> None:
        self.workspace = Workspace(
            engine=engine,
            watch=JobsWatch(engine),
            preferences=preferences,
            themes=ThemeManager(application, preferences.current.theme),
            choosers=choosers if choosers is not None else Choosers(),
            windows=self,
            save_config=keep_config,
        )
        self.windows: list[MainWindow] = []
        self._former_switch = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._garbage = GarbageKeeper()
        self.workspace.watch.updated.connect(self._garbage.look)
        self.ended = asyncio.Event()

    @property
    def count(self) -> int:
        """Number of open windows."""
        return len(self.windows)

    def new_window(self) -> MainWindow:
        """Open a window without an archive."""
        window = MainWindow(self.workspace)
        if self.windows:
            window.move(self.windows[-1].pos().x() + 28, self.windows[-1].pos().y() + 28)
        self.windows.append(window)
        window.session.loading.connect(self._garbage.hurry)
        window.session.loaded.connect(self._garbage.set_aside)
        window.session.failed.connect(self._garbage.set_aside)
        window.show()
        return window

    def warm_up(self) -> None:
        """Load the engine's modules now, in a worker thread: the first job would make its window wait for them."""
        event_loop.spawn(asyncio.to_thread(importlib.import_module, "kamaros_gui.jobs.operations"))

    async def open_archive(self, path: str, window: QWidget | None = None) -> None:
        """Show the archive at *path*: in the window that has it, in *window* if that is free, or in a new one."""
        real = await asyncio.to_thread(os.path.realpath, path)
        for known in self.windows:
            if known.session.path and await asyncio.to_thread(os.path.realpath, known.session.path) == real:
                known.setWindowState(known.windowState() & ~known.windowState().WindowMinimized)
                known.raise_()
                known.activateWindow()
                return
        free = window if isinstance(window, MainWindow) and not window.session.path else None
        (free or self.new_window()).open_archive(absolute(path))

    async def open_paths(self, paths: Sequence[str]) -> None:
        """Open archives, and start a new archive with everything else, as if it was dropped."""
        plans = [await asyncio.to_thread(plan_drop, [absolute(path)], as_files=False) for path in paths]
        others = [path for plan in plans if plan.action == "add" for path in (*plan.paths, *plan.missing)]
        for plan in plans:
            if plan.action == "open":
                await self.open_archive(plan.paths[0])
        if others or not self.windows:
            window = self.new_window()
            if others:
                window.commands.drop(others, "", True)  # noqa: FBT003  # a slot takes its values by position

    def forget(self, window: QWidget) -> None:
        """Note that *window* is closed; the program ends with its last window."""
        self.windows = [known for known in self.windows if known is not window]
        window.deleteLater()
        if not self.windows:
            self.ended.set()

    def quit(self) -> None:
        """Close all windows, each of which may object."""
        event_loop.spawn(self._close_all())

    async def _close_all(self) -> None:
        for window in list(self.windows):
            if not await window.try_close():
                return

    def report(self, error: BaseException) -> None:
        """Tell about an error nobody handled."""
        sys.excepthook(type(error), error, error.__traceback__)
        if self.windows:
            self.windows[-1].report(QCoreApplication.translate("Application", "Something went wrong"), error)

    async def end(self) -> None:
        """Stop the engine, wait for its clean-up, and close what is still open. The engine goes before Qt."""
        self.workspace.watch.stop()
        await asyncio.to_thread(self.workspace.engine.close)
        for window in list(self.windows):
            window.let_go()
            window.hide()
            window.deleteLater()
        self.windows.clear()
        self._garbage.stop()
        for shared in (self._garbage, self.workspace.watch, self.workspace.themes, self.workspace.preferences):
            shared.deleteLater()
        await asyncio.to_thread(self.workspace.preferences.close)
        sys.setswitchinterval(self._former_switch)


def run(paths: list[str]) -> int:
    """Run the window until the last one is closed.

    Args:
        paths: archives to open, and files to save into a new archive.

    Returns:
        the exit status of the program: 0 after the last window, 1 where no window can be opened.
    """
    if reason := missing_display():
        way_out = "Everything can also be done in the terminal: kamaros --help"
        print(f"kamaros: The window can't be opened. {reason} {way_out}", file=sys.stderr)  # noqa: T201  # no window
        return 1
    application = make_application()
    _install_translator(application)
    config, complaint = _load_config()
    preferences = PreferenceStore()

    async def main() -> int:
        manager = WindowManager(application, JobRunner(config), preferences)
        event_loop.set_error_handler(manager.report)
        undo_signals = event_loop.on_signals(manager.ended.set)
        probe = LatencyProbe.from_environment()
        try:
            await manager.open_paths(paths)
            manager.warm_up()
            _end_by_itself(manager)
            if complaint is not None:
                title = QCoreApplication.translate("Application", "The settings can't be used")
                manager.windows[-1].report(title, complaint)
            await manager.ended.wait()
        finally:
            await manager.end()
            if probe is not None:
                probe.finish()
            undo_signals()
            event_loop.set_error_handler(None)
        return 0

    return event_loop.run(main)


def _end_by_itself(manager: WindowManager) -> None:
    """Close everything after as many seconds as ``KAMAROS_GUI_EXIT_AFTER`` says: a bundle is tried out that way."""
    with contextlib.suppress(ValueError):
        seconds = float(os.environ.get("KAMAROS_GUI_EXIT_AFTER", ""))
        asyncio.get_running_loop().call_later(seconds, manager.ended.set)


def _load_config() -> tuple[JCFConfig, ConfigError | None]:
    try:
        return load_config(), None
    except ConfigError as error:
        # The program starts with its defaults and says so; it does not overwrite the file by itself.
        return JCFConfig(), error


def _install_translator(application: QApplication) -> None:
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(QLocale(), "qtbase", "_", folder):
        application.installTranslator(translator)
