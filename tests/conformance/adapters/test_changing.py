"""Every place for files makes, renames, locks and deletes in the same way."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.storage.primitives import NewFile, RandomAccess
from tests.conformance.adapters.conftest import Place
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.trees import noise

KIB, MIB = 1 << 10, 1 << 20

# -------------------------------------------------------------------------------------------------- new files


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"one", bytearray(b"two"), memoryview(b"-three-")[1:-1], b""],
        [noise(MIB), bytes(2 * MIB), noise(1000)],
        [bytes(MIB)],
        [bytes(64 * KIB - 1), b"x", bytes(100 * KIB)],
    ],
    ids=["empty", "kinds", "hole", "zeros", "hole at the end"],
)
def test_a_new_file_gets_content_mode_and_time(place: Place, parts: list[bytes]) -> None:
    new = place.files.create(place / "new")
    assert (new.path, new.size) == (place / "new", 0)
    assert place.files.stat(place / "new").mode & 0o777 == 0o600
    written = 0
    for part in parts:
        new.append([part[:10], part[10:]])
        written += len(part)
        assert new.size == written
    new.append([])
    new.finish(0o107751, 10**18 + 5, sync=bool(parts))
    new.close()
    status = place.files.stat(place / "new")
    assert (status.size, status.mode & 0o7777, status.mtime_ns) == (written, 0o751, 10**18 + 5)
    assert read_file(place.files, place / "new") == b"".join(parts)


def test_a_new_file_replaces_nothing(place: Place) -> None:
    write_file(place.files, place / "file", b"mine")
    place.files.make_link(place / "link", b"elsewhere", 0)
    place.files.make_folder(place / "folder")
    for name in ("file", "link", "folder"):
        with pytest.raises(StorageError) as caught:
            place.files.create(place / name)
        assert isinstance(caught.value.__cause__, FileExistsError)
    with pytest.raises(NotFoundError):
        place.files.create(place / "none/file")
    with pytest.raises(StorageError):
        place.files.create(place / "file/below")
    assert names(place.files, place.base) == ["file", "folder", "link"]
    assert read_file(place.files, place / "file") == b"mine"


def test_a_discarded_file_is_gone(place: Place) -> None:
    new = place.files.create(place / "new")
    new.append([b"some"])
    new.discard()
    new.discard()
    assert names(place.files, place.base) == []
    new = place.files.create(place / "new")
    place.files.delete(place / "new")
    new.append([b"some"])
    new.discard()
    assert names(place.files, place.base) == []


CALLS: list[Callable[[NewFile], object]] = [lambda new: new.append([b"x"]), lambda new: new.finish(0o600, 0)]


@pytest.mark.parametrize("call", CALLS, ids=["append", "finish"])
@pytest.mark.parametrize("end", ["close", "finish", "discard"])
def test_a_closed_new_file_takes_nothing(place: Place, call: Callable[[NewFile], object], end: str) -> None:
    new = place.files.create(place / "new")
    new.append([b"some"])
    _end(new, end)
    with pytest.raises(StorageError) as caught:
        call(new)
    assert caught.value.path == place / "new"
    if end != "discard":
        assert read_file(place.files, place / "new") == b"some"


def _end(new: NewFile, how: str) -> None:
    if how == "finish":
        new.finish(0o644, 0)
    else:
        getattr(new, how)()


# ------------------------------------------------------------------------------------------- links and folders


def test_links_keep_their_target_byte_for_byte(place: Place) -> None:
    for target in (b"../over/there", b"/absolute", b"not utf-8 \xff", b"back\\slash", b"a//b/."):
        place.files.make_link(place / "link", target, 10**18 + 1)
        assert place.files.read_link(place / "link") == target
        assert place.files.stat(place / "link").mtime_ns == 10**18 + 1
        with pytest.raises(StorageError) as caught:
            place.files.make_link(place / "link", target, 0)
        assert isinstance(caught.value.__cause__, FileExistsError)
        place.files.delete(place / "link")
    for name, error in (("link", NotFoundError), ("", StorageError)):
        with pytest.raises(error):
            place.files.read_link(place / name)
    with pytest.raises(NotFoundError):
        place.files.make_link(place / "none/link", b"x", 0)
    with pytest.raises(NotFoundError):
        place.files.make_link(place / "link", b"", 0)


def test_a_folder_is_made_with_its_mode_in_a_folder_that_exists(place: Place) -> None:
    place.files.make_folder(place / "usual")
    place.files.make_folder(place / "private", 0o700)
    assert place.files.stat(place / "usual").mode & 0o700 == 0o700
    assert place.files.stat(place / "private").mode & 0o777 == 0o700
    write_file(place.files, place / "file")
    place.files.make_link(place / "dangling", b"none", 0)
    for name in ("usual", "file", "dangling", "", "usual/.", "usual/..", "usual/"):
        with pytest.raises(StorageError) as caught:
            place.files.make_folder(place / name)
        assert isinstance(caught.value.__cause__, FileExistsError), name
    for name, error in (("none/below", NotFoundError), ("file/below", StorageError)):
        with pytest.raises(error):
            place.files.make_folder(place / name)


def test_a_new_name_shows_in_the_time_of_its_folder(place: Place) -> None:
    place.files.make_folder(place / "folder")
    write_file(place.files, place / "file")
    for change in (
        lambda: write_file(place.files, place / "folder/file"),
        lambda: place.files.delete(place / "folder/file"),
        lambda: place.files.rename(place / "file", place / "folder/file"),
        lambda: place.files.rename(place / "folder/file", place / "file"),
    ):
        place.files.set_attributes(place / "folder", 0o755, 5)
        change()
        assert place.files.stat(place / "folder").mtime_ns > 5


def test_attributes_are_permissions_and_time(place: Place) -> None:
    write_file(place.files, place / "file", b"content")
    for name in ("file", ""):
        place.files.set_attributes(place / name, 0o47750, 10**18 + 3)
        status = place.files.stat(place / name)
        assert (status.mode & 0o7777, status.mtime_ns) == (0o750, 10**18 + 3)
    assert place.files.stat(place / "file").kind == "file"
    assert place.files.stat(place.base).kind == "directory"
    with pytest.raises(NotFoundError):
        place.files.set_attributes(place / "none", 0o600, 0)


# ----------------------------------------------------------------------------------------------------- renaming


def make(place: Place, name: str, kind: str) -> None:
    if kind == "file":
        write_file(place.files, place / name, name.encode())
    elif kind == "link":
        place.files.make_link(place / name, b"target of " + name.encode(), 0)
    elif kind != "none":
        place.files.make_folder(place / name)
        if kind == "full":
            write_file(place.files, place / f"{name}/{name}")


@pytest.mark.parametrize("source", ["file", "link", "empty", "full"])
@pytest.mark.parametrize("destination", ["none", "file", "link", "empty", "full"])
@pytest.mark.parametrize("replace", [True, False])
def test_a_rename_replaces_files_by_files_and_empty_folders_by_folders(
    place: Place, source: str, destination: str, *, replace: bool
) -> None:
    make(place, "source", source)
    make(place, "destination", destination)
    before = {name: place.files.stat(place / name).inode for name in names(place.files, place.base)}
    folders = {"empty", "full"}
    allowed = destination == "none" or (
        replace and destination != "full" and (source in folders) == (destination in folders)
    )
    if allowed:
        place.files.rename(place / "source", place / "destination", replace=replace)
        assert names(place.files, place.base) == ["destination"]
        assert place.files.stat(place / "destination").inode == before["source"]
        if source == "file":
            assert read_file(place.files, place / "destination") == b"source"
        if source == "full":
            assert names(place.files, place / "destination") == ["source"]
        return
    with pytest.raises(StorageError) as caught:
        place.files.rename(place / "source", place / "destination", replace=replace)
    assert caught.value.path == place / "destination"
    if not replace:
        assert isinstance(caught.value.__cause__, FileExistsError)
    assert {name: place.files.stat(place / name).inode for name in names(place.files, place.base)} == before


def test_a_rename_to_another_folder_and_over_a_link_to_one(place: Place) -> None:
    make(place, "file", "file")
    make(place, "folder", "full")
    place.files.make_link(place / "link", b"folder", 0)
    place.files.rename(place / "file", place / "link/moved")
    assert names(place.files, place / "folder") == ["folder", "moved"]
    place.files.rename(place / "folder/moved", place / "link")
    assert place.files.stat(place / "link").kind == "file"
    assert names(place.files, place / "folder") == ["folder"]


def test_a_rename_to_itself_changes_nothing(place: Place) -> None:
    for name, kind in (("file", "file"), ("folder", "full")):
        make(place, name, kind)
        place.files.rename(place / name, place / name)
        with pytest.raises(StorageError):
            place.files.rename(place / name, place / name, replace=False)
    assert names(place.files, place.base) == ["file", "folder"]
    assert names(place.files, place / "folder") == ["folder"]


def test_a_folder_does_not_go_into_itself(place: Place) -> None:
    make(place, "folder", "full")
    place.files.make_folder(place / "folder/below")
    for name in ("folder/new", "folder/below/new"):
        with pytest.raises(StorageError):
            place.files.rename(place / "folder", place / name)
    assert names(place.files, place / "folder") == ["below", "folder"]


def test_a_rename_from_nowhere_or_to_nowhere_names_what_is_missing(place: Place) -> None:
    make(place, "file", "file")
    for source, destination in (("none", "new"), ("file", "none/new")):
        with pytest.raises(NotFoundError) as caught:
            place.files.rename(place / source, place / destination)
        assert caught.value.path == place / (source if source == "none" else destination)
    with pytest.raises(StorageError):
        place.files.rename(place / "file", place / "file/below")
    assert names(place.files, place.base) == ["file"]


def test_of_many_renames_without_replacing_one_wins(place: Place) -> None:
    for turn in range(20):
        start = threading.Barrier(4)
        won: list[int] = []

        def work(number: int, turn: int = turn, start: threading.Barrier = start, won: list[int] = won) -> None:
            write_file(place.files, place / f"source {turn} {number}", b"%d" % number)
            start.wait(30)
            try:
                place.files.rename(place / f"source {turn} {number}", place / f"taken {turn}", replace=False)
            except StorageError:
                return
            won.append(number)

        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(won) == 1, f"{len(won)} files got the same name"
        assert read_file(place.files, place / f"taken {turn}") == b"%d" % won[0]


# ----------------------------------------------------------------------------------------------------- deleting


def test_files_links_and_empty_folders_are_deleted(place: Place) -> None:
    make(place, "kept", "full")
    make(place, "file", "file")
    make(place, "folder", "empty")
    place.files.make_link(place / "link", b"kept", 0)
    for name in ("file", "folder", "link"):
        place.files.delete(place / name)
        assert place.files.find(place / name) is None
        with pytest.raises(NotFoundError):
            place.files.delete(place / name)
    with pytest.raises(StorageError):
        place.files.delete(place / "kept")
    assert names(place.files, place / "kept") == ["kept"]


def test_a_tree_is_deleted_whatever_its_permissions_and_links(place: Place) -> None:
    make(place, "kept", "full")
    make(place, "tree", "full")
    for number in range(3):
        place.files.make_folder(place / f"tree/{number}")
        write_file(place.files, place / f"tree/{number}/file", b"x")
        place.files.make_link(place / f"tree/{number}/link", b"../../kept", 0)
        place.files.set_attributes(place / f"tree/{number}/file", 0, 0)
        place.files.set_attributes(place / f"tree/{number}", 0, 0)
    place.files.delete_tree(place / "tree")
    assert names(place.files, place.base) == ["kept"]
    assert names(place.files, place / "kept") == ["kept"]


def test_deleting_a_tree_takes_single_things_too_and_misses_nothing(place: Place) -> None:
    make(place, "kept", "full")
    make(place, "file", "file")
    place.files.make_link(place / "link", b"kept", 0)
    for name in ("file", "link", "none", "none/below"):
        place.files.delete_tree(place / name)
    assert names(place.files, place.base) == ["kept"]
    assert names(place.files, place / "kept") == ["kept"]


def test_a_tree_deeper_than_pythons_stack_is_deleted(place: Place) -> None:
    path = place / "d"
    for _ in range(1500):
        place.files.make_folder(path)
        path += "/d"
    place.files.delete_tree(place / "d")
    assert names(place.files, place.base) == []


# ------------------------------------------------------------------------------------------------------ locking


def test_a_lock_is_held_by_one_until_it_is_closed(place: Place) -> None:
    lock = place.files.lock(place / "lock")
    assert lock is not None
    assert lock.path == place / "lock"
    assert lock.status() == place.files.stat(place / "lock")
    assert place.files.lock(place / "lock") is None
    assert place.files.lock(place / "lock", create=False) is None
    lock.close()
    lock.close()
    again = place.files.lock(place / "lock", create=False)
    assert again is not None
    lock.close()
    assert place.files.lock(place / "lock") is None, "closing twice gave somebody else's lock back"
    again.close()


def test_a_locked_file_is_a_file(place: Place) -> None:
    write_file(place.files, place / "lock", b"owner")
    lock = place.files.lock(place / "lock")
    assert lock is not None
    assert lock.read(0, 100) == b"owner"
    lock.truncate(0)
    lock.write(0, [b"another"])
    lock.sync()
    assert read_file(place.files, place / "lock") == b"another"
    assert place.files.lock(place / "lock") is None, "closing another open file gave the lock back"
    lock.close()


def test_a_lock_file_made_anew_is_another_lock(place: Place) -> None:
    old = place.files.lock(place / "lock")
    place.files.delete(place / "lock")
    with pytest.raises(NotFoundError):
        place.files.lock(place / "lock", create=False)
    new = place.files.lock(place / "lock")
    assert old is not None
    assert new is not None
    old.close()
    assert place.files.lock(place / "lock") is None
    new.close()


def test_a_lock_needs_a_file_and_its_folder(place: Place) -> None:
    make(place, "folder", "empty")
    for name, error in (("none/lock", NotFoundError), ("folder", StorageError)):
        with pytest.raises(error):
            place.files.lock(place / name)
    with pytest.raises(NotFoundError):
        place.files.lock(place / "none", create=False)
    assert names(place.files, place.base) == ["folder"]


def test_of_many_lockers_one_wins(place: Place) -> None:
    for turn in range(10):
        start = threading.Barrier(6)
        locks: list[RandomAccess | None] = []

        def work(turn: int = turn, start: threading.Barrier = start, locks: list[RandomAccess | None] = locks) -> None:
            start.wait(30)
            locks.append(place.files.lock(place / f"lock {turn}"))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        held = [lock for lock in locks if lock is not None]
        for lock in held:
            lock.close()
        assert len(held) == 1


def test_a_lock_is_never_that_of_a_file_that_was_deleted(place: Place) -> None:
    wrong: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(30)
        for _ in range(300):
            lock = place.files.lock(place / "lock")
            if lock is None:
                continue
            found = place.files.find(place / "lock")
            if found is None or found.inode != lock.status().inode:
                wrong.append("a lock without the name")
            else:
                place.files.delete(place / "lock")
            lock.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
