"""Paths in a file system in memory, with the rules of POSIX.

Whoever calls anything here holds the lock of the volume.
"""

from __future__ import annotations

import errno
import os
import posixpath
from typing import Final

from kamaros_gui.storage.memory_nodes import FolderNode, LinkNode, Node, os_error

__all__ = ["Tree"]

_MAX_LINKS: Final = 40
"""Links followed on one path, as on Linux."""

_MAX_NAME_BYTES: Final = 255

_NO_NAMES: Final = frozenset({"", ".", ".."})


class Tree:
    """Everything below a root. Absolute and relative paths begin there; all methods raise ``OSError``."""

    def __init__(self, root: FolderNode) -> None:
        self._root = root

    def node(self, path: str, *, follow: bool = True) -> Node:
        """Return what *path* stands for; links on the way are followed, one at the end as told."""
        node = self._walk(path, follow=follow)[-1][1]
        if node is None:
            raise os_error(errno.ENOENT)
        return node

    def names(self, path: str) -> list[str]:
        """Return the names from the root to *path*, all links followed, whether or not it exists."""
        return [name for name, _node in self._walk(path, follow=True, strict=False)[1:]]

    def parents(self, path: str) -> list[Node | None]:
        """Return the folders from the root to the one *path* is in."""
        head = posixpath.dirname(path.rstrip("/")) or "/"
        return [node for _name, node in self._walk(head, follow=True)]

    def place(self, path: str) -> tuple[FolderNode, str]:
        """Return folder and name of *path*, whether or not something has it."""
        name = _last_name(path)
        if name in _NO_NAMES:
            raise os_error(errno.EBUSY if path else errno.ENOENT)
        _check_name(name)
        folder = self.parents(path)[-1]
        if not isinstance(folder, FolderNode):
            raise os_error(errno.ENOTDIR)
        return folder, name

    def free_place(self, path: str) -> tuple[FolderNode, str]:
        """Return folder and name of *path*, which nothing has yet."""
        if path and _last_name(path) in _NO_NAMES:
            self.node(path)
            raise os_error(errno.EEXIST)
        folder, name = self.place(path)
        if name in folder.children:
            raise os_error(errno.EEXIST)
        return folder, name

    def named(self, path: str) -> tuple[FolderNode, str, Node]:
        """Return folder and name of *path*, and what has it."""
        folder, name = self.place(path)
        if name not in folder.children:
            raise os_error(errno.ENOENT)
        return folder, name, folder.children[name]

    def _walk(self, path: str, *, follow: bool, strict: bool = True) -> list[tuple[str, Node | None]]:
        """Return names and nodes from the root, whose name is empty, to *path*, following the links on the way.

        Args:
            path: names separated by ``/``.
            follow: whether a link at the end is followed too.
            strict: raise ``OSError`` where the path leads nowhere. Otherwise names that do not exist have ``None`` as
                their node, and a link in a circle stays unfollowed.
        """
        if not path:
            raise os_error(errno.ENOENT)
        trail: list[tuple[str, Node | None]] = [("", self._root)]
        pending = _names(path)
        links = 0
        while pending:
            name = pending.pop()
            folder = trail[-1][1]
            if strict and not isinstance(folder, FolderNode):
                raise os_error(errno.ENOTDIR)
            if name in _NO_NAMES:
                if name == ".." and len(trail) > 1:
                    trail.pop()
                continue
            node = folder.children.get(name) if isinstance(folder, FolderNode) else None
            if node is None:
                _check_name(name)
                if strict:
                    raise os_error(errno.ENOENT)
            if isinstance(node, LinkNode) and (follow or pending):
                links += 1
                if links <= _MAX_LINKS:
                    target = os.fsdecode(node.target)
                    if target.startswith("/"):
                        del trail[1:]
                    pending += _names(target)
                    continue
                if strict:
                    raise os_error(errno.ELOOP)
            trail.append((name, node))
        return trail


def _last_name(path: str) -> str:
    return posixpath.basename(path.rstrip("/"))


def _check_name(name: str) -> None:
    """Refuse a name no real file system would take, with ``OSError``."""
    try:
        encoded = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise os_error(errno.EILSEQ) from None
    if b"\0" in encoded:
        raise os_error(errno.EINVAL)
    if len(encoded) > _MAX_NAME_BYTES:
        raise os_error(errno.ENAMETOOLONG)


def _names(path: str) -> list[str]:
    """Names of *path*, last one first; a slash at the end stands for the folder itself, as in POSIX."""
    names = [name for name in path.split("/") if name]
    if path.endswith("/"):
        names.append(".")
    names.reverse()
    return names
