"""The behaviours P1-P21 of pipes."""

from __future__ import annotations

import asyncio
import gc
from time import perf_counter
from typing import Any

import pytest

from kamaros_gui.base.abort import AbortController, AbortReasonError, AbortSignal
from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams import (
    CountQueuingStrategy,
    PipePromise,
    Promise,
    ReadableStream,
    TransformStream,
    WritableStream,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import (
    FailingSource,
    ListSource,
    Recorder,
    RecordingSink,
    RecordingSource,
    SlowSink,
    no_task_left,
    rejects_with,
)

E1 = ValueError("first")
E2 = KeyError("second")


def count(high_water_mark: float) -> CountQueuingStrategy:
    return CountQueuingStrategy(high_water_mark)


async def test_P1_both_are_locked_and_then_unlocked() -> None:
    """A pipe locks both streams and unlocks both when it has settled."""
    source, dest = ReadableStream.from_([1]), WritableStream[int]()
    pipe = source.pipe_to(dest)
    assert source.locked
    assert dest.locked
    await pipe
    assert not source.locked
    assert not dest.locked


async def test_P1_a_locked_stream_rejects_without_locking_the_other() -> None:
    """A pipe with one stream locked rejects with TypeError and leaves the other unlocked."""
    source, dest = ReadableStream[int](), WritableStream[int]()
    reader = source.get_reader()
    await rejects_with(source.pipe_to(dest), TypeError)
    assert not dest.locked
    reader.release_lock()
    dest.get_writer()
    await rejects_with(source.pipe_to(dest), TypeError)
    assert not source.locked


async def test_P2_without_room_nothing_is_read_and_chunks_stay_readable() -> None:
    """Nothing is read while the destination has no room; unread chunks stay readable."""
    source, sink, controller = RecordingSource(), RecordingSink(), AbortController()
    stream: ReadableStream[str] = ReadableStream(source)
    source.controller.enqueue("a")
    pipe = stream.pipe_to(WritableStream(sink, count(0)), prevent_cancel=True, signal=controller.signal)
    await until_idle()
    assert sink.events == []
    controller.abort(E1)
    await rejects_with(pipe, E1)
    assert (await stream.get_reader().read()).value == "a"


async def test_P3_it_does_not_wait_for_each_write() -> None:
    """A destination with room for three gets three chunks while the first write runs."""
    source, sink = ListSource("abcdef"), SlowSink()
    dest: WritableStream[str] = WritableStream(sink, count(3))
    pipe = ReadableStream(source, count(0)).pipe_to(dest)
    await until_idle()
    assert sink.events == [("write", "a")]
    assert len(dest.controller.queue) == 3
    await sink.finish_all()
    await pipe
    assert sink.events == [*(("write", chunk) for chunk in "abcdef"), "close"]


async def test_P4_a_slow_destination_backpressures_the_source() -> None:
    """A slow destination lets the source's desired size sink: 1, 0, -1, -2."""
    sizes: list[float] = []
    source, sink = RecordingSource(), SlowSink()
    stream: ReadableStream[str] = ReadableStream(source)
    stream.pipe_to(WritableStream(sink))
    await until_idle()
    for chunk in "abcd":
        source.controller.enqueue(chunk)
        sizes.append(source.controller.desired_size)
        await until_idle()
    assert sizes == [1, 0, -1, -2]
    await sink.finish()
    await sink.finish()
    assert source.controller.desired_size == 0
    await sink.finish_all()


async def test_P5_an_error_goes_forward() -> None:
    """A failing source aborts the destination with its error, and the pipe rejects with it."""
    sink = RecordingSink()
    await rejects_with(ReadableStream(FailingSource("a", E1)).pipe_to(WritableStream(sink)), E1)
    assert sink.events == [("write", "a"), ("abort", E1)]


async def test_P5_prevent_abort_leaves_the_destination_usable() -> None:
    """With prevent_abort the destination stays usable after the source failed."""
    sink = RecordingSink()
    dest: WritableStream[str] = WritableStream(sink)
    await rejects_with(ReadableStream(FailingSource("a", E1)).pipe_to(dest, prevent_abort=True), E1)
    await dest.get_writer().write("b")
    assert sink.events == [("write", "a"), ("write", "b")]


async def test_P6_an_error_goes_backward() -> None:
    """A failing destination cancels the source with its error, and the pipe rejects with it."""

    class Sink:
        def write(self, chunk: Any, controller: Any) -> None:
            raise E1

    source = ListSource("abc")
    stream = ReadableStream(source)
    await rejects_with(stream.pipe_to(WritableStream(Sink())), E1)
    assert source.cancelled == [E1]
    assert not stream.locked


async def test_P6_a_failing_cancel_replaces_the_error() -> None:
    """If that cancel fails, the pipe rejects with the cancel's error."""
    source = RecordingSource()
    sink = RecordingSink()

    def cancel(reason: object) -> None:
        raise E2

    source.cancel = cancel  # type: ignore[method-assign]
    pipe = ReadableStream(source).pipe_to(WritableStream(sink))
    await until_idle()
    sink.controller.error(E1)
    await rejects_with(pipe, E2)


async def test_P7_a_failing_last_write_rejects_and_does_not_cancel() -> None:
    """A last write that fails after the source closed rejects the pipe; nothing is cancelled."""
    source, sink = RecordingSource(), SlowSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink))
    source.controller.enqueue("a")
    source.controller.close()
    await until_idle()
    await sink.finish(E1)
    await rejects_with(pipe, E1)
    assert source.events == ["start"]


async def test_P8_a_close_goes_forward_after_the_writes() -> None:
    """A source that closes closes the destination after all writes have settled."""
    sink = SlowSink()
    pipe = ReadableStream.from_("ab").pipe_to(WritableStream(sink, count(5)))
    await until_idle()
    assert sink.events == [("write", "a")]
    await sink.finish()
    assert sink.events == [("write", "a"), ("write", "b")]
    await sink.finish()
    await pipe
    assert sink.events[-1] == "close"


async def test_P8_prevent_close_leaves_the_destination_open() -> None:
    """With prevent_close the destination stays open for the next pipe."""
    sink = RecordingSink()
    dest: WritableStream[str] = WritableStream(sink)
    await ReadableStream.from_("a").pipe_to(dest, prevent_close=True)
    await ReadableStream.from_("b").pipe_to(dest)
    assert sink.events == [("write", "a"), ("write", "b"), "close"]


@pytest.mark.parametrize("mark", [1, 2])
@pytest.mark.parametrize("end", ["close", "error"])
@pytest.mark.parametrize("prevent", [False, True])
async def test_P9_shutdown_waits_for_the_last_write(mark: int, end: str, prevent: bool) -> None:
    """No shutdown starts before the last write is over, in any variant."""
    source, sink = RecordingSource(), SlowSink()
    pipe = ReadableStream(source).pipe_to(
        WritableStream(sink, count(mark)), prevent_close=prevent, prevent_abort=prevent
    )
    await until_idle()
    chunks = "ab"[:mark]
    for chunk in chunks:
        source.controller.enqueue(chunk)
    await until_idle()
    if end == "close":
        source.controller.close()
    else:
        source.controller.error(E1)
    for chunk in chunks:
        await until_idle()
        assert pipe.pending
        assert sink.events[-1] == ("write", chunk)
        await sink.finish()
    if end == "close":
        await pipe
    else:
        await rejects_with(pipe, E1)
    writes = [("write", chunk) for chunk in chunks]
    assert sink.events == writes + ([] if prevent else ["close" if end == "close" else ("abort", E1)])


@pytest.mark.parametrize("closing", [False, True])
async def test_P10_a_closed_destination_cancels_the_source(closing: bool) -> None:
    """A closed or closing destination cancels the source with the TypeError the pipe rejects with."""
    source, sink = RecordingSource(), RecordingSink()
    dest: WritableStream[str] = WritableStream(sink)
    close = dest.close()
    if not closing:
        await close
    pipe = ReadableStream(source).pipe_to(dest)
    with pytest.raises(TypeError) as caught:
        await pipe
    assert source.events[-1] == ("cancel", caught.value)


async def test_P11_an_aborted_signal_beats_all_and_an_error_beats_a_close() -> None:
    """A signal aborted before beats every other ending; an error beats a close."""
    source, dest = ReadableStream[int](FailingSource([], E1)), WritableStream[int]()
    await until_idle()
    await rejects_with(source.pipe_to(dest, signal=AbortSignal.abort(E2)), E2)
    errored, closed = ReadableStream[int](FailingSource([], E1)), WritableStream[int]()
    await closed.close()
    await until_idle()
    await rejects_with(errored.pipe_to(closed), E1)


async def test_P12_errored_source_and_erroring_destination_give_the_destinations_error() -> None:
    """An errored source and an erroring destination: the latter's error wins, unless prevent_abort."""
    for prevent_abort, expected in ((False, E2), (True, E1)):
        sink = SlowSink()
        dest: WritableStream[str] = WritableStream(sink)
        writer = dest.get_writer()
        await until_idle()
        writer.write("a")
        sink.controller.error(E2)
        writer.release_lock()
        source = ReadableStream[str](FailingSource([], E1))
        await until_idle()
        pipe = source.pipe_to(dest, prevent_abort=prevent_abort)
        await sink.finish()
        await rejects_with(pipe, expected)


async def test_P12_an_errored_destination_leaves_the_sources_error() -> None:
    """With both errored already, the pipe rejects with the source's error."""
    dest = WritableStream[str]()
    await dest.abort(E2)
    source = ReadableStream[str](FailingSource([], E1))
    await until_idle()
    await rejects_with(source.pipe_to(dest), E1)


async def test_P13_errored_source_and_closing_destination_abort_it() -> None:
    """An errored source aborts a destination whose close has not begun."""
    sink = SlowSink()
    dest: WritableStream[str] = WritableStream(sink)
    writer = dest.get_writer()
    await until_idle()
    writer.write("a")
    close = writer.close()
    writer.release_lock()
    source = ReadableStream[str](FailingSource([], E1))
    await until_idle()
    pipe = source.pipe_to(dest)
    await sink.finish()
    await rejects_with(pipe, E1)
    await rejects_with(close, E1)
    assert sink.events == [("write", "a"), ("abort", E1)]


async def test_P13_two_closed_streams_resolve() -> None:
    """A pipe between two closed streams resolves."""
    source, dest = ReadableStream[str](ListSource("")), WritableStream[str]()
    await dest.close()
    await until_idle()
    await source.pipe_to(dest)


async def test_P14_abort_writes_what_was_read_then_aborts_then_cancels() -> None:
    """After an abort what was read is written, then the destination is aborted, then the source cancelled."""
    recorder, controller = Recorder(), AbortController()
    source, sink = RecordingSource(recorder), SlowSink(recorder)
    pipe = ReadableStream(source, count(0)).pipe_to(WritableStream(sink, count(2)), signal=controller.signal)
    await until_idle()
    source.controller.enqueue("a")
    await until_idle()
    source.controller.enqueue("b")
    await until_idle()
    recorder.events.clear()
    controller.abort(E1)
    await until_idle()
    assert recorder.events == []
    await sink.finish()
    await sink.finish()
    await rejects_with(pipe, E1)
    assert recorder.events == [("write", "b"), ("abort", E1), ("cancel", E1)]


async def test_P15_abort_cancel_and_pipe_see_one_reason() -> None:
    """The pipe, sink.abort and source.cancel get the very same reason."""
    controller, source, sink = AbortController(), RecordingSource(), RecordingSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink), signal=controller.signal)
    await until_idle()
    controller.abort()
    await rejects_with(pipe, controller.signal.reason)
    assert source.events[-1][1] is controller.signal.reason
    assert sink.events[-1][1] is controller.signal.reason


async def test_P16_the_sinks_failure_wins() -> None:
    """If sink.abort and source.cancel both fail after an abort, the sink's failure is the outcome."""
    controller, source, sink = AbortController(), RecordingSource(), RecordingSink()
    sink.abort = lambda reason: Promise.rejected(E1)  # type: ignore[method-assign]

    def cancel(reason: object) -> None:
        raise E2

    source.cancel = cancel  # type: ignore[method-assign]
    pipe = ReadableStream(source).pipe_to(WritableStream(sink), signal=controller.signal)
    await until_idle()
    controller.abort()
    await rejects_with(pipe, E1)


async def test_P17_the_protected_side_stays_usable() -> None:
    """prevent_abort and prevent_cancel leave their side usable after the signal's abort."""
    controller, source, sink = AbortController(), RecordingSource(), RecordingSink()
    stream, dest = ReadableStream[str](source), WritableStream[str](sink)
    pipe = stream.pipe_to(dest, prevent_abort=True, prevent_cancel=True, signal=controller.signal)
    await until_idle()
    controller.abort(E1)
    await rejects_with(pipe, E1)
    await dest.get_writer().write("a")
    source.controller.enqueue("b")
    assert (await stream.get_reader().read()).value == "b"
    assert sink.events == [("write", "a")]


@pytest.mark.parametrize("end", ["close", "error", "dest"])
async def test_P18_an_abort_after_the_end_keeps_the_outcome(end: str) -> None:
    """An abort that comes after the end, with writes still pending, keeps the first outcome."""
    controller, source, sink = AbortController(), RecordingSource(), SlowSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink), signal=controller.signal)
    await until_idle()
    source.controller.enqueue("a")
    await until_idle()
    if end == "close":
        source.controller.close()
    elif end == "error":
        source.controller.error(E1)
    else:
        await sink.finish(E1)
    await until_idle()
    controller.abort(E2)
    if end != "dest":
        await sink.finish()
    if end == "close":
        await pipe
    else:
        await rejects_with(pipe, E1)


@pytest.mark.parametrize("reason", [None, 0, "", False])
async def test_P19_errors_that_are_false_reject_the_pipe(reason: object) -> None:
    """Reasons that are false, None too, reject the pipe and reach sink.abort."""
    source, sink = RecordingSource(), RecordingSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink))
    await until_idle()
    source.controller.error(reason)
    with pytest.raises(AbortReasonError) as caught:
        await pipe
    assert caught.value.reason is reason
    assert sink.events == [("abort", reason)]


async def test_P20_an_invalid_signal_is_refused_before_anything_happens() -> None:
    """Something that is no signal is refused with TypeError before a lock is taken."""
    source, dest = ReadableStream[int](), WritableStream[int]()
    await rejects_with(source.pipe_to(dest, signal="now"), TypeError)  # type: ignore[arg-type]
    assert not source.locked
    assert not dest.locked


async def test_P21_pipe_through_returns_the_readable_side_and_warns_about_nothing() -> None:
    """pipe_through returns the readable side, and its own pipe's failure is not reported as never retrieved."""
    pair: TransformStream[Any, Any] = TransformStream()
    readable = ReadableStream(FailingSource("a", E1)).pipe_through(pair)
    assert readable is pair.readable
    reader = readable.get_reader()
    assert (await reader.read()).value == "a"
    await rejects_with(reader.read(), E1)
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    del reader, readable, pair
    await until_idle()
    gc.collect()
    assert complaints == []


async def test_cancelling_the_waiting_task_aborts_the_pipe_and_waits_for_it() -> None:
    source, sink = RecordingSource(), RecordingSink()
    stream = ReadableStream[str](source)

    async def copy() -> None:
        await stream.pipe_to(WritableStream(sink))

    async with no_task_left():
        task = asyncio.create_task(copy())
        await until_idle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert isinstance(sink.events[-1][1], AbortError)
    assert source.events[-1][1] is sink.events[-1][1]
    assert not stream.locked


async def test_a_long_synchronous_pipe_lets_an_abort_through() -> None:
    latest = perf_counter() + 1

    class Endless:
        def pull(self, controller: Any) -> None:
            controller.enqueue(b"chunk")
            if perf_counter() > latest:
                controller.error(E2)

    controller = AbortController()
    pipe = ReadableStream(Endless()).pipe_to(WritableStream(), signal=controller.signal)
    asyncio.get_running_loop().call_later(0.002, controller.abort, E1)
    await rejects_with(pipe, E1)


async def test_an_abort_from_inside_a_plain_sink_or_source_ends_the_pipe() -> None:
    for inside in ("write", "pull"):
        controller = AbortController()

        class Both(ListSource):
            def pull(self, stream: Any) -> None:
                if inside == "pull":  # noqa: B023 - used within the iteration
                    controller.abort(E1)  # noqa: B023 - as above
                else:
                    super().pull(stream)

            def write(self, chunk: Any, stream: Any) -> None:
                controller.abort(E1)  # noqa: B023 - as above

        both = Both("abc")
        await rejects_with(ReadableStream(both).pipe_to(WritableStream(both), signal=controller.signal), E1)
        assert both.cancelled == [E1]


async def test_plain_functions_cost_no_task() -> None:
    created: list[Any] = []

    def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
        created.append(coro)
        return asyncio.Task(coro, loop=loop, **kwargs)

    asyncio.get_running_loop().set_task_factory(factory)
    await ReadableStream.from_(range(1000)).pipe_through(TransformStream()).pipe_to(WritableStream(RecordingSink()))
    assert created == []


async def test_a_pipe_that_has_settled_can_not_be_aborted_any_more() -> None:
    source, sink = ListSource("a"), RecordingSink()
    pipe = ReadableStream(source).pipe_to(WritableStream(sink))
    assert isinstance(pipe, PipePromise)
    await pipe
    pipe.abort(E1)
    await until_idle()
    await pipe
    assert sink.events == [("write", "a"), "close"]
    assert source.cancelled == []


async def test_cancelling_a_waiter_of_a_pipe_that_has_just_settled_is_only_a_cancel() -> None:
    sink = RecordingSink()
    pipe = ReadableStream[str](ListSource("a")).pipe_to(WritableStream(sink))

    async def cancel_the_next() -> None:
        await pipe
        task.cancel()

    async def wait() -> None:
        await pipe

    first, task = asyncio.create_task(cancel_the_next()), asyncio.create_task(wait())
    with pytest.raises(asyncio.CancelledError):
        await task
    await first
    assert sink.events == [("write", "a"), "close"]
