"""Finds what a ZIP file holds when its end is lost: local headers, and the directories of earlier saves. Sans-IO.

A file that was only ever appended to is a chain: an entry begins where the one before it ends, a directory where the
last entry of its save ends, the next save where that directory ends. The scan follows the chain by the sizes in the
headers. Where it breaks, it searches for the next thing that looks like a header. What it finds is a claim: a stored
file may hold headers of its own, and sizes may lie, so nothing counts before its content was checked.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import TAIL_SCAN_BLOCK
from kamaros_gui.zipfmt.end_record import read_end_record
from kamaros_gui.zipfmt.extras import read_extra
from kamaros_gui.zipfmt.local import parse_local_header
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import (
    CENTRAL_SIGNATURE,
    DEFLATE,
    END64_RECORD,
    END_RECORD,
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_STRONG_ENCRYPTION,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    MADE_BY_VERSION,
    MASK16,
    MASK32,
    STORE,
    ZSTD,
    ZipEntry,
)
from kamaros_gui.zipfmt.times import from_dos

__all__ = ["ArchiveScan", "DirectoryPlace", "FoundEntry", "find_directories", "has_growth_hint", "scan_archive"]

_LOCAL_MAGIC: Final = LOCAL_SIGNATURE.to_bytes(4, "little")
_CENTRAL_MAGIC: Final = CENTRAL_SIGNATURE.to_bytes(4, "little")

_HEADER_START: Final = re.compile(rb"PK\x03\x04[\x00-\x3f].{3}[\x00\x08\x5d]\x00", re.DOTALL)
_START_SIZE: Final = 10
"""What a local header begins with: its signature, a version up to 6.3, flags, and a method that is read here."""

_END_START: Final = re.compile(rb"PK\x05\x06(?:\x00\x00|\xff\xff){2}")
_END_START_SIZE: Final = 8
"""What an end record of an archive in one part begins with."""

_LOCATOR64_MAGIC: Final = LOCATOR64_SIGNATURE.to_bytes(4, "little")

_GUESS: Final = 512
"""Bytes read at the place of a header: with most names the whole of it, and often the next one."""

_ZIP64_ENDS: Final = END64_RECORD.size + LOCATOR64.size

_MAX_LOOSE: Final = 10_000
"""Headers kept that nothing continues behind; a damaged file has a few, a hostile one as many as fit."""

_HEADER_BUDGET: Final = 16 << 20
"""Bytes of names and extra fields read off the chain, beside the length of the file: headers may overlap there."""

_GROWTH_HINT: Final = re.compile(rb"\x20\xa2..\x28\xa0", re.DOTALL)
"""Id and signature of that padding, with its length between them."""

_METHODS: Final = (STORE, DEFLATE, ZSTD)
_UNREADABLE_FLAGS: Final = FLAG_DESCRIPTOR | FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED


class DirectoryPlace(NamedTuple):
    """Where a central directory with its end record stands, by what the end record says.

    Attributes:
        start: first byte of the directory.
        end: byte after the end record and its comment.
    """

    start: int
    end: int


class FoundEntry(NamedTuple):
    """An entry as its local header describes it.

    Attributes:
        entry: name, sizes and time of the header; the mode, which only a directory has, is 0.
        reached: whether an unbroken chain leads to it, from the start of the file or from the end of a directory.
        linked: whether something continues right behind it, which says that its size is right.
        padded: whether its header has the padding this software writes.
    """

    entry: ZipEntry
    reached: bool
    linked: bool
    padded: bool

    @property
    def end(self) -> int:
        """Byte after its data."""
        return self.entry.header_offset + self.entry.header_size + self.entry.compressed_size


class ArchiveScan(NamedTuple):
    """What a file holds, by offset.

    Attributes:
        entries: local headers.
        directories: directories that stand where the chain, or what is left of it, comes by.
    """

    entries: list[FoundEntry]
    directories: list[DirectoryPlace]


def has_growth_hint(header: bytes) -> bool:
    """Whether a local header has the padding this software ends its headers with (APPNOTE 4.6.10)."""
    extra = LOCAL_HEADER.size + int.from_bytes(header[26:28], "little")
    return _GROWTH_HINT.search(header, extra) is not None


def find_directories(file_size: int) -> Reading[list[DirectoryPlace]]:
    """Find every end record that fits the place it stands at, in one pass over the file.

    Archives that lie inside the file as content don't count: their offsets are not those of the file.
    """
    places: list[DirectoryPlace] = []
    start = 0
    while start < file_size:
        # A record may begin in this block and end in the one after it.
        first = max(0, start - LOCATOR64.size)
        block = yield from fetch(first, min(start + TAIL_SCAN_BLOCK + END_RECORD.size - 1, file_size) - first)
        for found in _END_START.finditer(block, start - first, start - first + TAIL_SCAN_BLOCK + _END_START_SIZE - 1):
            position = found.start()
            record = block[position : position + END_RECORD.size]
            before = block[max(0, position - LOCATOR64.size) : position]
            if len(record) == END_RECORD.size and _may_fit(first + position, record, before):
                place = yield from _place_of(first + position, record)
                if place is not None and place.end <= file_size:
                    places.append(place)
        start += TAIL_SCAN_BLOCK
    return places


def _may_fit(position: int, record: bytes, before: bytes) -> bool:
    """Whether an end record at *position* speaks of the bytes before it, as far as it and *before* can tell."""
    _, _, _, _, count, size, offset, _ = END_RECORD.unpack(record)
    if before.startswith(_LOCATOR64_MAGIC):
        return MASK32 in (size, offset) or count == MASK16 or position - size - offset == _ZIP64_ENDS
    return bool(position == size + offset)


def _place_of(position: int, record: bytes) -> Reading[DirectoryPlace | None]:
    try:
        location = yield from read_end_record(position, record[:20] + b"\0\0")
    except ZipFormatError:
        return None
    comment_size = int.from_bytes(record[20:22], "little")
    return None if location.prefix else DirectoryPlace(location.offset, position + END_RECORD.size + comment_size)


def scan_archive(file_size: int) -> Reading[ArchiveScan]:
    """Find local headers and directories in a file of *file_size* bytes.

    Time and memory grow with the length of the file, whatever stands in it: off the chain, no more headers are read
    than the file has bytes, and those that nothing continues behind are kept up to a limit.
    """
    places = yield from find_directories(file_size)
    return (yield from _Scanner(file_size, places).run())


class _Scanner:
    """Follows the chain of entries and finds it again where it breaks."""

    def __init__(self, file_size: int, places: Sequence[DirectoryPlace]) -> None:
        self._size = file_size
        # Two end records may claim one start; the first is the one written with it.
        self._ends = {place.start: place.end for place in reversed(places)}
        self._starts = sorted(self._ends)
        self._piece, self._piece_at = b"", 0
        self._block, self._block_at = b"", 0
        self._budget = file_size + _HEADER_BUDGET
        self._loose = 0
        self._entries: list[FoundEntry] = []
        self._directories: list[DirectoryPlace] = []

    def run(self) -> Reading[ArchiveScan]:
        """Scan from the first byte to the last."""
        position, reached = 0, True
        while position < self._size:
            if position in self._ends:
                place = DirectoryPlace(position, self._ends[position])
                self._directories.append(place)
                position, reached = place.end, True
                continue
            found = yield from self._entry_at(position, reached=reached)
            if found is not None and found.linked:
                self._entries.append(found)
                # An archive begins with its mark; a mark elsewhere begins an archive inside this one.
                reached = reached and not (position and found.entry.name == "mimetype")
                position = found.end
                continue
            if found is not None and self._loose < _MAX_LOOSE:
                self._loose += 1
                self._entries.append(found)
            reached = False
            position = yield from self._next_place(position + 1)
        return ArchiveScan(self._entries, self._directories)

    def _entry_at(self, position: int, *, reached: bool) -> Reading[FoundEntry | None]:
        header = yield from self._header_at(position, reached=reached)
        try:
            local = parse_local_header(header)
            extra = header[LOCAL_HEADER.size + int.from_bytes(header[26:28], "little") :]
            _, mtime = read_extra(extra, (), local.name)
        except ZipFormatError:
            return None
        end = position + len(header) + local.compressed_size
        if end > self._size:
            return None
        entry = ZipEntry(
            name=local.name,
            method=local.method,
            crc32=local.crc32,
            compressed_size=local.compressed_size,
            size=local.size,
            header_offset=position,
            header_size=len(header),
            mode=0,
            mtime=from_dos(int.from_bytes(header[10:14], "little")) if mtime is None else mtime,
            flags=local.flags,
            raw_name=local.raw_name,
        )
        linked = yield from self._is_continued(end)
        return FoundEntry(entry, reached, linked, has_growth_hint(header))

    def _header_at(self, position: int, *, reached: bool) -> Reading[bytes]:
        """Return the local header at *position*; nothing where none can be, or none that is of use."""
        head = yield from self._bytes(position, LOCAL_HEADER.size)
        if len(head) < LOCAL_HEADER.size or not head.startswith(_LOCAL_MAGIC):
            return b""
        _, needed, flags, method, _, _, _, packed, _, name_size, extra_size = LOCAL_HEADER.unpack(head)
        size = LOCAL_HEADER.size + name_size + extra_size
        if needed & 0xFF > MADE_BY_VERSION or method not in _METHODS or flags & _UNREADABLE_FLAGS or not name_size:
            return b""
        if position + size + (packed if packed != MASK32 else 0) > self._size:
            return b""
        if not reached:
            self._budget -= size
            if self._budget < 0:
                return b""
        return (yield from self._bytes(position, size))

    def _is_continued(self, end: int) -> Reading[bool]:
        """Whether what stands at *end* can follow an entry: another one, a directory, or the end of the file."""
        if end == self._size or end in self._ends:
            return True
        magic = yield from self._bytes(end, len(_LOCAL_MAGIC))
        return magic in (_LOCAL_MAGIC, _CENTRAL_MAGIC)

    def _next_place(self, position: int) -> Reading[int]:
        """Return where the next header or directory may be, the end of the file if there is none."""
        index = bisect_left(self._starts, position)
        limit = self._starts[index] if index < len(self._starts) else self._size
        while limit - position >= _START_SIZE:
            if not self._block_at <= position <= self._block_at + len(self._block) - _START_SIZE:
                self._block = yield from fetch(position, min(TAIL_SCAN_BLOCK, self._size - position))
                self._block_at = position
            found = _HEADER_START.search(self._block, position - self._block_at)
            if found is not None:
                return min(self._block_at + found.start(), limit)
            position = self._block_at + len(self._block) - _START_SIZE + 1
        return limit

    def _bytes(self, offset: int, length: int) -> Reading[bytes]:
        """Return up to *length* bytes, fewer at the end of the file only, from what was read last where possible."""
        length = min(length, self._size - offset)
        if length <= 0:
            return b""
        at = offset - self._block_at
        if at >= 0 and at + length <= len(self._block):
            return self._block[at : at + length]
        at = offset - self._piece_at
        if not (at >= 0 and at + length <= len(self._piece)):
            self._piece = yield from fetch(offset, min(max(length, _GUESS), self._size - offset))
            self._piece_at, at = offset, 0
        return self._piece[at : at + length]
