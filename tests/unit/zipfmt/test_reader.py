"""The reader takes what is right and names what is wrong."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterable

import msgspec
import pytest

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.limits import MIB
from kamaros_gui.zipfmt import (
    Directory,
    ZipEntry,
    check_local_header,
    encode_directory,
    encode_local_header,
    find_last_directory,
    local_header_size,
    parse_local_header,
    read_directory,
    read_local_header,
    run_reads,
)


class File:
    """Bytes that count how they are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.requests: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length > 0
        self.requests.append((offset, length))
        return self.data[offset : offset + length]


def read(data: bytes, end: int | None = None) -> Directory:
    return run_reads(read_directory(len(data) if end is None else end), File(data).read)


def find(data: bytes) -> Directory:
    return run_reads(find_last_directory(len(data)), File(data).read)


def archive(names: Iterable[str], *, content: bytes = b"content", start: bytes = b"", **changes: object) -> bytes:
    data = bytearray(start)
    entries = []
    for name in names:
        size = local_header_size(name)
        entry = ZipEntry(
            name, 0, zlib.crc32(content), len(content), len(content), len(data), size, 0o100600, 1_700_000_001
        )
        entry = msgspec.structs.replace(entry, **changes)
        data += encode_local_header(entry, size) + content
        entries.append(entry)
    return bytes(data + encode_directory(entries, len(data)))


def patched(data: bytes, position: int, form: str, *values: int) -> bytes:
    """Return *data* with values written at *position*, counted from the end if negative."""
    position += len(data) if position < 0 else 0
    packed = struct.pack("<" + form, *values)
    return data[:position] + packed + data[position + len(packed) :]


PLAIN = archive(["a", "b/", "ä"])
DIRECTORY = read(PLAIN).directory_offset


def test_empty_archive() -> None:
    directory = read(encode_directory([], 0))
    assert (directory.entries, directory.directory_offset, directory.prefix, directory.end) == ([], 0, 0, 22)


def test_entries_come_back() -> None:
    directory = read(PLAIN)
    assert [entry.name for entry in directory.entries] == ["a", "b/", "ä"]
    assert {entry.mode for entry in directory.entries} == {0o100600}
    assert {entry.mtime for entry in directory.entries} == {1_700_000_001}
    assert directory.end == len(PLAIN)
    assert not any(entry.encrypted for entry in directory.entries)


def test_archive_may_end_before_the_file() -> None:
    assert read(PLAIN + b"torn tail", len(PLAIN)).entries == read(PLAIN).entries


def test_comment_must_fit() -> None:
    commented = patched(PLAIN, -2, "H", 5) + b"hello"
    assert read(commented).comment == b"hello"
    for wrong in (commented + b"!", commented[:-1]):
        with pytest.raises(ZipFormatError, match="end record"):
            read(wrong)


@pytest.mark.parametrize("inner", [PLAIN[-22:], b"PK\x05\x06", b"xPK\x05\x06" + bytes(30)])
def test_end_record_in_the_comment_is_ambiguous(inner: bytes) -> None:
    with pytest.raises(ZipFormatError, match="more than one end record"):
        read(patched(PLAIN, -2, "H", len(inner)) + inner)


def test_bytes_before_the_archive_shift_it() -> None:
    directory = read(b"#!/bin/sh stub\n" + PLAIN)
    assert directory.prefix == 15
    assert [entry.header_offset - 15 for entry in directory.entries] == [
        entry.header_offset for entry in read(PLAIN).entries
    ]


def test_bytes_between_directory_and_end_record_are_refused() -> None:
    for junk in (b"x", b"j" * 100):
        with pytest.raises(ZipFormatError):
            read(PLAIN[:-22] + junk + PLAIN[-22:])


@pytest.mark.parametrize("delta", [-1, 1])
@pytest.mark.parametrize("position", [-14, -12])
def test_wrong_counts_are_refused(position: int, delta: int) -> None:
    both = patched(patched(PLAIN, -14, "H", 3 + delta), -12, "H", 3 + delta)
    with pytest.raises(ZipFormatError, match=r"does not hold|claims"):
        read(both)
    with pytest.raises(ZipFormatError, match="several"):
        read(patched(PLAIN, position, "H", 3 + delta))


def test_missing_entry_is_noticed() -> None:
    data = archive(["long name" * 10, "another long name" * 10])
    with pytest.raises(ZipFormatError, match="does not hold 3 entries"):
        read(patched(data, -14, "HH", 3, 3))


def test_two_directories_that_could_be_meant_are_refused() -> None:
    """The end record states one directory and stands behind another of the same size."""
    other = encode_directory([msgspec.structs.replace(entry, crc32=1) for entry in read(PLAIN).entries], DIRECTORY)
    assert len(other) == len(PLAIN) - DIRECTORY
    with pytest.raises(ZipFormatError, match="between the central directory and the end record"):
        read(PLAIN[:-22] + other)


@pytest.mark.parametrize(("position", "value"), [(-10, 0xFFFFFFF0), (-6, 0xFFFFFFF0), (-6, DIRECTORY + 1), (-10, 10)])
def test_directory_outside_the_file_is_refused(position: int, value: int) -> None:
    with pytest.raises(ZipFormatError):
        read(patched(PLAIN, position, "I", value))


@pytest.mark.parametrize("position", [-18, -16])
def test_parts_of_several_are_refused(position: int) -> None:
    with pytest.raises(ZipFormatError, match="several"):
        read(patched(PLAIN, position, "H", 1))


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(ZipFormatError, match="“same” is listed twice"):
        read(archive(["same", "other", "same"]))


def test_overlapping_entries_are_refused() -> None:
    entries = read(PLAIN).entries
    for offset in (entries[0].header_offset, entries[0].header_offset + 1, entries[1].header_offset - 1):
        moved = [entries[0], msgspec.structs.replace(entries[1], header_offset=offset), entries[2]]
        if offset == entries[1].header_offset - 1:
            moved[0] = msgspec.structs.replace(moved[0], compressed_size=offset)
        with pytest.raises(ZipFormatError, match="overlaps"):
            read(PLAIN[:DIRECTORY] + encode_directory(moved, DIRECTORY))


def test_entry_reaching_into_the_directory_is_refused() -> None:
    entries = read(PLAIN).entries
    for changes in ({"compressed_size": 1 << 40}, {"compressed_size": DIRECTORY}, {"header_offset": DIRECTORY - 20}):
        wrong = [*entries[:2], msgspec.structs.replace(entries[2], **changes)]
        with pytest.raises(ZipFormatError, match="“ä” reaches beyond"):
            read(PLAIN[:DIRECTORY] + encode_directory(wrong, DIRECTORY))


def test_names_are_decoded_as_they_are_marked() -> None:
    unmarked = read(PLAIN).entries[2]
    for raw, unix, name in (
        (b"\x84", False, "ä"),  # code page 437
        ("ä".encode(), True, "ä"),
        ("ä".encode(), False, "├ñ"),
        (b"\x84", True, "ä"),
    ):
        stored = msgspec.structs.replace(unmarked, name=name, flags=0, raw_name=raw, made_by_unix=unix, mode=0o100644)
        again = read(PLAIN[:DIRECTORY] + encode_directory([stored], DIRECTORY)).entries[0]
        assert again == stored
        local = parse_local_header(encode_local_header(stored, 200))
        check_local_header(stored, local)
        with pytest.raises(ZipFormatError, match="name"):
            check_local_header(stored, local._replace(raw_name=b"\x85", name="x"))


def test_unicode_path_counts_if_it_belongs_to_the_name() -> None:
    stored = msgspec.structs.replace(
        read(PLAIN).entries[0], name="資料", raw_name=b"\xff\xfe", made_by_unix=False, mode=0o100644
    )
    data = PLAIN[:DIRECTORY] + encode_directory([stored], DIRECTORY)
    assert read(data).entries == [stored]
    assert parse_local_header(encode_local_header(stored, 200)).name == "資料"
    assert read(data.replace(b"\xff\xfe", b"\xfe\xff")).entries[0].name == b"\xfe\xff".decode("cp437")


@pytest.mark.parametrize(("old", "new", "word"), [("ä".encode(), b"\xff\xff", "UTF-8"), ("ä".encode(), b"\0x", "NUL")])
def test_impossible_names_are_refused(old: bytes, new: bytes, word: str) -> None:
    head, tail = PLAIN[:DIRECTORY], PLAIN[DIRECTORY:]
    with pytest.raises(ZipFormatError, match=word):
        read(head + tail.replace(old, new))


def test_entries_of_other_systems_have_usual_modes() -> None:
    entries = [
        msgspec.structs.replace(entry, made_by_unix=False, mode=0o100644 if entry.name != "b/" else 0o040755)
        for entry in read(PLAIN).entries
    ]
    assert read(PLAIN[:DIRECTORY] + encode_directory(entries, DIRECTORY)).entries == entries
    assert not entries[0].is_symlink


def test_python_zipfile_archives_are_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("dos.txt", (1999, 12, 31, 23, 59, 58)), b"x" * 1000)
        file.writestr("größe", b"")
        file.comment = b"a comment"
    directory = read(buffer.getvalue())
    assert [entry.name for entry in directory.entries] == ["dos.txt", "größe"]
    assert directory.comment == b"a comment"
    for entry in directory.entries:
        check_local_header(entry, run_reads(read_local_header(entry), File(buffer.getvalue()).read))


def test_streamed_archives_with_data_descriptors_are_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *_: object) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file, file.open("a", "w") as member:
        member.write(b"x" * 1000)
    data = pipe.getvalue()
    (entry,) = read(data).entries
    local = run_reads(read_local_header(entry), File(data).read)
    assert (local.size, local.flags & 8) == (0, 8)
    with pytest.raises(ZipFormatError, match="about its size"):
        check_local_header(entry, local._replace(size=999))
    start = check_local_header(entry, local)
    assert zlib.decompress(data[start : start + entry.compressed_size], -15) == b"x" * 1000


# ------------------------------------------------------------------------------------------------ ZIP64


def forced_zip64(data: bytes, *, extensible: bytes = b"", sentinels: bool = True) -> bytes:
    """Return *data* with ZIP64 end records, as some programs always write them."""
    _, _, _, _, count, size, offset, _ = struct.unpack("<IHHHHIIH", data[-22:])
    body = data[:-22]
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44 + len(extensible), 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(body), 1)
    end = data[-22:]
    if sentinels:
        end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return body + end64 + extensible + locator + end


@pytest.mark.parametrize("sentinels", [True, False])
@pytest.mark.parametrize("extensible", [b"", b"extensible data"])
@pytest.mark.parametrize("prefix", [b"", b"stub" * 10])
def test_zip64_records_in_every_form(sentinels: bool, extensible: bytes, prefix: bytes) -> None:
    data = prefix + forced_zip64(PLAIN, extensible=extensible, sentinels=sentinels)
    if prefix and extensible:
        with pytest.raises(ZipFormatError):  # nothing tells where such a record begins
            read(data)
        return
    directory = read(data)
    assert [entry.name for entry in directory.entries] == ["a", "b/", "ä"]
    assert directory.prefix == len(prefix)


def test_contradicting_zip64_records_are_refused() -> None:
    data = forced_zip64(PLAIN, sentinels=False)
    with pytest.raises(ZipFormatError, match="contradict"):
        read(patched(data, -6, "I", 7))
    with pytest.raises(ZipFormatError, match="locator"):
        read(patched(data, -34, "Q", len(PLAIN) - 30))
    with pytest.raises(ZipFormatError, match="outside"):
        read(patched(data, -34, "Q", 1 << 60))
    with pytest.raises(ZipFormatError, match="several"):
        read(patched(data, -26, "I", 2))
    with pytest.raises(ZipFormatError):
        read(data[:-42] + b"junk" + data[-42:])
    with pytest.raises(ZipFormatError, match="claims"):
        read(patched(forced_zip64(PLAIN), -42 - 56 + 24, "QQ", 1 << 60, 1 << 60))


def test_sentinel_without_its_zip64_record_is_refused() -> None:
    for position in (20, 24, 42):
        with pytest.raises(ZipFormatError, match="64-bit"):
            read(patched(PLAIN, DIRECTORY + position, "I", 0xFFFFFFFF))


def test_many_entries() -> None:
    names = [f"folder{number % 97}/file{number}" for number in range(70_000)]
    data = archive(names, content=b"")
    directory = read(data)
    assert [entry.name for entry in directory.entries] == names


def test_directory_larger_than_one_piece_is_read_in_pieces() -> None:
    names = [f"{number:05d}" + "x" * 3000 for number in range(3000)]
    file = File(archive(names, content=b""))
    directory = run_reads(read_directory(len(file.data)), file.read)
    assert [entry.name for entry in directory.entries] == names
    assert max(length for _, length in file.requests) <= 4 * MIB
    assert sum(length for _, length in file.requests) < len(file.data)


# ------------------------------------------------------------------------------------------- torn tails


@pytest.mark.parametrize("tail", [0, 1, 100, 100_000, 3 * MIB, MIB - 10, MIB - 22, MIB])
def test_last_directory_is_found_before_a_torn_tail(tail: int) -> None:
    noise = random.Random(3).randbytes(tail)
    file = File(PLAIN + noise)
    directory = run_reads(find_last_directory(len(file.data)), file.read)
    assert directory.end == len(PLAIN)
    assert [entry.name for entry in directory.entries] == ["a", "b/", "ä"]
    assert max(length for _, length in file.requests) <= MIB + 21


def test_zip64_directory_is_found_before_a_torn_tail() -> None:
    data = forced_zip64(PLAIN)
    assert find(data + b"tail" * 1000).end == len(data)


def test_last_of_two_directories_is_found() -> None:
    first = archive(["one"])
    entries = read(first).entries
    size = local_header_size("two")
    added = ZipEntry("two", 0, 0, 0, 0, len(first), size, 0o100644, 0)
    second = first + encode_local_header(added, size)
    second += encode_directory([*entries, added], len(second))
    assert [entry.name for entry in find(second + b"torn").entries] == ["one", "two"]
    # When the second directory is cut off, the first one counts.
    assert [entry.name for entry in find(second[:-1]).entries] == ["one"]


def test_archives_inside_the_torn_tail_do_not_count() -> None:
    data = PLAIN + b"new entry " + archive(["inner"]) * 200 + b"torn"
    assert find(data).end == len(PLAIN)


def test_nothing_to_find() -> None:
    for data in (b"", b"x", b"PK\x05\x06", b"\0" * (2 * MIB), archive(["inner"])[:-1]):
        with pytest.raises(ZipFormatError, match="no complete"):
            find(data)


def test_search_gives_up_on_a_flood_of_end_records() -> None:
    """Records that fit their place but lead to a damaged directory cost a directory read each."""
    data = bytearray(b"no header" * 10)
    for _ in range(200):
        data += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, 46, len(data) - 46, 0) + bytes(46)
    with pytest.raises(ZipFormatError, match="too many"):
        find(bytes(data))


def test_flood_of_misplaced_end_records_costs_nothing() -> None:
    file = File(PLAIN + PLAIN[-22:] * 40_000)
    directory = run_reads(find_last_directory(len(file.data)), file.read)
    assert directory.end == len(PLAIN)
    assert sum(length for _, length in file.requests) < 6 * len(file.data)


# ---------------------------------------------------------------------------------------- local headers


def test_local_header_is_read_in_one_request_when_its_size_is_known() -> None:
    entry = read(PLAIN).entries[2]
    file = File(PLAIN)
    local = run_reads(read_local_header(entry), file.read)
    assert len(file.requests) == 2
    known = msgspec.structs.replace(entry, header_size=local.header_size)
    file = File(PLAIN)
    assert run_reads(read_local_header(known), file.read) == local
    assert file.requests == [(entry.header_offset, local.header_size)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "other"}, "name"),
        ({"method": 8}, "method"),
        ({"crc32": 1}, "CRC-32"),
        ({"size": 8}, "size"),
        ({"compressed_size": 8}, "compressed size"),
        ({"flags": 1}, "encryption flag"),
    ],
)
def test_disagreement_names_entry_and_field(changes: dict[str, object], field: str) -> None:
    entry = read(PLAIN).entries[0]
    local = run_reads(read_local_header(entry), File(PLAIN).read)
    assert check_local_header(entry, local) == entry.header_offset + local.header_size
    with pytest.raises(ZipFormatError, match=f"“a”.* about its {field}"):
        check_local_header(entry, local._replace(**changes))  # type: ignore[arg-type]  # the fields of the tuple


def test_utf8_flag_must_agree() -> None:
    entry = read(PLAIN).entries[2]
    local = run_reads(read_local_header(entry), File(PLAIN).read)
    with pytest.raises(ZipFormatError, match="UTF-8 flag"):
        check_local_header(entry, local._replace(flags=0))


def test_interrupted_relabelling_is_accepted_when_named() -> None:
    entry = msgspec.structs.replace(read(PLAIN).entries[0], name=".store/blobs/" + "0" * 64)
    local = run_reads(read_local_header(entry), File(PLAIN).read)
    with pytest.raises(ZipFormatError, match="name"):
        check_local_header(entry, local)
    assert check_local_header(entry, local, names={"a"}) == local.header_size


def test_data_must_end_before_what_follows() -> None:
    entry = read(PLAIN).entries[0]
    local = run_reads(read_local_header(entry), File(PLAIN).read)
    end = local.header_size + entry.compressed_size
    check_local_header(entry, local, limit=end)
    with pytest.raises(ZipFormatError, match="“a” runs into"):
        check_local_header(entry, local, limit=end - 1)


def test_stored_entry_with_two_sizes_is_refused() -> None:
    entry = msgspec.structs.replace(read(PLAIN).entries[0], size=8)
    local = parse_local_header(encode_local_header(entry, 200))
    with pytest.raises(ZipFormatError, match="is stored"):
        check_local_header(entry, local)


def test_local_header_elsewhere_or_cut_off_is_refused() -> None:
    entry = read(PLAIN).entries[0]
    with pytest.raises(ZipFormatError, match="no local file header"):
        run_reads(read_local_header(msgspec.structs.replace(entry, header_offset=1)), File(PLAIN).read)
    header = PLAIN[: entry.header_offset + 100]
    for size in (0, 10, 29, 31, 99):
        with pytest.raises(ZipFormatError):
            parse_local_header(header[:size])
        with pytest.raises(ZipFormatError):
            run_reads(read_local_header(entry), File(header[:size]).read)


@pytest.mark.parametrize("flags", [1, 1 << 6, 1 << 13])
def test_encrypted_entries_are_told(flags: int) -> None:
    assert read(archive(["a"], flags=flags)).entries[0].encrypted
