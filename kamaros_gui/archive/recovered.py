"""A new history for an archive that has lost its own: one version of the current files that were found."""

from __future__ import annotations

import math
import stat
import uuid

from kamaros_gui.archive.container import CONTENT_PREFIX, MIMETYPE_NAME
from kamaros_gui.archive.manifest import FileRecord, FileState, Manifest, Version, encode_states, iso_time
from kamaros_gui.archive.salvage import Held, Pool

__all__ = ["recovered_manifest"]


def recovered_manifest(pool: Pool, name: str, now: str) -> Manifest | None:
    """Make a manifest with one version for the current files in *pool*, where no other is left; ``None`` without any.

    The last complete directory says which files are current; without one, of each name what was written last. What
    may belong to an archive inside this one, whose own header is lost, is left out.
    """
    current: dict[str, Held] = {}
    inside = _start_of_an_inner_archive(pool)
    for each in pool.held:
        loose = each.padded and each.entry.header_offset < inside
        usable = each.listed if pool.directory is not None else each.reached or loose
        if usable and each.entry.name.startswith(CONTENT_PREFIX) and len(each.entry.name) > len(CONTENT_PREFIX):
            current[each.entry.name] = each
    if not current:
        return None
    manifest = Manifest.empty(name, now)
    states: dict[str, FileState] = {}
    for entry_of_head, each in sorted(current.items()):
        path = entry_of_head.removeprefix(CONTENT_PREFIX).removesuffix("/")
        record = _recovered_record(each, now)
        manifest.file_map[path] = record
        states[path] = FileState(
            inode_id=record.inode_id,
            type=record.type,
            hash=record.current_hash,
            size=record.size,
            change_type="added",
            mode=record.mode,
            mtime_ns=record.mtime_ns,
        )
    files = sum(record.type != "directory" for record in manifest.file_map.values())
    version = Version(
        id=str(uuid.uuid4()),
        timestamp=now,
        message="Recovered: the history was lost",
        file_states=encode_states(states),
        snapshot=True,
        counts=(files, 0, 0),
    )
    manifest.versions.append(version)
    manifest.refs["head"] = version.id
    return manifest


def _start_of_an_inner_archive(pool: Pool) -> float:
    """Return where in the file a mark stands that is not that of this archive."""
    marks = (each.entry.header_offset for each in pool.held if each.entry.name == MIMETYPE_NAME)
    return min((offset for offset in marks if offset), default=math.inf)


def _recovered_record(held: Held, now: str) -> FileRecord:
    entry = held.entry
    kind = "directory" if entry.is_directory else "symlink" if entry.is_symlink else "file"
    return FileRecord(
        inode_id=str(uuid.uuid4()),
        type=kind,  # type: ignore[arg-type] # one of the three
        current_hash="" if kind == "directory" else held.sha256,
        size=0 if kind == "directory" else entry.size,
        created=now,
        modified=iso_time(entry.mtime),
        mtime_ns=entry.mtime * 1_000_000_000,
        mode=stat.S_IMODE(entry.mode) or (0o755 if kind == "directory" else 0o644),
    )
