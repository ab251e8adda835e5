"""From what a save wrote to the next state of the archive: directory, manifest, version."""

from __future__ import annotations

import dataclasses
import datetime as dt
import mimetypes
import time
import uuid
from collections.abc import Sequence
from typing import Final

import msgspec

from kamaros_gui.archive.blobs import EntryTable, header_size_of
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.container import entry_name
from kamaros_gui.archive.history import state_of
from kamaros_gui.archive.manifest import (
    MANIFEST_NAME,
    ChangeType,
    FileRecord,
    FileState,
    Manifest,
    Version,
    encodable,
    encode_manifest,
    encode_states,
    iso_time,
)
from kamaros_gui.pipeline import PackedEntry, pack_bytes
from kamaros_gui.zipfmt import ZipEntry, encode_directory

__all__ = ["Changes", "NextState", "build_next_state", "encode_tail", "now_iso"]

_FINE_TICK_NS: Final = 50_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
"""A file modified this shortly before it was read could be modified again within the same tick of its time stamp, so
its identity is not recorded and the next save reads it. Stamps with a fraction come from the kernel's clock, which
ticks every few milliseconds; whole seconds may come from a file system that knows no better (FAT: two seconds)."""

_LARGEST_NUMBER: Final = (1 << 63) - 1
"""What a number in a manifest can be. Some file systems know times beyond the year 2262, and inodes of 64 bits."""

_MANIFEST_LEVEL: Final = 3
"""The manifest is written with every save; a faster level costs a few per cent of a few megabytes."""


@dataclasses.dataclass(slots=True)
class Changes:
    """What is to become the next version.

    Attributes:
        started_ns: nanoseconds since the epoch; whatever was read was read after it.
        packed: path → what was written for it, or found to be as known.
        raw_names: path → base64 of its bytes on disk, where they differ.
        deleted: paths that leave HEAD.
        unread: paths that were to be read and could not be.
        replaced: entries written for these changes that a later one of them made useless.
    """

    started_ns: int = dataclasses.field(default_factory=time.time_ns)
    packed: dict[str, PackedEntry] = dataclasses.field(default_factory=dict)
    raw_names: dict[str, str] = dataclasses.field(default_factory=dict)
    deleted: set[str] = dataclasses.field(default_factory=set)
    unread: set[str] = dataclasses.field(default_factory=set)
    replaced: list[ZipEntry] = dataclasses.field(default_factory=list)

    def put(self, packed: PackedEntry) -> None:
        """Note what was written for a path; it takes the place of what was noted before."""
        path = packed.item.path
        self.drop(path)
        self.packed[path] = packed
        self.deleted.discard(path)
        self.unread.discard(path)

    def drop(self, path: str) -> None:
        """Forget what was written for *path*, if anything was."""
        before = self.packed.pop(path, None)
        if before is not None and before.entry is not None:
            self.replaced.append(before.entry)


@dataclasses.dataclass(slots=True)
class NextState:
    """The state a save leads to.

    Attributes:
        version: the new version, ``None`` when nothing has changed.
        table: directory and header patches.
        manifest: new manifest.
        added, modified, unchanged, deleted: number of files and links that were looked at closely.
    """

    version: Version | None
    table: EntryTable
    manifest: Manifest
    added: int = 0
    modified: int = 0
    unchanged: int = 0
    deleted: int = 0


def now_iso() -> str:
    """Return the present moment, ISO 8601 in UTC with microseconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def build_next_state(
    transaction: Transaction,
    manifest: Manifest,
    changes: Changes,
    *,
    message: str,
    author: str,
    snapshot_interval: int,
) -> NextState:
    """Work out directory and manifest after a save. Blocks; belongs in a worker thread.

    Args:
        transaction: the save in progress.
        manifest: of the state before; not changed.
        changes: what is new.
        message: recorded with the version.
        author: likewise.
        snapshot_interval: every how many versions a full listing is kept.
    """
    base = transaction.base
    table = EntryTable(
        file=base.file if base else transaction.region.file,
        region=transaction.region,
        entries=dict(base.entries) if base else {entry.name: entry for entry in transaction.first_entries},
    )
    for entry in changes.replaced:
        table.drop(entry)
    builder = _Builder(manifest, table, changes, now_iso())
    for each in changes.packed.values():
        builder.apply(each)
    for path in sorted(changes.deleted):
        if not _is_below_any(path, changes.unread):
            builder.delete(path)
    return builder.finish(message, author, snapshot_interval)


def encode_tail(state: NextState, transaction: Transaction) -> bytes:
    """Return manifest entry, central directory and end records, to be written where the region ends."""
    table, base = state.table, transaction.base
    old = table.take(MANIFEST_NAME)
    if base is not None and old is not None:
        replaced = base.size - base.directory.directory_offset
        state.manifest.dead_bytes += header_size_of(base.file, old) + old.compressed_size + replaced
    state.manifest.dead_bytes += table.dead_bytes
    offset = transaction.region.position
    entry, parts = pack_bytes(
        MANIFEST_NAME,
        encode_manifest(state.manifest),
        mode=0o100644,
        mtime=int(time.time()),
        codec="deflate",
        level=_MANIFEST_LEVEL,
    )
    head = b"".join(parts)
    table.add(msgspec.structs.replace(entry, header_offset=offset))
    return head + encode_directory(table.entries.values(), offset + len(head))


class _Builder:
    def __init__(self, manifest: Manifest, table: EntryTable, changes: Changes, now: str) -> None:
        self._table = table
        self._raw_names = changes.raw_names
        self._now = now
        self._before = manifest.file_map
        self._manifest = msgspec.structs.replace(
            manifest,
            file_map=dict(manifest.file_map),
            versions=list(manifest.versions),
            refs=dict(manifest.refs),
            metadata=dict(manifest.metadata),
        )
        self._changes: dict[str, FileState] = {}
        self._superseded: list[tuple[str, ZipEntry]] = []
        self._counts: dict[str, int] = {"added": 0, "modified": 0, "unchanged": 0, "deleted": 0}
        self._matters = False
        self._read_after = changes.started_ns

    def apply(self, packed: PackedEntry) -> None:
        """Take in one file that was read."""
        found, path = packed.item.found, packed.item.path
        mtime_ns = max(-_LARGEST_NUMBER, min(packed.mtime_ns, _LARGEST_NUMBER))
        before = self._before.get(path)
        record = FileRecord(
            inode_id=before.inode_id if before else str(uuid.uuid4()),
            type=found.kind,
            current_hash=packed.sha256,
            size=packed.size if found.kind != "directory" else 0,
            created=before.created if before else self._now,
            modified=iso_time(mtime_ns // 1_000_000_000),
            mtime_ns=mtime_ns,
            mime=(mimetypes.guess_type(path)[0] or "") if found.kind == "file" else "",
            mode=packed.mode & 0o7777,
            raw_name=self._raw_names.get(path, ""),
        )
        identifiable = 0 <= packed.inode <= _LARGEST_NUMBER and abs(packed.ctime_ns) <= _LARGEST_NUMBER
        if found.kind == "file" and identifiable and not _is_racy(packed, self._read_after):
            record.inode, record.ctime_ns = packed.inode, packed.ctime_ns
        change = _change(before, record)
        self._manifest.file_map[path] = record
        if change is None:
            self._counts["unchanged"] += found.kind != "directory"
            return  # only its identity on disk is new
        self._replace_entry(path, before, packed)
        state = state_of(record)
        state.change_type = change
        self._changes[path] = state
        if found.kind != "directory":
            self._counts["added" if change == "added" else "modified"] += 1
        # The time of a folder changes with everything in it, the archive itself included: alone it is no version.
        if found.kind != "directory" or before is None or (before.type, before.mode) != (record.type, record.mode):
            self._matters = True

    def _replace_entry(self, path: str, before: FileRecord | None, packed: PackedEntry) -> None:
        old = self._table.take(entry_name(path, before.type)) if before else None
        if packed.entry is None:
            if old is not None:
                mode, mtime = packed.mode, packed.mtime_ns // 1_000_000_000
                self._table.rewrite(old, msgspec.structs.replace(old, mode=mode, mtime=mtime))
            return
        if old is not None and before is not None:
            self._superseded.append((before.current_hash, old))
        self._table.add(packed.entry)

    def delete(self, path: str) -> None:
        """Let *path* leave HEAD."""
        record = self._manifest.file_map.pop(path)
        old = self._table.take(entry_name(path, record.type))
        if old is not None:
            self._superseded.append((record.current_hash, old))
        self._changes[path] = FileState(inode_id=record.inode_id, type=record.type, change_type="deleted", deleted=True)
        self._counts["deleted"] += record.type != "directory"
        self._matters = True

    def finish(self, message: str, author: str, snapshot_interval: int) -> NextState:
        """Settle history and make the version."""
        manifest, table = self._manifest, self._table
        if not self._matters:
            return NextState(None, table, manifest, unchanged=self._counts["unchanged"])
        head_hashes = {record.current_hash for record in manifest.file_map.values()} - {""}
        table.keep_as_history(self._superseded, head_hashes)
        table.drop_blobs(sorted({state.hash for state in self._changes.values()} & head_hashes))
        snapshot = _snapshot_is_due(manifest.versions, snapshot_interval)
        states = self._changes
        if snapshot:
            states = {path: state_of(record) for path, record in manifest.file_map.items()} | self._changes
        version = Version(
            id=str(uuid.uuid4()),
            parent_id=manifest.refs.get("head"),
            timestamp=self._now,
            message=encodable(message),
            author=encodable(author),
            file_states=encode_states(states),
            snapshot=snapshot,
            counts=(self._counts["added"], self._counts["modified"], self._counts["deleted"]),
        )
        manifest.versions.append(version)
        manifest.refs["head"] = version.id
        manifest.metadata["lastModified"] = self._now
        return NextState(version, table, manifest, **self._counts)


def _change(before: FileRecord | None, after: FileRecord) -> ChangeType | None:
    if before is None:
        return "added"
    if (before.type, before.current_hash) != (after.type, after.current_hash):
        return "modified"
    if (before.mode, before.mtime_ns, before.raw_name) != (after.mode, after.mtime_ns, after.raw_name):
        return "metadata"
    return None


def _is_below_any(path: str, unread: set[str]) -> bool:
    """Whether a file that could not be read stands on disk where the archive has a folder with *path* in it."""
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
    """Whether the next version is to list everything: the first one, and every *interval*-th."""
    return (
        not any(version.snapshot for version in versions[-(interval - 1) or len(versions) :]) if interval > 1 else True
    )
