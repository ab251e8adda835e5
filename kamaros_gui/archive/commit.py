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
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Sequence
from typing import Any

from kamaros_gui.archive.container import MIMETYPE, Container
from kamaros_gui.archive.recovery import HeaderPatch, apply_patches, mimetype_entry, part_path, recover
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

__all__ = ["Transaction", "not_kept"]


class Transaction:
    """One save in progress. All methods block and belong in a worker thread.

    Use :meth:`begin`; end with :meth:`commit` or :meth:`rollback`, after which the lock is free and every file closed.

    Attributes:
        files: where the archive is.
        path: the archive.
        base: its state before, ``None`` for a new archive.
        region: where new entries go.
        first_entries: entries of a new archive that exist already (``mimetype``).
    """

    def __init__(
        self,
        files: FilePrimitives,
        path: str,
        journal: Journal,
        file: RandomAccess,
        base: Container | None,
        start: int,
    ) -> None:
        self.files = files
        self.path = path
        self.base = base
        self.region = AppendRegion(file, start)
        self.first_entries: list[ZipEntry] = []
        self._journal = journal
        self._file = file
        self._times = file.status()

    @classmethod
    def begin(cls, files: FilePrimitives, path: str) -> Transaction:
        """Take the lock of the archive at *path*, recover what a crash left, and open it for appending.

        Raises:
            ArchiveInUseError: somebody else is writing it.
            ZipFormatError, ManifestError: it exists but is damaged.
            ArchiveError: it is a plain ZIP, which has no history to add to.
            StorageError: its folder or file can't be written.
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
                return cls._open_existing(files, path, journal)
            return cls._open_new(files, path, journal)
        except BaseException:
            # The recovery may have failed half-way: then its records must stay.
            if journal.leftover:
                journal.close()
            else:
                journal.remove()
            raise

    @classmethod
    def _open_existing(cls, files: FilePrimitives, path: str, journal: Journal) -> Transaction:
        file = files.open(path, "r+")
        try:
            base = Container.load(files, path, file, file.size())
            if base.manifest is None:
                raise ArchiveError(
                    f"{display_path(path)} is a plain ZIP without a history; nothing can be added to it in place.",
                    hint="Save into a new .jcf archive instead.",
                )
            # A tail that no journal speaks of is not ours to cut: it stays, dead, and the save goes behind it.
            start = base.size
            journal.restart(_begin_record(start, new=False))
            return cls(files, path, journal, file, base, start)
        except BaseException:
            file.close()
            raise

    @classmethod
    def _open_new(cls, files: FilePrimitives, path: str, journal: Journal) -> Transaction:
        journal.restart(_begin_record(0, new=True))
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
            transaction = cls(files, path, journal, file, None, 0)
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
        transaction.first_entries.append(mark)
        return transaction

    @property
    def is_new(self) -> bool:
        """Whether the archive does not exist before the commit."""
        return self.base is None

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
                    "patches": [[at, data.hex()] for at, data in patches],
                },
                sync=True,
            )
            self.region.append([tail])
            self._file.truncate(self.region.position)
            self._file.sync()
            if check and self._file.read(offset, len(tail)) != tail:
                raise not_kept("the directory is not the one that was written.")
            if self.is_new:
                self._publish()
        except BaseException:
            self._withdraw(offset)
            raise
        # Committed: from here on nothing may fail the save, and nothing be taken back. What can't be finished now is
        # finished by the next one who opens the archive for writing, from the journal.
        try:
            apply_patches(self._file, patches)
        except StorageError:
            self._file.close()
            self._journal.close()
            return
        self._file.close()
        with contextlib.suppress(StorageError):  # what it says has happened; the next writer removes it
            self._journal.remove()

    def _withdraw(self, offset: int) -> None:
        """Take back a commit that failed: announced and written whole, it would look made to whoever reads now."""
        with contextlib.suppress(StorageError):
            self._file.truncate(offset)
        with contextlib.suppress(StorageError):
            self._journal.restart(_begin_record(self.region.start, new=self.is_new))
        self.region.rewind(offset)

    def _publish(self) -> None:
        try:
            self.files.rename(part_path(self.path), self.path, replace=False)
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
        except StorageError:
            # It may not outlive a power cut, so it is not there: rollback then removes it under its first name.
            self.files.rename(self.path, part_path(self.path))
            raise

    def rollback(self) -> None:
        """Leave the archive byte for byte as it was, and no file beside it.

        Raises:
            StorageError: even that failed; the journal then stays and the next writer repairs.
        """
        if self._file.closed:
            return
        try:
            if self.is_new:
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
            self._file.close()
        self._journal.remove()


def not_kept(reason: str) -> IntegrityError:
    """Return the error for bytes that are not on the disk as they were written."""
    return IntegrityError(
        f"The disk did not keep what was written: {reason}", hint="Check the disk; the archive was left as it was."
    )


def _begin_record(committed: int, *, new: bool) -> dict[str, Any]:
    return {"kind": "begin", "committed": committed, "new": new, "pid": os.getpid(), "host": socket.gethostname()}
