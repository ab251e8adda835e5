"""Random access to one file on the disk: positional, blocking, with our errors. Called from worker threads."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Sequence
from typing import Final

from kamaros_gui.storage.failures import storage_errors
from kamaros_gui.storage.primitives import Buffer, FileKind, FileStatus, OpenMode, exactly

__all__ = ["RandomAccessFile", "status_of", "sync_directory"]

_MAX_VECTORS: Final = 512
"""Parts in one ``pwritev``; POSIX guarantees 16, Linux and macOS allow 1024."""

_HAS_POSITIONAL_IO: Final = hasattr(os, "pread") and hasattr(os, "pwritev")


class RandomAccessFile:
    """An open file, read and written at given offsets.

    Reads may run on several threads at once. Writes go where they are told; nothing depends on a file position, except
    where the platform has no positional calls: there a lock keeps seek and transfer together.

    Args:
        path: file to open.
        mode: ``"r"`` to read, ``"r+"`` to read and write, ``"x"`` to create (fails when it exists).
        fd: take over this descriptor of *path* instead of opening it.

    Raises:
        NotFoundError: there is no such file.
        StorageError: it can't be opened.
    """

    def __init__(self, path: str, mode: OpenMode = "r", *, fd: int = -1) -> None:
        flags = {"r": os.O_RDONLY, "r+": os.O_RDWR, "x": os.O_RDWR | os.O_CREAT | os.O_EXCL}[mode]
        # Without O_NONBLOCK a pipe that took the place of the file would hold this thread for ever.
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        self.path = path
        self._seek_lock = threading.Lock()
        self._fd = fd
        if fd < 0:
            with storage_errors(path, "opened"):
                self._fd = os.open(path, flags, 0o666)

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return self._fd < 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def status(self) -> FileStatus:
        """Return size, times and mode of the open file."""
        with storage_errors(self.path, "read"):
            return status_of(os.fstat(self._fd))

    def size(self) -> int:
        """Length of the file in bytes."""
        with storage_errors(self.path, "read"):
            return os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*; fewer only at the end of the file.

        Raises:
            StorageError: the file can't be read.
        """
        with storage_errors(self.path, "read"):
            _check_offset(offset)
            data = self._read_once(offset, length)
            if len(data) == length or not data:
                return data
            parts = [data]
            got = len(data)
            while got < length:
                data = self._read_once(offset + got, length - got)
                if not data:
                    break
                parts.append(data)
                got += len(data)
            return b"".join(parts)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill *buffer* from *offset*; return the number of bytes, fewer than its length only at the end of the file.

        Raises:
            StorageError: the file can't be read.
        """
        done = 0
        with storage_errors(self.path, "read"):
            _check_offset(offset)
            while done < len(buffer):
                got = self._read_once_into(buffer[done:], offset + done)
                if not got:
                    break
                done += got
        return done

    def read_exactly(self, offset: int, length: int) -> bytes:
        """Read *length* bytes at *offset*.

        Raises:
            IntegrityError: the file ends before.
            StorageError: the file can't be read.
        """
        return exactly(self, offset, length)

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write *parts* one after the other at *offset*; return the number of bytes.

        Raises:
            DiskFullError: the volume is full; some of the bytes may be written.
            StorageError: the file can't be written.
        """
        with storage_errors(self.path, "written"):
            _check_offset(offset)
        total = sum(map(len, parts))
        done = 0
        pending = list(parts)
        while pending:
            with storage_errors(self.path, "written", wanted=total - done):
                written = self._write_once(offset + done, pending[:_MAX_VECTORS])
            done += written
            pending = _drop_written(pending, written)
        return total

    def truncate(self, size: int) -> None:
        """Cut or extend the file to *size* bytes."""
        with storage_errors(self.path, "truncated"):
            os.ftruncate(self._fd, size)

    def sync(self, *, data_only: bool = False) -> None:
        """Wait until the content (and the metadata, unless *data_only*) is on the disk."""
        with storage_errors(self.path, "written"):
            if self.closed:  # the calls below take a negative descriptor for a wrong type
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            try:
                (os.fdatasync if data_only and hasattr(os, "fdatasync") else os.fsync)(self._fd)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a file system that can't sync says so; it is not an error
                    raise

    def set_modified(self, mtime_ns: int) -> None:
        """Set the modification time, nanoseconds since the epoch."""
        target = self._fd if os.utime in os.supports_fd else self.path
        with storage_errors(self.path, "written"):
            os.utime(target, ns=(os.fstat(self._fd).st_atime_ns, mtime_ns))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _read_once(self, offset: int, length: int) -> bytes:
        if _HAS_POSITIONAL_IO:
            return os.pread(self._fd, length, offset)
        with self._seek_lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, length)

    def _read_once_into(self, buffer: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [buffer], offset)
        data = self._read_once(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _write_once(self, offset: int, parts: Sequence[Buffer]) -> int:
        if _HAS_POSITIONAL_IO:
            return os.pwritev(self._fd, parts, offset)
        with self._seek_lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.write(self._fd, parts[0])


def _check_offset(offset: int) -> None:
    """Refuse what the vectored calls would take for “where the file stands”."""
    if offset < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _drop_written(parts: list[Buffer], written: int) -> list[Buffer]:
    for index, part in enumerate(parts):
        if written < len(part):
            return [memoryview(part)[written:], *parts[index + 1 :]] if written else parts[index:]
        written -= len(part)
    return []


def sync_directory(path: str) -> None:
    """Make a rename or a new file in the folder *path* durable; does nothing where the platform has no such thing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with storage_errors(path, "written"):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(fd)


def status_of(info: os.stat_result) -> FileStatus:
    """Return the status of a file, folder or link from what the operating system tells."""
    mode = info.st_mode
    kind: FileKind = (
        "file"
        if stat.S_ISREG(mode)
        else "directory"
        if stat.S_ISDIR(mode)
        else "symlink"
        if stat.S_ISLNK(mode)
        else "other"
    )
    size = info.st_size if kind == "file" else 0
    return FileStatus(kind, size, info.st_mtime_ns, info.st_ctime_ns, mode, info.st_dev, info.st_ino)
