"""Every place for files reads and writes open files in the same way."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from kamaros_gui.base.errors import IntegrityError, NotFoundError, SourceChangedError, StorageError
from kamaros_gui.storage.primitives import Buffer, OpenMode, RandomAccess
from tests.conformance.adapters.conftest import Place
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.trees import noise

KIB, MIB = 1 << 10, 1 << 20
CONTENT = noise(3 * MIB + 77)


@pytest.fixture
def path(place: Place) -> str:
    write_file(place.files, place / "file", CONTENT)
    return place / "file"


# ---------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1), (5, 1000), (0, len(CONTENT)), (MIB - 1, 2 * MIB), (len(CONTENT) - 1, 1), (len(CONTENT), 0)],
)
def test_reading_gives_the_bytes_at_the_offset(place: Place, path: str, offset: int, length: int) -> None:
    file = place.files.open(path)
    expected = CONTENT[offset : offset + length]
    assert file.read(offset, length) == expected
    assert isinstance(file.read(offset, length), bytes)
    assert file.read_exactly(offset, length) == expected
    buffer = bytearray(length + 2)
    assert file.read_into(memoryview(buffer)[1:-1], offset) == length
    assert bytes(buffer) == b"\0" + expected + b"\0"
    file.close()


@pytest.mark.parametrize("offset", [len(CONTENT) - 10, len(CONTENT), len(CONTENT) + 1000])
def test_reading_ends_where_the_file_ends(place: Place, path: str, offset: int) -> None:
    file = place.files.open(path)
    rest = CONTENT[offset:]
    assert file.read(offset, 100) == rest
    buffer = bytearray(b"\xff" * 100)
    assert file.read_into(memoryview(buffer), offset) == len(rest)
    assert bytes(buffer) == rest + b"\xff" * (100 - len(rest))
    with pytest.raises(IntegrityError, match=f"ends at byte {offset + len(rest)}"):
        file.read_exactly(offset, 100)
    file.close()


def test_an_open_file_knows_its_path_size_and_status(place: Place, path: str) -> None:
    file = place.files.open(path)
    assert (file.path, file.closed, file.size()) == (path, False, len(CONTENT))
    assert file.status() == place.files.stat(path)
    file.close()


def test_opening_follows_links(place: Place, path: str) -> None:
    place.files.make_link(place / "link", b"file", 0)
    file = place.files.open(place / "link", "r+")
    file.write(0, [b"changed"])
    assert file.status() == place.files.stat(path)
    file.close()
    assert read_file(place.files, path)[:7] == b"changed"


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_what_is_not_there_or_no_file_is_not_read(place: Place, mode: OpenMode) -> None:
    place.files.make_link(place / "dangling", b"none", 0)
    place.files.make_link(place / "circle", b"circle", 0)
    for name in ("none", "none/below", "dangling"):
        with pytest.raises(NotFoundError) as caught:
            place.files.open(place / name, mode)
        assert caught.value.path == place / name
    with pytest.raises(StorageError):
        place.files.open(place / "circle", mode)
    with pytest.raises(StorageError):  # on some systems a folder can be opened, and only reading it fails
        place.files.open(place.base, mode).read(0, 1)
    assert names(place.files, place.base) == ["circle", "dangling"]


def test_read_whole_gives_content_and_its_status(place: Place, path: str) -> None:
    for name, content in (("empty", b""), ("small", b"small"), ("limit", bytes(1000))):
        write_file(place.files, place / name, content)
        assert place.files.read_whole(place / name, 1000) == (content, place.files.stat(place / name))


def test_read_whole_takes_nothing_but_small_files(place: Place, path: str) -> None:
    place.files.make_link(place / "link", b"file", 0)
    with pytest.raises(SourceChangedError) as caught:
        place.files.read_whole(path, len(CONTENT) - 1)
    assert caught.value.path == path
    for name, error in (("link", StorageError), ("", SourceChangedError), ("none", NotFoundError)):
        with pytest.raises(error):
            place.files.read_whole(place / name, 10 * MIB)


# ---------------------------------------------------------------------------------------------------- writing


def test_a_file_is_made_only_where_there_is_none(place: Place, path: str) -> None:
    place.files.make_link(place / "dangling", b"none", 0)
    place.files.make_folder(place / "folder")
    before = names(place.files, place.base)
    for name in ("file", "dangling", "folder"):
        with pytest.raises(StorageError) as caught:
            place.files.open(place / name, "x")
        assert isinstance(caught.value.__cause__, FileExistsError), name
    with pytest.raises(NotFoundError):
        place.files.open(place / "none/below", "x")
    assert names(place.files, place.base) == before
    assert read_file(place.files, path) == CONTENT


def test_a_made_file_can_be_written_and_read(place: Place) -> None:
    file = place.files.open(place / "new", "x")
    assert (file.size(), file.read(0, 10)) == (0, b"")
    assert file.write(0, [b"some"]) == 4
    assert file.read(0, 10) == b"some"
    file.close()
    assert place.files.stat(place / "new").mode & 0o600 == 0o600


@pytest.mark.parametrize(
    ("offset", "parts"),
    [
        (0, [b"one", bytearray(b"two"), memoryview(b"-three-")[1:-1], b"", b"four"]),
        (10, [noise(1000)]),
        (len(CONTENT) - 5, [b"0123456789"]),
        (len(CONTENT), [noise(MIB, 2), noise(MIB, 3)]),
        (len(CONTENT) + 1000, [b"behind a gap"]),
        (7, [b"%d," % number for number in range(3000)]),
        (len(CONTENT) + 10, []),
        (len(CONTENT) + 10, [b""]),
    ],
    ids=["kinds", "inside", "over the end", "at the end", "gap", "many", "nothing", "empty"],
)
def test_writing_changes_what_it_says_and_nothing_else(
    place: Place, path: str, offset: int, parts: list[Buffer]
) -> None:
    file = place.files.open(path, "r+")
    data = b"".join(parts)
    assert file.write(offset, parts) == len(data)
    expected = bytearray(CONTENT)
    if data:
        expected.extend(bytes(max(0, offset - len(expected))))
        expected[offset : offset + len(data)] = data
    assert file.read(0, file.size() + 1) == expected
    assert file.size() == len(expected) == place.files.stat(path).size
    file.close()
    assert read_file(place.files, path) == expected


def test_many_open_files_see_each_others_writes(place: Place, path: str) -> None:
    writer, reader = place.files.open(path, "r+"), place.files.open(path)
    writer.write(3, [b"seen"])
    assert reader.read(3, 4) == b"seen"
    writer.truncate(5)
    assert (reader.size(), reader.read(0, 100)) == (5, CONTENT[:3] + b"se")
    writer.close()
    assert reader.read(3, 2) == b"se"
    reader.close()


def test_truncating_cuts_or_adds_zeros(place: Place, path: str) -> None:
    file = place.files.open(path, "r+")
    for size, expected in ((MIB, CONTENT[:MIB]), (MIB + 10, CONTENT[:MIB] + bytes(10)), (0, b""), (3, bytes(3))):
        file.truncate(size)
        assert (file.size(), file.read(0, 2 * MIB)) == (size, expected)
    file.close()


def test_a_change_shows_in_the_times(place: Place, path: str) -> None:
    file = place.files.open(path, "r+")
    file.set_modified(10**18 + 1)
    assert file.status().mtime_ns == place.files.stat(path).mtime_ns == 10**18 + 1
    set_at = file.status().ctime_ns
    assert set_at > 10**18 + 1
    file.write(0, [b"x"])
    assert file.status().mtime_ns >= set_at
    file.set_modified(10**18 + 1)
    file.truncate(0)
    assert file.status().mtime_ns >= set_at
    file.close()


def test_syncing_changes_nothing(place: Place, path: str) -> None:
    for mode in ("r", "r+"):
        file = place.files.open(path, mode)
        file.sync()
        file.sync(data_only=True)
        assert file.read(0, 10) == CONTENT[:10]
        file.close()
    place.files.sync_folder(place.base)
    for name, error in (("none", NotFoundError), ("file", StorageError)):
        with pytest.raises(error):
            place.files.sync_folder(place / name)


def test_a_file_opened_for_reading_is_not_written(place: Place, path: str) -> None:
    file = place.files.open(path)
    with pytest.raises(StorageError) as caught:
        file.write(0, [b"x"])
    assert caught.value.path == path
    with pytest.raises(StorageError):
        file.truncate(0)
    file.close()
    assert read_file(place.files, path) == CONTENT


CALLS: list[Callable[[RandomAccess], object]] = [
    lambda file: file.status(),
    lambda file: file.size(),
    lambda file: file.read(0, 1),
    lambda file: file.read_into(memoryview(bytearray(1)), 0),
    lambda file: file.read_exactly(0, 1),
    lambda file: file.write(0, [b"x"]),
    lambda file: file.truncate(0),
    lambda file: file.sync(),
    lambda file: file.sync(data_only=True),
    lambda file: file.set_modified(0),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_a_closed_file_refuses_everything_but_closing(
    place: Place, path: str, call: Callable[[RandomAccess], object]
) -> None:
    file = place.files.open(path, "r+")
    file.close()
    file.close()
    assert file.closed
    with pytest.raises(StorageError) as caught:
        call(file)
    assert caught.value.path == path
    assert read_file(place.files, path) == CONTENT


def test_places_before_the_beginning_are_refused(place: Place, path: str) -> None:
    file = place.files.open(path, "r+")
    for call in (
        lambda: file.read(-1, 1),
        lambda: file.read_into(memoryview(bytearray(1)), -1),
        lambda: file.write(-1, [b"x"]),
        lambda: file.truncate(-1),
    ):
        with pytest.raises(StorageError):
            call()
    assert file.read(0, len(CONTENT) + 1) == CONTENT
    file.close()


def test_a_deleted_file_lasts_until_it_is_closed(place: Place, path: str) -> None:
    file = place.files.open(path, "r+")
    inode = file.status().inode
    place.files.delete(path)
    assert place.files.find(path) is None
    write_file(place.files, path, b"another")
    file.write(0, [b"old"])
    assert file.read(0, 5) == b"old" + CONTENT[3:5]
    assert file.status().inode == inode != place.files.stat(path).inode
    file.close()
    assert read_file(place.files, path) == b"another"


def test_a_renamed_or_replaced_file_stays_what_it_is(place: Place, path: str) -> None:
    write_file(place.files, place / "other", b"other")
    replaced, moved = place.files.open(path), place.files.open(place / "other")
    place.files.rename(place / "other", path)
    assert replaced.read(0, 5) == CONTENT[:5]
    assert moved.read(0, 5) == b"other"
    assert moved.status() == place.files.stat(path)
    replaced.close()
    moved.close()


def test_threads_may_read_and_write_at_once(place: Place) -> None:
    write_file(place.files, place / "file", bytes(64 * KIB * 8))
    file = place.files.open(place / "file", "r+")
    start = threading.Barrier(8)
    wrong: list[str] = []

    def work(number: int) -> None:
        start.wait(30)
        for turn in range(50):
            data = bytes([number + turn]) * (64 * KIB)
            file.write(number * 64 * KIB, [data[:100], data[100:]])
            if file.read(number * 64 * KIB, 64 * KIB) != data:
                wrong.append(f"thread {number}, turn {turn}")

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    file.close()
    assert not wrong
