"""add_file takes its content from anywhere, and the same content always makes the same file."""

from __future__ import annotations

import array
import asyncio
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager, ReadableStream, TransformStream
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import NotFoundError, SourceChangedError, StorageError
from tests.helpers.archives import content_of, listed, open_files
from tests.helpers.streams import assert_no_tasks, no_task_left
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
SMALL = text(50_000)
LARGE = text(1_500_000) + noise(300_000)
CONFIG = JCFConfig(level=1, workers=2)


def pieces(data: bytes, size: int = 70_001) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


class Reader:
    """Something that is read like a file, by coroutines, and gives what it likes."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.asked: list[int] = []

    async def read(self, size: int = -1) -> bytes:
        self.asked.append(size)
        await asyncio.sleep(0)
        return self._data.read(min(size, 65_536))


class Producer:
    """Fills the same buffer again and again, as a socket reader does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self._buffer = bytearray(10_007)

    def __iter__(self) -> Iterator[memoryview]:
        while got := self._data.readinto(self._buffer):
            yield memoryview(self._buffer)[:got]
            self._buffer[:] = b"\xee" * len(self._buffer)

    async def slowly(self) -> AsyncIterator[memoryview]:
        for view in self:
            yield view
            await asyncio.sleep(0)


class Pulled:
    """Underlying source over pieces."""

    def __init__(self, data: bytes) -> None:
        self._pieces = iter(pieces(data))

    def pull(self, controller: Any) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            controller.close()
        else:
            controller.enqueue(piece)


def a_file(data: bytes, folder: Path) -> Path:
    write(folder / "source", data)
    return folder / "source"


def a_link(data: bytes, folder: Path) -> str:
    a_file(data, folder)
    (folder / "link").symlink_to("source")
    return str(folder / "link")


def an_open_file(data: bytes, folder: Path) -> Any:
    write(folder / "source", b"before " + data)
    file = open(folder / "source", "rb")  # noqa: SIM115 - it stays open while it is read, and after
    file.seek(7)
    return file


def bytes_io(data: bytes, _folder: Path) -> io.BytesIO:
    content = io.BytesIO(b"before " + data)
    content.seek(7)
    return content


def generator(data: bytes, _folder: Path) -> Iterator[bytes]:
    yield b""
    for piece in pieces(data):
        yield piece
        yield b""


async def async_generator(data: bytes, _folder: Path) -> AsyncIterator[bytes]:
    for piece in pieces(data):
        await asyncio.sleep(0)
        yield b""
        yield piece


def stream(data: bytes, _folder: Path) -> ReadableStream[bytes]:
    return ReadableStream(Pulled(data))


def transformed(data: bytes, folder: Path) -> ReadableStream[bytes]:
    class Same:
        def transform(self, chunk: bytes, controller: Any) -> None:
            controller.enqueue(chunk[:10])
            controller.enqueue(chunk[10:])

    return stream(data, folder).pipe_through(TransformStream(Same()))


def numbers(data: bytes, _folder: Path) -> memoryview:
    """A view whose items are no bytes, and whose length is not that of its bytes."""
    return memoryview(array.array("i", data[: len(data) // 4 * 4]))


KINDS: dict[str, Callable[[bytes, Path], Any]] = {
    "path text": lambda data, folder: str(a_file(data, folder)),
    "path object": a_file,
    "link": a_link,
    "bytes": lambda data, _folder: data,
    "bytearray": lambda data, _folder: bytearray(data),
    "memoryview": lambda data, _folder: memoryview(bytearray(data)),
    "view of numbers": numbers,
    "view in two dimensions": lambda data, _folder: memoryview(data).cast("B", [len(data) // 4, 4]),
    "view with steps": lambda data, _folder: (
        [memoryview(bytes(each for byte in data for each in (byte, 0)))[::2]] if len(data) < MIB else [data]
    ),
    "BytesIO": bytes_io,
    "open file": an_open_file,
    "reader": lambda data, _folder: Reader(data),
    "generator": generator,
    "list": lambda data, _folder: pieces(data),
    "list of one": lambda data, _folder: [data],
    "same buffer again": lambda data, _folder: Producer(data),
    "same buffer slowly": lambda data, _folder: Producer(data).slowly(),
    "async generator": async_generator,
    "stream": stream,
    "stream of a transform": transformed,
}


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[JCFManager]:
    folder = tmp_path / "archives"
    folder.mkdir()
    async with await JCFManager.open(folder / "a.jcf", CONFIG, create=True) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_content_from_anywhere(manager: JCFManager, tmp_path: Path, kind: str, data: bytes) -> None:
    if not data and kind == "view in two dimensions":
        pytest.skip("there is no such view without bytes")
    content = KINDS[kind](data, tmp_path)
    entry = await manager.add_file("folder/file", content)
    assert (entry.path, entry.type, entry.size) == ("folder/file", "file", len(data))
    assert entry.sha256 == hashlib.sha256(data).hexdigest()
    version = await manager.save_checkpoint("one")
    assert (version.message, version.added) == ("one", 1)
    assert await content_of(manager, "folder/file") == data
    found = (await manager.list_files()).entries
    assert [(each.path, each.size, each.packed, each.sha256, each.method) for each in found] == [
        ("folder/file", entry.size, entry.packed, entry.sha256, entry.method)
    ]
    assert (await manager.verify()).valid
    if kind == "open file":
        assert not content.closed
        content.close()
    assert_no_tasks()


async def test_content_of_an_http_response(manager: JCFManager) -> None:
    """A real server and a real connection; the body comes as asyncio's StreamReader, whole and by an own iterator."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE))
        for piece in pieces(LARGE, 33_333):
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    class Body:
        """What httpx and aiohttp have: an asynchronous iterator over the body."""

        def __init__(self, reader: asyncio.StreamReader) -> None:
            self._reader = reader

        def __aiter__(self) -> Body:
            return self

        async def __anext__(self) -> bytes:
            if data := await self._reader.read(20_000):
                return data
            raise StopAsyncIteration

    # A local socket: a machine that is cut off may have no loopback device either.
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "socket")
        server = await asyncio.start_unix_server(serve, place)
        for name, body in (("iterated", Body), ("reader", lambda reader: reader)):
            reader, writer = await asyncio.open_unix_connection(place)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            assert (await manager.add_file(name, body(reader), size=size)).size == len(LARGE)
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
    await manager.save_checkpoint()
    assert await content_of(manager, "iterated") == await content_of(manager, "reader") == LARGE


async def test_reads_are_asked_for_in_slabs(manager: JCFManager) -> None:
    reader = Reader(LARGE)
    await manager.add_file("x", reader)
    assert set(reader.asked) == {MIB}


async def test_what_comes_in_pieces_of_one_byte(manager: JCFManager) -> None:
    data = noise(3000)
    assert (await manager.add_file("x", iter([bytes([byte]) for byte in data]))).size == 3000
    await manager.save_checkpoint()
    assert await content_of(manager, "x") == data


async def test_one_chunk_larger_than_every_queue(manager: JCFManager) -> None:
    data = bytearray(24 * MIB)
    data[5 * MIB : 6 * MIB] = noise(MIB)
    entry = await manager.add_file("x", iter([data]))
    assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (
            None,
            TypeError,
            "content must be bytes, a binary file, an iterable of bytes or a ReadableStream, not NoneType",
        ),
        (3, TypeError, "content must be bytes, a binary file, an iterable of bytes or a ReadableStream, not int"),
        (["text"], TypeError, "content must come as bytes; a chunk is of type str"),
        ([b"bytes", 7], TypeError, "content must come as bytes; a chunk is of type int"),
        ([b"bytes", None, b"more"], TypeError, "content must come as bytes; a chunk is of type NoneType"),
        (io.StringIO("text"), TypeError, "content must come as bytes; a chunk is of type str"),
        ("no such file", NotFoundError, "There is no file or folder"),
        (os.fspath(os.curdir), StorageError, "is not a file"),
    ],
    ids=["none", "number", "texts", "numbers", "a gap", "text file", "no file", "folder"],
)
async def test_what_is_no_content(manager: JCFManager, content: Any, error: type[Exception], said: str) -> None:
    await manager.add_file("before", b"1")
    with pytest.raises(error, match=said):
        await manager.add_file("x", content)
    await manager.save_checkpoint()
    assert await listed(manager) == ["before"]


async def test_locked_stream(manager: JCFManager) -> None:
    content = stream(SMALL, Path())
    reader = content.get_reader()
    with pytest.raises(TypeError, match="locked"):
        await manager.add_file("x", content)
    assert not (await reader.read()).done, "it is still its owner's"
    await reader.cancel()


@pytest.mark.parametrize("before", [0, 40_000, 5_000_000])
@pytest.mark.parametrize("kind", ["generator", "async generator", "file", "reader", "stream"])
async def test_content_that_fails(manager: JCFManager, tmp_path: Path, kind: str, before: int) -> None:
    """Its own exception object arrives, what was added earlier stays, nothing of it remains."""
    failure = ZeroDivisionError("the source's own")
    data = text(before)

    def generator() -> Iterator[bytes]:
        yield from pieces(data)
        raise failure

    async def async_generator() -> AsyncIterator[bytes]:
        for piece in pieces(data):
            yield piece
        raise failure

    class File:
        def __init__(self) -> None:
            self._data = io.BytesIO(data)

        def read(self, size: int) -> bytes:
            if got := self._data.read(size):
                return got
            raise failure

    class Async(File):
        async def read(self, size: int) -> bytes:  # type: ignore[override]
            return super().read(size)

    class Source(Pulled):
        def pull(self, controller: Any) -> None:
            piece = next(self._pieces, None)
            if piece is None:
                raise failure
            controller.enqueue(piece)

    content: Any = {
        "generator": generator,
        "async generator": async_generator,
        "file": File,
        "reader": Async,
        "stream": lambda: ReadableStream(Source(data)),
    }[kind]()
    await manager.add_file("earlier", b"earlier")
    checkpoint = manager._pending.checkpoint
    assert checkpoint is not None
    position = checkpoint.transaction.region.position
    async with no_task_left():
        with pytest.raises(ZeroDivisionError) as caught:
            await manager.add_file("x", content)
        assert caught.value is failure
    assert checkpoint.transaction.region.position == position
    await manager.add_file("later", b"later")
    await manager.save_checkpoint()
    assert await listed(manager) == ["earlier", "later"]
    assert (await manager.list_files()).dead_bytes == 0
    assert (await manager.verify()).valid


@pytest.mark.parametrize("told", [-1, +1])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_another_size_than_was_told(manager: JCFManager, data: bytes, told: int) -> None:
    what_came = "only" if told > 0 else "more came"
    with pytest.raises(SourceChangedError, match=rf"“x” should have {len(data) + told} bytes, but {what_came}"):
        await manager.add_file("x", iter(pieces(data)), size=len(data) + told)
    with pytest.raises(SourceChangedError):
        await manager.add_file("x", data, size=len(data) + told)
    assert os.listdir(os.path.dirname(manager.path)) == [], "nothing waits, so nothing is locked"
    await manager.add_file("x", iter(pieces(data)), size=len(data))
    await manager.save_checkpoint()
    assert await content_of(manager, "x") == data


async def test_source_files_are_closed(manager: JCFManager, tmp_path: Path) -> None:
    for number, data in enumerate([SMALL, LARGE]):
        write(tmp_path / "sources" / str(number), data)
        await manager.add_file(str(number), tmp_path / "sources" / str(number))
    assert open_files(tmp_path / "sources") == []
    await manager.save_checkpoint()
    assert open_files(tmp_path) == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_every_byte_is_counted_once_in_every_stage(manager: JCFManager, content: bytes) -> None:
    control = RunControl()
    await manager.add_file("x", iter([content[:1000], content[1000:]]), control=control)
    stages = {stage.name: stage for stage in control.stages.snapshot()}
    size = len(content)
    assert (stages["read"].bytes_in, stages["read"].bytes_out) == (size, size)
    assert stages["hash"].bytes_in == stages["encode"].bytes_in == size
    assert stages["read"].busy > 0
