"""What the terminal prints, and which error leads to which status."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import get_args

import pytest

from kamaros_gui.base import errors
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.base.reports import Entry, FileIssue, Listing, VersionInfo
from kamaros_gui.cli.exit_status import ExitStatus, status_of
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.progress import _ACTIVITIES, _describe, _Line, make_display
from kamaros_gui.cli.show_content import show_listing
from kamaros_gui.cli.show_history import show_history
from kamaros_gui.jobs import JobSnapshot, JobState, Request

EVIL = "\x1b[2J\x07\x9b\u202e\udcff\r\n"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]")


def make_error(kind: type[KamarosError]) -> KamarosError:
    return kind("message")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.KamarosError, 1),
        (errors.StorageError, 1),
        (errors.DiskFullError, 1),
        (errors.SourceChangedError, 1),
        (errors.ArchiveError, 1),
        (errors.ArchiveInUseError, 1),
        (errors.UnsafeNameError, 1),
        (errors.UnsupportedEntryError, 1),
        (errors.ConfigError, 2),
        (errors.NotFoundError, 3),
        (errors.VersionNotFoundError, 4),
        (errors.IntegrityError, 5),
        (errors.ZipFormatError, 5),
        (errors.ManifestError, 5),
        (errors.AbortError, 130),
        (errors.AbortTimeoutError, 130),
    ],
)
def test_status_of_every_error(kind: type[KamarosError], status: int) -> None:
    assert status_of(make_error(kind)) == status


def test_table_of_statuses_names_every_error_there_is() -> None:
    [mark] = [mark for mark in test_status_of_every_error.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined] # set by pytest
    tested = {kind for kind, _ in mark.args[1]}
    assert tested == {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KamarosError)}


def test_other_statuses() -> None:
    assert status_of(KeyboardInterrupt()) == ExitStatus.CANCELLED
    assert status_of(ValueError()) == ExitStatus.ERROR
    assert [int(status) for status in ExitStatus] == [0, 1, 2, 3, 4, 5, 6, 130]


def make_listing() -> Listing:
    version = VersionInfo("a" * 36, "", "not a time", EVIL, EVIL, (EVIL,), 1, 2, 3)
    entries = (
        Entry(f"folder{EVIL}", "directory", 0, 0, "", -(1 << 63), 0o755, ""),
        Entry(f"file{EVIL}", "file", 1 << 60, 5, "f" * 64, (1 << 63) - 1, 0o644, "deflate"),
        Entry("link", "symlink", 3, 3, "f" * 64, 0, 0o777, "store"),
    )
    return Listing(
        archive="a.jcf",
        version=version.id,
        is_head=True,
        read_only="",
        entries=entries,
        versions=(version,),
        archive_size=100,
        dead_bytes=10,
        warnings=(EVIL,),
    )


def test_text_is_safe_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=False, quiet=False)
    listing = make_listing()
    show_listing(output, listing)
    show_history(output, listing.versions)
    output.issues((FileIssue(EVIL, EVIL, "failed"),), 1)
    output.error(KamarosError(EVIL, hint=EVIL))
    captured = capsys.readouterr()
    assert not UNSAFE.search(captured.out + captured.err)
    assert captured.out.count("\n") == 3 + 1 + 1
    assert captured.err.count("\n") == 3


def test_json_is_one_line_and_keeps_bytes_that_are_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True, quiet=False)
    listing = make_listing()
    show_listing(output, listing)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    answer = json.loads(out)
    assert answer["entries"][0]["path"] == f"folder{EVIL}"
    assert answer["entries"][0]["modified"] in {"", "1677-09-21T00:12:43.145224192Z"}
    show_history(output, listing.versions)
    assert json.loads(capsys.readouterr().out)["versions"][0]["message"] == EVIL
    output.line("for people")
    assert capsys.readouterr().out == ""


def test_many_issues_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=False, quiet=True).issues(tuple(FileIssue(f"file {n}", "why") for n in range(60)), 1234)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 51
    assert told[-1] == "kamaros: … and 1184 more"


def test_quiet_shows_no_progress_and_a_pipe_neither(capsys: pytest.CaptureFixture[str]) -> None:
    for silent in (True, False):
        with make_display(silent=silent) as display:
            display.show(make_snapshot(ProgressSnapshot()))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def make_snapshot(progress: ProgressSnapshot) -> JobSnapshot:
    return JobSnapshot(1, "save", "Save x", "a.jcf", "", JobState.RUNNING, progress)


def test_progress_line_takes_any_size_and_any_name() -> None:
    with _Line() as line:
        line.show(make_snapshot(ProgressSnapshot(phase=Phase.COUNTING, files_total=5)))
        line.show(
            make_snapshot(
                ProgressSnapshot(
                    phase=Phase.TRANSFERRING,
                    current_file=EVIL + "[bold]" + "x" * 300,
                    bytes_done=5 << 40,
                    bytes_total=6 << 40,
                    chunk_index=3,
                    chunk_count=100,
                    bytes_per_second=1e9,
                    eta_seconds=3600.0,
                )
            )
        )


def test_progress_says_what_a_job_of_any_kind_does() -> None:
    assert set(_ACTIVITIES) == {request.kind for request in get_args(Request)}
    snapshot = make_snapshot(ProgressSnapshot(phase=Phase.TRANSFERRING))
    assert _describe(snapshot) == "Saving"
    for phase in (Phase.TRANSFERRING, Phase.VERIFYING):
        comparing = make_snapshot(ProgressSnapshot(phase=phase))
        assert _describe(dataclasses.replace(comparing, kind="diff")) == "Comparing"
    assert _describe(make_snapshot(ProgressSnapshot(phase=Phase.VERIFYING))) == "Verifying"
    assert _describe(make_snapshot(ProgressSnapshot(phase=Phase.READING_ARCHIVE))) == "Reading archive"
