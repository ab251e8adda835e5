"""The behaviours W1-W18 of writable streams."""

from __future__ import annotations

from typing import Any

import pytest

from kamaros_gui.streams import CountQueuingStrategy, Promise, WritableStream
from tests.helpers.clock import until_idle
from tests.helpers.streams import Recorder, RecordingSink, SlowSink, rejects_with

E1 = ValueError("first")
E2 = KeyError("second")


def writer_of(sink: object, high_water_mark: float = 1) -> Any:
    return WritableStream(sink, CountQueuingStrategy(high_water_mark)).get_writer()


async def test_W1_writes_wait_for_start_and_run_one_at_a_time_in_order() -> None:
    """Writes wait for start and run one after the other, in order."""
    started: Promise[None] = Promise()

    class Sink(SlowSink):
        def start(self, controller: Any) -> Any:
            return started

    sink = Sink()
    writer = writer_of(sink)
    writer.write("a")
    writer.write("b")
    await until_idle()
    assert sink.events == []
    started.resolve(None)
    await until_idle()
    assert sink.events == [("write", "a")]
    await sink.finish()
    assert sink.events == [("write", "a"), ("write", "b")]


@pytest.mark.parametrize("kind", [RecordingSink, SlowSink])
async def test_W1_a_thousand_queued_writes_all_run(kind: Any) -> None:
    """A thousand queued writes all run, with plain and with waiting sinks."""
    sink = kind()
    writer = writer_of(sink)
    writes = [writer.write(number) for number in range(1000)]
    await until_idle()
    if isinstance(sink, SlowSink):
        await sink.finish_all()
    assert sink.events == [("write", number) for number in range(1000)]
    assert all(write.state == "fulfilled" for write in writes)


async def test_W2_desired_size_counts_queued_and_running_writes() -> None:
    """desired_size counts queued and running writes; None when errored, 0 when closed."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    assert writer.desired_size == 1
    writer.write("a")
    assert writer.desired_size == 0
    writer.write("b")
    assert writer.desired_size == -1
    sink.controller.error(E1)
    assert writer.desired_size is None
    closed = writer_of(RecordingSink())
    await closed.close()
    assert closed.desired_size == 0


async def test_W3_ready_is_pending_without_room_and_settles_after_the_write() -> None:
    """ready is pending while there is no room, and settles after the write does."""
    sink, recorder = SlowSink(), Recorder()
    writer = writer_of(sink)
    await writer.ready
    await until_idle()
    write = writer.write("a")
    ready = writer.ready
    assert ready.pending
    recorder.watch("ready", ready)
    recorder.watch("write", write)
    await sink.finish()
    assert recorder.events == [("write", "fulfilled"), ("ready", "fulfilled")]


async def test_W4_a_write_error_rejects_that_write_the_queue_and_close() -> None:
    """A failing write rejects itself, the queued writes and the close, in order."""
    sink, recorder = SlowSink(), Recorder()
    writer = writer_of(sink)
    await until_idle()
    for name in ("first", "second"):
        recorder.watch(name, writer.write(name))
    recorder.watch("close", writer.close())
    recorder.watch("closed", writer.closed)
    await sink.finish(E1)
    assert recorder.events == [("first", E1), ("second", E1), ("close", E1), ("closed", E1)]
    assert sink.events == [("write", "first")]


async def test_W4_a_raising_write_does_the_same() -> None:
    """A write that raises rejects itself and all that follow."""

    class Sink(RecordingSink):
        def write(self, chunk: Any, controller: Any) -> None:
            raise E1

    writer = writer_of(Sink())
    await until_idle()
    await rejects_with(writer.write("a"), E1)
    await rejects_with(writer.write("b"), E1)
    await rejects_with(writer.closed, E1)


async def test_W5_error_then_a_failing_write_keep_their_own_errors() -> None:
    """A running write keeps its own failure; ready and closed get the error that came first."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    write = writer.write("a")
    sink.controller.error(E1)
    await sink.finish(E2)
    await rejects_with(write, E2)
    await rejects_with(writer.ready, E1)
    await rejects_with(writer.closed, E1)


async def test_W6_close_waits_for_the_writes_and_makes_ready_resolve() -> None:
    """close waits for queued writes, and resolves ready at once."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    writer.write("a")
    ready = writer.ready
    assert ready.pending
    close = writer.close()
    assert ready.state == "fulfilled"
    await until_idle()
    assert sink.events == [("write", "a")]
    await sink.finish()
    await close
    assert sink.events == [("write", "a"), "close"]


class SlowClose(RecordingSink):
    def __init__(self) -> None:
        super().__init__()
        self.closing: Promise[None] = Promise()

    def close(self) -> Any:
        super().close()
        return self.closing


async def test_W7_an_error_while_closing_is_ignored() -> None:
    """An error that comes while sink.close runs does not spoil the close."""
    sink = SlowClose()
    writer = writer_of(sink)
    close = writer.close()
    await until_idle()
    sink.controller.error(E1)
    sink.closing.resolve(None)
    await close
    await writer.closed


async def test_W8_close_is_refused_when_it_makes_no_sense() -> None:
    """close rejects with TypeError when locked, closed, closing or errored, with the error while erroring."""
    stream: WritableStream[str] = WritableStream()
    writer = stream.get_writer()
    await rejects_with(stream.close(), TypeError)
    close = writer.close()
    await rejects_with(writer.close(), TypeError)
    await close
    await rejects_with(writer.close(), TypeError)
    await rejects_with(writer.write("a"), TypeError)
    sink = SlowSink()
    erroring = writer_of(sink)
    await until_idle()
    erroring.write("a")
    sink.controller.error(E1)
    closing = erroring.close()
    await sink.finish()
    await rejects_with(closing, E1)
    await rejects_with(erroring.close(), TypeError)


async def test_W9_release_lock_does_not_change_a_requested_close() -> None:
    """A close asked for before the release takes its course; the writer's own promises reject."""
    sink = SlowClose()
    writer = writer_of(sink)
    close = writer.close()
    writer.release_lock()
    await until_idle()
    sink.closing.resolve(None)
    await close
    await rejects_with(writer.closed, TypeError)
    await rejects_with(writer.ready, TypeError)


async def test_W10_abort_before_start_rejects_without_writing() -> None:
    """An abort before start rejects ready and writes; the sink never writes."""
    sink = RecordingSink()
    writer = writer_of(sink)
    write = writer.write("a")
    abort = writer.abort(E1)
    await rejects_with(writer.ready, E1)
    await rejects_with(write, E1)
    await abort
    assert sink.events == [("abort", E1)]


async def test_W11_abort_lets_the_running_write_finish_then_drops_the_rest() -> None:
    """An abort waits for the running write, rejects the queued ones in order, then calls sink.abort."""
    sink, recorder = SlowSink(), Recorder()
    writer = writer_of(sink)
    await until_idle()
    for name in ("1", "2", "3"):
        recorder.watch(name, writer.write(name))
    recorder.watch("abort", writer.abort(E1))
    await until_idle()
    assert sink.events == [("write", "1")]
    await sink.finish()
    assert recorder.events == [("1", "fulfilled"), ("2", E1), ("3", E1), ("abort", "fulfilled")]
    assert sink.events == [("write", "1"), ("abort", E1)]


async def test_W12_a_failing_running_write_does_not_replace_the_abort() -> None:
    """sink.abort is called though the running write failed, and the abort's reason stays the error."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    write = writer.write("a")
    abort = writer.abort(E1)
    await sink.finish(E2)
    await rejects_with(write, E2)
    await abort
    assert sink.events[-1] == ("abort", E1)
    await rejects_with(writer.closed, E1)


@pytest.mark.parametrize("failure", [None, E2])
async def test_W13_abort_after_close_began_settles_with_the_close(failure: Exception | None) -> None:
    """Once sink.close runs, an abort gets its outcome and sink.abort is not called."""
    sink = SlowClose()
    writer = writer_of(sink)
    close = writer.close()
    await until_idle()
    abort = writer.abort(E1)
    if failure is None:
        sink.closing.resolve(None)
        await close
        await abort
        await writer.closed
    else:
        sink.closing.reject(failure)
        await rejects_with(close, failure)
        await rejects_with(abort, failure)
        await rejects_with(writer.closed, E1)
    assert sink.events == ["close"]


async def test_W14_sink_abort_is_called_even_if_start_fails_afterwards() -> None:
    """sink.abort is called though start fails after the abort."""
    started: Promise[None] = Promise()

    class Sink(RecordingSink):
        def start(self, controller: Any) -> Any:
            return started

    sink = Sink()
    abort = writer_of(sink).abort(E1)
    started.reject(E2)
    await abort
    assert sink.events == [("abort", E1)]


async def test_W14_without_abort_method_close_is_not_called_instead() -> None:
    """A sink without abort is not closed instead."""
    events: list[str] = []

    class Sink:
        def close(self) -> None:
            events.append("close")

    await writer_of(Sink()).abort(E1)
    assert events == []


async def test_W15_a_second_abort_gives_the_same_promise() -> None:
    """A second abort gives the same promise; on a locked stream TypeError, afterwards None."""
    sink = SlowSink()
    stream: WritableStream[str] = WritableStream(sink)
    writer = stream.get_writer()
    await until_idle()
    writer.write("a")
    first = writer.abort(E1)
    assert writer.abort(E2) is first
    await rejects_with(stream.abort(E1), TypeError)
    await sink.finish()
    await first
    assert await writer.abort(E2) is None


async def test_W16_abort_after_error_rejects_with_the_error() -> None:
    """An abort while erroring rejects with the first error; sink.abort is not called."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    writer.write("a")
    sink.controller.error(E1)
    abort = writer.abort(E2)
    await sink.finish()
    await rejects_with(abort, E1)
    assert sink.events == [("write", "a")]


async def test_W17_the_signal_fires_at_once_on_abort_only() -> None:
    """controller.signal fires within abort(), and not for errors or failing writes and closes."""
    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    signal = sink.controller.signal
    writer.write("a")
    writer.abort(E1)
    assert signal.reason is E1
    for end in ("error", "write", "close"):
        other = SlowSink()
        failing = writer_of(other)
        await until_idle()
        if end == "error":
            other.controller.error(E1)
        elif end == "write":
            failing.write("a")
            await other.finish(E1)
        else:
            other.close = lambda: Promise.rejected(E1)  # type: ignore[method-assign]
            failing.close()
        await until_idle()
        assert not other.controller.signal.aborted
    await sink.finish()


async def test_W18_an_abort_inside_a_listener_keeps_the_first_reason() -> None:
    """An abort from inside a listener of the signal keeps the first reason."""
    sink = RecordingSink()
    writer = writer_of(sink)
    await until_idle()
    inner: list[Any] = []
    sink.controller.signal.add_listener(lambda _signal: inner.append(writer.abort(E2)))
    outer = writer.abort(E1)
    assert inner == [outer]
    await outer
    assert sink.controller.signal.reason is E1
    assert sink.events == [("abort", E1)]
    await rejects_with(writer.closed, E1)


async def test_a_cancelled_waiter_of_ready_leaves_ready_alone() -> None:
    import asyncio

    sink = SlowSink()
    writer = writer_of(sink)
    await until_idle()
    writer.write("a")

    async def wait() -> None:
        await writer.ready

    task = asyncio.create_task(wait())
    await until_idle()
    task.cancel()
    await until_idle()
    assert writer.ready.pending
    await sink.finish()
    await writer.ready
