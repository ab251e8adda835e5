"""Turns the bytes of a central directory into entries and checks all of them (APPNOTE 4.3.12)."""

from __future__ import annotations

import stat
from array import array
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter, le
from typing import Final, NamedTuple
from zlib import crc32

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.zipfmt.columns import Headers, layout_of, read_columns
from kamaros_gui.zipfmt.end_record import DirectoryLocation
from kamaros_gui.zipfmt.extras import decode_name, read_extra, unmarked_name
from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_MAGIC,
    CENTRAL_SIGNATURE,
    HOST_DARWIN,
    HOST_UNIX,
    LOCAL_HEADER,
    MASK16,
    ZipEntry,
)
from kamaros_gui.zipfmt.times import from_dos

__all__ = ["DirectoryPage", "EntryParser"]

_LARGEST_HEADER: Final = CENTRAL_HEADER.size + 3 * MASK16

_PAGE: Final = 1024
"""Headers read together. Where one entry changes, so many are looked at singly to write the directory again."""


class DirectoryPage(NamedTuple):
    """Headers that stand together in a directory.

    Attributes:
        headers: how many they are.
        size: their bytes.
        crc32: CRC-32 of these bytes if this program would write the same ones; ``None`` if not.
    """

    headers: int
    size: int
    crc32: int | None


class EntryParser:
    """Turns the bytes of a directory into checked entries.

    Pages of headers are read column by column. Where anything in one is not right, or not as it is usually, it is read
    again header by header, which finds out what is wrong with which of them.

    Args:
        location: where the directory is and what the end record says of it.

    Attributes:
        pages: what was read, in the order of the directory.
    """

    def __init__(self, location: DirectoryLocation) -> None:
        self.pages: list[DirectoryPage] = []
        self._location = location
        self._entries: list[ZipEntry] = []
        self._names: set[str] = set()
        self._ends = array("Q")

    def parse(self, data: bytes, *, last: bool) -> int:
        """Take the complete headers at the start of *data*, return how many bytes they are.

        Raises:
            ZipFormatError: a header is damaged, contradicts itself, or has the name of another.
        """
        # A name may contain the signature too. Then the lengths don't fit, and the rest is read header by header.
        before, *headers = data.split(CENTRAL_MAGIC)
        if before:
            headers.clear()
        elif not last:
            headers.pop()
        position = 0
        for first in range(0, len(headers), _PAGE):
            page = headers[first : first + _PAGE]
            end = position + len(CENTRAL_MAGIC) * len(page) + sum(map(len, page))
            if not self._take(page, memoryview(data)[position:end]):
                break
            position = end
        return self._parse_singly(data, position, last=last)

    def _take(self, page: list[bytes], raw: memoryview) -> bool:
        """Take the headers of *page*, each from behind its signature to the next; whether nothing is wrong with any."""
        if len(self._entries) + len(page) > self._location.entry_count:
            return False
        try:
            read = _read_page(page, self._location.prefix)
        except ZipFormatError:
            return False
        count = len(self._names) + len(page)
        self._names.update(map(attrgetter("name"), read.entries))
        if len(self._names) != count:
            self._names = {entry.name for entry in self._entries}
            return False
        self._entries += read.entries
        self._ends.extend(map(self._bounded, read.ends) if max(read.ends) > self._location.offset else read.ends)
        self.pages.append(DirectoryPage(len(page), len(raw), crc32(raw) if read.own else None))
        return True

    def _bounded(self, end: int) -> int:
        """Return *end*, or a number of 64 bits that is too large as well."""
        return min(end, self._location.offset + 1)

    def _parse_singly(self, data: bytes, start: int, *, last: bool) -> int:
        """Take headers from *start* on one by one, until another one may not be complete; return where that is."""
        position = start
        unpack, header_size = CENTRAL_HEADER.unpack_from, CENTRAL_HEADER.size
        limit = len(data) if last else len(data) - _LARGEST_HEADER
        before = len(self._entries)
        while position < limit:
            if len(data) - position < header_size:
                raise ZipFormatError("The central directory is cut off.")
            fields = unpack(data, position)
            if fields[0] != CENTRAL_SIGNATURE or len(self._entries) == self._location.entry_count:
                raise ZipFormatError(self._misplaced())
            name_at = position + header_size
            extra_at = name_at + fields[10]
            comment_at = extra_at + fields[11]
            position = comment_at + fields[12]
            if position > len(data):
                raise ZipFormatError("The central directory is cut off.")
            entry, end = _read_header(fields, data[name_at:extra_at], data[extra_at:comment_at], self._location.prefix)
            if entry.name in self._names:
                raise ZipFormatError(f"“{entry.name}” is listed twice.")
            self._names.add(entry.name)
            self._entries.append(entry)
            self._ends.append(self._bounded(end))
        if position > start:
            self.pages.append(DirectoryPage(len(self._entries) - before, position - start, None))
        return position

    def _misplaced(self) -> str:
        return (
            f"The central directory does not hold {self._location.entry_count} entries as the end record says:"
            f" entry {len(self._entries) + 1} is damaged or out of place."
        )

    def finish(self) -> list[ZipEntry]:
        """Check what only the whole directory shows, and return its entries.

        Raises:
            ZipFormatError: entries are missing, overlap, or reach into the directory.
        """
        if len(self._entries) != self._location.entry_count:
            raise ZipFormatError(self._misplaced())
        if self._entries and not self._are_apart():
            self._find_fault()
        return self._entries

    def _are_apart(self) -> bool:
        """Whether no two entries share a byte and all lie between the prefix and the directory.

        Starts and ends are sorted each by themselves, which is quick: where so many entries have ended before a start
        as have begun before it, it is the same ones, since none ends before it begins.
        """
        starts = sorted(map(attrgetter("header_offset"), self._entries))
        ends = sorted(self._ends)
        return (
            starts[0] >= self._location.prefix
            and ends[-1] <= self._location.offset
            and all(map(le, ends, islice(starts, 1, None)))
        )

    def _find_fault(self) -> None:
        """Say which entry overlaps another or reaches into the directory."""
        previous_end = self._location.prefix
        for index in sorted(range(len(self._entries)), key=lambda each: self._entries[each].header_offset):
            entry = self._entries[index]
            if entry.header_offset < previous_end:
                raise ZipFormatError(f"“{entry.name}” overlaps another entry.")
            previous_end = self._ends[index]
            if previous_end > self._location.offset:
                raise ZipFormatError(f"“{entry.name}” reaches beyond the data of the archive.")


def _read_page(headers: list[bytes], prefix: int) -> Headers:
    """Read *headers*, whatever each looks like.

    Raises:
        ZipFormatError: something is wrong with one, not necessarily the first of them.
    """
    layout = layout_of(headers[0])
    read = read_columns(headers, layout, prefix) if layout is not None else None
    return read or _read_mixed(headers, prefix)


def _read_mixed(headers: list[bytes], prefix: int) -> Headers:
    """Read headers of one form together and the unusual ones singly, and put all back in order."""
    layouts = [layout_of(header) for header in headers]
    reading = {}
    own = True
    for layout in set(layouts):
        alike = [header for header, other in zip(headers, layouts, strict=True) if other is layout]
        read = read_columns(alike, layout, prefix) if layout is not None else None
        read = read or _read_singly(alike, prefix)
        own = own and read.own
        reading[layout] = zip(read.entries, read.ends, strict=True)
    ordered = [next(reading[layout]) for layout in layouts]
    return Headers([entry for entry, _ in ordered], [end for _, end in ordered], own)


def _read_singly(headers: Sequence[bytes], prefix: int) -> Headers:
    entries, ends = [], []
    for header in headers:
        if len(header) < CENTRAL_HEADER.size - len(CENTRAL_MAGIC):
            raise ZipFormatError("The central directory is cut off.")
        fields = CENTRAL_HEADER.unpack_from(CENTRAL_MAGIC + header)
        extra_at = CENTRAL_HEADER.size - len(CENTRAL_MAGIC) + fields[10]
        comment_at = extra_at + fields[11]
        if comment_at + fields[12] != len(header):
            raise ZipFormatError("The central directory is cut off.")
        name = header[extra_at - fields[10] : extra_at]
        entry, end = _read_header(fields, name, header[extra_at:comment_at], prefix)
        entries.append(entry)
        ends.append(end)
    return Headers(entries, ends, own=False)


def _read_header(fields: tuple[int, ...], raw_name: bytes, extra: bytes, prefix: int) -> tuple[ZipEntry, int]:
    """Read one header of any kind.

    Args:
        fields: those of ``CENTRAL_HEADER``.
        raw_name: the name as it stands there.
        extra: extra field.
        prefix: bytes of the file that the offset doesn't count.

    Returns:
        The entry, and where it ends at the earliest: local header without extra field, and data.

    Raises:
        ZipFormatError: it contradicts itself, or is about another file.
    """
    (_, made_by, _, flags, method, time, date, crc, packed, size, _, _, _, disk, _, external, offset) = fields
    unix = made_by >> 8 in (HOST_UNIX, HOST_DARWIN)
    name = decode_name(raw_name, flags, extra, unix=unix)
    (size, packed, offset), mtime = read_extra(extra, (size, packed, offset), name)
    if disk not in (0, MASK16):
        raise ZipFormatError(f"“{name}” lies on another part of the archive.")
    offset += prefix
    mode = external >> 16 if unix else 0
    entry = ZipEntry(
        name,
        method,
        crc,
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
    return entry, offset + LOCAL_HEADER.size + len(raw_name) + packed


def _usual_mode(name: str, permissions: int) -> int:
    """Mode of an entry that records no file type: what its name says, with usual permissions where it has none."""
    if name.endswith("/"):
        return stat.S_IFDIR | (permissions & 0o7777 or 0o755)
    return stat.S_IFREG | (permissions & 0o7777 or 0o644)
