"""Frozen records of a comparison: what differs between two versions, or between a version and a folder on disk."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kamaros_gui.base.reports import EntryType, FileIssue

__all__ = ["DiffChange", "DiffEntry", "DiffReport"]

DiffChange = Literal["added", "changed", "removed", "renamed", "metadata"]


@dataclasses.dataclass(frozen=True, slots=True)
class DiffEntry:
    """One path that differs.

    Attributes:
        path: where it is in the newer state; in the older one where it was removed.
        change: ``added``, ``changed`` (other content, or another kind of entry), ``removed``, ``renamed`` (perhaps with
            other content too: the hashes tell) or ``metadata`` (mode or time alone).
        type: file, directory or symlink.
        old_path: where a renamed one was before, otherwise empty.
        old_size, new_size: content bytes; 0 where there is none.
        old_hash, new_hash: SHA-256 of the content, lower-case hex; empty where there is none.
    """

    path: str
    change: DiffChange
    type: EntryType
    old_path: str = ""
    old_size: int = 0
    new_size: int = 0
    old_hash: str = ""
    new_hash: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class DiffReport:
    """Outcome of a comparison.

    Attributes:
        old: id of the older version.
        new: id of the newer version, empty for a folder on disk.
        folder: the folder on disk, empty for a version.
        entries: what differs, sorted by path.
        unchanged: files and links that are the same.
        issues: files on disk that could not be compared.
        bytes_read: content bytes read to compare them.
        seconds: wall time.
    """

    old: str
    new: str
    folder: str
    entries: tuple[DiffEntry, ...]
    unchanged: int
    issues: tuple[FileIssue, ...] = ()
    bytes_read: int = 0
    seconds: float = 0.0
