"""Local file headers as bytes (APPNOTE 4.3.7), and what all headers share. Pure functions."""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

from kamaros_gui.zipfmt.extras import decode_unmarked
from kamaros_gui.zipfmt.records import (
    EXTRA_HEADER,
    FLAG_UTF8,
    GROWTH_EXTRA,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    MASK16,
    MASK32,
    TIMESTAMP_EXTRA,
    UNICODE_PATH_EXTRA,
    ZIP64_EXTRA,
    ZipEntry,
    version_needed,
)
from kamaros_gui.zipfmt.times import to_dos

__all__ = [
    "BLOB_NAME_LENGTH",
    "encode_local_header",
    "encode_name",
    "encode_plain_local_header",
    "encode_tight_local_header",
    "header_flags",
    "local_header_size",
    "timestamp_extra",
    "unicode_path_extra",
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
    length = len(encode_name(name))
    return LOCAL_HEADER.size + min(max(length + RENAME_GROWTH, BLOB_NAME_LENGTH), MASK16) + _EXTRAS_SIZE


def settled_header_size(entry: ZipEntry, *, renamable: bool) -> int:
    """Bytes for the local header of *entry*, whose sizes are known and will not change.

    Args:
        entry: as it will be.
        renamable: whether it may get another name; then there is the room for that of :func:`local_header_size`.

    Raises:
        ValueError: the name can't be stored.
    """
    length = len(encode_name(entry.name))
    room = min(max(length + RENAME_GROWTH, BLOB_NAME_LENGTH), MASK16) if renamable else length
    return LOCAL_HEADER.size + room + len(_local_extra(entry)) + _GROWTH.size


def encode_local_header(entry: ZipEntry, total_size: int) -> bytes:
    """Return the local file header of *entry* (APPNOTE 4.3.7), exactly *total_size* bytes long.

    Sizes of 0xFFFFFFFF and more go into a ZIP64 extra field (both, as 4.5.3 asks). What the header does not
    need is filled with a growth hint (4.6.10), which every reader skips.

    Raises:
        ValueError: the name is too long for *total_size*, or not Unicode.
    """
    name = entry.raw_name or encode_name(entry.name)
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
    name = entry.raw_name or encode_name(entry.name)
    return _local_fields(entry, name, 0) + name


def encode_tight_local_header(entry: ZipEntry) -> bytes:
    """Return the local file header of *entry* (APPNOTE 4.3.7) without room to grow, for a file nobody appends to.

    Sizes of 0xFFFFFFFF and more go into a ZIP64 extra field (both, as 4.5.3 asks), the time into another.

    Raises:
        ValueError: the name can't be stored.
    """
    name = entry.raw_name or encode_name(entry.name)
    extra = _local_extra(entry)
    return _local_fields(entry, name, len(extra)) + name + extra


def encode_name(name: str) -> bytes:
    """Return the bytes of *name* in a header.

    Raises:
        ValueError: they are too many, or it is not Unicode.
    """
    encoded = name.encode()
    if len(encoded) > MASK16:
        raise ValueError(f"the name has {len(encoded)} bytes; {MASK16} are the limit")
    return encoded


def _local_extra(entry: ZipEntry) -> bytes:
    extra = b""
    if entry.size >= MASK32 or entry.compressed_size >= MASK32:
        extra = _ZIP64_SIZES.pack(ZIP64_EXTRA, 16, entry.size, entry.compressed_size)
    return extra + timestamp_extra(entry.mtime) + unicode_path_extra(entry)


def timestamp_extra(mtime: int) -> bytes:
    """Return the extra field with the time in UTC; nothing where 32 bits don't hold it."""
    return (
        _TIMESTAMP.pack(TIMESTAMP_EXTRA, 5, _MODIFICATION_TIME, mtime) if -_INT32_LIMIT <= mtime < _INT32_LIMIT else b""
    )


def unicode_path_extra(entry: ZipEntry) -> bytes:
    """Return the Unicode path of an entry whose raw name would be read as something else (APPNOTE 4.6.9)."""
    raw = entry.raw_name
    if not raw or decode_unmarked(raw, unix=entry.made_by_unix) == entry.name:
        return b""
    path = encode_name(entry.name)
    return _UNICODE_PATH.pack(UNICODE_PATH_EXTRA, 5 + len(path), 1, crc32(raw)) + path


def _local_fields(entry: ZipEntry, name: bytes, extra_size: int) -> bytes:
    large = entry.size >= MASK32 or entry.compressed_size >= MASK32
    stamp = to_dos(entry.mtime)
    return LOCAL_HEADER.pack(
        LOCAL_SIGNATURE,
        version_needed(entry.method, folder=entry.is_directory, zip64=large),
        header_flags(entry),
        entry.method,
        stamp & MASK16,
        stamp >> 16,
        entry.crc32,
        MASK32 if large else entry.compressed_size,
        MASK32 if large else entry.size,
        len(name),
        extra_size,
    )


def header_flags(entry: ZipEntry) -> int:
    """Return the bits of the entry, with bit 11 wherever the name needs it: alike in both headers."""
    return entry.flags if entry.raw_name or entry.name.isascii() else entry.flags | FLAG_UTF8
