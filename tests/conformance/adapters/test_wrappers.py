"""The places that fail, die or stall for other tests do so, and are like any other place otherwise."""

from __future__ import annotations

import threading

import pytest

from kamaros_gui.base.errors import DiskFullError, StorageError
from tests.conformance.adapters.conftest import Place
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, SlowAdapter, names, read_file, write_file


def use_everything(files: FailingAdapter, place: Place) -> None:
    """Call every primitive there is."""
    file = files.open(place / "file", "x")
    file.write(0, [b"content"])
    file.truncate(5)
    file.sync()
    file.set_modified(5)
    file.read(0, 1)
    file.read_into(memoryview(bytearray(1)), 0)
    file.read_exactly(0, 1)
    file.status()
    file.size()
    file.close()
    for end in ("finish", "discard", "close"):
        new = files.create(place / end)
        new.append([b"content"])
        if end == "finish":
            new.finish(0o600, 0)
        else:
            getattr(new, end)()
    files.make_link(place / "link", b"file", 0)
    files.make_folder(place / "folder")
    files.set_attributes(place / "folder", 0o700, 0)
    files.rename(place / "link", place / "renamed")
    for question in (files.find, files.stat, files.exists, files.resolve, files.volume, files.free_space):
        question(place / "file")
    list(files.list(place.base))
    files.read_whole(place / "file", 100)
    files.read_link(place / "renamed")
    files.delete(place / "renamed")
    files.delete_tree(place / "folder")
    files.sync_folder(place.base)
    files.folds_case(place.base)
    lock = files.lock(place / "lock")
    assert lock is not None
    assert files.lock(place / "lock") is None
    lock.close()


def test_every_primitive_is_a_step_and_every_step_can_fail(place: Place) -> None:
    counting = FailingAdapter(place.files)
    use_everything(counting, place)
    kinds = {step.name for step in counting.steps}
    own = {name for name in dir(type(place.files)) if not name.startswith("_")}
    derived = {"absolute", "temporary_area", "read_file_stream", "write_file_stream", "is_folder"}
    assert {name for name in kinds if "." not in name} == own - derived
    assert len(kinds) == len(own - derived) + 10 + 4, "those of the place, of open files and of new files"
    assert counting.open_files == []
    for number, step in enumerate(counting.steps):
        for name in names(place.files, place.base):
            place.files.delete_tree(place / name)
        error = DiskFullError("full")
        failing = FailingAdapter(place.files, number, error)
        with pytest.raises(DiskFullError) as caught:
            use_everything(failing, place)
        assert caught.value is error
        assert failing.failed == step
        assert failing.count == number + 1


def test_a_failing_write_has_written_half(place: Place) -> None:
    files = FailingAdapter(place.files, 1)
    file = files.open(place / "file", "x")
    with pytest.raises(StorageError, match=r"file\.write"):
        file.write(0, [b"12", b"34"])
    assert read_file(place.files, place / "file") == b"12"
    file.write(0, [b"5678"])
    file.close()
    assert read_file(place.files, place / "file") == b"5678"


def test_steps_may_be_chosen_and_fail_for_ever(place: Place) -> None:
    files = FailingAdapter(place.files, 1, counted={"make_folder", "delete"}, left_out=CLEANING_UP, forever=True)
    files.make_folder(place / "first")
    for name in ("second", "third"):
        with pytest.raises(StorageError):
            files.make_folder(place / name)
    files.delete(place / "first")
    assert (files.count, files.failed) == (3, ("make_folder", place / "second"))
    assert names(place.files, place.base) == []


def test_steps_are_told_before_they_happen(place: Place) -> None:
    seen: list[tuple[int, list[str]]] = []
    files = FailingAdapter(place.files, on_step=lambda number: seen.append((number, names(place.files, place.base))))
    files.make_folder(place / "a")
    files.make_folder(place / "b")
    assert seen == [(0, []), (1, ["a"])]


def test_who_dies_gives_locks_back_and_does_nothing_more(place: Place) -> None:
    files = FailingAdapter(place.files)
    lock = files.lock(place / "lock")
    write_file(files, place / "file")
    files.die()
    assert files.open_files == []
    assert lock is not None
    for call in (lock.size, lambda: files.find(place / "file"), lambda: files.delete_tree(place / "file")):
        with pytest.raises(StorageError, match="died"):
            call()
    again = place.files.lock(place / "lock")
    assert again is not None
    again.close()
    assert names(place.files, place.base) == ["file", "lock"]


def test_a_shut_gate_holds_reads_or_writes_alone(place: Place) -> None:
    files = SlowAdapter(place.files)
    write_file(files, place / "file", b"content")
    files.read_gate.clear()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_file(files, place / "file")))
    reader.start()
    write_file(files, place / "other", b"other")
    assert found == []
    files.read_gate.set()
    reader.join(30)
    assert found == [b"content"]
    assert (files.bytes_read, files.bytes_written, files.largest_read, files.stalled) == (7, 12, 7, 0)
