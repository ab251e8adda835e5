"""Walk files and folders on disk, in a stable order, without following links below the roots."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.failures import translate

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
        roots: paths on disk.
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
    walker = _Walker(excludes, ignore, should_stop, on_item, on_problem)
    for root in roots:
        try:
            info = os.lstat(root if not _means_children(root) else os.path.join(root, ""))
        except OSError as error:
            raise translate(error, root, "read") from error
        name = "" if _means_children(root) else os.path.basename(os.path.abspath(root))
        names.append(name)
        if name:
            walker.visit(root.rstrip("/") or root, name, info)
        else:
            walker.descend(root, "")
    return names


def _means_children(root: str) -> bool:
    tail = root.replace(os.sep, "/")
    return tail in {".", ".."} or tail.endswith(("/.", "/..")) or not os.path.basename(os.path.abspath(root))


class _Walker:
    def __init__(
        self,
        excludes: tuple[str, ...],
        ignore: frozenset[tuple[int, int]],
        should_stop: Callable[[], bool],
        on_item: Callable[[WalkItem], None],
        on_problem: Callable[[WalkProblem], None],
    ) -> None:
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
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._problem(folder, relative, error)
                continue
            below: list[tuple[str, str]] = []
            for entry in found:
                if self._should_stop():  # a single folder may hold a million files
                    return
                path = f"{relative}/{entry.name}" if relative else entry.name
                if self._excluded(path, entry.name):
                    continue
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self._problem(entry.path, path, error)
                    continue
                if self._report(entry.path, path, info):
                    below.append((entry.path, path))
            stack.extend(reversed(below))

    def visit(self, source: str, relative: str, info: os.stat_result) -> None:
        """Report one root and what is below it."""
        if not self._excluded(relative, relative) and self._report(source, relative, info):
            self.descend(source, relative)

    def _report(self, source: str, relative: str, info: os.stat_result) -> bool:
        kind: Literal["file", "directory", "symlink"]
        if stat.S_ISREG(info.st_mode):
            if (info.st_dev, info.st_ino) in self._ignore:
                return False
            kind = "file"
        elif stat.S_ISDIR(info.st_mode):
            kind = "directory"
        elif stat.S_ISLNK(info.st_mode):
            kind = "symlink"
        else:
            reason = "It is a socket, pipe or device; only files, folders and links are saved."
            self._on_problem(WalkProblem(display_path(source), relative, reason, skipped=True))
            return False
        self._on_item(
            WalkItem(
                source,
                relative,
                kind,
                info.st_size if kind == "file" else 0,
                info.st_mtime_ns,
                info.st_ctime_ns,
                info.st_mode,
                info.st_ino,
            )
        )
        return kind == "directory"

    def _excluded(self, relative: str, name: str) -> bool:
        return any(
            fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(relative, pattern) for pattern in self._excludes
        )

    def _problem(self, path: str, relative: str, error: OSError) -> None:
        self._on_problem(
            WalkProblem(display_path(path), relative, translate(error, path, "read").message, skipped=False)
        )
