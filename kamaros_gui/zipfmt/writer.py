"""ZIP headers and directory as bytes. Pure functions: where the bytes go is the caller's business."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final
from zlib import crc32

from kamaros_gui.zipfmt.extras import decode_unmarked
from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_SIGNATURE,
    DEFLATE,
    END64_RECORD,
    END64_SIGNATURE,
    END_RECORD,
    END_SIGNATURE,
    EXTRA_HEADER,
    FLAG_UTF8,
    GROWTH_EXTRA,
    HOST_UNIX,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    MADE_BY_VERSION,
    MASK16,
    MASK32,
    TIMESTAMP_EXTRA,
    UNICODE_PATH_EXTRA,
    ZIP64_EXTRA,
    ZSTD,
    ZipEntry,
)
from kamaros_gui.zipfmt.times import to_dos

__all__ = [
    "BLOB_NAME_LENGTH",
    "encode_directory",
    "encode_local_header",
    "encode_plain_local_header",
    "local_header_size",
]

BLOB_NAME_LENGTH: Final = len(".store/blobs/") + 64
"""Bytes of the name a superseded entry gets: the folder and a SHA-256 in hex."""

RENAME_GROWTH: Final = 20
"""Bytes by which a name may grow in place beyond its first length."""

_ZIP64_SIZES: Final = struct.Struct("<HHQQ")
_TIMESTAMP: Final = struct.Struct("<HHBi")
_UNICODE_PATH: Final = struct.Struct("<HHBI")
_GROWTH: Final = struct.Struct("<HHHH")
_GROWTH_MARK: Final = 0xA028

_MODIFICATION_TIME: Final = 1
"""Flag of the extended timestamp that says: the modification time is here."""

_DOS_DIRECTORY: Final = 0x10
_MADE_BY_UNIX: Final = HOST_UNIX << 8 | MADE_BY_VERSION

_EXTRAS_SIZE: Final = _ZIP64_SIZES.size + _TIMESTAMP.size + _GROWTH.size
"""Room for every extra field at once. The growth hint takes what the others leave, and this much keeps at least its
own header free: fewer than four spare bytes could not be expressed as an extra field."""

_INT32_LIMIT: Final = 1 << 31


def local_header_size(name: str) -> int:
    """Bytes to reserve for the local header of an entry called *name*.

    At that total length the header can be written again in place with the name of a blob or a name up to
    20 bytes longer than *name*, and with ZIP64 sizes.

    Raises:
        ValueError: the name can't be stored: longer than 65,535 bytes, or not Unicode.
    """
    length = len(_encode_name(name))
    return LOCAL_HEADER.size + min(max(length + RENAME_GROWTH, BLOB_NAME_LENGTH), MASK16) + _EXTRAS_SIZE


def encode_local_header(entry: ZipEntry, total_size: int) -> bytes:
    """Return the local file header of *entry* (APPNOTE 4.3.7), exactly *total_size* bytes long.

    Sizes of 0xFFFFFFFF and more go into a ZIP64 extra field (both, as 4.5.3 asks). What the header does not
    need is filled with a growth hint (4.6.10), which every reader skips.

    Raises:
        ValueError: the name is too long for *total_size*, or not Unicode.
    """
    name = entry.raw_name or _encode_name(entry.name)
    extra = _local_extra(entry)
    padding = total_size - LOCAL_HEADER.size - len(name) - len(extra) - _GROWTH.size
    if padding < 0 or len(extra) + _GROWTH.size + padding > MASK16:
        raise ValueError(f"a header of {total_size} bytes has no room for the name “{entry.name}”")
    growth = _GROWTH.pack(GROWTH_EXTRA, _GROWTH.size - EXTRA_HEADER.size + padding, _GROWTH_MARK, padding)
    return b"".join(
        (_local_fields(entry, name, len(extra) + _GROWTH.size + padding), name, extra, growth, bytes(padding))
    )


def encode_plain_local_header(entry: ZipEntry) -> bytes:
    """Return a local file header without any extra field, as the ``mimetype`` entry must have it.

    Raises:
        ValueError: the sizes need ZIP64, or the name can't be stored.
    """
    if max(entry.size, entry.compressed_size) >= MASK32:
        raise ValueError("an entry of 4 GiB needs an extra field")
    name = entry.raw_name or _encode_name(entry.name)
    return _local_fields(entry, name, 0) + name


def _encode_name(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) > MASK16:
        raise ValueError(f"the name has {len(encoded)} bytes; {MASK16} are the limit")
    return encoded


def _local_extra(entry: ZipEntry) -> bytes:
    extra = b""
    if entry.size >= MASK32 or entry.compressed_size >= MASK32:
        extra = _ZIP64_SIZES.pack(ZIP64_EXTRA, 16, entry.size, entry.compressed_size)
    return extra + _timestamp(entry.mtime) + _unicode_path(entry)


def _timestamp(mtime: int) -> bytes:
    return (
        _TIMESTAMP.pack(TIMESTAMP_EXTRA, 5, _MODIFICATION_TIME, mtime) if -_INT32_LIMIT <= mtime < _INT32_LIMIT else b""
    )


def _unicode_path(entry: ZipEntry) -> bytes:
    """Unicode path of an entry whose raw name would be read as something else (APPNOTE 4.6.9)."""
    raw = entry.raw_name
    if not raw or decode_unmarked(raw, unix=entry.made_by_unix) == entry.name:
        return b""
    path = _encode_name(entry.name)
    return _UNICODE_PATH.pack(UNICODE_PATH_EXTRA, 5 + len(path), 1, crc32(raw)) + path


def _local_fields(entry: ZipEntry, name: bytes, extra_size: int) -> bytes:
    large = entry.size >= MASK32 or entry.compressed_size >= MASK32
    stamp = to_dos(entry.mtime)
    return LOCAL_HEADER.pack(
        LOCAL_SIGNATURE,
        _version_needed(entry, zip64=large),
        _flags(entry),
        entry.method,
        stamp & MASK16,
        stamp >> 16,
        entry.crc32,
        MASK32 if large else entry.compressed_size,
        MASK32 if large else entry.size,
        len(name),
        extra_size,
    )


def _flags(entry: ZipEntry) -> int:
    """Bits of the entry, with bit 11 wherever the name needs it: alike in both headers."""
    return entry.flags if entry.raw_name or entry.name.isascii() else entry.flags | FLAG_UTF8


def _version_needed(entry: ZipEntry, *, zip64: bool) -> int:
    """APPNOTE 4.4.3."""
    if entry.method == ZSTD:
        return 63
    if zip64:
        return 45
    return 20 if entry.method == DEFLATE or entry.name.endswith("/") else 10


def encode_directory(entries: Iterable[ZipEntry], offset: int) -> bytes:
    """Return the central directory (APPNOTE 4.3.12) and the end records (4.3.14 to 4.3.16).

    Args:
        entries: all entries of the archive, in the order they are to be listed.
        offset: where in the file the returned bytes will begin.

    Raises:
        ValueError: a name can't be stored.
    """
    parts: list[bytes] = []
    stamps: dict[int, int] = {}
    count = 0
    for entry in entries:
        count += 1
        mtime = entry.mtime
        stamp = stamps.get(mtime)
        if stamp is None:
            stamp = stamps[mtime] = to_dos(mtime)
        parts += _directory_header(entry, stamp)
    size = sum(map(len, parts))
    parts.append(_end_records(count, size, offset))
    return b"".join(parts)


def _directory_header(entry: ZipEntry, stamp: int) -> tuple[bytes, bytes, bytes]:
    """Return fields, name and extra field of *entry* (APPNOTE 4.3.12); *stamp* is its DOS date << 16 | time."""
    name = entry.raw_name or _encode_name(entry.name)
    size, packed, header_offset = entry.size, entry.compressed_size, entry.header_offset
    extra = _timestamp(entry.mtime)
    if entry.raw_name:
        extra += _unicode_path(entry)
    large = size >= MASK32 or packed >= MASK32 or header_offset >= MASK32
    if large:
        extra = _directory_zip64(size, packed, header_offset) + extra
    fields = CENTRAL_HEADER.pack(
        CENTRAL_SIGNATURE,
        _MADE_BY_UNIX if entry.made_by_unix else MADE_BY_VERSION,
        _version_needed(entry, zip64=large),
        _flags(entry),
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
        _external_attributes(entry),
        min(MASK32, header_offset),
    )
    return fields, name, extra


def _external_attributes(entry: ZipEntry) -> int:
    directory = _DOS_DIRECTORY if entry.name.endswith("/") else 0
    return (entry.mode & MASK16) << 16 | directory if entry.made_by_unix else directory


def _directory_zip64(size: int, packed: int, offset: int) -> bytes:
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
        _MADE_BY_UNIX,
        45,
        0,
        0,
        count,
        count,
        size,
        offset,
    )
    return end64 + LOCATOR64.pack(LOCATOR64_SIGNATURE, 0, offset + size, 1) + end
