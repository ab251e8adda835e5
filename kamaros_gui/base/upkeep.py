"""Frozen records of the upkeep of an archive: forgetting versions, compacting, exporting, figures of the whole."""

from __future__ import annotations

import dataclasses

from kamaros_gui.base.reports import FileIssue, VersionInfo

__all__ = ["ArchiveFigures", "CompactReport", "ExportReport", "ForgetReport"]


@dataclasses.dataclass(frozen=True, slots=True)
class ForgetReport:
    """Outcome of forgetting versions.

    Attributes:
        forgotten: the versions that left the history, newest first.
        spared: versions that were to go and stayed because a tag names them, newest first.
        kept: how many versions the history has now.
        dropped: entries whose content no version needs any more.
        freed: bytes of those, dead now; a compaction gives them back.
        archive_size: bytes of the archive file.
        dead_bytes: bytes in it that no entry uses.
        done: false where it was only asked what would happen.
        seconds: wall time.
    """

    forgotten: tuple[VersionInfo, ...]
    spared: tuple[VersionInfo, ...]
    kept: int
    dropped: int
    freed: int
    archive_size: int
    dead_bytes: int
    done: bool
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class CompactReport:
    """Outcome of a compaction.

    Attributes:
        archive: path of the archive.
        before, after: bytes of the archive file.
        entries: entries that were copied.
        seconds: wall time.
    """

    archive: str
    before: int
    after: int
    entries: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class ExportReport:
    """Outcome of an export.

    Attributes:
        version: id of the version that was exported, the newest one for an interchange archive.
        target: the file that was written.
        interchange: whether it is an interchange archive, with all versions, and not a plain ZIP.
        entries: entries written.
        failed: entries that could not be exported.
        issues: which, and why.
        bytes_out: bytes of the file.
        seconds: wall time.
    """

    version: str
    target: str
    interchange: bool
    entries: int
    failed: int
    issues: tuple[FileIssue, ...]
    bytes_out: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class ArchiveFigures:
    """What an archive is made of. Bytes.

    Attributes:
        archive: path of the archive.
        archive_size: bytes of the archive file.
        versions: how many versions the history has.
        files: files and links of the newest version.
        content: their bytes, unpacked.
        history_content: bytes, unpacked, of everything all versions hold, each version counted in full.
        distinct: different contents in all versions.
        distinct_content: their bytes, unpacked, once each.
        head_packed: bytes the contents of the newest version take in the archive.
        history_packed: bytes the contents that only older versions need take.
        directory: bytes of the central directory and the end records.
        manifest: bytes of the manifest entry.
        headers: bytes of local headers, with the room they keep for other names.
        dead: bytes that no entry uses; a compaction gives them back.
        methods: compression method → (entries, content bytes, packed bytes).
    """

    archive: str
    archive_size: int
    versions: int
    files: int
    content: int
    history_content: int
    distinct: int
    distinct_content: int
    head_packed: int
    history_packed: int
    directory: int
    manifest: int
    headers: int
    dead: int
    methods: dict[str, tuple[int, int, int]]
