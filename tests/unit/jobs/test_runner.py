"""Jobs on the real engine: queue, states, pause, cancel, closing."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.errors import (
    AbortError,
    ArchiveInUseError,
    KamarosError,
    NotFoundError,
    StorageError,
    VersionNotFoundError,
)
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport
from kamaros_gui.base.statistics import StageStatistics, StreamStatistics
from kamaros_gui.jobs import (
    TERMINAL_STATES,
    Job,
    JobRunner,
    JobSnapshot,
    JobState,
    ListRequest,
    LogRequest,
    RestoreRequest,
    SaveRequest,
    VerifyRequest,
)
from kamaros_gui.jobs.snapshots import TRANSITIONS
from tests.helpers.trees import differences, file_hash, noise, text, write

SLOW = JCFConfig(codec="zstd", level=19, workers=1)


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    made = JobRunner(JCFConfig(workers=1))
    yield made
    made.close()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("big") / "big"
    write(path, text(8 << 20, 1) * 4)
    return str(path)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        os.sched_yield()


def slow_save(archive: Path, big: str) -> SaveRequest:
    return SaveRequest(archive=str(archive), paths=(big,), config=SLOW)


def is_transferring(job: Job) -> bool:
    progress = job.snapshot().progress
    return progress.phase is Phase.TRANSFERRING and progress.bytes_written > 0


def test_save_list_restore_verify_log(runner: JobRunner, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"content")
    archive = str(tmp_path / "a.jcf")
    job = runner.submit(SaveRequest(archive=archive, paths=(str(tmp_path / "tree"),), message="first", author="me"))
    saved = job.future.result(30)
    assert isinstance(saved, SaveReport)
    assert saved.created
    snapshot = runner.snapshot(job.id)
    assert (snapshot.state, snapshot.report, snapshot.error) == (JobState.DONE, saved, None)
    assert snapshot.outcome.startswith("Saved: 1 added")
    assert snapshot.title == "Save tree"
    assert snapshot.progress.permille == 1000
    listing = runner.query(ListRequest(archive=archive)).result(30)
    assert [entry.path for entry in listing.entries] == ["tree", "tree/file"]
    assert listing.is_head
    assert listing.version == saved.version
    assert listing.archive_size == os.path.getsize(archive)
    [version] = runner.query(LogRequest(archive=archive, path="tree/file")).result(30)
    assert (version.message, version.author) == ("first", "me")
    verified = runner.submit(VerifyRequest(archive=archive)).future.result(30)
    assert isinstance(verified, VerifyReport)
    assert verified.valid
    restored = runner.submit(RestoreRequest(archive=archive, target=str(tmp_path / "out"))).future.result(30)
    assert isinstance(restored, RestoreReport)
    assert differences(tmp_path / "tree", tmp_path / "out" / "tree") == []
    assert [each.state for each in runner.snapshots()] == [JobState.DONE] * 3
    assert runner.idle


def test_errors_reach_the_future_and_the_snapshot(runner: JobRunner, tmp_path: Path) -> None:
    for request, kind in (
        (VerifyRequest(archive=str(tmp_path / "none.jcf")), NotFoundError),
        (SaveRequest(archive=str(tmp_path / "a.jcf"), paths=(str(tmp_path / "none"),)), NotFoundError),
        (SaveRequest(archive=str(tmp_path / "a.jcf"), paths=()), StorageError),
    ):
        job = runner.submit(request)
        with pytest.raises(kind):
            job.future.result(30)
        snapshot = job.snapshot()
        assert snapshot.state is JobState.FAILED
        assert snapshot.error is not None
        assert snapshot.error.message
        assert snapshot.outcome in {"Failed: nothing was changed.", "Failed: no archive was made."}
    with pytest.raises(NotFoundError):
        runner.query(ListRequest(archive=str(tmp_path / "none.jcf"))).result(30)
    assert os.listdir(tmp_path) == []


def test_unknown_version(runner: JobRunner, tmp_path: Path) -> None:
    write(tmp_path / "file", b"x")
    archive = str(tmp_path / "a.jcf")
    runner.submit(SaveRequest(archive=archive, paths=(str(tmp_path / "file"),))).future.result(30)
    with pytest.raises(VersionNotFoundError):
        runner.query(ListRequest(archive=archive, version="nope")).result(30)


def test_jobs_on_one_archive_follow_each_other(runner: JobRunner, tmp_path: Path, big: str) -> None:
    os.symlink("a.jcf", tmp_path / "link.jcf")
    write(tmp_path / "small", b"x")
    first = runner.submit(SaveRequest(archive=str(tmp_path / "a.jcf"), paths=(big,)))
    others = [
        runner.submit(SaveRequest(archive=str(tmp_path / name), paths=(str(tmp_path / "small"),), into=str(number)))
        for number, name in enumerate(("a.jcf", "link.jcf", "./a.jcf"))
    ]
    wait_for(lambda: first.state is JobState.RUNNING)
    assert {job.state for job in others} == {JobState.QUEUED}
    for job in others:
        job.future.result(60)
    assert first.finished
    listing = runner.query(ListRequest(archive=str(tmp_path / "a.jcf"))).result(30)
    assert len(listing.versions) == 4


def test_jobs_on_different_archives_run_side_by_side(runner: JobRunner, tmp_path: Path, big: str) -> None:
    jobs = [runner.submit(slow_save(tmp_path / f"{number}.jcf", big)) for number in range(2)]
    wait_for(lambda: all(is_transferring(job) for job in jobs))
    for job in jobs:
        runner.cancel(job.id)
    concurrent.futures.wait([job.future for job in jobs], 30)
    assert os.listdir(tmp_path) == []


def test_cancel_of_a_running_job_leaves_no_trace_and_touches_no_other(
    runner: JobRunner, tmp_path: Path, big: str
) -> None:
    write(tmp_path / "small", b"x")
    archive = tmp_path / "a.jcf"
    runner.submit(SaveRequest(archive=str(archive), paths=(str(tmp_path / "small"),))).future.result(30)
    before = file_hash(archive)
    job = runner.submit(slow_save(archive, big))
    after = runner.submit(VerifyRequest(archive=str(archive)))
    wait_for(lambda: is_transferring(job))
    asked = time.monotonic()
    runner.cancel(job.id)
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(30)
    assert time.monotonic() - asked < 5  # the bound itself is measured by the benchmarks
    snapshot = job.snapshot()
    assert snapshot.state is JobState.CANCELLED
    assert snapshot.error is None
    assert snapshot.outcome == "Cancelled: the archive is unchanged."
    verified = after.future.result(30)
    assert isinstance(verified, VerifyReport)
    assert verified.valid
    assert file_hash(archive) == before
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "small"]
    runner.cancel(job.id)
    assert job.state is JobState.CANCELLED


def test_a_running_save_tells_what_its_stages_do_and_a_cancelled_one_what_they_did(
    runner: JobRunner, tmp_path: Path, big: str
) -> None:
    job = runner.submit(slow_save(tmp_path / "a.jcf", big))
    seen: dict[str, StageStatistics] = {}

    def all_at_work() -> bool:
        # Looked at as often as can be, while the engine's thread changes what is looked at.
        stages = job.snapshot().stages
        assert all(stage.bytes_in >= seen[stage.name].bytes_in for stage in stages if stage.name in seen)
        seen.update({stage.name: stage for stage in stages})
        return list(seen) == ["read", "hash", "encode", "write"] and all(stage.bytes_in for stage in seen.values())

    wait_for(all_at_work)
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(30)
    last = job.snapshot().stages
    assert all(stage.bytes_in >= seen[stage.name].bytes_in for stage in last)
    assert all(stage.queued == 0 for stage in last)


def test_cancel_of_a_queued_job_is_immediate(runner: JobRunner, tmp_path: Path, big: str) -> None:
    first = runner.submit(slow_save(tmp_path / "a.jcf", big))
    second = runner.submit(slow_save(tmp_path / "a.jcf", big))
    wait_for(lambda: is_transferring(first))
    runner.cancel(second.id)
    with pytest.raises(AbortError):
        second.future.result(30)
    assert first.state is JobState.RUNNING
    assert second.snapshot().state is JobState.CANCELLED
    runner.cancel(first.id)
    with pytest.raises(AbortError):
        first.future.result(30)
    assert os.listdir(tmp_path) == []


def test_pause_holds_and_resume_goes_on(runner: JobRunner, tmp_path: Path, big: str) -> None:
    job = runner.submit(SaveRequest(archive=str(tmp_path / "a.jcf"), paths=(big,)))
    wait_for(lambda: is_transferring(job))
    runner.pause(job.id)
    assert job.state is JobState.PAUSED
    assert not runner.idle

    def settled() -> bool:
        """What was under way when the pause came has ended: the bytes stand still over many turns of the loop."""
        seen = job.snapshot().progress.bytes_done
        for _ in range(20):
            runner.query(ListRequest(archive=str(tmp_path / "none"))).exception(10)
        return job.snapshot().progress.bytes_done == seen

    wait_for(settled)
    assert job.snapshot().progress.bytes_done < os.path.getsize(big)
    runner.resume(job.id)
    assert isinstance(job.future.result(60), SaveReport)
    assert job.state is JobState.DONE


def test_cancel_of_a_paused_job(runner: JobRunner, tmp_path: Path, big: str) -> None:
    job = runner.submit(slow_save(tmp_path / "a.jcf", big))
    wait_for(lambda: is_transferring(job))
    runner.pause(job.id)
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(30)
    assert job.state is JobState.CANCELLED
    assert os.listdir(tmp_path) == []


def test_cancel_of_a_restore(runner: JobRunner, tmp_path: Path) -> None:
    source = tmp_path / "big"
    write(source, noise(64 << 20))
    archive = str(tmp_path / "a.jcf")
    runner.submit(SaveRequest(archive=archive, paths=(str(source),), config=JCFConfig(codec="store"))).future.result(60)
    write(tmp_path / "out" / "mine", b"mine")
    job = runner.submit(RestoreRequest(archive=archive, target=str(tmp_path / "out")))
    wait_for(lambda: job.snapshot().progress.bytes_written > 0)
    runner.pause(job.id)
    runner.cancel(job.id)
    try:
        job.future.result(30)
    except AbortError:
        assert os.listdir(tmp_path / "out") == ["mine"]
        assert job.snapshot().outcome == "Cancelled: the folder is as it was."
    else:
        assert sorted(os.listdir(tmp_path / "out")) == ["big", "mine"]


def test_dismiss_forgets_only_what_has_ended(runner: JobRunner, tmp_path: Path, big: str) -> None:
    job = runner.submit(slow_save(tmp_path / "a.jcf", big))
    runner.dismiss(job.id)
    assert runner.snapshot(job.id).id == job.id
    runner.cancel(job.id)
    concurrent.futures.wait([job.future], 30)
    runner.dismiss(job.id)
    assert runner.snapshots() == ()
    with pytest.raises(KeyError):
        runner.snapshot(job.id)
    runner.cancel(job.id)
    runner.pause(12345)


def test_close_cancels_cleans_and_ends_the_thread(tmp_path: Path, big: str) -> None:
    runner = JobRunner()
    jobs = [runner.submit(slow_save(tmp_path / name, big)) for name in ("a.jcf", "a.jcf", "b.jcf")]
    wait_for(lambda: is_transferring(jobs[0]))
    threads = threading.active_count()
    runner.close()
    assert threading.active_count() < threads
    assert {job.state for job in jobs} == {JobState.CANCELLED}
    assert os.listdir(tmp_path) == []
    runner.close()
    with pytest.raises(KamarosError, match="closing"):
        runner.submit(VerifyRequest(archive="x"))
    with pytest.raises(KamarosError, match="closing"):
        runner.query(ListRequest(archive="x"))
    runner.cancel(jobs[0].id)


def test_close_of_a_runner_that_was_never_used() -> None:
    runner = JobRunner()
    runner.close()
    runner.close()


@pytest.mark.timeout(30)
def test_an_engine_that_can_not_start_says_so_and_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kamaros_gui.jobs.operations", None)  # as in a damaged installation
    threads = threading.active_count()
    runner = JobRunner()
    for _ in range(2):
        with pytest.raises(KamarosError, match="could not be started"):
            runner.submit(VerifyRequest(archive="x"))
    with pytest.raises(KamarosError, match="could not be started"):
        runner.query(ListRequest(archive="x"))
    assert runner.snapshots() == ()
    assert threading.active_count() == threads
    runner.close()


def test_two_runners_do_not_write_one_archive_at_once(tmp_path: Path, big: str) -> None:
    one, two = JobRunner(), JobRunner()
    try:
        first = one.submit(slow_save(tmp_path / "a.jcf", big))
        wait_for(lambda: is_transferring(first))
        second = two.submit(slow_save(tmp_path / "a.jcf", big))
        with pytest.raises(ArchiveInUseError, match="in use"):
            second.future.result(30)
    finally:
        one.close()
        two.close()
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------------------------------- states


def in_state(state: JobState) -> Job:
    job = Job(1, VerifyRequest(archive="a.jcf"))
    steps: dict[JobState, tuple[Callable[[], object], ...]] = {
        JobState.QUEUED: (),
        JobState.RUNNING: (job.begin,),
        JobState.PAUSED: (job.begin, job.pause),
        JobState.CANCELLING: (job.begin, job.request_cancel),
        JobState.CANCELLED: (job.request_cancel,),
        JobState.DONE: (job.begin, lambda: job.succeed(REPORT)),
        JobState.FAILED: (job.begin, lambda: job.fail(StorageError("broken"))),
    }
    for step in steps[state]:
        step()
    assert job.state is state
    return job


REPORT = VerifyReport(valid=True, checked=1, errors=(), warnings=(), bytes_read=1, seconds=0.0)
Q, R, P, X = JobState.QUEUED, JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING
C, D, F = JobState.CANCELLED, JobState.DONE, JobState.FAILED

TABLE: list[tuple[str, dict[JobState, JobState]]] = [
    ("begin", {Q: R, R: R, P: P, X: X, C: C, D: D, F: F}),
    ("pause", {Q: Q, R: P, P: P, X: X, C: C, D: D, F: F}),
    ("resume", {Q: Q, R: R, P: R, X: X, C: C, D: D, F: F}),
    ("request_cancel", {Q: C, R: X, P: X, X: X, C: C, D: D, F: F}),
]


@pytest.mark.parametrize(("action", "outcomes"), TABLE)
def test_what_a_request_does_in_each_state(action: str, outcomes: dict[JobState, JobState]) -> None:
    assert set(outcomes) == set(JobState)
    for before, after in outcomes.items():
        job = in_state(before)
        getattr(job, action)()
        assert job.state is after
        assert job.finished == (after in TERMINAL_STATES)
        assert job.future.done() == job.finished


def test_table_of_transitions_is_complete() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert {C, D, F} == TERMINAL_STATES
    for before, following in TRANSITIONS.items():
        assert before not in following


def test_cancel_that_comes_after_the_commit_loses() -> None:
    job = in_state(JobState.CANCELLING)
    job.succeed(REPORT)
    assert job.state is JobState.DONE
    assert job.future.result() is REPORT
    assert job.snapshot().outcome.startswith("All 1 entry")


def test_failure_while_cancelling_is_a_failure() -> None:
    job = in_state(JobState.CANCELLING)
    job.fail(StorageError("could not clean up", hint="do this"))
    snapshot = job.snapshot()
    assert snapshot.state is JobState.FAILED
    assert snapshot.error is not None
    assert (snapshot.error.message, snapshot.error.hint) == ("could not clean up", "do this")


def test_paused_job_that_was_through_already_is_done() -> None:
    job = in_state(JobState.PAUSED)
    job.succeed(REPORT)
    assert job.state is JobState.DONE


def test_fault_of_the_program_is_told_with_its_traceback_in_the_details() -> None:
    job = in_state(JobState.RUNNING)
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError as error:
        job.fail(error)
    told = job.snapshot().error
    assert told is not None
    assert "ZeroDivisionError: oops" in told.message
    assert "Traceback" in told.details
    assert "report" in told.hint


def test_snapshots_carry_what_the_stages_did_so_far() -> None:
    job = in_state(JobState.RUNNING)
    assert job.snapshot().stages == ()
    job.control.stages["write"].worked(0.5, bytes_in=3)
    job.control.stages["read"].follow(lambda: StreamStatistics(bytes_in=5, queued=5))
    assert job.snapshot().stages == (
        StageStatistics("read", bytes_in=5, queued=5),
        StageStatistics("write", bytes_in=3, busy=0.5),
    )


@pytest.mark.parametrize("before", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_keeps_the_figures_and_lets_the_streams_go(before: JobState) -> None:
    job = in_state(JobState.CANCELLING if before is JobState.CANCELLED else JobState.RUNNING)
    asked: list[None] = []

    def statistics() -> StreamStatistics:
        asked.append(None)
        return StreamStatistics(bytes_in=5, queued=5)

    job.control.stages["read"].follow(statistics)
    if before is JobState.DONE:
        job.succeed(REPORT)
    else:
        job.fail(StorageError("broken") if before is JobState.FAILED else job.control.signal.reason)
    assert job.state is before
    asked.clear()
    assert job.snapshot().stages == (StageStatistics("read", bytes_in=5),)
    assert job.snapshot().stages is job.snapshot().stages
    assert asked == []


def test_snapshots_and_requests_are_frozen() -> None:
    job = in_state(JobState.RUNNING)
    for value in (job.snapshot(), job.request):
        field = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, "changed")
    assert isinstance(job.snapshot(), JobSnapshot)
