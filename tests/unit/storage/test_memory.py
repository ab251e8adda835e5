"""What only a file system in memory has: room that is counted, and times that are never the same."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

import pytest

from kamaros_gui.base.errors import DiskFullError, NotFoundError, StorageError
from kamaros_gui.storage.memory import MemoryAdapter
from kamaros_gui.streams import ReadableStream, WritableStream
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.trees import noise

KIB, MIB = 1 << 10, 1 << 20


def test_a_full_volume_takes_what_fits_and_says_how_much_is_missing() -> None:
    files = MemoryAdapter(capacity=100)
    write_file(files, "/first", bytes(60))
    file = files.open("/second", "x")
    with pytest.raises(DiskFullError) as caught:
        file.write(0, [b"a" * 30, b"b" * 30])
    error = caught.value
    assert (error.path, error.volume, error.missing) == ("/second", files.volume("/"), 20)
    assert file.read(0, 100) == b"a" * 30 + b"b" * 10
    assert files.free_space("/") == 0
    file.write(0, [b"c" * 40])
    with pytest.raises(DiskFullError):
        file.write(39, [b"dd"])
    assert file.read(38, 10) == b"cd"


def test_a_full_volume_ends_a_new_file_where_it_is_full() -> None:
    files = MemoryAdapter(capacity=10)
    new = files.create("/new")
    with pytest.raises(DiskFullError) as caught:
        new.append([b"12345", b"678", b"90ab"])
    assert (new.size, caught.value.missing) == (10, 2)
    new.discard()
    assert files.free_space("/") == 10


def test_truncating_beyond_the_room_changes_nothing() -> None:
    files = MemoryAdapter(capacity=10)
    file = files.open("/file", "x")
    file.write(0, [b"12345"])
    with pytest.raises(DiskFullError) as caught:
        file.truncate(12)
    assert (caught.value.missing, file.read(0, 20), files.free_space("/")) == (2, b"12345", 5)
    file.truncate(10)
    assert files.free_space("/") == 0
    file.truncate(1)
    assert files.free_space("/") == 9
    with pytest.raises(DiskFullError):
        file.write(10, [b"x"])
    assert (file.size(), files.free_space("/")) == (1, 9)


def test_room_comes_back_when_nobody_can_reach_the_content_any_more() -> None:
    files = MemoryAdapter(capacity=100)
    write_file(files, "/file", bytes(40))
    write_file(files, "/other", bytes(10))
    file = files.open("/file")
    files.delete("/file")
    assert files.free_space("/") == 50
    file.close()
    assert files.free_space("/") == 90
    write_file(files, "/another", bytes(20))
    files.rename("/another", "/other")
    assert files.free_space("/") == 80
    files.make_folder("/tree")
    files.make_folder("/tree/below")
    write_file(files, "/tree/below/file", bytes(30))
    file = files.open("/tree/below/file")
    files.delete_tree("/tree")
    assert files.free_space("/") == 50
    file.close()
    assert files.free_space("/") == 80


async def test_a_full_volume_fails_a_stream_and_keeps_nothing_of_it() -> None:
    files = MemoryAdapter(capacity=2 * MIB)
    write_file(files, "/file", b"old")
    with pytest.raises(DiskFullError) as caught:
        await ReadableStream.from_([bytes(64 * KIB)] * 100).pipe_to(WritableStream(files.write_file_stream("/file")))
    assert caught.value.volume == files.volume("/")
    assert names(files, "/") == ["file"]
    assert read_file(files, "/file") == b"old"
    assert files.free_space("/") == 2 * MIB - 3


def test_what_no_memory_can_hold_is_a_full_volume() -> None:
    files = MemoryAdapter()
    file = files.open("/file", "x")
    for call in (lambda: file.truncate(1 << 60), lambda: file.write(1 << 60, [b"x"])):
        with pytest.raises(DiskFullError):
            call()
    assert file.size() == 0
    file.write(0, [b"still works"])
    assert file.read(0, 100) == b"still works"


def test_room_without_a_limit_and_limits_that_make_no_sense() -> None:
    assert MemoryAdapter().free_space("/") > 1 << 60
    assert MemoryAdapter(capacity=0).free_space("/") == 0
    with pytest.raises(ValueError, match="negative"):
        MemoryAdapter(capacity=-1)


def test_no_two_volumes_are_the_same_and_none_is_a_real_one() -> None:
    devices = {MemoryAdapter().stat("/").device for _ in range(100)}
    assert len(devices) == 100
    assert all(-(1 << 63) <= device < -(1 << 32) for device in devices)


def test_every_change_has_a_time_of_its_own() -> None:
    files = MemoryAdapter()
    file = files.open("/file", "x")
    times = [file.status().mtime_ns]
    for _ in range(1000):
        file.write(0, [b"x"])
        times.append(file.status().mtime_ns)
    assert sorted(set(times)) == times


def test_relative_paths_begin_at_the_root() -> None:
    files = MemoryAdapter()
    files.make_folder("folder")
    write_file(files, "folder/file", b"content")
    assert files.stat("/folder/file") == files.stat("./folder/../folder/file")
    assert files.resolve("folder/file") == "/folder/file"
    assert (files.resolve("."), files.resolve(""), files.resolve("/")) == ("/", "/", "/")


def test_the_root_stays() -> None:
    files = MemoryAdapter()
    for call in (
        lambda: files.delete("/"),
        lambda: files.rename("/", "/new"),
        lambda: files.make_folder("/"),
        lambda: files.open("/", "x"),
        lambda: files.delete(""),
    ):
        with pytest.raises((StorageError, NotFoundError)):
            call()
    files.delete_tree("/")
    assert files.stat("/").kind == "directory"


def test_a_part_is_read_without_copying_the_whole() -> None:
    files = MemoryAdapter()
    write_file(files, "/file", bytes(32 * MIB))
    file = files.open("/file", "r+")
    buffer = memoryview(bytearray(MIB))
    gc.collect()
    tracemalloc.start()
    file.read(16 * MIB, 1000)
    file.read_into(buffer, MIB)
    file.write(5 * MIB, [buffer])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * KIB


def test_appending_is_linear() -> None:
    """Counted in moves of the content: a file that doubles moves a few times, not once for each write."""
    files = MemoryAdapter()
    new = files.create("/file")
    chunk = noise(4 * KIB)
    moves = 0
    size = 0
    for _ in range(4096):
        new.append([chunk])
        allocated = new._file._node.content.__alloc__()
        moves += allocated != size
        size = allocated
    assert moves < 200
    assert read_file(files, "/file") == chunk * 4096


async def test_the_lock_of_the_volume_is_free_while_anything_else_runs() -> None:
    """A buffer is the only thing of the caller's that is touched meanwhile."""
    files = MemoryAdapter()
    write_file(files, "/file", bytes(MIB))
    for name, _status in files.list("/"):
        assert read_file(files, f"/{name}") == bytes(MIB)
    source: Any = files.read_file_stream("/file")
    async with asyncio.timeout(10):
        async for chunk in ReadableStream(source):
            files.stat("/file")
            assert len(chunk) > 0
    with pytest.raises(StorageError):
        files.open("/file/below")
    assert not files._volume.lock.locked()


def test_discarding_a_file_leaves_another_one_of_its_name() -> None:
    files = MemoryAdapter()
    new = files.create("/new")
    files.rename("/new", "/moved")
    write_file(files, "/new", b"another")
    new.discard()
    assert names(files, "/") == ["moved", "new"]
    assert read_file(files, "/new") == b"another"
