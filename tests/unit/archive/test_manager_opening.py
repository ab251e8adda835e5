"""open_file streams any file of any version, checked while it comes, and gives everything back however it ends."""

from __future__ import annotations

import asyncio
import os
import threading
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import (
    AbortController,
    AbortError,
    JCFConfig,
    JCFManager,
    LocalAdapter,
    MemoryAdapter,
    WritableStream,
)
from kamaros_gui.archive.container import Container
from kamaros_gui.base.errors import (
    ArchiveError,
    IntegrityError,
    NotFoundError,
    StorageError,
    UnsupportedEntryError,
    VersionNotFoundError,
)
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from tests.helpers.adapters import SlowAdapter, names, read_file
from tests.helpers.archives import content_of, open_files, read_all, until
from tests.helpers.clock import until_idle
from tests.helpers.streams import assert_no_tasks, no_task_left
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
SMALL, LARGE = text(3000), text(5 * MIB)
CONFIG = JCFConfig(level=1, workers=2)


async def make(archive: Path, config: JCFConfig = CONFIG, **contents: bytes) -> None:
    async with await JCFManager.open(archive, config, create=True) as manager:
        for path, content in contents.items():
            await manager.add_file(path, content)
        await manager.save_checkpoint()


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    await make(tmp_path / "a.jcf", small=SMALL, large=LARGE, empty=b"")
    return tmp_path / "a.jcf"


@pytest.fixture
async def manager(archive: Path) -> AsyncIterator[JCFManager]:
    async with await JCFManager.open(archive, CONFIG) as opened:
        yield opened
    assert open_files(archive.parent) == []


@pytest.mark.parametrize("chunk_size", [4096, 65_536, 4 * MIB])
@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
async def test_every_codec_and_size(tmp_path: Path, codec: Any, chunk_size: int) -> None:
    config = JCFConfig(codec=codec, level=None if codec == "store" else 1, chunk_size=chunk_size, workers=2)
    contents = {
        "empty": b"",
        "one": b"1",
        "small": SMALL,
        "large": LARGE,
        "noise": noise(2 * MIB + 1),
        "zeros": bytes(8 * MIB),
    }
    await make(tmp_path / "a.jcf", config, **contents)
    async with await JCFManager.open(tmp_path / "a.jcf", config) as manager:
        for path, content in contents.items():
            async with no_task_left():
                chunks = [bytes(chunk) async for chunk in await manager.open_file(path)]
            assert b"".join(chunks) == content
            assert all(0 < len(chunk) <= chunk_size for chunk in chunks)
            assert open_files(tmp_path) == [], "closed when the end is seen"


async def test_older_versions(tmp_path: Path) -> None:
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        versions = []
        for number in range(4):
            await manager.add_file("x", text(1_200_000, number))
            await manager.add_file("y", text(1000, number // 2))
            versions.append(await manager.save_checkpoint(str(number)))
        await manager.remove_file("x")
        await manager.save_checkpoint("gone")
        for number, version in enumerate(versions):
            for name in (version, version.id, version.id[:13], f"HEAD~{4 - number}"):
                assert await content_of(manager, "x", name) == text(1_200_000, number)
                assert await content_of(manager, "y", name) == text(1000, number // 2)
        with pytest.raises(NotFoundError):
            await manager.open_file("x")
        with pytest.raises(VersionNotFoundError):
            await manager.open_file("x", "HEAD~5")
        with pytest.raises(VersionNotFoundError):
            await manager.open_file("x", "no such tag")
    assert open_files(tmp_path) == []


async def test_plain_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "plain.zip", "w", zipfile.ZIP_DEFLATED) as plain:
        plain.writestr("d/large", LARGE)
        plain.writestr("odd/../name", b"odd")
        plain.writestr("stored", b"stored", zipfile.ZIP_STORED)
        plain.writestr("lzma", b"lzma", zipfile.ZIP_LZMA)
    async with await JCFManager.open(tmp_path / "plain.zip") as manager:
        assert await content_of(manager, "d/large") == LARGE
        assert await content_of(manager, "odd/../name") == b"odd"
        assert await content_of(manager, "stored") == b"stored"
        with pytest.raises(UnsupportedEntryError):
            await manager.open_file("lzma")
        with pytest.raises(ArchiveError, match="is a folder"):
            await manager.open_file("d")
        with pytest.raises(NotFoundError):
            await manager.open_file("d/none")
        assert open_files(tmp_path) == []


async def test_link_gives_its_target(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("somewhere/else")
    async with await JCFManager.open(tmp_path / "a.jcf", create=True) as manager:
        await manager.save([tmp_path / "tree"])
        assert await content_of(manager, "tree/link") == b"somewhere/else"
        with pytest.raises(ArchiveError, match="“tree” is a folder; only files can be opened"):
            await manager.open_file("tree")


@pytest.mark.parametrize("path", ["none", "small/below", "", "/", "../x"])
async def test_what_is_not_there(manager: JCFManager, path: str) -> None:
    seen: list[ProgressSnapshot] = []
    async with no_task_left():
        with pytest.raises((NotFoundError, ArchiveError)):
            await manager.open_file(path, on_progress=seen.append)
    assert open_files(os.path.dirname(manager.path)) == []


async def test_changes_that_wait_are_not_seen(manager: JCFManager) -> None:
    await manager.add_file("new", b"new")
    await manager.remove_file("small")
    with pytest.raises(NotFoundError):
        await manager.open_file("new")
    assert await content_of(manager, "small") == SMALL


# ---------------------------------------------------------------------------------------------------- damage


def damage(archive: Path, name: str, at: int) -> None:
    """Change one byte of an entry; *at* counts from its data's begin, or from its end where negative."""
    start, end = where(archive, f"content/{name}")
    offset = end + at if at < 0 else start + at
    with open(archive, "r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ 0xFF]))


def where(archive: Path, name: str) -> tuple[int, int]:
    """Return where the data of an entry begins and ends."""
    container = Container.load(LocalAdapter(), str(archive))
    try:
        entry = container.entries[name]
        head = container.file.read(entry.header_offset, 30)
        start = entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        return start, start + entry.compressed_size
    finally:
        container.close()


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("name", ["small", "large"])
async def test_damaged_data_is_an_error_and_no_end(tmp_path: Path, codec: Any, name: str) -> None:
    """Whatever came before it, after the error nothing comes."""
    await make(
        tmp_path / "a.jcf", JCFConfig(codec=codec, level=None if codec == "store" else 1), small=SMALL, large=LARGE
    )
    damage(tmp_path / "a.jcf", name, -200)
    async with await JCFManager.open(tmp_path / "a.jcf") as manager:
        async with no_task_left():
            reader = (await manager.open_file(name)).get_reader()
            with pytest.raises(IntegrityError, match=name):
                await _drain(reader)
            with pytest.raises(IntegrityError):
                await reader.read()
            with pytest.raises(IntegrityError):
                await reader.closed
        assert open_files(tmp_path) == [], "closed when the error is seen"
    async with await JCFManager.open(tmp_path / "a.jcf") as manager:
        assert await content_of(manager, "small" if name == "large" else "large")


async def test_damaged_header(archive: Path) -> None:
    data = archive.read_bytes()
    at = data.index(b"content/large") - 30
    archive.write_bytes(data[:at] + b"XXXX" + data[at + 4 :])
    async with await JCFManager.open(archive) as manager:
        async with no_task_left():
            with pytest.raises(IntegrityError):
                await manager.open_file("large", on_progress=lambda _snapshot: None)
        assert open_files(archive.parent) == []


async def test_hash_is_checked_beside_the_crc(archive: Path) -> None:
    """An entry whose bytes and CRC-32 were replaced together is not what was saved."""
    forged = archive.with_name("forged.jcf")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(forged, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, b"forged" if info.filename == "content/small" else data)
    async with await JCFManager.open(forged) as manager:
        with pytest.raises(IntegrityError, match="SHA-256"):
            await content_of(manager, "small")
        assert await content_of(manager, "large") == LARGE


# --------------------------------------------------------------------------------------- ends before the end


async def test_read_in_part_then_cancel(manager: JCFManager) -> None:
    folder = os.path.dirname(manager.path)
    stream = await manager.open_file("large")
    assert open_files(folder) == ["a.jcf"]
    async for chunk in stream:
        assert LARGE.startswith(chunk)
        break
    await until(lambda: not manager._streams._open)  # leaving the loop cancels the stream; a thread closes the file
    assert open_files(folder) == []
    async with no_task_left():
        pass
    stream = await manager.open_file("large")
    await stream.cancel("enough")
    assert open_files(folder) == []
    assert (await stream.get_reader().read()).done


@pytest.mark.parametrize("chunks", [0, 1, 20])
@pytest.mark.parametrize("in_thread", [True, False])
async def test_abort_between_two_reads(manager: JCFManager, chunks: int, in_thread: bool) -> None:
    controller = AbortController()
    reader = (await manager.open_file("large", signal=controller.signal)).get_reader()
    for _ in range(chunks):
        await reader.read()
    async with no_task_left():
        if in_thread:
            await asyncio.to_thread(controller.abort)
        else:
            controller.abort()
        with pytest.raises(AbortError) as caught:
            await reader.closed
        assert caught.value is controller.signal.reason
        with pytest.raises(AbortError):
            await reader.read()
        await manager._streams.close()
    assert open_files(os.path.dirname(manager.path)) == []


async def test_abort_while_a_read_is_under_way(archive: Path) -> None:
    """The stream errors at once; the file is closed when the call that reads it has come back."""
    files = SlowAdapter(LocalAdapter())
    controller = AbortController()
    async with await JCFManager.open(archive, CONFIG, files=files) as manager:
        reader = (await manager.open_file("large", signal=controller.signal)).get_reader()
        await reader.read()
        files.read_gate.clear()
        reading = asyncio.ensure_future(_drain(reader))
        await until(lambda: files.stalled)
        controller.abort()
        with pytest.raises(AbortError):
            await reading
        assert files.open_files == [str(archive)]
        files.read_gate.set()
        await manager._streams.close()
        assert files.open_files == []
        assert_no_tasks()


async def _drain(reader: Any) -> None:
    while not (await reader.read()).done:
        pass


async def test_close_of_the_manager_ends_open_streams(archive: Path) -> None:
    async with await JCFManager.open(archive, CONFIG) as manager:
        readers = [(await manager.open_file("large")).get_reader() for _ in range(3)]
        await readers[0].read()
        await _drain(readers[2])
    for reader in readers[:2]:
        with pytest.raises(AbortError, match="The archive was closed"):
            await reader.read()
    assert (await readers[2].read()).done
    assert open_files(archive.parent) == []
    assert_no_tasks()
    with pytest.raises(AbortError):
        await manager.open_file("large")


async def test_stream_nobody_reads_is_closed_with_the_manager(archive: Path) -> None:
    async with await JCFManager.open(archive, CONFIG) as manager:
        await manager.open_file("large")
    assert open_files(archive.parent) == []
    assert_no_tasks()


# ---------------------------------------------------------------------------------------- pipes, backpressure


async def test_into_a_file_of_an_adapter(manager: JCFManager) -> None:
    memory = MemoryAdapter()
    seen: list[ProgressSnapshot] = []
    stream = await manager.open_file("large", on_progress=seen.append)
    await stream.pipe_to(WritableStream(memory.write_file_stream("/out")))
    assert read_file(memory, "/out") == LARGE
    last = seen[-1]
    assert (last.phase, last.bytes_done, last.bytes_total) == (Phase.FINISHED, len(LARGE), len(LARGE))
    assert [each.bytes_done for each in seen] == sorted(each.bytes_done for each in seen)


async def test_damaged_file_is_not_made(archive: Path) -> None:
    damage(archive, "large", -200)
    memory = MemoryAdapter()
    async with await JCFManager.open(archive) as manager:
        with pytest.raises(IntegrityError):
            await (await manager.open_file("large")).pipe_to(WritableStream(memory.write_file_stream("/out")))
    assert names(memory, "/") == []


async def test_full_target_closes_the_archive(manager: JCFManager) -> None:
    memory = MemoryAdapter(capacity=MIB)
    with pytest.raises(StorageError):
        await (await manager.open_file("large")).pipe_to(WritableStream(memory.write_file_stream("/out")))
    assert names(memory, "/") == []
    assert open_files(os.path.dirname(manager.path)) == []


async def test_from_one_archive_into_another(manager: JCFManager, tmp_path: Path) -> None:
    async with await JCFManager.open(tmp_path / "b.jcf", CONFIG, create=True) as other:
        await other.add_file("copy", await manager.open_file("large"))
        await other.save_checkpoint()
        assert await content_of(other, "copy") == LARGE
    assert open_files(tmp_path) == []


async def test_reads_stop_while_nobody_takes(tmp_path: Path) -> None:
    size = 40 * MIB
    await make(tmp_path / "a.jcf", JCFConfig(codec="store"), x=bytes(size))
    files = SlowAdapter(LocalAdapter())
    async with await JCFManager.open(tmp_path / "a.jcf", files=files) as manager:
        before = files.bytes_read
        reader = (await manager.open_file("x")).get_reader()
        await _rest(files)
        assert files.bytes_read - before < 100_000, "nothing is read before it is asked for, beside the directory"
        for _ in range(5):
            assert len((await reader.read()).value or b"") == 65_536
        await _rest(files)
        assert files.bytes_read - before < 4 * MIB
        await reader.cancel()


async def _rest(files: SlowAdapter) -> None:
    """Wait until neither the loop nor a thread does anything any more."""
    for _ in range(3):
        seen = -1
        while seen != files.bytes_read:
            seen = files.bytes_read
            await asyncio.to_thread(threading.Event().wait, 0.02)
            await until_idle()


# ------------------------------------------------------------------------------------- beside somebody who writes


async def test_content_is_replaced_while_it_is_read(archive: Path, tmp_path: Path) -> None:
    """The save makes history of the entry and rewrites its header under the reader's eyes."""
    async with (
        await JCFManager.open(archive, CONFIG) as reading,
        await JCFManager.open(archive, CONFIG) as writing,
    ):
        reader = (await reading.open_file("large")).get_reader()
        got = [bytes((await reader.read()).value or b"")]
        begun = await reading.open_file("small")
        await writing.add_file("large", noise(3 * MIB))
        await writing.add_file("small", b"other")
        got.append(bytes((await reader.read()).value or b""))
        await writing.save_checkpoint()
        while not (result := await reader.read()).done:
            got.append(bytes(result.value or b""))
        assert b"".join(got) == LARGE
        assert await read_all(begun) == SMALL
        assert await content_of(reading, "large") == noise(3 * MIB)
        assert await content_of(reading, "large", "HEAD~1") == LARGE
        assert await content_of(writing, "small", "HEAD~1") == SMALL
    assert open_files(tmp_path) == []


async def test_opened_between_load_and_relabelling(archive: Path) -> None:
    """The directory was read before the save, the header after it: it has its new name already."""
    files = SlowAdapter(LocalAdapter())
    async with (
        await JCFManager.open(archive, CONFIG, files=files) as reading,
        await JCFManager.open(archive, CONFIG) as writing,
    ):
        loaded = asyncio.Event()
        inner = reading._workers.io
        loop = asyncio.get_running_loop()
        saved = threading.Event()

        def io(function: Any, /, *arguments: Any) -> Any:
            if getattr(function, "__name__", "") == "_find":
                loop.call_soon_threadsafe(loaded.set)

                def later(*given: Any) -> Any:
                    assert saved.wait(30)
                    return function(*given)

                return inner(later, *arguments)
            return inner(function, *arguments)

        reading._workers.io = io  # type: ignore[method-assign]
        opening = asyncio.ensure_future(reading.open_file("small"))
        await loaded.wait()
        await writing.remove_file("small")
        await writing.save_checkpoint()
        saved.set()
        assert await read_all(await opening) == SMALL


async def test_write_into_the_archive_that_is_read(manager: JCFManager, tmp_path: Path) -> None:
    write(tmp_path / "unused")
    await manager.add_file("copy", await manager.open_file("large"))
    await manager.save_checkpoint()
    assert await content_of(manager, "copy") == LARGE
    assert (await manager.verify()).valid
