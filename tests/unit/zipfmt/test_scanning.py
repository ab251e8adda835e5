"""The scan of local headers: chains, breaks, nested archives, and files made to keep it busy."""

from __future__ import annotations

import io
import random
import struct
import time
import zipfile
import zlib
from collections.abc import Callable

import msgspec
import pytest

from kamaros_gui.zipfmt import (
    ArchiveScan,
    DirectoryPlace,
    ZipEntry,
    encode_directory,
    encode_local_header,
    find_directories,
    has_growth_hint,
    local_header_size,
    run_reads,
    scan_archive,
)


class Built:
    """A file that grows as archives do: entries, a directory, more entries, another directory."""

    def __init__(self) -> None:
        self.data = b""
        self.entries: list[ZipEntry] = []
        self.places: list[DirectoryPlace] = []

    def add(self, name: str, content: bytes, *, mtime: int = 1_600_000_000) -> ZipEntry:
        entry = ZipEntry(
            name=name,
            method=0,
            crc32=zlib.crc32(content),
            compressed_size=len(content),
            size=len(content),
            header_offset=len(self.data),
            header_size=local_header_size(name),
            mode=0,
            mtime=mtime,
        )
        self.data += encode_local_header(entry, entry.header_size) + content
        self.entries.append(entry)
        return entry

    def close(self) -> None:
        start = len(self.data)
        self.data += encode_directory(self.entries, start)
        self.places.append(DirectoryPlace(start, len(self.data)))


def scan(data: bytes) -> ArchiveScan:
    return run_reads(scan_archive(len(data)), lambda offset, length: data[offset : offset + length])


def names(found: ArchiveScan) -> list[str]:
    return [each.entry.name for each in found.entries]


def two_saves() -> Built:
    built = Built()
    built.add("mimetype", b"application/x-jcf")
    built.add("content/ä", b"one" * 100)
    built.close()
    built.add("content/two", b"")
    built.add("content/three", bytes(2_000_000))
    built.close()
    return built


def test_a_chain_is_followed_through_directories_to_the_end() -> None:
    built = two_saves()
    found = scan(built.data)
    seen = [msgspec.structs.replace(each.entry, flags=0) for each in found.entries]
    assert seen == built.entries
    assert all(each.reached and each.linked and each.padded for each in found.entries)
    assert found.directories == built.places
    assert [each.end for each in found.entries][1] == built.places[0].start


def test_every_cut_gives_the_entries_that_are_whole() -> None:
    built = two_saves()
    for cut in [*range(0, built.places[0].end + 400, 7), *range(built.places[1].start - 9, len(built.data), 3)]:
        found = scan(built.data[:cut])
        whole = [entry for entry in built.entries if entry.header_offset + entry.header_size + entry.size <= cut]
        assert names(found) == [entry.name for entry in whole], cut
        assert found.directories == [place for place in built.places if place.end <= cut], cut


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) - 3, (1 << 20) - 9, (1 << 20) + 1])
def test_what_lies_across_two_blocks_is_found(size: int) -> None:
    """Headers and end records that begin in one block of the search and end in the next."""
    built = Built()
    built.data = bytes(size - 7)
    built.add("content/a", b"a")
    found = scan(built.data)
    assert names(found) == ["content/a"]
    assert not found.entries[0].reached
    for shift in range(30):
        built = Built()
        entry = built.add("content/a", b"")
        room = size - entry.header_size - 46 - len("content/a") - 9 - shift
        built.data = b""
        built.entries.clear()
        built.add("content/a", bytes(room))
        built.close()
        read = built.data
        assert run_reads(find_directories(len(read)), lambda at, length, read=read: read[at : at + length]) == (
            built.places
        )


def test_a_broken_header_is_searched_over_and_the_next_directory_leads_on() -> None:
    built = two_saves()
    data = bytearray(built.data)
    data[built.entries[1].header_offset] ^= 1
    found = scan(bytes(data))
    # The directory behind the break leads to what follows it again.
    assert [(each.entry.name, each.reached) for each in found.entries] == [
        ("mimetype", True),
        ("content/two", True),
        ("content/three", True),
    ]
    assert found.directories == built.places


def test_a_lying_size_does_not_hide_what_follows() -> None:
    built = two_saves()
    data = bytearray(built.data)
    at = built.entries[1].header_offset
    data[at + 18 : at + 22] = (50).to_bytes(4, "little")
    found = scan(bytes(data))
    assert names(found) == ["mimetype", "content/ä", "content/two", "content/three"]
    assert [each.linked for each in found.entries][1] is False
    assert found.directories == built.places


def nested() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        container.writestr("mimetype", "application/x-jcf")
        container.writestr("content/inner", b"x" * 999)
        container.writestr("manifest.json", b"{}")
    return buffer.getvalue()


def test_a_stored_archive_is_stepped_over() -> None:
    built = Built()
    built.add("mimetype", b"application/x-jcf")
    built.add("content/a.zip", nested())
    built.add("content/b", b"b")
    built.close()
    found = scan(built.data)
    assert names(found) == ["mimetype", "content/a.zip", "content/b"]
    assert found.directories == built.places


def test_a_stored_archive_whose_own_header_is_damaged_is_not_reached() -> None:
    built = Built()
    built.add("mimetype", b"application/x-jcf")
    outer = built.add("content/a.zip", nested())
    built.add("content/b", b"b")
    data = bytearray(built.data)
    data[outer.header_offset + 1] ^= 0xFF
    found = scan(bytes(data))
    inner = [each for each in found.entries if each.entry.name in {"content/inner", "manifest.json"}]
    assert len(inner) == 2
    assert not any(each.reached or each.padded for each in inner)
    assert not has_growth_hint(bytes(data[inner[0].entry.header_offset :][:200]))
    # A blank header, as a save that was killed leaves it before a stored archive, is no bridge either.
    data[outer.header_offset : outer.header_offset + outer.header_size] = bytes(outer.header_size)
    assert not any(each.reached for each in scan(bytes(data)).entries if each.entry.name != "mimetype")


def header(name_size: int, extra_size: int, packed: int) -> bytes:
    return struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, 0, packed, packed, name_size, extra_size)


END64 = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
LOCATOR = struct.pack("<IIQI", 0x07064B50, 0, 0, 1)

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "signatures of headers": lambda size: b"PK\3\4" * (size // 4),
    "signatures of ends": lambda size: b"PK\5\6" * (size // 4),
    "headers that lie": lambda size: header(1, 0, 1000) * (size // 30),
    "huge names, one over the other": lambda size: header(65535, 65535, 0) * (size // 30),
    "data, one over the other": lambda size: header(1, 0, size // 2) * (size // 30),
    "empty entries and signatures": lambda size: (header(1, 0, 0) + b"aPK\1\2") * (size // 35),
    "ends of large archives": lambda size: (LOCATOR + END64) * (size // 42),
    "ends that claim all before": lambda size: b"".join(
        struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, at, 0, 0) for at in range(0, size, 22)
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_cost_no_more_than_their_length(kind: str) -> None:
    costs = []
    for size in (1 << 17, 1 << 19):
        data = HOSTILE[kind](size)
        asked = [0, 0]

        def read(offset: int, length: int, data: bytes = data, asked: list[int] = asked) -> bytes:
            asked[0] += 1
            asked[1] += length
            return data[offset : offset + length]

        started = time.process_time()
        found = run_reads(scan_archive(len(data)), read)
        costs.append((asked[1], time.process_time() - started))
        assert asked[1] <= 8 * len(data) + (32 << 20)
        assert sum(not each.linked for each in found.entries) <= 10_000
    # Four times the file, about four times the work: sixteen would be quadratic.
    assert costs[1][0] <= 8 * costs[0][0] + (32 << 20)
    assert costs[1][1] <= 10 * costs[0][1] + 1.0


def test_noise_holds_nothing() -> None:
    assert scan(random.Random(1).randbytes(3_000_000)) == ArchiveScan([], [])
    assert scan(b"") == ArchiveScan([], [])
