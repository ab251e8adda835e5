"""Central directory headers read many at a time, column by column, where they are of the usual form.

Nearly all headers are: made on a Unix system, without a comment, with the modification time as their only extra field,
or with that and the ZIP64 offset of an entry beyond 4 GiB. Their fields stand at the same places, so that one slice
with a step takes a byte of all of them, and what must hold for each is asked of all at once. Whatever is not as usual
is left to :mod:`kamaros_gui.zipfmt.central`, which reads it header by header; so is every error.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import repeat
from typing import Final, NamedTuple

from kamaros_gui.zipfmt.records import (
    CENTRAL_HEADER,
    CENTRAL_MAGIC,
    DOS_DIRECTORY,
    FLAG_UTF8,
    HOST_DARWIN,
    HOST_UNIX,
    LOCAL_HEADER,
    MADE_BY_UNIX,
    MASK32,
    TIMESTAMP_EXTRA,
    ZIP64_EXTRA,
    ZipEntry,
    version_needed,
)

__all__ = ["Headers", "Layout", "layout_of", "read_columns"]

_FIXED: Final = CENTRAL_HEADER.size - len(CENTRAL_MAGIC)
"""Bytes of a header between its signature and its name."""

# Where the fields of CENTRAL_HEADER stand behind the signature.
_MADE_BY, _NEEDED, _FLAGS, _METHOD, _CRC32, _PACKED, _SIZE, _NAME_SIZE = 0, 2, 4, 6, 12, 16, 20, 24
_OTHER_SIZES, _INTERNAL, _EXTERNAL, _OFFSET = 26, 32, 34, 38

_HOST: Final = 1
_FILE_TYPE: Final = _EXTERNAL + 3
"""The byte whose upper half is the file type of the Unix mode."""

_UNIX: Final = frozenset((HOST_UNIX, HOST_DARWIN))
_OWN_MAKER: Final = MADE_BY_UNIX.to_bytes(2, "little")
_TIMESTAMP: Final = struct.pack("<HHB", TIMESTAMP_EXTRA, 5, 1)

_FOLDER_ATTRIBUTE: Final = bytes(DOS_DIRECTORY if byte == ord("/") else 0 for byte in range(256))
"""Last byte of a name → attributes."""

_VERSIONS: Final = {
    (folder, zip64): bytes(version_needed(method, folder=folder, zip64=zip64) for method in range(256))
    for folder in (False, True)
    for zip64 in (False, True)
}
"""(whether they are folders, whether they need ZIP64) → for each method, the version needed."""


class Layout(NamedTuple):
    """A form that a header of the usual kind has.

    Attributes:
        extra_size: bytes of its extra field.
        marks: (place in the extra field, what must be there).
        time_at: place of the modification time in the extra field.
        offset_at: place of the 64-bit offset there; -1 where the header has it itself.
    """

    extra_size: int
    marks: tuple[tuple[int, bytes], ...]
    time_at: int
    offset_at: int


_NEAR: Final = Layout(9, ((0, _TIMESTAMP),), 5, -1)
_FAR: Final = Layout(21, ((0, struct.pack("<HH", ZIP64_EXTRA, 8)), (12, _TIMESTAMP)), 17, 4)

_LAYOUTS: Final = {struct.pack("<HHH", layout.extra_size, 0, 0): layout for layout in (_NEAR, _FAR)}
"""By the lengths of extra field and comment, and the number of the disk."""


class Headers(NamedTuple):
    """What headers say.

    Attributes:
        entries: one for each header; what only the whole directory shows is not checked yet.
        ends: where each ends at the earliest: local header without extra field, and data.
        own: whether this program would write every one of them like that (the DOS time aside, which depends on where
            it was written: the extra field has the time).
    """

    entries: list[ZipEntry]
    ends: list[int]
    own: bool


def layout_of(header: bytes) -> Layout | None:
    """Return the form of *header*, which begins behind its signature, ``None`` if it is not a usual one.

    A quick look that tells one form from another; :func:`read_columns` checks.
    """
    if len(header) < _FIXED or header[_HOST] not in _UNIX or header[_FILE_TYPE] < 0x10:
        return None
    layout = _LAYOUTS.get(header[_OTHER_SIZES:_INTERNAL])
    if layout is None or header[_FLAGS + 1] & FLAG_UTF8 >> 8:
        return layout
    return layout if header[_FIXED : -layout.extra_size].isascii() else None


def read_columns(headers: Sequence[bytes], layout: Layout, prefix: int) -> Headers | None:
    """Read *headers*, each from behind its signature to the next one.

    Args:
        headers: complete ones, at least one.
        layout: the form all of them should have.
        prefix: bytes of the file that the offsets in the headers don't count.

    Returns:
        What they say, or ``None`` if there is anything about any of them that is not as usual.
    """
    fixed = b"".join([header[:_FIXED] for header in headers])
    extra = b"".join([header[-layout.extra_size :] for header in headers])
    if not _is_usual(headers, layout, fixed, extra):
        return None
    names = _names(headers, layout, fixed)
    sizes, packed, offsets = (_column(fixed, _FIXED, at, "I") for at in (_SIZE, _PACKED, _OFFSET))
    beyond = layout.offset_at >= 0
    if names is None or MASK32 in sizes or MASK32 in packed or offsets.count(MASK32) != (len(headers) if beyond else 0):
        return None
    if beyond:
        offsets = _column(extra, layout.extra_size, layout.offset_at, "Q")
    methods, externals = _column(fixed, _FIXED, _METHOD, "H"), _column(fixed, _FIXED, _EXTERNAL, "I")
    own = not prefix and (not beyond or min(offsets) >= MASK32) and "" not in names and _is_own(headers, layout, fixed)
    if prefix:
        offsets = tuple(offset + prefix for offset in offsets)
    # Few values are many times the same: one object of each is enough.
    modes = {external: external >> 16 for external in set(externals)}
    flags = _column(fixed, _FIXED, _FLAGS, "H")
    shared = {value: value for value in set(flags)}
    entries = map(
        ZipEntry,
        names,
        methods,
        _column(fixed, _FIXED, _CRC32, "I"),
        packed,
        sizes,
        offsets,
        repeat(0),
        map(modes.__getitem__, externals),
        _column(extra, layout.extra_size, layout.time_at, "i"),
        map(shared.__getitem__, flags),
    )
    lengths = _column(fixed, _FIXED, _NAME_SIZE, "H")
    head = LOCAL_HEADER.size
    ends = [offset + head + length + data for offset, length, data in zip(offsets, lengths, packed, strict=True)]
    return Headers(list(entries), ends, own)


def _is_usual(headers: Sequence[bytes], layout: Layout, fixed: bytes, extra: bytes) -> bool:
    """Whether all *headers* are complete, of the form *layout*, and made on Unix with a file type in the mode."""
    count = len(headers)
    if len(fixed) != count * _FIXED or len(extra) != count * layout.extra_size:
        return False
    rest = _FIXED + layout.extra_size
    lengths = [rest + length for length in _column(fixed, _FIXED, _NAME_SIZE, "H")]
    return (
        lengths == list(map(len, headers))
        and _all_are(fixed, _FIXED, _OTHER_SIZES, struct.pack("<HHH", layout.extra_size, 0, 0))
        and all(_all_are(extra, layout.extra_size, at, mark) for at, mark in layout.marks)
        and _UNIX.issuperset(fixed[_HOST::_FIXED])
        and min(fixed[_FILE_TYPE::_FIXED]) >= 0x10
    )


def _names(headers: Sequence[bytes], layout: Layout, fixed: bytes) -> list[str] | None:
    """Decode all names at once: a NUL between them ends a sequence of UTF-8 and is part of no other."""
    raw_names = [header[_FIXED : -layout.extra_size] for header in headers]
    joined = b"\0".join(raw_names)
    try:
        names = joined.decode()
    except UnicodeDecodeError:
        return None
    if not joined.isascii():
        flags = _column(fixed, _FIXED, _FLAGS, "H")
        if not all(flag & FLAG_UTF8 or raw.isascii() for flag, raw in zip(flags, raw_names, strict=True)):
            return None
    separate = names.split("\0")
    return separate if len(separate) == len(headers) else None


def _is_own(headers: Sequence[bytes], layout: Layout, fixed: bytes) -> bool:
    """Whether this program would write the fixed fields of *headers* like that, but for the time."""
    zeros = bytes(len(headers))
    needed, methods, attributes = (fixed[place::_FIXED] for place in (_NEEDED, _METHOD, _EXTERNAL))
    rest = (_NEEDED + 1, _METHOD + 1, _INTERNAL, _INTERNAL + 1, _EXTERNAL + 1)
    if not _all_are(fixed, _FIXED, _MADE_BY, _OWN_MAKER) or any(fixed[place::_FIXED] != zeros for place in rest):
        return False
    last_of_name = -layout.extra_size - 1
    folders = bytes([header[last_of_name] for header in headers]).translate(_FOLDER_ATTRIBUTE)
    expected = methods.translate(_VERSIONS[False, layout.offset_at >= 0])
    if folders != zeros:
        of_folders = methods.translate(_VERSIONS[True, layout.offset_at >= 0])
        expected = bytes([b if folder else a for a, b, folder in zip(expected, of_folders, folders, strict=True)])
    return needed == expected and attributes == folders


def _column(block: bytes, row: int, at: int, form: str) -> tuple[int, ...]:
    """Return the little-endian numbers that stand at *at* in each *row* bytes of *block*."""
    width = struct.calcsize("<" + form)
    count = len(block) // row
    column = bytearray(count * width)
    for place in range(width):
        column[place::width] = block[at + place :: row]
    return struct.unpack(f"<{count}{form}", column)


def _all_are(block: bytes, row: int, at: int, value: bytes) -> bool:
    """Whether *value* stands at *at* in each *row* bytes of *block*."""
    count = len(block) // row
    return all(block[at + place :: row] == bytes((byte,)) * count for place, byte in enumerate(value))
