"""What stages of a job measure, and which one held up the others."""

from __future__ import annotations

import dataclasses
import gc
import threading
import weakref

import pytest

from kamaros_gui.base.control import RunControl
from kamaros_gui.base.statistics import StageMeter, StageMeters, StageStatistics, StreamStatistics, bottleneck


class Stream:
    """Measures what a test tells it."""

    def __init__(self, **figures: float) -> None:
        self.figures = StreamStatistics(**figures)  # type: ignore[arg-type] # whole numbers where they count

    def statistics(self) -> StreamStatistics:
        return self.figures


def test_records_are_frozen() -> None:
    for record in (StreamStatistics(), StageStatistics("read")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.bytes_in = 1  # type: ignore[misc] # that is what is tested


def test_the_bottleneck_is_the_stage_that_was_busy_longest() -> None:
    stages = [StageStatistics("read", busy=0.5), StageStatistics("encode", busy=3.1), StageStatistics("write", busy=1)]
    assert bottleneck(stages) is stages[1]
    assert bottleneck(iter(stages[2:])) is stages[2]


@pytest.mark.parametrize("stages", [[], [StageStatistics("read"), StageStatistics("write", bytes_in=5)]])
def test_nothing_is_a_bottleneck_while_no_stage_was_busy(stages: list[StageStatistics]) -> None:
    assert bottleneck(stages) is None


def test_speed_is_what_the_larger_side_did_while_it_was_busy() -> None:
    assert StageStatistics("encode", bytes_in=100, bytes_out=10, busy=2).bytes_per_second == 50
    assert StageStatistics("decode", bytes_in=10, bytes_out=100, busy=2).bytes_per_second == 50
    assert StageStatistics("decode", bytes_in=10, bytes_out=100).bytes_per_second == 0


def test_work_adds_up_and_counts_a_share_of_each_lane() -> None:
    meter = StageMeter("hash")
    meter.worked(1.0, bytes_in=10, bytes_out=4, chunks=2)
    meter.worked(2.0, lanes=4, bytes_in=1, chunks=1)
    assert meter.snapshot() == StageStatistics("hash", chunks_in=3, chunks_out=3, bytes_in=11, bytes_out=4, busy=1.5)


def test_a_stream_that_is_followed_counts_live_and_stays_counted() -> None:
    meter = StageMeter("read")
    first = Stream(chunks_in=2, chunks_out=1, bytes_in=20, bytes_out=10, queued=10, high_water_mark=64)
    meter.follow(first.statistics)
    assert meter.snapshot().queued == 10
    first.figures = StreamStatistics(
        chunks_in=3, chunks_out=3, bytes_in=30, bytes_out=30, queued=5, high_water_mark=64, waited_for_input=0.5
    )
    assert (meter.snapshot().bytes_out, meter.snapshot().queued) == (30, 5)
    second = Stream(chunks_in=1, bytes_in=7, queued=7, high_water_mark=128, waited_for_input=1, waited_for_output=2)
    meter.follow(second.statistics)
    first.figures = StreamStatistics(bytes_in=1000)  # let go: it counts no more
    assert meter.snapshot() == StageStatistics(
        "read",
        chunks_in=4,
        chunks_out=3,
        bytes_in=37,
        bytes_out=30,
        queued=7,
        high_water_mark=128,
        waited_for_input=1.5,
        waited_for_output=2,
    )


def test_settling_keeps_the_figures_once_and_lets_the_stream_go() -> None:
    meter = StageMeter("write")
    stream = Stream(bytes_in=5, queued=5, high_water_mark=64)
    gone = weakref.ref(stream)
    meter.follow(stream.statistics)
    meter.worked(0.25, chunks=1)
    meter.settle()
    meter.settle()
    del stream
    gc.collect()
    assert gone() is None
    assert meter.snapshot() == StageStatistics(
        "write", chunks_in=1, chunks_out=1, bytes_in=5, high_water_mark=64, busy=0.25
    )


def test_stages_stand_in_the_order_the_data_takes_whoever_spoke_first() -> None:
    meters = StageMeters()
    for name in ("write", "another", "encode", "hash", "decode", "read"):
        meters[name].worked(1)
    assert [stage.name for stage in meters.snapshot()] == ["read", "decode", "hash", "encode", "write", "another"]
    assert meters["read"] is meters["read"]


def test_settling_all_lets_all_go() -> None:
    meters = StageMeters()
    streams = {name: Stream(bytes_in=size, queued=size) for name, size in (("read", 1), ("write", 2))}
    for name, stream in streams.items():
        meters[name].follow(stream.statistics)
    meters.settle()
    for stream in streams.values():
        stream.figures = StreamStatistics()
    assert [(stage.bytes_in, stage.queued) for stage in meters.snapshot()] == [(1, 0), (2, 0)]


def test_stages_may_be_fed_and_looked_at_on_any_thread() -> None:
    meters = RunControl().stages
    ready = threading.Barrier(5)
    seen: list[int] = []

    def work() -> None:
        ready.wait(10)
        for number in range(2000):
            meters[f"stage {number % 7}"].worked(0.5, lanes=2, bytes_in=3, chunks=1)

    def look() -> None:
        ready.wait(10)
        while not seen or seen[-1] < 8000:
            seen.append(sum(stage.chunks_in for stage in meters.snapshot()))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    threads.append(threading.Thread(target=look, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == sorted(seen)
    assert seen[-1] == 8000
    assert sum(stage.busy for stage in meters.snapshot()) == 2000
