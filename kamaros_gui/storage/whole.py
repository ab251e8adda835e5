"""Small files in one go, new files and links on the disk: the blocking calls of the batch path."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from typing import Final

from kamaros_gui.storage.failures import storage_errors
from kamaros_gui.storage.files import status_of
from kamaros_gui.storage.primitives import Buffer, FileStatus, changed

__all__ = ["FileWriter", "read_link", "read_whole", "set_attributes", "write_link"]

_ATTEMPTS: Final = 3
_SPARSE_UNIT: Final = bytes(64 * 1024)
"""Runs of zeros of this length become holes."""

_READ_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that took the place of the file would hold the thread for ever
)  # fmt: skip
_CREATE_FLAGS: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)  # fmt: skip


def read_whole(path: str, limit: int) -> tuple[bytes, FileStatus]:
    """Read a file of at most *limit* bytes; return its content and the status that belongs to it.

    Raises:
        SourceChangedError: it changes while it is read, or has grown beyond *limit*.
        NotFoundError, StorageError: it can't be read.
    """
    with storage_errors(path, "read"):
        fd = os.open(path, _READ_FLAGS)
        try:
            for _ in range(_ATTEMPTS):
                before = os.fstat(fd)
                if not stat.S_ISREG(before.st_mode):
                    break
                data = os.pread(fd, limit + 1, 0) if hasattr(os, "pread") else os.read(fd, limit + 1)
                after = os.fstat(fd)
                if len(data) > limit:
                    break
                if len(data) == before.st_size and before.st_mtime_ns == after.st_mtime_ns:
                    return data, status_of(after)
        finally:
            os.close(fd)
    raise changed(path)


def read_link(path: str) -> bytes:
    """Return the target of a link as bytes.

    Raises:
        NotFoundError, StorageError: it can't be read.
    """
    with storage_errors(path, "read"):
        return os.fsencode(os.readlink(path)).replace(b"\\", b"/" if os.name == "nt" else b"\\")


def write_link(path: str, target: bytes, mtime_ns: int) -> None:
    """Make a link at *path*.

    Raises:
        StorageError: it can't be made.
    """
    with storage_errors(path, "written"):
        os.symlink(os.fsdecode(target), path)
        if os.utime in os.supports_follow_symlinks:
            os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


class FileWriter:
    """A new file that is written from front to back; long runs of zeros become holes.

    Args:
        path: file to create; it must not exist.

    Raises:
        StorageError: it can't be created.

    Attributes:
        size: bytes written so far, holes included.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        with storage_errors(path, "written"):
            self._fd = os.open(path, _CREATE_FLAGS, 0o600)

    def append(self, parts: Sequence[Buffer]) -> None:
        """Write *parts* at the end.

        Raises:
            DiskFullError: the volume is full.
            StorageError: the file can't be written.
        """
        with storage_errors(self.path, "written", wanted=sum(map(len, parts))):
            for part in parts:
                length = len(part)
                if length >= len(_SPARSE_UNIT) and _is_zero(part):
                    os.lseek(self._fd, length, os.SEEK_CUR)
                    self.size += length
                    continue
                view = memoryview(part)
                while view:
                    written = os.write(self._fd, view)
                    view = view[written:]
                    self.size += written

    def finish(self, mode: int, mtime_ns: int, *, sync: bool = False) -> None:
        """Set length, permissions and time, and close. Set-uid, set-gid and sticky bits are not given."""
        with storage_errors(self.path, "written"):
            os.ftruncate(self._fd, self.size)
            set_attributes(self._fd, mode, mtime_ns)
            if sync:
                os.fsync(self._fd)
        self.close()

    def discard(self) -> None:
        """Close and delete the file, unless something else has its name by now."""
        mine = os.fstat(self._fd) if self._fd >= 0 else None
        self.close()
        with storage_errors(self.path, "removed"), contextlib.suppress(FileNotFoundError):
            if mine is None or os.path.samestat(mine, os.lstat(self.path)):
                os.unlink(self.path)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def set_attributes(target: int | str, mode: int, mtime_ns: int) -> None:
    """Set permission bits and modification time of a descriptor or path.

    Set-uid and set-gid are left out: ownership is not restored, so they would hand out the wrong rights.
    """
    if isinstance(target, str) or os.chmod in os.supports_fd:
        os.chmod(target, mode & 0o777)
    if isinstance(target, str) or os.utime in os.supports_fd:
        os.utime(target, ns=(mtime_ns, mtime_ns))


def _is_zero(part: Buffer) -> bool:
    step = len(_SPARSE_UNIT)
    view = memoryview(part)
    return all(view[at : at + step] == _SPARSE_UNIT[: min(step, len(part) - at)] for at in range(0, len(part), step))
