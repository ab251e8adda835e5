"""Central directory and end records as bytes (APPNOTE 4.3.12 to 4.3.16).

A directory is written anew with every save, and a save changes a few of its entries. What the file has already of the
others is taken over as it is: see :class:`KnownHeaders`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from typing import Final
from zlib import crc32

from kamaros_gui.zipfmt.reader import Directory
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_MAGIC,
    CENTRAL_SIGNATURE,
    DOS_DIRECTORY,
    END64_RECORD,
    END64_SIGNATURE,
    END_RECORD,
    END_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    MADE_BY_UNIX,
    MADE_BY_VERSION,
    MASK16,
    MASK32,
    ZIP64_EXTRA,
    ZipEntry,
    version_needed,
)
from kamaros_gui.zipfmt.times import to_dos
from kamaros_gui.zipfmt.writer import encode_name, header_flags, timestamp_extra, unicode_path_extra

__all__ = ["KnownHeaders", "encode_directory", "read_known_headers"]

_ZIP64_VERSION: Final = 45


class KnownHeaders:
    """The bytes of a directory that was read and checked, as far as this program would write the same ones.

    "The same" but for the DOS time: it is local time where it was written, and goes on agreeing with that in the local
    header. The extra field has the time that counts.

    Args:
        directory: as it was read.
        pages: for each of its pages, the bytes of all headers, or none where they are to be made anew.
    """

    def __init__(self, directory: Directory, pages: list[bytes]) -> None:
        self._directory = directory
        self._pages = pages

    def pages(self) -> Iterator[tuple[list[ZipEntry], bytes]]:
        """Yield for each page its entries and the bytes of their headers, which may be missing."""
        entries = iter(self._directory.entries)
        for page, raw in zip(self._directory.pages, self._pages, strict=True):
            yield list(islice(entries, page.headers)), raw


def read_known_headers(directory: Directory) -> Reading[KnownHeaders]:
    """Read the headers of *directory* again, for a directory that lists most of its entries once more.

    They are not kept from the first time: that would be as much memory again as the names. Bytes that have become
    others since do no harm; they are left out.

    Raises:
        ZipFormatError: the file ends before them.
    """
    pages = []
    position = directory.directory_offset
    for page in directory.pages:
        raw = b""
        if page.crc32 is not None:
            raw = yield from fetch(position, page.size)
            if crc32(raw) != page.crc32:
                raw = b""
        pages.append(raw)
        position += page.size
    return KnownHeaders(directory, pages)


def encode_directory(entries: Iterable[ZipEntry], offset: int, known: KnownHeaders | None = None) -> bytes:
    """Return the central directory (APPNOTE 4.3.12) and the end records (4.3.14 to 4.3.16).

    Args:
        entries: all entries of the archive, in the order they are to be listed.
        offset: where in the file the returned bytes will begin.
        known: headers there are already. They serve where *entries* has their entries in the same order, other ones
            between and behind them, as a mapping has that was changed.

    Raises:
        ValueError: a name can't be stored.
    """
    listed = list(entries)
    encoder = _HeaderEncoder()
    parts: list[bytes] = []
    done = 0
    for old, raw in known.pages() if known is not None else ():
        if raw and listed[done : done + len(old)] == old:
            parts.append(raw)
            done += len(old)
        else:
            done += _encode_changed(listed, done, old, raw, encoder, parts)
    for entry in listed[done:]:
        parts += encoder.encode(entry)
    size = sum(map(len, parts))
    parts.append(_end_records(len(listed), size, offset))
    return b"".join(parts)


def _encode_changed(
    listed: list[ZipEntry], start: int, old: list[ZipEntry], raw: bytes, encoder: _HeaderEncoder, parts: list[bytes]
) -> int:
    """Add to *parts* the headers of the entries from *start* on that have the name of one of a page of *old* entries.

    Returns:
        How many those are.
    """
    # Page by page as when they were read: in a page of headers like ours, no name holds a signature.
    headers: Iterable[bytes] = raw.split(CENTRAL_MAGIC)[1:] if raw else repeat(b"", len(old))
    known = {entry.name: (entry, header) for entry, header in zip(old, headers, strict=True)}
    count = 0
    for entry in islice(listed, start, None):
        before, header = known.pop(entry.name, (None, b""))
        if before is None:
            break
        parts += (CENTRAL_MAGIC, header) if header and entry == before else encoder.encode(entry)
        count += 1
    return count


class _HeaderEncoder:
    """Makes headers of entries (APPNOTE 4.3.12)."""

    def __init__(self) -> None:
        # Many entries have one time, and what that is locally takes longest to find out.
        self._stamps: dict[int, int] = {}

    def encode(self, entry: ZipEntry) -> tuple[bytes, bytes, bytes]:
        """Return fields, name and extra field of *entry*."""
        name = entry.raw_name or encode_name(entry.name)
        size, packed, header_offset = entry.size, entry.compressed_size, entry.header_offset
        extra = timestamp_extra(entry.mtime)
        if entry.raw_name:
            extra += unicode_path_extra(entry)
        large = size >= MASK32 or packed >= MASK32 or header_offset >= MASK32
        if large:
            extra = _zip64_extra(size, packed, header_offset) + extra
        stamp = self._stamp(entry.mtime)
        folder = entry.name.endswith("/")
        fields = CENTRAL_HEADER.pack(
            CENTRAL_SIGNATURE,
            MADE_BY_UNIX if entry.made_by_unix else MADE_BY_VERSION,
            version_needed(entry.method, folder=folder, zip64=large),
            header_flags(entry),
            entry.method,
            stamp & MASK16,
            stamp >> 16,
            entry.crc32,
            min(MASK32, packed),
            min(MASK32, size),
            len(name),
            len(extra),
            0,
            0,
            0,
            _external_attributes(entry, folder=folder),
            min(MASK32, header_offset),
        )
        return fields, name, extra

    def _stamp(self, mtime: int) -> int:
        """Return DOS date << 16 | time."""
        stamp = self._stamps.get(mtime)
        if stamp is None:
            stamp = self._stamps[mtime] = to_dos(mtime)
        return stamp


def _external_attributes(entry: ZipEntry, *, folder: bool) -> int:
    attributes = DOS_DIRECTORY if folder else 0
    return (entry.mode & MASK16) << 16 | attributes if entry.made_by_unix else attributes


def _zip64_extra(size: int, packed: int, offset: int) -> bytes:
    """ZIP64 extra field with the overflowing values alone, in the order APPNOTE 4.5.3 gives."""
    values = [value for value in (size, packed, offset) if value >= MASK32]
    return struct.pack(f"<HH{len(values)}Q", ZIP64_EXTRA, 8 * len(values), *values)


def _end_records(count: int, size: int, offset: int) -> bytes:
    end = END_RECORD.pack(
        END_SIGNATURE, 0, 0, min(count, MASK16), min(count, MASK16), min(size, MASK32), min(offset, MASK32), 0
    )
    if count < MASK16 and size < MASK32 and offset < MASK32:
        return end
    end64 = END64_RECORD.pack(
        END64_SIGNATURE,
        END64_RECORD.size - 12,
        MADE_BY_UNIX,
        _ZIP64_VERSION,
        0,
        0,
        count,
        count,
        size,
        offset,
    )
    return end64 + LOCATOR64.pack(LOCATOR64_SIGNATURE, 0, offset + size, 1) + end
