from __future__ import annotations

import asyncio
import functools
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kamaros_gui.base.abort import AbortController
from kamaros_gui.streams import ByteLengthQueuingStrategy, ParallelTransformStream, ReadableStream, WritableStream
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, RecordingSink, no_task_left, rejects_with

E1 = ValueError("first")
E2 = KeyError("second")


class Blocks:
    """Cuts the bytes it gets into blocks of ``size``; each job returns what ``work`` makes of one."""

    def __init__(self, size: int, work: Callable[[bytes], Any] = bytes) -> None:
        self.size = size
        self.work = work
        self.rest = b""
        self.cancelled: list[object] = []

    def transform(self, chunk: bytes) -> list[Callable[[], Any]]:
        data = self.rest + bytes(chunk)
        whole = len(data) // self.size * self.size
        self.rest = data[whole:]
        return [functools.partial(self.work, data[at : at + self.size]) for at in range(0, whole, self.size)]

    def flush(self) -> list[Callable[[], Any]]:
        return [functools.partial(self.work, self.rest)] if self.rest else []

    def cancel(self, reason: object) -> None:
        self.cancelled.append(reason)


class ByHand:
    """Runs a job when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []

    def __call__(self, job: Callable[[], Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.jobs.append((job, future))
        return future

    async def run(self, index: int) -> None:
        job, future = self.jobs[index]
        try:
            future.set_result(job())
        except (ValueError, KeyError) as error:
            future.set_exception(error)
        await until_idle()


def by_bytes(mark: int) -> ByteLengthQueuingStrategy:
    return ByteLengthQueuingStrategy(mark)


async def test_results_are_delivered_in_order_whatever_order_the_jobs_end_in() -> None:
    submit, sink = ByHand(), RecordingSink()
    pair = ParallelTransformStream(Blocks(1), submit, 4, by_bytes(100), by_bytes(100))
    pipe = ReadableStream.from_([b"abc"]).pipe_through(pair).pipe_to(WritableStream(sink))
    await until_idle()
    await submit.run(2)
    await submit.run(1)
    assert sink.events == []
    await submit.run(0)
    await pipe
    assert sink.events == [("write", b"a"), ("write", b"b"), ("write", b"c"), "close"]


async def test_never_more_jobs_than_allowed() -> None:
    submit = ByHand()
    pair = ParallelTransformStream(Blocks(1), submit, 2, by_bytes(100), by_bytes(100))
    pipe = ReadableStream.from_([b"abcde"]).pipe_through(pair).pipe_to(WritableStream())
    await until_idle()
    for done in range(5):
        assert len(submit.jobs) == min(done + 2, 5)
        await submit.run(done)
    await pipe


async def test_bytes_in_work_count_against_the_high_water_mark() -> None:
    submit, source = ByHand(), ListSource([b"0123456789"] * 10)
    pair = ParallelTransformStream(Blocks(10), submit, 100, by_bytes(30), by_bytes(1000))
    pipe = ReadableStream(source, by_bytes(0)).pipe_through(pair).pipe_to(WritableStream())
    await until_idle()
    assert len(submit.jobs) == 3
    assert pair.writable.controller.desired_size == 0
    await submit.run(0)
    assert len(submit.jobs) == 4
    for index in range(1, 10):
        await submit.run(index)
    await pipe


async def test_bytes_swallowed_for_a_block_count_when_it_is_full() -> None:
    submit = ByHand()
    pair = ParallelTransformStream(Blocks(20), submit, 4, by_bytes(100), by_bytes(100))
    writer = pair.writable.get_writer()
    await until_idle()
    await writer.write(b"0123456789")
    assert submit.jobs == []
    assert writer.desired_size == 100
    await writer.write(b"0123456789")
    assert writer.desired_size == 80
    reader = pair.readable.get_reader()
    await submit.run(0)
    assert writer.desired_size == 100
    assert len((await reader.read()).value or b"") == 20


async def test_a_block_larger_than_the_mark_is_filled_all_the_same() -> None:
    pair = ParallelTransformStream(Blocks(50), _at_once, 2, by_bytes(10), by_bytes(10))
    readable = ReadableStream.from_([b"0123456789"] * 12).pipe_through(pair)
    assert [len(chunk) async for chunk in readable] == [50, 50, 20]
    assert pair.writable.controller.queue_size == 0


async def test_results_without_a_reader_keep_their_slots() -> None:
    submit = ByHand()
    pair = ParallelTransformStream(Blocks(1), submit, 2, by_bytes(100))
    writer = pair.writable.get_writer()
    await until_idle()
    write = writer.write(b"abc")
    await until_idle()
    await submit.run(0)
    await submit.run(1)
    assert len(submit.jobs) == 2
    assert write.pending
    reader = pair.readable.get_reader()
    assert (await reader.read()).value == b"a"
    assert len(submit.jobs) == 3
    await write


async def test_a_result_may_have_several_parts_or_none() -> None:
    results = iter([[b"a", memoryview(b"b")], None, [], bytearray(b"c")])
    pair = ParallelTransformStream(Blocks(1, lambda _block: next(results)), _at_once, 1)
    readable = ReadableStream.from_([b"1234"]).pipe_through(pair)
    assert [bytes(chunk) async for chunk in readable] == [b"a", b"b", b"c"]


def _at_once(job: Callable[[], Any]) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(job())
    return future


async def test_real_threads_compress_what_comes_out_again() -> None:
    data = b"".join(zlib.crc32(b"%d" % at).to_bytes(4, "big") for at in range(750)) * 40
    chunks = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    with ThreadPoolExecutor(3) as pool:
        for submit in (pool.submit, functools.partial(asyncio.get_running_loop().run_in_executor, pool)):
            pair = ParallelTransformStream(Blocks(4096, zlib.compress), submit, 6, by_bytes(20_000))  # type: ignore[arg-type]
            async with no_task_left():
                readable = ReadableStream.from_(chunks).pipe_through(pair)
                assert b"".join([zlib.decompress(block) async for block in readable]) == data


@pytest.mark.parametrize("where", ["transform", "job", "flush", "submit"])
async def test_a_failure_settles_both_sides_once_after_the_running_jobs(where: str) -> None:
    submit, blocks, sink = ByHand(), Blocks(1), RecordingSink()
    source = ListSource([b"ab", b"cd"])

    def fail(*_arguments: object) -> Any:
        raise E1

    def submitting(job: Callable[[], Any]) -> Any:
        return fail() if where == "submit" and len(submit.jobs) == 2 else submit(job)

    if where == "job":
        blocks.work = lambda block: fail() if block == b"b" else block
    elif where == "transform":
        transform = blocks.transform
        blocks.transform = lambda chunk: fail() if chunk == b"cd" else transform(chunk)  # type: ignore[method-assign]
    elif where == "flush":
        blocks.flush = fail  # type: ignore[method-assign]
    pair = ParallelTransformStream(blocks, submitting, 4, by_bytes(100), by_bytes(100))
    async with no_task_left():
        into = ReadableStream(source).pipe_to(pair.writable)
        out = pair.readable.pipe_to(WritableStream(sink))
        await until_idle()
        if where == "job":
            await submit.run(1)
        assert into.pending
        assert out.pending
        assert blocks.cancelled == []
        for index, (_job, future) in enumerate(submit.jobs):
            if not future.done():
                await submit.run(index)
        await rejects_with(into, E1)
        await rejects_with(out, E1)
    assert sink.events == [("abort", E1)]
    assert blocks.cancelled == [E1]


@pytest.mark.parametrize("side", ["abort", "cancel", "signal"])
async def test_after_an_abort_no_result_is_delivered_and_jobs_are_awaited(side: str) -> None:
    submit, blocks, sink, controller = ByHand(), Blocks(1), RecordingSink(), AbortController()
    pair = ParallelTransformStream(blocks, submit, 2, by_bytes(100), by_bytes(100))
    async with no_task_left():
        if side == "signal":
            into: Any = ReadableStream.from_([b"abcd"]).pipe_to(pair.writable, signal=controller.signal)
            out: Any = pair.readable.pipe_to(WritableStream(sink), signal=controller.signal)
            await until_idle()
            controller.abort(E1)
            promises = [into, out]
        else:
            writer = pair.writable.get_writer()
            await until_idle()
            write = writer.write(b"abcd")
            promise = writer.abort(E1) if side == "abort" else pair.readable.cancel(E1)
            promises = [write]
            await until_idle()
            assert promise.pending
        await until_idle()
        ran: list[bytes] = []
        blocks.work = ran.append
        assert blocks.cancelled == []
        await submit.run(0)
        await submit.run(1)
        for each in promises:
            await rejects_with(each, E1)
        if side != "signal":
            await promise
    assert len(submit.jobs) == 2
    assert ran == []
    assert blocks.cancelled == [E1]
    assert not [event for event in sink.events if event[0] == "write"]


async def test_a_failing_cancel_of_the_transformer_is_the_outcome() -> None:
    blocks = Blocks(1)

    async def cancel(reason: object) -> None:
        raise E2

    blocks.cancel = cancel  # type: ignore[method-assign, assignment]
    pair = ParallelTransformStream(blocks, ByHand(), 2)
    await rejects_with(pair.readable.cancel(E1), E2)
    await rejects_with(pair.writable.get_writer().closed, E2)


async def test_a_job_queued_in_the_pool_does_not_run_after_an_abort() -> None:
    gate, ran = threading.Event(), []
    started = threading.Event()

    def work(block: bytes) -> bytes:
        ran.append(block)
        started.set()
        gate.wait(10)
        return block

    with ThreadPoolExecutor(1) as pool:
        pair = ParallelTransformStream(Blocks(1, work), pool.submit, 3, by_bytes(100))  # type: ignore[arg-type]
        writer = pair.writable.get_writer()
        await until_idle()
        writer.write(b"abc")
        await asyncio.get_running_loop().run_in_executor(None, started.wait)
        abort = writer.abort(E1)
        gate.set()
        await abort
    assert ran == [b"a"]


async def test_max_in_flight_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_in_flight"):
        ParallelTransformStream(Blocks(1), ByHand(), 0)


async def test_a_first_chunk_that_fails_fails_its_write() -> None:
    blocks = Blocks(1)
    blocks.transform = lambda chunk: chunk.nothing  # type: ignore[attr-defined, method-assign]
    pair = ParallelTransformStream(blocks, ByHand(), 2)
    writer = pair.writable.get_writer()
    await until_idle()
    write = writer.write(b"a")
    await rejects_with(write, AttributeError)
    await rejects_with(writer.closed, AttributeError)
    await rejects_with(pair.readable.get_reader().read(), AttributeError)
    assert [type(reason) for reason in blocks.cancelled] == [AttributeError]


@pytest.mark.parametrize("what", ["write", "close"])
async def test_what_comes_after_a_cancel_settles_when_the_last_job_is_over(what: str) -> None:
    submit, blocks = ByHand(), Blocks(1)
    pair = ParallelTransformStream(blocks, submit, 4, by_bytes(100), by_bytes(100))
    writer = pair.writable.get_writer()
    await until_idle()
    await writer.write(b"a")
    cancelled = pair.readable.cancel(E1)
    late = writer.write(b"b") if what == "write" else writer.close()
    await until_idle()
    assert late.pending
    assert cancelled.pending
    await submit.run(0)
    await rejects_with(late, E1)
    await cancelled
    assert len(submit.jobs) == 1
    assert blocks.cancelled == [E1]


async def test_a_job_that_fails_after_an_abort_does_not_replace_its_reason() -> None:
    submit, blocks = ByHand(), Blocks(1)
    pair = ParallelTransformStream(blocks, submit, 4, by_bytes(100))
    writer = pair.writable.get_writer()
    await until_idle()
    await writer.write(b"ab")
    abort = writer.abort(E1)
    submit.jobs[0][1].set_exception(E2)
    await until_idle()
    assert abort.pending
    await submit.run(1)
    assert await abort is None
    await rejects_with(writer.closed, E1)
    assert blocks.cancelled == [E1]


class NoSize:
    high_water_mark = 10

    @staticmethod
    def size(_chunk: object) -> float:
        raise E1


async def test_a_result_without_a_size_fails_both_sides() -> None:
    blocks = Blocks(1)
    pair = ParallelTransformStream(blocks, _at_once, 2, by_bytes(10), NoSize)
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    writer.write(b"a")
    await rejects_with(writer.closed, E1)
    await rejects_with(reader.closed, E1)
    assert blocks.cancelled == [E1]


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
async def test_an_abort_from_inside_the_delivery_stops_it(running: bool, parts: int) -> None:
    submit, got = ByHand(), list[bytes]()
    blocks = Blocks(1, lambda block: [block] * parts)
    pair = ParallelTransformStream(blocks, submit, 4, by_bytes(100), by_bytes(100))
    writer = pair.writable.get_writer()
    aborts: list[Any] = []

    class Sink(RecordingSink):
        def write(self, chunk: Any, controller: Any) -> None:
            got.append(chunk)
            aborts.append(writer.abort(E1))

    pipe = pair.readable.pipe_to(WritableStream(Sink(), by_bytes(100)))
    await until_idle()
    await writer.write(b"abc" if running else b"a")
    await submit.run(0)
    if running:
        assert pipe.pending
        await submit.run(1)
        await submit.run(2)
    await rejects_with(pipe, E1)
    for abort in aborts:
        assert await abort is None
    assert set(got) == {b"a"}
    assert blocks.cancelled == [E1]
