"""A history in which every version lists all its files becomes one that lists changes, as our own writer goes on with.

Other writers repeat the whole listing in each version, leave out what they do not know, and say nothing of what a
version did to a path. All of that is worked out here, by comparing each version with the one it builds on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from kamaros_gui.archive.history import state_of, states_at
from kamaros_gui.archive.listed import (
    UNKNOWN_HASH,
    Listed,
    complete_state,
    hash_without_one,
    kind_of,
    made_id,
    nanoseconds,
)
from kamaros_gui.archive.manifest import (
    UNZIP_HINT,
    ChangeType,
    FileState,
    Manifest,
    Version,
    encode_states,
    listing_of,
)
from kamaros_gui.base.errors import ManifestError

__all__ = ["upgrade_manifest"]

_SNAPSHOT_INTERVAL: Final = 20
"""Every so many versions the upgraded history keeps a full listing, so that any version is near one."""

_States = dict[str, FileState]


def upgrade_manifest(manifest: Manifest) -> Manifest:
    """Return *manifest* as our own writer goes on with it; *manifest* itself stays as it is.

    The first version is a snapshot, and so is one now and then; the others list what they changed, and how: ``added``,
    ``modified``, ``metadata``, ``deleted`` or ``renamed``, the last where a path keeps the ``inodeId`` of one that went
    (or says so itself, or the rename log does). Counts are filled in. Where HEAD's ``fileMap`` and the listing of its
    version disagree, the first is right. Files without a history get a version of their own. A manifest in which every
    version has its counts is returned as it is.

    What a state does not say is taken from the version before, where the content is the same; a time that nothing tells
    is that of the version. Ids that are missing are made up, the same ones every time.

    Args:
        manifest: a version of it that is no ``snapshot`` lists its changes only.

    Raises:
        ManifestError: a listing is damaged, or the versions build on each other in a circle.
    """
    if manifest.versions and all(version.counts is not None for version in manifest.versions):
        return manifest
    return _Upgrade(manifest).run()


class _Upgrade:
    """One upgrade. Versions are taken in an order in which each comes after the one it builds on."""

    def __init__(self, manifest: Manifest) -> None:
        self._old = manifest
        self._records = dict(manifest.file_map)
        self._head = manifest.refs.get("head", "")
        self._refs = dict(manifest.refs)
        self._log = list(manifest.rename_log)
        self._logged = {
            (entry.get("versionId"), entry.get("to")): entry.get("from")
            for entry in manifest.rename_log
            if isinstance(entry.get("versionId"), str) and isinstance(entry.get("to"), str)
        }
        self._since_snapshot = 0
        self._versions: list[Version] = []

    def run(self) -> Manifest:
        """Return the new manifest."""
        versions = _in_order(self._old.versions)
        if not versions and self._records:
            versions = [self._first_version()]
        last: tuple[str, _States] = ("", {})
        for version in versions:
            parent = version.parent_id or ""
            before = last[1] if parent == last[0] else self._states_before(parent)
            last = version.id, self._take(version, before, follows=bool(parent) and parent == last[0])
        return msgspec.structs.replace(
            self._old,
            file_map=self._records,
            versions=self._versions,
            refs=self._refs,
            rename_log=self._log,
        )

    def _first_version(self) -> Version:
        metadata = self._old.metadata
        moment = next((each for each in map(metadata.get, ("lastModified", "created")) if isinstance(each, str)), "")
        version = Version(id=made_id("version", *sorted(self._records)), timestamp=moment, snapshot=True)
        self._head = self._refs["head"] = version.id
        return version

    def _take(self, version: Version, before: _States, *, follows: bool) -> _States:
        """Add *version*, which builds on the states *before*; return its own states."""
        listed = self._listing(version)
        is_head = version.id == self._head
        states = (self._head_states if is_head else self._states)(version, listed, before)
        changes, renames = self._changes(version, listed, before, states)
        snapshot = not follows or self._since_snapshot >= _SNAPSHOT_INTERVAL - 1
        self._since_snapshot = 0 if snapshot else self._since_snapshot + 1
        counted = [state for state in changes.values() if state.type != "directory"]
        counts = (
            sum(state.change_type == "added" for state in counted),
            sum(state.change_type in {"modified", "metadata"} for state in counted),
            sum(state.deleted for state in counted) - renames,
        )
        self._versions.append(
            msgspec.structs.replace(
                version,
                file_states=encode_states(states | changes if snapshot else changes),
                snapshot=snapshot,
                counts=counts,
                renames=renames,
                listing="",
                listing_size=0,
            )
        )
        return states

    def _listing(self, version: Version) -> dict[str, Listed]:
        try:
            listed = msgspec.json.decode(listing_of(version), type=dict[str, Listed])
        except (msgspec.DecodeError, RecursionError) as error:
            place = f"$.versionHistory[{self._old.versions.index(version)}].fileStates"
            message = str(error).replace("$", place, 1) if "$" in str(error) else f"{error} - at `{place}`"
            raise ManifestError(f"The manifest is damaged: {message}.", hint=UNZIP_HINT) from None
        clean: dict[str, Listed] = {}
        for path, each in listed.items():
            if each.type is None and (path.endswith("/") or (each.mode is not None and each.mode > 0o7777)):
                each.type = kind_of(path, each.mode)
            clean[path.removesuffix("/") or path] = each
        return clean

    def _states_before(self, version_id: str) -> _States:
        """Return the states of a version that was taken before the last one; nothing where there is no such version."""
        done = msgspec.structs.replace(self._old, versions=self._versions, refs={})
        version = next((each for each in self._versions if each.id == version_id), None)
        states = states_at(done, version) if version is not None else {}
        return {
            path: msgspec.structs.replace(state, change_type="unchanged", renamed_from="")
            for path, state in states.items()
        }

    def _states(self, version: Version, listed: dict[str, Listed], before: _States) -> _States:
        """Return the states of *version*, each path with all that is known of it."""
        moment = nanoseconds(version.timestamp) or 0
        states = {} if version.snapshot else dict(before)
        for path, found in listed.items():
            if found.deleted:
                states.pop(path, None)
            else:
                states[path] = complete_state(version, path, found, before.get(path), self._records.get(path), moment)
        return states

    def _head_states(self, version: Version, listed: dict[str, Listed], before: _States) -> _States:
        """Return the states of HEAD, as ``fileMap`` has them, and complete its records."""
        moment = nanoseconds(version.timestamp) or 0
        for path, record in self._records.items():
            if record.inode_id and (record.mtime_ns or record.modified) and record.current_hash:
                continue
            found = listed.get(path) or Listed(type=record.type, hash=record.current_hash, size=record.size)
            state = complete_state(version, path, found, before.get(path), None, moment)
            self._records[path] = msgspec.structs.replace(
                record,
                inode_id=record.inode_id or state.inode_id,
                mtime_ns=record.mtime_ns if record.mtime_ns or record.modified else state.mtime_ns,
                current_hash=record.current_hash or state.hash.replace(UNKNOWN_HASH, ""),
            )
        states: _States = {}
        for path, record in self._records.items():
            states[path] = state_of(record)
            states[path].hash = record.current_hash or hash_without_one(record.type, record.size)
            if path in listed:
                states[path].content_ref = listed[path].content_ref
        return states

    def _changes(
        self, version: Version, listed: dict[str, Listed], before: _States, states: _States
    ) -> tuple[_States, int]:
        """Return what *version* did to the states *before*, and how many files and links got another path."""
        changes: _States = {}
        for path, state in states.items():
            change = _change(before.get(path), state)
            if change is not None:
                changes[path] = msgspec.structs.replace(state, change_type=change)
        gone = {path: state for path, state in before.items() if path not in states}
        for path, state in gone.items():
            changes[path] = FileState(inode_id=state.inode_id, type=state.type, change_type="deleted", deleted=True)
        renames = 0
        staying = {state.inode_id for path, state in before.items() if path in states} if gone else set()
        by_inode = _only_ones(gone, staying)
        for path, state in changes.items():
            if state.change_type != "added" or not gone:
                continue
            said = listed[path].renamed_from if path in listed else None
            for origin in (said, self._logged_origin(version.id, path), by_inode.get(state.inode_id)):
                if origin is not None and origin in gone and gone[origin].type == state.type:
                    del gone[origin]
                    state.change_type, state.renamed_from = "renamed", origin
                    renames += state.type != "directory"
                    self._note_rename(version, origin, path)
                    break
        return changes, renames

    def _logged_origin(self, version_id: str, path: str) -> str | None:
        """Return where the rename log says that *path* comes from, by itself or with a folder above it."""
        if not self._logged:
            return None
        above, rest = path, ""
        while above:
            origin = self._logged.get((version_id, above))
            if isinstance(origin, str):
                return origin + rest
            above, slash, last = above.rpartition("/")
            rest = f"{slash}{last}{rest}"
        return None

    def _note_rename(self, version: Version, origin: str, path: str) -> None:
        if self._logged_origin(version.id, path) != origin:
            entry = {"from": origin, "to": path, "versionId": version.id, "timestamp": version.timestamp}
            self._log.append(entry)


def _in_order(versions: list[Version]) -> list[Version]:
    """Return *versions* so that each comes after the one it builds on, in the order they have otherwise.

    Raises:
        ManifestError: they build on each other in a circle.
    """
    known = {version.id for version in versions}
    ordered: list[Version] = []
    done: set[str] = set()
    waiting: dict[str, list[Version]] = {}
    for version in versions:
        parent = version.parent_id or ""
        if parent in known and parent not in done:
            waiting.setdefault(parent, []).append(version)
            continue
        ready = [version]
        while ready:
            each = ready.pop()
            ordered.append(each)
            done.add(each.id)
            ready += reversed(waiting.pop(each.id, []))
    if waiting:
        raise ManifestError(
            "The manifest is damaged: versions build on each other in a circle - at `$.versionHistory`.",
            hint=UNZIP_HINT,
        )
    return ordered


def _change(before: FileState | None, after: FileState) -> ChangeType | None:
    """Return what happened between two states of a path, ``None`` where they say the same."""
    if before is None:
        return "added"
    if before is after:
        return None
    if (before.type, before.hash) != (after.type, after.hash):
        return "modified"
    if (before.mode, before.mtime_ns, before.raw_name) != (after.mode, after.mtime_ns, after.raw_name):
        return "metadata"
    # A reference to a delta, say: nothing a log shows, but not to be lost. That a later version has none tells nothing.
    reference = before.content_ref if after.content_ref is None else after.content_ref
    return None if before == msgspec.structs.replace(after, content_ref=reference) else "unchanged"


def _only_ones(gone: _States, staying: Collection[str]) -> dict[str, str]:
    """Return inode id → path of those that no other of *gone* has, and none of the ids that are *staying*."""
    paths: dict[str, str] = {}
    ambiguous = set(staying)
    for path, state in gone.items():
        if state.inode_id in paths:
            ambiguous.add(state.inode_id)
        paths[state.inode_id] = path
    return {inode_id: path for inode_id, path in paths.items() if inode_id not in ambiguous}
