from __future__ import annotations

import dataclasses
import threading

import pytest

from kamaros_gui.base.progress import Phase, ProgressCounters, ProgressSnapshot, RateMeter

MIB = 1 << 20


@pytest.mark.parametrize(
    ("done", "total", "permille"),
    [
        (0, None, None),
        (5, None, None),
        (0, 0, 0),
        (0, 1, 0),
        (1, 1, 1000),
        (999, 1_000_000, 0),
        (1, 3, 333),
        (5 << 60, 10 << 60, 500),
        ((10 << 60) - 1, 10 << 60, 999),
        (7, 5, 1000),
    ],
)
def test_permille(done: int, total: int | None, permille: int | None) -> None:
    assert ProgressSnapshot(bytes_done=done, bytes_total=total).permille == permille


def test_nothing_to_move_is_done_only_when_the_job_is() -> None:
    assert ProgressSnapshot(bytes_total=0, phase=Phase.COMMITTING).permille == 0
    assert ProgressSnapshot(bytes_total=0, phase=Phase.FINISHED).permille == 1000


def test_a_snapshot_is_frozen_and_does_not_follow_the_counters() -> None:
    counters = ProgressCounters()
    counters.bytes_total = 10
    counters.begin_file("a", 10, 4)
    before = counters.snapshot()
    counters.add_chunk(4)
    assert (before.bytes_done, before.chunk_index, before.chunk_count, before.current_file) == (0, 0, 3, "a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.bytes_done = 1  # type: ignore[misc]  # frozen, which is what is checked


def test_chunks_of_a_file() -> None:
    counters = ProgressCounters()
    counters.begin_file("empty", 0, 4)
    assert counters.chunk_count == 1
    counters.begin_file("grows", 8, 4)
    for _ in range(3):
        counters.add_chunk(4)
    assert (counters.chunk_index, counters.chunk_count, counters.bytes_done) == (3, 3, 12)
    counters.begin_file("next", 5, 4)
    assert (counters.chunk_index, counters.chunk_count) == (0, 2)


def test_the_rate_is_that_of_the_window() -> None:
    meter = RateMeter(window=4, settle=1.5)
    assert meter.observe(100.0, 0) == 0
    assert meter.observe(101.0, 10 * MIB) == 10 * MIB
    for second in range(2, 30):
        rate = meter.observe(100.0 + second, 10 * MIB + (second - 1) * MIB)
    assert rate == MIB
    assert len(meter._samples) <= 7


def test_the_rate_is_never_negative_nor_a_division_by_zero() -> None:
    meter = RateMeter()
    assert meter.observe(5.0, 100) == 0
    assert meter.observe(5.0, 200) == 0
    assert meter.observe(4.0, 300) == 0
    assert meter.observe(6.0, 0) == 0


def test_no_time_left_is_told_before_the_rate_has_settled() -> None:
    meter = RateMeter(window=4, settle=1.5)
    assert meter.eta(10.0, 100) is None
    meter.observe(0.0, 0)
    meter.observe(1.4, 14)
    assert meter.eta(10.0, 100) is None
    meter.observe(1.5, 15)
    assert meter.eta(10.0, 100) == 10.0
    assert meter.eta(0.0, 100) is None
    assert meter.eta(10.0, 0) == 0


def test_counters_tell_speed_and_time_left_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kamaros_gui.base.progress.time.monotonic", lambda: now)
    counters = ProgressCounters()
    assert counters.snapshot().elapsed_seconds == 0
    counters.start()
    counters.bytes_total = 100
    assert counters.snapshot().eta_seconds is None
    now = 1001.0
    counters.add_files(1, 20)
    assert (counters.snapshot().bytes_per_second, counters.snapshot().eta_seconds) == (20.0, None)
    now = 1002.0
    counters.add_files(2, 20)
    moving = counters.snapshot()
    assert (moving.bytes_per_second, moving.eta_seconds, moving.elapsed_seconds) == (20.0, 3.0, 2.0)
    counters.add_files(1, 60)
    now = 1004.0
    counters.finish()
    now = 2000.0
    ended = counters.snapshot()
    assert (ended.elapsed_seconds, ended.bytes_per_second, ended.files_done) == (4.0, 25.0, 4)
    assert (ended.permille, ended.phase, ended.eta_seconds or 0) == (1000, Phase.FINISHED, 0)


def test_snapshots_may_be_taken_on_many_threads() -> None:
    counters = ProgressCounters()
    counters.start()
    counters.bytes_total = 10_000
    seen: list[ProgressSnapshot] = []

    def look() -> None:
        seen.extend(counters.snapshot() for _ in range(300))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(1000):
        counters.add_chunk(10)
    for thread in threads:
        thread.join()
    assert len(seen) == 1800
    assert all(0 <= each.bytes_done <= 10_000 and each.bytes_per_second >= 0 for each in seen)
