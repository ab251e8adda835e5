from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
    ParallelTransformStream,
    Promise,
    ReadableStream,
    TransformStream,
    WritableStream,
    pipe_all,
    readable_controller,
    stream_controller,
    writable_controller,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, RecordingSink, RecordingSource, SlowSink, rejects_with

E1 = ValueError("first")


class Time:
    """What the streams see as the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in (stream_controller, readable_controller, writable_controller):
        monkeypatch.setattr(module, "perf_counter", time)
    return time


def waits(stream: Any) -> tuple[float, float]:
    statistics = stream.statistics()
    return statistics.waited_for_input, statistics.waited_for_output


def by_bytes(mark: int) -> ByteLengthQueuingStrategy:
    return ByteLengthQueuingStrategy(mark)


# ----------------------------------------------------------------------------------------------- readable


async def test_a_readable_stream_counts_what_came_what_went_and_what_waits() -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, by_bytes(100))
    assert stream.statistics() == StreamStatistics(high_water_mark=100)
    for chunk in (b"abc", bytearray(5), memoryview(bytes(16)).cast("I")):
        source.controller.enqueue(chunk)
    assert stream.statistics() == StreamStatistics(3, 0, 24, 0, 24, 100)
    reader = stream.get_reader()
    await reader.read()
    assert stream.statistics() == StreamStatistics(3, 1, 24, 3, 21, 100)
    await reader.read()
    await reader.read()
    pending = reader.read()
    source.controller.enqueue(b"straight through")
    await pending
    statistics = stream.statistics()
    assert (statistics.chunks_in, statistics.chunks_out) == (4, 4)
    assert (statistics.bytes_in, statistics.bytes_out, statistics.queued) == (40, 40, 0)


async def test_chunks_that_are_no_buffers_count_as_chunks_without_bytes(time: Time) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, CountQueuingStrategy(3))
    source.controller.enqueue("text")
    source.controller.enqueue(3)
    assert stream.statistics() == StreamStatistics(chunks_in=2, queued=2, high_water_mark=3)


async def test_a_chunk_that_is_refused_is_not_counted(time: Time) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, by_bytes(10))
    with pytest.raises(TypeError):
        source.controller.enqueue("no buffer")
    dest: WritableStream[Any] = WritableStream(None, by_bytes(10))
    writer = dest.get_writer()
    await rejects_with(writer.write("no buffer"), TypeError)
    await rejects_with(writer.write(b"too late"), TypeError)
    for each in (stream, dest):
        assert each.statistics() == StreamStatistics(high_water_mark=10)


@pytest.mark.parametrize("end", ["cancel", "error"])
async def test_what_a_cancel_or_an_error_drops_was_never_passed_on(end: str) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, by_bytes(100))
    for _ in range(3):
        source.controller.enqueue(b"abcd")
    reader = stream.get_reader()
    await reader.read()
    if end == "cancel":
        await reader.cancel()
    else:
        source.controller.error(E1)
    statistics = stream.statistics()
    assert (statistics.chunks_in, statistics.chunks_out) == (3, 1)
    assert (statistics.bytes_in, statistics.bytes_out, statistics.queued) == (12, 4, 0)


async def test_a_readable_stream_waits_for_input_while_reads_are_pending(time: Time) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, CountQueuingStrategy(2))
    reader = stream.get_reader()
    await until_idle()
    time.pass_by(1)
    assert waits(stream) == (0, 0)
    first, second = reader.read(), reader.read()
    time.pass_by(2)
    assert waits(stream) == (2, 0), "a wait that goes on counts"
    source.controller.enqueue("a")
    time.pass_by(4)
    assert waits(stream) == (6, 0), "the second read still waits"
    source.controller.enqueue("b")
    time.pass_by(8)
    assert waits(stream) == (6, 0)
    await first
    await second
    reader.read()
    time.pass_by(16)
    reader.release_lock()
    time.pass_by(32)
    assert waits(stream) == (22, 0)


@pytest.mark.parametrize("end", ["close", "cancel", "error"])
async def test_the_clocks_of_a_readable_stream_stop_at_its_end(time: Time, end: str) -> None:
    for pending in (False, True):
        source = RecordingSource()
        stream: ReadableStream[Any] = ReadableStream(source)
        reader = stream.get_reader()
        await until_idle()
        if pending:
            reader.read()
        else:
            source.controller.enqueue("a")
        time.pass_by(1)
        if end == "cancel":
            await reader.cancel()
        elif end == "close":
            source.controller.close()
        else:
            source.controller.error(E1)
        time.pass_by(2)
        assert waits(stream) == ((1, 0) if pending else (0, 1))


async def test_a_readable_stream_holds_its_source_back_while_its_queue_is_full(time: Time) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, by_bytes(10))
    reader = stream.get_reader()
    await until_idle()
    source.controller.enqueue(bytes(9))
    time.pass_by(1)
    assert waits(stream) == (0, 0)
    source.controller.enqueue(bytes(9))
    time.pass_by(2)
    assert waits(stream) == (0, 2), "a wait that goes on counts"
    await reader.read()
    time.pass_by(4)
    assert waits(stream) == (0, 2)


async def test_without_a_queue_the_source_is_held_back_whenever_nobody_reads(time: Time) -> None:
    source = RecordingSource()
    stream: ReadableStream[Any] = ReadableStream(source, CountQueuingStrategy(0))
    reader = stream.get_reader()
    await until_idle()
    time.pass_by(1)
    assert waits(stream) == (0, 1)
    read = reader.read()
    time.pass_by(2)
    assert waits(stream) == (2, 1)
    source.controller.enqueue("a")
    await read
    time.pass_by(4)
    assert waits(stream) == (2, 5)


# ----------------------------------------------------------------------------------------------- writable


async def test_a_writable_stream_counts_what_came_and_what_its_sink_took() -> None:
    sink = SlowSink()
    stream: WritableStream[Any] = WritableStream(sink, by_bytes(100))
    writer = stream.get_writer()
    await until_idle()
    for size in (3, 4, 5):
        writer.write(bytes(size))
    statistics = stream.statistics()
    assert (statistics.chunks_in, statistics.chunks_out) == (3, 0)
    assert (statistics.bytes_in, statistics.bytes_out) == (12, 0)
    assert (statistics.queued, statistics.high_water_mark) == (12, 100), "the running write is queued"
    await sink.finish()
    statistics = stream.statistics()
    assert (statistics.chunks_in, statistics.chunks_out) == (3, 1)
    assert (statistics.bytes_out, statistics.queued) == (3, 9)
    await sink.finish(E1)
    statistics = stream.statistics()
    assert (statistics.chunks_in, statistics.chunks_out) == (3, 1), "neither the failed nor the dropped one went out"
    assert (statistics.bytes_in, statistics.bytes_out, statistics.queued) == (12, 3, 0)


async def test_a_writable_stream_waits_for_input_while_its_sink_has_nothing_to_do(time: Time) -> None:
    started: Promise[None] = Promise()

    class Sink(SlowSink):
        def start(self, controller: Any) -> Any:
            return started

    sink = Sink()
    stream: WritableStream[Any] = WritableStream(sink, CountQueuingStrategy(2))
    writer = stream.get_writer()
    time.pass_by(1)
    assert waits(stream) == (0, 0), "it has not started"
    started.resolve(None)
    await until_idle()
    time.pass_by(2)
    assert waits(stream) == (2, 0)
    writer.write("a")
    time.pass_by(4)
    assert waits(stream) == (2, 0)
    await sink.finish()
    time.pass_by(8)
    assert waits(stream) == (10, 0)
    writer.close()
    time.pass_by(16)
    assert waits(stream) == (10, 0)


async def test_a_plain_sink_is_busy_while_its_write_runs(time: Time) -> None:
    class Sink:
        def write(self, chunk: Any, controller: Any) -> None:
            time.pass_by(4)

    stream: WritableStream[Any] = WritableStream(Sink())
    writer = stream.get_writer()
    await until_idle()
    time.pass_by(1)
    writer.write("a")
    writer.write("b")
    time.pass_by(2)
    assert waits(stream) == (3, 0)


async def test_a_writable_stream_holds_its_producer_back_while_it_has_no_room(time: Time) -> None:
    sink = SlowSink()
    stream: WritableStream[Any] = WritableStream(sink, CountQueuingStrategy(2))
    writer = stream.get_writer()
    await until_idle()
    writer.write("a")
    time.pass_by(1)
    writer.write("b")
    time.pass_by(2)
    writer.write("c")
    time.pass_by(4)
    assert waits(stream) == (0, 6)
    await sink.finish()
    assert writer.ready.pending
    time.pass_by(8)
    await sink.finish()
    time.pass_by(16)
    assert waits(stream) == (0, 14)
    writer.write("d")
    time.pass_by(32)
    abort = writer.abort(E1)
    time.pass_by(64)
    assert waits(stream) == (0, 46)
    await sink.finish()
    await abort


async def test_a_stream_without_any_room_holds_back_from_the_beginning(time: Time) -> None:
    stream: WritableStream[Any] = WritableStream(None, CountQueuingStrategy(0))
    time.pass_by(1)
    assert waits(stream) == (0, 1)
    await until_idle()
    time.pass_by(2)
    assert waits(stream) == (2, 3)
    stream.close()
    time.pass_by(4)
    assert waits(stream) == (2, 3)


# --------------------------------------------------------------------------------------- pairs and networks


async def test_a_transform_takes_what_comes_from_one_side_and_what_goes_from_the_other(time: Time) -> None:
    class Halve:
        def transform(self, chunk: bytes, controller: Any) -> None:
            controller.enqueue(chunk[: len(chunk) // 2])
            controller.enqueue(b"")

    pair: TransformStream[Any, Any] = TransformStream(Halve(), by_bytes(7), by_bytes(5))
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    time.pass_by(1)
    writer.write(bytes(10))
    time.pass_by(2)
    assert pair.statistics() == StreamStatistics(1, 0, 10, 0, 0, 7, 3, 2)
    writer.write(bytes(10))
    time.pass_by(4)
    statistics = pair.statistics()
    assert statistics == StreamStatistics(2, 0, 20, 0, 10, 7, 3, 6)
    await reader.read()
    assert pair.statistics().chunks_out == 1
    assert pair.statistics().bytes_out == 5


async def test_a_parallel_transform_has_something_to_do_while_jobs_run(time: Time) -> None:
    jobs: list[asyncio.Future[Any]] = []

    class Jobs:
        def transform(self, chunk: bytes) -> list[Callable[[], bytes]]:
            return [lambda: chunk]

    def submit(_job: Any) -> asyncio.Future[Any]:
        jobs.append(asyncio.get_running_loop().create_future())
        return jobs[-1]

    pair = ParallelTransformStream(Jobs(), submit, 2, by_bytes(10), by_bytes(3))
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    time.pass_by(1)
    await writer.write(bytes(10))
    time.pass_by(2)
    statistics = pair.statistics()
    assert (statistics.waited_for_input, statistics.queued) == (1, 10)
    assert pair.writable.statistics().waited_for_output == 2
    jobs[0].set_result(b"done")
    await until_idle()
    time.pass_by(4)
    statistics = pair.statistics()
    assert (statistics.bytes_in, statistics.bytes_out, statistics.queued) == (10, 0, 0)
    assert (statistics.waited_for_input, statistics.waited_for_output) == (5, 4)
    await reader.read()
    assert pair.statistics().bytes_out == 4


async def test_a_network_accounts_for_every_byte() -> None:
    source = ReadableStream(ListSource([bytes(100)] * 50), by_bytes(300))
    left, right = source.tee(1000)
    pair: TransformStream[Any, Any] = TransformStream(None, by_bytes(300), by_bytes(300))
    sinks = [WritableStream[Any](RecordingSink(), by_bytes(300)) for _ in range(2)]
    await pipe_all(left.pipe_to(sinks[0]), right.pipe_through(pair).pipe_to(sinks[1]))
    for stream in (source, left, right, pair, *sinks):
        statistics = stream.statistics()
        assert (statistics.chunks_in, statistics.chunks_out) == (50, 50)
        assert (statistics.bytes_in, statistics.bytes_out) == (5000, 5000)
        assert statistics.queued == 0


async def test_the_figures_can_be_read_from_another_thread_while_chunks_flow() -> None:
    source = ReadableStream(ListSource([bytes(10)] * 30_000), by_bytes(100))
    sink: WritableStream[Any] = WritableStream(RecordingSink(), by_bytes(100))
    seen: list[StreamStatistics] = []
    done, looked = threading.Event(), threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.extend(stream.statistics() for stream in (source, sink))
            looked.set()

    thread = threading.Thread(target=look)
    thread.start()
    looked.wait()
    await source.pipe_to(sink)
    done.set()
    thread.join()
    for statistics in seen:
        assert 0 <= statistics.chunks_out <= statistics.chunks_in + 1
        assert 0 <= statistics.bytes_in <= 300_000
        assert 0 <= statistics.waited_for_input < 60
        assert 0 <= statistics.waited_for_output < 60
    assert source.statistics().bytes_out == sink.statistics().bytes_out == 300_000
