"""Recovery: bring an archive to its last committed state after a crash."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from kamaros_gui.archive.container import (
    MIMETYPE,
    MIMETYPE_NAME,
    committed_end,
    pending_patches,
    run_reader,
    tail_is_complete,
)
from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.storage.journal import Journal, journal_path
from kamaros_gui.storage.primitives import FilePrimitives, RandomAccess
from kamaros_gui.zipfmt import ZipEntry, encode_plain_local_header, read_directory

__all__ = ["HeaderPatch", "apply_patches", "mimetype_entry", "own_files", "part_path", "recover"]

HeaderPatch = tuple[int, bytes]
"""Offset of a local header, and the bytes of equal length that replace it after the commit."""


def part_path(archive: str) -> str:
    """Path under which a new archive is written until its first commit."""
    return f"{archive}.part"


def own_files(files: FilePrimitives, archive: str) -> frozenset[tuple[int, int]]:
    """Return (device, inode) of *archive* and of what lies beside it while it is written: nothing of it is content."""
    place = files.resolve(archive)
    found = (files.find(path) for path in (place, part_path(place), journal_path(place)))
    return frozenset((status.device, status.inode) for status in found if status is not None)


def recover(files: FilePrimitives, path: str, journal: Journal) -> None:
    """Bring the archive at *path* to its last committed state after a crash; *journal* is held.

    Raises:
        StorageError: the file can't be written.
    """
    if files.exists(part_path(path)) and _is_our_part(files, part_path(path)):
        files.delete(part_path(path))
    records, journal.leftover = journal.leftover, []
    if not records or not files.exists(path):
        return
    try:
        _recover_existing(files, path, records)
    except BaseException:
        journal.leftover = records
        raise


def _recover_existing(files: FilePrimitives, path: str, records: list[dict[str, Any]]) -> None:
    file = files.open(path, "r+")
    try:
        end = committed_end(records, file)
        if end is None or not _ends_there(file, end):
            return  # the file is not the one the journal speaks of
        commit = records[-1]
        if commit.get("kind") == "commit" and tail_is_complete(commit, file):
            apply_patches(file, pending_patches(commit))
        if file.size() > end:
            file.truncate(end)
            file.sync()
    finally:
        file.close()


def apply_patches(file: RandomAccess, patches: Sequence[HeaderPatch]) -> None:
    """Rewrite local headers in place; doing it again changes nothing."""
    for offset, data in patches:
        file.write(offset, [data])
    if patches:
        file.sync(data_only=True)


def _ends_there(file: RandomAccess, end: int) -> bool:
    try:
        run_reader(file, read_directory(end))
    except ZipFormatError:
        return False
    return True


def _is_our_part(files: FilePrimitives, path: str) -> bool:
    """Whether *path* begins like an archive of ours, or ends before one can tell; nobody else's file is removed."""
    header = encode_plain_local_header(mimetype_entry())
    mark = header + MIMETYPE
    file = files.open(path)
    try:
        head = file.read(0, len(mark))
    finally:
        file.close()
    return mark.startswith(head) or (head[:4] == mark[:4] and head[30:] == mark[30:])


def mimetype_entry() -> ZipEntry:
    """Return the first entry of every archive."""
    return ZipEntry(
        name=MIMETYPE_NAME,
        method=0,
        crc32=zlib.crc32(MIMETYPE),
        compressed_size=len(MIMETYPE),
        size=len(MIMETYPE),
        header_offset=0,
        header_size=30 + len(MIMETYPE_NAME),
        mode=0o100644,
        mtime=315532800,  # 1980-01-01, the first day of ZIP: the entry is the same in every archive
    )
