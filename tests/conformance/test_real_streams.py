"""The streams a save and a restore are really made of: files, ranges, entries of archives, worker threads."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import AbortError, StorageError
from kamaros_gui.codecs import DEFLATE, STORE, ZSTD, ContentDigest, make_encoder, open_decoder
from kamaros_gui.pipeline.packing import pack_bytes
from kamaros_gui.pipeline.stages import BlockTransformer, DecodingSource, digest_sink
from kamaros_gui.pipeline.unpacking import data_offset
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.files import Buffer, RandomAccessFile
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
from kamaros_gui.storage.whole import FileWriter
from kamaros_gui.streams import ByteLengthQueuingStrategy, ParallelTransformStream, ReadableStream, WritableStream
from tests.conformance.harness import check_readable, check_transform, check_writable
from tests.helpers.clock import until_idle
from tests.helpers.streams import rejects_with
from tests.helpers.trees import noise, text

KIB, MIB = 1 << 10, 1 << 20
CONTENT = text(300 * KIB) + noise(300 * KIB + 77) + bytes(200 * KIB)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = Workers(2)
    yield pool
    pool.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(CONTENT)
    return str(tmp_path / "file")


def file_stream(
    file: RandomAccessFile,
    workers: Workers,
    *,
    offset: int = 0,
    length: int = len(CONTENT),
    chunk: int = 4 * KIB,
    slab: int = 32 * KIB,
    **options: Any,
) -> ReadableStream[memoryview]:
    source = RangeSource(file, offset, length, chunk_size=chunk, submit=workers.io, slabs=SlabPool(slab), **options)
    return ReadableStream(source, ByteLengthQueuingStrategy(2 * chunk))


async def read_all(stream: ReadableStream[Any]) -> bytes:
    return b"".join([bytes(chunk) async for chunk in stream])


# -------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize(("chunk", "slab"), [(4 * KIB, 32 * KIB), (64 * KIB, MIB), (4 * MIB, 4 * MIB)])
async def test_a_range_of_a_file(path: str, workers: Workers, chunk: int, slab: int) -> None:
    file = RandomAccessFile(path)
    await check_readable(lambda: file_stream(file, workers, chunk=chunk, slab=slab), CONTENT)
    await check_readable(
        lambda: file_stream(file, workers, offset=1001, length=70_000, chunk=chunk, slab=slab), CONTENT[1001:71_001]
    )
    file.close()


async def test_a_range_longer_than_the_file_ends_where_the_file_ends(path: str, workers: Workers) -> None:
    file = RandomAccessFile(path)
    await check_readable(lambda: file_stream(file, workers, length=10 * len(CONTENT)), CONTENT)
    assert await read_all(file_stream(file, workers, length=0)) == b""
    assert await read_all(file_stream(file, workers, offset=len(CONTENT), length=5)) == b""
    file.close()


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("content", [CONTENT, text(50_000), bytes(MIB)], ids=["mixed", "text", "zeros"])
async def test_an_entry_of_an_archive(tmp_path: Path, workers: Workers, codec: Any, content: bytes) -> None:
    entry, parts = pack_bytes("entry", content, mode=0o644, mtime=0, codec=codec, level=3)
    archive = RandomAccessFile(str(tmp_path / "a.zip"), "x")
    archive.write(0, [*parts, b"what follows in the archive" * 1000])

    def opened() -> ReadableStream[memoryview]:
        offset = data_offset(archive, entry, ())
        compressed = file_stream(archive, workers, offset=offset, length=entry.compressed_size)
        decoding = DecodingSource(compressed, open_decoder(entry.method), submit=workers.compute, chunk_size=512 * KIB)
        return ReadableStream(decoding, ByteLengthQueuingStrategy(512 * KIB))

    await check_readable(opened, content)
    archive.close()


class GatedFile(RandomAccessFile):
    """Reads begin when the test lets them; knows how many are under way."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.reading = 0
        self.began = 0
        self.closed_while_reading = False

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self.reading += 1
        self.began += 1
        assert self.gate.wait(30)
        got = super().read_into(buffer, offset)
        self.reading -= 1
        return got

    def close(self) -> None:
        self.closed_while_reading |= self.reading > 0
        super().close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what a thread does has no asyncio event
            await asyncio.sleep(0)


async def test_a_cancel_waits_for_the_very_first_read(path: str, workers: Workers) -> None:
    file = GatedFile(path)
    stream = file_stream(file, workers)
    await until(lambda: file.reading == 1)
    cancelled = asyncio.ensure_future(_wait(stream.cancel()))
    await until_idle()
    assert not cancelled.done()
    file.gate.set()
    await cancelled
    file.close()
    assert not file.closed_while_reading
    await until_idle()
    assert file.began == 1, "it went on reading after the cancel"


async def test_a_cancel_waits_for_the_read_ahead(path: str, workers: Workers) -> None:
    file = GatedFile(path)
    file.gate.set()
    stream = file_stream(file, workers)
    reader = stream.get_reader()
    await reader.read()
    file.gate.clear()
    for _ in range(7):
        await reader.read()  # the slab is used up, the next one is asked for
    file.gate.clear()
    began = file.began
    cancelled = asyncio.ensure_future(_wait(reader.cancel()))
    await until_idle()
    file.gate.set()
    await cancelled
    file.close()
    assert not file.closed_while_reading
    assert file.began <= began + 1


async def test_an_abort_noticed_at_the_checkpoint_waits_for_the_read_ahead(path: str, workers: Workers) -> None:
    file = GatedFile(path)
    file.gate.set()
    reason = AbortError("reason")
    checks = itertools.count()

    async def checkpoint() -> None:
        if next(checks) == 1:
            raise reason

    def submit(function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        if submitted:  # the read ahead
            file.gate.clear()
        submitted.append(None)
        return workers.io(function, *arguments)

    submitted: list[None] = []
    source = RangeSource(
        file, 0, len(CONTENT), chunk_size=32 * KIB, submit=submit, slabs=SlabPool(32 * KIB), checkpoint=checkpoint
    )
    stream = ReadableStream(source, ByteLengthQueuingStrategy(1))
    reader = stream.get_reader()
    assert bytes((await reader.read()).value) == CONTENT[: 32 * KIB]
    failing = asyncio.ensure_future(_wait(reader.read()))
    await until(lambda: file.reading == 1)
    await until_idle()
    assert not failing.done()
    file.gate.set()
    await rejects_with(failing, reason)
    assert file.reading == 0
    file.close()


async def test_a_failing_read_errors_the_stream(tmp_path: Path, workers: Workers) -> None:
    folder = RandomAccessFile(str(tmp_path))
    with pytest.raises(StorageError, match="Is a directory"):
        await read_all(file_stream(folder, workers))
    folder.close()


async def test_a_file_closed_under_the_stream_errors_it(path: str, workers: Workers) -> None:
    file = RandomAccessFile(path)
    reader = file_stream(file, workers).get_reader()
    await reader.read()
    await until_idle()
    file.close()

    async def read_on() -> None:
        while not (await reader.read()).done:
            pass

    with pytest.raises(StorageError):
        await read_on()


async def test_a_pause_holds_before_the_next_slab_and_an_abort_ends_it(path: str, workers: Workers) -> None:
    file = GatedFile(path)
    file.gate.set()
    controller = AbortController()
    control = RunControl(controller.signal)
    control.gate.close()
    stream = file_stream(file, workers, checkpoint=control.checkpoint)
    reader = stream.get_reader()
    first = asyncio.ensure_future(_wait(reader.read()))
    await until_idle()
    assert (file.began, first.done()) == (0, False)
    control.gate.open()
    assert bytes((await first).value) == CONTENT[: 4 * KIB]
    control.gate.close()
    read = 4 * KIB
    pending = asyncio.ensure_future(_wait(reader.read()))
    while pending in (await asyncio.wait([pending], timeout=0.05))[0]:
        read += len(pending.result().value)
        pending = asyncio.ensure_future(_wait(reader.read()))
    assert read <= 64 * KIB, "a pause let more than what was read already through"
    reason = AbortError("enough")
    controller.abort(reason)
    await rejects_with(pending, reason)
    file.close()
    assert not file.closed_while_reading


async def test_progress_counts_every_byte_once(path: str, workers: Workers) -> None:
    file = RandomAccessFile(path)
    sizes: list[int] = []
    await read_all(file_stream(file, workers, on_chunk=sizes.append))
    assert sum(sizes) == len(CONTENT)
    assert max(sizes) == 4 * KIB
    file.close()


@pytest.mark.parametrize("chunk", [4 * KIB << shift for shift in range(13)])
def test_slabs_divide_into_whole_chunks(chunk: int) -> None:
    assert slab_size(chunk) % chunk == 0
    assert slab_size(chunk) >= max(chunk, MIB)


async def test_damage_cancels_the_compressed_stream(workers: Workers) -> None:
    cancelled: list[object] = []

    class Source:
        def pull(self, controller: Any) -> None:
            controller.enqueue(memoryview(b"\xff" * 1000))

        def cancel(self, reason: object) -> None:
            cancelled.append(reason)

    decoding = DecodingSource(
        ReadableStream(Source()), open_decoder(DEFLATE), submit=workers.compute, chunk_size=64 * KIB
    )
    with pytest.raises(Exception, match="damaged") as caught:
        await read_all(ReadableStream(decoding))
    assert cancelled == [caught.value]


# ---------------------------------------------------------------------------------------------------- sinks


async def test_a_new_file(tmp_path: Path, workers: Workers) -> None:
    numbers = itertools.count()

    def opened() -> tuple[WritableStream[Any], Callable[[], bytes | None]]:
        path = str(tmp_path / str(next(numbers)))
        writer = FileWriter(path)

        class Sink(BatchingSink):
            async def close(self) -> None:
                await super().close()
                await workers.io(writer.finish, 0o600, 0)

            async def abort(self, reason: object = None) -> None:
                await super().abort(reason)
                await workers.io(writer.discard)

        def written() -> bytes | None:
            return Path(path).read_bytes() if os.path.exists(path) else None

        return WritableStream(Sink(writer.append, submit=workers.io, batch_size=100)), written

    await check_writable(opened)


async def test_the_end_of_an_archive(path: str, workers: Workers) -> None:
    file = RandomAccessFile(path, "r+")

    def opened() -> tuple[WritableStream[Any], Callable[[], bytes | None]]:
        region = AppendRegion(file, len(CONTENT))

        class Sink(BatchingSink):
            async def abort(self, reason: object = None) -> None:
                await super().abort(reason)
                region.rewind(region.start)

        return (
            WritableStream(Sink(region.append, submit=workers.io, batch_size=1000)),
            lambda: file.read_exactly(region.start, region.size),
        )

    await check_writable(opened)
    assert file.read_exactly(0, len(CONTENT)) == CONTENT
    file.close()


async def test_a_digest(workers: Workers) -> None:
    digest = ContentDigest()
    await ReadableStream.from_([b"abc", bytearray(b"de"), memoryview(b"f")]).pipe_to(
        WritableStream(digest_sink(digest, workers.compute))
    )
    whole = ContentDigest()
    whole.update(b"abcdef")
    assert (digest.sha256, digest.crc32, digest.size) == (whole.sha256, whole.crc32, 6)


async def test_batches_come_one_at_a_time_in_order_and_are_bounded(workers: Workers) -> None:
    under_way, most = 0, 0
    batches: list[bytes] = []

    def deliver(parts: list[Buffer]) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        batches.append(b"".join(parts))
        under_way -= 1

    chunks = [noise(1000, seed) for seed in range(200)]
    await ReadableStream.from_(chunks).pipe_to(
        WritableStream(BatchingSink(deliver, submit=workers.io, batch_size=3500))
    )
    assert b"".join(batches) == b"".join(chunks)
    assert most == 1
    assert max(map(len, batches)) < 3500 + 1000
    assert len(batches) == 50


@pytest.mark.parametrize("failing", [0, 3, 9])
async def test_a_failing_batch_errors_the_stream(workers: Workers, failing: int) -> None:
    error = StorageError("no")
    numbers = itertools.count()

    def deliver(parts: list[Buffer]) -> None:
        if next(numbers) == failing:
            raise error

    source = ReadableStream.from_([b"x" * 100] * 100)
    sink = WritableStream(BatchingSink(deliver, submit=workers.io, batch_size=1000))
    await rejects_with(source.pipe_to(sink), error)
    assert next(numbers) == failing + 1, "it went on after the failure"


async def test_an_abort_waits_for_the_batch_under_way(workers: Workers) -> None:
    gate, under_way = threading.Event(), threading.Event()
    ended: list[int] = []

    def deliver(parts: list[Buffer]) -> None:
        under_way.set()
        assert gate.wait(30)
        ended.append(len(parts))

    writer = WritableStream(BatchingSink(deliver, submit=workers.io, batch_size=10)).get_writer()
    await writer.write(b"x" * 10)
    await writer.write(b"y" * 5)
    await until(under_way.is_set)
    aborted = asyncio.ensure_future(_wait(writer.abort("reason")))
    await until_idle()
    assert not aborted.done()
    gate.set()
    await aborted
    assert ended == [1], "what was only gathered was delivered"


# ----------------------------------------------------------------------------------------------- transforms


@pytest.mark.parametrize(("codec", "method"), [("deflate", DEFLATE), ("zstd", ZSTD), ("store", STORE)])
async def test_encoding(workers: Workers, codec: Any, method: int) -> None:
    data = text(300 * KIB) + noise(250 * KIB)

    def make() -> Any:
        encoder = make_encoder(codec, 1, 2)
        return ParallelTransformStream(
            BlockTransformer(encoder, SlabPool(encoder.block_size)),
            workers.compute,
            encoder.max_parallel or 3,
            ByteLengthQueuingStrategy(4 * encoder.block_size),
            ByteLengthQueuingStrategy(512 * KIB),
        )

    def inverse(encoded: bytes) -> bytes:
        decoder = open_decoder(method)
        out, piece = [], decoder.decompress(encoded, MIB)
        while piece:
            out.append(piece)
            piece = decoder.decompress(b"", MIB) if not decoder.needs_input else b""
        decoder.finish()
        return b"".join(out)

    await check_transform(make, data, inverse=inverse)


async def _wait(awaitable: Any) -> Any:
    return await awaitable
