"""Reads a central directory and checks all of it. Sans-IO: generators that ask for bytes.

The central directory is the only truth about an archive. Everything in it is checked before anything is used:
sizes and offsets lie inside the file, no two entries share a byte or a name, nothing stands between the directory
and the end record.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import MIB, TAIL_SCAN_BLOCK
from kamaros_gui.zipfmt.central import DirectoryPage, EntryParser
from kamaros_gui.zipfmt.end_record import DirectoryLocation, locate_directory, read_end_record
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import END_MAGIC, END_RECORD, ZipEntry

__all__ = ["Directory", "find_last_directory", "read_directory"]

_PIECE: Final = 1 * MIB
"""A directory is read in pieces of this size, so that a huge one is not held as bytes and as entries at once."""

_MAX_CANDIDATES: Final = 64
"""End records tried while searching a torn tail; reading a directory for each of thousands would be a trap."""


class Directory(msgspec.Struct, frozen=True):
    """A central directory that passed every check.

    Attributes:
        entries: in the order of the directory; offsets are from the start of the file.
        directory_offset: first byte of the directory.
        end: byte after the end record and its comment.
        comment: archive comment as stored.
        prefix: bytes before the archive proper (a self-extractor, for instance); 0 in an archive of our own.
        pages: its headers by pages, together those of all *entries*; see :class:`KnownHeaders`.
    """

    entries: list[ZipEntry]
    directory_offset: int
    end: int
    comment: bytes
    prefix: int
    pages: tuple[DirectoryPage, ...] = ()


def read_directory(end: int) -> Reading[Directory]:
    """Read the directory of an archive that ends exactly at *end*, which is usually the file size.

    Raises:
        ZipFormatError: anything in it is damaged, contradictory or ambiguous; the message names the entry.
    """
    location = yield from locate_directory(end)
    parser = EntryParser(location)
    yield from _read_headers(location, parser)
    return Directory(parser.finish(), location.offset, end, location.comment, location.prefix, tuple(parser.pages))


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


def _read_headers(location: DirectoryLocation, parser: EntryParser) -> Reading[None]:
    position, end = location.offset, location.offset + location.size
    rest = b""
    while position < end:
        piece = yield from fetch(position, min(_PIECE, end - position))
        position += len(piece)
        data = rest + piece
        consumed = parser.parse(data, last=position == end)
        rest = data[consumed:]
