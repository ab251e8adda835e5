"""Which archive a window looks at, and as of when."""

from __future__ import annotations

import asyncio
import os

from PySide6.QtCore import QObject, Signal

from kamaros_gui.base.errors import KamarosError
from kamaros_gui.ui.archive_tree import ArchiveTree, build_tree
from kamaros_gui.ui.engine import Engine, read_listing

__all__ = ["HEAD", "ArchiveSession"]

HEAD = "HEAD"


class ArchiveSession(QObject):
    """The archive of one window.

    Attributes:
        path: path of the archive, empty while there is none.
        tree: what was read last, ``None`` before.
        unsaved: the archive was only named; its file comes with the first save.

    Signals:
        loading: reading begins.
        loaded: :attr:`tree` is new.
        failed: reading failed; carries the error.

    Args:
        engine: reads archives.
        parent: owner.
    """

    loading = Signal()
    loaded = Signal()
    failed = Signal(object)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._generation = 0
        self.path = ""
        self.tree: ArchiveTree | None = None
        self.unsaved = False

    @property
    def name(self) -> str:
        """File name of the archive."""
        return os.path.basename(self.path)

    @property
    def in_the_past(self) -> bool:
        """Whether an old version is shown."""
        return self.tree is not None and not self.tree.listing.is_head

    @property
    def read_only(self) -> str:
        """Why nothing can be added, empty when it can."""
        return self.tree.listing.read_only if self.tree is not None else ""

    @property
    def writable(self) -> bool:
        """Whether what is shown can be changed: the newest state of an archive that takes changes."""
        return self.tree is not None and not self.in_the_past and not self.read_only

    def begin(self, path: str) -> None:
        """Name a new archive, whose file does not exist yet."""
        self.path, self.tree, self.unsaved = path, None, True

    def reset(self) -> None:
        """Look at no archive."""
        self._generation += 1
        self.path, self.tree, self.unsaved = "", None, False

    async def load(self, version: str = HEAD) -> bool:
        """Read *version*; return whether that worked. A later call overtakes an earlier one."""
        self._generation += 1
        generation = self._generation
        self.loading.emit()
        try:
            listing = await read_listing(self._engine, self.path, version)
            tree = await asyncio.to_thread(build_tree, listing)
        except KamarosError as error:
            if generation == self._generation:
                self.failed.emit(error)
            return False
        if generation != self._generation:
            return False
        self.tree, self.unsaved = tree, False
        self.loaded.emit()
        return True

    async def open(self, path: str) -> bool:
        """Look at the archive at *path*; return whether it could be read."""
        self.path, self.tree, self.unsaved = path, None, False
        return await self.load()
