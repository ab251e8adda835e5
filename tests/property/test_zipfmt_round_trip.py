"""Whatever is written is read back; whatever is broken is refused, and with nothing but the right error."""

from __future__ import annotations

import random
import stat
import struct

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.zipfmt import (
    ZipEntry,
    archive_name,
    check_local_header,
    encode_directory,
    encode_local_header,
    escape_name,
    find_last_directory,
    local_header_size,
    parse_local_header,
    read_directory,
    read_local_header,
    run_reads,
    unsafe_reason,
)

BORDERS = (0, 1, 0xFFFFFFFE, 0xFFFFFFFF, 0x1_0000_0000)
BLOB = ".store/blobs/" + "f" * 64

sizes = st.sampled_from(BORDERS) | st.integers(0, 1 << 40)
names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)
mtimes = st.integers(-(1 << 31), (1 << 31) - 1)
fields = st.tuples(
    names, st.sampled_from((0, 8, 93, 12)), st.integers(0, 0xFFFFFFFF), sizes, sizes, mtimes, st.integers(0, 0o7777)
)


class Sparse:
    """A file of any size with bytes at a few places and zeros elsewhere."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.size = 0

    def write(self, offset: int, data: bytes) -> None:
        self.pieces.append((offset, data))
        self.size = max(self.size, offset + len(data))

    def read(self, offset: int, length: int) -> bytes:
        assert length <= 4 << 20
        length = max(0, min(length, self.size - offset))
        result = bytearray(length)
        for start, data in self.pieces:
            low, high = max(start, offset), min(start + len(data), offset + length)
            if low < high:
                result[low - offset : high - offset] = data[low - start : high - start]
        return bytes(result)


def build(rows: list[tuple[str, int, int, int, int, int, int]], *, gap: int = 0) -> tuple[Sparse, list[ZipEntry]]:
    file = Sparse()
    entries = []
    offset = gap
    for name, method, crc32, packed, size, mtime, permissions in rows:
        kind = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
        header_size = local_header_size(name)
        if method == 0:
            size = packed  # noqa: PLW2901 - a stored entry has one size
        entry = ZipEntry(name, method, crc32, packed, size, offset, header_size, kind | permissions, mtime)
        file.write(offset, encode_local_header(entry, header_size))
        offset += header_size + packed
        entries.append(entry)
    file.write(offset, encode_directory(entries, offset))
    return file, entries


def comparable(entry: ZipEntry) -> ZipEntry:
    flags = entry.flags if entry.name.isascii() else entry.flags | 0x800
    return msgspec.structs.replace(entry, header_size=0, flags=flags)


@given(rows=st.lists(fields, max_size=6, unique_by=lambda row: row[0]), gap=st.sampled_from(BORDERS))
@settings(max_examples=150, deadline=None)
def test_any_entries_come_back(rows: list[tuple[str, int, int, int, int, int, int]], gap: int) -> None:
    file, entries = build(rows, gap=gap)
    directory = run_reads(read_directory(file.size), file.read)
    assert directory.entries == [comparable(entry) for entry in entries]
    assert directory.prefix == 0
    for entry, written in zip(directory.entries, entries, strict=True):
        local = run_reads(read_local_header(entry), file.read)
        assert check_local_header(entry, local) == written.header_offset + written.header_size
    again = encode_directory(directory.entries, directory.directory_offset)
    assert file.read(directory.directory_offset, file.size - directory.directory_offset) == again


@given(row=fields, grown=st.integers(0, 20))
@settings(max_examples=150, deadline=None)
def test_any_header_can_be_relabelled_in_place(row: tuple[str, int, int, int, int, int, int], grown: int) -> None:
    _, (entry,) = build([row])
    for name in (BLOB, entry.name + "x" * grown):
        relabelled = msgspec.structs.replace(entry, name=name)
        header = encode_local_header(relabelled, entry.header_size)
        assert len(header) == entry.header_size
        assert check_local_header(relabelled, parse_local_header(header)) == entry.header_size


SAMPLE_FILE, SAMPLE_ENTRIES = build(
    [("a", 0, 1, 5, 5, 0, 0o644), ("größe", 8, 2, 7, 0xFFFFFFFF, 99, 0o600), ("dir/", 0, 0, 0, 0, -5, 0o755)]
)
SAMPLE = SAMPLE_FILE.read(0, SAMPLE_FILE.size)
_SIZE, _OFFSET = struct.unpack("<II", SAMPLE[-10:-2])
SAMPLE64 = (
    SAMPLE[:-22]
    + struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 3, 3, _SIZE, _OFFSET)
    + struct.pack("<IIQI", 0x07064B50, 0, len(SAMPLE) - 22, 1)
    + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
)


def read_all(data: bytes) -> None:
    """Use everything that reads; only the errors of damaged bytes may come out."""

    def read(offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length > 0
        return data[offset : offset + length]

    for reading in (read_directory(len(data)), find_last_directory(len(data))):
        try:
            directory = run_reads(reading, read)
        except IntegrityError:
            continue
        for entry in directory.entries:
            assert 0 <= entry.header_offset < directory.directory_offset
            try:
                start = check_local_header(entry, run_reads(read_local_header(entry), read))
            except IntegrityError:
                continue
            assert start <= len(data)


@given(
    data=st.sampled_from((SAMPLE, SAMPLE64)),
    seed=st.integers(0, 1 << 32),
    count=st.integers(1, 6),
    tail=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_flipped_bits_raise_nothing_else(data: bytes, seed: int, count: int, tail: bool) -> None:
    chance = random.Random(seed)
    broken = bytearray(data)
    for _ in range(count):
        position = chance.randrange(len(data) - 120, len(data)) if tail else chance.randrange(len(data))
        broken[position] = chance.choice((0, 0xFF, broken[position] ^ 1 << chance.randrange(8)))
    read_all(bytes(broken))


def test_every_truncation_raises_nothing_else() -> None:
    for data in (SAMPLE, SAMPLE64):
        for size in range(len(data)):
            read_all(data[:size])
            read_all(data[size:])


def test_every_single_byte_damaged_raises_nothing_else() -> None:
    for data in (SAMPLE, SAMPLE64):
        for position in range(_OFFSET, len(data)):
            for value in (0, 1, 0x7F, 0xFF):
                read_all(data[:position] + bytes((value,)) + data[position + 1 :])


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_raise_nothing_else(data: bytes) -> None:
    read_all(data)
    read_all(data + SAMPLE[-22:])
    read_all(SAMPLE[:_OFFSET] + data + SAMPLE[-22:])


raw_names = st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"%"))
tricky = st.lists(
    st.sampled_from([b"%", b"0A", b"FF", b"5C", b"\\", b"%5C", b"%25", b"\xff", b"\n", "ä".encode(), b"\xc3", b"a"])
).map(b"".join)


@given(one=raw_names | tricky, other=raw_names | tricky)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_entry_names_are_clean_and_tell_raw_names_apart(one: bytes, other: bytes) -> None:
    name = archive_name(one)
    if one not in (b"", b".", b".."):
        assert unsafe_reason(name, windows=False) is None
    assert name in (one.decode("utf-8", "replace"), escape_name(one))
    if one != other:
        assert name != archive_name(other)
        assert escape_name(one) != escape_name(other)
