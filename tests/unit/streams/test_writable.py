"""Writers at their edges; the numbered behaviours are in ``tests/conformance``."""

from __future__ import annotations

from typing import Any

import pytest

from kamaros_gui.base.abort import AbortReasonError
from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams import CountQueuingStrategy, ReadableStream, WritableStream
from tests.helpers.clock import until_idle
from tests.helpers.streams import RecordingSink, RecordingSource, SlowSink, rejects_with

E1 = ValueError("first")


async def test_a_released_writer_refuses_everything() -> None:
    writer = WritableStream[str]().get_writer()
    writer.release_lock()
    writer.release_lock()
    for refused in (writer.write("a"), writer.close(), writer.abort(), writer.ready, writer.closed):
        await rejects_with(refused, TypeError)
    with pytest.raises(TypeError, match="released"):
        _ = writer.desired_size


async def test_a_writer_released_during_backpressure_leaves_its_write_alone() -> None:
    sink = SlowSink()
    stream: WritableStream[str] = WritableStream(sink, CountQueuingStrategy(2))
    writer = stream.get_writer()
    await until_idle()
    writes = [writer.write(chunk) for chunk in "ab"]
    ready, closed = writer.ready, writer.closed
    assert ready.pending
    writer.release_lock()
    await rejects_with(ready, TypeError)
    await rejects_with(closed, TypeError)
    await sink.finish_all()
    for write in writes:
        await write
    assert stream.get_writer().desired_size == 2


async def test_a_second_writer_finds_the_state_it_comes_to() -> None:
    sink = SlowSink()
    stream: WritableStream[str] = WritableStream(sink)
    writer = stream.get_writer()
    await until_idle()
    writer.write("a")
    writer.release_lock()
    writer = stream.get_writer()
    assert writer.ready.pending
    writer.release_lock()
    await sink.finish()
    close = stream.close()
    writer = stream.get_writer()
    assert writer.ready.state == "fulfilled"
    await close
    await writer.closed
    await rejects_with(stream.abort(), TypeError)
    writer.release_lock()
    assert await stream.get_writer().closed is None


async def test_a_writer_of_a_failed_stream_rejects_at_once() -> None:
    stream: WritableStream[str] = WritableStream()
    await stream.abort(E1)
    writer = stream.get_writer()
    await rejects_with(writer.ready, E1)
    await rejects_with(writer.closed, E1)
    writer.release_lock()
    await rejects_with(writer.closed, TypeError)


async def test_an_abort_without_a_reason_has_an_abort_error_and_none_is_a_reason() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    await WritableStream(sinks[0]).abort()
    assert isinstance(sinks[0].events[-1][1], AbortError)
    writer = WritableStream(sinks[1]).get_writer()
    await writer.abort(None)
    assert sinks[1].events == [("abort", None)]
    await rejects_with(writer.closed, AbortReasonError)


async def test_a_chunk_that_comes_after_the_destination_failed_is_not_written() -> None:
    source, sink = RecordingSource(), RecordingSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink))
    await until_idle()
    sink.controller.error(E1)
    source.controller.enqueue("a")
    await rejects_with(pipe, E1)
    assert sink.events == []


async def test_what_was_held_may_be_released_after_the_stream_failed() -> None:
    sink = RecordingSink()
    stream: WritableStream[Any] = WritableStream(sink, CountQueuingStrategy(2))
    writer = stream.get_writer()
    await until_idle()
    sink.controller.hold(2)
    assert writer.ready.pending
    sink.controller.release_hold(1)
    assert writer.desired_size == 1
    sink.controller.error(E1)
    sink.controller.release_hold(1)
    assert writer.desired_size is None
