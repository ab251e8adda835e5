"""Amend an archive: change what its manifest says, or how it is laid out, without a new version."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.copying import Copying, steered_copying
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.tail import commit_state, first_table
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import NotFoundError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["Amended", "amend"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Amended(Generic[T]):
    """What came of an amendment.

    Attributes:
        result: what the amendment returned.
        size: bytes of the archive file now.
        dead_bytes: bytes in it that no entry uses.
    """

    result: T
    size: int
    dead_bytes: int


async def amend(
    files: FileSystemAdapter,
    archive: str,
    apply: Callable[[Manifest, EntryTable], tuple[Manifest, T]],
    workers: Workers,
    control: RunControl,
    *,
    rewrite: bool = False,
    check: Callable[[Transaction, Manifest], Awaitable[None]] | None = None,
) -> Amended[T]:
    """Let *apply* change manifest and directory of *archive*, and commit that. No version is made.

    After an abort or an error the archive is byte for byte as it was.

    Args:
        files: where the archive is.
        archive: path of the ``.jcf`` file.
        apply: called in a worker thread with the manifest, which it must leave as it is, and a directory that is its
            own; returns the manifest to go on with, the same one where nothing is to be changed, and a result.
        workers: threads.
        control: abort, pause, progress of the copying where there is one.
        rewrite: copy what is alive into a new file that takes the place of the archive.
        check: looks at what was copied before it is committed; raises where that must not be.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such archive.
        ArchiveInUseError, ArchiveError, IntegrityError: the archive can't be changed.
        DiskFullError, StorageError: it can't be written.
        Exception: what *apply* raises.
    """
    control.signal.throw_if_aborted()
    if not await workers.io(files.exists, archive):
        shown = display_path(archive)
        raise NotFoundError(f"There is no archive {shown}.", path=shown, hint="Check the path.")
    control.progress.phase = Phase.TRANSFERRING if rewrite else Phase.READING_ARCHIVE
    steered = steered_copying(files, archive, control)
    copying = steered if rewrite else Copying(check_abort=steered.check_abort)
    transaction = await workers.io(lambda: Transaction.begin(files, archive, rewrite=rewrite, copying=copying))
    try:
        table = first_table(transaction)
        manifest, result = await workers.compute(apply, transaction.manifest, table)
        if manifest is transaction.manifest and not transaction.is_rewrite:
            await workers.io(transaction.rollback)  # nothing is to be changed
            return Amended(result, transaction.region.start, manifest.dead_bytes)
        if check is not None:
            await check(transaction, manifest)
        control.progress.phase = Phase.COMMITTING
        await commit_state(transaction, table, manifest, workers, control, check=rewrite)
    except BaseException:
        control.progress.phase = Phase.CLEANING_UP
        await workers.io(transaction.rollback)
        raise
    return Amended(result, transaction.region.position, manifest.dead_bytes)
