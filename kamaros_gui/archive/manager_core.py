"""The core of a manager: one archive, its settings and threads, and how its operations run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

from kamaros_gui.archive.amending import amend
from kamaros_gui.archive.building import VersionLabel
from kamaros_gui.archive.changing import change
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.opening import OpenStreams
from kamaros_gui.archive.operation import Operation
from kamaros_gui.archive.pending import PendingChanges
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import NotFoundError
from kamaros_gui.base.reports import SaveReport, VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter

__all__ = ["ManagerCore", "VersionName", "name_of", "several"]

T = TypeVar("T")

VersionName = str | VersionInfo
"""A version: its id, a unique prefix of it, a tag, ``HEAD``, ``HEAD~n``; or what the history says of it."""


def name_of(version: VersionName) -> str:
    """Return what names *version* in the archive."""
    return version.id if isinstance(version, VersionInfo) else version


def several(given: Iterable[T]) -> tuple[T, ...]:
    """Return what was given as several things.

    Raises:
        TypeError: it is a single string, which would be taken apart.
    """
    if isinstance(given, str | bytes):
        raise TypeError(f"{given!r} is one; give several, such as [{given!r}]")
    return tuple(given)


class ManagerCore:
    """What all operations of a manager share; see :class:`kamaros_gui.archive.manager.JCFManager`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: JCFConfig,
        workers: Workers | None = None,
        files: FileSystemAdapter | None = None,
    ) -> None:
        self._files = files or LocalAdapter()
        self.path = self._files.absolute(os.fspath(path))
        self.config = config
        self._owns_workers = workers is None
        self._workers = workers or Workers(config.effective_workers)
        self._pending = PendingChanges(self._files, self.path, config, self._workers)
        self._streams = OpenStreams(self._files, self._workers, config.chunk_size)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        config: JCFConfig | None = None,
        *,
        create: bool = False,
        workers: Workers | None = None,
        files: FileSystemAdapter | None = None,
    ) -> Self:
        """Return a manager for the archive at *path*.

        Args:
            path: a ``.jcf`` or plain ZIP file.
            config: settings, ``None`` for the defaults.
            create: accept that it does not exist yet; the first version makes it.
            workers: see the class.
            files: see the class.

        Raises:
            NotFoundError: it does not exist and *create* is false.
            IntegrityError: it is damaged, or no archive.
            StorageError: it can't be read.
        """
        manager = cls(path, config or JCFConfig(), workers, files)
        try:
            if await manager._workers.io(manager._files.exists, manager.path):
                await manager._read(lambda _container: None, head=False)
            elif not create:
                shown = display_path(manager.path)
                raise NotFoundError(f"There is no archive {shown}.", path=shown, hint="Check the path.")
        except BaseException:
            manager.close_threads()
            raise
        return manager

    def close_threads(self) -> None:
        """End the threads this manager started."""
        if self._owns_workers:
            self._workers.close()

    async def close(self) -> None:
        """Discard unsaved changes, cancel open streams, and end the manager; other operations must have ended before.

        Raises:
            StorageError: see :meth:`discard`; everything else is ended all the same.
        """
        try:
            await self._streams.close()
            await self.discard()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self.close_threads)

    async def discard(self) -> None:
        """Forget what was added and removed since the last checkpoint; the archive is byte for byte as it was.

        Raises:
            StorageError: the archive can't be written; the next writer repairs it.
        """
        await Operation().run(lambda _running: self._pending.discard())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _change(
        self, apply: Callable[[Checkpoint], Awaitable[None]], label: VersionLabel, operation: Operation
    ) -> SaveReport:
        async def work(running: RunControl) -> SaveReport:
            async with self._pending.none(running):
                return await change(self._files, self.path, apply, label, self.config, self._workers, running)

        return await operation.run(work)

    async def _amend(self, apply: Callable[[Manifest], tuple[Manifest, T]]) -> T:
        async def work(running: RunControl) -> T:
            async with self._pending.none(running):
                amended = await amend(
                    self._files, self.path, lambda manifest, _table: apply(manifest), self._workers, running
                )
                return amended.result

        return await Operation().run(work)

    async def _read(self, look: Callable[[Container], T], *, head: bool = True) -> T:
        """Return what *look* finds in the newest committed state; it runs in a thread.

        Args:
            look: given the archive, open.
            head: whether it looks at the records of HEAD.
        """

        def work() -> T:
            container = Container.load(self._files, self.path, head=head)
            try:
                return look(container)
            finally:
                container.close()

        async def run(_running: RunControl) -> T:
            return await self._workers.io(work)

        return await Operation().run(run)
