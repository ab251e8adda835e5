"""What a comparison says of two states of a path, and which of the paths that came is one that left."""

from __future__ import annotations

from collections import defaultdict

from kamaros_gui.archive.manifest import FileState
from kamaros_gui.base.differences import DiffChange, DiffEntry

__all__ = ["change_of", "diff_entry", "entries_of_moves", "match_contents"]


def change_of(old: FileState, new: FileState) -> DiffChange | None:
    """Return how *new* differs from *old*, the same path at two times; ``None`` where it does not.

    The time of a folder changes with everything in it, so it says nothing of the folder.
    """
    if (
        old.hash == new.hash
        and old.mtime_ns == new.mtime_ns
        and old.mode == new.mode
        and old.size == new.size
        and old.type == new.type
        and old.raw_name == new.raw_name
    ):
        return None  # nearly always: the most frequent question first
    if old.type != new.type:
        return "changed"
    if old.type != "directory":
        # Other writers' archives may hold files whose hash nobody recorded.
        known = old.hash and new.hash
        if old.hash != new.hash if known else old.size != new.size:
            return "changed"
        if old.mtime_ns != new.mtime_ns:
            return "metadata"
    return "metadata" if (old.mode, old.raw_name) != (new.mode, new.raw_name) else None


def diff_entry(
    path: str, change: DiffChange, old: FileState | None, new: FileState | None, *, old_path: str = ""
) -> DiffEntry:
    """Return the record of one difference; *old* or *new* is ``None`` where the path is not there."""
    shown = new or old or FileState()
    return DiffEntry(
        path=path,
        change=change,
        type=shown.type,
        old_path=old_path,
        old_size=old.size if old else 0,
        new_size=new.size if new else 0,
        old_hash=old.hash if old else "",
        new_hash=new.hash if new else "",
    )


def entries_of_moves(gone: dict[str, FileState], came: dict[str, FileState]) -> list[DiffEntry]:
    """Return the entries for paths on one side only: renamed, where their content tells that, removed or added."""
    renames = match_contents(gone, came)
    sources = set(renames.values())
    entries = [diff_entry(path, "removed", state, None) for path, state in gone.items() if path not in sources]
    for path, state in came.items():
        source = renames.get(path)
        if source is None:
            entries.append(diff_entry(path, "added", None, state))
        else:
            entries.append(diff_entry(path, "renamed", gone[source], state, old_path=source))
    return entries


def match_contents(gone: dict[str, FileState], came: dict[str, FileState]) -> dict[str, str]:
    """Pair paths that came with paths that went and had the same kind and content; one that kept its name goes first.

    Empty content, or one whose hash is not known, says nothing about where it came from.

    Returns:
        new path → old path.
    """
    # Dictionaries serve as ordered sets: thousands of files may have the same content, and each pairing is one step.
    left: defaultdict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for path, state in sorted(gone.items()):
        if state.type != "directory" and state.size and state.hash:
            left[state.type, state.hash][path] = None
            left[state.type, state.hash, _name(path)][path] = None
    waiting = [(path, key) for path, state in sorted(came.items()) if (key := (state.type, state.hash)) in left]
    pairs: dict[str, str] = {}
    for with_name in (True, False):
        for path, key in waiting:
            candidates = left.get((*key, _name(path)) if with_name else key)
            if path in pairs or not candidates:
                continue
            old = pairs[path] = next(iter(candidates))
            del left[key][old]
            del left[(*key, _name(old))][old]
    return pairs


def _name(path: str) -> str:
    return path.rpartition("/")[2]
