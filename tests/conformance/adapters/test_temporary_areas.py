"""Every place for files has temporary areas that are gone when their owner is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.storage.local import LocalAdapter
from tests.conformance.adapters.conftest import Place
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, names, read_file, write_file
from tests.helpers.program import environment


def test_an_area_is_a_hidden_private_folder_that_can_be_removed(place: Place) -> None:
    area = place.files.temporary_area(place.base)
    [name] = names(place.files, place.base)
    assert name.startswith(".")
    assert area.root.startswith(place / name)
    assert place.files.stat(place / name).mode & 0o777 == 0o700
    assert names(place.files, area.root) == []
    write_file(place.files, f"{area.root}/file", b"content")
    place.files.make_folder(f"{area.root}/folder")
    place.files.rename(f"{area.root}/file", place / "file")
    area.remove(keep_target=True)
    assert names(place.files, place.base) == ["file"]
    assert read_file(place.files, place / "file") == b"content"


def test_an_area_needs_a_folder(place: Place) -> None:
    write_file(place.files, place / "file")
    with pytest.raises(StorageError):
        place.files.temporary_area(place / "file")
    assert names(place.files, place.base) == ["file"]


def test_areas_of_the_living_are_left_alone(place: Place) -> None:
    first = place.files.temporary_area(place.base)
    write_file(place.files, f"{first.root}/file", b"mine")
    second = place.files.temporary_area(place.base)
    assert read_file(place.files, f"{first.root}/file") == b"mine"
    second.remove(keep_target=True)
    assert read_file(place.files, f"{first.root}/file") == b"mine"
    first.remove(keep_target=True)
    assert names(place.files, place.base) == []


def test_the_area_of_a_dead_owner_is_removed_by_the_next(place: Place) -> None:
    owner = FailingAdapter(place.files)
    area = owner.temporary_area(place.base)
    write_file(place.files, f"{area.root}/file", b"left")
    owner.die()
    assert len(names(place.files, place.base)) == 1
    following = place.files.temporary_area(place.base)
    assert place.files.find(area.root) is None
    assert len(names(place.files, place.base)) == 1
    following.remove(keep_target=True)
    assert names(place.files, place.base) == []


def test_what_a_killed_removal_left_is_removed_by_the_next(place: Place) -> None:
    owner = FailingAdapter(place.files)
    area = owner.temporary_area(place.base)
    write_file(place.files, f"{area.root}/file", b"left")
    folder = place / names(place.files, place.base)[0]
    owner.die()
    for name in names(place.files, folder):
        if place.files.stat(f"{folder}/{name}").kind == "file":
            place.files.delete(f"{folder}/{name}")
    place.files.temporary_area(place.base).remove(keep_target=True)
    assert names(place.files, place.base) == []


def test_an_owner_may_die_at_any_step(place: Place) -> None:
    counting = FailingAdapter(place.files)
    counting.temporary_area(place.base).remove(keep_target=True)
    for number, step in enumerate(counting.steps):
        owners: list[FailingAdapter] = []

        def die(at: int, number: int = number, owners: list[FailingAdapter] = owners) -> None:
            if at == number:
                owners[0].die()

        owners.append(FailingAdapter(place.files, number, on_step=die))
        with contextlib.suppress(StorageError, NotFoundError):
            owners[0].temporary_area(place.base).remove(keep_target=True)
        place.files.temporary_area(place.base).remove(keep_target=True)
        assert names(place.files, place.base) == [], step


def test_a_failure_at_any_step_leaves_nothing(place: Place) -> None:
    counting = FailingAdapter(place.files, left_out=CLEANING_UP)
    counting.temporary_area(place.base).remove(keep_target=True)
    for number, step in enumerate(counting.steps):
        files = FailingAdapter(place.files, number, left_out=CLEANING_UP)
        with contextlib.suppress(StorageError):
            files.temporary_area(place.base).remove(keep_target=True)
        assert names(place.files, place.base) == [], step
        assert files.open_files == [], step


def test_many_threads_make_and_remove_areas_at_once(place: Place) -> None:
    wrong: list[object] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            start.wait(30)
            for turn in range(10):
                area = place.files.temporary_area(place.base)
                write_file(place.files, f"{area.root}/{number}", b"%d" % turn)
                if names(place.files, area.root) != [str(number)]:
                    wrong.append((number, turn))
                area.remove(keep_target=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails with it
            wrong.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert names(place.files, place.base) == []


DYING = """
import sys
from kamaros_gui.storage.local import LocalAdapter
area = LocalAdapter().temporary_area(sys.argv[1])
open(area.root + "/file", "w").close()
print("ready", flush=True)
sys.stdin.read()
"""


def test_the_area_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    files = LocalAdapter()
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, tmp_path],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    [name] = os.listdir(tmp_path)
    files.temporary_area(str(tmp_path)).remove(keep_target=True)
    assert os.listdir(tmp_path) == [name], "the area of a living process was taken"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    files.temporary_area(str(tmp_path)).remove(keep_target=True)
    assert os.listdir(tmp_path) == []
