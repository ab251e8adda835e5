"""Save: from paths on disk to one new, committed version."""

from __future__ import annotations

import time

from kamaros_gui.archive.building import NextState
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.planning import SaveOptions, SavePlan
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["SaveOptions", "save"]


async def save(
    files: FileSystemAdapter,
    archive: str,
    options: SaveOptions,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> SaveReport:
    """Add files and folders to *archive* as one new version.

    Files that can't be read, or change while they are read, are noted in ``control.issues`` and keep the content the
    archive had for them; with ``options.strict`` the first of them fails the save. When nothing has changed no version
    is made. After an abort or an error the archive is byte for byte as it was, and a new one does not exist.

    Args:
        files: where the archive and the paths are.
        archive: path of the ``.jcf`` file; made when it does not exist.
        options: what to save.
        config: how.
        workers: threads.
        control: abort, pause, progress, statistics, issues.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        ArchiveInUseError, ArchiveError, IntegrityError: the archive can't be added to.
        DiskFullError, StorageError: the archive can't be written.
        NotFoundError: a path to save does not exist.
    """
    started = time.monotonic()
    control.progress.phase = Phase.COUNTING
    control.signal.throw_if_aborted()
    checkpoint = await Checkpoint.begin(files, archive, config, workers)
    try:
        plan = await checkpoint.add_paths(options, control)
        state = await checkpoint.commit(options.message, options.author, control)
    except BaseException:
        control.progress.phase = Phase.CLEANING_UP
        await checkpoint.rollback()
        raise
    return _report(checkpoint, plan, state, control, time.monotonic() - started)


def _report(
    checkpoint: Checkpoint, plan: SavePlan, state: NextState, control: RunControl, seconds: float
) -> SaveReport:
    created = state.version is not None
    return SaveReport(
        version=state.version.id if state.version else checkpoint.base.refs.get("head", ""),
        archive=checkpoint.transaction.path,
        created=created,
        added=state.added,
        modified=state.modified,
        unchanged=plan.unchanged + state.unchanged,
        deleted=state.deleted,
        failed=control.failures,
        issues=tuple(control.issues),
        bytes_in=control.progress.bytes_done,
        bytes_out=checkpoint.grown if created or checkpoint.transaction.is_new else 0,
        seconds=seconds,
        stages=control.stages.snapshot(),
    )
