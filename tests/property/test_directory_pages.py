"""Headers read by pages say what they say read singly, whatever they are; and what is written again is the same."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.zipfmt import (
    Directory,
    ZipEntry,
    central,
    encode_directory,
    read_directory,
    read_known_headers,
    reader,
    run_reads,
)

MASK32 = 0xFFFFFFFF
FAR = 1 << 32
FIELDS = struct.Struct("<IHHHHHHIIIHHHHHII")


@pytest.fixture(autouse=True, scope="module")
def small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(central, "_PAGE", 4)
        patch.setattr(reader, "_PIECE", 300)
        yield


# ------------------------------------------------------------------------------------- headers of every kind


class Header(NamedTuple):
    """A header as any program may have written it; its offset is that of the entry before it and a gap."""

    name: bytes
    made_by: int
    needed: int
    flags: int
    method: int
    stamp: int
    packed: int
    size: int
    extra: bytes
    comment: bytes
    disk: int
    internal: int
    external: int
    gap: int
    offset: int | None


def timestamp(mtime: int) -> bytes:
    return struct.pack("<HHBi", 0x5455, 5, 1, mtime)


OTHER_EXTRAS = (
    b"",
    timestamp(7) + struct.pack("<HHBBIBI", 0x7875, 11, 1, 4, 1000, 4, 1000),
    b"\x55\x54\x05\x00\x00abcd",  # a timestamp of another kind
    b"\x55\x54\x06\x00\x01abcd",  # runs over the end
    struct.pack("<HHQQ", 1, 16, 10, 10) + timestamp(5),
    struct.pack("<HHQHHQ", 1, 8, 7, 1, 8, 7),
    struct.pack("<HHBI", 0x7075, 5 + 2, 1, zlib.crc32(b"\x84")) + "é".encode(),
    bytes(9),
)
ODD_NAMES = (b"", b"a\0b", b"\x84", b"\xff\xfe", b"PK\x01\x02", b"x" * 300, b"aPK\x01\x02" + bytes(42))
ODD: dict[str, tuple[object, ...]] = {
    "name": ODD_NAMES,
    "made_by": (19 << 8 | 20, 3 << 8 | 20, 63, 10 << 8 | 63),
    "flags": (0, 1, 8),
    "packed": (MASK32, MASK32 - 1),
    "size": (MASK32, MASK32 - 1),
    "extra": OTHER_EXTRAS,
    "comment": (b"comment",),
    "disk": (1, 0xFFFF),
    "internal": (1, 256),
    "external": (0, 0o644 << 16, 0o100644 << 16 | 0x20, MASK32),
    "offset": (MASK32, 0, 1 << 20),
    "method": (1, 12, 256 + 8, 0xFFFF),
    "needed": (0, 10, 20, 45, 63, 256 + 20),
}
KINDS = ("usual", "beyond", *ODD)


def header_of(kind: str, number: int) -> Header:
    """Return a header of *kind*, one of many for different numbers: usual ones, or with one field that is not."""
    chance = random.Random(number)
    folder = not number % 4
    method = chance.choice((0, 8, 93))
    header = Header(
        name=chance.choice((b"a", b"bc", "größe".encode())) + b"/" * folder,
        made_by=3 << 8 | 63,
        needed=63 if method == 93 else 20 if method or folder else 10,
        flags=chance.choice((0x800, 0x808)),
        method=method,
        stamp=chance.getrandbits(32),
        packed=chance.randrange(50),
        size=chance.randrange(50),
        extra=timestamp(chance.getrandbits(32) - (1 << 31)),
        comment=b"",
        disk=0,
        internal=0,
        external=0o040755 << 16 | 0x10 if folder else 0o100644 << 16,
        gap=chance.randrange(3),
        offset=None,
    )
    if kind == "beyond" or (kind != "usual" and number % 3 == 1):
        # A ZIP64 offset, which may be one that would not need to be one.
        offset = (
            chance.choice((FAR, MASK32, FAR + chance.randrange(1 << 30), 9)) if number % 5 else FAR * 9 + number * 400
        )
        extra = struct.pack("<HHQ", 1, 8, offset) + header.extra
        header = header._replace(offset=MASK32, needed=max(45, header.needed), extra=extra)
    return header._replace(**{kind: chance.choice(ODD[kind])}) if kind in ODD else header


numbers = st.integers(0, 255)
usual = st.tuples(st.just("usual"), numbers)
lists = st.one_of(
    st.lists(usual, max_size=14),
    st.lists(st.tuples(st.sampled_from(KINDS[:2]), numbers), max_size=14),
    st.lists(usual | usual | usual | st.tuples(st.sampled_from(KINDS), numbers), max_size=14),
).map(lambda drawn: [header_of(kind, number) for kind, number in drawn])


def raw_headers(headers: list[Header], *, distinct: bool) -> tuple[list[bytes], int]:
    """Return the headers, and how many bytes of entries stand before them."""
    position = 0
    raw = []
    for number, header in enumerate(headers):
        name = header.name + b"%d" % number if distinct and not header.name.endswith(b"/") else header.name
        name = b"%d" % number + name if distinct and name.endswith(b"/") else name
        position += header.gap
        fixed = FIELDS.pack(
            0x02014B50,
            header.made_by,
            header.needed,
            header.flags,
            header.method,
            header.stamp & 0xFFFF,
            header.stamp >> 16,
            number,
            header.packed,
            header.size,
            len(name),
            len(header.extra),
            len(header.comment),
            header.disk,
            header.internal,
            header.external,
            min(position, MASK32) if header.offset is None else header.offset,
        )
        raw.append(fixed + name + header.extra + header.comment)
        position += 30 + len(name) + header.packed
    return raw, position


class Archive:
    """A file that ends with a directory; what stands before it is zeros."""

    def __init__(self, directory: bytes, offset: int, count: int) -> None:
        self.start = offset
        end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), offset)
        locator = struct.pack("<IIQI", 0x07064B50, 0, offset + len(directory), 1)
        end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, MASK32, MASK32, 0)
        self.end = directory + end64 + locator + end
        self.size = offset + len(self.end)

    def read(self, offset: int, length: int) -> bytes:
        assert length < 1 << 20
        gap = max(0, min(length, self.start - offset))
        at = max(0, offset - self.start)
        return bytes(gap) + self.end[at : at + length - gap]


def outcome(read: Callable[[], Directory]) -> tuple[Directory | None, str]:
    try:
        return read(), ""
    except ZipFormatError as error:
        return None, str(error)


@given(
    headers=lists,
    distinct=st.sampled_from([True, True, True, False]),
    far_away=st.booleans(),
    cut=st.integers(0, 40),
    missing=st.sampled_from([0, 0, 0, 0, -1, 1]),
)
@settings(max_examples=400, deadline=None)
def test_pages_say_what_each_header_says(
    headers: list[Header], distinct: bool, far_away: bool, cut: int, missing: int
) -> None:
    raw, size = raw_headers(headers, distinct=distinct)
    joined = b"".join(raw)
    joined = joined[: len(joined) - cut] if cut < 5 else joined
    assert_alike_raw(joined, 100 * FAR if far_away else size, max(0, len(raw) + missing))


def assert_alike(headers: list[Header], offset: int) -> None:
    raw, _ = raw_headers(headers, distinct=True)
    assert_alike_raw(b"".join(raw), offset, len(raw))


def assert_alike_raw(raw: bytes, offset: int, count: int) -> None:
    """Read a directory by pages and header by header; it must come to the same, or fail for the same reason."""
    archive = Archive(raw, offset, count)
    paged, problem = outcome(lambda: run_reads(read_directory(archive.size), archive.read))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(central.EntryParser, "_take", lambda *_: False)
        singly, expected = outcome(lambda: run_reads(read_directory(archive.size), archive.read))
    assert problem == expected
    if paged is not None and singly is not None:
        assert paged.entries == singly.entries
        assert_pages_are_those_written(paged, raw)


@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in ODD.items() for value in values])
def test_one_odd_header_among_usual_ones(field: str, value: object, beyond: bool) -> None:
    """Wherever in a page it stands, and whichever form its neighbours have."""
    for place in (4, 6):
        headers = [header_of("beyond" if beyond and number > 2 else "usual", number * 15) for number in range(10)]
        headers[place] = headers[place]._replace(**{field: value})
        assert_alike(headers, 100 * FAR)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": 256 + 8, "needed": 20},
        {"external": 0o100644 << 16 | 0x100},
        {"name": b"", "offset": 0x2F00_0000, "external": 0o040755 << 16 | 0x10},
    ],
)
def test_what_only_looks_like_our_form_is_not_taken_for_it(changes: dict[str, object]) -> None:
    header = header_of("usual", 1)._replace(name=b"a", method=8, needed=20, external=0o100644 << 16)
    for candidate, own in ((header, True), (header._replace(**changes), False)):
        raw, _ = raw_headers([candidate], distinct=False)
        archive = Archive(raw[0], FAR, 1)
        directory = run_reads(read_directory(archive.size), archive.read)
        assert [page.crc32 is not None for page in directory.pages] == [own]
        assert_alike_raw(raw[0], FAR, 1)


def test_header_inside_a_name_is_none() -> None:
    """What looks like the end of one header and all of another is the name of one; it holds NULs, so it is refused."""
    hidden = header_of("usual", 1)._replace(name=b"a", stamp=0x01010101, external=0x4078 << 16, extra=timestamp(0))
    inner, _ = raw_headers([hidden], distinct=True)
    outer = header_of("usual", 2)._replace(name=b"a" + timestamp(0) + inner[0][: -len(timestamp(0))])
    raw, size = raw_headers([outer], distinct=True)
    for count in (1, 2):
        archive = Archive(raw[0], size, count)
        with pytest.raises(ZipFormatError, match="contains a NUL"):
            run_reads(read_directory(archive.size), archive.read)


def assert_pages_are_those_written(directory: Directory, raw: bytes) -> None:
    entries = iter(directory.entries)
    position = 0
    for page in directory.pages:
        listed = [next(entries) for _ in range(page.headers)]
        there = raw[position : position + page.size]
        position += page.size
        if page.crc32 is not None:
            assert page.crc32 == zlib.crc32(there)
            assert without_stamps(there, listed) == without_stamps(encode_directory(listed, 0), listed)
    assert position == len(raw)
    assert next(entries, None) is None


def without_stamps(headers: bytes, entries: list[ZipEntry]) -> bytes:
    """Return *headers* without their DOS times, and without whatever follows them."""
    parts = []
    position = 0
    for _ in entries:
        *_, name, extra, comment = struct.unpack_from("<HHH", headers, position + 28)
        end = position + 46 + name + extra + comment
        parts += [headers[position : position + 12], headers[position + 16 : end]]
        position = end
    return b"".join(parts)


@given(
    extents=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40)), min_size=1, max_size=9),
    end=st.integers(200, 600),
)
@settings(max_examples=300, deadline=None)
def test_overlaps_are_found_in_any_order(extents: list[tuple[int, int]], end: int) -> None:
    entries = [
        ZipEntry(str(number), 8, 0, packed, packed, offset, 0, 0o100644, 0)
        for number, (offset, packed) in enumerate(extents)
    ]
    archive = Archive(encode_directory(entries, end)[:-22], end, len(entries))
    taken = [set(range(offset, offset + 31 + packed)) for offset, packed in extents]
    apart = len(set().union(*taken)) == sum(map(len, taken)) and max(map(max, taken)) < end
    _, problem = outcome(lambda: run_reads(read_directory(archive.size), archive.read))
    assert (not problem) == apart
    assert not problem or "overlaps" in problem or "reaches beyond" in problem


# ------------------------------------------------------------------------------------- written once more


rows = st.tuples(
    st.text("abcé/", min_size=1, max_size=5),
    st.integers(0, 50),
    st.sampled_from([0, 1, 1_700_000_000, 1 << 33]),
    st.sampled_from([0, MASK32, 5 * FAR]),
    st.booleans(),
)
steps = st.lists(
    st.tuples(st.sampled_from(["drop", "replace", "readd", "rename", "append", "insert"]), st.integers(0, 99)),
    max_size=6,
)


@given(listed=st.lists(rows, max_size=20, unique_by=lambda row: row[0]), steps=steps, damage=st.none() | st.integers(0))
@settings(max_examples=300, deadline=None)
def test_known_headers_change_nothing(
    listed: list[tuple[str, int, int, int, bool]], steps: list[tuple[str, int]], damage: int | None
) -> None:
    position = 0
    entries = []
    for name, packed, mtime, gap, unix in listed:
        position += gap
        entries.append(ZipEntry(name, 8, 1, packed, 2, position, 0, 0o100644, mtime if unix else 0, made_by_unix=unix))
        position += 30 + len(name.encode()) + packed
    archive = Archive(b"", position, 0)
    archive.end = encode_directory(entries, position)
    archive.size = position + len(archive.end)
    directory = run_reads(read_directory(archive.size), archive.read)

    if damage is not None:
        broken = bytearray(archive.end)
        broken[damage % len(broken)] ^= 1
        archive.end = bytes(broken)
    known = run_reads(read_known_headers(directory), archive.read)
    table = {entry.name: entry for entry in directory.entries}
    for step, number in steps:
        change(table, step, number)
    assert encode_directory(table.values(), 77, known) == encode_directory(table.values(), 77)


def change(table: dict[str, ZipEntry], step: str, number: int) -> None:
    """Change *table* as a save might, and as it might not."""
    if step == "append":
        table[f"new {number}"] = ZipEntry(f"new {number}", 8, 1, 2, 3, 4, 5, 0o100644, 6)
    if not table:
        return
    name = list(table)[number % len(table)]
    entry = table[name]
    if step == "replace":
        table[name] = msgspec.structs.replace(entry, crc32=number + 2)
    elif step in ("drop", "readd", "rename"):
        del table[name]
        if step == "readd":
            table[name] = entry
        elif step == "rename":
            table[name + "!"] = msgspec.structs.replace(entry, name=name + "!")
    elif step == "insert":
        items = list(table.items())
        table.clear()
        new = f"inserted {number}"
        items.insert(number % len(items), (new, msgspec.structs.replace(entry, name=new)))
        table.update(items)
