"""The behaviours R1-R15 of readable streams, and S1-S3 of strategies."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
    Promise,
    ReadableStream,
    ReadResult,
    TransformStream,
    WritableStream,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, Recorder, RecordingSource, rejects_with


class Strategy:
    def __init__(self, high_water_mark: float, size: Any) -> None:
        self.high_water_mark = high_water_mark
        self.size = size


async def test_R1_constructor_calls_start_once() -> None:
    """The constructor calls start once, before it returns."""
    source = RecordingSource()
    ReadableStream(source, CountQueuingStrategy(0))
    assert source.events == ["start"]
    await until_idle()
    assert source.events == ["start"]


async def test_R1_a_rejected_start_errors_the_stream() -> None:
    """A start whose awaitable fails errors the stream with that error."""
    error = ValueError()

    class Source:
        async def start(self, controller: Any) -> None:
            raise error

    await rejects_with(ReadableStream(Source()).get_reader().read(), error)


async def test_R1_a_raising_start_raises_from_the_constructor() -> None:
    """What a plain start raises comes out of the constructor."""

    class Source:
        def start(self, controller: Any) -> None:
            raise ValueError("start")

    with pytest.raises(ValueError, match="start"):
        ReadableStream(Source())


async def test_R2_pull_waits_for_start() -> None:
    """No pull before start has settled, even with a read pending."""
    started: Promise[None] = Promise()

    class Source(RecordingSource):
        def start(self, controller: Any) -> Any:
            super().start(controller)
            return started

    source = Source()
    reader = ReadableStream(source).get_reader()
    reader.read()
    await until_idle()
    assert source.events == ["start"]
    started.resolve(None)
    await until_idle()
    assert source.events == ["start", "pull"]


async def test_R2_without_room_only_a_read_pulls() -> None:
    """With a mark of 0 only a pending read makes the stream pull."""
    source = RecordingSource()
    reader = ReadableStream(source, CountQueuingStrategy(0)).get_reader()
    await until_idle()
    assert source.events == ["start"]
    reader.read()
    assert source.events == ["start", "pull"]


@pytest.mark.parametrize("awaited", [False, True])
async def test_R2_pulls_go_on_until_the_queue_is_full(awaited: bool) -> None:
    """A pull that leaves room is followed by the next, plain or awaited, without any read."""

    class Source(RecordingSource):
        def pull(self, controller: Any) -> Any:
            super().pull(controller)
            if not awaited:
                controller.enqueue("chunk")
                return None

            async def later() -> None:
                await asyncio.sleep(0)
                controller.enqueue("chunk")

            return later()

    source = Source()
    ReadableStream(source, CountQueuingStrategy(3))
    await until_idle()
    assert source.events == ["start", "pull", "pull", "pull"]


async def test_R3_by_default_one_pull_while_nothing_is_read() -> None:
    """With the default mark of 1 exactly one pull happens while nothing is read."""
    source = RecordingSource()
    ReadableStream(source)
    await until_idle()
    assert source.events == ["start", "pull"]


async def test_R4_a_full_queue_is_not_pulled_until_it_is_read() -> None:
    """A queue filled in start is not pulled for before a read makes room."""

    class Source(RecordingSource):
        def start(self, controller: Any) -> None:
            super().start(controller)
            controller.enqueue("a")

    source = Source()
    reader = ReadableStream(source).get_reader()
    await until_idle()
    assert source.events == ["start"]
    assert (await reader.read()).value == "a"
    assert source.events == ["start", "pull"]


async def test_R4_reading_the_last_chunk_does_not_pull_after_close() -> None:
    """Reading the last chunk does not pull once close was asked for."""

    class Source(RecordingSource):
        def start(self, controller: Any) -> None:
            super().start(controller)
            controller.enqueue("a")
            controller.close()

    source = Source()
    reader = ReadableStream(source).get_reader()
    assert (await reader.read()).value == "a"
    await until_idle()
    assert source.events == ["start"]


async def test_R5_never_two_pulls_at_once() -> None:
    """A pull needed while one runs follows it, once."""

    class Source(RecordingSource):
        def pull(self, controller: Any) -> Any:
            super().pull(controller)
            self.pulling: Promise[None] = Promise()
            return self.pulling

    source = Source()
    reader = ReadableStream(source).get_reader()
    await until_idle()
    for _ in range(3):
        reader.read()
    source.controller.enqueue("a")
    await until_idle()
    assert source.events == ["start", "pull"]
    source.pulling.resolve(None)
    await until_idle()
    assert source.events == ["start", "pull", "pull"]


async def test_R6_a_failing_pull_rejects_the_read_first_then_closed_with_one_object() -> None:
    """A failing pull rejects the read, then closed, with one object."""
    error = ValueError()
    recorder = Recorder()

    class Source:
        async def pull(self, controller: Any) -> None:
            raise error

    reader = ReadableStream(Source()).get_reader()
    recorder.watch("closed", reader.closed)
    recorder.watch("read", reader.read())
    await until_idle()
    assert recorder.events == [("read", error), ("closed", error)]


async def test_R7_enqueue_after_the_end_raises_and_desired_size_tells_the_state() -> None:
    """After the end enqueue raises; desired_size is 0 when closed and None when errored."""
    source = RecordingSource()
    ReadableStream(source)
    source.controller.close()
    assert source.controller.desired_size == 0
    with pytest.raises(TypeError):
        source.controller.enqueue("a")
    with pytest.raises(TypeError):
        source.controller.close()
    failed = RecordingSource()
    ReadableStream(failed)
    failed.controller.error(ValueError())
    assert failed.controller.desired_size is None
    with pytest.raises(TypeError):
        failed.controller.enqueue("a")


async def test_R8_queued_chunks_drain_before_the_close() -> None:
    """A close takes effect when the queued chunks were read."""
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source)
    source.controller.enqueue("a")
    source.controller.close()
    reader = stream.get_reader()
    assert reader.closed.pending
    assert await reader.read() == ReadResult("a", done=False)
    assert await reader.read() == ReadResult(None, done=True)
    assert await reader.closed is None


async def test_R8_an_error_drops_the_queue_and_rejects_reads() -> None:
    """An error drops the queue and is what reads and closed reject with."""
    source, error = RecordingSource(), ValueError()
    stream: ReadableStream[str] = ReadableStream(source)
    source.controller.enqueue("a")
    source.controller.error(error)
    reader = stream.get_reader()
    await rejects_with(reader.read(), error)
    await rejects_with(reader.closed, error)


async def test_R9_cancel_closes_at_once_and_awaits_the_source() -> None:
    """Cancel ends pending reads at once and settles, with None, when source.cancel has."""
    cancelling: Promise[str] = Promise()

    class Source(RecordingSource):
        def cancel(self, reason: object) -> Any:
            super().cancel(reason)
            return cancelling

    source = Source()
    reader = ReadableStream(source, CountQueuingStrategy(0)).get_reader()
    read = reader.read()
    cancelled = reader.cancel("reason")
    assert (await read).done
    assert source.events[-1] == ("cancel", "reason")
    assert cancelled.pending
    cancelling.resolve("ignored")
    assert await cancelled is None


async def test_R9_cancel_on_closed_and_errored_streams() -> None:
    """Cancel resolves on a closed stream and rejects with the error of an errored one; the source is not told."""
    source, error = RecordingSource(), ValueError()
    stream: ReadableStream[str] = ReadableStream(source)
    source.controller.close()
    await stream.cancel()
    failed: ReadableStream[str] = ReadableStream(source)
    source.controller.error(error)
    await rejects_with(failed.cancel(), error)
    assert not [event for event in source.events if "cancel" in event]


async def test_R9_a_failing_cancel_rejects() -> None:
    """What source.cancel raises is what cancel rejects with."""
    error = ValueError()

    class Source:
        def cancel(self, reason: object) -> None:
            raise error

    await rejects_with(ReadableStream(Source()).cancel(), error)


async def test_R10_a_locked_stream_gives_no_second_reader_and_is_not_cancelled() -> None:
    """A locked stream refuses a second reader and a cancel with TypeError."""
    stream: ReadableStream[str] = ReadableStream()
    reader = stream.get_reader()
    with pytest.raises(TypeError):
        stream.get_reader()
    await rejects_with(stream.cancel(), TypeError)
    reader.release_lock()
    stream.get_reader()


async def test_R11_release_lock_rejects_pending_reads_and_keeps_chunks() -> None:
    """Releasing rejects pending reads with TypeError; chunks stay for the next reader."""
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source)
    reader = stream.get_reader()
    read = reader.read()
    reader.release_lock()
    await rejects_with(read, TypeError)
    await rejects_with(reader.closed, TypeError)
    await rejects_with(reader.read(), TypeError)
    source.controller.enqueue("a")
    assert (await stream.get_reader().read()).value == "a"


@pytest.mark.parametrize("size", [-1, math.nan, math.inf])
async def test_R12_a_wrong_size_raises_and_errors_the_stream(size: float) -> None:
    """A negative, NaN or infinite size raises from enqueue and errors the stream with the same error."""
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source, Strategy(1, lambda _chunk: size))
    with pytest.raises(ValueError, match="size") as caught:
        source.controller.enqueue("a")
    await rejects_with(stream.get_reader().read(), caught.value)


async def test_R13_the_normal_end_of_iteration_releases() -> None:
    """A loop that ends with the stream releases it without a cancel."""
    source = ListSource("abc")
    stream: ReadableStream[str] = ReadableStream(source)
    assert [chunk async for chunk in stream] == ["a", "b", "c"]
    assert not stream.locked
    assert source.cancelled == []


@pytest.mark.parametrize("prevent_cancel", [False, True])
async def test_R13_leaving_the_loop_cancels_unless_prevented(prevent_cancel: bool) -> None:
    """A break cancels the stream, unless told not to; the lock is released either way."""
    source = ListSource("abc")
    stream: ReadableStream[str] = ReadableStream(source)
    async for _chunk in stream.values(prevent_cancel=prevent_cancel):
        break
    assert source.cancelled == ([] if prevent_cancel else [None])
    assert not stream.locked
    if prevent_cancel:
        assert [chunk async for chunk in stream] == ["b", "c"]


async def test_R13_raising_in_the_loop_cancels() -> None:
    """An exception in the loop's body cancels the stream."""
    source = ListSource("abc")

    async def fail_in_the_loop() -> None:
        async for _chunk in ReadableStream(source):
            raise KeyError

    await rejects_with(fail_in_the_loop(), KeyError)
    assert source.cancelled == [None]


async def test_R13_a_locked_stream_does_not_iterate() -> None:
    """A locked stream can't be iterated."""
    stream: ReadableStream[str] = ReadableStream()
    stream.get_reader()
    with pytest.raises(TypeError):
        stream.values()


async def test_R14_from_is_lazy_and_ends() -> None:
    """from_ asks for the first item only after a read, and closes at the end."""
    pulled: list[int] = []

    def numbers() -> Any:
        for number in range(3):
            pulled.append(number)
            yield number

    stream = ReadableStream.from_(numbers())
    await until_idle()
    assert pulled == []
    assert [number async for number in stream] == [0, 1, 2]


async def test_R14_cancel_closes_an_async_generator_and_waits_for_it() -> None:
    """Cancel closes an asynchronous generator and waits for that."""
    events: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    reader = ReadableStream.from_(numbers()).get_reader()
    assert (await reader.read()).value == 1
    await reader.cancel("reason")
    assert events == ["closed"]


async def test_R14_cancel_while_the_generator_runs_closes_it_at_its_next_yield() -> None:
    """Cancel waits for a running generator to come to its next yield."""
    gate, events = asyncio.Event(), []

    async def numbers() -> Any:
        try:
            await gate.wait()
            yield 1
        finally:
            events.append("closed")

    reader = ReadableStream.from_(numbers()).get_reader()
    read = reader.read()
    await until_idle()
    cancelled = reader.cancel("reason")
    assert (await read).done
    gate.set()
    await cancelled
    assert events == ["closed"]


async def test_R14_an_error_of_the_iterable_errors_the_stream() -> None:
    """What the iterable raises errors the stream."""
    error = ValueError()

    def numbers() -> Any:
        yield 1
        raise error

    reader = ReadableStream.from_(numbers()).get_reader()
    await reader.read()
    await rejects_with(reader.read(), error)


async def test_R14_what_is_not_iterable_raises_at_once() -> None:
    """Something that is not iterable raises TypeError at once."""
    with pytest.raises(TypeError):
        ReadableStream.from_(3)  # type: ignore[arg-type, type-var]


async def test_R15_reader_tee_and_pipe_lock_and_disturb() -> None:
    """A reader, a tee and a pipe lock the stream; reading through them disturbs it."""
    read: ReadableStream[str] = ReadableStream()
    assert not read.locked
    reader = read.get_reader()
    assert read.locked
    assert not read.disturbed
    reader.read()
    assert read.disturbed
    teed: ReadableStream[str] = ReadableStream()
    branches = teed.tee()
    assert teed.locked
    await until_idle()
    assert teed.disturbed
    assert not branches[0].locked
    piped: ReadableStream[str] = ReadableStream()
    piped.pipe_to(WritableStream())
    assert piped.locked
    assert piped.disturbed


async def test_a_cancelled_reader_task_leaves_the_stream_usable() -> None:
    source = RecordingSource()
    reader = ReadableStream(source).get_reader()

    async def read() -> None:
        await reader.read()

    task = asyncio.create_task(read())
    await until_idle()
    task.cancel()
    await until_idle()
    source.controller.enqueue("a")
    source.controller.enqueue("b")
    assert (await reader.read()).value == "b"


@pytest.mark.parametrize("strategy", [CountQueuingStrategy, ByteLengthQueuingStrategy])
async def test_S1_strategies_need_a_mark_and_the_stream_checks_it(strategy: Any) -> None:
    """A strategy needs a mark and keeps any; the stream refuses NaN and negative ones and takes infinity."""
    with pytest.raises(TypeError):
        strategy()
    for mark in (math.nan, -1):
        assert strategy(mark).high_water_mark is mark
        with pytest.raises(ValueError, match="high-water"):
            ReadableStream(None, strategy(mark))
        with pytest.raises(ValueError, match="high-water"):
            WritableStream(None, strategy(mark))
    ReadableStream(None, strategy(math.inf))


def test_S2_sizes() -> None:
    """Counting gives 1 for anything; byte length gives bytes, not items."""
    assert CountQueuingStrategy(1).size(object()) == 1
    assert ByteLengthQueuingStrategy(1).size(memoryview(bytes(16)).cast("I")) == 16
    assert ByteLengthQueuingStrategy(1).size(bytearray(3)) == 3
    with pytest.raises(TypeError):
        ByteLengthQueuingStrategy(1).size("text")


async def test_S3_default_marks() -> None:
    """The default marks are 1 for readable and writable streams, 0 and 1 for the sides of a transform."""
    source = RecordingSource()
    ReadableStream(source)
    assert source.controller.desired_size == 1
    assert WritableStream().get_writer().desired_size == 1
    transform: TransformStream[Any, Any] = TransformStream()
    assert transform.writable.get_writer().desired_size == 1
    assert transform.readable.controller.desired_size == 0
