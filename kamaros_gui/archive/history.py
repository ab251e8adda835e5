"""History: which versions there are, and what each of them holds."""

from __future__ import annotations

import re
from typing import Final

from kamaros_gui.archive.manifest import FileRecord, FileState, Manifest, Version, decode_states
from kamaros_gui.base.errors import VersionNotFoundError
from kamaros_gui.base.reports import VersionInfo

__all__ = ["describe", "find_version", "hashes_in_use", "head_states", "states_at"]

_HEAD: Final = re.compile(r"HEAD(?:~(\d{1,9}))?", re.IGNORECASE)


def find_version(manifest: Manifest, name: str) -> Version:
    """Return the version that *name* means: an id, a unique prefix of one, a tag, ``HEAD`` or ``HEAD~n``.

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
    fitting = [version for version in versions if name and version.id.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise VersionNotFoundError(
            f"“{name}” fits {len(fitting)} versions.", hint="Give more characters of the id; the log lists them."
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
    )


def head_states(manifest: Manifest) -> dict[str, FileState]:
    """Return path → state of HEAD."""
    return {path: state_of(record) for path, record in manifest.file_map.items()}


def states_at(manifest: Manifest, version: Version) -> dict[str, FileState]:
    """Return path → state of *version*: the nearest full listing before it and the changes since.

    Raises:
        ManifestError: a listing that is needed is damaged.
    """
    if version.id == manifest.refs.get("head"):
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


def hashes_in_use(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Return content hash → (path, version id) for everything any version holds, the newest use winning.

    Raises:
        ManifestError: a listing is damaged.
    """
    used: dict[str, tuple[str, str]] = {}
    for version in manifest.versions:
        for path, state in decode_states(version).items():
            if state.hash and not state.deleted:
                used[state.hash] = (path, version.id)
    head = manifest.refs.get("head", "")
    for path, record in manifest.file_map.items():
        if record.current_hash:
            used[record.current_hash] = (path, head)
    return used


def describe(manifest: Manifest, version: Version) -> VersionInfo:
    """Return what the log shows of *version*."""
    if version.counts is not None:
        added, modified, deleted = version.counts
    else:
        states = decode_states(version).values()
        deleted = sum(state.deleted for state in states)
        added = sum(not state.deleted and state.change_type == "added" for state in states)
        modified = sum(not state.deleted and state.change_type in {"modified", "metadata"} for state in states)
    names = {name for name, target in manifest.refs.items() if target == version.id and name != "head"}
    return VersionInfo(
        id=version.id,
        parent=version.parent_id or "",
        timestamp=version.timestamp,
        message=version.message,
        author=version.author,
        tags=tuple(sorted(names | set(version.tags))),
        added=added,
        modified=modified,
        deleted=deleted,
    )
