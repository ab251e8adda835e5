"""Which of the paths that came is one that left: renames, found by content."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from kamaros_gui.archive.manifest import FileRecord
from kamaros_gui.pipeline import PackedEntry

__all__ = ["match_renames"]


def match_renames(gone: dict[str, FileRecord], came: Iterable[tuple[str, PackedEntry]]) -> dict[str, str]:
    """Pair new paths with deleted ones that had the same kind and content; one that kept its last name goes first.

    Empty content says nothing about where it came from; leave such paths out.

    Args:
        gone: path → record of what has left HEAD.
        came: (path, what was packed) of what is new in it.

    Returns:
        new path → old path.
    """
    # Thousands of files may have the same content, so that each pairing must be one step.
    left: defaultdict[tuple[str, ...], deque[str]] = defaultdict(deque)
    for path, record in gone.items():
        if record.type != "directory" and record.size:
            left[record.type, record.current_hash].append(path)
            left[record.type, record.current_hash, _name(path)].append(path)
    waiting = [(path, key) for path, each in came if (key := (each.item.found.kind, each.sha256)) in left]
    renames: dict[str, str] = {}
    taken: set[str] = set()
    for with_name in (True, False):
        for path, key in waiting:
            candidates = left.get((*key, _name(path)) if with_name else key)
            while candidates and candidates[0] in taken:
                candidates.popleft()
            if candidates and path not in renames:
                renames[path] = candidates[0]
                taken.add(candidates.popleft())
    return renames


def _name(path: str) -> str:
    return path.rpartition("/")[2]
