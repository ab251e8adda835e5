"""MemoryAdapter: a place for files in memory, for tests, previews, and archives that never touch a disk."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import posixpath
from collections.abc import Iterator
from typing import Final

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.failures import storage_errors
from kamaros_gui.storage.memory_files import MemoryFile, MemoryNewFile
from kamaros_gui.storage.memory_nodes import FileNode, FolderNode, LinkNode, Node, Volume, os_error
from kamaros_gui.storage.memory_tree import Tree
from kamaros_gui.storage.primitives import FileStatus, OpenMode, changed, not_found

__all__ = ["MemoryAdapter"]

_UMASK: Final = 0o022
_FILE_MODE: Final = 0o666 & ~_UMASK


class MemoryAdapter(FileSystemAdapter):
    """A file system in memory with the behaviour of a POSIX disk.

    Paths have ``/`` between their names and begin at the root, whether they are absolute or relative. Names that differ
    by case differ. Permissions are kept and not enforced. A file that is deleted while it is open lasts until it is
    closed. Every change gives a file new times, however fast changes follow each other.

    Locks hold between all users of this object; there is nobody else. What is never closed stays locked.

    Args:
        capacity: bytes of content over all files, beyond which writing fails with DiskFullError; ``None`` for as much
            as there is memory.
    """

    def __init__(self, *, capacity: int | None = None) -> None:
        self._volume = Volume(capacity)
        self._tree = Tree(FolderNode(self._volume, 0o755))

    # ------------------------------------------------------------------------------------------- looking

    def find(self, path: str) -> FileStatus | None:
        """Return the status of *path*, ``None`` where nothing has that name."""
        with storage_errors(path, "read"), self._volume.lock:
            try:
                return self._tree.node(path, follow=False).status()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def list(self, folder: str) -> Iterator[tuple[str, FileStatus | StorageError | NotFoundError]]:
        """Return name and status of everything in *folder*, sorted by name."""
        with storage_errors(folder, "read"), self._volume.lock:
            node = self._tree.node(folder)
            if not isinstance(node, FolderNode):
                raise os_error(errno.ENOTDIR)
            names = sorted(node.children)
        return ((name, self._status_or_error(folder, node, name)) for name in names)

    def absolute(self, path: str) -> str:
        """Return *path* from the root on, ``.`` and ``..`` worked out by their letters alone."""
        return posixpath.normpath(posixpath.join("/", path))

    def resolve(self, path: str) -> str:
        """Return *path* absolute, with every link followed, whether or not it exists."""
        with storage_errors(path, "read"), self._volume.lock:
            return "/" + "/".join(self._tree.names(path or "."))

    # ------------------------------------------------------------------------------------------- reading

    def open(self, path: str, mode: OpenMode = "r") -> MemoryFile:
        """Open a file; links are followed."""
        with storage_errors(path, "opened"), self._volume.lock:
            node = self._new_file(path, _FILE_MODE) if mode == "x" else _as_file(self._tree.node(path))
            return MemoryFile(path, node, writable=mode != "r")

    def read_whole(self, path: str, limit: int) -> tuple[bytes, FileStatus]:
        """Read a file of at most *limit* bytes; return its content and the status that belongs to it."""
        with storage_errors(path, "read"), self._volume.lock:
            node = self._tree.node(path, follow=False)
            if isinstance(node, LinkNode):
                raise os_error(errno.ELOOP)
            if isinstance(node, FileNode) and node.size <= limit:
                return bytes(node.content), node.status()
        raise changed(path)

    def read_link(self, path: str) -> bytes:
        """Return where a link points to."""
        with storage_errors(path, "read"), self._volume.lock:
            node = self._tree.node(path, follow=False)
            if not isinstance(node, LinkNode):
                raise os_error(errno.EINVAL)
            return node.target

    # ------------------------------------------------------------------------------------------- writing

    def create(self, path: str) -> MemoryNewFile:
        """Begin a new file under *path*."""
        with storage_errors(path, "written"), self._volume.lock:
            node = self._new_file(path, 0o600)
            return MemoryNewFile(
                MemoryFile(path, node, writable=True), functools.partial(self._delete_if_same, path, node)
            )

    def make_link(self, path: str, target: bytes, mtime_ns: int) -> None:
        """Make a link that points to *target*."""
        with storage_errors(path, "written"), self._volume.lock:
            folder, name = self._tree.free_place(path)
            if not target:
                raise os_error(errno.ENOENT)
            link = LinkNode(self._volume, bytes(target))
            folder.add(name, link)
            link.set_attributes(None, mtime_ns)

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        """Make one folder; its parent must exist."""
        with storage_errors(path, "made"), self._volume.lock:
            folder, name = self._tree.free_place(path)
            folder.add(name, FolderNode(self._volume, mode & ~_UMASK))

    def set_attributes(self, path: str, mode: int, mtime_ns: int) -> None:
        """Set permission bits (without set-uid, set-gid and sticky) and modification time."""
        with storage_errors(path, "written"), self._volume.lock:
            self._tree.node(path).set_attributes(mode, mtime_ns)

    def rename(self, source: str, destination: str, *, replace: bool = True) -> None:
        """Give *source* the name *destination*, at once."""
        with self._volume.lock:
            with storage_errors(source, "renamed"):
                old_folder, old_name, node = self._tree.named(source)
            with storage_errors(destination, "written"):
                folder, name = self._tree.place(destination)
                former = folder.children.get(name)
                if former is not None and not replace:
                    raise os_error(errno.EEXIST)
                if former is node:
                    return
                if isinstance(node, FolderNode) and node in self._tree.parents(destination):
                    raise os_error(errno.EINVAL)
                _check_replaceable(node, former)
            del old_folder.children[old_name]
            old_folder.changed()
            folder.add(name, node)
            node.ctime_ns = self._volume.now()

    def delete(self, path: str) -> None:
        """Delete a file, a link, or an empty folder."""
        with storage_errors(path, "removed"), self._volume.lock:
            folder, name, node = self._tree.named(path)
            if isinstance(node, FolderNode) and node.children:
                raise os_error(errno.ENOTEMPTY)
            folder.remove(name)

    def delete_tree(self, path: str) -> None:
        """Delete *path* with everything below it, at once, with an own stack: trees are deeper than Python's."""
        with contextlib.suppress(OSError), self._volume.lock:
            folder, name, _node = self._tree.named(path)
            pending = [folder.remove(name)]
            while pending:
                node = pending.pop()
                if isinstance(node, FolderNode):
                    pending += node.children.values()
                    for child in node.children.values():
                        child.unnamed()
                    node.children = {}

    def sync_folder(self, path: str) -> None:
        """Do nothing but look for the folder; memory does not survive a power cut anyway."""
        with storage_errors(path, "written"), self._volume.lock:
            if not isinstance(self._tree.node(path), FolderNode):
                raise os_error(errno.ENOTDIR)

    # -------------------------------------------------------------------------------------- locks, volumes

    def lock(self, path: str, *, create: bool = True) -> MemoryFile | None:
        """Open the file *path* and lock it against all other lockers, at once or not at all."""
        with storage_errors(path, "written"), self._volume.lock:
            try:
                node = _as_file(self._tree.node(path))
            except FileNotFoundError:
                if not create:
                    raise
                node = self._new_file(path, _FILE_MODE)
            return None if node.locked else MemoryFile(path, node, writable=True, locked=True)

    def free_space(self, path: str) -> int:  # noqa: ARG002 - there is one volume
        """Bytes that may still be written; a very large number where the capacity is not limited."""
        with self._volume.lock:
            return self._volume.free

    def volume(self, path: str) -> str:  # noqa: ARG002 - there is one volume
        """Name of the volume: ``memory``."""
        return self._volume.name

    def folds_case(self, folder: str) -> bool:  # noqa: ARG002 - all folders are alike
        """Whether names that differ only by case are the same: never."""
        return False

    def _new_file(self, path: str, mode: int) -> FileNode:
        folder, name = self._tree.free_place(path)
        node = FileNode(self._volume, mode)
        folder.add(name, node)
        return node

    def _status_or_error(self, path: str, folder: FolderNode, name: str) -> FileStatus | NotFoundError:
        with self._volume.lock:
            node = folder.children.get(name)
            return not_found(os.path.join(path, name)) if node is None else node.status()

    def _delete_if_same(self, path: str, node: Node) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._volume.lock:
            folder, name, found = self._tree.named(path)
            if found is node:
                folder.remove(name)


def _as_file(node: Node) -> FileNode:
    if not isinstance(node, FileNode):
        raise os_error(errno.EISDIR)
    return node


def _check_replaceable(node: Node, former: Node | None) -> None:
    """Check that *node* may take the name of *former*: a folder only that of an empty folder."""
    if former is None:
        return
    if isinstance(former, FolderNode):
        if not isinstance(node, FolderNode):
            raise os_error(errno.EISDIR)
        if former.children:
            raise os_error(errno.ENOTEMPTY)
    elif isinstance(node, FolderNode):
        raise os_error(errno.ENOTDIR)
