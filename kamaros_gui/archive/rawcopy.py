"""Raw copies: the compressed bytes of an entry go to another place as they are, under a header of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import msgspec

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import MIB
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry, check_local_header, is_whole, parse_local_header
from kamaros_gui.zipfmt.records import FLAG_DESCRIPTOR, MASK32

__all__ = ["checked_header_size", "copy_entry", "header_size_of", "without_descriptor"]

_LOCAL_FIXED: Final = 30
_COPY_STEP: Final = 1 * MIB
"""Bytes held at a time, and copied between two looks at whether to stop: well under an abort's 100 ms."""

_REPAIR: Final = "Let the archive be repaired first (verify --repair)."

_DESCRIPTOR_SIGNATURE: Final = 0x08074B50
_DESCRIPTOR: Final = struct.Struct("<IIII")
_DESCRIPTOR64: Final = struct.Struct("<IIQQ")


def copy_entry(
    source: ReadAccess,
    entry: ZipEntry,
    region: AppendRegion,
    changed: ZipEntry,
    header: bytes,
    *,
    check_abort: Callable[[], None] = lambda: None,
    on_bytes: Callable[[int], None] = lambda _size: None,
) -> ZipEntry:
    """Write *header* and the compressed bytes of *entry* at the end of *region*. Blocks; belongs in a worker thread.

    Of the old local header only the length counts, see :func:`checked_header_size`. Whether the bytes are right is not
    looked at; who reads them compares CRC-32 and SHA-256. After an error or an abort the region holds a part of them:
    the caller rewinds it.

    Args:
        source: the file *entry* is in, open for reading; may be the one *region* ends.
        entry: from the directory of *source*; with its ``header_size`` where that was checked.
        region: where the copy goes.
        changed: *entry* as it is to be listed now, its offset aside; see :func:`without_descriptor`. Where its flags
            still promise a data descriptor, one is written.
        header: the local header of *changed*.
        check_abort: called before each MiB; raises to stop, such as ``AbortSignal.throw_if_aborted``.
        on_bytes: told how many bytes each step has copied, the header's not among them.

    Returns:
        *changed* with its offset and the size of its header.

    Raises:
        ZipFormatError: *entry* has no local header.
        IntegrityError: *source* ends inside the data.
        DiskFullError, StorageError: a file can't be read or written.
        Exception: what *check_abort* raises.
    """
    offset = region.position
    at = entry.header_offset + header_size_of(source, entry)
    end = at + entry.compressed_size
    region.append([header])
    while at < end:
        check_abort()
        data = source.read_exactly(at, min(_COPY_STEP, end - at))
        region.append([data])
        at += len(data)
        on_bytes(len(data))
    if changed.flags & FLAG_DESCRIPTOR:
        region.append([_descriptor(changed)])
    return msgspec.structs.replace(changed, header_offset=offset, header_size=len(header))


def without_descriptor(entry: ZipEntry) -> ZipEntry:
    """Return *entry* with its sizes in the local header instead of behind its data (APPNOTE 4.4.4, bit 3).

    An encrypted entry stays as it is: what its password is compared with depends on that bit (6.1.6).
    """
    if entry.encrypted or not entry.flags & FLAG_DESCRIPTOR:
        return entry
    return msgspec.structs.replace(entry, flags=entry.flags & ~FLAG_DESCRIPTOR)


def _descriptor(entry: ZipEntry) -> bytes:
    """APPNOTE 4.3.9; sizes of eight bytes where the local header has a ZIP64 field."""
    large = max(entry.size, entry.compressed_size) >= MASK32
    packing = _DESCRIPTOR64 if large else _DESCRIPTOR
    return packing.pack(_DESCRIPTOR_SIGNATURE, entry.crc32, entry.compressed_size, entry.size)


def header_size_of(file: ReadAccess, entry: ZipEntry) -> int:
    """Return the length of the local header of *entry*, read from the file where the entry does not know it.

    Raises:
        ZipFormatError: there is no local header.
    """
    return entry.header_size or len(_header_of(file, entry))


def checked_header_size(file: ReadAccess, entry: ZipEntry, limit: int, *, own: bool) -> int:
    """Return the length of the local header of *entry*, which nothing may be wrong with: bytes are to be moved by it.

    One wrong bit in a length would let a rewritten header fall on the data behind it, or a copy begin elsewhere.

    Args:
        file: the archive.
        entry: from its directory.
        limit: offset the data must not go beyond: that of the next entry, or of the directory.
        own: whether this program wrote it; the extra field then must be whole to the last byte.

    Raises:
        ZipFormatError: it disagrees with the directory, or with itself.
    """
    header = _header_of(file, entry)
    try:
        local = parse_local_header(header)
        check_local_header(entry, local, names=_AnyOfOurs(), limit=limit)
    except ZipFormatError as error:
        raise ZipFormatError(str(error), hint=_REPAIR) from error
    extra = header[_LOCAL_FIXED + int.from_bytes(header[26:28], "little") :]
    if own and not is_whole(extra):
        raise ZipFormatError(f"The local header of “{entry.name}” is damaged: its extra field is.", hint=_REPAIR)
    return len(header)


def _header_of(file: ReadAccess, entry: ZipEntry) -> bytes:
    fixed = file.read(entry.header_offset, _LOCAL_FIXED)
    sizes = int.from_bytes(fixed[26:28], "little") + int.from_bytes(fixed[28:30], "little")
    header = fixed + file.read(entry.header_offset + len(fixed), sizes)
    parse_local_header(header)
    return header


class _AnyOfOurs:
    """Names a local header may have: those of an entry that was given another one, where the last step was lost."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith((".store/blobs/", "content/"))
