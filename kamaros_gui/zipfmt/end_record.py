"""The end of a ZIP file: end record, ZIP64 locator and ZIP64 end record (APPNOTE 4.3.14 to 4.3.16)."""

from __future__ import annotations

from typing import Final, NamedTuple

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import MAX_DIRECTORY_SIZE
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_SIGNATURE,
    END64_RECORD,
    END64_SIGNATURE,
    END_MAGIC,
    END_RECORD,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    MASK16,
    MASK32,
)

__all__ = ["DirectoryLocation", "locate_directory", "read_end_record"]

_ENDS_SIZE: Final = END64_RECORD.size + LOCATOR64.size
"""Bytes before the end record that may hold the ZIP64 records."""


_END64_MAGIC: Final = END64_SIGNATURE.to_bytes(4, "little")
_LOCATOR64_MAGIC: Final = LOCATOR64_SIGNATURE.to_bytes(4, "little")
_CENTRAL_MAGIC: Final = CENTRAL_SIGNATURE.to_bytes(4, "little")


class DirectoryLocation(NamedTuple):
    """Where a central directory is and what it should hold.

    Attributes:
        offset: its first byte in the file.
        size: its bytes.
        entry_count: its entries.
        comment: archive comment.
        prefix: bytes before the archive proper, which its own offsets don't count.
    """

    offset: int
    size: int
    entry_count: int
    comment: bytes
    prefix: int


def locate_directory(end: int) -> Reading[DirectoryLocation]:
    """Find the directory of an archive that ends exactly at *end*.

    Raises:
        ZipFormatError: there is no end record there, several could be meant, or its values are impossible.
    """
    length = min(end, END_RECORD.size + MASK16)
    start = end - length
    tail = yield from fetch(start, length)
    found = _find_end_record(tail)
    location = yield from read_end_record(start + found, tail[found:])
    yield from _check_gap(location, start + found)
    return location


def _find_end_record(tail: bytes) -> int:
    """Return where in *tail* the end record stands whose comment reaches exactly to the end.

    Raises:
        ZipFormatError: there is none, or its comment holds what other readers would take for the end record.
    """
    position = tail.find(END_MAGIC)
    while position >= 0 and position + END_RECORD.size <= len(tail):
        comment_size = int.from_bytes(tail[position + 20 : position + 22], "little")
        if position + END_RECORD.size + comment_size == len(tail):
            if tail.find(END_MAGIC, position + 1) >= 0:
                raise ZipFormatError("The archive has more than one end record that could be meant.")
            return position
        position = tail.find(END_MAGIC, position + 1)
    raise ZipFormatError("The file is not a ZIP archive: it has no end record, or is cut off.")


def read_end_record(position: int, record: bytes) -> Reading[DirectoryLocation]:
    """Interpret the end record *record* (with its comment), which stands at *position*.

    Raises:
        ZipFormatError: its values are impossible.
    """
    _, disk, directory_disk, here, count, size, offset, comment_size = END_RECORD.unpack_from(record)
    if len(record) != END_RECORD.size + comment_size:
        raise ZipFormatError("The archive comment is cut off.")
    directory_end = position
    shift: int | None = None
    before = yield from fetch(position - min(position, _ENDS_SIZE), min(position, _ENDS_SIZE))
    if len(before) >= LOCATOR64.size and before[-LOCATOR64.size :].startswith(_LOCATOR64_MAGIC):
        stated = (disk, directory_disk, here, count, size, offset)
        directory_end, shift, stated64 = yield from _read_end64(position, before)
        for value, value64, mask in zip(stated, stated64, (MASK16,) * 4 + (MASK32,) * 2, strict=True):
            if value not in (mask, value64):
                raise ZipFormatError("The ZIP64 end record and the end record contradict each other.")
        disk, directory_disk, here, count, size, offset = stated64
    if disk or directory_disk or here != count:
        raise ZipFormatError("The archive is one part of several; it can't be read alone.")
    if size > MAX_DIRECTORY_SIZE:
        raise ZipFormatError(f"The central directory claims {size} bytes; {MAX_DIRECTORY_SIZE} are the limit.")
    if count * CENTRAL_HEADER.size > size:
        raise ZipFormatError(f"The central directory claims {count} entries in {size} bytes.")
    start = directory_end - size
    if start < 0 or offset > start:
        raise ZipFormatError("The central directory lies outside the file.")
    if shift not in (None, start - offset):
        raise ZipFormatError("The ZIP64 end record is not where its locator says.")
    return DirectoryLocation(start, size, count, record[END_RECORD.size :], start - offset)


def _read_end64(position: int, before: bytes) -> Reading[tuple[int, int, tuple[int, int, int, int, int, int]]]:
    """Read the ZIP64 end record that belongs to an end record at *position*.

    Returns:
        Where it is, by how much that differs from what its locator says, and its values from the number of the disk
        to the offset of the directory.
    """
    locator = position - LOCATOR64.size
    _, disk, stated, disks = LOCATOR64.unpack_from(before, len(before) - LOCATOR64.size)
    if disk or disks > 1:
        raise ZipFormatError("The archive is one part of several; it can't be read alone.")
    # Bytes before the archive shift the record, but it still stands right before its locator.
    offset = locator - END64_RECORD.size
    if stated > offset:
        raise ZipFormatError("The ZIP64 end record lies outside the file.")
    record = before[: END64_RECORD.size]
    if len(before) != _ENDS_SIZE or not record.startswith(_END64_MAGIC):
        # A record with extensible data is longer, and stands where the locator says or can't be found.
        offset = stated
        record = yield from fetch(offset, END64_RECORD.size)
    signature, size, _, _, *values = END64_RECORD.unpack(record)
    if signature != END64_SIGNATURE or offset + 12 + size != locator:
        raise ZipFormatError("The ZIP64 end record is not where its locator says.")
    disk, directory_disk, here, count, directory_size, directory_offset = values
    return offset, offset - stated, (disk, directory_disk, here, count, directory_size, directory_offset)


def _check_gap(location: DirectoryLocation, end_position: int) -> Reading[None]:
    """Refuse an archive with bytes between its directory and its end record.

    They look like bytes before the archive; but then a directory stands at the offset that is stated, too.
    """
    if not location.prefix or not location.size:
        return
    stated = location.offset - location.prefix
    if end_position - stated < 4:
        return
    magic = yield from fetch(stated, 4)
    if magic == _CENTRAL_MAGIC:
        raise ZipFormatError("Bytes stand between the central directory and the end record.")
