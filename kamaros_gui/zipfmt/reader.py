"""Reads a central directory and checks all of it. Sans-IO: generators that ask for bytes.

The central directory is the only truth about an archive. Everything in it is checked before anything is used:
sizes and offsets lie inside the file, no two entries share a byte or a name, nothing stands between the directory
and the end record.
"""

from __future__ import annotations

import stat
from typing import Final

import msgspec

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import MIB, TAIL_SCAN_BLOCK
from kamaros_gui.zipfmt.end_record import DirectoryLocation, locate_directory, read_end_record
from kamaros_gui.zipfmt.extras import decode_name, read_extra, unmarked_name
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_SIGNATURE,
    END_MAGIC,
    END_RECORD,
    HOST_DARWIN,
    HOST_UNIX,
    LOCAL_HEADER,
    MASK16,
    MASK32,
    TIMESTAMP_EXTRA,
    ZipEntry,
)
from kamaros_gui.zipfmt.times import from_dos

__all__ = ["Directory", "find_last_directory", "read_directory"]

_PIECE: Final = 4 * MIB
"""A directory is read in pieces of this size, so that a huge one is not held as bytes and as entries at once."""

_LARGEST_HEADER: Final = CENTRAL_HEADER.size + 3 * MASK16

_MAX_CANDIDATES: Final = 64
"""End records tried while searching a torn tail; reading a directory for each of thousands would be a trap."""

# A central extra field that holds nothing but the modification time, as this software writes it.
_TIMESTAMP_ONLY: Final = TIMESTAMP_EXTRA.to_bytes(2, "little") + b"\x05\x00\x01"


class Directory(msgspec.Struct, frozen=True):
    """A central directory that passed every check.

    Attributes:
        entries: in the order of the directory; offsets are from the start of the file.
        directory_offset: first byte of the directory.
        end: byte after the end record and its comment.
        comment: archive comment as stored.
        prefix: bytes before the archive proper (a self-extractor, for instance); 0 in an archive of our own.
    """

    entries: list[ZipEntry]
    directory_offset: int
    end: int
    comment: bytes
    prefix: int


def read_directory(end: int) -> Reading[Directory]:
    """Read the directory of an archive that ends exactly at *end*, which is usually the file size.

    Raises:
        ZipFormatError: anything in it is damaged, contradictory or ambiguous; the message names the entry.
    """
    location = yield from locate_directory(end)
    entries = yield from _read_entries(location)
    return Directory(entries, location.offset, end, location.comment, location.prefix)


def find_last_directory(file_size: int) -> Reading[Directory]:
    """Find the last complete archive in a file that goes on after it, as an interrupted save leaves it.

    Searches backwards in steps of ``TAIL_SCAN_BLOCK`` bytes. Archives that lie inside the file as content don't
    count: their offsets are not those of the file.

    Raises:
        ZipFormatError: there is none, or more end records look right than can be tried.
    """
    candidates = 0
    block_end = file_size
    while block_end > 0:
        start = max(0, block_end - TAIL_SCAN_BLOCK)
        # A record may begin in this block and end in the one after it.
        block = yield from fetch(start, min(file_size, block_end + END_RECORD.size - 1) - start)
        position = block.rfind(END_MAGIC)
        while position >= 0:
            record = block[position : position + END_RECORD.size]
            end = start + position + END_RECORD.size + int.from_bytes(record[20:22], "little")
            if len(record) == END_RECORD.size and end <= file_size:
                location = yield from _plausible_end(start + position, record)
                if location is not None:
                    candidates += 1
                    if candidates > _MAX_CANDIDATES:
                        raise ZipFormatError("The file has too many end records; which one is meant can't be told.")
                    try:
                        return (yield from read_directory(end))
                    except ZipFormatError:
                        pass
            position = block.rfind(END_MAGIC, 0, position + len(END_MAGIC) - 1)
        block_end = start
    raise ZipFormatError("The file holds no complete ZIP archive.")


def _plausible_end(position: int, record: bytes) -> Reading[DirectoryLocation | None]:
    """Return the location an end record gives if it fits its place in the file, without reading the directory."""
    uncommented = record[:20] + b"\0\0"
    try:
        location = yield from read_end_record(position, uncommented)
    except ZipFormatError:
        return None
    return None if location.prefix else location


def _read_entries(location: DirectoryLocation) -> Reading[list[ZipEntry]]:
    parser = _EntryParser(location)
    position, end = location.offset, location.offset + location.size
    rest = b""
    while position < end:
        piece = yield from fetch(position, min(_PIECE, end - position))
        position += len(piece)
        data = rest + piece
        consumed = parser.parse(data, last=position == end)
        rest = data[consumed:]
    return parser.finish()


class _EntryParser:
    """Turns the bytes of a directory into checked entries."""

    def __init__(self, location: DirectoryLocation) -> None:
        self._location = location
        self._entries: list[ZipEntry] = []
        self._names: set[str] = set()
        # Two lists of numbers and not one of pairs: a million pairs would keep the garbage collector busy.
        self._starts: list[int] = []
        self._ends: list[int] = []

    def parse(self, data: bytes, *, last: bool) -> int:
        """Take the complete headers at the start of *data*, return how many bytes they are."""
        position = 0
        unpack, header_size = CENTRAL_HEADER.unpack_from, CENTRAL_HEADER.size
        limit = len(data) if last else len(data) - _LARGEST_HEADER
        remaining = self._location.entry_count - len(self._entries)
        while position < limit:
            if len(data) - position < header_size:
                raise ZipFormatError("The central directory is cut off.")
            fields = unpack(data, position)
            if fields[0] != CENTRAL_SIGNATURE or not remaining:
                raise ZipFormatError(self._misplaced())
            remaining -= 1
            name_at = position + header_size
            extra_at = name_at + fields[10]
            comment_at = extra_at + fields[11]
            position = comment_at + fields[12]
            if position > len(data):
                raise ZipFormatError("The central directory is cut off.")
            self._add(fields, data[name_at:extra_at], data[extra_at:comment_at])
        return position

    def _misplaced(self) -> str:
        return (
            f"The central directory does not hold {self._location.entry_count} entries as the end record says:"
            f" entry {len(self._entries) + 1} is damaged or out of place."
        )

    def _add(self, fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> None:
        (_, made_by, _, flags, method, time, date, crc32, packed, size, _, _, _, disk, _, external, offset) = fields
        unix = made_by >> 8 in (HOST_UNIX, HOST_DARWIN)
        name = decode_name(raw_name, flags, extra, unix=unix)
        mtime: int | None
        if len(extra) == 9 and extra.startswith(_TIMESTAMP_ONLY):
            mtime = int.from_bytes(extra[5:], "little", signed=True)
            if MASK32 in (packed, size, offset):
                raise ZipFormatError(f"“{name}” lacks a 64-bit size or offset that its header refers to.")
        else:
            (size, packed, offset), mtime = read_extra(extra, (size, packed, offset), name)
        if disk not in (0, MASK16):
            raise ZipFormatError(f"“{name}” lies on another part of the archive.")
        if name in self._names:
            raise ZipFormatError(f"“{name}” is listed twice.")
        self._names.add(name)
        offset += self._location.prefix
        self._starts.append(offset)
        self._ends.append(offset + LOCAL_HEADER.size + len(raw_name) + packed)
        mode = external >> 16 if unix else 0
        self._entries.append(
            ZipEntry(
                name,
                method,
                crc32,
                packed,
                size,
                offset,
                0,
                mode if mode & 0o170000 else _usual_mode(name, mode),
                from_dos(date << 16 | time) if mtime is None else mtime,
                flags,
                unix,
                unmarked_name(raw_name, flags),
            )
        )

    def finish(self) -> list[ZipEntry]:
        """Check what only the whole directory shows, and return its entries.

        Raises:
            ZipFormatError: entries are missing, overlap, or reach into the directory.
        """
        if len(self._entries) != self._location.entry_count:
            raise ZipFormatError(self._misplaced())
        starts, ends = self._starts, self._ends
        previous_end = self._location.prefix
        for index in sorted(range(len(starts)), key=starts.__getitem__):
            if starts[index] < previous_end:
                raise ZipFormatError(f"“{self._entries[index].name}” overlaps another entry.")
            previous_end = ends[index]
            if previous_end > self._location.offset:
                raise ZipFormatError(f"“{self._entries[index].name}” reaches beyond the data of the archive.")
        return self._entries


def _usual_mode(name: str, permissions: int) -> int:
    """Mode of an entry that records no file type: what its name says, with usual permissions where it has none."""
    if name.endswith("/"):
        return stat.S_IFDIR | (permissions & 0o7777 or 0o755)
    return stat.S_IFREG | (permissions & 0o7777 or 0o644)
