from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kamaros_gui.base.errors import IntegrityError, NotFoundError, StorageError
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.files import Buffer, RandomAccessFile, sync_directory


class Reluctant(RandomAccessFile):
    """A file whose system moves at most three bytes at once, as a network file system may."""

    def _read_once(self, offset: int, length: int) -> bytes:
        return super()._read_once(offset, min(length, 3))

    def _read_once_into(self, buffer: memoryview, offset: int) -> int:
        return super()._read_once_into(buffer[:3], offset)

    def _write_once(self, offset: int, parts: Sequence[Buffer]) -> int:
        return super()._write_once(offset, [memoryview(b"".join(parts))[:3]])


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    return str(tmp_path / "file")


@pytest.mark.parametrize("kind", [RandomAccessFile, Reluctant])
def test_reads_are_short_only_at_the_end(path: str, kind: type[RandomAccessFile]) -> None:
    file = kind(path)
    assert file.read(10, 20) == bytes(range(10, 30))
    assert file.read(90, 20) == bytes(range(90, 100))
    assert file.read(100, 20) == file.read(1000, 1) == file.read(5, 0) == b""
    assert file.read_exactly(0, 100) == bytes(range(100))
    buffer = bytearray(b"." * 30)
    assert file.read_into(memoryview(buffer)[5:15], 20) == 10
    assert bytes(buffer) == b"." * 5 + bytes(range(20, 30)) + b"." * 15
    assert file.read_into(memoryview(buffer), 95) == 5
    assert file.read_into(memoryview(buffer), 100) == 0
    with pytest.raises(IntegrityError, match=r"ends at byte 100.*20 bytes were expected at 90"):
        file.read_exactly(90, 20)
    file.close()


@pytest.mark.parametrize("kind", [RandomAccessFile, Reluctant])
def test_parts_of_every_kind_are_written_one_after_the_other(path: str, kind: type[RandomAccessFile]) -> None:
    file = kind(path, "r+")
    parts: list[Buffer] = [b"", b"one", bytearray(b"two"), b"", memoryview(b"-three-")[1:-1], b""]
    assert file.write(2, parts) == 11
    assert file.write(50, []) == file.write(50, [b"", b""]) == 0
    file.close()
    content = bytearray(range(100))
    content[2:13] = b"onetwothree"
    assert Path(path).read_bytes() == content


def test_more_parts_than_one_call_takes(path: str) -> None:
    file = RandomAccessFile(path, "r+")
    parts = [b"%d," % number for number in range(5000)]
    assert file.write(0, parts) == sum(map(len, parts))
    assert file.write(file.size(), [b""] * 2000) == 0
    file.close()
    assert Path(path).read_bytes() == b"".join(parts)


def test_writing_behind_the_end_leaves_a_hole(path: str) -> None:
    file = RandomAccessFile(path, "r+")
    file.write(200, [b"x"])
    assert file.read(95, 200) == bytes(range(95, 100)) + bytes(100) + b"x"
    file.truncate(50)
    assert file.size() == file.status().size == 50
    file.sync()
    file.sync(data_only=True)
    file.close()
    sync_directory(os.path.dirname(path))


def test_a_closed_file_refuses_and_never_touches_another(path: str) -> None:
    file = RandomAccessFile(path, "r+")
    number = file.fileno()
    file.close()
    file.close()
    assert file.closed
    other = os.open(path, os.O_RDWR)  # takes the number that has become free
    try:
        assert other == number
        for attempt in (
            lambda: file.read(0, 1),
            lambda: file.write(0, [b"x"]),
            lambda: file.truncate(0),
            file.sync,
            file.size,
        ):
            with pytest.raises(StorageError) as caught:
                attempt()
            assert caught.value.path == path
    finally:
        os.close(other)
    assert Path(path).read_bytes() == bytes(range(100))


def test_errors_name_the_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotFoundError, match=r"no file or folder .*/none") as missing:
        RandomAccessFile(str(tmp_path / "none"))
    assert missing.value.path.endswith("/none")
    with pytest.raises(StorageError, match="can't be opened: File exists"):
        RandomAccessFile(path, "x")
    with pytest.raises(StorageError, match="can't be opened: Is a directory"):
        RandomAccessFile(str(tmp_path), "r+")
    file = RandomAccessFile(path)
    with pytest.raises(StorageError, match="can't be written"):
        file.write(0, [b"x"])
    file.close()
    folder = RandomAccessFile(str(tmp_path))
    with pytest.raises(StorageError, match="can't be read: Is a directory"):
        folder.read(0, 1)
    folder.close()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\x80\x1b"
    file = RandomAccessFile(name, "x")
    file.write(0, [b"x"])
    file.close()
    with pytest.raises(StorageError) as caught:
        file.read(0, 1)
    assert r"\xff\x80\x1b" in str(caught.value)


def test_descriptors_are_not_inherited(path: str) -> None:
    file = RandomAccessFile(path)
    assert not os.get_inheritable(file.fileno())
    file.close()


def test_opening_a_pipe_returns(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = RandomAccessFile(str(tmp_path / "pipe"))
    with pytest.raises(StorageError):
        file.read(0, 1)
    file.close()


# ------------------------------------------------------------------------------------------- append region


@pytest.fixture
def region(path: str) -> AppendRegion:
    return AppendRegion(RandomAccessFile(path, "r+"), 60)


def test_a_region_appends_patches_and_rewinds(region: AppendRegion, path: str) -> None:
    assert region.append([b"header", b"data"]) == 10
    region.patch(60, b"HEADER")
    region.patch(69, b"A")
    middle = region.position
    assert region.append([b"more"]) == 4
    assert (region.size, region.position) == (14, 74)
    region.rewind(middle)
    region.append([b"MO"])
    region.file.close()
    assert Path(path).read_bytes() == bytes(range(60)) + b"HEADERdatAMOre" + bytes(range(74, 100))


def test_nothing_outside_the_region_can_be_touched(region: AppendRegion, path: str) -> None:
    region.append([b"0123456789"])
    for offset, data in ((59, b"x"), (0, b"x"), (70, b"x"), (65, b"123456"), (55, b"0123456789")):
        with pytest.raises(ValueError, match="outside"):
            region.patch(offset, data)
    for position in (59, 71, -1):
        with pytest.raises(ValueError, match="outside"):
            region.rewind(position)
    region.patch(70, b"")
    region.rewind(60)
    assert region.size == 0
    region.file.close()
    assert Path(path).read_bytes()[:60] == bytes(range(60))


def test_a_failing_append_leaves_the_position(region: AppendRegion) -> None:
    region.append([b"abc"])
    region.file.close()
    with pytest.raises(StorageError):
        region.append([b"def"])
    assert region.position == 63
