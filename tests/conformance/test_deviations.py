"""The three deviations from the standard: bounded tee, parallel transform, synchronous fast path."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    TransformStream,
    WritableStream,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, RecordingSink, SlowSink, rejects_with

E1 = ValueError("first")
CHUNK = bytes(10)


# ------------------------------------------------------------------------------------------------ bounded tee


async def test_deviation_tee_holds_a_bounded_number_of_bytes_while_one_branch_is_stalled() -> None:
    """With one branch stalled the source is read up to the bound and no further."""
    source, sink = ListSource([CHUNK] * 10_000), RecordingSink()
    fast, stalled = ReadableStream(source, CountQueuingStrategy(0)).tee(95)
    pipe = fast.pipe_to(WritableStream(sink))
    await until_idle()
    assert source.pulls == len(sink.events) == 10
    assert stalled.controller.queue_size == 100, "less than the bound plus one chunk"
    assert pipe.pending


async def test_deviation_tee_runs_on_when_the_stalled_branch_is_cancelled() -> None:
    """A stalled branch that is cancelled no longer holds the other one back."""
    source, sink = ListSource([CHUNK] * 100), RecordingSink()
    fast, stalled = ReadableStream(source).tee(50)
    pipe = fast.pipe_to(WritableStream(sink))
    await until_idle()
    cancelled = stalled.cancel("stalled")
    await pipe
    assert len(sink.events) == 101
    assert stalled.controller.queue_size == 0
    await cancelled


async def test_deviation_tee_follows_the_slower_branch() -> None:
    """Each chunk the slower branch takes lets one more be read; the faster one gets all in order."""
    chunks = [bytes([number]) * 10 for number in range(100)]
    source, quick, slow = ListSource(chunks), RecordingSink(), SlowSink()
    first, second = ReadableStream(source, CountQueuingStrategy(0)).tee(30)
    pipes = [first.pipe_to(WritableStream(quick)), second.pipe_to(WritableStream(slow))]
    await until_idle()
    while slow.running is not None:
        assert len(quick.events) <= len(slow.events) + 3
        await slow.finish()
    for pipe in pipes:
        await pipe
    assert quick.events == slow.events == [*(("write", chunk) for chunk in chunks), "close"]


# ---------------------------------------------------------------------------------------- parallel transform


class Bytewise:
    """One job for each byte."""

    def transform(self, chunk: bytes) -> list[Callable[[], bytes]]:
        return [functools.partial(bytes, [byte]) for byte in chunk]


class ByHand:
    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []

    def __call__(self, job: Callable[[], Any]) -> asyncio.Future[Any]:
        self.jobs.append((job, asyncio.get_running_loop().create_future()))
        return self.jobs[-1][1]

    async def run(self, index: int) -> None:
        job, future = self.jobs[index]
        future.set_result(job())
        await until_idle()


async def test_deviation_parallel_transform_keeps_several_blocks_in_flight_and_delivers_in_order() -> None:
    """Several jobs run at once; what they return is delivered in the order of the input."""
    submit, sink = ByHand(), RecordingSink()
    pair = ParallelTransformStream(Bytewise(), submit, 3, ByteLengthQueuingStrategy(9), ByteLengthQueuingStrategy(9))
    pipe = ReadableStream.from_([b"abc"]).pipe_through(pair).pipe_to(WritableStream(sink))
    await until_idle()
    assert len(submit.jobs) == 3
    for index in (2, 1, 0):
        assert sink.events == []
        await submit.run(index)
    await pipe
    assert sink.events == [("write", b"a"), ("write", b"b"), ("write", b"c"), "close"]


async def test_deviation_parallel_transform_counts_what_is_in_flight_against_its_mark() -> None:
    """Bytes in work count against the writable side's mark until their result is delivered."""
    submit = ByHand()
    pair = ParallelTransformStream(Bytewise(), submit, 9, ByteLengthQueuingStrategy(4), ByteLengthQueuingStrategy(9))
    writer = pair.writable.get_writer()
    await until_idle()
    await writer.write(b"abcd")
    assert writer.desired_size == 0
    assert writer.ready.pending
    await submit.run(1)
    assert writer.desired_size == 0, "the second can't be delivered before the first"
    await submit.run(0)
    assert writer.desired_size == 2
    await writer.ready


async def test_deviation_parallel_transform_starts_before_anybody_reads() -> None:
    """Jobs start without a reader, which the standard's readable mark of 0 would not allow."""
    submit = ByHand()
    pair = ParallelTransformStream(Bytewise(), submit, 2)
    pair.writable.get_writer().write(b"ab")
    await until_idle()
    assert len(submit.jobs) == 2


# ------------------------------------------------------------------------------------- synchronous fast path


async def test_deviation_synchronous_fast_path_settles_a_plain_write_at_once() -> None:
    """A write whose sink is a plain function has settled when write() returns."""
    sink = RecordingSink()
    writer = WritableStream(sink).get_writer()
    await until_idle()
    write = writer.write("a")
    assert write.state == "fulfilled"
    assert sink.events == [("write", "a")]
    assert writer.desired_size == 1


async def test_deviation_synchronous_fast_path_costs_no_task_and_no_future() -> None:
    """A pipe between plain functions makes no task, and no future but that of whoever awaits it."""
    loop = asyncio.get_running_loop()
    made: list[str] = []

    def factory(loop: Any, coro: Any, **options: Any) -> Any:
        made.append("task")
        return asyncio.Task(coro, loop=loop, **options)

    create = loop.create_future

    def create_future() -> Any:
        made.append("future")
        return create()

    loop.set_task_factory(factory)
    loop.create_future = create_future  # type: ignore[method-assign]  # the loop of this test
    sink = RecordingSink()
    await ReadableStream.from_(range(1000)).pipe_through(TransformStream()).pipe_to(WritableStream(sink))
    assert len(sink.events) == 1001
    assert made == ["future"]


@pytest.mark.parametrize("awaited", [False, True])
async def test_deviation_synchronous_fast_path_keeps_the_order_of_events(awaited: bool) -> None:
    """Plain functions and awaitables see the same calls in the same order, and the same error."""
    events: list[Any] = []

    def both(event: Any, error: Exception | None = None) -> Any:
        events.append(event)

        async def later() -> None:
            if error is not None:
                raise error

        if awaited:
            return later()
        if error is not None:
            raise error
        return None

    class Sink:
        def start(self, _controller: Any) -> Any:
            return both("start")

        def write(self, chunk: Any, _controller: Any) -> Any:
            return both(("write", chunk), E1 if chunk == 2 else None)

        def abort(self, reason: object) -> Any:
            return both(("abort", reason))

    source = ListSource(range(5))
    await rejects_with(ReadableStream(source).pipe_to(WritableStream(Sink())), E1)
    assert events == ["start", ("write", 0), ("write", 1), ("write", 2)]
    assert source.cancelled == [E1]
