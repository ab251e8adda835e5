"""Export: a version as a clean plain ZIP, or the whole history as an archive for other JCF writers.

The file is written in a hidden, locked folder beside its target, synced, and renamed: an abort, an error or a full disk
leaves nothing, and what a crash left is removed by the next one who writes there.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable

from kamaros_gui.archive.container import BLOB_PREFIX, Container
from kamaros_gui.archive.export_plans import ExportPlan, InterchangePlan, PlainPlan
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.config import JCFConfig, format_size
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, DiskFullError, IntegrityError, KamarosError, StorageError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.pipeline import CopyFlow, CopyItem, TargetRegion, Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.primitives import RandomAccess
from kamaros_gui.zipfmt import ZipEntry, encode_directory

__all__ = ["ExportOptions", "export"]

_ENTRY_OVERHEAD = 150
"""Bytes an entry takes beside its data and its two names, about."""


@dataclasses.dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is to be exported, and where to.

    Attributes:
        target: the file to write; its folder must exist.
        version: id, prefix, tag, ``HEAD`` or ``HEAD~n``; an interchange archive holds all versions.
        interchange: write an archive for other JCF writers, with all versions, and not a plain ZIP of one.
        overwrite: whether a file that is there is replaced.
    """

    target: str
    version: str = "HEAD"
    interchange: bool = False
    overwrite: bool = False


async def export(
    files: FileSystemAdapter,
    archive: str,
    options: ExportOptions,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> ExportReport:
    """Write a version, or the whole history, into a new file.

    Deflated and stored data is copied as it is; zstd becomes deflate, so that every program can read the result. Every
    content is checked against CRC-32 and SHA-256 on the way. What is damaged, lost or encrypted, or has a name that
    must not be given away, is left out and noted in ``control.issues``; the others are exported. Names that had to be
    escaped to be saved stay so. An abort or an error leaves nothing, and the target as it was.

    Args:
        files: where archive and target are.
        archive: path of the archive, which may be one of ours, another writer's or a plain ZIP.
        options: what to export, and where to.
        config: chunk size; level where something is compressed again.
        workers: threads.
        control: abort, pause, progress, issues.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such archive.
        VersionNotFoundError: there is no such version.
        ArchiveError: an interchange archive of a plain ZIP, or of a single version, was asked for; or the target is the
            archive itself.
        IntegrityError: the archive's directory or manifest is damaged.
        DiskFullError, StorageError: the target exists, or can't be written. Only where its folder can't be synced after
            the rename is the file there all the same.
    """
    started = time.monotonic()
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    container = await workers.io(Container.load, files, archive)
    try:
        return await _Export(files, container, options, config, workers, control).run(started)
    finally:
        container.close()


class _Export:
    def __init__(
        self,
        files: FileSystemAdapter,
        container: Container,
        options: ExportOptions,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
    ) -> None:
        self._files = files
        self._container = container
        self._options = options
        self._config = config
        self._workers = workers
        self._control = control
        self._written: dict[str, ZipEntry] = {}
        self._failed: list[tuple[CopyItem, KamarosError]] = []

    async def run(self, started: float) -> ExportReport:
        workers, control = self._workers, self._control
        target = await workers.io(self._check_target)
        plan = await workers.io(self._plan)
        await workers.io(self._check_space, plan, os.path.dirname(target))
        await control.checkpoint()
        area = await workers.io(self._files.temporary_area, os.path.dirname(target))
        try:
            place = os.path.join(area.root, os.path.basename(target))
            file = await workers.io(self._files.open, place, "x")
            try:
                size = await self._write(plan, file)
            finally:
                await workers.io(file.close)
            await control.checkpoint()
            await workers.io(self._publish, place, target)
        except BaseException:
            control.progress.phase = Phase.CLEANING_UP
            raise
        finally:
            await workers.io(lambda: area.remove(keep_target=True))
        return ExportReport(
            version=plan.version,
            target=target,
            interchange=self._options.interchange,
            entries=len(self._written),
            failed=sum(issue.kind != "skipped" for issue in control.issues),
            issues=tuple(control.issues),
            bytes_out=size,
            seconds=time.monotonic() - started,
        )

    async def _write(self, plan: ExportPlan, file: RandomAccess) -> int:
        """Write everything; return the length of the file."""
        workers, control = self._workers, self._control
        region = TargetRegion(file, 0)
        container = self._container
        flow = CopyFlow(container.file, region, self._config, workers, control, self._on_outcome, container.tolerated)
        control.progress.files_total = len(plan.items) + len(plan.repeats)
        control.progress.bytes_total = sum(item.size for item in (*plan.items, *plan.repeats))
        control.progress.phase = Phase.TRANSFERRING
        await workers.io(self._append, region, plan.first_entries)
        await flow.run(plan.items)
        await self._try_others(plan, flow)
        await self._repeat(plan, flow)
        for failed, error in self._failed:
            plan.note_failure(failed, error)
        control.progress.phase = Phase.COMMITTING
        await control.checkpoint()
        await workers.io(self._append, region, plan.last_entries)
        await workers.io(self._finish, region)
        return region.position

    async def _repeat(self, plan: ExportPlan, flow: CopyFlow) -> None:
        pairs: list[tuple[ZipEntry, CopyItem]] = []
        for item in plan.repeats:
            original = self._written.get(plan.original_of(item))
            if original is not None:
                pairs.append((original, item))
            elif not item.name.startswith(BLOB_PREFIX):
                lost = IntegrityError(f"{item.path} can't be exported: no entry with its content is whole.")
                self._failed.append((item, lost))
        for (_, item), copy in zip(pairs, await flow.repeat(pairs), strict=True):
            self._written[item.name] = copy

    async def _try_others(self, plan: ExportPlan, flow: CopyFlow) -> None:
        """Take what is damaged from other entries with the same content, as far as there are any."""
        tried: set[tuple[str, int]] = set()
        while True:
            again = []
            for item, error in self._failed:
                other = self._other_holder(plan, item, error, tried)
                if other is not None:
                    again.append((item, error, other))
            if not again:
                return
            given_up = {id(item) for item, _, _ in again}
            self._failed = [pair for pair in self._failed if id(pair[0]) not in given_up]
            progress = self._control.progress
            counted = progress.bytes_done, progress.files_done
            await flow.run([other for _, _, other in again])
            progress.bytes_done, progress.files_done = counted

    def _other_holder(
        self, plan: ExportPlan, item: CopyItem, error: KamarosError, tried: set[tuple[str, int]]
    ) -> CopyItem | None:
        if not item.sha256 or item.entry is None or not isinstance(error, IntegrityError):
            return None
        tried.add((item.name, item.entry.header_offset))
        for entry in plan.holders(item.sha256):
            if (item.name, entry.header_offset) not in tried and not entry.encrypted:
                return dataclasses.replace(item, entry=entry)
        return None

    def _on_outcome(self, item: CopyItem, outcome: ZipEntry | KamarosError) -> None:
        if isinstance(outcome, KamarosError):
            self._failed.append((item, outcome))
        else:
            self._written[item.name] = outcome

    # ------------------------------------------------------------------------------------ in worker threads

    def _plan(self) -> ExportPlan:
        container, options = self._container, self._options
        if not options.interchange:
            return PlainPlan(view_version(container, options.version), self._control)
        if options.version.upper() != "HEAD":
            raise ArchiveError(
                "An interchange archive holds all versions; it can't be made of a single one.",
                hint="Export that version as a plain ZIP, or leave the version away.",
            )
        if container.manifest is None:
            raise ArchiveError(
                f"{display_path(container.path)} is a plain ZIP; it has no history to exchange.",
                hint="Import it into a new .jcf archive first.",
            )
        return InterchangePlan(container, container.manifest, self._control)

    def _check_target(self) -> str:
        """Return the file to write, links followed.

        Raises:
            StorageError, ArchiveError: it must not be written.
        """
        files, target = self._files, self._files.resolve(self._options.target)
        source = files.resolve(self._container.path)
        shown = display_path(target)
        found, own = files.find(target), files.find(source)
        same = found is not None and own is not None and (found.device, found.inode) == (own.device, own.inode)
        if same or target in {source, f"{source}.part", f"{source}.journal"}:
            raise ArchiveError(f"{shown} belongs to the archive that is to be exported.", hint="Choose another file.")
        if not files.is_folder(os.path.dirname(target)):
            folder = display_path(os.path.dirname(target))
            raise StorageError(
                f"The folder {folder} does not exist.", path=folder, hint="Make it first, or choose another place."
            )
        if found is not None and (found.kind != "file" or not self._options.overwrite):
            raise _exists(target, is_file=found.kind == "file")
        return target

    def _check_space(self, plan: ExportPlan, folder: str) -> None:
        items = (*plan.items, *plan.repeats)
        packed = sum(item.entry.compressed_size for item in items if item.entry is not None)
        needed = packed + sum(2 * len(item.name) + _ENTRY_OVERHEAD for item in items)
        free = self._files.free_space(folder)
        if needed > free:
            volume = self._files.volume(folder)
            raise DiskFullError(
                f"The volume {display_path(volume)} has {format_size(free)} free, but {format_size(needed)} are to be"
                f" exported: {needed - free} bytes are missing.",
                path=display_path(folder),
                volume=volume,
                missing=needed - free,
                hint="Free space there, or choose another folder.",
            )

    def _append(self, region: TargetRegion, make: Callable[[int], list[tuple[ZipEntry, list[bytes]]]]) -> None:
        for entry, parts in make(region.position):
            self._written[entry.name] = entry
            region.append(parts)

    def _finish(self, region: TargetRegion) -> None:
        entries = sorted(self._written.values(), key=lambda entry: entry.header_offset)
        region.append([encode_directory(entries, region.position)])
        region.file.truncate(region.position)
        region.file.sync()

    def _publish(self, place: str, target: str) -> None:
        files = self._files
        try:
            files.rename(place, target, replace=self._options.overwrite)
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise _exists(target, is_file=True) from error
            raise
        files.sync_folder(os.path.dirname(target))


def _exists(target: str, *, is_file: bool) -> StorageError:
    shown = display_path(target)
    hint = "Choose another name, or overwrite it." if is_file else "Choose another name."
    return StorageError(f"{shown} exists already.", path=shown, hint=hint)
