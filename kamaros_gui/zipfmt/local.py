"""Local file headers (APPNOTE 4.3.7): reading them and comparing them with the central directory."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.zipfmt.extras import decode_name, read_extra, unmarked_name
from kamaros_gui.zipfmt.reading import Reading, fetch
from kamaros_gui.zipfmt.records import (
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_STRONG_ENCRYPTION,
    FLAG_UTF8,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    MASK32,
    STORE,
    ZipEntry,
)

__all__ = ["LocalHeader", "check_local_header", "parse_local_header", "read_local_header"]

_COMPARED_FLAGS = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED


class LocalHeader(NamedTuple):
    """What a local file header says.

    Attributes:
        name, method, flags, crc32, compressed_size, size: as in :class:`ZipEntry`.
        header_size: bytes of the header with name and extra field; the data follows.
        raw_name: as in :class:`ZipEntry`.
    """

    name: str
    method: int
    flags: int
    crc32: int
    compressed_size: int
    size: int
    header_size: int
    raw_name: bytes = b""


def read_local_header(entry: ZipEntry) -> Reading[LocalHeader]:
    """Read the local header of *entry*.

    Raises:
        ZipFormatError: there is none where the directory says, or it is damaged.
    """
    # Our own headers have a known length, so one request is enough for them.
    start = yield from fetch(entry.header_offset, entry.header_size or LOCAL_HEADER.size)
    size = _whole_size(start, 0)
    if size > len(start):
        start += yield from fetch(entry.header_offset + len(start), size - len(start))
    return parse_local_header(start)


def parse_local_header(buffer: bytes | bytearray | memoryview, offset: int = 0) -> LocalHeader:
    """Read the local header at *offset* of *buffer*.

    Raises:
        ZipFormatError: it is cut off or damaged.
    """
    size = _whole_size(buffer, offset)
    if offset + size > len(buffer):
        raise ZipFormatError("A local file header is cut off.")
    _, _, flags, method, _, _, crc32, packed, length, name_size, _ = LOCAL_HEADER.unpack_from(buffer, offset)
    name_end = offset + LOCAL_HEADER.size + name_size
    extra = bytes(buffer[name_end : offset + size])
    raw_name = bytes(buffer[offset + LOCAL_HEADER.size : name_end])
    name = decode_name(raw_name, flags, extra, unix=True)
    if MASK32 in (packed, length):
        (length, packed), _ = read_extra(extra, (length, packed), name)
    return LocalHeader(name, method, flags, crc32, packed, length, size, unmarked_name(raw_name, flags))


def _whole_size(buffer: bytes | bytearray | memoryview, offset: int) -> int:
    if offset + LOCAL_HEADER.size > len(buffer):
        raise ZipFormatError("A local file header is cut off.")
    signature, *_, name_size, extra_size = LOCAL_HEADER.unpack_from(buffer, offset)
    if signature != LOCAL_SIGNATURE:
        raise ZipFormatError("There is no local file header where the central directory says.")
    return LOCAL_HEADER.size + int(name_size) + int(extra_size)


def check_local_header(
    entry: ZipEntry, local: LocalHeader, *, names: Container[str] | None = None, limit: int | None = None
) -> int:
    """Compare *local* with *entry* and return the offset of the entry's data.

    Args:
        entry: entry of the central directory, which is the truth.
        local: its local header.
        names: other names the header may have: those that an interrupted relabelling left in place.
        limit: offset the data must not go beyond, for instance that of the next entry or of the directory.

    Raises:
        ZipFormatError: they disagree; the message names the entry and the field.
    """
    if not _is_named(local, entry) and (names is None or local.name not in names):
        raise _disagreement(entry, "name")
    if local.method != entry.method:
        raise _disagreement(entry, "method")
    if (local.flags ^ entry.flags) & _COMPARED_FLAGS:
        raise _disagreement(entry, "encryption flag")
    if local.name == entry.name and not entry.name.isascii() and bool(local.flags & FLAG_UTF8) == bool(entry.raw_name):
        raise _disagreement(entry, "UTF-8 flag")
    # With a data descriptor the header was written before the sizes were known (APPNOTE 4.4.4, bit 3).
    deferred = local.flags & FLAG_DESCRIPTOR
    for field in ("crc32", "compressed_size", "size"):
        value = getattr(local, field)
        if value != getattr(entry, field) and not (deferred and value == 0):
            raise _disagreement(entry, field.replace("_", " ").replace("crc32", "CRC-32"))
    if entry.method == STORE and entry.size != entry.compressed_size and not entry.encrypted:
        raise ZipFormatError(f"“{entry.name}” is stored, but its sizes differ.")
    data_offset = entry.header_offset + local.header_size
    if limit is not None and data_offset + entry.compressed_size > limit:
        raise ZipFormatError(f"The data of “{entry.name}” runs into what follows it.")
    return data_offset


def _is_named(local: LocalHeader, entry: ZipEntry) -> bool:
    """Compare bytes where no mark says how to read them: a local header doesn't name the system it comes from."""
    return local.raw_name == entry.raw_name if entry.raw_name else local.name == entry.name


def _disagreement(entry: ZipEntry, field: str) -> ZipFormatError:
    return ZipFormatError(f"The local header of “{entry.name}” and the central directory disagree about its {field}.")
