"""Restore: from a version to files on disk, all of them checked, or none."""

from __future__ import annotations

import dataclasses
import os
import time

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import FileState
from kamaros_gui.archive.targets import ConflictPolicy, Placement, TargetPlan, link_leaves, plan_targets
from kamaros_gui.archive.views import VersionView, view_version
from kamaros_gui.base.config import JCFConfig, format_size
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import DiskFullError, IntegrityError, KamarosError, StorageError, UnsupportedEntryError
from kamaros_gui.base.limits import MAX_RATIO
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import RestoreReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import RestoreFlow, RestoreItem, Workers, read_entry
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.primitives import FilePrimitives
from kamaros_gui.storage.staging import StagingFolder
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["RestoreOptions", "restore"]

_LONGEST_LINK = 0xFFFF
_LARGEST_RATIO = {0: 1, 8: MAX_RATIO, 93: 64 * 1024}
"""Method → how far its data can expand at most; a zstd block of four bytes stands for up to 128 KiB."""

_RATIO_SLACK = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What is to be restored, and how.

    Attributes:
        target: folder to restore into; made when it does not exist.
        paths: entries or folders of the archive, empty for all.
        version: id, prefix, tag, ``HEAD`` or ``HEAD~n``.
        on_conflict: what to do where something different exists.
        outside_links: whether links that may lead out of the target are restored too.
    """

    target: str
    paths: tuple[str, ...] = ()
    version: str = "HEAD"
    on_conflict: ConflictPolicy = "fail"
    outside_links: bool = False


async def restore(
    files: FileSystemAdapter,
    archive: str,
    options: RestoreOptions,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> RestoreReport:
    """Restore a version, whole or in part.

    Everything is written and checked in a staging folder inside the target first; only then does it get its final
    names, by renames. So an abort, an error or a full disk leaves the target as it was; only an error of the renames
    themselves, which need no room, leaves what had its name by then. An entry that is damaged or must not be restored
    is noted in ``control.issues``; the others are restored.

    Args:
        files: where archive and target are.
        archive: path of the archive.
        options: what to restore.
        config: chunk size.
        workers: threads.
        control: abort, pause, progress, issues.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such archive, or no such path in the version.
        VersionNotFoundError: there is no such version.
        IntegrityError: the archive's directory or manifest is damaged.
        DiskFullError, StorageError: the target can't be written.
    """
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    container = await workers.io(Container.load, files, archive)
    try:
        view = await workers.io(view_version, container, options.version)
        selected = view.select(options.paths)
        return await _Restore(files, view, selected, options, config, workers, control).run()
    finally:
        container.close()


class _Restore:
    def __init__(
        self,
        files: FileSystemAdapter,
        view: VersionView,
        selected: dict[str, FileState],
        options: RestoreOptions,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
    ) -> None:
        self._files = files
        self._view = view
        self._container = view.container
        self._selected = selected
        self._options = options
        self._config = config
        self._workers = workers
        self._control = control
        self._started = time.monotonic()
        self._restored = 0
        self._damaged = 0

    async def run(self) -> RestoreReport:
        workers, control = self._workers, self._control
        staging = await workers.io(self._files.temporary_area, self._options.target)
        try:
            plan = await workers.io(self._plan, staging)
            await control.checkpoint()
            items = await workers.io(self._stage, plan, staging)
            control.progress.files_total = len(items)
            control.progress.bytes_total = sum(item.entry.size for item in items)
            control.progress.phase = Phase.TRANSFERRING
            flow = RestoreFlow(
                self._files,
                self._container.file,
                self._config,
                workers,
                control,
                self._on_outcome,
                self._container.tolerated,
            )
            await flow.run(items)
            control.progress.phase = Phase.COMMITTING
            await control.checkpoint()
            await workers.io(self._place, plan, staging)
        except BaseException:
            control.progress.phase = Phase.CLEANING_UP
            await workers.io(lambda: staging.remove(keep_target=False))
            raise
        await workers.io(lambda: staging.remove(keep_target=True))
        return RestoreReport(
            version=self._view.id,
            target=staging.target,
            restored=self._restored,
            identical=plan.identical,
            failed=sum(issue.kind != "skipped" for issue in control.issues),
            damaged=self._damaged,
            issues=tuple(control.issues),
            bytes_out=control.progress.bytes_done,
            seconds=time.monotonic() - self._started,
            stages=control.stages.snapshot(),
        )

    # ---------------------------------------------------------------------------------- in worker threads

    def _plan(self, staging: StagingFolder) -> TargetPlan:
        signal = self._control.signal
        plan = plan_targets(
            self._files,
            self._selected,
            staging.target,
            self._options.on_conflict,
            folds_case=self._files.folds_case(staging.root),
            link_target=self._read_link,
            should_stop=lambda: signal.aborted,
        )
        if plan.conflicts:
            first = display_path(os.path.join(staging.target, plan.conflicts[0]))
            more = f" and {len(plan.conflicts) - 1} more" if len(plan.conflicts) > 1 else ""
            raise StorageError(
                f"{first}{more} exist with other content; nothing was restored.",
                path=first,
                hint="Choose to skip, overwrite or rename such files, or another folder.",
            )
        return plan

    def _stage(self, plan: TargetPlan, staging: StagingFolder) -> list[RestoreItem]:
        """Make the folders and links in the staging folder; return what has to flow there."""
        for refusal in plan.refusals:
            self._control.add_issue(refusal.path, refusal.reason, refusal.kind)
        items: list[RestoreItem] = []
        needed = 0
        for placement in plan.files:
            entry = self._entry_of(placement)
            if entry is None:
                continue
            state = placement.state
            destination = os.path.join(staging.root, placement.relative)
            items.append(RestoreItem(placement.path, entry, state.hash, destination, state.mode, state.mtime_ns))
            needed += entry.size
        self._check_space(staging.target, needed)
        folders = {placement.relative for placement in plan.folders}
        for placement in (*plan.files, *plan.links):
            folders.add(placement.relative.rpartition("/")[0])
        for folder in sorted(folders - {""}):
            _make_folder(self._files, staging.root, folder)
        return items

    def _place(self, plan: TargetPlan, staging: StagingFolder) -> None:
        """Give everything its final name. From here on nothing is undone."""
        for placement in plan.links:
            self._make_link(placement, staging)
        _merge(self._files, staging.root, staging.target)
        for placement in reversed(plan.folders):
            state = placement.state
            path = os.path.join(staging.target, placement.relative)
            self._files.set_attributes(path, state.mode, state.mtime_ns)
            self._restored += 1

    def _make_link(self, placement: Placement, staging: StagingFolder) -> None:
        try:
            target = self._read_link(placement.path, placement.state)
            if not target or b"\0" in target:
                raise IntegrityError(f"{placement.path} is a link without a target that could be made.")
            if not self._options.outside_links and link_leaves(placement.relative, target):
                self._control.add_issue(
                    placement.path,
                    f"It is a link to “{display_path(target)}”, outside the restored folder;"
                    " allow outside links to restore it.",
                    "blocked",
                )
                return
            path = os.path.join(staging.root, placement.relative)
            self._files.make_link(path, target, placement.state.mtime_ns)
        except KamarosError as error:
            self._note(placement.path, error)
        else:
            self._restored += 1

    def _read_link(self, path: str, state: FileState) -> bytes:
        entry = self._view.entry_of(path, state)
        if entry is None:
            raise IntegrityError(f"{path} can't be restored: the archive has lost its content.")
        if entry.encrypted or state.encrypted:
            raise UnsupportedEntryError(f"{path} is encrypted.")
        return read_entry(self._container.file, entry, _LONGEST_LINK, self._container.tolerated)

    def _entry_of(self, placement: Placement) -> ZipEntry | None:
        entry = self._view.entry_of(placement.path, placement.state)
        if entry is None:
            message = f"{placement.path} can't be restored: the archive has lost its content."
            self._note(placement.path, IntegrityError(message))
        elif entry.encrypted or placement.state.encrypted:
            self._note(placement.path, UnsupportedEntryError(f"{placement.path} is encrypted."))
            return None
        elif entry.size > (entry.compressed_size + _RATIO_SLACK) * _LARGEST_RATIO.get(entry.method, 1):
            # Such a claim must not keep the others from being restored for want of space.
            message = f"{placement.path} claims {entry.size} bytes; its {entry.compressed_size} can't hold them."
            self._note(placement.path, IntegrityError(message))
            return None
        return entry

    def _check_space(self, target: str, needed: int) -> None:
        free = self._files.free_space(target)
        if needed > free:
            volume = self._files.volume(target)
            raise DiskFullError(
                f"The volume {display_path(volume)} has {format_size(free)} free, but {format_size(needed)} are to be"
                f" restored: {needed - free} bytes are missing.",
                path=display_path(target),
                volume=volume,
                missing=needed - free,
                hint="Free space there, choose another folder, or restore less.",
            )

    # ----------------------------------------------------------------------------------------- outcomes

    def _on_outcome(self, item: RestoreItem, error: KamarosError | None) -> None:
        if error is None:
            self._restored += 1
        else:
            self._note(item.path, error)

    def _note(self, path: str, error: KamarosError) -> None:
        if isinstance(error, IntegrityError):
            self._damaged += 1
            version = f" (version {self._view.id[:8]})" if self._view.id else ""
            self._control.add_issue(path, f"{error}{version}")
        else:
            self._control.add_issue(path, str(error))


def _merge(files: FilePrimitives, source: str, destination: str) -> None:
    """Move what is in *source* into *destination*, whole folders at once where nothing is in their way."""
    pending = [(source, destination)]  # an own stack: trees are deeper than Python's
    while pending:
        source, destination = pending.pop()
        for name, status in files.list(source):
            if isinstance(status, Exception):
                raise status
            here, there = os.path.join(source, name), os.path.join(destination, name)
            in_the_way = files.find(there) if status.kind == "directory" else None
            if in_the_way is not None and in_the_way.kind == "directory":
                pending.append((here, there))
            else:
                files.rename(here, there)


def _make_folder(files: FilePrimitives, root: str, folder: str) -> None:
    """Make *folder* below *root*, and its parents where they are missing."""
    missing: list[str] = []
    while folder and not files.exists(os.path.join(root, folder)):
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    for each in reversed(missing):
        files.make_folder(os.path.join(root, each))
