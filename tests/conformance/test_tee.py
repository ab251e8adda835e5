"""The behaviours E1-E7 of tee, and its bound."""

from __future__ import annotations

from typing import Any

import pytest

from kamaros_gui.streams import CountQueuingStrategy, Promise, ReadableStream, WritableStream, pipe_all
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, Recorder, RecordingSink, RecordingSource, SlowSink, rejects_with

E1 = ValueError("first")
CHUNK = b"0123456789"


def one(_chunk: object) -> int:
    return 1


async def test_E1_both_get_the_same_objects_and_one_end_does_not_close_the_other() -> None:
    """Both branches get the same objects; reading one to its end leaves the other open."""
    chunks = [bytearray(b"a"), bytearray(b"b")]
    first, second = ReadableStream(ListSource(chunks)).tee()
    read = [chunk async for chunk in first]
    reader = second.get_reader()
    assert reader.closed.pending
    again = [(await reader.read()).value, (await reader.read()).value]
    assert all(one is other is chunk for one, other, chunk in zip(read, again, chunks, strict=True))
    assert (await reader.read()).done


async def test_E2_cancelling_one_branch_leaves_the_other_running() -> None:
    """A cancelled branch leaves the other running; its promise settles with the end of the source."""
    source = ListSource([CHUNK] * 5)
    first, second = ReadableStream(source).tee()
    cancelled = first.cancel("reason")
    await until_idle()
    assert cancelled.pending
    assert [chunk async for chunk in second] == [CHUNK] * 5
    await cancelled
    assert source.cancelled == []


async def test_E2_it_settles_when_the_source_errors_too() -> None:
    """A cancelled branch's promise settles when the source errors."""
    source = RecordingSource()
    first, _second = ReadableStream(source).tee()
    cancelled = first.cancel("reason")
    source.controller.error(E1)
    await cancelled


@pytest.mark.parametrize("fails", [False, True])
async def test_E3_cancelling_both_cancels_the_source_with_both_reasons(fails: bool) -> None:
    """Cancelling both cancels the source with both reasons, and both promises get the outcome."""
    source = RecordingSource()
    if fails:
        source.cancel = lambda reason: Promise.rejected(E1)  # type: ignore[method-assign]
    first, second = ReadableStream(source).tee()
    promises = [second.cancel("second"), first.cancel("first")]
    if fails:
        for promise in promises:
            await rejects_with(promise, E1)
    else:
        for promise in promises:
            assert await promise is None
        assert source.events[-1] == ("cancel", ["first", "second"])


async def test_E4_an_error_errors_both_and_a_close_closes_both() -> None:
    """An error of the source errors both branches at once, a close closes both."""
    source = RecordingSource()
    readers = [branch.get_reader() for branch in ReadableStream(source).tee()]
    source.controller.error(E1)
    for reader in readers:
        await rejects_with(reader.read(), E1)
    closing = RecordingSource()
    readers = [branch.get_reader() for branch in ReadableStream(closing).tee()]
    closing.controller.close()
    for reader in readers:
        await reader.closed


async def test_E5_one_pull_for_two_fresh_branches() -> None:
    """Two fresh branches of a source without read-ahead cost one pull."""
    source = RecordingSource()
    ReadableStream(source, CountQueuingStrategy(0)).tee()
    await until_idle()
    assert source.events == ["start", "pull"]


async def test_E5_no_pull_from_an_errored_source() -> None:
    """An errored source is not pulled; its branches are errored."""
    source = RecordingSource()
    stream = ReadableStream[Any](source, CountQueuingStrategy(0))
    source.controller.error(E1)
    branches = stream.tee()
    await until_idle()
    assert source.events == ["start"]
    await rejects_with(branches[0].get_reader().read(), E1)


async def test_E6_pulls_stop_when_the_source_errors() -> None:
    """No pull follows the source's error while both branches read."""
    source = RecordingSource()
    readers = [branch.get_reader() for branch in ReadableStream(source, CountQueuingStrategy(0)).tee()]
    await until_idle()
    reads = [reader.read() for reader in readers]
    source.controller.error(E1)
    for read in reads:
        await rejects_with(read, E1)
    assert source.events == ["start", "pull"]


async def test_E7_without_readers_the_source_sees_backpressure() -> None:
    """Without readers the source is pulled once and then held back."""
    source = ListSource([CHUNK] * 100)
    ReadableStream(source, CountQueuingStrategy(0)).tee(1000)
    await until_idle()
    assert source.pulls == 1


async def test_E7_a_fast_branch_leads_by_the_bound_only() -> None:
    """A branch that is read gets ahead of the other by the bound and no further."""
    source = ListSource([CHUNK] * 100)
    first, second = ReadableStream(source, CountQueuingStrategy(0)).tee(50)
    got: list[bytes] = []

    class Sink:
        def write(self, chunk: bytes, controller: Any) -> None:
            got.append(chunk)

    pipe = first.pipe_to(WritableStream(Sink()))
    await until_idle()
    assert len(got) == 5
    assert second.controller.queue_size == 50
    assert source.pulls == 5
    reader = second.get_reader()
    await reader.read()
    await until_idle()
    assert len(got) == 6
    reader.cancel("enough")
    await pipe
    assert len(got) == 100


async def test_a_stalled_sink_keeps_memory_flat_and_its_failure_lets_the_other_run_on() -> None:
    source = ListSource([CHUNK] * 1000)
    fast, slow = RecordingSink(), SlowSink()
    first, second = ReadableStream(source).tee(100)
    fast_pipe = first.pipe_to(WritableStream(fast))
    slow_pipe = second.pipe_to(WritableStream(slow))
    await until_idle()
    for _ in range(20):
        await slow.finish()
        assert second.controller.queue_size <= 100
        assert len(fast.events) <= len(slow.events) + 11
    await slow.finish(E1)
    await rejects_with(slow_pipe, E1)
    await fast_pipe
    assert len(fast.events) == 1001


async def test_both_sinks_get_everything_in_order() -> None:
    recorders = [Recorder(), Recorder()]
    branches = ReadableStream.from_(range(500)).tee(7, size=one)
    await pipe_all(
        *(
            branch.pipe_to(WritableStream(RecordingSink(recorder)))
            for branch, recorder in zip(branches, recorders, strict=True)
        )
    )
    expected = [*(("write", number) for number in range(500)), "close"]
    assert [recorder.events for recorder in recorders] == [expected, expected]


async def test_a_chunk_without_a_size_errors_both_and_cancels_the_source() -> None:
    source = ListSource([3])
    readers = [branch.get_reader() for branch in ReadableStream(source, CountQueuingStrategy(0)).tee()]
    for reader in readers:
        await rejects_with(reader.closed, TypeError)
    assert len(source.cancelled) == 1


@pytest.mark.parametrize("bound", [0, -1])
async def test_a_bound_must_be_positive(bound: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        ReadableStream[bytes]().tee(bound)


async def test_a_branch_cancelled_while_the_other_one_takes_the_chunk_does_not_get_it() -> None:
    source = RecordingSource()
    first, second = ReadableStream[bytes](source).tee()
    reader = second.get_reader()
    cancels: list[Any] = []

    class Sink:
        def write(self, chunk: bytes, controller: Any) -> None:
            cancels.append(reader.cancel("enough"))

    pipe = first.pipe_to(WritableStream(Sink()))
    await until_idle()
    source.controller.enqueue(CHUNK)
    source.controller.close()
    await pipe
    await cancels[0]
    assert second.statistics().chunks_in == 0
    assert first.statistics().chunks_out == 1
