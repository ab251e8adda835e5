"""Change an archive in one go: lock it, apply changes, and make them one version, or leave no trace."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from kamaros_gui.archive.adding import check_path, paths_below, stored_name
from kamaros_gui.archive.building import NextState, VersionLabel
from kamaros_gui.archive.checking import check_entries
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.copying import steered_copying
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.paths import check_folder
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, NotFoundError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["change", "copy_archive", "move_paths", "remove_paths"]


async def change(
    files: FileSystemAdapter,
    archive: str,
    apply: Callable[[Checkpoint], Awaitable[None]],
    label: VersionLabel,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
    *,
    create: bool = False,
) -> SaveReport:
    """Make what *apply* does to *archive* one version.

    When nothing has changed no version is made. After an abort or an error the archive is byte for byte as it was, and
    a new one does not exist.

    Args:
        files: where the archive is.
        archive: path of the ``.jcf`` file.
        apply: makes the changes.
        label: recorded with the version.
        config: how.
        workers: threads.
        control: abort, pause, progress, statistics, issues.
        create: whether the archive is made when it does not exist.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: the archive does not exist and is not to be made.
        ArchiveInUseError, ArchiveError, IntegrityError: the archive can't be added to.
        DiskFullError, StorageError: the archive can't be written.
        Exception: what *apply* raises.
    """
    started = time.monotonic()
    control.progress.phase = Phase.COUNTING
    control.signal.throw_if_aborted()
    if not create and not await workers.io(files.exists, archive):
        shown = display_path(archive)
        raise NotFoundError(f"There is no archive {shown}.", path=shown, hint="Check the path.")
    checkpoint = await Checkpoint.begin(files, archive, config, workers, control)
    async with _rolled_back_on_error(checkpoint, control):
        await apply(checkpoint)
        state = await checkpoint.commit(label, control)
    return _report(checkpoint, state, control, time.monotonic() - started)


async def copy_archive(
    files: FileSystemAdapter,
    archive: str,
    source: Container,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> SaveReport:
    """Make *archive*, which must not exist, from all that is alive in *source*, history included, by raw copies.

    Each copy is checked against CRC-32 and SHA-256; what is damaged is copied as it is, and noted in
    ``control.issues``. After an abort or an error there is no archive.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        ArchiveError: *source* has no history, or *archive* exists and is an archive.
        DiskFullError, StorageError, IntegrityError: it can't be read or written.
    """
    started = time.monotonic()
    control.progress.phase = Phase.TRANSFERRING
    copying = steered_copying(files, files.absolute(archive), control)
    transaction = await workers.io(lambda: Transaction.begin_copy(files, archive, source, copying))
    checkpoint = Checkpoint(files, transaction, config, workers)
    async with _rolled_back_on_error(checkpoint, control):
        file, entries = transaction.region.file, checkpoint.table.entries.values()
        for name, error in await check_entries(files, file, entries, checkpoint.base, config, workers, control):
            control.add_issue(name, str(error))
        await checkpoint.commit_base(control)
    state = NextState(None, checkpoint.table, checkpoint.base, added=_file_count(checkpoint.base))
    report = _report(checkpoint, state, control, time.monotonic() - started)
    return dataclasses.replace(report, created=bool(checkpoint.base.versions))


def _file_count(manifest: Manifest) -> int:
    return sum(record.type != "directory" for record in manifest.file_map.values())


@contextlib.asynccontextmanager
async def _rolled_back_on_error(checkpoint: Checkpoint, control: RunControl) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        control.progress.phase = Phase.CLEANING_UP
        await checkpoint.rollback()
        raise


def _report(checkpoint: Checkpoint, last: NextState, control: RunControl, seconds: float) -> SaveReport:
    states = [*checkpoint.advanced, last]
    made = [state.version.id for state in states if state.version is not None]
    return SaveReport(
        version=made[-1] if made else checkpoint.base.refs.get("head", ""),
        archive=checkpoint.transaction.path,
        created=bool(made),
        added=sum(state.added for state in states),
        modified=sum(state.modified for state in states),
        unchanged=last.unchanged,
        deleted=sum(state.deleted for state in states),
        renamed=sum(state.renamed for state in states),
        failed=control.failures,
        issues=tuple(control.issues),
        bytes_in=control.progress.bytes_done,
        bytes_out=checkpoint.grown if made or checkpoint.transaction.is_new else 0,
        seconds=seconds,
        stages=control.stages.snapshot(),
        reclaimed=last.reclaimed,
    )


def remove_paths(checkpoint: Checkpoint, paths: Iterable[str]) -> int:
    """Let *paths*, folders with everything in them, leave HEAD; return how many entries that are.

    Raises:
        NotFoundError: there is no such path.
    """
    found = paths_below(checkpoint, paths)
    checkpoint.remove(found)
    return len(found)


def move_paths(checkpoint: Checkpoint, old: str, new: str) -> int:
    """Give *old*, a file or a folder with everything in it, the path *new*; return how many entries that are.

    Where *new* ends with ``/``, or is a folder, *old* moves into it and keeps its last name.

    Raises:
        NotFoundError: there is no *old*.
        UnsafeNameError: *new* can't be a name in an archive.
        ArchiveError: something else is called *new*, or a file is in the way of its folder.
    """
    found = paths_below(checkpoint, (old,))
    start = stored_name(checkpoint.paths(), old)
    goal = _goal(checkpoint, start, new)
    if goal == start:
        return 0
    if goal.startswith(start + "/"):
        raise ArchiveError(f"“{start}” can't be moved into itself.")
    moves = {path: goal + path[len(start) :] for path in sorted(found)}
    for path in moves.values():
        check_path(checkpoint, path)
    if checkpoint.kind_of(goal) is not None:
        raise ArchiveError(f"There is a “{goal}” already.", hint="Remove it first, or use another name.")
    known = any(checkpoint.record_of(path) is not None for path in moves)
    checkpoint.move(moves)
    if known:
        checkpoint.changes.note_move(start, goal)
    return len(moves)


def _goal(checkpoint: Checkpoint, start: str, new: str) -> str:
    """Return the path that *start* gets when it is moved to *new*."""
    name, goal = start.rpartition("/")[2], check_folder(new)
    into = new.endswith("/") or not goal or (goal != start and checkpoint.kind_of(goal) == "directory")
    return "/".join(filter(None, (goal, name))) if into else goal
