"""The sentence each job ends with, whatever it was and however it ended; and what a request says of itself."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any, get_args

import pytest

from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyProblem, VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import CompactReport, ExportReport, ForgetReport
from kamaros_gui.jobs import (
    CompactRequest,
    DiffRequest,
    ExportRequest,
    ForgetRequest,
    ImportRequest,
    Job,
    JobState,
    MoveRequest,
    ReadReport,
    ReadRequest,
    RemoveRequest,
    Report,
    Request,
    RestoreRequest,
    SaveRequest,
    TagRequest,
    VerifyRequest,
)
from kamaros_gui.jobs.operations import _CALLS
from kamaros_gui.jobs.outcomes import describe_outcome
from kamaros_gui.jobs.sentences import _SENTENCES

MIB = 1 << 20
ARCHIVE = "/no/such/a.jcf"
SAVE = SaveRequest(archive=ARCHIVE, paths=("/x/photos",))
MOVE = MoveRequest(archive=ARCHIVE, path="old", new_path="new")
REMOVE = RemoveRequest(archive=ARCHIVE, paths=("one", "two"))
IMPORT = ImportRequest(archive=ARCHIVE, source="/x/old.zip")
RESTORE = RestoreRequest(archive=ARCHIVE, target="/out")
EXPORT = ExportRequest(archive=ARCHIVE, target="/out.zip")
READ = ReadRequest(archive=ARCHIVE, path="p", output=io.BytesIO())
TAG = TagRequest(archive=ARCHIVE, name="first", version="HEAD~1")
UNTAG = TagRequest(archive=ARCHIVE, name="first", version=None)
FORGET = ForgetRequest(archive=ARCHIVE, keep_last=3)
COMPACT = CompactRequest(archive=ARCHIVE)
DIFF = DiffRequest(archive=ARCHIVE, old="V1")
VERIFY = VerifyRequest(archive=ARCHIVE)
REPAIR = VerifyRequest(archive=ARCHIVE, repair=True)
REQUESTS = [SAVE, MOVE, REMOVE, IMPORT, RESTORE, EXPORT, READ, TAG, UNTAG, FORGET, COMPACT, DIFF, VERIFY, REPAIR]

SAVED = SaveReport(
    version="v" * 36,
    archive="a.jcf",
    created=True,
    added=1,
    modified=2,
    unchanged=3000,
    deleted=0,
    failed=0,
    issues=(),
    bytes_in=10,
    bytes_out=MIB,
    seconds=0.5,
)
EXPORTED = ExportReport(
    version="12345678-rest",
    target="o",
    interchange=False,
    entries=3,
    failed=0,
    issues=(),
    bytes_out=MIB,
    seconds=0.5,
)
FORGOT = ForgetReport(
    forgotten=(),
    spared=(),
    kept=4,
    dropped=6,
    freed=0,
    archive_size=9000,
    dead_bytes=4000,
    done=True,
    seconds=0.1,
)
VERSION = VersionInfo("12345678-rest", "", "", "", "", (), 1, 2, 3)


def versions(number: int) -> tuple[VersionInfo, ...]:
    return (VERSION,) * number


@pytest.mark.parametrize(
    ("request_", "report", "sentence"),
    [
        (SAVE, SAVED, "Saved: 1 added, 2 changed, 3,000 unchanged; the archive grew by 1 MiB."),
        (
            SAVE,
            dataclasses.replace(SAVED, renamed=4, deleted=5, reclaimed=70 * MIB, failed=1),
            (
                "Saved: 1 added, 2 changed, 4 renamed, 3,000 unchanged, 5 removed; the archive grew by 1 MiB."
                " Compacting gave 70 MiB back. 1 file could not be read."
            ),
        ),
        (SAVE, dataclasses.replace(SAVED, created=False), "Nothing has changed: no version was made."),
        (IMPORT, SAVED, "Imported: 1 added, 2 changed, 3,000 unchanged; the archive grew by 1 MiB."),
        (MOVE, dataclasses.replace(SAVED, renamed=1), "Moved 1 file; the archive grew by 1 MiB."),
        (MOVE, SAVED, "Moved; the archive grew by 1 MiB."),
        (REMOVE, dataclasses.replace(SAVED, deleted=2), "Removed 2 files; the archive grew by 1 MiB."),
        (
            RESTORE,
            RestoreReport("v", "/out", 3, 2, 1, 0, (), MIB, 0.5),
            "Restored 3 entries, 1 MiB; 2 were there already; 1 entry could not be restored.",
        ),
        (
            EXPORT,
            dataclasses.replace(EXPORTED, failed=1),
            "Exported version 12345678: 3 entries, 1 MiB; 1 entry could not be exported.",
        ),
        (EXPORT, dataclasses.replace(EXPORTED, interchange=True), "Exported all versions: 3 entries, 1 MiB."),
        (READ, ReadReport("p", MIB, complete=True, seconds=0.5), "Read 1 MiB."),
        (READ, ReadReport("p", MIB, complete=False, seconds=0.5), "Read 1 MiB, then nobody read on."),
        (TAG, VERSION, "“first” names version 12345678 now."),
        (UNTAG, VERSION, "The tag “first” is gone; it named version 12345678."),
        (
            FORGET,
            dataclasses.replace(FORGOT, forgotten=versions(12), freed=MIB),
            "Forgot 12 versions; 1 MiB are dead now, compact gives them back.",
        ),
        (
            FORGET,
            dataclasses.replace(FORGOT, forgotten=versions(1), spared=versions(2)),
            "Forgot 1 version; no content went. 2 versions stayed because of a tag.",
        ),
        (
            FORGET,
            dataclasses.replace(FORGOT, forgotten=versions(2), freed=MIB, done=False),
            "Would forget 2 versions; 1 MiB would be dead then.",
        ),
        (
            FORGET,
            dataclasses.replace(FORGOT, forgotten=versions(2), done=False),
            "Would forget 2 versions; no content with them.",
        ),
        (FORGET, FORGOT, "Nothing to forget."),
        (
            COMPACT,
            CompactReport("a.jcf", 10 * MIB, 4 * MIB, 7, 0.5),
            "Compacted: 6 MiB given back, the archive has 4 MiB now.",
        ),
        (COMPACT, CompactReport("a.jcf", MIB, MIB, 7, 0.5), "Nothing to give back: the archive has 1 MiB."),
        (DIFF, DiffReport("o", "n", "", (), 40), "No difference; 40 files are the same."),
        (
            DIFF,
            DiffReport(
                "o",
                "n",
                "",
                tuple(
                    DiffEntry(f"{change}{number}", change, "file")
                    for change, number in (
                        ("metadata", 1),
                        ("renamed", 1),
                        ("removed", 1),
                        ("changed", 1),
                        ("changed", 2),
                        ("added", 1),
                    )
                ),
                40,
            ),
            "1 added, 2 changed, 1 removed, 1 renamed, 1 touched; 40 unchanged.",
        ),
        (
            VERIFY,
            VerifyReport(valid=True, checked=3, errors=(), warnings=(), bytes_read=MIB, seconds=0.5),
            "All 3 entries are as they were saved (1 MiB).",
        ),
        (
            REPAIR,
            VerifyReport(
                valid=True, checked=3, errors=(), warnings=(), bytes_read=MIB, seconds=0.5, repairs=("this", "that")
            ),
            "Repaired 2 things. All 3 entries are as they were saved (1 MiB).",
        ),
        (
            REPAIR,
            VerifyReport(
                valid=False,
                checked=3,
                errors=(VerifyProblem("content", "p", "v", "h", "m"),),
                warnings=(),
                bytes_read=MIB,
                seconds=0.5,
                repairs=("this",),
            ),
            "Repaired 1 thing. 1 problem left found in 3 entries.",
        ),
    ],
)
def test_done(request_: Request, report: Report, sentence: str) -> None:
    assert describe_outcome(request_, JobState.DONE, report) == sentence


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        (SAVE, "no archive was made"),
        (IMPORT, "no archive was made"),
        (MOVE, "the archive is unchanged"),
        (REMOVE, "the archive is unchanged"),
        (RESTORE, "the folder is as it was"),
        (EXPORT, "nothing was exported"),
        (READ, "the archive is unchanged"),
        (TAG, "the archive is unchanged"),
        (UNTAG, "the archive is unchanged"),
        (FORGET, "the archive is unchanged"),
        (COMPACT, "the archive is unchanged"),
        (DIFF, "nothing was changed"),
        (VERIFY, "nothing was changed"),
        (REPAIR, "no content was changed, and the repair can be run again"),
    ],
)
def test_failed_and_cancelled_say_what_is_left(request_: Request, left: str) -> None:
    assert describe_outcome(request_, JobState.FAILED, None) == f"Failed: {left}."
    assert describe_outcome(request_, JobState.CANCELLED, None) == f"Cancelled: {left}."


def test_an_archive_that_was_there_is_unchanged(tmp_path: Path) -> None:
    archive = tmp_path / "a.jcf"
    archive.touch()
    for request in (SAVE, IMPORT):
        existing: Any = dataclasses.replace(request, archive=str(archive))
        assert describe_outcome(existing, JobState.CANCELLED, None) == "Cancelled: the archive is unchanged."


def test_every_kind_of_request_is_carried_out_and_every_report_has_its_sentence() -> None:
    assert {*_CALLS, ReadRequest} == set(get_args(Request)) == {type(request) for request in REQUESTS}
    assert set(_SENTENCES) == set(get_args(Report))
    assert len({kind.kind for kind in get_args(Request)}) == len(get_args(Request))


def test_titles_and_targets_are_for_people() -> None:
    assert [request.title for request in REQUESTS] == [
        "Save photos",
        "Move old to new",
        "Remove 2 items",
        "Import old.zip",
        "Restore a.jcf",
        "Export a.jcf",
        "Read p",
        "Tag HEAD~1 as first",
        "Remove the tag first",
        "Forget versions of a.jcf",
        "Compact a.jcf",
        "Compare V1 with HEAD",
        "Verify a.jcf",
        "Repair a.jcf",
    ]
    assert DiffRequest(archive=ARCHIVE, old="V1", folder="/x").title == "Compare V1 with /x"
    assert RemoveRequest(archive=ARCHIVE, paths=("one",)).title == "Remove one"
    targets = {request.kind: Job(1, request).snapshot().target for request in REQUESTS}
    assert {kind: target for kind, target in targets.items() if target} == {"restore": "/out", "export": "/out.zip"}


def test_requests_are_frozen() -> None:
    for request in REQUESTS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            request.archive = "other"  # type: ignore[misc] # that it is refused is the point
