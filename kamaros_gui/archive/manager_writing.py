"""Writing: the methods of a manager that make versions."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kamaros_gui.archive.adding import Added, add_content, add_disk_file
from kamaros_gui.archive.building import VersionLabel
from kamaros_gui.archive.changing import move_paths, remove_paths
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.importing import ImportOptions, import_from
from kamaros_gui.archive.manager_core import ManagerCore, VersionName, name_of, several
from kamaros_gui.archive.operation import OnProgress, Operation
from kamaros_gui.archive.planning import SaveOptions
from kamaros_gui.archive.saving import save
from kamaros_gui.archive.views import history_of
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError
from kamaros_gui.base.reports import Entry, SaveReport, VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Content

__all__ = ["WritingManager"]


class WritingManager(ManagerCore):
    """Saves, adds, imports, removes and moves; see :class:`kamaros_gui.archive.manager.JCFManager`."""

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
            paths=tuple(os.fspath(path) for path in several(paths)),
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

    async def import_from(
        self,
        source: str | os.PathLike[str],
        *,
        version: VersionName | None = None,
        into: str = "",
        message: str = "",
        author: str = "",
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> SaveReport:
        """Import a ZIP, an archive of this program or another, or a folder with a sub-folder for each version.

        See :func:`kamaros_gui.archive.importing.import_from`, for the errors too.

        Args:
            source: what to import.
            version: only this version of an archive; ``None`` for its whole history, into a new archive.
            into: folder inside the archive, empty for its root.
            message: recorded with the version.
            author: likewise.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.
        """
        wanted = None if version is None else name_of(version)
        options = ImportOptions(source=os.fspath(source), version=wanted, into=into, message=message, author=author)

        async def work(running: RunControl) -> SaveReport:
            async with self._pending.none(running):
                return await import_from(self._files, self.path, options, self.config, self._workers, running)

        return await Operation(signal, on_progress, control).run(work)

    async def remove(
        self,
        paths: Iterable[str],
        *,
        message: str = "",
        author: str = "",
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> SaveReport:
        """Remove files, and folders with everything in them, as one new version; older versions keep them.

        No content is copied or read, whatever the size of the archive.

        Args:
            paths: inside the archive.
            message: recorded with the version.
            author: likewise.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.

        Raises:
            NotFoundError: there is no archive, or no such path.
            ArchiveError: changes wait for :meth:`save_checkpoint`, or see ``Transaction.begin``.
            DiskFullError, StorageError: the archive can't be written.
        """
        wanted = several(paths)

        async def apply(checkpoint: Checkpoint) -> None:
            remove_paths(checkpoint, wanted)

        return await self._change(apply, VersionLabel(message, author), Operation(signal, on_progress, control))

    async def move(
        self,
        path: str,
        new_path: str,
        *,
        message: str = "",
        author: str = "",
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> SaveReport:
        """Give a file, or a folder with everything in it, another path, as one new version.

        The history of each file goes on under its new path. No content is copied, except of entries whose header has no
        room for the new name: it has room for 20 bytes more than it was written with, and always for 77.

        Args:
            path: inside the archive.
            new_path: likewise; where it ends with ``/`` or is a folder, *path* moves into it.
            message: recorded with the version.
            author: likewise.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.

        Raises:
            NotFoundError: there is no archive, or no *path*.
            UnsafeNameError: *new_path* can't be a name in an archive.
            ArchiveError: it exists, or lies below a file; changes wait for :meth:`save_checkpoint`; or see
                ``Transaction.begin``.
            DiskFullError, StorageError: the archive can't be written.
        """

        async def apply(checkpoint: Checkpoint) -> None:
            move_paths(checkpoint, path, new_path)

        return await self._change(apply, VersionLabel(message, author), Operation(signal, on_progress, control))

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
            ArchiveError: *path* is a folder there, or lies below a file; or see ``Transaction.begin``.
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
            ArchiveError: see ``Transaction.begin``.
        """

        async def work(running: RunControl) -> int:
            async with self._pending.changing(running) as checkpoint:
                return remove_paths(checkpoint, (path,))

        return await Operation().run(work)

    async def move_file(self, path: str, new_path: str) -> int:
        """Give a file, or a folder with everything in it, another path with the next checkpoint; see :meth:`move`.

        Returns:
            How many entries move.

        Raises:
            NotFoundError: neither HEAD nor the changes so far have *path*.
            UnsafeNameError, ArchiveError, StorageError: see :meth:`move`.
        """

        async def work(running: RunControl) -> int:
            async with self._pending.changing(running) as checkpoint:
                return move_paths(checkpoint, path, new_path)

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
        versions = await self._read(history_of) if await self._workers.io(self._files.exists, self.path) else ()
        if not versions:
            raise ArchiveError(f"{display_path(self.path)} has no version yet, and nothing was added.")
        return versions[0]
