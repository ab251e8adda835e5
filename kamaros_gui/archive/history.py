"""History: which versions there are, and what each of them holds."""

from __future__ import annotations

import contextlib
import re
from typing import Final, TypeVar

import msgspec

from kamaros_gui.archive.manifest import ChangeType, FileRecord, FileState, Manifest, Version, decode_states, listing_of
from kamaros_gui.base.errors import IntegrityError, ManifestError, VersionNotFoundError
from kamaros_gui.base.reports import VersionInfo

__all__ = [
    "Trace",
    "decode_parts",
    "describe",
    "encrypted_hashes",
    "find_version",
    "hashes_in_use",
    "head_states",
    "state_of",
    "states_at",
    "steps_between",
    "tags_of",
]

_HEAD: Final = re.compile(r"HEAD(?:~(\d{1,9}))?", re.IGNORECASE)

_ENCRYPTED: Final = b'"encrypted"'
"""What the listing of a version has in it that has such a file; nearly none has."""

T = TypeVar("T")


class Trace(msgspec.Struct, rename="camel", gc=False):
    """What the log needs of a :class:`FileState`; decoding this alone takes half the time.

    Attributes:
        change_type, deleted, renamed_from: as there.
    """

    change_type: ChangeType = "added"
    deleted: bool = False
    renamed_from: str = ""


class _Use(msgspec.Struct, gc=False):
    hash: str = ""
    deleted: bool = False


def decode_parts(version: Version, shape: type[T], listing: bytes | None = None) -> dict[str, T]:
    """Return what *version* says of the paths it lists, only the fields of *shape*; see :func:`decode_states`.

    Args:
        version: the version.
        shape: a struct with some of the fields of :class:`FileState`.
        listing: its listing, where that was fetched already.

    Raises:
        ManifestError: the listing is damaged.
    """
    data = listing_of(version) if listing is None else listing
    try:
        return msgspec.json.decode(data, type=dict[str, shape])  # type: ignore[valid-type] # as decoded
    except (msgspec.DecodeError, RecursionError) as error:
        raise ManifestError(f"The manifest is damaged in version {version.id[:8]}: {error}.") from None


def find_version(manifest: Manifest, name: str) -> Version:
    """Return the version that *name* means: an id, a unique prefix of one, a tag, ``HEAD`` or ``HEAD~n``.

    Tags are in ``refs``; other writers keep theirs with the version.

    Raises:
        VersionNotFoundError: it names none, or several.
    """
    versions = manifest.versions
    by_id = {version.id: version for version in versions}
    if match := _HEAD.fullmatch(name):
        return _ancestor(manifest, by_id, int(match[1] or 0), name)
    if name in by_id:
        return by_id[name]
    tagged = manifest.refs.get(name)
    if tagged in by_id and name != "head":
        return by_id[tagged]
    bearing = [version for version in versions if name and name in version.tags]
    fitting = bearing or [version for version in versions if name and version.id.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise VersionNotFoundError(
            f"“{name}” fits {len(fitting)} versions.",
            hint="Several have this tag; use an id. The log lists them."
            if bearing
            else "Give more characters of the id; the log lists them.",
        )
    raise VersionNotFoundError(f"There is no version “{name}”.", hint="The log lists all versions.")


def _ancestor(manifest: Manifest, by_id: dict[str, Version], steps: int, name: str) -> Version:
    current = by_id.get(manifest.refs.get("head", ""))
    for _ in range(min(steps, len(by_id) + 1)):
        current = by_id.get(current.parent_id or "") if current else None
    if current is None:
        raise VersionNotFoundError(
            f"There is no version “{name}”: the history has {len(manifest.versions)}.", hint="The log lists them."
        )
    return current


def state_of(record: FileRecord) -> FileState:
    """Return the state of a path whose record in HEAD is *record*."""
    return FileState(
        inode_id=record.inode_id,
        type=record.type,
        hash=record.current_hash,
        size=record.size,
        change_type="unchanged",
        mode=record.mode,
        mtime_ns=record.mtime_ns,
        raw_name=record.raw_name,
        encrypted=record.encrypted,
    )


def head_states(manifest: Manifest) -> dict[str, FileState]:
    """Return path → state of HEAD."""
    return {path: state_of(record) for path, record in manifest.file_map.items()}


def states_at(manifest: Manifest, version: Version) -> dict[str, FileState]:
    """Return path → state of *version*: the nearest full listing before it and the changes since.

    Raises:
        ManifestError: a listing that is needed is damaged.
    """
    if version.id == manifest.refs.get("head") and manifest.file_map:  # or else that was not read
        return head_states(manifest)
    by_id = {each.id: each for each in manifest.versions}
    chain: list[Version] = []
    current: Version | None = version
    while current is not None and len(chain) <= len(by_id):
        chain.append(current)
        current = None if current.snapshot else by_id.get(current.parent_id or "")
    states: dict[str, FileState] = {}
    for each in reversed(chain):
        for path, state in decode_states(each).items():
            if state.deleted:
                states.pop(path, None)
            else:
                states[path] = state
    return states


def steps_between(manifest: Manifest, older: Version, newer: Version) -> list[Version] | None:
    """Return the versions that lead from *older* to *newer*, oldest first, where each lists changes only.

    So nothing but the paths they list can differ between the two.

    Returns:
        ``None`` where *older* is no ancestor of *newer*, or where a full listing lies on the way.
    """
    by_id = {each.id: each for each in manifest.versions}
    steps: list[Version] = []
    current: Version | None = newer
    while current is not None and current.id != older.id:
        if current.snapshot or len(steps) > len(by_id):
            return None
        steps.append(current)
        current = by_id.get(current.parent_id or "")
    return None if current is None else steps[::-1]


def hashes_in_use(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Return content hash → (path, version id) for everything any version holds, the newest use winning.

    Raises:
        ManifestError: a listing is damaged.
    """
    used: dict[str, tuple[str, str]] = {}
    for version in manifest.versions:
        for path, state in decode_parts(version, _Use).items():
            if state.hash and not state.deleted:
                used[state.hash] = (path, version.id)
    head = manifest.refs.get("head", "")
    for path, record in manifest.file_map.items():
        if record.current_hash:
            used[record.current_hash] = (path, head)
    return used


def encrypted_hashes(manifest: Manifest) -> frozenset[str]:
    """Return the hashes of contents that another writer has encrypted, in any version whose listing is whole."""
    found = {record.current_hash for record in manifest.file_map.values() if record.encrypted}
    for version in manifest.versions:
        with contextlib.suppress(IntegrityError):
            if _ENCRYPTED in bytes(listing_of(version)):
                found.update(state.hash for state in decode_states(version).values() if state.encrypted)
    return frozenset(found)


def tags_of(manifest: Manifest, version: Version) -> set[str]:
    """Return the tags of *version*, wherever its writer keeps them."""
    named = {name for name, target in manifest.refs.items() if target == version.id and name != "head"}
    return named | set(version.tags)


def describe(manifest: Manifest, version: Version) -> VersionInfo:
    """Return what the log shows of *version*."""
    renamed = version.renames
    if version.counts is not None:
        added, modified, deleted = version.counts
    else:
        traces = decode_parts(version, Trace).values()
        present = [trace.change_type for trace in traces if not trace.deleted]
        renamed = renamed or present.count("renamed")
        added = present.count("added")
        modified = present.count("modified") + present.count("metadata")
        deleted = max(0, len(traces) - len(present) - renamed)  # a path that was renamed away is listed as deleted
    return VersionInfo(
        id=version.id,
        parent=version.parent_id or "",
        timestamp=version.timestamp,
        message=version.message,
        author=version.author,
        tags=tuple(sorted(tags_of(manifest, version))),
        added=added,
        modified=modified,
        deleted=deleted,
        renamed=renamed,
    )
