from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kamaros_gui.base.errors import KamarosError, StorageError
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.staging import StagingFolder, remove_leftovers
from tests.helpers.program import PROJECT, environment

HOLD = """
import sys
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.staging import StagingFolder
staging = StagingFolder(LocalAdapter(), sys.argv[1])
open(staging.root + "/half", "w").write("half a file")
print(staging.root, flush=True)
sys.stdin.readline()
"""


def owner(target: Path) -> tuple[subprocess.Popen[bytes], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=PROJECT,
    )
    assert process.stdout is not None
    return process, os.fsdecode(process.stdout.readline().rstrip(b"\n"))


def test_a_staging_folder_is_hidden_private_and_inside_the_target(tmp_path: Path) -> None:
    staging = StagingFolder(LocalAdapter(), str(tmp_path))
    (name,) = os.listdir(tmp_path)
    assert name.startswith(".kamaros-restore-")
    assert os.stat(tmp_path / name).st_mode & 0o777 == 0o700
    assert staging.root == str(tmp_path / name / "files")
    assert os.listdir(staging.root) == []
    staging.remove(keep_target=False)
    assert os.listdir(tmp_path) == []
    assert tmp_path.is_dir()


@pytest.mark.parametrize("keep", [True, False])
def test_folders_made_for_the_target_go_with_it_or_stay(tmp_path: Path, keep: bool) -> None:
    (tmp_path / "there").mkdir()
    staging = StagingFolder(LocalAdapter(), str(tmp_path / "there" / "new" / "er"))
    os.makedirs(os.path.join(staging.root, "some", "thing"))
    staging.remove(keep_target=keep)
    assert (tmp_path / "there").is_dir()
    assert os.listdir(tmp_path / "there") == (["new"] if keep else [])


def test_made_folders_that_somebody_else_uses_meanwhile_stay(tmp_path: Path) -> None:
    staging = StagingFolder(LocalAdapter(), str(tmp_path / "new" / "er"))
    (tmp_path / "new" / "mine").write_bytes(b"mine")
    staging.remove(keep_target=False)
    assert os.listdir(tmp_path / "new") == ["mine"]


def test_the_leftover_of_a_dead_owner_is_removed_and_that_of_a_living_one_kept(tmp_path: Path) -> None:
    process, root = owner(tmp_path)
    try:
        StagingFolder(LocalAdapter(), str(tmp_path)).remove(keep_target=True)
        assert os.listdir(root) == ["half"]
        assert remove_leftovers(LocalAdapter(), str(tmp_path)) == 0
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert os.listdir(root) == ["half"]
    staging = StagingFolder(LocalAdapter(), str(tmp_path))
    assert len(os.listdir(tmp_path)) == 1
    assert not os.path.lexists(root)
    staging.remove(keep_target=True)


def test_every_kind_of_leftover_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / ".kamaros-restore-dead.part"
    (dead / "files" / "closed").mkdir(parents=True)
    (dead / "files" / "closed" / "file").write_bytes(b"x")
    os.symlink(tmp_path / "mine", dead / "files" / "link")
    os.chmod(dead / "files" / "closed", 0)
    (dead / "lock").write_bytes(b"")
    (tmp_path / ".kamaros-restore-empty.part").mkdir()
    (tmp_path / ".kamaros-restore-unlocked.part" / "files").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"x")
    (tmp_path / ".kamaros-restore-file.part").write_bytes(b"no folder")
    (tmp_path / ".kamaros-restore-other").mkdir()
    os.symlink("mine", tmp_path / ".kamaros-restore-link.part")
    assert remove_leftovers(LocalAdapter(), str(tmp_path)) == 3
    assert sorted(os.listdir(tmp_path)) == [
        ".kamaros-restore-file.part",
        ".kamaros-restore-link.part",
        ".kamaros-restore-other",
        "mine",
    ]
    assert os.listdir(tmp_path / "mine") == ["file"]


@pytest.mark.parametrize("moment", ["made", "lock made", "locked"])
def test_a_search_for_leftovers_while_a_folder_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Two restores into one target begin at the same time; neither may lose its folder."""
    import filelock

    make, lock = os.mkdir, filelock.lock_descriptor
    searched: list[int] = []

    def search() -> None:
        if not searched:
            searched.append(0)
            searched[0] = remove_leftovers(LocalAdapter(), str(tmp_path))

    def mkdir(path: str, mode: int = 0o777) -> None:
        make(path, mode)
        if moment == "made" and path.endswith(".part"):
            search()

    def lock_descriptor(fd: int, *, blocking: bool) -> bool:
        if moment == "lock made":
            search()
        done = lock(fd, blocking=blocking)
        if moment == "locked":
            search()
        return done

    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(filelock, "lock_descriptor", lock_descriptor)
    staging = StagingFolder(LocalAdapter(), str(tmp_path))
    assert searched == [0 if moment == "locked" else 1]
    assert os.path.isdir(staging.root)
    assert len(os.listdir(tmp_path)) == 1
    assert remove_leftovers(LocalAdapter(), str(tmp_path)) == 0
    staging.remove(keep_target=True)
    assert os.listdir(tmp_path) == []


def test_many_at_once_in_one_target(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        try:
            barrier.wait(30)
            for number in range(20):
                staging = StagingFolder(LocalAdapter(), str(tmp_path))
                place = os.path.join(staging.root, f"{number}")
                os.mkdir(place)
                os.rmdir(place)
                staging.remove(keep_target=True)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert os.listdir(tmp_path) == []


def test_a_target_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    open_before = len(os.listdir("/proc/self/fd"))
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="Not a directory"):
            StagingFolder(LocalAdapter(), str(target))
    os.symlink("nowhere", tmp_path / "link")
    with pytest.raises(KamarosError):
        StagingFolder(LocalAdapter(), str(tmp_path / "link" / "below"))
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_what_cannot_be_made_takes_back_what_was(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File name too long"):
        StagingFolder(LocalAdapter(), str(tmp_path / "new" / "er" / ("n" * 300)))
    assert os.listdir(tmp_path) == []
