"""The records of a ZIP file (APPNOTE 6.3.10), as structs and plain values."""

from __future__ import annotations

import stat
import struct
from typing import Final

import msgspec

__all__ = ["ZipEntry"]

LOCAL_SIGNATURE: Final = 0x04034B50
CENTRAL_SIGNATURE: Final = 0x02014B50
END_SIGNATURE: Final = 0x06054B50
END64_SIGNATURE: Final = 0x06064B50
LOCATOR64_SIGNATURE: Final = 0x07064B50
CENTRAL_MAGIC: Final = CENTRAL_SIGNATURE.to_bytes(4, "little")
END_MAGIC: Final = END_SIGNATURE.to_bytes(4, "little")

LOCAL_HEADER: Final = struct.Struct("<IHHHHHIIIHH")
"""APPNOTE 4.3.7: signature, version needed, flags, method, time, date, CRC-32, compressed size, size, name
length, extra length."""

CENTRAL_HEADER: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
"""APPNOTE 4.3.12: signature, made by, version needed, flags, method, time, date, CRC-32, compressed size, size,
name length, extra length, comment length, disk, internal attributes, external attributes, header offset."""

END_RECORD: Final = struct.Struct("<IHHHHIIH")
"""APPNOTE 4.3.16: signature, disk, directory disk, entries here, entries, directory size, directory offset,
comment length."""

END64_RECORD: Final = struct.Struct("<IQHHIIQQQQ")
"""APPNOTE 4.3.14: signature, size of the rest, made by, version needed, disk, directory disk, entries here,
entries, directory size, directory offset."""

LOCATOR64: Final = struct.Struct("<IIQI")
"""APPNOTE 4.3.15: signature, disk of the record, its offset, number of disks."""

EXTRA_HEADER: Final = struct.Struct("<HH")
"""APPNOTE 4.5.1: id, bytes of data."""

ZIP64_EXTRA: Final = 0x0001
"""APPNOTE 4.5.3."""

TIMESTAMP_EXTRA: Final = 0x5455
"""Extended timestamp of Info-ZIP: flags, then a signed 32-bit time in UTC for each flag."""

UNICODE_PATH_EXTRA: Final = 0x7075
"""APPNOTE 4.6.9: version 1, CRC-32 of the name in the header, the name in UTF-8."""

GROWTH_EXTRA: Final = 0xA220
"""APPNOTE 4.6.10, growth hint: signature 0xA028, initial padding size, zero bytes."""

MASK16: Final = 0xFFFF
MASK32: Final = 0xFFFFFFFF

FLAG_ENCRYPTED: Final = 1 << 0
FLAG_DESCRIPTOR: Final = 1 << 3
FLAG_PATCHED: Final = 1 << 5
FLAG_STRONG_ENCRYPTION: Final = 1 << 6
FLAG_UTF8: Final = 1 << 11
FLAG_MASKED: Final = 1 << 13

STORE: Final = 0
DEFLATE: Final = 8
ZSTD: Final = 93

MADE_BY_VERSION: Final = 63
"""This software writes APPNOTE 6.3."""

HOST_UNIX: Final = 3
HOST_DARWIN: Final = 19

MADE_BY_UNIX: Final = HOST_UNIX << 8 | MADE_BY_VERSION

DOS_DIRECTORY: Final = 0x10
"""Attribute of a folder (APPNOTE 4.4.15), set for the readers that go by it."""


def version_needed(method: int, *, folder: bool, zip64: bool) -> int:
    """APPNOTE 4.4.3: the lowest version that serves."""
    if method == ZSTD:
        return 63
    if zip64:
        return 45
    return 20 if method == DEFLATE or folder else 10


class ZipEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry as the central directory lists it.

    Attributes:
        name: path inside the archive; a directory's ends with ``/``.
        method: 0 stored, 8 deflate, 93 zstd; others are kept as they are.
        crc32: CRC-32 of the content.
        compressed_size: bytes of its data in the archive.
        size: bytes of the content.
        header_offset: where its local header begins, in bytes from the start of the file.
        header_size: bytes of the local header with name and extra fields; 0 when not known.
        mode: full Unix mode, for instance ``0o100644``.
        mtime: seconds since the epoch; may be negative or beyond 32 bits.
        flags: general purpose bits (APPNOTE 4.4.4); bit 11 is set by the writer where the name needs it.
        made_by_unix: whether the mode is what the writer of the entry recorded.
        raw_name: name bytes as the headers have them, where bit 11 doesn't mark them as UTF-8 and they are not ASCII;
            empty otherwise. Give an entry that is renamed an empty one.
    """

    name: str
    method: int
    crc32: int
    compressed_size: int
    size: int
    header_offset: int
    header_size: int
    mode: int
    mtime: int
    flags: int = 0
    made_by_unix: bool = True
    raw_name: bytes = b""

    @property
    def encrypted(self) -> bool:
        """Whether the data can't be read without a key."""
        return bool(self.flags & (FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED))

    @property
    def is_directory(self) -> bool:
        """Whether the name says that this is a directory."""
        return self.name.endswith("/")

    @property
    def is_symlink(self) -> bool:
        """Whether the content is the target of a symbolic link."""
        return self.made_by_unix and stat.S_ISLNK(self.mode)
