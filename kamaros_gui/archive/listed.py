"""A path as another writer's version lists it, completed with what can be worked out."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import stat
import uuid
from typing import Final

import msgspec

from kamaros_gui.archive.manifest import FileRecord, FileState, Mode, Nanoseconds, Size, Version
from kamaros_gui.base.reports import EntryType

__all__ = [
    "UNKNOWN_HASH",
    "Listed",
    "complete_state",
    "hash_without_one",
    "kind_of",
    "made_id",
    "nanoseconds",
    "usual_mode",
]

_IDS: Final = uuid.UUID("5f0b8f5e-6a3e-4c53-9d0c-6b1f6f9b8f11")
"""Names the ids that are made for what has none: the same manifest gives the same ids every time it is read."""

_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE | re.ASCII
)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND: Final = dt.timedelta(seconds=1)
_HASH_OF_NOTHING: Final = hashlib.sha256().hexdigest()
UNKNOWN_HASH: Final = "0" * 64
"""Stands for the hash of a content that has none recorded: nothing has it, so the content counts as lost."""

_MOST_NANOSECONDS: Final = (1 << 63) - 1


class Listed(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """A path in ``fileStates`` as another writer has it; every field may be missing or ``null``."""

    inode_id: str | None = None
    type: EntryType | None = None
    hash: str | None = None
    size: Size | None = None
    deleted: bool | None = None
    content_ref: str | None = None
    mode: Mode | None = None
    mtime_ns: Nanoseconds | None = None
    modified: str | None = None
    raw_name: str | None = None
    encrypted: bool | None = None
    renamed_from: str | None = None


def complete_state(
    version: Version, path: str, found: Listed, prior: FileState | None, record: FileRecord | None, moment: int
) -> FileState:
    """Return the state of *path*; what *found* does not say comes from *prior*, from HEAD's *record*, or is usual.

    *prior* itself comes back where nothing differs: a history repeats most of its states in every version.
    """
    kind = found.type or (prior.type if prior is not None else record.type if record is not None else "file")
    digest = found.hash or hash_without_one(kind, found.size)
    same_before = prior is not None and (prior.type, prior.hash) == (kind, digest)
    same_in_head = record is not None and (record.type, record.current_hash) == (kind, digest)
    mode, mtime_ns = found.mode, found.mtime_ns
    if mode is None:
        # Permissions outlive a change of the content, times do not.
        known = prior if prior is not None and prior.type == kind else record
        mode = known.mode if known is not None and known.type == kind else usual_mode(kind)
    if mtime_ns is None:
        mtime_ns = nanoseconds(found.modified)
    if mtime_ns is None:
        mtime_ns = prior.mtime_ns if same_before and prior is not None else None
    if mtime_ns is None:
        # A file that was there already can't be younger than its version; HEAD's may have come back later.
        known_time = record.mtime_ns if record is not None and same_in_head else 0
        mtime_ns = known_time if known_time and (known_time <= moment or not moment) else moment
    state = FileState(
        inode_id=found.inode_id or (prior.inode_id if prior is not None else "") or made_id(version.id, path),
        type=kind,
        hash=digest,
        size=found.size or 0,
        change_type="unchanged",
        content_ref=found.content_ref,
        mode=stat.S_IMODE(mode),
        mtime_ns=mtime_ns,
        raw_name=found.raw_name or "",
        encrypted=bool(found.encrypted),
    )
    return prior if prior is not None and prior == state else state


def hash_without_one(kind: EntryType, size: int | None) -> str:
    """Return the hash of what has none recorded. By its path alone a reader would find what HEAD has there now."""
    if kind == "directory":
        return ""
    return _HASH_OF_NOTHING if size == 0 else UNKNOWN_HASH


def nanoseconds(text: str | None) -> int | None:
    """Return the moment *text* names as nanoseconds since the epoch; ``None`` where it names none.

    Any ISO 8601 date and time will do, with a fraction of a second or without, in any zone; without one it is UTC.
    """
    match = _ISO.fullmatch((text or "").strip())
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{day}T{time}{(zone or 'Z').upper()}")
    except ValueError:
        return None
    # Only whole seconds go through a datetime, which knows no nanoseconds.
    whole = ((moment - _EPOCH) // _SECOND) * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))
    return whole if abs(whole) <= _MOST_NANOSECONDS else None


def kind_of(path: str, mode: int | None) -> EntryType:
    """Return what an entry is whose record does not say so."""
    if path.endswith("/") or stat.S_ISDIR(mode or 0):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode or 0) else "file"


def usual_mode(kind: EntryType) -> int:
    """Return the permission bits of what has none recorded."""
    return {"file": 0o644, "directory": 0o755, "symlink": 0o777}[kind]


def made_id(*parts: str) -> str:
    """Return an id for what has none; the same for the same parts."""
    return str(uuid.uuid5(_IDS, "\0".join(parts)))
