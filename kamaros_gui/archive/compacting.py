"""Compact: rewrite an archive without its dead bytes, by raw copies, verified, and swapped in at once."""

from __future__ import annotations

import logging
import time

from kamaros_gui.archive.amending import amend
from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.checking import check_entries
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.limits import COMPACT_FROM, COMPACT_SHARE
from kamaros_gui.base.upkeep import CompactReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["compact", "compact_after_save", "is_due"]

logger = logging.getLogger(__name__)


async def compact(
    files: FileSystemAdapter, archive: str, config: JCFConfig, workers: Workers, control: RunControl
) -> CompactReport:
    """Copy what is alive into a new file, check it, and put it in the place of *archive*.

    Nothing is compressed again. Each copy is compared with its original byte by byte, and its content with CRC-32 and
    SHA-256: the old file is not given up while anything in it could still be mended. Whoever reads the archive goes on
    with the old file. After an abort, an error or a crash there is the old archive or the new one, whole.

    Args:
        files: where the archive is.
        archive: path of the ``.jcf`` file.
        config: chunk size.
        workers: threads.
        control: abort, pause, progress.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        IntegrityError: something in the archive is damaged.
        DiskFullError: the volume has no room for a second copy.
        KamarosError: see :func:`kamaros_gui.archive.amending.amend`.
    """
    started = time.monotonic()
    archive = await workers.io(files.resolve, archive)
    before = await workers.io(_size_of, files, archive)
    copied = 0

    async def check(transaction: Transaction, manifest: Manifest) -> None:
        nonlocal copied
        copied = len(transaction.entries) - 1  # without ``mimetype``, which is written anew
        file = transaction.region.file
        damaged = await check_entries(files, file, transaction.entries, manifest, config, workers, control)
        if damaged:
            raise IntegrityError(
                f"{damaged[0][1]} The archive was not compacted.",
                hint="Verify the archive; what can't be repaired can be removed or forgotten.",
            )

    amended = await amend(files, archive, _as_it_is, workers, control, rewrite=True, check=check)
    return CompactReport(archive, before, amended.size, copied, time.monotonic() - started)


def is_due(size: int, dead_bytes: int) -> bool:
    """Whether an archive of *size* bytes, *dead_bytes* of them dead, is to be compacted by itself."""
    return dead_bytes > max(COMPACT_FROM, COMPACT_SHARE * size)


async def compact_after_save(
    files: FileSystemAdapter, archive: str, config: JCFConfig, workers: Workers, control: RunControl
) -> int:
    """Compact *archive*, whose newest version is committed already; return the bytes given back.

    Nothing that goes wrong here, an abort neither, may look as if the save had failed: the archive then stays as it is.
    """
    try:
        unseen = RunControl(control.signal)  # the counters are those of the save
        unseen.gate = control.gate
        report = await compact(files, archive, config, workers, unseen)
    except Exception as error:  # whatever an abort gives as its reason, too: the version is there
        logger.info("%s was not compacted: %s", archive, error, exc_info=not isinstance(error, KamarosError))
        return 0
    return report.before - report.after


def _as_it_is(manifest: Manifest, _table: EntryTable) -> tuple[Manifest, None]:
    return manifest, None


def _size_of(files: FileSystemAdapter, archive: str) -> int:
    status = files.find(archive)
    return status.size if status is not None else 0  # the amendment tells
