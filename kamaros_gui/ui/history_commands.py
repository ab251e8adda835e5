"""Commands on versions: tag, forget, compare, and the versions of one file."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.jobs.requests import DiffRequest, ForgetRequest, LogRequest, TagRequest
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import ArchiveTree, Node
from kamaros_gui.ui.dialogs import ButtonRole, accepted, ask
from kamaros_gui.ui.diff_dialog import DiffDialog
from kamaros_gui.ui.dropping import absolute
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.name_dialog import NameDialog
from kamaros_gui.ui.window_jobs import WindowJobs
from kamaros_gui.ui.workspace import Workspace

if TYPE_CHECKING:
    from kamaros_gui.ui.main_window import MainWindow

__all__ = ["HistoryCommands"]


class HistoryCommands(QObject):
    """What can be done with the versions of one archive.

    Args:
        window: the window they act on.
        workspace: what all windows share.
        jobs: starts them.
    """

    def __init__(self, window: MainWindow, workspace: Workspace, jobs: WindowJobs) -> None:
        super().__init__(window)
        self._window = window
        self._workspace = workspace
        self._session = window.session
        self._jobs = jobs

    # -------------------------------------------------------------------------------- tags and forgetting

    @async_slot
    async def tag(self, version: VersionInfo) -> None:
        """Ask for a name for *version* and give it that name."""
        archive, versions = self._session.path, self._versions()
        warned: set[str] = set()

        async def attempt(name: str) -> str:
            holder = next((each for each in versions if name in each.tags and each.id != version.id), None)
            if holder is not None and name not in warned:
                warned.add(name)
                return self.tr("That is the name of {}. Press Tag again to take it from there.").format(
                    version_text(holder)
                )
            request = TagRequest(archive=archive, name=name, version=self._short(version), replace=name in warned)
            return await self._jobs.attempt(request)

        dialog = NameDialog(
            self.tr("Tag this version"),
            self.tr("A name that stays with {}. A version with a tag is spared when old ones are forgotten.").format(
                version_text(version)
            ),
            self.tr("Tag"),
            attempt,
            self._window,
        )
        dialog.field.setPlaceholderText(self.tr("for example: release 1.0"))
        dialog.field.setFocus()
        try:
            await accepted(dialog)
        finally:
            dialog.deleteLater()

    def remove_tag(self, name: str) -> None:
        """Take the tag *name* away."""
        self._jobs.start(TagRequest(archive=self._session.path, name=name, version=None))

    @async_slot
    async def forget(self, versions: tuple[VersionInfo, ...]) -> None:
        """Ask, and let *versions* leave the history."""
        archive = self._session.path
        tags = [tag for version in versions for tag in version.tags]
        one = len(versions) == 1
        details = self.tr(
            "What only {} kept can't be brought back afterwards. Its space becomes dead space, which compacting gives"
            " back. The newest version is not touched."
        ).format(self.tr("this version") if one else self.tr("these versions"))
        if tags:
            named = ", ".join(f"“{texts.shortened(display_path(tag), 40)}”" for tag in tags)
            details = self.tr("Tagged: {}. The tags go too.").format(named) + "\n\n" + details
        answer = await ask(
            self._window,
            self.tr("Forget this version?") if one else self.tr("Forget {} versions?").format(len(versions)),
            "\n".join(version_text(version) for version in versions[:5]) + ("\n…" if len(versions) > 5 else ""),
            [(self.tr("Cancel"), ButtonRole.RejectRole), (self.tr("Forget"), ButtonRole.DestructiveRole)],
            details=details,
        )
        if answer == 1:
            names = tuple(version.id for version in versions)
            self._jobs.start(ForgetRequest(archive=archive, versions=names, tagged=bool(tags)))

    # ------------------------------------------------------------------------------------------ comparing

    @async_slot
    async def compare(self, old: VersionInfo, new: VersionInfo) -> None:
        """Show what differs between two versions."""
        request = DiffRequest(archive=self._session.path, old=self._short(old), new=self._short(new))
        await self._show_diff(request, version_text(old), version_text(new))

    @async_slot
    async def compare_with_folder(self, version: VersionInfo) -> None:
        """Ask for a folder on disk and show what differs between *version* and it."""
        preferences = self._workspace.preferences.current
        title = self.tr("Choose the folder to compare with")
        start = preferences.default_folder or preferences.last_folder or absolute("~")
        chosen = await self._workspace.choosers.choose_folder(self._window, title, start)
        tree = self._session.tree
        if not chosen or tree is None:
            return
        folder = absolute(chosen)
        into = counterpart(tree, self._window.page.folder, folder)
        name = version_text(version)
        old = self.tr("“{}” in {}").format(display_path(into), name) if into else name
        request = DiffRequest(archive=self._session.path, old=self._short(version), folder=folder, into=into)
        await self._show_diff(request, old, display_path(folder))

    async def _show_diff(self, request: DiffRequest, old: str, new: str) -> None:
        report = await self._jobs.result(request)
        if isinstance(report, DiffReport) and not self._window.closed:
            # Beside the window, not over it: what is read here is looked for there.
            DiffDialog(old, new, report, self._window).show()

    def _short(self, version: VersionInfo) -> str:
        """Return the beginning of an id, long enough to mean that version alone: job cards show it."""
        known = self._versions()
        tags = {tag for each in known for tag in each.tags}
        for length in range(8, len(version.id)):
            short = version.id[:length]
            if sum(each.id.startswith(short) for each in known) == 1 and short not in tags:
                return short
        return version.id

    def _versions(self) -> tuple[VersionInfo, ...]:
        tree = self._session.tree
        return tree.listing.versions if tree is not None else ()

    # --------------------------------------------------------------------------------- versions of a file

    @async_slot
    async def show_file(self, path: str) -> None:
        """Show the versions that touched *path* in the history."""
        await self._read_file_history(path)
        if not self._window.closed:
            self._window.history.show()

    @async_slot
    async def refresh_file(self, path: str) -> None:
        """Read the versions that touched *path* again: the history has changed."""
        await self._read_file_history(path)

    async def _read_file_history(self, path: str) -> None:
        query = LogRequest(archive=self._session.path, path=path)
        future = self._workspace.engine.query(query)
        try:
            versions: tuple[VersionInfo, ...] = await asyncio.wrap_future(future)
        except KamarosError as error:
            if not self._window.closed:
                self._window.history.show_all()
            self._window.report(self.tr("The versions of this file can't be read"), error)
            return
        if not self._window.closed:
            self._window.history.show_file(path, versions)


def version_text(version: VersionInfo) -> str:
    """Return a version in one line: when, and what its message says."""
    message = texts.shortened(display_path(version.message.partition("\n")[0]), 80)
    return f"{texts.timestamp(version.timestamp)} – {message}" if message else texts.timestamp(version.timestamp)


def counterpart(tree: ArchiveTree, shown: str, folder: str) -> str:
    """Return the folder of the archive that a *folder* on disk is to be compared with, by its name.

    Args:
        tree: what is in the archive.
        shown: the folder that is looked at: one in it is meant before any other.
        folder: path on disk.
    """
    name = os.path.basename(folder)
    for path in (f"{shown}/{name}" if shown else name, shown, name):
        node: Node | None = tree.by_path.get(path) if path.rpartition("/")[2] == name else None
        if node is not None and node.is_folder and path:
            return path
    return ""
