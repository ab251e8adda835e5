"""Reading: the methods of a manager that restore, open, list and compare."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kamaros_gui.archive.differences import diff_versions
from kamaros_gui.archive.folder_diff import diff_with_folder
from kamaros_gui.archive.manager_core import ManagerCore, VersionName, name_of, several
from kamaros_gui.archive.operation import OnProgress, Operation
from kamaros_gui.archive.restoring import RestoreOptions, restore
from kamaros_gui.archive.targets import ConflictPolicy
from kamaros_gui.archive.views import history_of, list_version
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.reports import Listing, RestoreReport, VersionInfo
from kamaros_gui.pipeline import ByteStream

__all__ = ["ReadingManager"]


class ReadingManager(ManagerCore):
    """Restores, opens, lists and compares; see :class:`kamaros_gui.archive.manager.JCFManager`."""

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
            paths=several(paths),
            version=name_of(version),
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
        return await self._streams.open(self.path, path, name_of(version or "HEAD"), signal, on_progress)

    async def list_files(self, version: VersionName = "HEAD") -> Listing:
        """Return the entries of a version, and the history.

        Raises:
            VersionNotFoundError: there is no such version.
            NotFoundError, IntegrityError: the archive can't be read.
        """
        return await self._read(lambda container: list_version(container, name_of(version)))

    async def history(self, path: str = "") -> tuple[VersionInfo, ...]:
        """Return the versions, newest first: all, or those that touched *path*.

        Raises:
            NotFoundError: no version ever had that path, or there is no archive.
            IntegrityError: the archive can't be read.
        """
        return await self._read(lambda container: history_of(container, path), head=False)

    async def diff(
        self,
        old: VersionName,
        new: VersionName = "HEAD",
        *,
        folder: str | os.PathLike[str] | None = None,
        into: str = "",
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> DiffReport:
        """Compare two versions, or a version with a folder on disk.

        See :func:`kamaros_gui.archive.differences.diff_versions` and
        :func:`kamaros_gui.archive.folder_diff.diff_with_folder`, for the errors too.

        Args:
            old: the older side.
            new: the newer side, where *folder* is not given.
            folder: the newer side; what is in it stands for what *into* holds.
            into: folder inside the archive, empty for its root.
            signal: see the class.
            on_progress: see the class.
            control: as for ``save``.
        """
        if folder is None:
            return await self._read(lambda container: diff_versions(container, name_of(old), name_of(new)), head=False)
        place = os.fspath(folder)
        return await Operation(signal, on_progress, control).run(
            lambda running: diff_with_folder(
                self._files, self.path, name_of(old), place, into, self.config, self._workers, running
            )
        )
