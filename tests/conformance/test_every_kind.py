"""The harness on streams that are not made of files: iterables, digests, progress, slow and failing ones."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import StorageError
from kamaros_gui.codecs import ContentDigest
from kamaros_gui.pipeline.stages import digest_sink
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.streams import ByteLengthQueuingStrategy, Promise, ReadableStream, TransformStream, WritableStream
from tests.conformance.harness import (
    check_failing_readable,
    check_failing_transform,
    check_failing_writable,
    check_readable,
    check_transform,
    check_writable,
)
from tests.helpers.streams import ListSource, SlowSource
from tests.helpers.trees import text

DATA = text(20_000)
CHUNKS = [DATA[at : at + 999] for at in range(0, len(DATA), 999)]
E1 = StorageError("first")


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = Workers(2)
    yield pool
    pool.close()


def by_bytes(mark: int) -> ByteLengthQueuingStrategy:
    return ByteLengthQueuingStrategy(mark)


# ------------------------------------------------------------------------------------------------ iterables


def generated() -> Iterator[bytes]:
    yield from CHUNKS


async def generated_slowly() -> AsyncIterator[bytes]:
    for chunk in CHUNKS:
        await asyncio.sleep(0)
        yield chunk


@pytest.mark.parametrize(
    "make",
    [lambda: CHUNKS, lambda: iter(CHUNKS), generated, generated_slowly],
    ids=["list", "iterator", "sync", "async"],
)
async def test_iterables(make: Callable[[], Any]) -> None:
    await check_readable(lambda: ReadableStream.from_(make()), DATA)


@pytest.mark.parametrize("after", [0, 1, 20])
@pytest.mark.parametrize("slowly", [False, True])
async def test_iterables_that_fail(after: int, slowly: bool) -> None:
    def failing() -> Iterator[bytes]:
        yield from CHUNKS[:after]
        raise E1

    async def failing_slowly() -> AsyncIterator[bytes]:
        for chunk in CHUNKS[:after]:
            await asyncio.sleep(0)
            yield chunk
        raise E1

    await check_failing_readable(lambda: ReadableStream.from_(failing_slowly() if slowly else failing()), E1, DATA)


# ------------------------------------------------------------------------------------- slow, like a network


@pytest.mark.parametrize("mark", [0, 1, 5000])
async def test_a_slow_source(mark: int) -> None:
    await check_readable(lambda: ReadableStream(SlowSource(CHUNKS), by_bytes(mark)), DATA)


class SlowMemory:
    """Takes each chunk a few turns of the loop late, and now and then not at once."""

    def __init__(self) -> None:
        self.content = b""
        self._turns = itertools.count()

    async def write(self, chunk: Any, _controller: Any) -> None:
        data = bytes(chunk)
        for _ in range(next(self._turns) % 4):
            await asyncio.sleep(0)
        self.content += data

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def abort(self, _reason: object) -> None:
        await asyncio.sleep(0)
        self.content = b""


@pytest.mark.parametrize("mark", [0, 1, 5000])
async def test_a_slow_sink(mark: int) -> None:
    def make() -> tuple[WritableStream[Any], Callable[[], bytes]]:
        sink = SlowMemory()
        return WritableStream(sink, by_bytes(mark)), lambda: sink.content

    if mark:
        await check_writable(make)
        return
    # Without any room nothing is ready: a pipe moves nothing, a writer that does not ask gets its chunks through.
    stream, written = make()
    writer = stream.get_writer()
    assert writer.ready.pending
    await writer.write(b"one")
    await writer.close()
    assert written() == b"one"


async def test_a_slow_transform() -> None:
    class Slow:
        async def transform(self, chunk: Any, controller: Any) -> None:
            await asyncio.sleep(0)
            controller.enqueue(bytes(chunk))

        async def flush(self, _controller: Any) -> None:
            await asyncio.sleep(0)

    await check_transform(lambda: TransformStream(Slow()), DATA)


# ------------------------------------------------------------------------------------------------- failing


class FailingAt:
    """A source, sink or transformer that fails in one method, plain or awaited, from the given call of it on."""

    def __init__(self, where: str, *, awaited: bool = False, call: int = 0) -> None:
        self._where = where
        self._awaited = awaited
        self._calls = itertools.count(-call)
        self._left = list(CHUNKS)

    def _step(self, method: str) -> Any:
        if method == self._where and next(self._calls) >= 0:
            if self._awaited:
                return Promise.rejected(E1)
            raise E1
        return None

    def start(self, _controller: Any) -> Any:
        return self._step("start")

    def pull(self, controller: Any) -> Any:
        failing = self._step("pull")
        if failing is None:
            controller.enqueue(self._left.pop(0))
        return failing

    def write(self, _chunk: Any, _controller: Any) -> Any:
        return self._step("write")

    def close(self) -> Any:
        return self._step("close")

    def transform(self, chunk: Any, controller: Any) -> Any:
        failing = self._step("transform")
        if failing is None:
            controller.enqueue(chunk)
        return failing

    def flush(self, _controller: Any) -> Any:
        return self._step("flush")


@pytest.mark.parametrize("call", [0, 1, 20])
@pytest.mark.parametrize("awaited", [False, True])
async def test_sources_that_fail(call: int, awaited: bool) -> None:
    await check_failing_readable(
        lambda: ReadableStream(FailingAt("pull", awaited=awaited, call=call), by_bytes(2000)), E1, DATA
    )


async def test_a_source_that_fails_at_the_start() -> None:
    await check_failing_readable(lambda: ReadableStream(FailingAt("start", awaited=True)), E1)
    with pytest.raises(StorageError):
        ReadableStream(FailingAt("start"))


@pytest.mark.parametrize("call", [0, 1, 20])
async def test_slow_sources_that_fail(call: int) -> None:
    await check_failing_readable(lambda: ReadableStream(SlowSource(CHUNKS[:call], E1), by_bytes(2000)), E1, DATA)


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("where", "call"), [("start", 0), ("write", 0), ("write", 1), ("write", 200), ("close", 0)])
async def test_sinks_that_fail(where: str, call: int, awaited: bool) -> None:
    if where == "start" and not awaited:
        with pytest.raises(StorageError):
            WritableStream(FailingAt("start"))
        return
    await check_failing_writable(
        lambda: WritableStream(FailingAt(where, awaited=awaited, call=call), by_bytes(500)), E1, DATA + bytes(2000)
    )


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("where", "call"), [("start", 0), ("transform", 0), ("transform", 30), ("flush", 0)])
async def test_transforms_that_fail(where: str, call: int, awaited: bool) -> None:
    if where == "start" and not awaited:
        with pytest.raises(StorageError):
            TransformStream(FailingAt("start"))
        return
    await check_failing_transform(
        lambda: TransformStream(FailingAt(where, awaited=awaited, call=call), by_bytes(500), by_bytes(500)), E1, DATA
    )


@pytest.mark.parametrize("awaited", [False, True])
async def test_streams_whose_giving_up_fails(awaited: bool) -> None:
    """A failing cancel is the outcome of the cancel, a failing abort that of the abort; the lock goes all the same."""

    def fail(_reason: object) -> Any:
        if awaited:
            return Promise.rejected(E1)
        raise E1

    source, sink = ListSource(CHUNKS), SlowMemory()
    source.cancel = fail  # type: ignore[method-assign]
    sink.abort = fail  # type: ignore[method-assign]
    for outcome in (
        ReadableStream(source).cancel("enough"),
        WritableStream(sink).abort("enough"),
        ReadableStream(source).pipe_to(WritableStream(FailingAt("write"))),
    ):
        with pytest.raises(StorageError) as caught:
            await outcome
        assert caught.value is E1
    readable, dest = ReadableStream(FailingAt("pull", call=3)), WritableStream(sink)
    with pytest.raises(StorageError) as caught:
        await readable.pipe_to(dest)
    assert caught.value is E1
    assert not readable.locked
    assert not dest.locked


# ------------------------------------------------------------------------------------ digests and progress


class Hashed:
    """What went into a digest: equal to the bytes that have this digest, false while there are none."""

    def __init__(self, digest: ContentDigest) -> None:
        self._digest = digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes) and self._digest.sha256 == hashlib.sha256(other).hexdigest()

    def __hash__(self) -> int:
        return hash(self._digest.sha256)

    def __bool__(self) -> bool:
        return self._digest.size > 0


async def test_a_digest(workers: Workers) -> None:
    def make() -> tuple[WritableStream[Any], Callable[[], Any]]:
        digest = ContentDigest()
        return WritableStream(digest_sink(digest, workers.compute), by_bytes(5000)), lambda: Hashed(digest)

    await check_writable(make)


@pytest.mark.parametrize("failing", [0, 2])
async def test_a_batch_that_fails(workers: Workers, failing: int) -> None:
    def make() -> WritableStream[Any]:
        numbers = itertools.count()

        def deliver(_parts: list[Any]) -> None:
            if next(numbers) == failing:
                raise E1

        return WritableStream(BatchingSink(deliver, submit=workers.io, batch_size=1500), by_bytes(500))

    await check_failing_writable(make, E1, DATA)


async def test_progress_that_counts_on_the_way() -> None:
    control = RunControl()

    class Counting:
        def transform(self, chunk: Any, controller: Any) -> None:
            control.progress.add_chunk(len(chunk))
            controller.enqueue(chunk)

    await check_transform(lambda: TransformStream(Counting()), DATA)
    before = control.progress.bytes_done
    counted = ReadableStream.from_(CHUNKS).pipe_through(TransformStream(Counting()))
    assert b"".join([chunk async for chunk in counted]) == DATA
    assert control.progress.bytes_done - before == len(DATA)
