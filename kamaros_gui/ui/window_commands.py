"""What the user can ask of a window: each command asks what it must know and hands a request to the engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication

from kamaros_gui.base.errors import KamarosError
from kamaros_gui.jobs.requests import SaveRequest, VerifyRequest
from kamaros_gui.ui import texts
from kamaros_gui.ui.about_dialog import AboutDialog, component_versions
from kamaros_gui.ui.archive_tree import Node
from kamaros_gui.ui.dialogs import ButtonRole, accepted, ask, ask_with_line
from kamaros_gui.ui.dropping import absolute, local_paths, plan_drop
from kamaros_gui.ui.error_dialog import ErrorDialog, describe
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.extract_dialog import ExtractDialog
from kamaros_gui.ui.settings_dialog import SettingsDialog
from kamaros_gui.ui.window_jobs import WindowJobs
from kamaros_gui.ui.workspace import Workspace

if TYPE_CHECKING:
    from kamaros_gui.ui.main_window import MainWindow

__all__ = ["WindowCommands"]

_UPDATE, _MIRROR = 0, 1
"""Numbers of the answers to the question whether a folder is updated or mirrored."""


class WindowCommands(QObject):
    """The commands of one window.

    Args:
        window: the window they act on.
        workspace: what all windows share.
        jobs: starts what they ask for.
    """

    def __init__(self, window: MainWindow, workspace: Workspace, jobs: WindowJobs) -> None:
        super().__init__(window)
        self._window = window
        self._workspace = workspace
        self._session = window.session
        self._jobs = jobs

    # -------------------------------------------------------------------------------- making and opening

    @async_slot
    async def new(self) -> None:
        """Name a new archive and show it, empty."""
        path = await self._choose_new_path(())
        if not path:
            return
        window = self._window if not self._session.path else self._workspace.windows.new_window()
        if await asyncio.to_thread(os.path.exists, path):
            await self._workspace.windows.open_archive(path, window)
        else:
            window.show_new_archive(path)  # type: ignore[attr-defined]  # a Windows makes MainWindows

    @async_slot
    async def open(self) -> None:
        """Ask for archives and open them."""
        for path in await self._workspace.choosers.choose_archives(self._window, self._folder()):
            await self._workspace.windows.open_archive(path, self._window)

    @async_slot
    async def open_path(self, path: str) -> None:
        """Open the archive at *path*."""
        await self._workspace.windows.open_archive(path, self._window)

    async def start_archive(self, paths: Sequence[str]) -> None:
        """Ask for the name of a new archive, once, and save *paths* into it."""
        path = await self._choose_new_path(paths)
        if not path:
            return
        if await asyncio.to_thread(os.path.exists, path):
            question = self.tr("{} exists already.").format(os.path.basename(path))
            details = self.tr("The files can be saved into it as a new version. What it holds stays in its history.")
            buttons = [
                (self.tr("Add to it"), ButtonRole.AcceptRole),
                (self.tr("Cancel"), ButtonRole.RejectRole),
            ]
            title = self.tr("Add to this archive?")
            if await ask(self._window, title, question, buttons, details=details) != 0:
                return
            if not await self._session.open(path):
                return
        else:
            self._window.show_new_archive(path)
        await self._save(paths, "")

    async def _choose_new_path(self, paths: Sequence[str]) -> str:
        name = os.path.basename(paths[0].rstrip(os.sep)) if len(paths) == 1 else ""
        stem = os.path.splitext(name)[0] if name and not await asyncio.to_thread(os.path.isdir, paths[0]) else name
        proposal = os.path.join(self._folder(), f"{stem or self.tr('Archive')}.jcf")
        chosen = await self._workspace.choosers.choose_archive_path(self._window, proposal)
        return absolute(chosen) if chosen else ""

    def _folder(self) -> str:
        current = self._workspace.preferences.current
        return current.default_folder or current.last_folder or os.path.expanduser("~")

    # --------------------------------------------------------------------------------------------- adding

    @async_slot
    async def add_files(self) -> None:
        """Ask for files and save them into the shown folder."""
        paths = await self._workspace.choosers.choose_files(self._window, absolute("~"))
        await self._take(paths, self._window.page.folder, as_files=True)

    @async_slot
    async def add_folder(self) -> None:
        """Ask for a folder and save it into the shown folder."""
        title = self.tr("Choose a folder to add")
        path = await self._workspace.choosers.choose_folder(self._window, title, absolute("~"))
        await self._take([path] if path else [], self._window.page.folder, as_files=True)

    @async_slot
    async def paste(self) -> None:
        """Do with the files on the clipboard what a drop does."""
        await self._take(local_paths(QGuiApplication.clipboard().mimeData()), self._window.page.folder, as_files=False)

    @async_slot
    async def drop(self, paths: list[str], folder: str | None, shift: bool) -> None:  # a signal's value
        """Open or add what was dropped; *shift* adds archives as files."""
        await self._take(paths, folder or "", as_files=shift)

    async def _take(self, paths: Sequence[str], folder: str, *, as_files: bool) -> None:
        if not paths:
            return
        plan = await asyncio.to_thread(plan_drop, paths, as_files=as_files)
        if plan.missing:
            gone = describe(KamarosError(self.tr("This can't be found: {}").format("\n".join(plan.missing))))
            ErrorDialog(self.tr("Some files are missing"), gone, self._window).open()
        if not plan.paths:
            return
        if plan.action == "open":
            for path in plan.paths:
                await self._workspace.windows.open_archive(path, self._window)
        elif not self._session.path:
            await self.start_archive(plan.paths)
        elif self._refuse_to_add() is None:
            await self._save(plan.paths, folder)

    def _refuse_to_add(self) -> str | None:
        reason: str | None = None
        if self._session.in_the_past:
            reason = self.tr("You are looking at an old version, and the past can't be changed. Go back to now first.")
        elif self._session.read_only:
            reason = self._session.read_only
        if reason:
            self._window.report(self.tr("Nothing was added"), KamarosError(reason))
        return reason

    async def _save(self, paths: Sequence[str], folder: str) -> None:
        known = self._folders_inside(paths, folder)
        mirror, message = False, ""
        if known:
            answer, message = await self._ask_for_mirror(known)
            if answer not in (_UPDATE, _MIRROR):
                return
            mirror = answer == _MIRROR
        verb = self.tr("Mirror {}") if mirror else self.tr("Update {}") if known else self.tr("Add {}")
        name = os.path.basename(paths[0].rstrip(os.sep))
        request = SaveRequest(
            archive=self._session.path,
            paths=tuple(paths),
            into=folder,
            mirror=mirror,
            message=message or verb.format(name if len(paths) == 1 else texts.items_text(len(paths))),
        )
        self._jobs.start(request)

    def _folders_inside(self, paths: Sequence[str], folder: str) -> list[str]:
        """Return the names of those *paths* that are folders inside *folder* of the archive already."""
        tree = self._session.tree
        if tree is None:
            return []
        inside = [os.path.basename(path.rstrip(os.sep)) for path in paths]
        return [name for name in inside if _is_folder(tree.by_path.get(f"{folder}/{name}" if folder else name))]

    async def _ask_for_mirror(self, known: list[str]) -> tuple[int, str]:
        """Ask what to do about folders that are inside already; return the answer and a message for the history."""
        names = ", ".join(f"“{name}”" for name in known[:5])
        return await ask_with_line(
            self._window,
            self.tr("Update or mirror?"),
            self.tr("{} is in the archive already.").format(names),
            [
                (self.tr("Update"), ButtonRole.AcceptRole),
                (self.tr("Mirror"), ButtonRole.AcceptRole),
                (self.tr("Cancel"), ButtonRole.RejectRole),
            ],
            details=self.tr(
                "Update adds new files and replaces changed ones. Mirror also removes what is no longer in the folder"
                " on disk. Either way the version before stays in the history."
            ),
            line=self.tr("Message for the history (optional)"),
        )

    # --------------------------------------------------------------------------- extracting and verifying

    @async_slot
    async def extract(self) -> None:
        """Extract the selection, or everything where nothing is selected."""
        await self._extract(self._window.page.selected_nodes())

    @async_slot
    async def extract_all(self) -> None:
        """Extract everything that is shown."""
        await self._extract([])

    @async_slot
    async def restore_version(self, version: str) -> None:
        """Show *version* and ask where it is restored."""
        tree = self._session.tree
        if tree is None or (tree.listing.version != version and not await self._session.load(version)):
            return
        await self._extract([])

    async def _extract(self, selection: list[Node]) -> None:
        tree = self._session.tree
        if tree is None:
            return
        preferences = self._workspace.preferences
        dialog = ExtractDialog(
            self._session.path, tree, selection, preferences.current, self._workspace.choosers, self._window
        )
        try:
            if await accepted(dialog):
                preferences.note_target(absolute(dialog.folder.currentText().strip()))
                preferences.update(make_subfolder=dialog.subfolder.isChecked())
                self._jobs.start(dialog.request())
        finally:
            dialog.deleteLater()

    @async_slot
    async def verify(self) -> None:
        """Check the whole archive."""
        if self._session.path and not self._session.unsaved:
            self._jobs.start(VerifyRequest(archive=self._session.path))

    # ---------------------------------------------------------------------------------------- the program

    @async_slot
    async def settings(self) -> None:
        """Edit the settings and apply them with OK."""
        workspace = self._workspace
        dialog = SettingsDialog(
            workspace.engine.config, workspace.preferences.current, workspace.choosers, self._window
        )
        try:
            if not await accepted(dialog):
                return
            config = dialog.config()
            workspace.preferences.update(**dialog.preference_changes())
            workspace.themes.apply(workspace.preferences.current.theme)
            workspace.engine.config = config
            self._window.show_config()
            await asyncio.to_thread(workspace.save_config, config)
        except KamarosError as error:
            self._window.report(self.tr("The settings were not kept"), error)
        finally:
            dialog.deleteLater()

    @async_slot
    async def about(self) -> None:
        """Show versions and codecs."""
        AboutDialog(await asyncio.to_thread(component_versions), self._window).open()


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.is_folder
