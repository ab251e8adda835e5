"""Journal: a sidecar file that is at once the lock of an archive and the record of an unfinished save.

``<archive>.journal`` exists only while somebody writes the archive. Its owner holds an exclusive lock on it, so

* a locked journal means: in use;
* an unlocked one means: its owner died, and the records tell how far it got.

Records are lines ``<crc32, 8 hex digits> <JSON object>``. A line that is torn or fails its checksum ends the journal:
what it would have said has not happened.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import Any

import msgspec

from kamaros_gui.base.errors import ArchiveInUseError, NotFoundError, StorageError
from kamaros_gui.base.limits import JOURNAL_LIMIT
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.primitives import FilePrimitives, RandomAccess

__all__ = ["Journal", "journal_path", "read_journal"]


def journal_path(archive: str) -> str:
    """Path of the journal of *archive*."""
    return f"{archive}.journal"


def read_journal(files: FilePrimitives, archive: str) -> list[dict[str, Any]]:
    """Records of the journal of *archive*, whoever owns it; empty when there is none.

    Raises:
        StorageError: the journal is there but can't be read.
    """
    try:
        file = files.open(journal_path(archive))
    except NotFoundError:
        return []
    try:
        return _parse(file.read(0, JOURNAL_LIMIT))
    finally:
        file.close()


class Journal:
    """The journal of one archive, held by this process.

    Use :meth:`acquire`; end with :meth:`remove` (all is well) or :meth:`close` (leave it for the recovery).

    Attributes:
        path: the sidecar file.
        leftover: records found when the lock was taken: those of a process that died.
    """

    def __init__(self, files: FilePrimitives, path: str, file: RandomAccess, leftover: list[dict[str, Any]]) -> None:
        self.path = path
        self.leftover = leftover
        self._files = files
        self._file = file

    @classmethod
    def acquire(cls, files: FilePrimitives, archive: str) -> Journal:
        """Take the lock of *archive* at once or not at all.

        Raises:
            ArchiveInUseError: somebody holds it; the message names the process.
            StorageError: the folder of the archive can't be written.
        """
        path = journal_path(archive)
        file = files.lock(path)
        if file is None:
            raise ArchiveInUseError(
                f"{display_path(archive)} is in use by {_owner(files, archive)}.",
                hint="Wait until that is done, or cancel it, then try again.",
            )
        try:
            return cls(files, path, file, _parse(file.read(0, JOURNAL_LIMIT)))
        except BaseException:
            with contextlib.suppress(StorageError, NotFoundError):
                if not file.size():  # just made: it says nothing, and would only tell of a save that never began
                    files.delete(path)
            file.close()
            raise

    def restart(self, record: dict[str, Any]) -> None:
        """Drop all records and begin again with *record*."""
        self._file.truncate(0)
        self.append(record)

    def append(self, record: dict[str, Any], *, sync: bool = False) -> None:
        """Add a record.

        Args:
            record: JSON-compatible.
            sync: wait until the record and the journal's own name are on the disk.
        """
        payload = msgspec.json.encode(record)
        self._file.write(self._file.size(), [b"%08x %s\n" % (zlib.crc32(payload), payload)])
        if sync:
            self._file.sync()
            self._files.sync_folder(os.path.dirname(self.path) or ".")

    def remove(self) -> None:
        """Delete the journal and give the lock back; does nothing where that was done already.

        Raises:
            StorageError: it can't be deleted; the lock is given back all the same.
        """
        if self._file.closed:
            return  # what has the name now belongs to somebody else
        # Deleted while still locked: whoever opened it meanwhile finds that the name has gone and starts anew.
        try:
            with contextlib.suppress(NotFoundError):
                self._files.delete(self.path)
        finally:
            self.close()

    def close(self) -> None:
        """Give the lock back and leave the records for a recovery."""
        self._file.close()


def _owner(files: FilePrimitives, archive: str) -> str:
    with contextlib.suppress(Exception):
        record = read_journal(files, archive)[0]
        return f"process {int(record['pid'])} on {str(record['host'])[:64]}"
    return "another program"


def _parse(data: bytes) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for line in data.split(b"\n")[:-1]:
        checksum, _, payload = line.partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(payload):
                break
            record = msgspec.json.decode(payload)
        except (ValueError, msgspec.DecodeError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records
