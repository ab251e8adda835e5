"""Upkeep: the methods of a manager that tag, forget, compact, verify, repair and export."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kamaros_gui.archive.compacting import compact
from kamaros_gui.archive.exporting import ExportOptions, export
from kamaros_gui.archive.figures import figures_of
from kamaros_gui.archive.forgetting import ForgetOptions, forget
from kamaros_gui.archive.manager_core import ManagerCore, VersionName, name_of, several
from kamaros_gui.archive.operation import OnProgress, Operation
from kamaros_gui.archive.repair import verify_and_repair
from kamaros_gui.archive.tagging import set_tag, unset_tag
from kamaros_gui.archive.verify import verify
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.reports import VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import ArchiveFigures, CompactReport, ExportReport, ForgetReport

__all__ = ["UpkeepManager"]


class UpkeepManager(ManagerCore):
    """Tags, forgets, compacts, verifies and exports; see :class:`kamaros_gui.archive.manager.JCFManager`."""

    async def tag(self, version: VersionName, name: str, *, replace: bool = False) -> VersionInfo:
        """Give a version a name, which spares it from :meth:`forget`; see :func:`kamaros_gui.archive.tagging.set_tag`.

        Raises:
            VersionNotFoundError: there is no such version.
            ArchiveError: the name can't be a tag, or belongs to another version; or changes wait.
        """
        return await self._amend(lambda manifest: set_tag(manifest, name_of(version), name, replace=replace))

    async def untag(self, name: str) -> VersionInfo:
        """Take a tag away; the version stays. Returns it.

        Raises:
            NotFoundError: there is no such tag.
        """
        return await self._amend(lambda manifest: unset_tag(manifest, name))

    async def forget(
        self,
        versions: Iterable[VersionName] = (),
        *,
        keep_last: int | None = None,
        keep_within: float | None = None,
        tagged: bool = False,
        dry_run: bool = False,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> ForgetReport:
        """Let versions leave the history; see :func:`kamaros_gui.archive.forgetting.forget`.

        Args:
            versions: these.
            keep_last: all but the newest so many.
            keep_within: all but those of the last so many days.
            tagged: also those that have a tag.
            dry_run: only tell what would happen.
            signal: see the class.
            on_progress: see the class.
            control: as for :meth:`save`.

        Raises:
            KamarosError: see the function.
        """
        options = ForgetOptions(
            versions=tuple(name_of(version) for version in several(versions)),
            keep_last=keep_last,
            keep_within=keep_within,
            tagged=tagged,
            dry_run=dry_run,
        )

        async def work(running: RunControl) -> ForgetReport:
            async with self._pending.none(running):
                return await forget(self._files, self.path, options, self._workers, running)

        return await Operation(signal, on_progress, control).run(work)

    async def compact(
        self,
        *,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> CompactReport:
        """Give the dead space of the archive back; see :func:`kamaros_gui.archive.compacting.compact`.

        Raises:
            KamarosError: see the function.
        """

        async def work(running: RunControl) -> CompactReport:
            async with self._pending.none(running):
                return await compact(self._files, self.path, self.config, self._workers, running)

        return await Operation(signal, on_progress, control).run(work)

    async def export(
        self,
        target: str | os.PathLike[str],
        *,
        version: VersionName = "HEAD",
        interchange: bool = False,
        overwrite: bool = False,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> ExportReport:
        """Write a version as a plain ZIP, or the whole history for other JCF writers.

        See :func:`kamaros_gui.archive.exporting.export`, for the errors too.

        Args:
            target: the file to write.
            version: which one; an interchange archive holds all of them.
            interchange: write an interchange archive.
            overwrite: whether a file that is there is replaced.
            signal: see the class.
            on_progress: see the class.
            control: as for ``save``.
        """
        options = ExportOptions(
            target=os.fspath(target), version=name_of(version), interchange=interchange, overwrite=overwrite
        )
        return await Operation(signal, on_progress, control).run(
            lambda running: export(self._files, self.path, options, self.config, self._workers, running)
        )

    async def verify(
        self,
        *,
        repair: bool = False,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> VerifyReport:
        """Check every byte and the history; see :func:`kamaros_gui.archive.verify.verify`.

        Args:
            repair: mend what can be mended first; see :func:`kamaros_gui.archive.repair.verify_and_repair`.
            signal: see the class.
            on_progress: see the class.
            control: as for ``save``.

        Raises:
            KamarosError: see the functions.
        """

        async def work(running: RunControl) -> VerifyReport:
            if not repair:
                return await verify(self._files, self.path, self.config, self._workers, running)
            async with self._pending.none(running):
                return await verify_and_repair(self._files, self.path, self.config, self._workers, running)

        return await Operation(signal, on_progress, control).run(work)

    async def stats(self) -> ArchiveFigures:
        """Return what the archive is made of.

        Raises:
            NotFoundError, IntegrityError: the archive can't be read.
        """
        return await self._read(figures_of)
