"""Transaction: append, then commit, or leave no trace.

The order of a save on disk (everything else in this package relies on it):

1. take the lock and write the journal: the committed length;
2. append entries behind it; nothing before it is touched;
3. sync the entries; note in the journal where the new directory will be, its hash, and which local headers of old
   entries
   are to be rewritten after the commit; sync the journal;
4. write manifest, central directory and end records in one go; sync. **This is the commit.**
5. rewrite those local headers in place; sync; remove the journal.

Before 4 is complete a crash leaves the old state: the next one who writes cuts the file back to the committed length,
and who reads ignores the tail. After it, 5 can be repeated any number of times. A new archive is written as
``<name>.part`` and renamed at the end of step 4.

An archive that is rewritten, to compact it or because another program made it in a form that can't be appended to, is
written like a new one: what is alive is copied first, and the rename puts the result in the place of the old file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kamaros_gui.archive.container import MIMETYPE, Container, recorded_patches
from kamaros_gui.archive.copying import Copying
from kamaros_gui.archive.foreign import upgrade_manifest
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.recovery import HeaderPatch, apply_patches, mimetype_entry, part_path, recover
from kamaros_gui.archive.rewriting import check_copies, copy_live_entries
from kamaros_gui.base.errors import (
    ArchiveError,
    IntegrityError,
    KamarosError,
    NotFoundError,
    StorageError,
)
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.journal import Journal
from kamaros_gui.storage.primitives import Buffer, FilePrimitives, RandomAccess
from kamaros_gui.zipfmt import ZipEntry, encode_plain_local_header

__all__ = ["Transaction", "begin_record", "not_kept"]


class Transaction:
    """One save in progress. All methods block and belong in a worker thread.

    Use :meth:`begin`; end with :meth:`commit` or :meth:`rollback`, after which the lock is free and every file closed.

    Args:
        files: where the archive is.
        path: the archive.
        journal: its journal, held.
        file: what is written: the archive itself, or the file that becomes it.
        base: the state before, ``None`` for a new archive.
        start: committed bytes of *file*.
        kind: whether the archive is appended to, new, or rewritten.

    Attributes:
        files: as given.
        path: as given.
        region: where new entries go.
        entries: the directory to begin with; they lie in the file of the region.
        manifest: of the state before, as it is to be gone on with; ``None`` for a new archive.
        appended_to: the state before where it is appended to; otherwise ``None``.
    """

    def __init__(
        self,
        files: FilePrimitives,
        path: str,
        journal: Journal,
        file: RandomAccess,
        base: Container | None,
        start: int,
        kind: Literal["append", "new", "rewrite"] = "append",
    ) -> None:
        self.files = files
        self.path = path
        self.region = AppendRegion(file, start)
        self.entries: list[ZipEntry] = []
        self.manifest: Manifest | None = base.manifest if base is not None else None
        self.appended_to = base if kind == "append" else None
        if self.appended_to is not None:
            self.entries = list(self.appended_to.entries.values())
        self._base = base
        self._kind = kind
        self._journal = journal
        self._file = file
        self._times = file.status()

    @classmethod
    def begin(
        cls, files: FilePrimitives, path: str, *, rewrite: bool = False, copying: Copying | None = None
    ) -> Transaction:
        """Take the lock of the archive at *path*, recover what a crash left, and open it for appending.

        Args:
            files: where the archive is.
            path: the archive.
            rewrite: copy what is alive into a new file, which takes the place of the archive with the commit. Archives
                that can't be appended to are rewritten anyway.
            copying: told how the copying goes, and may stop it.

        Raises:
            ArchiveInUseError: somebody else is writing it.
            ZipFormatError, ManifestError: it exists but is damaged.
            ArchiveError: it is a plain ZIP, which has no history to add to.
            DiskFullError, StorageError: its folder or file can't be written.
            Exception: what *copying* stops it with.
        """
        path = files.resolve(path)  # one journal for an archive, whatever links lead to it
        folder = os.path.dirname(path)
        if not files.is_folder(folder):
            raise StorageError(
                f"The folder {display_path(folder)} for the archive does not exist.",
                path=display_path(folder),
                hint="Make it first, or choose another place.",
            )
        journal = Journal.acquire(files, path)
        try:
            recover(files, path, journal)
            if files.exists(path):
                return cls._open_existing(files, path, journal, copying or Copying(), rewrite=rewrite)
            return cls._open_new(files, path, journal)
        except BaseException:
            # The recovery may have failed half-way: then its records must stay.
            if journal.leftover:
                journal.close()
            else:
                journal.remove()
            raise

    @classmethod
    def _open_existing(
        cls, files: FilePrimitives, path: str, journal: Journal, copying: Copying, *, rewrite: bool
    ) -> Transaction:
        file = files.open(path, "r+")
        try:
            base = Container.load(files, path, file, file.size())
            if base.manifest is None:
                raise ArchiveError(
                    f"{display_path(path)} is a plain ZIP without a history; nothing can be added to it in place.",
                    hint="Save into a new .jcf archive instead, or import it into one.",
                )
            if rewrite or base.needs_upgrade:
                return cls._rewrite(files, path, journal, base, base.manifest, copying)
            # A tail that no journal speaks of is not ours to cut: it stays, dead, and the save goes behind it.
            start = base.size
            journal.restart(begin_record("append", start))
            return cls(files, path, journal, file, base, start)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _open_new(cls, files: FilePrimitives, path: str, journal: Journal) -> Transaction:
        return cls._open_part(files, path, journal, None, "new")

    @classmethod
    def begin_copy(cls, files: FilePrimitives, path: str, source: Container, copying: Copying) -> Transaction:
        """Begin a new archive at *path* with all that is alive in another one, history included.

        Args:
            files: where it will be.
            path: the new archive.
            source: of this program or of another writer; stays open.
            copying: told how the copying goes, and may stop it.

        Raises:
            ArchiveError: *source* has no history, or there is something at *path*.
            KamarosError: as :meth:`begin`.
            Exception: what *copying* stops it with.
        """
        if source.manifest is None:
            raise ArchiveError(f"{display_path(source.path)} is a plain ZIP without a history.")

        def refuse() -> None:
            raise ArchiveError(
                f"{display_path(path)} exists and has a history of its own.",
                hint="Import into a new archive, or import one version.",
            )

        if files.exists(path):
            refuse()  # before anything is done to it, such as rewriting what another program made
        transaction = cls.begin(files, path)
        if not transaction.is_new:
            transaction.rollback()
            refuse()
        transaction._copy_from(source, source.manifest, copying)  # noqa: SLF001 - its own
        return transaction

    @classmethod
    def _rewrite(
        cls,
        files: FilePrimitives,
        path: str,
        journal: Journal,
        base: Container,
        manifest: Manifest,
        copying: Copying,
    ) -> Transaction:
        transaction = cls._open_part(files, path, journal, base, "rewrite")
        transaction._copy_from(base, manifest, copying)  # noqa: SLF001 - its own
        return transaction

    def _copy_from(self, source: Container, manifest: Manifest, copying: Copying) -> None:
        """Copy what is alive in *source* into a file that is still empty, or leave no trace."""
        try:
            manifest = upgrade_manifest(manifest) if source.needs_upgrade else manifest
            self.manifest = msgspec.structs.replace(manifest, dead_bytes=0)
            copies = copy_live_entries(source, manifest, self.region, copying)
            check_copies(source.file, self.region.file, copies, copying)
            self.entries += [copy for _, copy in copies]
        except BaseException:
            self.rollback()
            raise

    @classmethod
    def _open_part(
        cls,
        files: FilePrimitives,
        path: str,
        journal: Journal,
        base: Container | None,
        kind: Literal["new", "rewrite"],
    ) -> Transaction:
        """Begin a file beside the archive, which is to become it."""
        journal.restart(begin_record(kind, 0))
        try:
            file = files.open(part_path(path), "x")
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise StorageError(
                    f"{display_path(part_path(path))} is in the way of the new archive.",
                    path=display_path(part_path(path)),
                    hint="It was not made by Kamaros; rename it, or choose another name.",
                ) from error
            raise
        try:
            transaction = cls(files, path, journal, file, base, 0, kind)
        except BaseException:
            file.close()
            with contextlib.suppress(StorageError, NotFoundError):
                files.delete(part_path(path))
            raise
        try:
            mark = mimetype_entry()
            transaction.region.append([encode_plain_local_header(mark), MIMETYPE])
        except BaseException:
            transaction.rollback()
            raise
        transaction.entries.append(mark)
        return transaction

    @property
    def is_new(self) -> bool:
        """Whether the archive does not exist before the commit."""
        return self._kind == "new"

    @property
    def is_rewrite(self) -> bool:
        """Whether the commit puts another file in the place of the archive."""
        return self._kind == "rewrite"

    def commit(self, tail: Buffer, patches: Sequence[HeaderPatch] = (), *, check: bool = False) -> None:
        """Make the appended entries and *tail* the new state.

        Args:
            tail: manifest entry, central directory and end records; goes where the region ends.
            patches: local headers of old entries to be rewritten afterwards.
            check: read *tail* back before it counts.

        Raises:
            IntegrityError: what is read back is something else; otherwise as below.
            DiskFullError, StorageError: it could not be written, and nobody sees anything of it; call :meth:`rollback`,
                or this again.
        """
        offset = self.region.position
        self._file.sync(data_only=True)
        try:
            self._journal.append(
                {
                    "kind": "commit",
                    "offset": offset,
                    "length": len(tail),
                    "sha256": hashlib.sha256(tail).hexdigest(),
                    "patches": recorded_patches(patches),
                },
                sync=True,
            )
            self.region.append([tail])
            self._file.truncate(self.region.position)
            self._file.sync()
            if check and self._file.read(offset, len(tail)) != tail:
                raise not_kept("the directory is not the one that was written.")
            if self._kind != "append":
                self._publish()
        except BaseException:
            self._withdraw(offset)
            raise
        # Committed: from here on nothing may fail the save, and nothing be taken back. What can't be finished now is
        # finished by the next one who opens the archive for writing, from the journal.
        try:
            apply_patches(self._file, patches)
        except StorageError:
            with contextlib.suppress(StorageError):
                self._close_files()
            self._journal.close()
            return
        with contextlib.suppress(StorageError):
            self._close_files()
        with contextlib.suppress(StorageError):  # what it says has happened; the next writer removes it
            self._journal.remove()

    def _withdraw(self, offset: int) -> None:
        """Take back a commit that failed: announced and written whole, it would look made to whoever reads now."""
        with contextlib.suppress(StorageError):
            self._file.truncate(offset)
        with contextlib.suppress(StorageError):
            self._journal.restart(begin_record(self._kind, self.region.start))
        self.region.rewind(offset)

    def _publish(self) -> None:
        """Give the file its final name."""
        part = part_path(self.path)
        if self.is_rewrite:
            status = self.files.stat(self.path)
            self.files.set_attributes(part, status.mode, self._file.status().mtime_ns)
            self.files.rename(part, self.path)
            # From here on what is written to is the archive: nothing that goes wrong now may be taken for a failure.
            with contextlib.suppress(Exception):  # old or new, both are whole
                self.files.sync_folder(os.path.dirname(self.path))
            return
        try:
            self.files.rename(part, self.path, replace=False)
        except StorageError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
            raise StorageError(
                f"{display_path(self.path)} was made by another program meanwhile.",
                path=display_path(self.path),
                hint="Save again to add to it, or choose another name.",
            ) from error
        try:
            self.files.sync_folder(os.path.dirname(self.path))
        except BaseException:
            # It may not outlive a power cut, so it is not there: rollback then removes it under its first name.
            self.files.rename(self.path, part)
            raise

    def _close_files(self) -> None:
        self._file.close()
        if self._base is not None and self.is_rewrite:
            self._base.close()

    def rollback(self) -> None:
        """Leave the archive byte for byte as it was, and no file beside it.

        Raises:
            StorageError: even that failed; the journal then stays and the next writer repairs.
        """
        if self._file.closed:
            return
        try:
            if self._kind != "append":
                self._file.close()
                with contextlib.suppress(NotFoundError):
                    self.files.delete(part_path(self.path))
            else:
                self._file.truncate(self.region.start)
                with contextlib.suppress(StorageError):
                    self._file.set_modified(self._times.mtime_ns)
                self._file.sync()
        except KamarosError:
            self._journal.close()
            raise
        finally:
            self._close_files()
        self._journal.remove()


def not_kept(reason: str) -> IntegrityError:
    """Return the error for bytes that are not on the disk as they were written."""
    return IntegrityError(
        f"The disk did not keep what was written: {reason}", hint="Check the disk; the archive was left as it was."
    )


def begin_record(kind: str, committed: int) -> dict[str, Any]:
    """Return the first record of a journal: who writes the archive, and what length a crash leads back to."""
    record: dict[str, Any] = {"kind": "begin", "new": kind == "new", "pid": os.getpid(), "host": socket.gethostname()}
    # While an archive is rewritten nothing happens to the file that has its name: there is no length to go back to.
    return record if kind == "rewrite" else record | {"committed": committed}
