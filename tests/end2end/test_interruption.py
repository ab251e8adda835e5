"""Ctrl+C, kill -9 and full disks: the archive is as it was, nothing lies beside it, the next run works."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.program import call, is_privileged, run, start, strays, wait_until
from tests.helpers.trees import differences, file_hash, noise, scan, text, write

SLOW = ("--codec", "zstd", "--level", "19", "--workers", "1")
MIB = 1 << 20


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose save takes many seconds: text that packs two to one, compressed as slowly as can be."""
    folder = tmp_path_factory.mktemp("big") / "tree"
    for number in range(40):
        write(folder / f"small {number}", text(2000, number))
    write(folder / "sub" / "big", text(16 * MIB, 1) * 6)
    return folder


@pytest.fixture
def existing(tmp_path: Path) -> Path:
    write(tmp_path / "old" / "one", noise(300_000))
    write(tmp_path / "old" / "two", b"two")
    call("save", tmp_path / "a.jcf", tmp_path / "old").expect(0)
    shutil.rmtree(tmp_path / "old")
    os.utime(tmp_path / "a.jcf", ns=(10**18 + 1, 10**18 + 1))
    return tmp_path / "a.jcf"


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def interrupt(process: subprocess.Popen[bytes], number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    return process.returncode, told.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_first_save_leaves_nothing(big: Path, tmp_path: Path, number: int) -> None:
    process = start("save", tmp_path / "a.jcf", big, *SLOW)
    wait_until(lambda: size_of(tmp_path / "a.jcf.part") > 1 * MIB, process)
    assert not (tmp_path / "a.jcf").exists()
    status, told = interrupt(process, number)
    assert (status, os.listdir(tmp_path)) == (130, []), told
    assert "Traceback" not in told
    assert "ancelled" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_save_leaves_the_archive_as_it_was(big: Path, existing: Path, number: int) -> None:
    before, committed = file_hash(existing), size_of(existing)
    process = start("save", existing, big, *SLOW, "--json")
    wait_until(lambda: size_of(existing) > committed + MIB, process)
    assert (existing.parent / "a.jcf.journal").exists()
    # Whoever reads meanwhile sees the committed state.
    listed = call("list", existing, "--json").expect(0).json["entries"]
    assert [entry["path"] for entry in listed] == ["old", "old/one", "old/two"]
    assert call("verify", existing, "--json").expect(0).json["valid"]
    status, told = interrupt(process, number)
    assert status == 130, told
    assert file_hash(existing) == before
    assert existing.stat().st_mtime_ns == 10**18 + 1
    assert os.listdir(existing.parent) == ["a.jcf"]


def test_interrupt_while_counting(tmp_path: Path, existing: Path) -> None:
    before = file_hash(existing)
    process = start("save", existing, "/usr", "--exclude", "*.so", *SLOW)
    wait_until((existing.parent / "a.jcf.journal").exists, process)
    status, told = interrupt(process, signal.SIGINT)
    assert status == 130, told
    assert "Traceback" not in told
    assert file_hash(existing) == before
    assert os.listdir(tmp_path) == ["a.jcf"]


def kill_points(count: int, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(0, 40 * MIB, 4096), count))


@pytest.mark.parametrize(
    "grown", [0, 3 * MIB, 20 * MIB, *(pytest.param(each, marks=pytest.mark.slow) for each in kill_points(10, 1))]
)
@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
def test_killed_save(big: Path, tmp_path: Path, existing: Path, grown: int, new: bool) -> None:
    archive = tmp_path / "new.jcf" if new else existing
    watched = tmp_path / "new.jcf.part" if new else existing
    committed = 0 if new else size_of(existing)
    before = None if new else file_hash(existing)
    process = start("save", archive, big, "--level", "9", "--workers", "1")
    wait_until((tmp_path / f"{archive.name}.journal").exists, process)
    wait_until(lambda: size_of(watched) >= committed + grown, process)
    status, _ = interrupt(process, signal.SIGKILL)
    assert status == -signal.SIGKILL
    if new:
        call("list", archive).expect(3)
    else:
        assert [entry["path"] for entry in call("list", archive, "--json").expect(0).json["entries"]] == [
            "old",
            "old/one",
            "old/two",
        ]
        assert call("verify", archive, "--json").expect(0).json["valid"]
        assert file_hash(archive) == before or size_of(archive) > committed
    write(tmp_path / "next" / "file", b"after the crash")
    call("save", archive, tmp_path / "next").expect(0)
    assert strays(tmp_path, ["a.jcf", "new.jcf", "next"]) == []
    call("restore", archive, "-C", tmp_path / "out").expect(0)
    assert differences(tmp_path / "next", tmp_path / "out" / "next") == []
    verified = call("verify", archive, "--json").expect(0).json
    assert (verified["valid"], verified["warnings"]) == (True, [])
    assert subprocess.run(["unzip", "-tq", archive], capture_output=True, check=False).returncode == 0


# ------------------------------------------------------------------------------------------------- restore


@pytest.fixture(scope="module")
def big_archive(big: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("archive") / "big.jcf"
    call("save", archive, big, "--level", "1").expect(0)
    return archive


def staged(folder: Path) -> int:
    """Bytes in staging folders below *folder*."""
    total = 0
    for found in folder.glob(".kamaros-restore-*.part/files/**/*"):
        with contextlib.suppress(OSError):
            total += found.stat().st_size if found.is_file() else 0
    return total


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_restore_leaves_the_target_as_it_was(big_archive: Path, tmp_path: Path, number: int) -> None:
    write(tmp_path / "out" / "mine", b"mine", mtime_ns=10**18)
    before = scan(tmp_path)
    process = start("restore", big_archive, "-C", tmp_path / "out")
    wait_until(lambda: any((tmp_path / "out").glob(".kamaros-restore-*.part/files/tree/*")), process)
    status, told = interrupt(process, number)
    assert status == 130, told
    assert "Traceback" not in told
    assert differences(before, tmp_path, ignore=lambda path, _: path == b"out") == []


def test_interrupted_restore_into_a_new_folder_removes_it(big_archive: Path, tmp_path: Path) -> None:
    process = start("restore", big_archive, "-C", tmp_path / "new" / "er")
    wait_until(lambda: any((tmp_path / "new/er").glob(".kamaros-restore-*.part/files/tree/*")), process)
    status, told = interrupt(process, signal.SIGINT)
    assert status == 130, told
    assert os.listdir(tmp_path) == []


def test_killed_restore_is_cleaned_up_by_the_next_one(big: Path, big_archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("restore", big_archive, "-C", out)
    wait_until(lambda: staged(out) > 0, process)
    interrupt(process, signal.SIGKILL)
    assert strays(out, []) != []
    # What somebody is restoring right now is no leftover.
    call("restore", big_archive, "-C", out).expect(0)
    assert differences(big, out / "tree") == []
    assert os.listdir(out) == ["tree"]


def test_cancelled_restore_of_a_deep_tree_leaves_nothing(deep_place: Path) -> None:
    from kamaros_gui.storage.local import LocalAdapter
    from kamaros_gui.storage.staging import StagingFolder

    staging = StagingFolder(LocalAdapter(), str(deep_place / "out"))
    here = os.open(staging.root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.symlink("/etc", "link", dir_fd=here)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0, dir_fd=here))
    os.close(here)
    staging.remove(keep_target=False)
    assert os.listdir(deep_place) == []
    assert os.path.isdir("/etc")


# ------------------------------------------------------------------------------------------------ full disk


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A volume of 4 MiB."""
    place = tmp_path / "volume"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if not is_privileged() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small volume needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_disk_full_in_a_first_save(small_volume: Path, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "large", noise(9 * MIB))
    outcome = run("save", small_volume / "a.jcf", tmp_path / "tree", "--json").expect(1)
    assert str(small_volume) in outcome.err
    told = outcome.json["error"]
    assert told["type"] == "DiskFullError"
    missing = int(told["message"].split("(")[1].split(" bytes")[0])
    assert 5 * MIB <= missing <= 7 * MIB
    assert told["hint"]
    assert os.listdir(small_volume) == []


def test_disk_full_in_a_later_save(small_volume: Path, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "first", noise(MIB))
    archive = small_volume / "a.jcf"
    call("save", archive, tmp_path / "tree").expect(0)
    before, stamp = file_hash(archive), archive.stat().st_mtime_ns
    for number in range(1500):
        write(tmp_path / "tree" / f"many-{number}", noise(4096, number))
    outcome = run("save", archive, tmp_path / "tree").expect(1)
    assert str(small_volume) in outcome.err
    assert "bytes" in outcome.err
    assert (file_hash(archive), archive.stat().st_mtime_ns) == (before, stamp)
    assert os.listdir(small_volume) == ["a.jcf"]
    call("verify", archive).expect(0)
    # With the room made, the same save goes through.
    for number in range(200, 1500):
        os.unlink(tmp_path / "tree" / f"many-{number}")
    call("save", archive, tmp_path / "tree").expect(0)
    call("verify", archive).expect(0)


def fill(volume: Path) -> None:
    with contextlib.suppress(OSError), open(volume / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("new", [True, False])
def test_disk_without_a_single_byte_left(small_volume: Path, tmp_path: Path, new: bool) -> None:
    write(tmp_path / "tree" / "file", noise(5000))
    archive = small_volume / "a.jcf"
    if not new:
        call("save", archive, tmp_path / "tree").expect(0)
        write(tmp_path / "tree" / "file", noise(6000))
    before = None if new else file_hash(archive)
    fill(small_volume)
    outcome = call("save", archive, tmp_path / "tree").expect(1)
    assert str(small_volume) in outcome.err
    assert strays(small_volume, ["filler"] if new else ["filler", "a.jcf"]) == []
    assert new or file_hash(archive) == before


def test_disk_full_in_a_restore(small_volume: Path, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "large", noise(9 * MIB))
    call("save", tmp_path / "a.jcf", tmp_path / "tree").expect(0)
    outcome = call("restore", tmp_path / "a.jcf", "-C", small_volume / "out").expect(1)
    assert str(small_volume) in outcome.err
    assert "bytes are missing" in outcome.err
    assert os.listdir(small_volume) == []


def test_disk_full_in_the_middle_of_a_restore(small_volume: Path, tmp_path: Path) -> None:
    """Many tiny files take more room than their bytes: nothing could tell beforehand."""
    for number in range(1500):
        write(tmp_path / "tree" / f"tiny-{number}", b"x")
    write(tmp_path / "tree" / "zz large", noise(2 * MIB))
    call("save", tmp_path / "a.jcf", tmp_path / "tree").expect(0)
    write(small_volume / "mine", b"mine")
    outcome = call("restore", tmp_path / "a.jcf", "-C", small_volume).expect(1)
    assert str(small_volume) in outcome.err
    assert os.listdir(small_volume) == ["mine"]


# ---------------------------------------------------------------------------------------------- two at once


def test_second_save_at_once_is_told_that_the_archive_is_in_use(big: Path, existing: Path, tmp_path: Path) -> None:
    os.symlink("a.jcf", tmp_path / "link.jcf")
    committed = size_of(existing)
    process = start("save", existing, big, *SLOW)
    wait_until(lambda: size_of(existing) > committed, process)
    for name in ("a.jcf", "link.jcf"):
        outcome = call("save", tmp_path / name, big / "small 1").expect(1)
        assert "in use" in outcome.err
        assert str(process.pid) in outcome.err
    assert interrupt(process, signal.SIGINT)[0] == 130
    call("save", existing, big / "small 1").expect(0)
    call("verify", existing).expect(0)
