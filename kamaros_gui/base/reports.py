"""Frozen records an operation hands back: what was done, file by file where it matters.

They cross every layer from the archive up to the window and the terminal, so they live in the base and
hold plain values only.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from kamaros_gui.base.statistics import StageStatistics

__all__ = [
    "Entry",
    "FileIssue",
    "Listing",
    "RestoreReport",
    "SaveReport",
    "VerifyProblem",
    "VerifyReport",
    "VersionInfo",
]

IssueKind = Literal["failed", "skipped", "blocked"]
EntryType = Literal["file", "directory", "symlink"]


@dataclasses.dataclass(frozen=True, slots=True)
class FileIssue:
    """One file that was not handled.

    Attributes:
        path: the file, as the user knows it.
        reason: why, as a sentence.
        kind: ``failed`` (could not be read or written), ``skipped`` (left out by rule, for instance a socket or an
            existing file) or ``blocked`` (its name is not safe at the target).
    """

    path: str
    reason: str
    kind: IssueKind = "failed"


@dataclasses.dataclass(frozen=True, slots=True)
class SaveReport:
    """Outcome of a save.

    Attributes:
        version: id of the new version, or of the unchanged head when nothing had changed.
        archive: path of the archive.
        created: whether a new version was made.
        added, modified, unchanged, deleted: number of entries.
        issues: files that were left out, at most ``MAX_ISSUES_KEPT``.
        failed: number of files that could not be saved.
        bytes_in: content bytes read.
        bytes_out: bytes the archive grew by.
        seconds: wall time.
        stages: what each stage did, in the order the data went through them; empty where none had work.
        renamed: files and links that got another path; they count neither as added nor as deleted.
        reclaimed: bytes that a compaction, started by itself after the save, gave back.
    """

    version: str
    archive: str
    created: bool
    added: int
    modified: int
    unchanged: int
    deleted: int
    failed: int
    issues: tuple[FileIssue, ...]
    bytes_in: int
    bytes_out: int
    seconds: float
    stages: tuple[StageStatistics, ...] = ()
    renamed: int = 0
    reclaimed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreReport:
    """Outcome of a restore.

    Attributes:
        version: id of the version restored.
        target: folder it was restored into.
        restored: entries written.
        identical: files that were there already with the same content.
        failed: entries that could not be restored.
        damaged: how many of those failed because their bytes are not what was saved.
        issues: entries that were left out, at most ``MAX_ISSUES_KEPT``.
        bytes_out: content bytes written.
        seconds: wall time.
        stages: what each stage did, in the order the data went through them; empty where none had work.
    """

    version: str
    target: str
    restored: int
    identical: int
    failed: int
    damaged: int
    issues: tuple[FileIssue, ...]
    bytes_out: int
    seconds: float
    stages: tuple[StageStatistics, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class VerifyProblem:
    """One thing that is wrong with an archive.

    Attributes:
        type: ``content`` (bytes differ), ``missing`` (no bytes for a recorded hash), ``structure`` (ZIP or manifest).
        path: file concerned, empty for the archive as a whole.
        version: id of the newest version that needs it.
        hash: SHA-256 that was expected.
        message: the problem as a sentence.
    """

    type: Literal["content", "missing", "structure"]
    path: str
    version: str
    hash: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class VerifyReport:
    """Outcome of a verification.

    Attributes:
        valid: whether no error was found, or none is left after the repair.
        checked: entries whose bytes were read and compared.
        errors: problems.
        warnings: remarks that do not make the archive invalid.
        bytes_read: content bytes compared.
        seconds: wall time.
        stages: what each stage did, in the order the data went through them; empty where none had work.
        repairs: what a repair did, a sentence each; ``errors`` is then what it could not mend.
    """

    valid: bool
    checked: int
    errors: tuple[VerifyProblem, ...]
    warnings: tuple[str, ...]
    bytes_read: int
    seconds: float
    stages: tuple[StageStatistics, ...] = ()
    repairs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a version.

    Attributes:
        path: path inside the archive, ``/`` between its parts, no trailing slash.
        type: file, directory or symlink.
        size: content size in bytes.
        packed: bytes it takes in the archive; 0 where another entry holds them.
        sha256: lower-case hex of its content, empty for a directory.
        modified: nanoseconds since the epoch.
        mode: Unix permission bits.
        method: ``deflate``, ``zstd``, ``store`` or empty.
    """

    path: str
    type: EntryType
    size: int
    packed: int
    sha256: str
    modified: int
    mode: int
    method: str


@dataclasses.dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version in the history.

    Attributes:
        id: identifier; any unique prefix names it too.
        parent: id of the version before, empty for the first.
        timestamp: ISO 8601, UTC.
        message, author: as given with the save.
        tags: names that point here.
        added, modified, deleted: number of entries it changed.
        renamed: files and links that got another path with it; in none of the other numbers.
    """

    id: str
    parent: str
    timestamp: str
    message: str
    author: str
    tags: tuple[str, ...]
    added: int
    modified: int
    deleted: int
    renamed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """Entries of one version and what the archive is made of.

    Attributes:
        archive: path of the archive.
        version: id of the version listed, empty for an archive without history.
        is_head: whether that is the newest one.
        read_only: why nothing can be added, empty when it can.
        entries: sorted by path.
        versions: the history, newest first.
        archive_size: bytes of the archive file.
        dead_bytes: bytes in it that no entry uses.
        warnings: what a user should know, for instance an interrupted save that left a tail.
    """

    archive: str
    version: str
    is_head: bool
    read_only: str
    entries: tuple[Entry, ...]
    versions: tuple[VersionInfo, ...]
    archive_size: int
    dead_bytes: int
    warnings: tuple[str, ...]
