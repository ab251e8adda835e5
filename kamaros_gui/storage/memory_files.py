"""Open files of a file system in memory."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kamaros_gui.base.errors import DiskFullError
from kamaros_gui.storage.failures import storage_errors
from kamaros_gui.storage.memory_nodes import FileNode, os_error
from kamaros_gui.storage.primitives import Buffer, FileStatus, disk_full, exactly

__all__ = ["MemoryFile", "MemoryNewFile"]


class MemoryFile:
    """An open file in memory; see :class:`~kamaros_gui.storage.primitives.RandomAccess`.

    Reading copies the bytes that are asked for, once. It is made while the volume's lock is held.

    Args:
        path: what it was opened under.
        node: the file.
        writable: whether it may be written.
        locked: whether it holds the file's lock, which closing it gives back.
    """

    def __init__(self, path: str, node: FileNode, *, writable: bool, locked: bool = False) -> None:
        self.path = path
        self._node = node
        self._volume = node.volume
        self._writable = writable
        self._locked = locked
        self._open = True
        node.opened += 1
        node.locked |= locked

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._open

    def status(self) -> FileStatus:
        """Return what is known of the open file."""
        with self._using("read") as node:
            return node.status()

    def size(self) -> int:
        """Length in bytes."""
        with self._using("read") as node:
            return node.size

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*; fewer only at the end of the file."""
        with self._using("read", offset, length) as node:
            return bytes(memoryview(node.content)[offset : offset + length])

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill *buffer* from *offset*; return the number of bytes, fewer than its length only at the end."""
        with self._using("read", offset) as node:
            found = memoryview(node.content)[offset : offset + len(buffer)]
            buffer[: len(found)] = found
            return len(found)

    def read_exactly(self, offset: int, length: int) -> bytes:
        """Read *length* bytes at *offset*; raises IntegrityError where the file ends before."""
        return exactly(self, offset, length)

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write *parts* one after the other at *offset*; return the number of bytes.

        Raises:
            DiskFullError: the volume is full; what there was room for is written.
            StorageError: the file is closed or was opened for reading.
        """
        total = sum(map(len, parts))
        done = self.write_what_fits(offset, parts)
        if done < total:
            raise self.full(total - done)
        return total

    def write_what_fits(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write *parts* at *offset*; return the number of bytes there was room for."""
        with self._using("written", offset, writing=True) as node:
            return node.write(offset, parts)

    def full(self, wanted: int) -> DiskFullError:
        """Return the error for *wanted* more bytes that there is no room for."""
        with self._volume.lock:
            free = self._volume.free
        return disk_full(self.path, self._volume.name, wanted, free if free < wanted else 0)

    def truncate(self, size: int) -> None:
        """Cut or extend the file to *size* bytes.

        Raises:
            DiskFullError: the volume is full; the file is as it was.
        """
        with self._using("truncated", size, writing=True) as node:
            missing = 0 if node.resize(size) else size - node.size
        if missing:
            raise self.full(missing)

    def sync(self, *, data_only: bool = False) -> None:  # noqa: ARG002 - memory has nothing to wait for
        """Do nothing; memory does not survive a power cut anyway."""
        with self._using("written"):
            pass

    def set_modified(self, mtime_ns: int) -> None:
        """Set the modification time."""
        self.set_attributes(None, mtime_ns)

    def set_attributes(self, mode: int | None, mtime_ns: int) -> None:
        """Set permission bits, where given, and modification time."""
        with self._using("written") as node:
            node.set_attributes(mode, mtime_ns)

    def close(self) -> None:
        """Close the file, and give back its lock where it has one; closing twice is fine."""
        with self._volume.lock:
            if not self._open:
                return
            self._open = False
            self._node.opened -= 1
            if self._locked:
                self._node.locked = False
            self._node.forget_unreachable()

    @contextmanager
    def _using(self, action: str, *numbers: int, writing: bool = False) -> Iterator[FileNode]:
        """Lock the volume and check what the system calls of a disk check."""
        with storage_errors(self.path, action), self._volume.lock:
            if not self._open or (writing and not self._writable):
                raise os_error(errno.EBADF)
            if any(number < 0 for number in numbers):
                raise os_error(errno.EINVAL)
            yield self._node


class MemoryNewFile:
    """A new file in memory; see :class:`~kamaros_gui.storage.primitives.NewFile`.

    Args:
        file: open for writing.
        delete: takes its name away where it still has it.

    Attributes:
        path: as it was made.
        size: bytes written so far.
    """

    def __init__(self, file: MemoryFile, delete: Callable[[], None]) -> None:
        self.path = file.path
        self.size = 0
        self._file = file
        self._delete = delete

    def append(self, parts: Sequence[Buffer]) -> None:
        """Write *parts* at the end.

        Raises:
            DiskFullError: the volume is full; what there was room for is written.
            StorageError: the file is closed.
        """
        total = sum(map(len, parts))
        done = self._file.write_what_fits(self.size, parts)
        self.size += done
        if done < total:
            raise self._file.full(total - done)

    def finish(self, mode: int, mtime_ns: int, *, sync: bool = False) -> None:  # noqa: ARG002 - nothing to wait for
        """Set permissions and modification time, and close."""
        self._file.set_attributes(mode, mtime_ns)
        self.close()

    def discard(self) -> None:
        """Close and delete the file; does nothing where it has gone."""
        self.close()
        self._delete()

    def close(self) -> None:
        """Close the file as it is; closing twice is fine."""
        self._file.close()
