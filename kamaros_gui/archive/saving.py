"""Save: from paths on disk to one new, committed version."""

from __future__ import annotations

import dataclasses

from kamaros_gui.archive.building import VersionLabel
from kamaros_gui.archive.changing import change
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.planning import SaveOptions, SavePlan
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
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
    plans: list[SavePlan] = []

    async def add(checkpoint: Checkpoint) -> None:
        plans.append(await checkpoint.add_paths(options, control))

    label = VersionLabel(options.message, options.author)
    report = await change(files, archive, add, label, config, workers, control, create=True)
    return dataclasses.replace(report, unchanged=report.unchanged + plans[0].unchanged)
