"""Names and extra fields of an entry (APPNOTE 4.4.17 and 4.5), as far as Kamaros reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.zipfmt.records import EXTRA_HEADER, FLAG_UTF8, MASK32, TIMESTAMP_EXTRA, UNICODE_PATH_EXTRA, ZIP64_EXTRA

__all__ = ["decode_name", "decode_unmarked", "is_whole", "read_extra", "unmarked_name"]

_MINIMUM: Final = EXTRA_HEADER.size
"""A record is at least its id and its length."""


def read_extra(extra: bytes, values: tuple[int, ...], name: str) -> tuple[tuple[int, ...], int | None]:
    """Read sizes and time from an extra field.

    Args:
        extra: the field with all its records.
        values: the 32-bit values of the header in the order of the ZIP64 record (APPNOTE 4.5.3).
        name: name of the entry, for messages.

    Returns:
        *values* with each 0xFFFFFFFF replaced by its 64-bit value, and the modification time in seconds since the
        epoch or ``None``.

    Raises:
        ZipFormatError: a record runs over the end, comes twice, or lacks a value the header refers to.
    """
    zip64: bytes | None = None
    mtime: int | None = None
    for kind, data in _records(extra, name):
        if kind == ZIP64_EXTRA:
            if zip64 is not None:
                raise ZipFormatError(f"“{name}” has two ZIP64 records.")
            zip64 = data
        elif kind == TIMESTAMP_EXTRA and mtime is None and len(data) >= 5 and data[0] & 1:
            mtime = int.from_bytes(data[1:5], "little", signed=True)
    return (_resolve(values, zip64 or b"", name) if MASK32 in values else values), mtime


def is_whole(extra: bytes) -> bool:
    """Whether the records of an extra field fill it to the last byte, as those this software writes do."""
    position = 0
    while len(extra) - position >= _MINIMUM:
        position += _MINIMUM + EXTRA_HEADER.unpack_from(extra, position)[1]
    return position == len(extra)


def _records(extra: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    position = 0
    # Up to three bytes at the end are alignment that some programs leave there.
    while len(extra) - position >= _MINIMUM:
        kind, size = EXTRA_HEADER.unpack_from(extra, position)
        position += _MINIMUM
        if position + size > len(extra):
            raise ZipFormatError(f"An extra field of “{name}” runs over its end.")
        yield kind, extra[position : position + size]
        position += size


def _resolve(values: tuple[int, ...], zip64: bytes, name: str) -> tuple[int, ...]:
    resolved = []
    position = 0
    for value in values:
        if value != MASK32:
            resolved.append(value)
            continue
        if position + 8 > len(zip64):
            raise ZipFormatError(f"“{name}” lacks a 64-bit size or offset that its header refers to.")
        resolved.append(int.from_bytes(zip64[position : position + 8], "little"))
        position += 8
    return tuple(resolved)


def decode_name(raw: bytes, flags: int, extra: bytes, *, unix: bool) -> str:
    """Decode an entry's name.

    It is UTF-8 where bit 11 says so (APPNOTE appendix D). Otherwise the Unicode path in *extra* counts if it
    belongs to this name (4.6.9), and :func:`decode_unmarked` if there is none.

    Raises:
        ZipFormatError: it isn't valid UTF-8, or contains a NUL, where programs in C would cut it off.
    """
    if raw.isascii():
        name = raw.decode("ascii")
    elif flags & FLAG_UTF8:
        name = _decode_utf8(raw)
    else:
        name = _unicode_path(raw, extra) or decode_unmarked(raw, unix=unix)
    if "\0" in name:
        raise ZipFormatError(f"The name {raw!r} contains a NUL.")
    return name


def decode_unmarked(raw: bytes, *, unix: bool) -> str:
    """Decode a name that doesn't say how: Unix programs write it as it is, which is UTF-8, others in code page 437."""
    if unix:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return raw.decode("cp437")


def unmarked_name(raw: bytes, flags: int) -> bytes:
    """Return *raw* if only a guess can tell how to read it, nothing otherwise."""
    return b"" if flags & FLAG_UTF8 or raw.isascii() else raw


def _unicode_path(raw: bytes, extra: bytes) -> str | None:
    for kind, data in _records(extra, repr(raw)):
        if kind == UNICODE_PATH_EXTRA and data[:1] == b"\x01" and data[1:5] == crc32(raw).to_bytes(4, "little"):
            return _decode_utf8(data[5:])
    return None


def _decode_utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ZipFormatError(f"The name {raw!r} is marked as UTF-8 and is not.") from None
