"""The window of one archive: tool bar, content, history and transfers around it."""

from __future__ import annotations

import base64
import contextlib

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget

from kamaros_gui.base.errors import KamarosError, NotFoundError
from kamaros_gui.jobs.snapshots import JobSnapshot
from kamaros_gui.ui import texts
from kamaros_gui.ui.actions import make_actions
from kamaros_gui.ui.archive_page import ArchivePage
from kamaros_gui.ui.archive_session import HEAD, ArchiveSession
from kamaros_gui.ui.closing import EndOfJobs
from kamaros_gui.ui.content_commands import ContentCommands
from kamaros_gui.ui.dropping import local_paths
from kamaros_gui.ui.error_dialog import ErrorDialog, describe
from kamaros_gui.ui.event_loop import async_slot, spawn
from kamaros_gui.ui.history_commands import HistoryCommands
from kamaros_gui.ui.history_dock import HistoryDock
from kamaros_gui.ui.status_bar import ArchiveStatusBar
from kamaros_gui.ui.tool_bar import MainToolBar
from kamaros_gui.ui.transfers_dock import TransfersDock
from kamaros_gui.ui.welcome_page import WelcomePage
from kamaros_gui.ui.window_commands import WindowCommands
from kamaros_gui.ui.window_jobs import WindowJobs
from kamaros_gui.ui.workspace import Workspace

__all__ = ["MainWindow"]

_MESSAGE_MS = 8000


class MainWindow(QMainWindow):
    """Shows one archive, or the welcome page while it has none.

    Args:
        workspace: what all windows share.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._may_close = False
        self._closing = False
        self.closed = False
        self.session = ArchiveSession(workspace.engine, self)
        self.welcome = WelcomePage()
        self.page = ArchivePage()
        self.jobs = WindowJobs(self, workspace)
        self.commands = WindowCommands(self, workspace, self.jobs)
        self.content = ContentCommands(self, self.jobs)
        self.versions = HistoryCommands(self, workspace, self.jobs)
        self.history = HistoryDock(self)
        self.transfers = TransfersDock(workspace.engine, self)
        self.status = ArchiveStatusBar(self)
        self.actions_ = make_actions(self)
        self._end_of_jobs = EndOfJobs(self, workspace)
        self.tool_bar = MainToolBar(self.actions_, self.history.toggleViewAction(), self.transfers.toggleViewAction())
        self._pages = QStackedWidget()
        self._lay_out()
        self._connect_actions()
        self._connect_parts()
        self.show_config()
        self._show_welcome()

    # ------------------------------------------------------------------------------------------- set-up

    def _lay_out(self) -> None:
        self.setObjectName("main")
        self.setAcceptDrops(True)
        self.setUnifiedTitleAndToolBarOnMac(True)
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.page)
        self.setCentralWidget(self._pages)
        self.addToolBar(self.tool_bar)
        self.setStatusBar(self.status)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.history)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.transfers)
        self.history.hide()
        self.transfers.hide()
        self.resize(QSize(1120, 720))
        self.setMinimumSize(QSize(640, 420))
        geometry = self._workspace.preferences.current.geometry
        with contextlib.suppress(ValueError):
            if geometry:
                self.restoreGeometry(QByteArray(base64.b64decode(geometry)))
        self.resizeDocks([self.history], [290], Qt.Orientation.Horizontal)
        self.resizeDocks([self.transfers], [210], Qt.Orientation.Vertical)

    def _connect_actions(self) -> None:
        actions, commands = self.actions_, self.commands
        pairs = (
            (actions.new, commands.new),
            (actions.open, commands.open),
            (actions.add_files, commands.add_files),
            (actions.add_folder, commands.add_folder),
            (actions.paste, commands.paste),
            (actions.extract, commands.extract),
            (actions.extract_all, commands.extract_all),
            (actions.verify, commands.verify),
            (actions.find, self._focus_filter),
            (actions.reload, self._reload),
            (actions.settings, commands.settings),
            (actions.about, commands.about),
            (actions.close, self.close),
            (actions.quit, self._workspace.windows.quit),
            (actions.leave, self._leave),
        )
        for action, slot in pairs:
            action.triggered.connect(slot)
        self.tool_bar.recent_chosen.connect(commands.open_path)
        self.welcome.new_requested.connect(commands.new)
        self.welcome.open_requested.connect(commands.open)
        self.welcome.files_requested.connect(commands.add_files)
        self.welcome.recent_chosen.connect(commands.open_path)
        self.welcome.paths_dropped.connect(commands.drop)
        self.page.extract_requested.connect(commands.extract)
        self.page.add_requested.connect(commands.add_files)
        self.page.paths_dropped.connect(commands.drop)
        self.page.rename_requested.connect(self.content.rename)
        self.page.delete_requested.connect(self.content.remove)
        self.status.compact_requested.connect(self.content.compact)
        self._connect_history()

    def _connect_history(self) -> None:
        history, versions = self.history, self.versions
        history.version_chosen.connect(self._look_at)
        history.restore_requested.connect(self.commands.restore_version)
        history.tag_requested.connect(versions.tag)
        history.untag_requested.connect(versions.remove_tag)
        history.forget_requested.connect(versions.forget)
        history.compare_requested.connect(versions.compare)
        history.compare_folder_requested.connect(versions.compare_with_folder)
        history.file_outdated.connect(versions.refresh_file)
        self.page.versions_requested.connect(versions.show_file)

    def _connect_parts(self) -> None:
        self.session.loaded.connect(self._on_loaded)
        self.session.failed.connect(self._on_load_failed)
        self.session.loading.connect(self._on_loading)
        self.page.selection_changed.connect(self._show_status)
        self.page.back_to_now.connect(lambda: self._look_at(HEAD))
        self.history.toggleViewAction().toggled.connect(self._remember_history)
        self.transfers.wanted.connect(self.transfers.show)
        self.transfers.steered.connect(self._workspace.watch.wake)
        self._workspace.watch.updated.connect(self.transfers.show_jobs)
        self._workspace.preferences.changed.connect(self._show_recents)
        self._show_recents()

    # ------------------------------------------------------------------------------------ what is shown

    def open_archive(self, path: str) -> None:
        """Show the archive at *path*."""
        self._take_archive(path)
        self.page.show_message("archive", self.tr("Reading {}…").format(self.session.name), busy=True)
        spawn(self._open(path))

    async def _open(self, path: str) -> None:
        if await self.session.open(path):
            self._workspace.preferences.note_archive(path)

    def show_new_archive(self, path: str) -> None:
        """Show an archive that has only a name so far."""
        self.session.begin(path)
        self._take_archive(path)
        self.history.show_versions((), "")
        self.page.show_message(
            "drop",
            self.tr("{} is new and empty").format(self.session.name),
            self.tr("Drop files or folders here. Its file is made with the first save."),
            button=self.tr("Add files…"),
        )
        self._show_status()

    def _take_archive(self, path: str) -> None:
        self.session.path = path
        self.setWindowTitle(f"{self.session.name} – Kamaros")
        self.setWindowFilePath(path)
        self.transfers.set_archive(path)
        self.page.set_title(self.session.name)
        self._pages.setCurrentWidget(self.page)
        self.history.toggleViewAction().setEnabled(True)
        self.transfers.toggleViewAction().setEnabled(True)
        self.history.setVisible(self._workspace.preferences.current.history_shown)
        self._enable_actions()
        self.page.content_view.setFocus()

    def _show_welcome(self) -> None:
        self.session.reset()
        self.setWindowTitle("Kamaros")
        self._pages.setCurrentWidget(self.welcome)
        self.history.hide()
        self.transfers.hide()
        self.history.toggleViewAction().setEnabled(False)
        self.transfers.toggleViewAction().setEnabled(False)
        self._enable_actions()
        self._show_status()
        self.welcome.drop_area.setFocus()

    def _on_loading(self) -> None:
        if self.session.tree is not None:
            self.say(self.tr("Reading…"))

    def _on_loaded(self) -> None:
        tree = self.session.tree
        if tree is None:
            return
        self.statusBar().clearMessage()
        listing = tree.listing
        if self._pages.currentWidget() is not self.page:
            self._take_archive(self.session.path)
        self.page.show_tree(tree, self.session.name)
        self.history.show_versions(listing.versions, listing.version)
        notices = [listing.read_only, *listing.warnings]
        self.page.notice_banner.say("\n".join(notice for notice in notices if notice))
        self.page.past_banner.say(self._past_text() if self.session.in_the_past else "")
        self._enable_actions()
        self._show_status()

    def _past_text(self) -> str:
        tree = self.session.tree
        versions = tree.listing.versions if tree is not None else ()
        shown = next((version for version in versions if tree and version.id == tree.listing.version), None)
        when = texts.timestamp(shown.timestamp) if shown is not None else ""
        message = f" – {shown.message}" if shown is not None and shown.message else ""
        return self.tr("You are looking at {}{}").format(when, message)

    def _on_load_failed(self, error: KamarosError) -> None:
        if self.session.tree is None:
            path = self.session.path
            if isinstance(error, NotFoundError):
                self._workspace.preferences.forget_archive(path)
            self._show_welcome()
            self.report(self.tr("The archive can't be opened"), error)
        else:
            self.report(self.tr("The archive can't be read"), error)

    def _show_status(self) -> None:
        selection = self.page.selected_nodes() if self.session.tree is not None else []
        matches = len(self.page.rows) if self.page.filter_field.text().strip() else None
        self.status.show_archive(self.session.tree, selection, matches)

    def _show_recents(self) -> None:
        recents = self._workspace.preferences.current.recent_archives
        self.welcome.show_recents(recents)
        self.tool_bar.show_recents(recents)

    def show_config(self) -> None:
        """Show the settings in force."""
        self.status.show_config(self._workspace.engine.config)

    def say(self, text: str) -> None:
        """Show *text* in the status bar for a while."""
        if not self.closed:
            self.statusBar().showMessage(text, _MESSAGE_MS)

    def report(self, title: str, error: BaseException) -> None:
        """Tell about *error* in a dialog."""
        if not self.closed:
            ErrorDialog(title, describe(error), self).open()

    def _enable_actions(self) -> None:
        has_archive = bool(self.session.path)
        readable = has_archive and self.session.tree is not None
        writable = not has_archive or not (self.session.in_the_past or self.session.read_only)
        for action in self.actions_.needing_archive:
            action.setEnabled(readable)
        for action in (self.actions_.add_files, self.actions_.add_folder):
            action.setEnabled(writable)
        self.tool_bar.enable_add(writable)
        self.page.set_writable(self.session.writable)
        self.history.set_writable(not self.session.read_only)

    # ------------------------------------------------------------------------------------ small commands

    @async_slot
    async def _look_at(self, version: str) -> None:
        if self.session.path:
            await self.session.load(version)

    @async_slot
    async def _reload(self) -> None:
        if self.session.tree is not None:
            listing = self.session.tree.listing
            await self.session.load(HEAD if listing.is_head else listing.version)

    def _focus_filter(self) -> None:
        self.page.filter_field.setFocus()
        self.page.filter_field.selectAll()

    def _leave(self) -> None:
        if self.page.clear_filter():
            self.page.content_view.setFocus()
        elif self.session.in_the_past:
            self._look_at(HEAD)

    def _remember_history(self, shown: bool) -> None:  # a signal's value
        if self.session.path and not self.closed and self.isVisible():
            self._workspace.preferences.update(history_shown=shown)

    # ------------------------------------------------------------------------------------------- closing

    def running_jobs(self) -> list[JobSnapshot]:
        """Return the jobs of this archive that have not ended."""
        snapshots = self._workspace.engine.snapshots()
        return [job for job in snapshots if job.archive == self.session.path and not job.finished]

    async def try_close(self) -> bool:
        """Close, asking first while jobs run and waiting until they are cleaned up; return whether it closed."""
        if self.closed:
            return True
        if self._closing:
            return False
        self._closing = True
        try:
            if not await self._end_of_jobs.reach(self.running_jobs):
                return False
            self._may_close = True
            self.close()
            return True
        finally:
            self._closing = False

    def let_go(self) -> None:
        """Take part in nothing any more: what is still awaited finds the window closed and leaves it alone."""
        self.closed = True
        self.session.reset()
        self.page.stop()
        self._workspace.watch.updated.disconnect(self.transfers.show_jobs)
        self._workspace.preferences.changed.disconnect(self._show_recents)

    @async_slot
    async def _ask_and_close(self) -> None:
        await self.try_close()

    # -------------------------------------------------------------------------------------- Qt overrides

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._may_close:
            event.ignore()
            self._ask_and_close()
            return
        event.accept()
        geometry = base64.b64encode(self.saveGeometry().data()).decode("ascii")
        self._workspace.preferences.update(geometry=geometry)
        self.let_go()
        self._workspace.windows.forget(self)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        # The views take drops on a folder themselves; what lands elsewhere goes to the folder that is shown.
        paths = local_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.commands.drop(paths, self.page.folder, shift)
