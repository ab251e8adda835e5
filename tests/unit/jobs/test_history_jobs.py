"""The verbs of the history as jobs on the real engine: their reports, their order, and cancels that leave no trace."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.errors import AbortError, NotFoundError, VersionNotFoundError
from kamaros_gui.base.reports import SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import CompactReport, ExportReport, ForgetReport
from kamaros_gui.jobs import (
    CompactRequest,
    DiffRequest,
    ExportRequest,
    ForgetRequest,
    ImportRequest,
    Job,
    JobRunner,
    JobState,
    ListRequest,
    LogRequest,
    MoveRequest,
    RemoveRequest,
    Report,
    Request,
    SaveRequest,
    StatsRequest,
    TagRequest,
    VerifyRequest,
)
from tests.helpers.trees import file_hash, noise, text, write

MIB = 1 << 20
CONFIG = JCFConfig(workers=1, codec="store")
R = TypeVar("R", bound=Report)


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    made = JobRunner(CONFIG)
    yield made
    made.close()


@pytest.fixture
def archive(runner: JobRunner, tmp_path: Path) -> str:
    """An archive of two versions of a small folder, ``d``."""
    path = str(tmp_path / "a.jcf")
    write(tmp_path / "d" / "other", text(5000))
    for content in (b"first", b"second"):
        write(tmp_path / "d" / "file", content)
        done(runner, SaveRequest(archive=path, paths=(str(tmp_path / "d"),), message=content.decode()), SaveReport)
    return path


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("large")
    block = noise(8 * MIB)
    (place / "d").mkdir()
    with open(place / "d" / "large", "wb") as file:
        file.writelines(number.to_bytes(8, "big") + block[8:] for number in range(20))
    runner = JobRunner(CONFIG)
    for content in (b"1", b"2"):
        write(place / "d" / "small", content)
        runner.submit(SaveRequest(archive=str(place / "a.jcf"), paths=(str(place / "d"),))).future.result(100)
    runner.close()
    return place


@pytest.fixture
def large(large_template: Path, tmp_path: Path) -> Path:
    """An archive of 160 MiB, with some dead space, alone in its folder."""
    return Path(shutil.copy2(large_template / "a.jcf", tmp_path))


def done(runner: JobRunner, request: Request, kind: type[R]) -> R:
    report = runner.submit(request).future.result(60)
    assert isinstance(report, kind)
    return report


def paths(runner: JobRunner, archive: str) -> list[str]:
    listing = runner.query(ListRequest(archive=archive)).result(60)
    return [entry.path for entry in listing.entries if entry.type != "directory"]


def cancel_when(runner: JobRunner, job: Job, condition: Callable[[], bool]) -> str:
    """Cancel *job* as soon as *condition* holds, and check that it ends as cancelled; return its outcome."""
    deadline = time.monotonic() + 60
    while not condition():
        assert not job.finished, job.snapshot()
        assert time.monotonic() < deadline
        os.sched_yield()
    runner.cancel(job.id)
    with pytest.raises(AbortError):
        job.future.result(60)
    assert job.state is JobState.CANCELLED
    return job.snapshot().outcome


def test_every_verb_hands_back_its_report(runner: JobRunner, archive: str, tmp_path: Path) -> None:
    moved = done(runner, MoveRequest(archive=archive, path="d/file", new_path="d/moved", author="Ana"), SaveReport)
    assert (moved.renamed, paths(runner, archive)) == (1, ["d/moved", "d/other"])
    removed = done(runner, RemoveRequest(archive=archive, paths=("d/other",), message="gone"), SaveReport)
    assert (removed.deleted, paths(runner, archive)) == (1, ["d/moved"])
    log = runner.query(LogRequest(archive=archive, path="d/moved")).result(60)
    assert [version.author for version in log] == ["Ana", "", ""]
    tagged = done(runner, TagRequest(archive=archive, name="x", version="HEAD~3"), VersionInfo)
    assert tagged.tags == ("x",)
    different = done(runner, DiffRequest(archive=archive, old="x", new="HEAD~2"), DiffReport)
    assert [(entry.path, entry.change) for entry in different.entries if entry.type == "file"] == [
        ("d/file", "changed")
    ]
    compared = done(runner, DiffRequest(archive=archive, old="HEAD~2", folder=str(tmp_path), into=""), DiffReport)
    assert compared.folder == str(tmp_path)
    asked = done(runner, ForgetRequest(archive=archive, keep_last=1, dry_run=True), ForgetReport)
    assert (len(asked.forgotten), len(asked.spared), asked.done) == (2, 1, False)
    forgot = done(runner, ForgetRequest(archive=archive, versions=("HEAD~1",)), ForgetReport)
    assert [version.id for version in forgot.forgotten] == [moved.version]
    untagged = done(runner, TagRequest(archive=archive, name="x", version=None), VersionInfo)
    assert (untagged.id, untagged.tags) == (tagged.id, ())
    compacted = done(runner, CompactRequest(archive=archive), CompactReport)
    assert compacted.after == os.path.getsize(archive) < compacted.before
    figures = runner.query(StatsRequest(archive=archive)).result(60)
    assert (figures.versions, figures.archive_size, figures.dead) == (3, compacted.after, 0)
    target = str(tmp_path / "out.zip")
    exported = done(runner, ExportRequest(archive=archive, target=target), ExportReport)
    assert (exported.version, exported.bytes_out) == (removed.version, os.path.getsize(target))
    copy = str(tmp_path / "copy.jcf")
    imported = done(runner, ImportRequest(archive=copy, source=target, message="back"), SaveReport)
    assert (imported.archive, paths(runner, copy)) == (copy, ["d/moved"])
    repaired = done(runner, VerifyRequest(archive=archive, repair=True), VerifyReport)
    assert (repaired.valid, repaired.repairs) == (True, ())
    assert {snapshot.state for snapshot in runner.snapshots()} == {JobState.DONE}
    assert all(snapshot.outcome for snapshot in runner.snapshots())


def test_jobs_of_all_kinds_on_one_archive_follow_each_other(runner: JobRunner, archive: str) -> None:
    jobs = [
        runner.submit(request)
        for request in (
            MoveRequest(archive=archive, path="d/file", new_path="d/one"),
            TagRequest(archive=archive, name="after one"),
            MoveRequest(archive=archive, path="d/one", new_path="d/two"),
            CompactRequest(archive=archive),
            RemoveRequest(archive=archive, paths=("d/two",)),
            ForgetRequest(archive=archive, keep_last=1),
        )
    ]
    for job in jobs:
        job.future.result(60)
    assert paths(runner, archive) == ["d/other"]
    [newest, tagged] = runner.query(LogRequest(archive=archive)).result(60)
    assert (newest.deleted, tagged.tags) == (1, ("after one",))


def test_a_queued_job_that_is_cancelled_does_nothing(runner: JobRunner, large: Path) -> None:
    first = runner.submit(VerifyRequest(archive=str(large)))
    queued = [
        runner.submit(request)
        for request in (
            TagRequest(archive=str(large), name="x"),
            MoveRequest(archive=str(large), path="d/small", new_path="d/moved"),
            CompactRequest(archive=str(large)),
        )
    ]
    for job in queued:
        runner.cancel(job.id)
    first.future.result(60)
    before = file_hash(large)
    for job in queued:
        with pytest.raises(AbortError):
            job.future.result(60)
        assert job.snapshot().outcome == "Cancelled: the archive is unchanged."
    assert file_hash(large) == before
    assert runner.query(LogRequest(archive=str(large))).result(60)[0].tags == ()


def test_errors_leave_things_as_they_were(runner: JobRunner, archive: str, tmp_path: Path) -> None:
    before, missing = file_hash(archive), str(tmp_path / "none.jcf")
    requests: list[tuple[Request, type[Exception]]] = [
        (MoveRequest(archive=archive, path="none", new_path="x"), NotFoundError),
        (RemoveRequest(archive=archive, paths=("none",)), NotFoundError),
        (TagRequest(archive=archive, name="x", version="nope"), VersionNotFoundError),
        (ForgetRequest(archive=archive, versions=("nope",)), VersionNotFoundError),
        (DiffRequest(archive=archive, old="nope"), VersionNotFoundError),
        (ExportRequest(archive=archive, target=str(tmp_path / "o"), version="nope"), VersionNotFoundError),
        (ImportRequest(archive=archive, source=missing), NotFoundError),
        (ImportRequest(archive=missing, source=missing + "x"), NotFoundError),
        (CompactRequest(archive=missing), NotFoundError),
    ]
    for request, kind in requests:
        job = runner.submit(request)
        with pytest.raises(kind):
            job.future.result(60)
        assert job.snapshot().outcome.startswith("Failed: ")
    with pytest.raises(NotFoundError):
        runner.query(StatsRequest(archive=missing)).result(60)
    assert file_hash(archive) == before
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "d"]


def test_a_cancelled_compaction_leaves_the_archive_alone(runner: JobRunner, large: Path) -> None:
    before = file_hash(large)
    job = runner.submit(CompactRequest(archive=str(large)))
    outcome = cancel_when(runner, job, (large.parent / "a.jcf.part").exists)
    assert outcome == "Cancelled: the archive is unchanged."
    assert file_hash(large) == before
    assert os.listdir(large.parent) == ["a.jcf"]


def test_a_cancelled_export_leaves_no_file_and_an_old_one_alone(runner: JobRunner, large: Path) -> None:
    target = large.parent / "out.zip"
    for existing in ([], ["out.zip"]):
        job = runner.submit(ExportRequest(archive=str(large), target=str(target), overwrite=bool(existing)))
        outcome = cancel_when(runner, job, lambda: len(os.listdir(large.parent)) > 1 + bool(target.exists()))
        assert outcome == "Cancelled: nothing was exported."
        assert sorted(os.listdir(large.parent)) == ["a.jcf", *existing]
        target.write_bytes(b"mine")
    assert target.read_bytes() == b"mine"


def test_a_cancelled_import_makes_no_archive(runner: JobRunner, large: Path) -> None:
    source = large.rename(large.parent / "source.jcf")
    job = runner.submit(ImportRequest(archive=str(large), source=str(source)))
    outcome = cancel_when(runner, job, lambda: len(os.listdir(large.parent)) > 1)
    assert outcome == "Cancelled: no archive was made."
    assert os.listdir(large.parent) == ["source.jcf"]


def test_a_comparison_can_be_cancelled(runner: JobRunner, large: Path, large_template: Path) -> None:
    config = CONFIG.replace(reread_unchanged=True)
    request = DiffRequest(archive=str(large), old="HEAD", folder=str(large_template / "d"), into="d", config=config)
    job = runner.submit(request)
    outcome = cancel_when(runner, job, lambda: job.snapshot().progress.bytes_done > 0)
    assert outcome == "Cancelled: nothing was changed."
    report = done(runner, request, DiffReport)
    assert (report.entries, report.unchanged) == ((), 2)
    assert report.bytes_read >= 160 * MIB
