"""PendingChanges: the checkpoint a manager is filling, and whose turn it is to write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from kamaros_gui.archive.building import VersionLabel
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.history import describe
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError
from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers, abortable
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["PendingChanges"]


class PendingChanges:
    """Changes to one archive that wait for their commit; one operation at a time adds to them.

    Args:
        files: where the archive is.
        archive: its path.
        config: how it is written.
        workers: threads.

    Attributes:
        checkpoint: the changes so far; ``None`` where there are none, and the archive then is not locked.
    """

    def __init__(self, files: FileSystemAdapter, archive: str, config: JCFConfig, workers: Workers) -> None:
        self.checkpoint: Checkpoint | None = None
        self._files = files
        self._archive = archive
        self._config = config
        self._workers = workers
        self._writing = asyncio.Lock()
        self._writing_loop: asyncio.AbstractEventLoop | None = None

    @contextlib.asynccontextmanager
    async def changing(self, running: RunControl) -> AsyncIterator[Checkpoint]:
        """Wait for the turn, lock the archive with the first change, and give it back where that came to nothing."""
        async with self._turn(running):
            if self.checkpoint is None:
                self.checkpoint = await Checkpoint.begin(
                    self._files, self._archive, self._config, self._workers, running
                )
            checkpoint = self.checkpoint
            try:
                yield checkpoint
            finally:
                if checkpoint.is_empty:
                    self.checkpoint = None
                    await checkpoint.rollback()

    @contextlib.asynccontextmanager
    async def none(self, running: RunControl) -> AsyncIterator[None]:
        """Wait for the turn, and keep it while something else writes the archive.

        Raises:
            ArchiveError: there are changes.
        """
        async with self._turn(running):
            if self.checkpoint is not None:
                raise ArchiveError(
                    f"{display_path(self._archive)} has changes that are not saved yet.",
                    hint="Call save_checkpoint() or discard() first.",
                )
            yield

    async def commit(self, message: str, author: str, running: RunControl) -> VersionInfo | None:
        """Make the changes one version and return the newest one; ``None`` where there are no changes.

        Raises:
            KamarosError: see :meth:`Checkpoint.commit`; the changes still wait.
        """
        async with self._turn(running):
            if self.checkpoint is None:
                return None
            state = await self.checkpoint.commit(VersionLabel(message, author), running)
            self.checkpoint = None
            # Not read back from the archive: nothing may fail once the version is there.
            return describe(state.manifest, state.manifest.versions[-1]) if state.manifest.versions else None

    async def discard(self) -> None:
        """Forget the changes; the archive is byte for byte as it was.

        Raises:
            StorageError: see :meth:`Checkpoint.rollback`.
        """
        async with self._lock():
            checkpoint, self.checkpoint = self.checkpoint, None
            if checkpoint is not None:
                await checkpoint.rollback()

    @contextlib.asynccontextmanager
    async def _turn(self, running: RunControl) -> AsyncIterator[None]:
        """Wait until nobody else writes, or for an abort."""
        writing = self._lock()
        await abortable(asyncio.ensure_future(writing.acquire()), running.signal)
        try:
            running.signal.throw_if_aborted()
            yield
        finally:
            writing.release()

    def _lock(self) -> asyncio.Lock:
        """Return the lock that lets one operation write at a time; a lock serves one loop only."""
        loop = asyncio.get_running_loop()
        if self._writing_loop is not loop:
            self._writing, self._writing_loop = asyncio.Lock(), loop
        return self._writing
