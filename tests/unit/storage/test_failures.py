from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kamaros_gui.base.errors import DiskFullError, NotFoundError, StorageError
from kamaros_gui.storage.failures import free_space, mount_point, storage_errors, translate
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.primitives import disk_full
from kamaros_gui.storage.staging import StagingFolder
from kamaros_gui.storage.whole import FileWriter
from tests.helpers.program import is_privileged
from tests.helpers.trees import noise

MIB = 1 << 20


def mount(place: Path, options: str) -> None:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if not is_privileged() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small volume needs root")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A volume of 1 MiB."""
    place = tmp_path / "volume"
    mount(place, "size=1m")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_names_the_volume_and_what_is_missing(tmp_path: Path, number: int) -> None:
    path = str(tmp_path / "new" / "file")
    error = translate(OSError(number, "no"), path, "written", wanted=1 << 60)
    assert isinstance(error, DiskFullError)
    assert (error.path, error.volume) == (path, mount_point(str(tmp_path)))
    assert error.missing is not None
    assert (1 << 60) - free_space(str(tmp_path)) == pytest.approx(error.missing, abs=1 << 34)
    assert f"({error.missing} bytes)" in str(error)
    assert error.hint
    assert disk_full(path, mount_point(path), 0, free_space(path)).missing == 1


def test_what_the_system_refuses_is_told_with_a_way_out() -> None:
    missing = translate(FileNotFoundError(errno.ENOENT, "x"), b"/a/\xff", "read")
    assert isinstance(missing, NotFoundError)
    assert (missing.path, str(missing)) == (r"/a/\xff", r"There is no file or folder /a/\xff.")
    denied = translate(PermissionError(errno.EACCES, "x"), "/a", "opened")
    assert isinstance(denied, StorageError)
    assert str(denied) == "/a can't be opened: Permission denied."
    assert "permissions" in denied.hint
    assert "read-only" in translate(OSError(errno.EROFS, "x"), "/a", "written").hint
    assert str(translate(OSError("told in words"), "/a", "read")) == "/a can't be read: told in words."


def test_only_errors_of_the_system_are_translated() -> None:
    with pytest.raises(ValueError, match="mine"), storage_errors("/a", "read"):
        raise ValueError("mine")
    cause = OSError(errno.EIO, "x")
    with pytest.raises(StorageError) as caught, storage_errors("/a", "read"):
        raise cause
    assert caught.value.__cause__ is cause


def test_mount_point_of_what_does_not_exist_yet(volume: Path) -> None:
    assert mount_point(str(volume / "not" / "there")) == str(volume)
    os.symlink(volume, volume.parent / "link")
    assert mount_point(str(volume.parent / "link" / "x")) == str(volume)
    assert mount_point("/no such folder/x") == "/"
    assert free_space(str(volume / "not" / "there")) == MIB


@pytest.mark.parametrize("batches", [1, 8])
def test_a_full_volume_tells_how_many_bytes_are_missing(volume: Path, batches: int) -> None:
    file = RandomAccessFile(str(volume / "file"), "x")
    size, at = 3 * MIB // batches, 0
    while at + size <= free_space(str(volume)) + at and batches > 1:
        file.write(at, [noise(size)])
        at += size
    with pytest.raises(DiskFullError) as caught:
        file.write(at, [noise(size)])
    file.close()
    assert caught.value.volume == str(volume)
    assert caught.value.missing == pytest.approx(at + size - MIB, abs=8192)


def test_a_full_volume_while_restoring_leaves_no_file(volume: Path) -> None:
    writer = FileWriter(str(volume / "file"))
    with pytest.raises(DiskFullError):
        writer.append([noise(2 * MIB)])
    writer.discard()
    assert os.listdir(volume) == []


def test_a_read_only_volume(volume: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", volume], check=True)
    with pytest.raises(StorageError, match="Read-only") as caught:
        RandomAccessFile(str(volume / "file"), "x")
    assert "read-only" in caught.value.hint


def test_staging_on_a_volume_without_room_leaves_nothing(tmp_path: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    mount(tmp_path / "volume", "size=1m,nr_inodes=5")  # the root, two folders, the staging folder and its lock
    try:
        with pytest.raises(DiskFullError):
            StagingFolder(LocalAdapter(), str(tmp_path / "volume" / "new" / "er"))
        assert os.listdir(tmp_path / "volume") == []
        assert len(os.listdir("/proc/self/fd")) == open_before
    finally:
        subprocess.run(["umount", "-l", tmp_path / "volume"], check=True)


@pytest.mark.parametrize("existing", [False, True])
def test_move_across_a_mount_point(volume: Path, tmp_path: Path, existing: bool) -> None:
    source, destination = tmp_path / "source", volume / "file"
    source.write_bytes(noise(1000))
    os.chmod(source, 0o640)
    os.utime(source, ns=(10**18, 10**18 + 7))
    if existing:
        destination.write_bytes(b"before")
    LocalAdapter().rename(str(source), str(destination))
    assert destination.read_bytes() == noise(1000)
    assert (destination.stat().st_mode & 0o777, destination.stat().st_mtime_ns) == (0o640, 10**18 + 7)
    assert not source.exists()
    assert os.listdir(volume) == ["file"]


def test_move_of_a_link_across_a_mount_point(volume: Path, tmp_path: Path) -> None:
    os.symlink("not there", tmp_path / "link")
    LocalAdapter().rename(str(tmp_path / "link"), str(volume / "link"))
    assert os.readlink(volume / "link") == "not there"
    assert not os.path.lexists(tmp_path / "link")


def test_move_to_a_full_volume_leaves_both_as_they_were(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(noise(2 * MIB))
    (volume / "file").write_bytes(b"before")
    with pytest.raises(DiskFullError):
        LocalAdapter().rename(str(tmp_path / "source"), str(volume / "file"))
    assert (tmp_path / "source").stat().st_size == 2 * MIB
    assert (volume / "file").read_bytes() == b"before"
    assert os.listdir(volume) == ["file"]


def test_move_on_one_volume(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "file").write_bytes(b"old")
    LocalAdapter().rename(str(tmp_path / "source"), str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(NotFoundError):
        LocalAdapter().rename(str(tmp_path / "none"), str(tmp_path / "file"))
