from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from kamaros_gui.base.errors import NotFoundError, SourceChangedError, StorageError
from kamaros_gui.storage.whole import FileWriter, read_link, read_whole, set_attributes, write_link
from tests.helpers.trees import noise

KIB, MIB = 1 << 10, 1 << 20


def test_small_files_are_read_with_their_status(tmp_path: Path) -> None:
    for size in (0, 1, 1000):
        path = tmp_path / f"file {size}"
        path.write_bytes(noise(size))
        data, info = read_whole(str(path), 1000)
        assert (data, info.size, info.inode) == (noise(size), size, path.stat().st_ino)


def test_a_file_that_has_grown_beyond_the_limit_has_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1001))
    with pytest.raises(SourceChangedError) as caught:
        read_whole(str(tmp_path / "file"), 1000)
    assert caught.value.path == str(tmp_path / "file")


@pytest.mark.parametrize("changes", [1, 99])
def test_a_file_written_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0")
    left = changes
    pread = os.pread

    def meddle(fd: int, length: int, offset: int) -> bytes:
        nonlocal left
        data = pread(fd, length, offset)
        if left:
            left -= 1
            path.write_bytes(b"%d" % left * (10 - left % 5))
            os.utime(path, ns=(left, left))
        return data

    monkeypatch.setattr(os, "pread", meddle)
    if changes == 1:
        assert read_whole(str(path), 100)[0] == b"0" * 10
    else:
        with pytest.raises(SourceChangedError):
            read_whole(str(path), 100)


def test_what_took_the_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"secret")
    os.symlink("file", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError):
        read_whole(str(tmp_path / "link"), 100)
    with pytest.raises(SourceChangedError):
        read_whole(str(tmp_path / "pipe"), 100)
    with pytest.raises(StorageError):
        read_whole(str(tmp_path), 100)
    with pytest.raises(NotFoundError):
        read_whole(str(tmp_path / "none"), 100)


def test_reading_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x" * 10)
    for name, limit in (("pipe", 5), ("file", 5), ("file", 50)):
        with contextlib.suppress(SourceChangedError):
            read_whole(str(tmp_path / name), limit)
    assert os.listdir("/proc/self/fd") == before


def test_links_keep_their_target_byte_for_byte(tmp_path: Path) -> None:
    for target in (b"../over/there", b"/absolute", b"not utf-8 \xff", b"back\\slash"):
        path = str(tmp_path / "link")
        write_link(path, target, 10**18 + 1)
        assert read_link(path) == target
        assert os.lstat(path).st_mtime_ns == 10**18 + 1
        with pytest.raises(StorageError, match="File exists"):
            write_link(path, target, 0)
        os.unlink(path)
    with pytest.raises(NotFoundError):
        read_link(path)
    with pytest.raises(StorageError):
        read_link(str(tmp_path))


def test_a_new_file_gets_content_mode_and_time(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    writer.append([b"one", bytearray(b"two"), memoryview(b"-three-")[1:-1], b""])
    writer.append([])
    writer.finish(0o107751, 10**18 + 5)
    writer.close()
    info = (tmp_path / "file").stat()
    assert (tmp_path / "file").read_bytes() == b"onetwothree"
    assert (info.st_mode, info.st_mtime_ns, writer.size) == (0o100751, 10**18 + 5, 11)


@pytest.mark.parametrize(
    "parts",
    [
        [bytes(4 * MIB)],
        [noise(1000), bytes(2 * MIB), noise(1000)],
        [bytes(64 * KIB)],
        [bytes(64 * KIB - 1), b"x"],
        [bytes(100 * KIB), b"x", bytes(MIB + 1)],
        [bytes(MIB - 1) + b"x"],
        [b"x" + bytes(MIB)],
        [],
    ],
    ids=range(8),
)
def test_runs_of_zeros_become_holes_with_the_same_content(tmp_path: Path, parts: list[bytes]) -> None:
    writer = FileWriter(str(tmp_path / "file"))
    for part in parts:
        writer.append([part])
    writer.finish(0o600, 0)
    content = b"".join(parts)
    assert writer.size == len(content)
    assert (tmp_path / "file").read_bytes() == content
    holes = sum(len(part) for part in parts if len(part) >= 64 * KIB and not any(part))
    assert (tmp_path / "file").stat().st_blocks * 512 <= len(content) - holes + 16 * KIB


def test_a_discarded_file_is_gone(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    writer = FileWriter(str(tmp_path / "file"))
    writer.append([b"some"])
    writer.discard()
    writer.discard()
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(StorageError):
        writer.append([b"more"])


def test_a_new_file_replaces_nothing_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    os.symlink("elsewhere", tmp_path / "link")
    for name in ("file", "link"):
        with pytest.raises(StorageError, match="File exists"):
            FileWriter(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]
    with pytest.raises(NotFoundError):
        FileWriter(str(tmp_path / "none" / "file"))


def test_set_uid_set_gid_and_sticky_bits_are_not_given(tmp_path: Path) -> None:
    set_attributes(str(tmp_path), 0o47755, 10**18)
    assert (tmp_path.stat().st_mode & 0o7777, tmp_path.stat().st_mtime_ns) == (0o755, 10**18)
