"""Compare a version with a folder on disk, the inverse of a restore: right after one it finds nothing.

Only files that may be the same and are not known to be are read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Iterable
from typing import Final

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.diff_entries import diff_entry, entries_of_moves
from kamaros_gui.archive.history import find_version, states_at
from kamaros_gui.archive.manifest import FileRecord, FileState, Version
from kamaros_gui.archive.paths import check_folder, stored_path
from kamaros_gui.archive.recovery import own_files
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.errors import ArchiveError, KamarosError, NotFoundError, StorageError, VersionNotFoundError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers
from kamaros_gui.pipeline.hashing import HashFlow
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.primitives import FilePrimitives
from kamaros_gui.storage.walk import WalkItem, WalkProblem, walk_tree

__all__ = ["diff_with_folder"]

_SECOND_NS: Final = 1_000_000_000
_PERMISSIONS: Final = 0o777
_LATEST_NS: Final = (1 << 63) - 1


async def diff_with_folder(
    files: FileSystemAdapter,
    archive: str,
    old: str,
    folder: str,
    into: str,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> DiffReport:
    """Compare a version with a folder on disk.

    Kind, size, permissions and time are compared, of links where they point to, of folders the permissions alone. The
    content of a file is read where its size is the recorded one, except where size, times and inode prove that it is
    what HEAD holds, and where a path that is missing on disk had that size, which finds renames. Memory does not grow
    with the content. The archive itself, should it lie in the folder, is left out, and nothing is changed anywhere.

    Args:
        files: where the archive and the folder are.
        archive: path of the archive.
        old: id, prefix, tag, ``HEAD`` or ``HEAD~n``.
        folder: what lies in it is compared.
        into: folder of the archive it stands for, empty for the root.
        config: chunk size, and whether files are read although they are known.
        workers: threads.
        control: abort, pause, progress; files that can't be read are noted in its issues, and are in no entry.

    Returns:
        The differences, with paths as they are in the archive. What a changed file has now is only hashed where it was
        read.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such archive, no such folder on disk, or nothing of it in the version.
        VersionNotFoundError: there is no such version, or the archive is a plain ZIP.
        ArchiveError, UnsafeNameError: *into* is a file in the version, or can't be the name of a folder.
        IntegrityError: the archive's directory or manifest is damaged.
        StorageError: the folder can't be read.
    """
    started = time.monotonic()
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    side = await workers.io(_read_side, files, archive, old, into)
    await control.checkpoint()
    control.progress.phase = Phase.COUNTING
    look = _Look(files, folder or ".", side, control, reread=config.reread_unchanged)
    await workers.io(look.walk, archive)
    await control.checkpoint()
    reading = await workers.compute(look.settle)
    control.progress.files_total = len(reading)
    control.progress.bytes_total = sum(found.size for found in reading)
    control.progress.phase = Phase.VERIFYING
    await HashFlow(files, config, workers, control, look.on_hashed).run(reading)
    entries = await workers.compute(look.finish)
    await control.checkpoint()
    return DiffReport(
        old=side.version.id,
        new="",
        folder=files.absolute(folder),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        unchanged=look.unchanged,
        issues=tuple(control.issues),
        bytes_read=look.bytes_read,
        seconds=time.monotonic() - started,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Side:
    """The archive's side.

    Attributes:
        version: what is compared.
        prefix: what its paths begin with, empty for the root.
        states: path → state, of what lies below the prefix.
        head: path → record of HEAD.
    """

    version: Version
    prefix: str
    states: dict[str, FileState]
    head: dict[str, FileRecord]


def _read_side(files: FilePrimitives, archive: str, old: str, into: str) -> _Side:
    container = Container.load(files, archive)
    try:
        manifest = container.manifest
        if manifest is None:
            raise VersionNotFoundError(f"{display_path(archive)} is a plain ZIP; it has no versions.")
        version = find_version(manifest, old)
        states = states_at(manifest, version)
    finally:
        container.close()
    folder = check_folder(into)
    if not folder:
        return _Side(version, "", states, manifest.file_map)
    own, prefix = states.get(folder), f"{folder}/"
    below = {path: state for path, state in states.items() if path.startswith(prefix)}
    if own is not None and own.type != "directory":
        raise ArchiveError(f"“{into}” is a file in this version; a folder is compared with a folder.")
    if own is None and not below:
        raise NotFoundError(
            f"There is no “{into}” in this version of {display_path(archive)}.",
            path=into,
            hint="The listing shows what it holds.",
        )
    return _Side(version, prefix, below, manifest.file_map)


class _Look:
    """What is found on disk, beside what the archive says.

    Attributes:
        unchanged: files and links that are the same.
        bytes_read: content bytes that were hashed.
    """

    def __init__(self, files: FilePrimitives, folder: str, side: _Side, control: RunControl, *, reread: bool) -> None:
        self.unchanged = 0
        self.bytes_read = 0
        self._files = files
        self._folder = folder
        self._side = side
        self._control = control
        self._reread = reread
        self._entries: list[DiffEntry] = []
        self._missing = dict(side.states)
        self._parents = _parents(side.states)
        self._came: dict[str, FileState] = {}
        self._found: dict[str, WalkItem] = {}
        self._waiting: dict[str, str] = {}
        self._problems: list[WalkProblem] = []

    # ------------------------------------------------------------------------------------ before the reading

    def walk(self, archive: str) -> None:
        """Look at everything in the folder; what has to be read for it waits.

        Raises:
            NotFoundError, StorageError: there is no such folder, or it can't be read.
        """
        signal = self._control.signal
        walk_tree(
            self._files,
            [f"{self._folder}/."],
            ignore=own_files(self._files, archive),
            should_stop=lambda: signal.aborted,
            on_item=self._see,
            on_problem=self._problems.append,
        )

    def settle(self) -> list[WalkItem]:
        """Say what is missing on disk, and return the files that must be read."""
        unseen = {stored_path(self._side.prefix + problem.relative)[0] for problem in self._problems}
        shown = display_path(self._folder)
        for problem in self._problems:
            path = display_path(os.path.join(self._folder, problem.relative))
            reason = problem.reason.replace(f"{shown}/./", f"{shown}/")  # how the walk was told to leave out its root
            self._control.add_issue(path, reason, "skipped" if problem.skipped else "failed")
        self._missing = {path: state for path, state in self._missing.items() if not _is_within(path, unseen)}
        sizes = {state.size for state in self._missing.values() if state.type == "file" and state.hash} - {0}
        for path, state in self._came.items():
            if state.type == "file" and state.size in sizes:
                self._waiting[self._found[path].source] = path
        return [self._found[path] for path in self._waiting.values()]

    def _see(self, found: WalkItem) -> None:
        found = found._replace(source=os.path.join(self._folder, found.relative))
        path, raw_name = stored_path(self._side.prefix + found.relative)
        old = self._missing.pop(path, None)
        new = FileState(
            type=found.kind,
            size=found.size,
            mode=found.mode & 0o7777,
            mtime_ns=max(-_LATEST_NS, min(found.mtime_ns, _LATEST_NS)),
            raw_name=raw_name,
        )
        if found.kind == "symlink" and not self._read_link(found, new):
            return
        if old is None:
            # A folder may be in the archive by what lies in it alone.
            if found.kind != "directory" or path not in self._parents:
                self._came[path] = new
                self._found[path] = found
        elif old.type != new.type or (old.type == "file" and old.size != new.size):
            self._entries.append(diff_entry(path, "changed", old, new))
        elif old.type != "file" or not old.hash:
            self._compare(path, old, new)
        elif (known := self._known_hash(path, found)) is not None:
            new.hash = known
            self._compare(path, old, new)
        else:
            self._found[path] = found
            self._waiting[found.source] = path

    def _read_link(self, found: WalkItem, new: FileState) -> bool:
        """Give *new* the size and hash of where a link points to; note a problem where that can't be read."""
        try:
            target = self._files.read_link(found.source)
        except (StorageError, NotFoundError) as error:
            shown = display_path(found.source)
            self._problems.append(WalkProblem(shown, found.relative, error.message, skipped=False))
            return False
        new.size, new.hash = len(target), hashlib.sha256(target).hexdigest()
        return True

    def _known_hash(self, path: str, found: WalkItem) -> str | None:
        """Return the hash of a file that HEAD has as it is on disk; ``None`` where only reading it can tell."""
        record = self._side.head.get(path)
        if self._reread or record is None or record.type != "file" or not record.inode or not record.current_hash:
            return None
        recorded = (record.size, record.mtime_ns, record.inode, record.ctime_ns)
        same = recorded == (found.size, found.mtime_ns, found.inode, found.ctime_ns)
        return record.current_hash if same else None

    # ------------------------------------------------------------------------------------- after the reading

    def on_hashed(self, found: WalkItem, sha256: str, error: KamarosError | None) -> None:
        """Take in the hash of a file, or why it has none."""
        path = self._waiting[found.source]
        if error is not None:
            self._control.add_issue(display_path(found.source), str(error))
            self._came.pop(path, None)
            return
        self.bytes_read += found.size
        if path in self._came:
            self._came[path].hash = sha256
            return
        new = FileState(size=found.size, hash=sha256, mode=found.mode & 0o7777, mtime_ns=found.mtime_ns)
        new.raw_name = stored_path(self._side.prefix + found.relative)[1]
        self._compare(path, self._side.states[path], new)

    def finish(self) -> list[DiffEntry]:
        """Return all differences."""
        return self._entries + entries_of_moves(self._missing, self._came)

    def _compare(self, path: str, old: FileState, new: FileState) -> None:
        """Compare a path whose content is known as far as it can be."""
        if old.type != "directory" and old.hash and old.hash != new.hash:
            self._entries.append(diff_entry(path, "changed", old, new))
        elif not _same_attributes(old, new):
            new.hash = old.hash
            self._entries.append(diff_entry(path, "metadata", old, new))
        else:
            self.unchanged += old.type != "directory"


def _same_attributes(old: FileState, new: FileState) -> bool:
    """Whether a restore of *old* leaves what *new* is.

    It gives no set-uid, set-gid and sticky bits, and folders inherit some; links have no permissions of their own.
    """
    if old.type == "directory":
        return old.mode & _PERMISSIONS == new.mode & _PERMISSIONS
    if old.type == "file" and new.mode not in {old.mode, old.mode & _PERMISSIONS}:
        return False
    return _same_time(old.mtime_ns, new.mtime_ns)


def _same_time(recorded: int, found: int) -> bool:
    """Whether *found* is what a file system makes of *recorded*, both nanoseconds since the epoch.

    NTFS counts in steps of 100 ns, others in whole seconds, FAT in two of them.
    """
    if recorded == found:
        return True
    step = 2 * _SECOND_NS if found % _SECOND_NS == 0 else 100 if found % 100 == 0 else 1
    return recorded % _SECOND_NS != 0 and abs(recorded - found) < step


def _parents(paths: Iterable[str]) -> set[str]:
    """Return every folder that *paths* lie in."""
    parents: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    return parents


def _is_within(path: str, places: set[str]) -> bool:
    """Whether *path* is one of *places* or lies below one of them."""
    while places and path:
        if path in places:
            return True
        path = path.rpartition("/")[0]
    return False
