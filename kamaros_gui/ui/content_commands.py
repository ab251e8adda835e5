"""Commands that change what is in the archive without adding anything: rename, delete, compact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from kamaros_gui.base.texts import display_path
from kamaros_gui.jobs.requests import CompactRequest, MoveRequest, RemoveRequest
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import Node
from kamaros_gui.ui.dialogs import ButtonRole, accepted, ask
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.name_dialog import NameDialog
from kamaros_gui.ui.window_jobs import WindowJobs

if TYPE_CHECKING:
    from kamaros_gui.ui.main_window import MainWindow

__all__ = ["ContentCommands"]


class ContentCommands(QObject):
    """What can be done with what is selected in one window.

    Args:
        window: the window they act on.
        jobs: starts them.
    """

    def __init__(self, window: MainWindow, jobs: WindowJobs) -> None:
        super().__init__(window)
        self._window = window
        self._session = window.session
        self._jobs = jobs

    @async_slot
    async def remove(self) -> None:
        """Ask, and let the selection leave the newest state of the archive."""
        nodes = outermost(self._window.page.selected_nodes())
        if not nodes or not self._session.writable:
            return
        files = sum(node.file_count for node in nodes)
        name = display_path(nodes[0].name) if len(nodes) == 1 else texts.items_text(len(nodes))
        title = f"“{texts.shortened(name, 40)}”" if len(nodes) == 1 else name
        what = "\n".join(texts.shortened(display_path(node.path)) for node in nodes[:5]) + (
            "\n…" if len(nodes) > 5 else ""
        )
        size = texts.size(sum(node.size for node in nodes))
        buttons = [(self.tr("Delete"), ButtonRole.AcceptRole), (self.tr("Cancel"), ButtonRole.RejectRole)]
        answer = await ask(
            self._window,
            self.tr("Delete {}?").format(title),
            what,
            buttons,
            details=self.tr(
                "{}, {}, will not be in the archive's newest version any more. Older versions keep it: the history"
                " brings it back."
            ).format(texts.files_text(files), size),
        )
        if answer == 0 and self._session.writable:
            neighbour = self._window.page.neighbour_of(nodes)
            paths = tuple(node.path for node in nodes)
            message = self.tr("Delete {}").format(name)
            self._jobs.start(RemoveRequest(archive=self._session.path, paths=paths, message=message), select=neighbour)

    @async_slot
    async def rename(self) -> None:
        """Ask for another name for the one selected row, and give it that name."""
        nodes = self._window.page.selected_nodes()
        if len(nodes) != 1 or not self._session.writable:
            return
        node = nodes[0]
        dialog = NameDialog(
            self.tr("Rename"),
            self.tr("A new name for {}. Its history goes on under it.").format(
                f"“{texts.shortened(display_path(node.path))}”"
            ),
            self.tr("Rename"),
            lambda name: self._move(node, name),
            self._window,
        )
        stem = node.name.rpartition(".")[0] if not node.is_folder else ""
        dialog.show_name(node.name, len(stem or node.name))
        try:
            await accepted(dialog)
        finally:
            dialog.deleteLater()

    async def _move(self, node: Node, name: str) -> str:
        """Give *node* another name; return why that is not possible."""
        if name == node.name:
            return ""
        if "/" in name or name in {".", ".."}:
            return self.tr("A name has no “/” in it, and is neither “.” nor “..”.")
        path = f"{node.parent_path}/{name}" if node.parent_path else name
        tree = self._session.tree
        # The engine would move it into a folder of that name, and say nothing.
        if tree is not None and path in tree.by_path:
            return self.tr("There is “{}” in this folder already.").format(texts.shortened(display_path(name)))
        message = self.tr("Rename {} to {}").format(display_path(node.name), display_path(name))
        request = MoveRequest(archive=self._session.path, path=node.path, new_path=path, message=message)
        return await self._jobs.attempt(request, select=path)

    @async_slot
    async def compact(self) -> None:
        """Ask, and give the dead space of the archive back."""
        tree = self._session.tree
        if tree is None or self._session.read_only:
            return
        listing = tree.listing
        buttons = [(self.tr("Compact"), ButtonRole.AcceptRole), (self.tr("Cancel"), ButtonRole.RejectRole)]
        answer = await ask(
            self._window,
            self.tr("Compact this archive?"),
            self.tr("{} of {} are used by no version any more.").format(
                texts.size(listing.dead_bytes), texts.size(listing.archive_size)
            ),
            buttons,
            details=self.tr(
                "What is in use is copied into a new file, checked, and takes the archive's place; no version is lost."
                " While that runs, the volume needs room for {}."
            ).format(texts.size(listing.archive_size - listing.dead_bytes)),
        )
        if answer == 0:
            self._jobs.start(CompactRequest(archive=self._session.path))


def outermost(nodes: Iterable[Node]) -> list[Node]:
    """Return those *nodes* that are in none of the other ones."""
    nodes = list(nodes)
    paths = {node.path for node in nodes}
    return [node for node in nodes if not any(above in paths for above in _folders_above(node.path))]


def _folders_above(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
