"""Walk files and folders on disk, in a stable order, without following links below the roots."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.primitives import FilePrimitives, FileStatus

__all__ = ["WalkItem", "WalkProblem", "walk_tree"]


class WalkItem(NamedTuple):
    """One file, folder or link found.

    Attributes:
        source: path on disk (undecodable bytes as surrogates, see ``os.fsdecode``).
        relative: path below the walk, ``/`` between its parts, starting with the name the root is stored under.
        kind: file, directory or symlink.
        size: bytes of a file, 0 otherwise.
        mtime_ns: modification time in nanoseconds.
        ctime_ns: time of the last change of the inode in nanoseconds.
        mode: full ``st_mode``.
        inode: inode number.
    """

    source: str
    relative: str
    kind: Literal["file", "directory", "symlink"]
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    inode: int


class WalkProblem(NamedTuple):
    """One path that was left out, and why.

    Attributes:
        path: path on disk, as shown to the user.
        relative: path below the walk.
        reason: a sentence.
        skipped: whether it was left out by rule, and not because it can't be read.
    """

    path: str
    relative: str
    reason: str
    skipped: bool


def walk_tree(
    files: FilePrimitives,
    roots: Iterable[str],
    *,
    excludes: tuple[str, ...] = (),
    ignore: frozenset[tuple[int, int]] = frozenset(),
    should_stop: Callable[[], bool] = lambda: False,
    on_item: Callable[[WalkItem], None],
    on_problem: Callable[[WalkProblem], None],
) -> list[str]:
    """Report everything under *roots*, each folder before its content, names sorted.

    A root is stored under its own last name, ``folder/.`` stands for its children. A root that is a link is stored
    as a link; links are never followed.

    Args:
        files: where the roots are.
        roots: paths there.
        excludes: glob patterns, matched against each name and against the whole relative path.
        ignore: (device, inode) of files that are not to be reported, such as the archive itself.
        should_stop: asked now and then; true ends the walk early.
        on_item: called for every item.
        on_problem: called for everything that can't be read, and for what is no file, folder or link.

    Returns:
        The stored name of each root, ``""`` for ``folder/.``.

    Raises:
        NotFoundError: a root does not exist.
        StorageError: a root can't be read.
    """
    names: list[str] = []
    walker = _Walker(files, excludes, ignore, should_stop, on_item, on_problem)
    for root in roots:
        if _means_children(files, root):
            if files.stat(files.resolve(root)).kind != "directory":
                shown = display_path(root)
                raise StorageError(f"{shown} can't be read: Not a directory.", path=shown, hint="Check the path.")
            names.append("")
            walker.descend(root, "")
        else:
            source = root.rstrip("/" + os.sep) or root
            status = files.stat(source)
            name = os.path.basename(files.absolute(root))
            names.append(name)
            walker.visit(source, name, status)
    return names


def _means_children(files: FilePrimitives, root: str) -> bool:
    tail = root.replace(os.sep, "/")
    return tail in {".", ".."} or tail.endswith(("/.", "/..")) or not os.path.basename(files.absolute(root))


class _Walker:
    def __init__(
        self,
        files: FilePrimitives,
        excludes: tuple[str, ...],
        ignore: frozenset[tuple[int, int]],
        should_stop: Callable[[], bool],
        on_item: Callable[[WalkItem], None],
        on_problem: Callable[[WalkProblem], None],
    ) -> None:
        self._files = files
        self._excludes = excludes
        self._ignore = ignore
        self._should_stop = should_stop
        self._on_item = on_item
        self._on_problem = on_problem

    def descend(self, folder: str, relative: str) -> None:
        """Report the content of *folder*, with an own stack: trees are deeper than Python's."""
        stack = [(folder, relative)]
        while stack:
            folder, relative = stack.pop()
            below: list[tuple[str, str]] = []
            try:
                found = self._files.list(folder)
            except (StorageError, NotFoundError) as error:
                self._problem(folder, relative, error)
                continue
            for name, status in found:
                if self._should_stop():  # a single folder may hold a million files
                    return
                path = f"{relative}/{name}" if relative else name
                if self._excluded(path, name):
                    continue
                source = os.path.join(folder, name)
                if isinstance(status, Exception):
                    self._problem(source, path, status)
                elif self._report(source, path, status):
                    below.append((source, path))
            stack.extend(reversed(below))

    def visit(self, source: str, relative: str, status: FileStatus) -> None:
        """Report one root and what is below it."""
        if not self._excluded(relative, relative) and self._report(source, relative, status):
            self.descend(source, relative)

    def _report(self, source: str, relative: str, status: FileStatus) -> bool:
        kind = status.kind
        if kind == "other":
            reason = "It is a socket, pipe or device; only files, folders and links are saved."
            self._on_problem(WalkProblem(display_path(source), relative, reason, skipped=True))
            return False
        if kind == "file" and (status.device, status.inode) in self._ignore:
            return False
        self._on_item(
            WalkItem(
                source,
                relative,
                kind,
                status.size,
                status.mtime_ns,
                status.ctime_ns,
                status.mode,
                status.inode,
            )
        )
        return kind == "directory"

    def _excluded(self, relative: str, name: str) -> bool:
        return any(
            fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(relative, pattern) for pattern in self._excludes
        )

    def _problem(self, path: str, relative: str, error: StorageError | NotFoundError) -> None:
        self._on_problem(WalkProblem(display_path(path), relative, error.message, skipped=False))
