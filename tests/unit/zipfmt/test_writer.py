from __future__ import annotations

import stat
import struct
import time

import msgspec
import pytest

from kamaros_gui.zipfmt import (
    ZipEntry,
    encode_directory,
    encode_local_header,
    encode_plain_local_header,
    local_header_size,
    parse_local_header,
)
from kamaros_gui.zipfmt.times import from_dos, to_dos

BLOB = ".store/blobs/" + "0123456789abcdef" * 4
LIMIT = 0xFFFFFFFF


def entry(name: str = "content/a.txt", **changes: object) -> ZipEntry:
    plain = ZipEntry(name, 8, 0x12345678, 100, 300, 0, 0, 0o100644, 1_700_000_000)
    return msgspec.structs.replace(plain, **changes)


def extras(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        kind, size = struct.unpack_from("<HH", data)
        assert kind not in found
        found[kind] = data[4 : 4 + size]
        assert len(found[kind]) == size
        data = data[4 + size :]
    return found


def local_extras(header: bytes) -> dict[int, bytes]:
    name_size, extra_size = struct.unpack_from("<HH", header, 26)
    assert 30 + name_size + extra_size == len(header)
    return extras(header[30 + name_size :])


@pytest.mark.parametrize("name", ["a", "content/" + "x" * 56, "x" * 76, "x" * 77, "ä" * 300, "x" * 65_535])
@pytest.mark.parametrize("size", [0, LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("mtime", [0, -1, 1 << 31, -(1 << 31)])
def test_header_can_be_rewritten_in_place(name: str, size: int, mtime: int) -> None:
    total = local_header_size(name)
    longer = name + "y" * min(20, 65_535 - len(name.encode()))
    for new_name in (name, BLOB, longer):
        written = entry(new_name, size=size, mtime=mtime)
        header = encode_local_header(written, total)
        assert len(header) == total
        local = parse_local_header(header)
        assert (local.name, local.size, local.compressed_size, local.header_size) == (new_name, size, 100, total)
        found = local_extras(header)
        assert (0x5455 in found) == (-(1 << 31) <= mtime < 1 << 31)
        assert (0x0001 in found) == (size >= LIMIT)
        assert found[0xA220][:2] == b"\x28\xa0"
        assert not any(found[0xA220][4:])


def test_header_without_room_is_refused() -> None:
    total = local_header_size("x" * 100)
    encode_local_header(entry("x" * 120), total)
    with pytest.raises(ValueError, match="no room"):
        encode_local_header(entry("x" * 141), total)
    with pytest.raises(ValueError, match="limit"):
        local_header_size("x" * 65_536)
    with pytest.raises(ValueError, match="surrogates"):
        local_header_size("\ud800")
    with pytest.raises(ValueError, match="no room"):
        encode_local_header(entry("x"), 70_000)


def test_mimetype_has_no_extra_field() -> None:
    content = entry("mimetype", method=0, size=17, compressed_size=17)
    header = encode_plain_local_header(content)
    assert len(header) == 38
    assert header[30:] == b"mimetype"
    assert header[4:8] == b"\x0a\x00\x00\x00"
    with pytest.raises(ValueError, match="4 GiB"):
        encode_plain_local_header(msgspec.structs.replace(content, size=LIMIT))


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({"method": 0}, 10),
        ({"method": 8}, 20),
        ({"method": 0, "name": "folder/"}, 20),
        ({"size": LIMIT}, 45),
        ({"method": 93}, 63),
        ({"method": 93, "compressed_size": LIMIT}, 63),
    ],
)
def test_version_needed_is_the_lowest_that_serves(changes: dict[str, object], version: int) -> None:
    written = entry(**{"name": "a"} | changes)  # type: ignore[arg-type]  # the field names are those of the struct
    assert struct.unpack_from("<H", encode_local_header(written, 300), 4) == (version,)
    assert struct.unpack_from("<H", encode_directory([written], 0), 6) == (version,)
    assert struct.unpack_from("<H", encode_directory([written], 0), 4) == (3 << 8 | 63,)


@pytest.mark.parametrize(("name", "flag"), [("a", 0), ("ä", 0x800)])
def test_utf8_flag_is_alike_in_both_headers(name: str, flag: int) -> None:
    assert struct.unpack_from("<H", encode_local_header(entry(name), 300), 6) == (flag,)
    assert struct.unpack_from("<H", encode_directory([entry(name)], 0), 8) == (flag,)


@pytest.mark.parametrize("offset", [0, LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("packed", [1, LIMIT - 1, LIMIT])
@pytest.mark.parametrize("size", [1, LIMIT - 1, LIMIT, 1 << 40])
def test_directory_zip64_lists_what_overflows_in_order(size: int, packed: int, offset: int) -> None:
    data = encode_directory([entry(size=size, compressed_size=packed, header_offset=offset)], 1000)
    name_size, extra_size = struct.unpack_from("<HH", data, 28)
    found = extras(data[46 + name_size : 46 + name_size + extra_size])
    large = [value for value in (size, packed, offset) if value >= LIMIT]
    assert found.pop(0x5455) == struct.pack("<Bi", 1, 1_700_000_000)
    assert found == ({1: struct.pack(f"<{len(large)}Q", *large)} if large else {})
    assert struct.unpack_from("<II", data, 20) == (min(packed, LIMIT), min(size, LIMIT))
    assert struct.unpack_from("<I", data, 42) == (min(offset, LIMIT),)


@pytest.mark.parametrize(
    ("count", "offset", "zip64"), [(0, 0, False), (65_534, 0, False), (65_535, 0, True), (1, LIMIT, True)]
)
def test_zip64_end_record_comes_when_it_must(count: int, offset: int, zip64: bool) -> None:
    data = encode_directory([entry(str(number)) for number in range(count)], offset)
    end = data[-22:]
    assert end[:4] == b"PK\x05\x06"
    size = len(data) - 22 - (76 if zip64 else 0)
    assert struct.unpack("<HHHHIIH", end[4:]) == (
        0,
        0,
        min(count, 0xFFFF),
        min(count, 0xFFFF),
        size,
        min(offset, LIMIT),
        0,
    )
    assert (data[-42:-38] == b"PK\x06\x07") == zip64
    if zip64:
        assert struct.unpack("<IQI", data[-38:-22]) == (0, offset + size, 1)
        assert struct.unpack("<IQHHIIQQQQ", data[size : size + 56]) == (
            0x06064B50, 44, 3 << 8 | 63, 45, 0, 0, count, count, size, offset,
        )  # fmt: skip


@pytest.mark.parametrize("mode", [0o100644, 0o120777, 0o040755, 0o104755])
def test_mode_is_in_the_external_attributes(mode: int) -> None:
    name = "folder/" if stat.S_ISDIR(mode) else "file"
    (external,) = struct.unpack_from("<I", encode_directory([entry(name, mode=mode)], 0), 38)
    assert external == mode << 16 | (0x10 if stat.S_ISDIR(mode) else 0)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
def test_dos_times_are_local(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for moment in (1_700_000_001, 400_000_000, 1_720_000_000, 4_000_000_000):
            local = time.localtime(moment)
            stamp = to_dos(moment)
            assert (stamp >> 25) + 1980 == local.tm_year
            assert stamp >> 11 & 31 == local.tm_hour
            assert from_dos(stamp) == moment & ~1
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("moment", "stamp"), [(-(1 << 62), 0x00210000), (0, 0x00210000), (1 << 62, 0xFF9FBF7D)])
def test_dos_times_are_clamped(moment: int, stamp: int) -> None:
    assert to_dos(moment) == stamp


@pytest.mark.parametrize("stamp", [0, 0xFFFFFFFF, 0x01E00000, 0x0021F800, 0x002107E0, 0x0021001F, 0xFF9FBF7D])
def test_impossible_dos_times_are_read(stamp: int) -> None:
    assert isinstance(from_dos(stamp), int)
