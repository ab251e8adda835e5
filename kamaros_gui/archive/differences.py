"""Compare two versions of an archive; comparing one with a folder on disk is in :mod:`.folder_diff`."""

from __future__ import annotations

import time
from collections.abc import Collection

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.diff_entries import change_of, diff_entry, entries_of_moves
from kamaros_gui.archive.folder_diff import diff_with_folder
from kamaros_gui.archive.history import find_version, states_at, steps_between
from kamaros_gui.archive.manifest import FileState, Manifest, Version, decode_states
from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.errors import VersionNotFoundError
from kamaros_gui.base.texts import display_path

__all__ = ["diff_versions", "diff_with_folder"]

_States = dict[str, FileState]


def diff_versions(container: Container, old: str, new: str) -> DiffReport:
    """Compare two versions, in any order. Blocks; belongs in a worker thread.

    A path was renamed where its file, known by its inode id, has another path; among what is left then, where a file
    with the same content went. A file that took the path of another one is told as the rename alone. The time of a
    folder is not compared.

    Args:
        container: the archive.
        old: id, prefix, tag, ``HEAD`` or ``HEAD~n`` of the side that is taken for the older one.
        new: likewise of the newer one.

    Raises:
        VersionNotFoundError: there is no such version, or the archive is a plain ZIP.
        ManifestError: the history is damaged.
    """
    started = time.monotonic()
    manifest = container.manifest
    if manifest is None:
        raise VersionNotFoundError(f"{display_path(container.path)} is a plain ZIP; it has no versions.")
    older, newer = find_version(manifest, old), find_version(manifest, new)
    before, after, touched = _both_sides(manifest, older, newer)
    entries = sorted(_compare(before, after, touched), key=lambda entry: entry.path)
    differing = sum(entry.change != "removed" and entry.type != "directory" for entry in entries)
    return DiffReport(
        old=older.id,
        new=newer.id,
        folder="",
        entries=tuple(entries),
        unchanged=sum(state.type != "directory" for state in after.values()) - differing,
        seconds=time.monotonic() - started,
    )


def _both_sides(manifest: Manifest, older: Version, newer: Version) -> tuple[_States, _States, Collection[str]]:
    """Return the states of both versions, and the paths that may differ."""
    steps = steps_between(manifest, older, newer)
    if steps is not None:
        before = states_at(manifest, older)
        return before, *_after(before, steps)
    steps = steps_between(manifest, newer, older)
    if steps is not None:
        after = states_at(manifest, newer)
        before, touched = _after(after, steps)
        return before, after, touched
    before, after = states_at(manifest, older), states_at(manifest, newer)
    # In the order of the listings, which lie in memory like that: any other one takes three times as long.
    return before, after, [*after, *(before.keys() - after.keys())]


def _after(states: _States, steps: list[Version]) -> tuple[_States, Collection[str]]:
    """Return *states* as they are after *steps*, and the paths that those list."""
    result = dict(states)
    touched: set[str] = set()
    for step in steps:
        for path, state in decode_states(step).items():
            touched.add(path)
            if state.deleted:
                result.pop(path, None)
            else:
                result[path] = state
    return result, touched


def _compare(before: _States, after: _States, touched: Collection[str]) -> list[DiffEntry]:
    gone: _States = {}
    came: _States = {}
    entries: list[DiffEntry] = []
    for path, old, new in zip(touched, map(before.get, touched), map(after.get, touched), strict=True):
        if old == new:
            continue  # nearly always, and a comparison of structs is quick
        if new is None:
            if old is not None:
                gone[path] = old
        elif old is None:
            came[path] = new
        elif old.inode_id != new.inode_id and _content(old) != _content(new):
            came[path], gone[path] = new, old
        elif (change := change_of(old, new)) is not None:
            entries.append(diff_entry(path, change, old, new))
    entries += _take_known_renames(gone, came)
    for path in [path for path in came if path in gone]:
        entries.append(diff_entry(path, "changed", gone.pop(path), came.pop(path)))
    return entries + entries_of_moves(gone, came)


def _take_known_renames(gone: _States, came: _States) -> list[DiffEntry]:
    """Take the files out of *gone* and *came* that are the same by their inode id; return their entries."""
    sources: dict[str, str] = {}
    for path, state in sorted(gone.items()):
        if state.inode_id:
            sources.setdefault(state.inode_id, path)
    pairs = [(path, source) for path in sorted(came) if (source := sources.pop(came[path].inode_id, path)) != path]
    entries = [diff_entry(path, "renamed", gone[source], came[path], old_path=source) for path, source in pairs]
    for path, source in pairs:
        del came[path]
        del gone[source]
    for path, _ in pairs:
        gone.pop(path, None)  # replaced by what was renamed
    return entries


def _content(state: FileState) -> tuple[str, str, int]:
    return state.type, state.hash, state.size
