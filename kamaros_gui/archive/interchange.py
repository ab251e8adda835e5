"""The manifest of an interchange archive: what other JCF writers expect, with all our own reader needs to lose nothing.

Every version lists all its files, and nothing is told by a section of our own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from kamaros_gui.archive.history import head_states, states_at
from kamaros_gui.archive.manifest import FileRecord, FileState, Manifest, Version, decode_states, iso_time
from kamaros_gui.base.errors import ArchiveError
from kamaros_gui.base.limits import MAX_MANIFEST_SIZE
from kamaros_gui.base.reports import EntryType

__all__ = ["encode_interchange_manifest", "every_version"]

_FORMAT_VERSION: Final = "1.0.0"
"""The version of the published description, which lists every file in every version."""


class _Record(msgspec.Struct, rename="camel", gc=False):
    """A file in ``fileMap``."""

    inode_id: str
    type: EntryType
    current_hash: str
    size: int
    created: str
    modified: str
    mime: str
    mode: int
    mtime_ns: int
    raw_name: str | msgspec.UnsetType


class _State(msgspec.Struct, rename="camel", gc=False):
    """A path in ``fileStates``."""

    inode_id: str
    type: EntryType
    hash: str
    size: int
    change_type: str
    deleted: bool
    content_ref: None
    mode: int
    modified: str
    mtime_ns: int
    raw_name: str | msgspec.UnsetType
    renamed_from: str | msgspec.UnsetType


class _Version(msgspec.Struct, rename="camel"):
    """A version in ``versionHistory``."""

    id: str
    parent_id: str | None
    timestamp: str
    message: str
    author: str
    email: str
    tags: list[str]
    file_states: dict[str, _State]


def every_version(manifest: Manifest) -> Iterator[tuple[Version, dict[str, FileState], dict[str, FileState]]]:
    """Yield each version, its states, and what it lists; HEAD is as ``fileMap`` has it.

    The states are good until the next version is asked for, which goes on with them.

    Raises:
        ManifestError: a listing is damaged.
    """
    by_id = {version.id: version for version in manifest.versions}
    head = manifest.refs.get("head", "")
    states: dict[str, FileState] = {}
    last = ""
    for version in manifest.versions:
        listed = decode_states(version)
        if version.snapshot:
            states = {}
        elif (version.parent_id or "") != last:
            parent = by_id.get(version.parent_id or "")
            states = states_at(manifest, parent) if parent is not None else {}
        for path, state in listed.items():
            if state.deleted:
                states.pop(path, None)
            else:
                states[path] = state
        last = version.id
        yield version, head_states(manifest) if version.id == head else states, listed


def encode_interchange_manifest(manifest: Manifest, lost: Collection[str], refused: Collection[str] = ()) -> bytes:
    """Return *manifest* as other writers expect it. Blocks; belongs in a worker thread.

    Args:
        manifest: of our own.
        lost: content hashes that the new archive does not have; what needs them is not listed.
        refused: paths that are not listed either.

    Raises:
        ArchiveError: so many files in so many versions make a manifest nobody could read.
        ManifestError: a listing is damaged.
    """
    versions: list[msgspec.Raw] = []
    size = 0
    for version, states, listed in every_version(manifest):
        encoded = msgspec.json.encode(_version(version, states, listed, lost, refused))
        size += len(encoded)
        if size > MAX_MANIFEST_SIZE:
            raise ArchiveError(
                "The history is too long for an interchange archive, which lists every file in every version.",
                hint="Export single versions as plain ZIP archives instead.",
            )
        versions.append(msgspec.Raw(encoded))
    document: dict[str, Any] = {
        "formatVersion": _FORMAT_VERSION,
        "metadata": manifest.metadata,
        "fileMap": {
            path: _record(record)
            for path, record in manifest.file_map.items()
            if record.current_hash not in lost and path not in refused
        },
        "versionHistory": versions,
        "refs": manifest.refs,
        "renameLog": manifest.rename_log,
        "config": manifest.config,
    }
    return msgspec.json.encode(document | manifest.unknown)


def _version(
    version: Version,
    states: dict[str, FileState],
    listed: dict[str, FileState],
    lost: Collection[str],
    refused: Collection[str],
) -> _Version:
    found: dict[str, _State] = {}
    for path, state in states.items():
        if state.hash in lost or path in refused:
            continue
        known = listed.get(path)
        change, origin = (known.change_type, known.renamed_from) if known is not None else ("unchanged", "")
        found[path] = _state(state, change, origin)
    for path, state in listed.items():
        if state.deleted and path not in found and path not in refused:
            found[path] = _state(state, "deleted", "")
    return _Version(
        id=version.id,
        parent_id=version.parent_id,
        timestamp=version.timestamp,
        message=version.message,
        author=version.author,
        email=version.email,
        tags=version.tags,
        file_states=found,
    )


def _state(state: FileState, change: str, origin: str) -> _State:
    return _State(
        state.inode_id,
        state.type,
        state.hash,
        state.size,
        change,
        state.deleted,
        None,
        state.mode,
        iso_time(state.mtime_ns // 1_000_000_000),
        state.mtime_ns,
        state.raw_name or msgspec.UNSET,
        origin or msgspec.UNSET,
    )


def _record(record: FileRecord) -> _Record:
    """Return *record* without what only means something on the disk it came from."""
    return _Record(
        record.inode_id,
        record.type,
        record.current_hash,
        record.size,
        record.created,
        record.modified,
        record.mime,
        record.mode,
        record.mtime_ns,
        record.raw_name or msgspec.UNSET,
    )
