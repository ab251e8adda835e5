"""FilePrimitives: what a place for files must be able to do, and the records and open files that go with it.

Two places, :class:`~kamaros_gui.storage.local.LocalAdapter` for the disk and
:class:`~kamaros_gui.storage.memory.MemoryAdapter` for memory, pass the same conformance tests. Temporary areas, atomic
writes and streams follow from these primitives and are added by
:class:`~kamaros_gui.storage.adapter.FileSystemAdapter`, from which a place derives.

Every method blocks and belongs in a worker thread; every method may be called on several threads at once. Paths are
strings; undecodable bytes in names are surrogates (``os.fsdecode``). Links are never followed unless said otherwise.
Errors are :class:`~kamaros_gui.base.errors.NotFoundError` (nothing has that name),
:class:`~kamaros_gui.base.errors.DiskFullError` (no room; names the volume) and
:class:`~kamaros_gui.base.errors.StorageError` (anything else the file system refused; names the path).
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from kamaros_gui.base.config import format_size
from kamaros_gui.base.errors import DiskFullError, IntegrityError, NotFoundError, SourceChangedError, StorageError
from kamaros_gui.base.texts import display_path

__all__ = [
    "Buffer",
    "FileKind",
    "FilePrimitives",
    "FileStatus",
    "NewFile",
    "OpenMode",
    "RandomAccess",
    "ReadAccess",
    "changed",
    "disk_full",
    "exactly",
    "not_found",
]

Buffer = bytes | bytearray | memoryview

FileKind = Literal["file", "directory", "symlink", "other"]

OpenMode = Literal["r", "r+", "x"]


class FileStatus(NamedTuple):
    """What is known of a file, folder or link without reading it.

    Attributes:
        kind: ``other`` for sockets, pipes and devices.
        size: bytes of a file, 0 otherwise.
        mtime_ns: modification time, nanoseconds since the epoch.
        ctime_ns: time of the last change of content or attributes, nanoseconds since the epoch.
        mode: type and permission bits, as ``st_mode``.
        device, inode: together they identify a file, whatever it is called.
    """

    kind: FileKind
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    device: int
    inode: int


class ReadAccess(Protocol):
    """An open file, read at given offsets (bytes), on several threads at once if need be."""

    @property
    def path(self) -> str:
        """The path it was opened under."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

    def status(self) -> FileStatus:
        """Return what is known of the open file."""

    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*; fewer only at the end of the file."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill *buffer* from *offset*; return the number of bytes, fewer than its length only at the end."""

    def read_exactly(self, offset: int, length: int) -> bytes:
        """Read *length* bytes at *offset*; raises IntegrityError where the file ends before."""

    def close(self) -> None:
        """Close the file, and give back its lock where it has one; closing twice is fine."""


class RandomAccess(ReadAccess, Protocol):
    """An open file, read and written at given offsets (bytes); writing is for one thread at a time."""

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write *parts* one after the other at *offset*; return the number of bytes.

        After an error some of the bytes may be written.
        """

    def truncate(self, size: int) -> None:
        """Cut or extend the file to *size* bytes."""

    def sync(self, *, data_only: bool = False) -> None:
        """Wait until the content (and the attributes, unless *data_only*) is safe from a power cut."""

    def set_modified(self, mtime_ns: int) -> None:
        """Set the modification time."""


class NewFile(Protocol):
    """A new file that is written from front to back; long runs of zeros may become holes."""

    @property
    def path(self) -> str:
        """The path it is made under."""

    @property
    def size(self) -> int:
        """Bytes written so far, holes included."""

    def append(self, parts: Sequence[Buffer]) -> None:
        """Write *parts* at the end."""

    def finish(self, mode: int, mtime_ns: int, *, sync: bool = False) -> None:
        """Set length, permissions and modification time, and close.

        Set-uid, set-gid and sticky bits are not given.

        Args:
            mode: permission bits.
            mtime_ns: nanoseconds since the epoch.
            sync: wait until it is safe from a power cut.
        """

    def discard(self) -> None:
        """Close and delete the file; does nothing where it has gone."""

    def close(self) -> None:
        """Close the file as it is; closing twice is fine."""


class FilePrimitives(abc.ABC):
    """A place for files; see the module for what all methods have in common."""

    # ------------------------------------------------------------------------------------------- looking

    @abc.abstractmethod
    def find(self, path: str) -> FileStatus | None:
        """Return the status of *path*, ``None`` where nothing has that name."""

    def stat(self, path: str) -> FileStatus:
        """Return the status of *path*.

        Raises:
            NotFoundError: nothing has that name.
        """
        status = self.find(path)
        if status is None:
            raise not_found(path)
        return status

    def exists(self, path: str) -> bool:
        """Whether something has the name *path*, be it a link that leads nowhere."""
        return self.find(path) is not None

    @abc.abstractmethod
    def list(self, folder: str) -> Iterator[tuple[str, FileStatus | StorageError | NotFoundError]]:
        """Return name and status of everything in *folder*, sorted by name.

        The names are read at once, each status when its turn comes; an entry whose status can't be told has the error
        in its place.

        Raises:
            NotFoundError: there is no such folder.
            StorageError: it is no folder, or can't be read.
        """

    @abc.abstractmethod
    def absolute(self, path: str) -> str:
        """Return *path* from the root on, ``.`` and ``..`` worked out by their letters alone."""

    @abc.abstractmethod
    def resolve(self, path: str) -> str:
        """Return *path* absolute, with every link followed, whether or not it exists."""

    # ------------------------------------------------------------------------------------------- reading

    @abc.abstractmethod
    def open(self, path: str, mode: OpenMode = "r") -> RandomAccess:
        """Open a file; links are followed.

        Args:
            path: the file.
            mode: ``"r"`` to read, ``"r+"`` to read and write, ``"x"`` to create (fails when something has that name:
                StorageError with ``FileExistsError`` as its cause).
        """

    @abc.abstractmethod
    def read_whole(self, path: str, limit: int) -> tuple[bytes, FileStatus]:
        """Read a file of at most *limit* bytes; return its content and the status that belongs to it.

        Raises:
            SourceChangedError: it changes while it is read, has grown beyond *limit*, or is no file any more.
        """

    @abc.abstractmethod
    def read_link(self, path: str) -> bytes:
        """Return where a link points to."""

    # ------------------------------------------------------------------------------------------- writing

    @abc.abstractmethod
    def create(self, path: str) -> NewFile:
        """Begin a new file under *path*, readable by its owner alone until it is finished.

        Raises:
            StorageError: something has that name.
        """

    @abc.abstractmethod
    def make_link(self, path: str, target: bytes, mtime_ns: int) -> None:
        """Make a link that points to *target*."""

    @abc.abstractmethod
    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make one folder; its parent must exist.

        Raises:
            StorageError: something has that name (``FileExistsError`` as its cause).
        """

    @abc.abstractmethod
    def set_attributes(self, path: str, mode: int, mtime_ns: int) -> None:
        """Set permission bits (without set-uid, set-gid and sticky) and modification time; a link is followed."""

    @abc.abstractmethod
    def rename(self, source: str, destination: str, *, replace: bool = True) -> None:
        """Give *source* the name *destination*, at once: nobody ever sees half of it there.

        Args:
            source: file, link or folder.
            destination: on the same volume, or copied there first.
            replace: whether a file of that name is replaced; otherwise it is a StorageError.
        """

    @abc.abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file, a link, or an empty folder."""

    @abc.abstractmethod
    def delete_tree(self, path: str) -> None:
        """Delete *path* with everything below it, whatever its permissions are; what can't be deleted stays."""

    @abc.abstractmethod
    def sync_folder(self, path: str) -> None:
        """Make new names in the folder *path* safe from a power cut."""

    # -------------------------------------------------------------------------------------- locks, volumes

    @abc.abstractmethod
    def lock(self, path: str, *, create: bool = True) -> RandomAccess | None:
        """Open the file *path* for reading and writing and lock it against all other lockers, at once or not at all.

        The lock lasts until the file is closed, or its owner dies. The file that is returned is the one that has the
        name *path*.

        Args:
            path: the lock file.
            create: make it where there is none; otherwise that is a NotFoundError.

        Returns:
            The open file; ``None`` when somebody else holds the lock.
        """

    @abc.abstractmethod
    def free_space(self, path: str) -> int:
        """Bytes that may still be written on the volume of *path*; a very large number where that can't be told."""

    @abc.abstractmethod
    def volume(self, path: str) -> str:
        """Name of the volume that holds *path* or its nearest existing parent, such as its mount point."""

    @abc.abstractmethod
    def folds_case(self, folder: str) -> bool:
        """Whether names in *folder* that differ only by case are the same."""

    def is_folder(self, path: str) -> bool:
        """Whether *path* is a folder or a link to one."""
        status = self.find(self.resolve(path))
        return status is not None and status.kind == "directory"


def not_found(path: str) -> NotFoundError:
    """Return the error for a path that does not exist."""
    shown = display_path(path)
    return NotFoundError(f"There is no file or folder {shown}.", path=shown, hint="Check the path.")


def changed(path: str) -> SourceChangedError:
    """Return the error for a file that changed while it was read."""
    shown = display_path(path)
    return SourceChangedError(f"{shown} changed while it was read.", path=shown, hint="Save it again when it is quiet.")


def disk_full(path: str, volume: str, wanted: int, free: int) -> DiskFullError:
    """Return the error for *wanted* more bytes that do not fit on a volume.

    Args:
        path: file that was written.
        volume: its volume, see :meth:`FilePrimitives.volume`.
        wanted: bytes that were still to be written there.
        free: bytes that are free there.
    """
    missing = max(1, wanted - free)
    return DiskFullError(
        f"The volume {display_path(volume)} is full: {format_size(missing)} ({missing} bytes) or more are missing to"
        f" write {display_path(path)}.",
        path=display_path(path),
        volume=volume,
        missing=missing,
        hint="Free space there or choose a place on another volume, then run it again.",
    )


def exactly(file: ReadAccess, offset: int, length: int) -> bytes:
    """Read *length* bytes of *file* at *offset*.

    Raises:
        IntegrityError: the file ends before.
    """
    data = file.read(offset, length)
    if len(data) != length:
        raise IntegrityError(
            f"{display_path(file.path)} ends at byte {offset + len(data)}, but {length} bytes were expected at"
            f" {offset}.",
            hint="The file was cut short; restore it from a copy.",
        )
    return data
