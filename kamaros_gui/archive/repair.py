"""Repair: mend what can be mended in a damaged archive, and say what was done and what is lost.

Two steps, each under the archive's lock. Where the file ends with its directory, only headers that disagree with it are
looked into; where it does not, or where the check afterwards still finds something, everything in the file is read and
the newest state that can be proven gets a new directory behind the end. No byte of content is ever overwritten, and
none is cut off but those of a save that was never finished. The check of the whole archive follows in any case.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections.abc import Sequence
from typing import Final

from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.building import now_iso
from kamaros_gui.archive.claims import Claim, claims, needs_of
from kamaros_gui.archive.commit import Transaction, begin_record
from kamaros_gui.archive.container import MIMETYPE, MIMETYPE_NAME, Container, run_reader
from kamaros_gui.archive.foreign import MANIFEST_NAMES, is_own_manifest, looks_like_manifest
from kamaros_gui.archive.manifest import MANIFEST_NAME, Manifest
from kamaros_gui.archive.manifests_found import listings_in, read_claim
from kamaros_gui.archive.readback import check_directory
from kamaros_gui.archive.rebuilding import Layout, keep_blobs, lay_out, losses_as_listed, write_layout
from kamaros_gui.archive.recovered import recovered_manifest
from kamaros_gui.archive.recovery import HeaderPatch, apply_patches, mimetype_entry, recover
from kamaros_gui.archive.repair_sentences import blobs_in, count, cut_tail, files_in, lost_versions, named, rebuilt
from kamaros_gui.archive.salvage import Pool, has_mark, is_ours, mend_directory, salvage
from kamaros_gui.archive.verify import verify
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.base.limits import MAX_MANIFEST_SIZE
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import VerifyProblem, VerifyReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers, read_entry
from kamaros_gui.storage.journal import Journal
from kamaros_gui.storage.primitives import FilePrimitives, RandomAccess
from kamaros_gui.zipfmt import Directory, encode_plain_local_header, read_directory

__all__ = ["verify_and_repair"]

_MAX_CLAIMS: Final = 8
"""Manifests looked into where the newest misses content."""

_MARK_HEADER: Final = encode_plain_local_header(mimetype_entry())


async def verify_and_repair(
    files: FilePrimitives, archive: str, config: JCFConfig, workers: Workers, control: RunControl
) -> VerifyReport:
    """Mend an archive as far as possible, then check it as :func:`~kamaros_gui.archive.verify.verify` does.

    A sound archive is not touched. A repair is committed like a save: after an abort, an error or a crash the archive
    is as it was, or as it is to be; what a crash leaves half-way is mended by the next repair.

    Args:
        files: where the archive is.
        archive: path of the archive.
        config: chunk size.
        workers: threads.
        control: abort, pause, progress.

    Returns:
        What was done (``repairs``) and what could not be mended (``errors``).

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        ArchiveInUseError: somebody is writing it.
        NotFoundError: there is no such archive.
        DiskFullError, StorageError: it can't be read, or not be written.
    """
    started = time.monotonic()
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    path = files.resolve(archive)
    status = await workers.io(files.find, path)
    if status is None or status.kind != "file":
        return await verify(files, archive, config, workers, control)
    repair = _Repair(files, path, config, workers, control)
    await repair.run(thorough=False)
    report = await verify(files, archive, config, workers, control)
    if report.errors and repair.goes_on and await repair.run(thorough=True):
        report = await verify(files, archive, config, workers, control)
    errors = (*repair.losses, *(error for error in report.errors if not (repair.losses and _is_of_the_whole(error))))
    return dataclasses.replace(
        report, valid=not errors, errors=errors, repairs=tuple(repair.done), seconds=time.monotonic() - started
    )


def _is_of_the_whole(error: VerifyProblem) -> bool:
    """Whether *error* says that the archive can't be read at all, which a loss explains better."""
    return error.type == "structure" and not error.path and not error.version


class _Repair:
    """The repair of one archive.

    Attributes:
        done: what was done, a sentence each.
        losses: what is lost for good, as far as no check of the result can find it.
        goes_on: whether a thorough run may find more.
    """

    def __init__(
        self, files: FilePrimitives, path: str, config: JCFConfig, workers: Workers, control: RunControl
    ) -> None:
        self.done: list[str] = []
        self.losses: list[VerifyProblem] = []
        self.goes_on = False
        self._files = files
        self._path = path
        self._config = config
        self._workers = workers
        self._control = control

    async def run(self, *, thorough: bool) -> bool:
        """Mend under the lock; return whether anything was changed."""
        before = len(self.done)
        journal = await self._workers.io(Journal.acquire, self._files, self._path)
        try:
            if journal.leftover:
                await self._workers.io(self._recover, journal)
            file = await self._workers.io(self._files.open, self._path, "r+")
            try:
                if thorough or not await self._mend_in_place(file):
                    await self._salvage(file, journal)
            finally:
                await self._workers.io(file.close)
        finally:
            # Whether it went well or not: the records of a recovery that failed must stay.
            await self._workers.io(journal.close if journal.leftover else journal.remove)
        return len(self.done) > before

    def _recover(self, journal: Journal) -> None:
        before = self._files.stat(self._path).size
        finished = journal.leftover[-1].get("kind") == "commit"
        recover(self._files, self._path, journal)
        cut = before - self._files.stat(self._path).size
        if cut:
            self.done.append(f"A save that was interrupted was taken back: {cut} bytes were cut off.")
        elif finished:
            self.done.append("The last step of a save that was interrupted was repeated.")

    async def _mend_in_place(self, file: RandomAccess) -> bool:
        """Mend headers where the file ends with its directory; return whether that is all there is to do now."""
        directory = await self._workers.io(_directory_at_the_end, file)
        if directory is None:
            if await self._workers.io(is_ours, file):
                return False
            self._refuse()
            return True
        if await self._workers.compute(_is_foreign, self._path, file, directory):
            return True
        if not has_mark(directory):
            return not await self._workers.io(is_ours, file)
        mending = await mend_directory(self._files, file, directory, self._config, self._workers, self._control)
        entry = mending.located.get(MANIFEST_NAME)
        listings = listings_in(directory)
        if entry is None or await self._workers.compute(read_claim, mending.seen(file), entry, listings) is None:
            return False
        self.goes_on = True
        await self._apply(file, mending.patch_list(), mending.names, None)
        return True

    def _refuse(self) -> None:
        """Say that this is not for us to mend."""
        message = (
            f"{display_path(self._path)} does not begin like an archive of Kamaros, and its end is lost or damaged. It"
            " can't be repaired here and was left as it was; for a plain ZIP, “zip -FF” may rebuild the directory."
        )
        self.losses.append(VerifyProblem("structure", "", "", "", message))

    async def _salvage(self, file: RandomAccess, journal: Journal) -> None:
        """Read everything in the file, and commit the newest state that can be proven."""
        self.goes_on = False
        workers = self._workers
        pool = await salvage(self._files, file, self._config, workers, self._control)
        chosen = await workers.compute(_choose, pool)
        if chosen is None:
            await self._recover_files(pool, file, journal)
            return
        directory, layout = pool.directory, chosen.layout
        if chosen.claim.listed and directory is not None and layout.losses >= losses_as_listed(pool, layout.manifest):
            end = directory.end if directory.end < file.size() else None
            if end is not None:
                self.done.append(await workers.compute(cut_tail, pool, layout.manifest, end, file.size()))
            await self._apply(file, pool.mending.patch_list(), pool.mending.names, end)
        else:
            await self._commit(pool, layout, file, journal)
            self.done.append(rebuilt(layout, pool))
        if chosen.given_up:
            self.losses.append(lost_versions(chosen.given_up, layout.manifest))

    async def _recover_files(self, pool: Pool, file: RandomAccess, journal: Journal) -> None:
        """Make a new history of the current files, where no manifest is left."""
        if await self._workers.compute(_holds_foreign_manifest, pool):
            message = (
                f"Another program wrote {display_path(self._path)}, and its directory is lost. It can't be repaired"
                " here and was left as it was; “zip -FF” may rebuild the directory."
            )
            self.losses.append(VerifyProblem("structure", "", "", "", message))
            return
        name = os.path.splitext(os.path.basename(self._path))[0]
        manifest = await self._workers.compute(recovered_manifest, pool, name, now_iso())
        if manifest is None:
            message = f"Nothing in {display_path(self._path)} could be read: neither a manifest nor a whole file."
            self.losses.append(VerifyProblem("structure", "", "", "", message))
            return
        layout = await self._workers.compute(lambda: lay_out(pool, manifest, listed=True))
        await self._workers.compute(keep_blobs, layout, pool)
        await self._commit(pool, layout, file, journal)
        head = manifest.refs["head"]
        self.done.append(
            f"No manifest could be read. {files_in(layout)} found whole became version {head[:8]},"
            f" “{manifest.versions[0].message}”; {blobs_in(layout)} of older versions are still in the archive."
        )
        self.losses.append(
            VerifyProblem(
                "structure", "", head, "", "The history is lost: versions, messages and tags; and every file not found."
            )
        )

    async def _apply(
        self, file: RandomAccess, patches: Sequence[HeaderPatch], names: Sequence[str], end: int | None
    ) -> None:
        """Write headers in place, and cut the file to *end* bytes; doing it again, after a crash, changes nothing."""
        if await self._workers.io(_mark_is_damaged, file):
            patches = [*patches, (len(_MARK_HEADER), MIMETYPE)]
            names = [*names, MIMETYPE_NAME]
        if not patches and end is None:
            return
        self._control.progress.phase = Phase.COMMITTING
        await self._control.checkpoint()

        def write() -> None:
            apply_patches(file, patches)
            if end is not None:
                file.truncate(end)
            file.sync()

        await self._workers.io(write)
        if names:
            self.done.append(
                f"{count(len(names), 'local header')} that disagreed with the directory"
                f" {'was' if len(names) == 1 else 'were'} written again: {named(names)}."
            )

    async def _commit(self, pool: Pool, layout: Layout, file: RandomAccess, journal: Journal) -> None:
        """Append what *layout* lacks, its manifest and its directory, as a save does."""
        workers, control = self._workers, self._control
        control.progress.phase = Phase.COMMITTING
        await control.checkpoint()
        transaction = await workers.io(_begin, self._files, self._path, journal, file)
        try:
            region = transaction.region
            tail, entries, patches = await workers.io(write_layout, layout, file, pool.file, region, control)
            await workers.compute(check_directory, tail, transaction, EntryTable(file, region, entries))
            await control.checkpoint()
            if await workers.io(_mark_is_damaged, file):
                patches.append((len(_MARK_HEADER), MIMETYPE))
            await workers.io(lambda: transaction.commit(tail, patches, check=True))
        except BaseException:
            await workers.io(transaction.rollback)
            raise


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """The state to go on with, and a newer one that nothing is left of."""

    claim: Claim
    layout: Layout
    given_up: Manifest | None = None


def _choose(pool: Pool) -> _Choice | None:
    """Choose the newest state; an older one where that loses nothing and HEAD is whole there and not in the newest.

    A newer manifest knows the older versions too, so it is worth more than an older one even where it misses content:
    unless nothing at all of what it added can be read.
    """
    newest: _Choice | None = None
    present: set[str] = set()
    for claim in itertools.islice(claims(pool), _MAX_CLAIMS):
        layout = lay_out(pool, claim.manifest, listed=claim.listed)
        if newest is None:
            newest = _Choice(claim, layout)
            if not layout.missing_head:
                return newest
            head = {claim.manifest.file_map[path].current_hash for path in layout.missing_head}
            present = set(needs_of(claim.manifest)) - set(layout.missing_history) - head
        elif not layout.missing_head and present <= set(needs_of(claim.manifest)):
            return _Choice(claim, layout, newest.claim.manifest)
    return newest


def _directory_at_the_end(file: RandomAccess) -> Directory | None:
    try:
        return run_reader(file, read_directory(file.size()))
    except IntegrityError:
        return None


def _is_foreign(path: str, file: RandomAccess, directory: Directory) -> bool:
    """Whether the archive is a plain ZIP, or another program's: those are only checked. Blocks."""
    try:
        container = Container(path, file, directory, [])
    except IntegrityError:
        return False
    entry = container.entries.get(MANIFEST_NAME)
    if container.manifest is None or entry is None:
        return not is_ours(file)
    try:
        return not is_own_manifest(read_entry(file, entry, MAX_MANIFEST_SIZE))
    except IntegrityError:
        return False


def _holds_foreign_manifest(pool: Pool) -> bool:
    """Whether there is a manifest that another program wrote. Blocks."""
    for each in pool.held:
        if each.entry.name in MANIFEST_NAMES and each.reached:
            data = read_entry(pool.file, each.entry, MAX_MANIFEST_SIZE)
            if looks_like_manifest(data) and not is_own_manifest(data):
                return True
    return False


def _begin(files: FilePrimitives, path: str, journal: Journal, file: RandomAccess) -> Transaction:
    """Begin to append behind all there is; there may be no state before to go on from."""
    size = file.size()
    journal.restart(begin_record("append", size))
    nothing = Container(path, file, Directory([], size, size, b"", 0), [])
    return Transaction(files, path, journal, file, nothing, size)


def _mark_is_damaged(file: RandomAccess) -> bool:
    """Whether the mark at the start of an archive of ours has lost its content, which is known."""
    return is_ours(file) and file.read(len(_MARK_HEADER), len(MIMETYPE)) != MIMETYPE
