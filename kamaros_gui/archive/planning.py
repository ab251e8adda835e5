"""Plan of a save: what is on disk, what the archive has, and what follows from the difference."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Callable, Container

from kamaros_gui.archive.container import entry_name
from kamaros_gui.archive.manifest import FileRecord
from kamaros_gui.archive.paths import check_folder, stored_path
from kamaros_gui.archive.places import Place, parents_of
from kamaros_gui.base.errors import ArchiveError, StorageError
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import SaveItem
from kamaros_gui.storage.primitives import FilePrimitives
from kamaros_gui.storage.walk import WalkItem, WalkProblem, walk_tree

__all__ = ["SaveOptions", "SavePlan", "make_plan"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SaveOptions:
    """What is to be saved, and how.

    Attributes:
        paths: files and folders on disk.
        into: folder inside the archive, empty for its root.
        mirror: remove from the archive what vanished from the folders given.
        excludes: glob patterns.
        message: recorded with the version.
        author: likewise.
        strict: whether a file that can't be saved, or changes while it is read, fails the whole save.
    """

    paths: tuple[str, ...]
    into: str = ""
    mirror: bool = False
    excludes: tuple[str, ...] = ()
    message: str = ""
    author: str = ""
    strict: bool = False


@dataclasses.dataclass(slots=True)
class SavePlan:
    """What a save has to do.

    Attributes:
        items: what must be read.
        raw_names: path → base64 of its bytes on disk, where they differ.
        unchanged: number of files that need not be read.
        deleted: paths that leave HEAD.
        content_bytes: bytes that are to be read.
        problems: what the walk could not see.
    """

    items: list[SaveItem] = dataclasses.field(default_factory=list)
    raw_names: dict[str, str] = dataclasses.field(default_factory=dict)
    unchanged: int = 0
    deleted: list[str] = dataclasses.field(default_factory=list)
    content_bytes: int = 0
    problems: list[WalkProblem] = dataclasses.field(default_factory=list)


def make_plan(
    files: FilePrimitives,
    options: SaveOptions,
    head: dict[str, FileRecord],
    held: Container[str],
    *,
    reread: bool,
    ignore: frozenset[tuple[int, int]],
    should_stop: Callable[[], bool],
    on_found: Callable[[int], None],
) -> SavePlan:
    """Walk the disk and compare it with *head*. Blocks; belongs in a worker thread.

    Args:
        files: where it is.
        options: what is to be saved.
        head: path → record of the newest version.
        held: names of the entries the archive has; content it has lost is read again.
        reread: read files again although size, times and inode are as recorded.
        ignore: (device, inode) of the archive itself.
        should_stop: ends the walk early.
        on_found: called with the number of items found so far, now and then.

    Raises:
        NotFoundError, StorageError: a path given can't be read.
        ArchiveError: two paths given would have the same name in the archive.
        UnsafeNameError: ``into`` can't be a folder in an archive.
    """
    into = check_folder(options.into)
    _checkparents_of(into, head)
    builder = _Builder(head, held, into, reread=reread, on_found=on_found)
    roots = walk_tree(
        files,
        _distinct_roots(files, options.paths),
        excludes=options.excludes,
        ignore=ignore,
        should_stop=should_stop,
        on_item=builder.add,
        on_problem=builder.plan.problems.append,
    )
    plan = builder.plan
    gone = _replaced(builder.kinds, head)
    if options.mirror:
        gone |= _vanished(options, into, roots, builder, head)
    plan.deleted = sorted(gone)
    return plan


class _Builder:
    def __init__(
        self,
        head: dict[str, FileRecord],
        held: Container[str],
        into: str,
        *,
        reread: bool,
        on_found: Callable[[int], None],
    ) -> None:
        self.plan = SavePlan()
        self.kinds: dict[str, str] = {}
        self._head = head
        self._held = held
        self._place = Place(into, head)
        self._reread = reread
        self._on_found = on_found

    def add(self, found: WalkItem) -> None:
        """Decide what is to be done about *found*."""
        plan = self.plan
        path, raw_name = self._place.of(found.relative)
        if path in self.kinds:
            reason = f"Another file is already called “{path}” in the archive."
            plan.problems.append(WalkProblem(display_path(found.source), found.relative, reason, skipped=False))
            return
        self.kinds[path] = found.kind
        if raw_name:
            plan.raw_names[path] = raw_name
        record = self._head.get(path)
        name = entry_name(path, found.kind)
        if record is not None and (record.type != found.kind or (found.kind != "directory" and name not in self._held)):
            record = None
        if record is not None and raw_name in {"", record.raw_name} and self._is_unchanged(found, record):
            plan.unchanged += found.kind != "directory"
            return
        known = record.current_hash if record is not None else ""
        plan.items.append(SaveItem(found, path, name, known))
        plan.content_bytes += found.size
        if len(plan.items) % 1000 == 0:
            self._on_found(len(plan.items))

    def _is_unchanged(self, found: WalkItem, record: FileRecord) -> bool:
        if found.kind == "directory":
            return (record.mode, record.mtime_ns) == (found.mode & 0o7777, found.mtime_ns)
        if found.kind == "symlink" or self._reread:
            return False
        return record.inode != 0 and (record.size, record.mtime_ns, record.inode, record.ctime_ns) == (
            found.size,
            found.mtime_ns,
            found.inode,
            found.ctime_ns,
        )


def _distinct_roots(files: FilePrimitives, paths: tuple[str, ...]) -> list[str]:
    """Return *paths* without repetitions.

    Raises:
        ArchiveError: two different ones end in the same name.
        StorageError: there are none.
    """
    names: dict[str, str] = {}
    roots: list[str] = []
    for path in paths:
        children = path.replace(os.sep, "/").endswith(("/.", "/..")) or path in {".", ".."}
        place = files.absolute(path)
        name = "" if children else os.path.basename(place)
        if name and names.setdefault(name, place) != place:
            raise ArchiveError(
                f"{display_path(names[name])} and {display_path(place)} would both be called “{name}” in the archive.",
                hint="Save one of them into a folder of its own (--into), or save their common parent.",
            )
        if path not in roots:
            roots.append(path)
    if not roots:
        raise StorageError("There is nothing to save: no path was given.")
    return roots


def _checkparents_of(into: str, head: dict[str, FileRecord]) -> None:
    parts = into.split("/") if into else []
    for depth in range(1, len(parts) + 1):
        parent = "/".join(parts[:depth])
        record = head.get(parent)
        if record is not None and record.type != "directory":
            raise ArchiveError(f"“{parent}” is a file in the archive; nothing can be put below it.")


def _replaced(kinds: dict[str, str], head: dict[str, FileRecord]) -> set[str]:
    """Return what HEAD has below paths that are no folders any more."""
    folders: set[str] = set()
    for path in {path.rpartition("/")[0] for path in head}:
        folders.add(path)
        folders.update(parents_of(path))
    files = {path for path in folders if kinds.get(path, "directory") != "directory"}
    return {path for path in head if any(parent in files for parent in parents_of(path))} if files else set()


def _vanished(
    options: SaveOptions, into: str, roots: list[str], builder: _Builder, head: dict[str, FileRecord]
) -> set[str]:
    """Return what HEAD has below the saved folders that is no longer on disk.

    What could not be read, and what is excluded, has not vanished.
    """
    prefix = f"{into}/" if into else ""
    below = tuple(prefix + stored_path(root)[0] if root else into for root in roots)
    unseen = tuple(prefix + stored_path(problem.relative)[0] for problem in builder.plan.problems)
    return {
        path
        for path in head
        if path not in builder.kinds
        and any(not each or path.startswith(each + "/") for each in below)
        and not any(path == each or path.startswith(each + "/") for each in unseen)
        and not _excluded(path.removeprefix(prefix), options.excludes)
    }


def _excluded(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether the walk would not have come to *path*."""
    if not patterns:
        return False
    parts = path.split("/")
    return any(
        fnmatch.fnmatchcase(parts[depth], pattern) or fnmatch.fnmatchcase("/".join(parts[: depth + 1]), pattern)
        for depth in range(len(parts))
        for pattern in patterns
    )
