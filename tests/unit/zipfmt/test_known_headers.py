"""Headers that the file has already are written again as they are, and only where that is right."""

from __future__ import annotations

import struct
import time

import msgspec
import pytest

from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.zipfmt import (
    Directory,
    KnownHeaders,
    ZipEntry,
    central,
    directory,
    encode_directory,
    read_directory,
    read_known_headers,
    run_reads,
)


class File:
    """A directory behind zeros."""

    def __init__(self, entries: list[ZipEntry], *, before: bytes = b"") -> None:
        offset = max((entry.header_offset + 100 for entry in entries), default=0)
        self.start = offset + len(before)
        self.directory = encode_directory(entries, offset)

    @property
    def size(self) -> int:
        return self.start + len(self.directory)

    def read(self, offset: int, length: int) -> bytes:
        gap = max(0, min(length, self.start - offset))
        at = max(0, offset - self.start)
        return bytes(gap) + self.directory[at : at + length - gap]

    def entries(self) -> Directory:
        return run_reads(read_directory(self.size), self.read)

    def known(self, found: Directory) -> KnownHeaders:
        return run_reads(read_known_headers(found), self.read)


def entries(count: int, **changes: object) -> list[ZipEntry]:
    plain = ZipEntry("", 8, 1, 10, 20, 0, 0, 0o100644, 1_700_000_001)
    return [
        msgspec.structs.replace(plain, **{"name": f"file {number}", "header_offset": number * 100} | changes)
        for number in range(count)
    ]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the entries whose headers were made anew."""
    names: list[str] = []
    encode = directory._HeaderEncoder.encode

    def noted(self: object, entry: ZipEntry) -> tuple[bytes, bytes, bytes]:
        names.append(entry.name)
        return encode(self, entry)  # type: ignore[arg-type]  # it is an encoder

    monkeypatch.setattr(directory._HeaderEncoder, "encode", noted)
    return names


def test_what_did_not_change_is_not_made_anew(encoded: list[str]) -> None:
    file = File(entries(3000))
    found = file.entries()
    assert [page.headers for page in found.pages] == [central._PAGE, central._PAGE, 3000 - 2 * central._PAGE]
    table = {entry.name: entry for entry in found.entries}
    del table["file 7"], table["file 2999"]
    table["file 1500"] = msgspec.structs.replace(table["file 1500"], name="file 1500", crc32=5)
    table["file 2"] = msgspec.structs.replace(table.pop("file 2"), mode=0o100600)
    table["new"] = msgspec.structs.replace(table["file 9"], name="new")
    encoded.clear()
    written = encode_directory(table.values(), 300_000, file.known(found))
    assert encoded == ["file 1500", "file 2", "new"]
    assert written == encode_directory(table.values(), 300_000)


def test_dos_time_stays_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """It agrees with the one in the local header, wherever the directory is written again."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        file = File(entries(2))
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        found = file.entries()
        assert encode_directory(found.entries, file.start, file.known(found)) == file.directory
        assert encode_directory(found.entries, file.start) != file.directory
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (4, 3 << 8 | 20),  # made by an older program
        (4, 19 << 8 | 63),  # on another system
        (6, 45),  # version needed
        (36, 1),  # internal attributes: text
        (38, 0x20),  # DOS attributes
    ],
)
def test_headers_of_other_programs_are_made_anew(position: int, value: int, encoded: list[str]) -> None:
    file = File(entries(3))
    ours = file.directory
    header = len(ours[:-22]) // 3
    at = header + position
    file.directory = ours[:at] + struct.pack("<H", value) + ours[at + 2 :]
    found = file.entries()
    encoded.clear()
    assert encode_directory(found.entries, file.start, file.known(found)) == ours
    assert encoded == ["file 0", "file 1", "file 2"]


@pytest.mark.parametrize(
    "changes", [{"mtime": 1 << 32}, {"made_by_unix": False}, {"name": "ä", "raw_name": b"\x84"}, {"size": 1 << 33}]
)
def test_unusual_headers_of_ours_are_made_anew(changes: dict[str, object]) -> None:
    file = File(entries(1, **changes))
    found = file.entries()
    assert [page.crc32 for page in found.pages] == [None]
    assert encode_directory(found.entries, file.start, file.known(found)) == file.directory


def test_entries_beyond_4_gib_are_taken_over(encoded: list[str]) -> None:
    file = File([*entries(1), *entries(2)[1:], *entries(1, name="far", header_offset=1 << 33)])
    found = file.entries()
    encoded.clear()
    assert encode_directory(found.entries, file.start, file.known(found)) == file.directory
    assert encoded == []


def test_shifted_archive_is_made_anew() -> None:
    file = File(entries(3), before=b"stub")
    found = file.entries()
    assert found.prefix == 4
    assert [page.crc32 for page in found.pages] == [None]


def test_headers_that_changed_since_are_made_anew(encoded: list[str]) -> None:
    file = File(entries(3))
    ours, found = file.directory, file.entries()
    file.directory = ours.replace(b"file 1", b"evil 1")
    encoded.clear()
    assert encode_directory(found.entries, file.start, file.known(found)) == ours
    assert len(encoded) == 3
    file.directory = b""
    with pytest.raises(ZipFormatError, match="ends at"):
        file.known(found)
