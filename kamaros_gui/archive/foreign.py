"""Manifests of other JCF writers: where they are, how they differ, and how they become one of our own.

What they do otherwise: the manifest lies at ``.store/manifest.json`` instead of the root, or at both; every version
lists all its files; times come in several spellings of ISO 8601; whatever has no value is left out, or ``null``. What
is missing is worked out where that can be done; what has the wrong type is an error that names the JSON path.
"""

from __future__ import annotations

import datetime as dt
import itertools
import stat
from typing import Any, Final

import msgspec

from kamaros_gui.archive.listed import kind_of, nanoseconds, usual_mode
from kamaros_gui.archive.manifest import (
    MANIFEST_NAME,
    UNZIP_HINT,
    FileRecord,
    Manifest,
    Mode,
    Nanoseconds,
    Size,
    Version,
    check_references,
    decode_sections,
)
from kamaros_gui.archive.upgrading import upgrade_manifest
from kamaros_gui.base.errors import ManifestError
from kamaros_gui.base.reports import EntryType

__all__ = [
    "MANIFEST_NAMES",
    "STORE_MANIFEST_NAME",
    "decode_foreign",
    "is_own_manifest",
    "looks_like_manifest",
    "newest_manifest",
    "upgrade_manifest",
]

STORE_MANIFEST_NAME: Final = ".store/manifest.json"
MANIFEST_NAMES: Final = (MANIFEST_NAME, STORE_MANIFEST_NAME)
"""Where a manifest may be; the first is our own place."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _ForeignRecord(msgspec.Struct, rename="camel", kw_only=True):
    """A file in ``fileMap``; every field may be missing or ``null``."""

    inode_id: str | None = None
    type: EntryType | None = None
    current_hash: str | None = None
    size: Size | None = None
    created: str | None = None
    modified: str | None = None
    mtime_ns: Nanoseconds | None = None
    mime: str | None = None
    mode: Mode | None = None
    raw_name: str | None = None
    encrypted: bool | None = None


class _ForeignVersion(msgspec.Struct, rename="camel", kw_only=True):
    """A version in ``versionHistory``; only its id must be there."""

    id: str
    parent_id: str | None = None
    timestamp: str | None = None
    message: str | None = None
    author: str | None = None
    email: str | None = None
    tags: list[str] | None = None
    file_states: msgspec.Raw = msgspec.Raw(b"{}")


_SHAPES: Final[dict[str, Any]] = {
    "metadata": dict[str, Any] | None,
    "fileMap": dict[str, _ForeignRecord],
    "versionHistory": list[_ForeignVersion],
    "refs": dict[str, str | None] | None,
    "renameLog": list[dict[str, Any]] | None,
    "config": dict[str, Any] | None,
}


def looks_like_manifest(data: bytes) -> bool:
    """Whether *data* has the shape of a manifest; plenty of other formats have a ``manifest.json`` too."""
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return bytes(raw.get("fileMap", b""))[:1] == b"{" and bytes(raw.get("versionHistory", b""))[:1] == b"["


def is_own_manifest(data: bytes) -> bool:
    """Whether a manifest was written by Kamaros for itself, so that a version lists its changes only.

    Data that is no JSON object counts as our own: its reader says what is wrong with it.
    """
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return True
    return "kamaros" in raw


def newest_manifest(documents: dict[str, bytes]) -> str:
    """Return which of *documents* (name → content) counts: the one with the longest history, then the latest one.

    A program that keeps its manifest in one place may have left the other one as it was.
    """
    return max(documents, key=lambda name: _age(documents[name])) if len(documents) > 1 else next(iter(documents))


def _age(data: bytes) -> tuple[int, int]:
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        history = msgspec.json.decode(raw.get("versionHistory", msgspec.Raw(b"[]")), type=list[msgspec.Raw])
        metadata = msgspec.json.decode(raw.get("metadata", msgspec.Raw(b"{}")), type=dict[str, Any] | None) or {}
    except (msgspec.DecodeError, RecursionError):
        return -1, 0
    modified = metadata.get("lastModified")
    return len(history), (nanoseconds(modified) or 0) if isinstance(modified, str) else 0


def decode_foreign(data: bytes) -> Manifest:
    """Read the manifest of another writer, and return what our own writer can go on with.

    Unknown fields at the top level and everything in ``metadata``, ``refs``, ``renameLog`` and ``config`` are kept.
    Unknown fields inside the record of a file or a version are not.

    Raises:
        ManifestError: it is not valid; the message names the JSON path.
    """
    values, unknown = decode_sections(data, _SHAPES)
    for name in ("fileMap", "versionHistory"):
        if name not in values:
            raise ManifestError(f"The manifest is damaged: it has no {name} - at `$.{name}`.", hint=UNZIP_HINT)
    versions = [_version(each) for each in values["versionHistory"]]
    refs = {name: target for name, target in (values.get("refs") or {}).items() if target}
    _link(versions)
    if versions and not refs.get("head"):
        refs["head"] = _newest(versions).id
    records: dict[str, _ForeignRecord] = values["fileMap"]
    manifest = Manifest(
        metadata=values.get("metadata") or {},
        file_map={_clean(path): _record(path, record) for path, record in records.items()},
        versions=versions,
        refs=refs,
        rename_log=values.get("renameLog") or [],
        config=values.get("config") or {},
        unknown=unknown,
    )
    check_references(manifest)
    return upgrade_manifest(manifest)


def _version(found: _ForeignVersion) -> Version:
    return Version(
        id=found.id,
        parent_id=found.parent_id or None,
        timestamp=_in_utc(found.timestamp or ""),
        message=found.message or "",
        author=found.author or "",
        email=found.email or "",
        tags=found.tags or [],
        file_states=found.file_states,
        snapshot=True,  # the listing is complete
    )


def _in_utc(text: str) -> str:
    """Return the time of a version as this program writes it; as it is where it is already, or is no time."""
    moment = nanoseconds(text)
    if moment is None or text.endswith("Z"):
        return text
    whole = _EPOCH + dt.timedelta(microseconds=moment // 1000)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _link(versions: list[Version]) -> None:
    """Bring *versions* into order, and let each name the one before it where none of them names any."""
    if any(version.parent_id for version in versions):
        return
    times = [nanoseconds(version.timestamp) for version in versions]
    known = [moment for moment in times if moment is not None]
    if len(known) == len(versions) > 1 and known[0] > known[-1] and known == sorted(known, reverse=True):
        versions.reverse()
    for before, version in itertools.pairwise(versions):
        version.parent_id = before.id


def _newest(versions: list[Version]) -> Version:
    """Return the last version that no other one builds on."""
    parents = {version.parent_id for version in versions}
    return next((version for version in reversed(versions) if version.id not in parents), versions[-1])


def _clean(path: str) -> str:
    """Return *path* without the slash some writers end a folder with."""
    return path.removesuffix("/") or path


def _record(path: str, found: _ForeignRecord) -> FileRecord:
    kind = found.type or kind_of(path, found.mode)
    moment = found.mtime_ns
    if moment is None:
        moment = nanoseconds(found.modified)
    if moment is None:
        moment = nanoseconds(found.created) or 0
    return FileRecord(
        inode_id=found.inode_id or "",
        type=kind,
        current_hash=found.current_hash or "",
        size=found.size or 0,
        created=found.created or "",
        modified=found.modified or "",
        mtime_ns=moment,
        mime=found.mime or "",
        mode=usual_mode(kind) if found.mode is None else stat.S_IMODE(found.mode),
        raw_name=found.raw_name or "",
        encrypted=bool(found.encrypted),
    )
