"""LocalAdapter: the files of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import Final

import filelock

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.failures import free_space, mount_point, storage_errors, translate
from kamaros_gui.storage.files import RandomAccessFile, status_of, sync_directory
from kamaros_gui.storage.primitives import FileStatus, OpenMode, not_found
from kamaros_gui.storage.whole import FileWriter, read_link, read_whole, set_attributes, write_link

__all__ = ["LocalAdapter"]

_LOCK_ATTEMPTS: Final = 16


class LocalAdapter(FileSystemAdapter):
    """The files of this machine, as the operating system shows them. Has no state."""

    def find(self, path: str) -> FileStatus | None:
        """Return the status of *path*, ``None`` where nothing has that name."""
        with storage_errors(path, "read"):
            try:
                return status_of(os.lstat(path))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, folder: str) -> Iterator[tuple[str, FileStatus | StorageError | NotFoundError]]:
        """Return name and status of everything in *folder*, sorted by name."""
        with storage_errors(folder, "read"), os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        return ((entry.name, _status_or_error(entry)) for entry in found)

    def absolute(self, path: str) -> str:
        """Return *path* from the root on, ``.`` and ``..`` worked out by their letters alone."""
        return os.path.abspath(path)

    def resolve(self, path: str) -> str:
        """Return *path* absolute, with every link followed, whether or not it exists."""
        with storage_errors(path, "read"):
            return os.path.realpath(path)

    def open(self, path: str, mode: OpenMode = "r") -> RandomAccessFile:
        """Open a file; links are followed."""
        return RandomAccessFile(path, mode)

    def read_whole(self, path: str, limit: int) -> tuple[bytes, FileStatus]:
        """Read a file of at most *limit* bytes; return its content and the status that belongs to it."""
        return read_whole(path, limit)

    def read_link(self, path: str) -> bytes:
        """Return where a link points to."""
        return read_link(path)

    def create(self, path: str) -> FileWriter:
        """Begin a new file under *path*."""
        return FileWriter(path)

    def make_link(self, path: str, target: bytes, mtime_ns: int) -> None:
        """Make a link that points to *target*."""
        write_link(path, target, mtime_ns)

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make one folder; its parent must exist."""
        with storage_errors(path, "made"):
            os.mkdir(path, mode)

    def set_attributes(self, path: str, mode: int, mtime_ns: int) -> None:
        """Set permission bits (without set-uid, set-gid and sticky) and modification time."""
        with storage_errors(path, "written"):
            set_attributes(path, mode, mtime_ns)

    def rename(self, source: str, destination: str, *, replace: bool = True) -> None:
        """Give *source* the name *destination*, at once, across a mount point if need be."""
        if self.find(source) is None:
            raise not_found(source)
        with storage_errors(destination, "written"):
            if not replace:
                _rename_to_free_name(source, destination)
                return
            try:
                os.replace(source, destination)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _move_across(source, destination)

    def delete(self, path: str) -> None:
        """Delete a file, a link, or an empty folder."""
        with storage_errors(path, "removed"):
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
            else:
                _unlink(path)

    def delete_tree(self, path: str) -> None:
        """Delete *path* with everything below it, even where permissions forbid to look into it.

        With an own stack: trees are deeper than Python's. Nobody else must be able to put a link in the place of a
        folder meanwhile; a staging folder is open to its owner alone.
        """
        if os.path.islink(path) or not os.path.isdir(path):
            with contextlib.suppress(OSError):
                _unlink(path)
            return
        pending, found = [path], []
        while pending:
            current = pending.pop()
            found.append(current)
            with contextlib.suppress(OSError):
                os.chmod(current, 0o700)
                with os.scandir(current) as entries:
                    for entry in list(entries):
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        else:
                            with contextlib.suppress(OSError):
                                _unlink(entry.path)
        for each in reversed(found):
            with contextlib.suppress(OSError):
                os.rmdir(each)

    def sync_folder(self, path: str) -> None:
        """Make new names in the folder *path* safe from a power cut."""
        sync_directory(path)

    def lock(self, path: str, *, create: bool = True) -> RandomAccessFile | None:
        """Open the file *path* and lock it against all other lockers, at once or not at all."""
        flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        for _ in range(_LOCK_ATTEMPTS):
            with storage_errors(path, "written"):
                fd = os.open(path, flags, 0o644)
                try:
                    locked = filelock.lock_descriptor(fd, blocking=False)
                    if locked and _has_name(fd, path):
                        return RandomAccessFile(path, fd=fd)
                except BaseException:
                    os.close(fd)
                    raise
                os.close(fd)
            if not locked:
                return None
            # The former owner removed the file between our open and our lock: we locked a ghost.
        return None

    def free_space(self, path: str) -> int:
        """Bytes this user may still write on the volume of *path*."""
        return free_space(path)

    def volume(self, path: str) -> str:
        """Return the mount point of the volume that holds *path*."""
        return mount_point(path)

    def folds_case(self, folder: str) -> bool:
        """Whether names in *folder* that differ only by case are the same; false where that can't be told."""
        parent, name = os.path.split(os.path.abspath(folder))
        if name.swapcase() == name:
            return False
        try:
            return os.path.samestat(os.lstat(folder), os.lstat(os.path.join(parent, name.swapcase())))
        except OSError:
            return False


def _status_or_error(entry: os.DirEntry[str]) -> FileStatus | StorageError | NotFoundError:
    try:
        return status_of(entry.stat(follow_symlinks=False))
    except OSError as error:
        return translate(error, entry.path, "read")


def _has_name(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _rename_to_free_name(source: str, destination: str) -> None:
    """Rename, but never onto something: whoever else makes *destination* at the same moment loses or wins whole."""
    if os.name == "nt":
        os.rename(source, destination)  # there it refuses by itself
        return
    try:
        os.link(source, destination, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # A folder, another volume, or one without hard links: nothing better than a look beforehand is to be had.
        if os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        try:
            os.rename(source, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_across(source, destination)
    else:
        os.unlink(source)


def _move_across(source: str, destination: str) -> None:
    """Copy beside *destination* first: the final name never shows half a file."""
    staged = f"{destination}.{secrets.token_hex(4)}.part"
    try:
        shutil.copy2(source, staged, follow_symlinks=False)
        os.replace(staged, destination)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)
        raise
    os.unlink(source)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError:
        if os.name != "nt":
            raise
        os.chmod(path, 0o600)  # Windows does not delete what is read-only
        os.unlink(path)
