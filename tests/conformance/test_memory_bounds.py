"""What keeps memory flat, without a clock: how much is read before a sink that stands still, alone or behind a tee."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.base.limits import STAGE_QUEUE, TEE_BOUND
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    ParallelTransformStream,
    Promise,
    ReadableStream,
    TransformStream,
    WritableStream,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, RecordingSink, rejects_with

MIB = 1 << 20
HUGE = 20 << 30
CHUNK = 256 << 10
E1 = ValueError("first")


class HugeFile:
    """A sparse file; notes what is read of it, and what is being read now."""

    def __init__(self, path: Path, workers: Workers, size: int = HUGE) -> None:
        with open(path, "wb") as file:
            file.truncate(size)
        self.size = size
        self.file = RandomAccessFile(str(path))
        self.slabs = SlabPool(slab_size(CHUNK))
        self.read = 0
        self.under_way: set[asyncio.Future[Any]] = set()
        self._workers = workers

    def open(self) -> ReadableStream[Any]:
        source = RangeSource(self.file, 0, self.size, chunk_size=CHUNK, submit=self._submit, slabs=self.slabs)
        return ReadableStream(source, ByteLengthQueuingStrategy(CHUNK))

    def _submit(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        self.read += len(arguments[0])
        future = self._workers.io(function, *arguments)
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future

    async def at_rest(self) -> None:
        """Wait until nothing is being read and nobody asks for more."""
        await until_idle()
        while self.under_way:
            await asyncio.wait(self.under_way)
            await until_idle()


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = Workers(2)
    yield pool
    pool.close()


@pytest.fixture
async def huge(tmp_path: Path, workers: Workers) -> AsyncIterator[HugeFile]:
    huge = HugeFile(tmp_path / "huge", workers)
    yield huge
    huge.file.close()


class Stalled(RecordingSink):
    """Takes one chunk and is never done with it, until the test lets it fail."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck: Promise[None] = Promise()

    def write(self, chunk: Any, controller: Any) -> Any:
        return self.stuck


async def test_a_stalled_sink_stops_a_source_of_20_gib_at_the_marks(huge: HugeFile) -> None:
    sink = Stalled()
    stream = huge.open()
    dest: WritableStream[Any] = WritableStream(sink, ByteLengthQueuingStrategy(STAGE_QUEUE))
    pipe = stream.pipe_to(dest)
    await huge.at_rest()
    held = stream.statistics().queued + dest.statistics().queued
    assert held <= STAGE_QUEUE + 2 * CHUNK
    assert huge.read <= held + 2 * huge.slabs.size, "more was read than the queues and two slabs hold"
    read = huge.read
    await huge.at_rest()
    assert huge.read == read
    sink.stuck.reject(E1)
    await rejects_with(pipe, E1)


async def test_a_stalled_sink_behind_transforms_stops_the_source_too(huge: HugeFile, workers: Workers) -> None:
    class Blocks:
        def transform(self, chunk: Any) -> list[Callable[[], Any]]:
            return [lambda: chunk]

    sink, mark = Stalled(), ByteLengthQueuingStrategy(MIB)
    pair = ParallelTransformStream(Blocks(), workers.compute, 3, mark, mark)
    through: TransformStream[Any, Any] = TransformStream(None, mark, mark)
    out = huge.open().pipe_through(pair).pipe_through(through)
    pipe = out.pipe_to(WritableStream(sink, mark))
    for _ in range(20):
        await huge.at_rest()
    assert huge.read <= 8 * MIB
    sink.stuck.reject(E1)
    await rejects_with(pipe, E1)


async def test_a_stalled_branch_of_a_tee_keeps_memory_flat_and_a_cancelled_one_lets_the_other_complete(
    tmp_path: Path, workers: Workers
) -> None:
    file = HugeFile(tmp_path / "file", workers, 64 * MIB)
    quick, stalled = RecordingSink(), Stalled()
    first, second = file.open().tee(TEE_BOUND)
    pipe = first.pipe_to(WritableStream(quick, ByteLengthQueuingStrategy(STAGE_QUEUE)))
    stopped = second.pipe_to(WritableStream(stalled, ByteLengthQueuingStrategy(STAGE_QUEUE)))
    await file.at_rest()
    assert second.statistics().queued < TEE_BOUND + CHUNK
    assert first.statistics().bytes_in <= STAGE_QUEUE + TEE_BOUND + 2 * CHUNK
    assert file.read <= STAGE_QUEUE + TEE_BOUND + 2 * CHUNK + 2 * file.slabs.size
    stalled.stuck.reject(E1)
    await rejects_with(stopped, E1)
    await pipe
    assert sum(len(event[1]) for event in quick.events[:-1]) == 64 * MIB
    assert quick.events[-1] == "close"
    file.file.close()


async def test_a_slow_source_is_waited_for_and_not_asked_again_and_again() -> None:
    asked: list[Promise[None]] = []

    class Slow(ListSource):
        def pull(self, controller: Any) -> Any:
            asked.append(Promise())
            return asked[-1]

    loop, turns = asyncio.get_running_loop(), 0
    left, right = ReadableStream[Any](Slow([])).tee()
    pipes = [left.pipe_through(TransformStream()).pipe_to(WritableStream()), right.pipe_to(WritableStream())]
    await until_idle()
    call_soon = loop.call_soon

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal turns
        turns += 1
        return call_soon(*arguments, **options)

    loop.call_soon = counting  # type: ignore[method-assign]  # the loop of this test
    waited = asyncio.Event()
    loop.call_later(0.05, waited.set)
    await waited.wait()
    loop.call_soon = call_soon  # type: ignore[method-assign]
    assert len(asked) == 1
    assert turns <= 3, "something keeps the event loop turning while everybody waits"
    assert all(pipe.pending for pipe in pipes)
