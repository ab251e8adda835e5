"""Every place for files streams whole files out and in, and leaves nothing behind whatever happens."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from kamaros_gui.base.errors import KamarosError, NotFoundError, StorageError
from kamaros_gui.base.limits import READ_SLAB, WRITE_BATCH
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream, WritableStream
from tests.conformance.adapters.conftest import Place
from tests.conformance.harness import check_readable, check_writable
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, SlowAdapter, names, read_file, write_file
from tests.helpers.clock import until_idle
from tests.helpers.streams import FailingSource, no_task_left, rejects_with
from tests.helpers.trees import noise

KIB, MIB = 1 << 10, 1 << 20
CONTENT = noise(3 * MIB + 77)


@pytest.fixture
def path(place: Place) -> str:
    write_file(place.files, place / "file", CONTENT)
    return place / "file"


def readable(files: FileSystemAdapter, path: str, *, mark: int = 0, **options: Any) -> ReadableStream[Any]:
    return ReadableStream(files.read_file_stream(path, **options), ByteLengthQueuingStrategy(mark))


async def read_all(stream: ReadableStream[Any]) -> list[bytes]:
    return [bytes(chunk) async for chunk in stream]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what a thread does has no asyncio event
            await asyncio.sleep(0)


def descriptors() -> list[str]:
    """What this process has open."""
    return sorted(os.listdir("/proc/self/fd"))


# ---------------------------------------------------------------------------------------------------- reading


async def test_reading_passes_the_harness(place: Place, path: str) -> None:
    files = FailingAdapter(place.files)
    await check_readable(lambda: readable(files, path, mark=128 * KIB), CONTENT)
    await check_readable(lambda: readable(files, path, offset=MIB - 1, length=2 * MIB), CONTENT[MIB - 1 : 3 * MIB - 1])
    await until(lambda: files.open_files == [])


@pytest.mark.parametrize("chunk", [4 * KIB, 64 * KIB, 4 * MIB])
@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, None), (0, 0), (0, 1), (5, 100_000), (MIB, 10 * MIB), (len(CONTENT), None), (len(CONTENT) + 5, 5)],
)
async def test_a_range_comes_in_chunks_of_the_size_asked_for(
    place: Place, path: str, chunk: int, offset: int, length: int | None
) -> None:
    files = FailingAdapter(place.files)
    chunks = await read_all(readable(files, path, offset=offset, length=length, chunk_size=chunk))
    assert b"".join(chunks) == CONTENT[offset:][:length]
    assert all(len(each) == chunk for each in chunks[:-1])
    assert all(0 < len(each) <= chunk for each in chunks)
    await until(lambda: files.open_files == [])


async def test_an_empty_file_ends_at_once(place: Place) -> None:
    write_file(place.files, place / "empty")
    files = FailingAdapter(place.files)
    assert await read_all(readable(files, place / "empty")) == []
    await until(lambda: files.open_files == [])


async def test_a_range_before_the_beginning_is_refused(place: Place, path: str) -> None:
    for options in ({"offset": -1}, {"length": -1}):
        with pytest.raises(ValueError, match="negative"):
            place.files.read_file_stream(path, **options)


async def test_reading_stops_at_the_mark(place: Place) -> None:
    write_file(place.files, place / "large", bytes(16 * MIB))
    files = SlowAdapter(place.files)
    mark = 256 * KIB
    stream = readable(files, place / "large", mark=mark)
    assert stream.controller.high_water_mark == mark
    ahead = READ_SLAB * 2
    reader = stream.get_reader()
    taken = 0
    for turn in range(40):
        taken += len((await reader.read()).value)
        await until_idle()
        assert files.bytes_read <= taken + mark + ahead, f"at chunk {turn}"
        assert files.largest_read <= READ_SLAB
    before = files.bytes_read
    await asyncio.to_thread(lambda: None)
    await until_idle()
    assert files.bytes_read <= max(before, taken + mark + ahead)
    await reader.cancel()
    assert files.open_files == []


async def test_nothing_is_polled_while_a_read_takes_its_time(place: Place, path: str) -> None:
    files = SlowAdapter(place.files)
    files.read_gate.clear()
    async with no_task_left():
        reader = readable(files, path).get_reader()
        pending = asyncio.ensure_future(_wait(reader.read()))
        await until(lambda: files.stalled == 1)
        await until_idle()  # fails when something keeps the loop busy
        assert (files.stalled, pending.done()) == (1, False)
        files.read_gate.set()
        assert len((await pending).value) > 0
        await reader.cancel()
    assert files.open_files == []


async def _wait(awaitable: Any) -> Any:
    return await awaitable


async def test_the_file_is_closed_before_the_end_of_the_stream_is_seen(place: Place, path: str) -> None:
    """Who deletes or replaces a file when it has been read must be able to do so on any system."""
    write_file(place.files, place / "empty")
    files = FailingAdapter(place.files)
    await asyncio.to_thread(lambda: None)  # the pool's threads are there, so that only files change the descriptors
    before = descriptors()
    for name, mark in (("file", 0), ("file", 1), ("file", 64 * MIB), ("empty", 0), ("empty", 1)):
        async with no_task_left():
            reader = readable(files, place / name, mark=mark).get_reader()
            while not (await reader.read()).done:
                pass
            assert files.open_files == [], (name, mark)
        assert descriptors() == before


@pytest.mark.parametrize("after", [0, 1, 40])
async def test_the_file_is_closed_when_a_cancel_has_ended(place: Place, path: str, after: int) -> None:
    files = FailingAdapter(place.files)
    await asyncio.to_thread(lambda: None)
    before = descriptors()
    async with no_task_left():
        reader = readable(files, path).get_reader()
        for _ in range(after):
            await reader.read()
        await reader.cancel("enough")
        assert files.open_files == []
    assert files.open_files == []
    assert descriptors() == before


async def test_a_cancel_during_a_read_waits_for_it(place: Place, path: str) -> None:
    files = SlowAdapter(place.files)
    files.read_gate.clear()
    stream = readable(files, path, mark=1)
    await until(lambda: files.stalled == 1)
    cancelled = asyncio.ensure_future(_wait(stream.cancel()))
    await until_idle()
    assert not cancelled.done()
    assert files.open_files == [path]
    files.read_gate.set()
    await cancelled
    assert files.open_files == []


async def test_every_failing_step_errors_the_stream_and_closes_the_file(place: Place, path: str) -> None:
    counting = FailingAdapter(place.files, left_out=CLEANING_UP)
    await read_all(readable(counting, path, mark=1))
    await until(lambda: counting.open_files == [])
    before = descriptors()
    assert {"open", "file.size", "file.read_into"} <= {step.name for step in counting.steps}
    for step in range(counting.count):
        error = StorageError(f"step {step}")
        files = FailingAdapter(place.files, step, error, left_out=CLEANING_UP)
        async with no_task_left():
            await rejects_with(read_all(readable(files, path, mark=1)), error)
        assert files.failed == counting.steps[step]
        assert files.open_files == [], files.failed
        assert descriptors() == before


async def test_what_can_not_be_read_errors_the_stream(place: Place) -> None:
    for name, error in (("none", NotFoundError), ("", StorageError)):
        files = FailingAdapter(place.files)
        async with no_task_left():
            await rejects_with(read_all(readable(files, place / name)), error)
        assert files.open_files == []


# ---------------------------------------------------------------------------------------------------- writing


def writable(files: FileSystemAdapter, path: str, **options: Any) -> WritableStream[Any]:
    return WritableStream(files.write_file_stream(path, **options), ByteLengthQueuingStrategy(64 * KIB))


def chunks_of(content: bytes, size: int = 64 * KIB) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


async def write_all(stream: WritableStream[Any], content: bytes) -> None:
    await ReadableStream.from_(chunks_of(content)).pipe_to(stream)


async def test_writing_passes_the_harness(place: Place) -> None:
    files = FailingAdapter(place.files)
    numbers = itertools.count()

    def opened() -> tuple[WritableStream[Any], Callable[[], bytes | None]]:
        path = place / str(next(numbers))
        return writable(files, path), lambda: read_file(place.files, path) if place.files.exists(path) else None

    await check_writable(opened)
    assert files.open_files == []
    assert all(name.isdigit() for name in names(place.files, place.base))


async def test_a_file_is_written_with_mode_and_time(place: Place) -> None:
    begun = time.time_ns()
    await write_all(writable(place.files, place / "new"), CONTENT)
    status = place.files.stat(place / "new")
    assert read_file(place.files, place / "new") == CONTENT
    assert status.mode & 0o7777 == 0o644
    assert begun <= status.mtime_ns <= time.time_ns()
    await write_all(writable(place.files, place / "new", mode=0o7750, mtime_ns=10**18 + 1, sync=False), b"second")
    status = place.files.stat(place / "new")
    assert read_file(place.files, place / "new") == b"second"
    assert (status.mode & 0o7777, status.mtime_ns) == (0o750, 10**18 + 1)
    assert names(place.files, place.base) == ["new"]


@pytest.mark.parametrize("existing", [None, b"old"])
async def test_the_name_is_as_it_was_until_the_stream_has_closed(place: Place, existing: bytes | None) -> None:
    if existing is not None:
        write_file(place.files, place / "file", existing)

    def now() -> bytes | None:
        return read_file(place.files, place / "file") if place.files.exists(place / "file") else None

    files = SlowAdapter(place.files)
    writer = writable(files, place / "file").get_writer()
    for chunk in chunks_of(CONTENT):
        await writer.write(chunk)
        assert now() == existing
    await until(lambda: files.bytes_written > len(CONTENT) - 2 * WRITE_BATCH)
    files.write_gate.clear()
    closing = asyncio.ensure_future(_wait(writer.close()))
    await until(lambda: files.stalled == 1)
    assert now() == existing
    files.write_gate.set()
    await closing
    assert now() == CONTENT
    assert names(place.files, place.base) == ["file"]


async def test_a_stalled_disk_holds_the_writer_back(place: Place) -> None:
    files = SlowAdapter(place.files)
    files.write_gate.clear()
    given = 0

    class Source:
        def pull(self, controller: Any) -> None:
            nonlocal given
            given += 64 * KIB
            controller.enqueue(bytes(64 * KIB))
            if given >= 16 * MIB:
                controller.close()

    piped = asyncio.ensure_future(_wait(ReadableStream(Source()).pipe_to(writable(files, place / "file"))))
    await until(lambda: files.stalled == 1)
    await until_idle()  # fails when something keeps the loop busy
    assert files.bytes_written == 0
    assert given <= 2 * WRITE_BATCH + 4 * 64 * KIB
    files.write_gate.set()
    await piped
    assert place.files.stat(place / "file").size == 16 * MIB


async def test_without_replacing_a_name_that_is_taken_stays_what_it_is(place: Place) -> None:
    write_file(place.files, place / "file", b"old")
    with pytest.raises(StorageError) as caught:
        await write_all(writable(place.files, place / "file", replace=False), CONTENT)
    assert caught.value.path == place / "file"
    await write_all(writable(place.files, place / "new", replace=False), b"new")
    assert read_file(place.files, place / "file") == b"old"
    assert names(place.files, place.base) == ["file", "new"]


async def test_a_link_is_replaced_and_not_followed(place: Place) -> None:
    write_file(place.files, place / "target", b"target")
    place.files.make_link(place / "link", b"target", 0)
    await write_all(writable(place.files, place / "link"), b"new")
    assert read_file(place.files, place / "target") == b"target"
    assert place.files.stat(place / "link").kind == "file"


async def test_the_folder_must_exist(place: Place) -> None:
    write_file(place.files, place / "file")
    for name, error in (("none/new", NotFoundError), ("file/new", StorageError)):
        async with no_task_left():
            with pytest.raises(error) as caught:
                await write_all(writable(place.files, place / name), b"x")
        assert caught.value.path == place / name.partition("/")[0]
    with pytest.raises(StorageError):
        await write_all(writable(place.files, place.base), b"x")
    assert names(place.files, place.base) == ["file"]


async def test_a_name_without_a_folder_is_found_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.path.isdir(place.base):
        monkeypatch.chdir(place.base)
    await write_all(writable(place.files, "relative"), b"content")
    assert read_file(place.files, "relative") == b"content"
    assert b"".join(await read_all(readable(place.files, "relative"))) == b"content"


async def write_with_failure(files: FileSystemAdapter, path: str, content: bytes) -> KamarosError | None:
    async with no_task_left():
        try:
            await write_all(writable(files, path), content)
        except KamarosError as error:
            return error
    return None


@pytest.mark.parametrize("existing", [None, b"old"])
async def test_a_failure_at_any_step_leaves_all_or_nothing(place: Place, existing: bytes | None) -> None:
    if existing is not None:
        write_file(place.files, place / "file", existing)
    counting = FailingAdapter(place.files, left_out=CLEANING_UP)
    assert await write_with_failure(counting, place / "counting", CONTENT) is None
    place.files.delete(place / "counting")
    await asyncio.to_thread(lambda: None)
    before = descriptors()
    kinds = {step.name for step in counting.steps}
    assert {"make_folder", "lock", "create", "new.append", "new.finish", "rename", "sync_folder"} <= kinds
    for number, step in enumerate(counting.steps):
        expected = existing
        error = StorageError(f"step {number}")
        files = FailingAdapter(place.files, number, error, left_out=CLEANING_UP)
        raised = await write_with_failure(files, place / "file", CONTENT)
        assert files.failed is not None
        assert files.failed.name == step.name
        if raised is None:  # looking for leftovers of others may fail without harm
            assert step.name == "list", step
        else:
            assert error in {raised, raised.__cause__}, step
        if raised is None or step.name == "sync_folder" or files.steps[-1].name == "exists" == step.name:
            expected = CONTENT  # it had its name already
        found = read_file(place.files, place / "file") if place.files.exists(place / "file") else None
        assert found == expected, step
        assert names(place.files, place.base) == ([] if expected is None else ["file"]), step
        assert files.open_files == []
        assert descriptors() == before
        if expected is CONTENT:
            place.files.delete(place / "file")
            if existing is not None:
                write_file(place.files, place / "file", existing)


@pytest.mark.parametrize("written", [0, 1, 10, 30])
async def test_an_abort_leaves_nothing(place: Place, written: int) -> None:
    files = FailingAdapter(place.files)
    await asyncio.to_thread(lambda: None)
    before = descriptors()
    async with no_task_left():
        writer = writable(files, place / "file").get_writer()
        for chunk in chunks_of(CONTENT)[:written]:
            await writer.write(chunk)
        await writer.abort(ValueError("enough"))
        assert names(place.files, place.base) == []
    assert files.open_files == []
    assert descriptors() == before


async def test_an_abort_waits_for_the_write_under_way(place: Place) -> None:
    files = SlowAdapter(place.files)
    files.write_gate.clear()
    writer = writable(files, place / "file").get_writer()
    await writer.write(bytes(WRITE_BATCH))
    await until(lambda: files.stalled == 1)
    aborted = asyncio.ensure_future(_wait(writer.abort("enough")))
    for _ in range(50):  # time enough for other threads to close the file, if they wrongly do
        await asyncio.to_thread(names, place.files, place.base)
    assert not aborted.done()
    assert len(files.open_files) == 2, "the file or its lock was closed under a write"
    files.write_gate.set()
    await aborted
    assert (names(place.files, place.base), files.open_files) == ([], [])


async def test_a_source_that_fails_leaves_nothing(place: Place) -> None:
    files, error = FailingAdapter(place.files), ValueError("source")
    async with no_task_left():
        source = ReadableStream(FailingSource(chunks_of(CONTENT), error))
        await rejects_with(source.pipe_to(writable(files, place / "file")), error)
    assert (names(place.files, place.base), files.open_files) == ([], [])


async def test_an_owner_that_died_at_any_step_is_cleaned_up_after_by_the_next(place: Place) -> None:
    counting = FailingAdapter(place.files)
    assert await write_with_failure(counting, place / "file", CONTENT) is None
    for number, step in enumerate(counting.steps):
        place.files.delete_tree(place / "file")
        dying: list[FailingAdapter] = []

        def die(at: int, number: int = number, dying: list[FailingAdapter] = dying) -> None:
            if at == number:
                dying[0].die()

        dying.append(FailingAdapter(place.files, number, on_step=die))
        await write_with_failure(dying[0], place / "file", CONTENT)
        assert not place.files.exists(place / "file") or read_file(place.files, place / "file") == CONTENT, step
        await write_all(writable(place.files, place / "file"), b"next")
        assert names(place.files, place.base) == ["file"], step
        assert read_file(place.files, place / "file") == b"next"


async def test_many_streams_write_one_name_at_once(place: Place) -> None:
    contents = [noise(MIB, seed) for seed in range(6)]
    async with no_task_left():
        await asyncio.gather(*[write_all(writable(place.files, place / "file"), content) for content in contents])
    assert read_file(place.files, place / "file") in contents
    assert names(place.files, place.base) == ["file"]


async def test_from_one_place_to_another(place: Place, path: str) -> None:
    await readable(place.files, path).pipe_to(writable(place.files, place / "copy"))
    assert read_file(place.files, place / "copy") == CONTENT
