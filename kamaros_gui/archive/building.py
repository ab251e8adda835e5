"""From what a save wrote to the next state of the archive: directory, manifest, version."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import mimetypes
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.changes import Changes
from kamaros_gui.archive.container import BLOB_PREFIX, entry_name
from kamaros_gui.archive.history import state_of
from kamaros_gui.archive.manifest import (
    ChangeType,
    FileRecord,
    FileState,
    Manifest,
    Version,
    encodable,
    encode_states,
    iso_time,
)
from kamaros_gui.archive.paths import moved_raw_name
from kamaros_gui.archive.renames import match_renames
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.pipeline import PackedEntry
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["NextState", "VersionLabel", "build_next_state", "is_below_any", "now_iso"]

_FINE_TICK_NS: Final = 50_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
"""A file modified this shortly before it was read could be modified again within the same tick of its time stamp, so
its identity is not recorded and the next save reads it. Stamps with a fraction come from the kernel's clock, which
ticks every few milliseconds; whole seconds may come from a file system that knows no better (FAT: two seconds)."""

_LARGEST_NUMBER: Final = (1 << 63) - 1
"""What a number in a manifest can be. Some file systems know times beyond the year 2262, and inodes of 64 bits."""


@dataclasses.dataclass(frozen=True, slots=True)
class VersionLabel:
    """What is recorded with a version beside its content: a message, and who made it."""

    message: str = ""
    author: str = ""


@dataclasses.dataclass(slots=True)
class NextState:
    """The state a save leads to.

    Attributes:
        version: the new version, ``None`` when nothing has changed.
        table: directory and header patches.
        manifest: new manifest.
        added, modified, unchanged, deleted, renamed: number of files and links that were looked at closely.
        reclaimed: bytes a compaction after the commit gave back.
    """

    version: Version | None
    table: EntryTable
    manifest: Manifest
    added: int = 0
    modified: int = 0
    unchanged: int = 0
    deleted: int = 0
    renamed: int = 0
    reclaimed: int = 0


def now_iso() -> str:
    """Return the present moment, ISO 8601 in UTC with microseconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def build_next_state(
    table: EntryTable, manifest: Manifest, changes: Changes, label: VersionLabel, *, snapshot_interval: int
) -> NextState:
    """Work out directory and manifest after a save. Blocks; belongs in a worker thread.

    Args:
        table: the directory before; not changed.
        manifest: of the state before; not changed.
        changes: what is new.
        label: recorded with the version.
        snapshot_interval: at least how many versions lie between two full listings.

    Raises:
        IntegrityError: content that was to be taken over from an entry is not there.
    """
    table = table.copy()
    for entry in changes.replaced:
        table.drop(entry)
    builder = _Builder(manifest, table, changes)
    builder.take_deleted()
    builder.move()
    builder.put_packed()
    return builder.finish(label, snapshot_interval)


class _Builder:
    def __init__(self, manifest: Manifest, table: EntryTable, changes: Changes) -> None:
        self._before = manifest.file_map
        self._changes = changes
        self._table = table
        self._now = now_iso()
        self._ids = _new_ids()
        self._manifest = msgspec.structs.replace(
            manifest,
            file_map=dict(manifest.file_map),
            versions=list(manifest.versions),
            refs=dict(manifest.refs),
            metadata=dict(manifest.metadata),
            rename_log=list(manifest.rename_log),
        )
        self._states: dict[str, FileState] = {}
        self._gone: dict[str, FileRecord] = {}
        self._log: list[tuple[str, str]] = list(changes.moves)
        # Content hash → entries already taken out of the directory.
        self._superseded: defaultdict[str, list[ZipEntry]] = defaultdict(list)
        self._counts = {"added": 0, "modified": 0, "unchanged": 0, "deleted": 0, "renamed": 0}
        self._matters = False

    # ---------------------------------------------------------------------------------- what leaves its place

    def take_deleted(self) -> None:
        """Let the deleted paths leave HEAD, except where a file in their way could not be read."""
        for path in sorted(self._changes.deleted):
            replaced = path in self._changes.packed and path not in self._changes.moved
            if replaced or is_below_any(path, self._changes.unread):
                continue
            record = self._manifest.file_map.pop(path)
            self._supersede(path, record)
            self._gone[path] = record
            self._states[path] = _deletion(record)
            self._matters = True

    def move(self) -> None:
        """Let the moved paths be where they are now; all at once, because two may have changed places."""
        table, moved, file_map = self._table, self._changes.moved, self._manifest.file_map
        taken: list[tuple[str, str, FileRecord, ZipEntry | None]] = []
        for new, old in sorted(moved.items()):
            record = file_map.pop(old)
            taken.append((new, old, record, table.take(entry_name(old, record.type))))
            self._states[old] = _deletion(record)
        for new, old, record, entry in taken:
            after = msgspec.structs.replace(record, raw_name=moved_raw_name(record.raw_name, old, new))
            file_map[new] = after
            self._note_rename(new, old, after)
            if entry is not None:
                table.rewrite(entry, msgspec.structs.replace(entry, name=entry_name(new, record.type), raw_name=b""))

    def _note_rename(self, new: str, old: str, record: FileRecord) -> None:
        state = state_of(record)
        state.change_type, state.renamed_from = "renamed", old
        self._states[new] = state
        self._counts["renamed"] += record.type != "directory"
        self._matters = True

    def _supersede(self, path: str, record: FileRecord) -> None:
        entry = self._table.take(entry_name(path, record.type))
        if entry is not None:
            self._superseded[record.current_hash].append(entry)

    # --------------------------------------------------------------------------------------- what was packed

    def put_packed(self) -> None:
        """Take in what was read: first everything that leaves its place for it, then what comes."""
        packed, file_map = self._changes.packed, self._manifest.file_map
        renames = match_renames(
            self._gone, ((path, each) for path, each in packed.items() if path not in file_map and each.size)
        )
        coming = []
        for path, each in packed.items():
            before = file_map.get(path)
            record = self._record(each, before or self._gone.get(renames.get(path, "")))
            if before is not None and (each.entry is not None or _content(before) != _content(record)):
                self._supersede(path, before)
            coming.append((path, each, before, record))
        for path, each, before, record in coming:
            file_map[path] = record
            self._place_entry(each, before, record)
            if path in renames:
                self._log.append((renames[path], path))
                self._note_rename(path, renames[path], record)
            else:
                self._note_change(path, before, record)
        self._counts["deleted"] += sum(record.type != "directory" for record in self._gone.values()) - len(renames)

    def _record(self, packed: PackedEntry, before: FileRecord | None) -> FileRecord:
        found, path = packed.item.found, packed.item.path
        mtime_ns = max(-_LARGEST_NUMBER, min(packed.mtime_ns, _LARGEST_NUMBER))
        own = self._manifest.file_map.get(path)
        record = FileRecord(
            inode_id=before.inode_id if before else next(self._ids),
            type=found.kind,
            current_hash=packed.sha256,
            size=packed.size if found.kind != "directory" else 0,
            created=before.created if before else self._now,
            modified=iso_time(mtime_ns // 1_000_000_000),
            mtime_ns=mtime_ns,
            mime=(mimetypes.guess_type(path)[0] or "") if found.kind == "file" else "",
            mode=packed.mode & 0o7777,
            # A path has one spelling on disk: what was recorded once holds for content from elsewhere too.
            raw_name=self._changes.raw_names.get(path) or (own.raw_name if own is not None else ""),
        )
        identifiable = 0 <= packed.inode <= _LARGEST_NUMBER and abs(packed.ctime_ns) <= _LARGEST_NUMBER
        if found.kind == "file" and identifiable and not _is_racy(packed, self._changes.started_ns):
            record.inode, record.ctime_ns = packed.inode, packed.ctime_ns
        return record

    def _place_entry(self, packed: PackedEntry, before: FileRecord | None, record: FileRecord) -> None:
        """Let the directory list the content of *packed* under its path."""
        table, name = self._table, packed.item.entry_name
        if packed.entry is not None:
            if packed.entry.name == name:
                table.add(packed.entry)
            else:  # moved after it was written
                table.rewrite(packed.entry, msgspec.structs.replace(packed.entry, name=name))
            return
        if before is not None and _content(before) == _content(record):
            entry = table.take(name)
            if _change(before, record) is None:
                if entry is not None:
                    table.add(entry)
                return
        else:
            held = self._superseded[record.current_hash]
            entry = held.pop() if held else table.take(BLOB_PREFIX + record.current_hash)
            if entry is None:
                lost = f"The archive has lost the content of {packed.item.path}."
                raise IntegrityError(lost, hint="Verify the archive.")
        if entry is None:
            return  # the directory did not list it before either; verify tells
        mtime = packed.mtime_ns // 1_000_000_000
        table.rewrite(entry, msgspec.structs.replace(entry, name=name, mode=packed.mode, mtime=mtime, raw_name=b""))

    def _note_change(self, path: str, before: FileRecord | None, record: FileRecord) -> None:
        change = _change(before, record)
        is_folder = record.type == "directory"
        if change is None:
            self._counts["unchanged"] += not is_folder
            return  # only its identity on disk is new
        state = state_of(record)
        state.change_type = change
        moved = self._states.get(path)
        if moved is not None and moved.renamed_from:
            state.change_type, state.renamed_from = "renamed", moved.renamed_from
        elif not is_folder:
            self._counts["added" if change == "added" else "modified"] += 1
        self._states[path] = state
        # The time of a folder changes with everything in it, the archive itself included: alone it is no version.
        if not is_folder or before is None or (before.type, before.mode) != (record.type, record.mode):
            self._matters = True

    # ------------------------------------------------------------------------------------------------ the end

    def finish(self, label: VersionLabel, snapshot_interval: int) -> NextState:
        """Settle history and make the version."""
        manifest, table = self._manifest, self._table
        if not self._matters:
            return NextState(None, table, manifest, unchanged=self._counts["unchanged"])
        head_hashes = {record.current_hash for record in manifest.file_map.values()} - {""}
        superseded = [(digest, entry) for digest, entries in self._superseded.items() for entry in entries]
        table.keep_as_history(superseded, head_hashes)
        table.drop_blobs(sorted({state.hash for state in self._states.values()} & head_hashes))
        snapshot = _snapshot_is_due(manifest.versions, snapshot_interval)
        states = self._states
        if snapshot:
            states = {path: state_of(record) for path, record in manifest.file_map.items()} | self._states
        version = Version(
            id=str(uuid.uuid4()),
            parent_id=manifest.refs.get("head"),
            timestamp=self._now,
            message=encodable(label.message),
            author=encodable(label.author),
            file_states=encode_states(states),
            snapshot=snapshot,
            counts=(self._counts["added"], self._counts["modified"], self._counts["deleted"]),
            renames=self._counts["renamed"],
        )
        manifest.versions.append(version)
        manifest.rename_log += self._rename_log(version.id)
        manifest.refs["head"] = version.id
        manifest.metadata["lastModified"] = self._now
        return NextState(version, table, manifest, **self._counts)

    def _rename_log(self, version: str) -> list[dict[str, Any]]:
        """Return what the renames of *version* add to the log; a move of what was then removed is none."""
        renamed = {path for path, state in self._states.items() if state.renamed_from}
        parents = {path[:at] for path in renamed for at, letter in enumerate(path) if letter == "/"}
        return [
            {"from": old, "to": new, "versionId": version, "timestamp": self._now}
            for old, new in dict.fromkeys(self._log)
            if new in renamed or new in parents
        ]


def _new_ids() -> Iterator[str]:
    """Yield UUIDs (RFC 9562) that differ in their last 32 bits alone.

    The manifest holds one for each file, and packs those to a fraction of what as many random ones would take.
    """
    start = uuid.uuid4().int
    for number in itertools.count():
        yield str(uuid.UUID(int=(start & ~0xFFFFFFFF) | (start + number) & 0xFFFFFFFF))


def _deletion(record: FileRecord) -> FileState:
    return FileState(inode_id=record.inode_id, type=record.type, change_type="deleted", deleted=True)


def _content(record: FileRecord) -> tuple[str, str]:
    return record.type, record.current_hash


def _change(before: FileRecord | None, after: FileRecord) -> ChangeType | None:
    if before is None:
        return "added"
    if _content(before) != _content(after):
        return "modified"
    if (before.mode, before.mtime_ns, before.raw_name) != (after.mode, after.mtime_ns, after.raw_name):
        return "metadata"
    return None


def is_below_any(path: str, unread: set[str]) -> bool:
    """Whether *path* lies below one of *unread*: files on disk where the archive has a folder with *path* in it."""
    while unread and (path := path.rpartition("/")[0]):
        if path in unread:
            return True
    return False


def _is_racy(packed: PackedEntry, read_after: int) -> bool:
    """Whether the file could be changed after *read_after* (nanoseconds) without its time stamps showing it."""
    newest = max(packed.mtime_ns, packed.ctime_ns)
    tick = _FINE_TICK_NS if packed.mtime_ns % 1_000_000_000 and packed.ctime_ns % 1_000_000_000 else _COARSE_TICK_NS
    return newest > read_after - tick


def _snapshot_is_due(versions: Sequence[Version], interval: int) -> bool:
    """Whether the next version is to list everything.

    The first one does; later ones when *interval* versions have passed and their changes take as much room as the last
    full listing. So nobody who reads a version goes through more than twice its size, and the listings together never
    take more room than the changes.
    """
    changed = 0
    for passed, version in enumerate(reversed(versions), start=1):
        size = version.listing_size or memoryview(version.file_states).nbytes
        if version.snapshot:
            return passed >= interval and changed >= size
        changed += size
    return True
