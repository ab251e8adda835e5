"""Folding: a history without some of its versions, whose changes become those of the version after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Container

import msgspec

from kamaros_gui.archive.manifest import FileState, Manifest, Version, amended, decode_states, encode_states

__all__ = ["Folded", "fold_versions"]


@dataclasses.dataclass(frozen=True, slots=True)
class Folded:
    """A shorter history.

    Attributes:
        versions: what is left, oldest first.
        successors: id of a version that is gone → id of the one its changes are now part of.
        hashes: content that what is left needs.
    """

    versions: list[Version]
    successors: dict[str, str]
    hashes: set[str]


def fold_versions(manifest: Manifest, gone: Container[str]) -> Folded:
    """Work out the history of *manifest* without the versions *gone*. Blocks; belongs in a worker thread.

    One pass from the oldest version to the newest: what is left says the same of every path as before, and what a gone
    version changed counts as a change of the next one that is left. Of the first one left everything is listed.

    Args:
        manifest: stays as it is; each version's parent is the one before it.
        gone: ids; not that of the newest version.

    Raises:
        ManifestError: a listing is damaged.
    """
    folder = _Folder()
    for version in manifest.versions:
        folder.take(version, stays=version.id not in gone)
    return Folded(folder.versions, folder.successors, folder.hashes)


class _Folder:
    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.successors: dict[str, str] = {}
        self.hashes: set[str] = set()
        self._states: dict[str, FileState] = {}
        self._waiting: list[str] = []
        # What versions that are gone have touched since the last one that stays: path → its state there.
        self._before: dict[str, FileState | None] = {}

    def take(self, version: Version, *, stays: bool) -> None:
        listed = decode_states(version)
        parent = self.versions[-1].id if self.versions else None
        if stays and not self._waiting and (self.versions or version.snapshot or not self._states):
            self._apply(version, listed, note=False)
            self._keep(amended(version, parent_id=parent), listed)
            return
        self._apply(version, listed, note=True)
        self._waiting.append(version.id)
        if not stays:
            return
        changes = self._changes()
        counts, renames = self._count(changes)
        full = version.snapshot or parent is None
        states = {path: _unchanged(state) for path, state in self._states.items()} | changes if full else changes
        folded = msgspec.structs.replace(
            version,
            parent_id=parent,
            file_states=encode_states(states),
            snapshot=full,
            counts=counts,
            renames=renames,
            listing="",
            listing_size=0,
        )
        self.successors |= dict.fromkeys(self._waiting[:-1], version.id)
        self._keep(folded, states)

    def _keep(self, version: Version, listed: dict[str, FileState]) -> None:
        self.versions.append(version)
        self.hashes.update(state.hash for state in listed.values() if not state.deleted)
        self._waiting, self._before = [], {}

    def _apply(self, version: Version, listed: dict[str, FileState], *, note: bool) -> None:
        """Bring the states to those of *version*; *note* what that changes."""
        states = self._states
        if version.snapshot:
            left = dict.fromkeys(states.keys() - listed.keys(), FileState(deleted=True))
            touched = left | {path: state for path, state in listed.items() if not _same(states.get(path), state)}
        else:
            touched = listed
        if note:
            for path in touched:
                self._before.setdefault(path, states.get(path))
        for path, state in touched.items():
            if state.deleted:
                states.pop(path, None)
            else:
                states[path] = state

    def _changes(self) -> dict[str, FileState]:
        """Return what has become different since the last version that stays."""
        changes: dict[str, FileState] = {}
        left = {
            before.inode_id: path
            for path, before in self._before.items()
            if before is not None and before.inode_id and not _is(self._states.get(path), before.inode_id)
        }
        came = {
            after.inode_id
            for path, before in self._before.items()
            if (after := self._states.get(path)) is not None and not _is(before, after.inode_id)
        }
        for path, before in self._before.items():
            after = self._states.get(path)
            if after is None:
                if before is not None:
                    changes[path] = FileState(
                        inode_id=before.inode_id, type=before.type, change_type="deleted", deleted=True
                    )
                continue
            state = msgspec.structs.replace(after, renamed_from="")
            if after.inode_id in left and not _is(before, after.inode_id):
                state.change_type, state.renamed_from = "renamed", left[after.inode_id]
            elif before is None or (before.inode_id in came and not _is(after, before.inode_id)):
                state.change_type = "added"  # what was there before is somewhere else now
            elif (before.type, before.hash) != (after.type, after.hash):
                state.change_type = "modified"
            elif not _same(before, after):
                state.change_type = "metadata"
            else:
                continue
            changes[path] = state
        return changes

    def _count(self, changes: dict[str, FileState]) -> tuple[tuple[int, int, int], int]:
        """Return how many files and links were added, modified and deleted, and how many renamed."""
        made = [state for state in changes.values() if state.type != "directory"]
        added = sum(state.change_type == "added" for state in made)
        modified = sum(state.change_type in {"modified", "metadata"} for state in made)
        renamed = sum(state.change_type == "renamed" for state in made)
        kept = {state.renamed_from for state in made if state.renamed_from}
        deleted = sum(
            before is not None
            and before.type != "directory"
            and path not in kept
            and path in changes
            and changes[path].change_type in {"deleted", "renamed", "added"}
            for path, before in self._before.items()
        )
        return (added, modified, deleted), renamed


def _is(state: FileState | None, inode_id: str) -> bool:
    return state is not None and state.inode_id == inode_id


def _same(before: FileState | None, after: FileState) -> bool:
    return before is not None and not after.deleted and _meaning(before) == _meaning(after)


def _meaning(state: FileState) -> tuple[object, ...]:
    return state.inode_id, state.type, state.hash, state.size, state.mode, state.mtime_ns, state.raw_name


def _unchanged(state: FileState) -> FileState:
    return msgspec.structs.replace(state, change_type="unchanged", renamed_from="")
