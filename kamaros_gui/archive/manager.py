"""JCFManager: one archive, from Python. Async, on any asyncio loop, without Qt."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

from kamaros_gui.archive.adding import Added, add_content, add_disk_file, paths_below
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.opening import OpenStreams
from kamaros_gui.archive.operation import OnProgress, Operation
from kamaros_gui.archive.pending import PendingChanges
from kamaros_gui.archive.planning import SaveOptions
from kamaros_gui.archive.restoring import RestoreOptions, restore
from kamaros_gui.archive.saving import save
from kamaros_gui.archive.targets import ConflictPolicy
from kamaros_gui.archive.verify import verify
from kamaros_gui.archive.views import history_of, list_version
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, NotFoundError
from kamaros_gui.base.reports import Entry, Listing, RestoreReport, SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import ByteStream, Content, Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter

__all__ = ["JCFManager", "VersionName"]

T = TypeVar("T")

VersionName = str | VersionInfo
"""A version: its id, a unique prefix of it, a tag, ``HEAD``, ``HEAD~n``; or what the history says of it."""


class JCFManager:
    """An archive that can be added to, listed, restored and verified.

    Every read sees the newest committed state, so several managers, in several processes, may look at one archive; one
    at a time may write. Make it with :meth:`open`, end it with :meth:`close` or as an async context manager. Use one
    manager on one loop at a time; its methods may run side by side.

    Writing has two forms. :meth:`save` takes files and folders from disk and makes a version in one go.
    :meth:`add_file` and :meth:`remove_file` collect changes of any origin, which :meth:`save_checkpoint` makes a
    version and :meth:`discard` forgets; from the first of them to the end the archive is locked for other writers, and
    a process that dies meanwhile leaves the state before.

    Every operation takes

    * ``signal``: when it is aborted the operation stops within 100 ms on a local disk, raises the abort's reason, and
      leaves everything as if it had never started;
    * ``on_progress``: called on the loop's thread with a frozen
      :class:`~kamaros_gui.base.progress.ProgressSnapshot`, ten times a second and at the end.

    Args:
        path: the archive.
        config: settings.
        workers: threads to share with other managers; ``None`` for own ones, which :meth:`close` ends.
        files: where the archive, what is saved and what is restored are; ``None`` for the disk.
    """

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
                await manager._read(lambda _container: None)
            elif not create:
                shown = display_path(manager.path)
                raise NotFoundError(f"There is no archive {shown}.", path=shown, hint="Check the path.")
        except BaseException:
            manager.close_threads()
            raise
        return manager

    # ------------------------------------------------------------------------------------------- writing

    async def save(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        message: str = "",
        author: str = "",
        into: str = "",
        mirror: bool = False,
        excludes: Iterable[str] = (),
        strict: bool = False,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> SaveReport:
        """Add files and folders on disk as one new version; see :func:`kamaros_gui.archive.saving.save`.

        Args:
            paths: each is stored under its own last name; ``folder/.`` means what is in it.
            message: recorded with the version.
            author: likewise.
            into: folder inside the archive, empty for its root.
            mirror: remove from the archive what vanished from the folders given.
            excludes: glob patterns, matched against names and against paths below the roots.
            strict: fail when a file can't be saved or changes while it is read, instead of leaving it out.
            signal: see the class.
            on_progress: see the class.
            control: steers the operation instead of *signal*, with a pause gate and counters of its own.

        Raises:
            ArchiveError: changes wait for :meth:`save_checkpoint`, or the archive can't be added to.
            KamarosError: see the function.
        """
        options = SaveOptions(
            paths=tuple(os.fspath(path) for path in paths),
            into=into,
            mirror=mirror,
            excludes=tuple(excludes),
            message=message,
            author=author,
            strict=strict,
        )

        async def work(running: RunControl) -> SaveReport:
            async with self._pending.none(running):
                return await save(self._files, self.path, options, self.config, self._workers, running)

        return await Operation(signal, on_progress, control).run(work)

    async def add_file(
        self,
        path: str,
        content: str | os.PathLike[str] | Content,
        *,
        modified: float | None = None,
        mode: int = 0o644,
        size: int | None = None,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> Entry:
        """Stream one file into the archive; :meth:`save_checkpoint` makes it part of a version.

        Whatever it comes from, the same content makes the same bytes. Memory does not grow with its length: a source
        that is faster than the archive is held back. Content that ends early because its source fails is not taken.

        Args:
            path: its path inside the archive, ``/`` between the parts. What HEAD has there is replaced.
            content: a path on disk (``str`` or path object; a link is followed), or ``bytes``, a binary file object
                (read from where it stands; stays open), a synchronous or asynchronous iterable of bytes, such as the
                body of an HTTP response, or a ``ReadableStream``. See
                :func:`kamaros_gui.pipeline.content.content_stream`.
            modified: modification time, seconds since the epoch; ``None`` for that of the file on disk, and for the
                present with other content. Not used for a file on disk.
            mode: Unix permission bits; a file on disk has its own.
            size: bytes *content* will have, where that is known: for the progress, and checked at the end.
            signal: see the class. What was added before stays.
            on_progress: see the class.
            control: as for :meth:`save`.

        Returns:
            The entry as it will be listed.

        Raises:
            AbortError: *signal* was aborted (or whatever its reason is).
            UnsafeNameError: *path* can't be a name in an archive.
            ArchiveError: *path* is a folder there, or lies below a file; or see :meth:`Transaction.begin`.
            NotFoundError, StorageError: the file on disk can't be read.
            SourceChangedError: it changed while it was read, or *content* has not the *size* that was told.
            DiskFullError, StorageError: the archive can't be written.
            TypeError: *content* is nothing that can be read as bytes.
            ValueError: *modified*, *mode* or *size* is outside its range.
            Exception: what *content* itself raised.
        """

        async def work(running: RunControl) -> Entry:
            async with self._pending.changing(running) as checkpoint:
                if isinstance(content, str | os.PathLike):
                    return await add_disk_file(self._files, self._workers, checkpoint, path, content, running)
                added = Added(path, modified=modified, mode=mode, size=size)
                return await add_content(checkpoint, added, content, running)

        return await Operation(signal, on_progress, control).run(work)

    async def remove_file(self, path: str) -> int:
        """Let a file, or a folder with everything in it, leave HEAD with the next checkpoint; older versions keep it.

        Args:
            path: its path inside the archive.

        Returns:
            How many entries leave.

        Raises:
            NotFoundError: neither HEAD nor the changes so far have it.
            ArchiveError: see :meth:`Transaction.begin`.
        """

        async def work(running: RunControl) -> int:
            async with self._pending.changing(running) as checkpoint:
                paths = paths_below(checkpoint, path)
                checkpoint.remove(paths)
                return len(paths)

        return await Operation().run(work)

    async def save_checkpoint(
        self,
        message: str = "",
        author: str = "",
        *,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> VersionInfo:
        """Make what was added and removed since the last checkpoint one version.

        Where nothing has changed there is no new version. After an abort or an error the archive is as it was, and the
        changes are still waiting: try again, or :meth:`discard` them.

        Args:
            message: recorded with the version.
            author: likewise.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.

        Returns:
            The newest version.

        Raises:
            AbortError: *signal* was aborted (or whatever its reason is).
            ArchiveError: the archive has no version, and there is nothing to make one of.
            DiskFullError, StorageError: the archive can't be written.
            IntegrityError: what was written can't be read back, where the settings ask for that.
        """
        newest = await Operation(signal, on_progress, control).run(
            lambda running: self._pending.commit(message, author, running)
        )
        if newest is not None:
            return newest
        versions = await self.history() if await self._workers.io(self._files.exists, self.path) else ()
        if not versions:
            raise ArchiveError(f"{display_path(self.path)} has no version yet, and nothing was added.")
        return versions[0]

    async def discard(self) -> None:
        """Forget what was added and removed since the last checkpoint; the archive is byte for byte as it was.

        Raises:
            StorageError: the archive can't be written; the next writer repairs it.
        """
        await Operation().run(lambda _running: self._pending.discard())

    # ------------------------------------------------------------------------------------------- reading

    async def restore_version(
        self,
        version: VersionName,
        target: str | os.PathLike[str],
        *,
        paths: Iterable[str] = (),
        on_conflict: ConflictPolicy = "fail",
        outside_links: bool = False,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> RestoreReport:
        """Restore a version, or some of its paths, into a folder; see :func:`kamaros_gui.archive.restoring.restore`.

        Args:
            version: which one.
            target: folder to restore into; made when it does not exist.
            paths: entries or folders of the archive, empty for all.
            on_conflict: what to do where something different exists: ``fail``, ``skip``, ``overwrite``, ``rename``.
            outside_links: whether links that may lead out of the target are restored too.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.

        Raises:
            KamarosError: see the function.
        """
        options = RestoreOptions(
            target=os.fspath(target),
            paths=tuple(paths),
            version=_name_of(version),
            on_conflict=on_conflict,
            outside_links=outside_links,
        )
        return await Operation(signal, on_progress, control).run(
            lambda running: restore(self._files, self.path, options, self.config, self._workers, running)
        )

    async def open_file(
        self,
        path: str,
        version: VersionName | None = None,
        *,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
    ) -> ByteStream:
        """Return the content of a file in any version as a stream.

        The stream checks what comes out while it does: size, CRC-32 and SHA-256. It errors with IntegrityError, instead
        of ending, where they are not as saved. Nothing is read before it is asked for; about 3 MiB are held at most.
        Read it to its end or cancel it (``async for`` does so by itself); :meth:`close` cancels what is left.

        Args:
            path: the file; what a link of the archive holds is its target.
            version: ``None`` for the newest. Changes that wait for their checkpoint are not seen.
            signal: errors the stream with its reason.
            on_progress: called when chunks leave the stream, ten times a second at most, and at its end.

        Raises:
            NotFoundError: there is no such file in that version.
            VersionNotFoundError: there is no such version.
            ArchiveError: it is a folder.
            IntegrityError: the archive is damaged, or has lost the content.
        """
        return await self._streams.open(self.path, path, _name_of(version or "HEAD"), signal, on_progress)

    async def verify(
        self,
        *,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> VerifyReport:
        """Check every byte and the history; see :func:`kamaros_gui.archive.verify.verify`."""
        return await Operation(signal, on_progress, control).run(
            lambda running: verify(self._files, self.path, self.config, self._workers, running)
        )

    async def list_files(self, version: VersionName = "HEAD") -> Listing:
        """Return the entries of a version, and the history.

        Raises:
            VersionNotFoundError: there is no such version.
            NotFoundError, IntegrityError: the archive can't be read.
        """
        return await self._read(lambda container: list_version(container, _name_of(version)))

    async def history(self, path: str = "") -> tuple[VersionInfo, ...]:
        """Return the versions, newest first: all, or those that touched *path*.

        Raises:
            NotFoundError: no version ever had that path, or there is no archive.
            IntegrityError: the archive can't be read.
        """
        return await self._read(lambda container: history_of(container, path))

    # ------------------------------------------------------------------------------------------- the end

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self, look: Callable[[Container], T]) -> T:
        """Return what *look* finds in the newest committed state; it runs in a thread."""

        def work() -> T:
            container = Container.load(self._files, self.path)
            try:
                return look(container)
            finally:
                container.close()

        async def run(_running: RunControl) -> T:
            return await self._workers.io(work)

        return await Operation().run(run)


def _name_of(version: VersionName) -> str:
    return version.id if isinstance(version, VersionInfo) else version
