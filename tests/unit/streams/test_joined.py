from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams import Promise, ReadableStream, TransformStream, WritableStream, pipe_all
from tests.helpers.clock import until_idle
from tests.helpers.streams import RecordingSink, RecordingSource, no_task_left, rejects_with

E1 = ValueError("first")


async def test_it_waits_for_all() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    async with no_task_left():
        await pipe_all(*(ReadableStream.from_("ab").pipe_to(WritableStream(sink)) for sink in sinks))
    for sink in sinks:
        assert sink.events == [("write", "a"), ("write", "b"), "close"]
    await pipe_all()


async def test_one_failure_ends_the_others_with_the_same_error() -> None:
    sources = [RecordingSource(), RecordingSource()]
    sinks = [RecordingSink(), RecordingSink()]
    streams = [ReadableStream[Any](source) for source in sources]
    async with no_task_left():
        pipes = [stream.pipe_to(WritableStream(sink)) for stream, sink in zip(streams, sinks, strict=True)]
        joined = asyncio.ensure_future(pipe_all(*pipes))
        await until_idle()
        sources[0].controller.error(E1)
        await rejects_with(joined, E1)
    assert sinks[1].events == [("abort", E1)]
    assert sources[1].events[-1] == ("cancel", E1)
    assert not any(stream.locked for stream in streams)


async def test_a_failing_sink_behind_a_tee_ends_the_whole_graph() -> None:
    class FullDisk(RecordingSink):
        def write(self, chunk: Any, controller: Any) -> None:
            raise E1

    source, other = RecordingSource(), RecordingSink()
    left, right = ReadableStream[bytes](source).tee(100)
    async with no_task_left():
        joined = asyncio.ensure_future(
            pipe_all(
                left.pipe_to(WritableStream(other)),
                right.pipe_through(TransformStream()).pipe_to(WritableStream(FullDisk())),
            )
        )
        await until_idle()
        source.controller.enqueue(b"chunk")
        await rejects_with(joined, E1)
        await until_idle()
    assert other.events[-1] == ("abort", E1)
    assert source.events[-1] == ("cancel", [E1, E1])


async def test_coroutines_are_cancelled_and_awaited() -> None:
    events: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    async def failing() -> None:
        raise E1

    async with no_task_left():
        await rejects_with(pipe_all(endless(), failing()), E1)
    assert events == ["ended"]


async def test_cancelling_the_waiter_aborts_all_pipes() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    async with no_task_left():
        pipes = [ReadableStream[Any]().pipe_to(WritableStream(sink)) for sink in sinks]
        task = asyncio.ensure_future(pipe_all(*pipes))
        await until_idle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    for sink in sinks:
        assert isinstance(sink.events[-1][1], AbortError)


async def test_a_cancel_that_comes_when_all_has_settled_is_just_a_cancel() -> None:
    part, events = Promise[None](), list[str]()
    task = asyncio.ensure_future(pipe_all(part))
    await until_idle()
    # Called right after the join has learnt of the end, and before its waiter goes on.
    part.add_reaction(lambda _value: events.append("settled") or task.cancel(), print)  # type: ignore[func-returns-value]
    part.resolve(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["settled"]


async def test_a_part_that_can_not_be_stopped_is_waited_for() -> None:
    part, sink = Promise[None](), RecordingSink()
    source = RecordingSource()
    joined = asyncio.ensure_future(pipe_all(part, ReadableStream(source).pipe_to(WritableStream(sink))))
    await until_idle()
    source.controller.error(E1)
    await until_idle()
    assert not joined.done()
    part.resolve(None)
    await rejects_with(joined, E1)
