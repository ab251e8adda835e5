"""What the terminal prints, and which error leads to which status."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from kamaros_gui.base import errors
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.base.reports import Entry, FileIssue, Listing, VersionInfo
from kamaros_gui.cli.exit_status import ExitStatus, status_of
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.parser import parse_arguments
from kamaros_gui.cli.progress import _Line, make_display
from kamaros_gui.jobs import JobSnapshot, JobState

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
    output.listing(listing)
    output.history(listing.versions)
    output.issues((FileIssue(EVIL, EVIL, "failed"),), 1)
    output.error(KamarosError(EVIL, hint=EVIL))
    captured = capsys.readouterr()
    assert not UNSAFE.search(captured.out + captured.err)
    assert captured.out.count("\n") == 3 + 1 + 1
    assert captured.err.count("\n") == 3


def test_json_is_one_line_and_keeps_bytes_that_are_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True, quiet=False)
    listing = make_listing()
    output.listing(listing)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    answer = json.loads(out)
    assert answer["entries"][0]["path"] == f"folder{EVIL}"
    assert answer["entries"][0]["modified"] in {"", "1677-09-21T00:12:43.145224192Z"}
    output.history(listing.versions)
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


def test_options_of_a_save() -> None:
    options = parse_arguments(
        ["save", "a.jcf", "-m", "message", "x", "y", "--into", "f", "--mirror", "--exclude", "a", "--exclude", "b",
         "--codec", "zstd", "--level", "3", "--chunk-size", "64K", "--workers", "2", "--author", "me"]
    )  # fmt: skip
    assert (options.archive, options.paths, options.message, options.author) == ("a.jcf", ["x", "y"], "message", "me")
    assert (options.into, options.mirror, options.exclude) == ("f", True, ["a", "b"])
    assert (options.codec, options.level, options.chunk_size, options.workers) == ("zstd", 3, 65536, 2)


def test_paths_that_begin_with_a_dash() -> None:
    options = parse_arguments(["save", "a.jcf", "--", "-x", "--json"])
    assert options.paths == ["-x", "--json"]
    options = parse_arguments(["restore", "a.jcf", "-C", "out", "--", "-x"])
    assert (options.paths, options.directory) == (["-x"], "out")
