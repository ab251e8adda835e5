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
from typing import Any, Final

import filelock
import msgspec

from kamaros_gui.base.errors import ArchiveInUseError
from kamaros_gui.base.limits import JOURNAL_LIMIT
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.failures import storage_errors
from kamaros_gui.storage.files import sync_directory

__all__ = ["Journal", "journal_path", "read_journal"]

_ATTEMPTS: Final = 16


def journal_path(archive: str) -> str:
    """Path of the journal of *archive*."""
    return f"{archive}.journal"


def read_journal(archive: str) -> list[dict[str, Any]]:
    """Records of the journal of *archive*, whoever owns it; empty when there is none.

    Raises:
        StorageError: the journal is there but can't be read.
    """
    path = journal_path(archive)
    try:
        with storage_errors(path, "read"), open(path, "rb") as file:
            return _parse(file.read(JOURNAL_LIMIT))
    except Exception:
        if not os.path.lexists(path):
            return []
        raise


class Journal:
    """The journal of one archive, held by this process.

    Use :meth:`acquire`; end with :meth:`remove` (all is well) or :meth:`close` (leave it for the recovery).

    Attributes:
        path: the sidecar file.
        leftover: records found when the lock was taken: those of a process that died.
    """

    def __init__(self, path: str, fd: int, leftover: list[dict[str, Any]]) -> None:
        self.path = path
        self.leftover = leftover
        self._fd = fd

    @classmethod
    def acquire(cls, archive: str) -> Journal:
        """Take the lock of *archive* at once or not at all.

        Raises:
            ArchiveInUseError: somebody holds it; the message names the process.
            StorageError: the folder of the archive can't be written.
        """
        path = journal_path(archive)
        for _ in range(_ATTEMPTS):
            with storage_errors(path, "written"):
                fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            try:
                if not filelock.lock_descriptor(fd, blocking=False):
                    raise ArchiveInUseError(
                        f"{display_path(archive)} is in use by {_owner(archive)}.",
                        hint="Wait until that is done, or cancel it, then try again.",
                    )
                if _same_file(fd, path):
                    return cls(path, fd, _parse(_read_all(fd)))
            except BaseException:
                os.close(fd)
                raise
            # The former owner removed the file between our open and our lock: we locked a ghost.
            os.close(fd)
        raise ArchiveInUseError(f"{display_path(archive)} is in use by several programs at once.", hint="Try again.")

    def restart(self, record: dict[str, Any]) -> None:
        """Drop all records and begin again with *record*."""
        with storage_errors(self.path, "written"):
            os.ftruncate(self._fd, 0)
        self.append(record)

    def append(self, record: dict[str, Any], *, sync: bool = False) -> None:
        """Add a record.

        Args:
            record: JSON-compatible.
            sync: wait until the record and the journal's own name are on the disk.
        """
        payload = msgspec.json.encode(record)
        line = b"%08x %s\n" % (zlib.crc32(payload), payload)
        with storage_errors(self.path, "written", wanted=len(line)):
            os.lseek(self._fd, 0, os.SEEK_END)
            view = memoryview(line)
            while view:
                view = view[os.write(self._fd, view) :]
            if sync:
                os.fsync(self._fd)
                sync_directory(os.path.dirname(self.path) or ".")

    def remove(self) -> None:
        """Delete the journal and give the lock back; does nothing where that was done already.

        Raises:
            StorageError: it can't be deleted; the lock is given back all the same.
        """
        if self._fd < 0:
            return  # what has the name now belongs to somebody else
        # Unlinked while still locked: whoever opened it meanwhile finds that the name has gone and starts anew.
        try:
            with storage_errors(self.path, "removed"), contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        finally:
            self.close()

    def close(self) -> None:
        """Give the lock back and leave the records for a recovery."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _read_all(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    parts = []
    while data := os.read(fd, 1 << 20):
        parts.append(data)
    return b"".join(parts)


def _same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _owner(archive: str) -> str:
    with contextlib.suppress(Exception):
        record = read_journal(archive)[0]
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
