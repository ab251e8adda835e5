"""What the verbs print of reports made by hand, for people and for machines."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.reports import FileIssue, SaveReport, VerifyProblem, VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import ArchiveFigures, CompactReport, ExportReport, ForgetReport
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.show_content import show_exported, show_saved
from kamaros_gui.cli.show_history import show_differences, show_forgotten, show_history, show_tagged, show_tags
from kamaros_gui.cli.show_upkeep import show_compacted, show_figures, show_verified

EVIL = "\x1b[2J\x07\x9b\u202e\r\n"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]")


def version(number: int, **changes: Any) -> VersionInfo:
    usual = VersionInfo(f"{number:08x}-id", "", "2026-01-02T03:04:05Z", f"message {number}", "Ana", (), 1, 2, 3)
    return dataclasses.replace(usual, **changes)


SAVED = SaveReport(
    version="v" * 36,
    archive="a.jcf",
    created=True,
    added=1,
    modified=2,
    unchanged=3,
    deleted=4,
    failed=0,
    issues=(),
    bytes_in=10,
    bytes_out=20,
    seconds=0.5,
    renamed=5,
    reclaimed=7,
)
EXPORTED = ExportReport(
    version="v" * 36,
    target=f"o{EVIL}.zip",
    interchange=False,
    entries=3,
    failed=1,
    issues=(FileIssue("p", "why"),),
    bytes_out=100,
    seconds=0.5,
)
COMPACTED = CompactReport("a.jcf", 1000, 400, 7, 0.25)
FORGOTTEN = ForgetReport(
    forgotten=(version(3), version(2, message=EVIL)),
    spared=(version(1, tags=("first",)),),
    kept=4,
    dropped=6,
    freed=2048,
    archive_size=9000,
    dead_bytes=4000,
    done=True,
    seconds=0.1,
)
DIFFERENT = DiffReport(
    old="o" * 36,
    new="n" * 36,
    folder="",
    entries=(
        DiffEntry("added", "added", "file", new_size=12 << 10, new_hash="1"),
        DiffEntry("changed", "changed", "file", "", 12 << 10, 13 << 10, "1", "2"),
        DiffEntry("folder", "added", "directory"),
        DiffEntry("gone", "removed", "file", "", 5, 0, "1", ""),
        DiffEntry("link", "added", "symlink", new_size=7, new_hash="3"),
        DiffEntry("moved", "renamed", "file", "before", 5, 5, "1", "1"),
        DiffEntry("moved and changed", "renamed", "file", "before too", 5, 6, "1", "2"),
        DiffEntry("touched", "metadata", "file", "", 5, 5, "1", "1"),
    ),
    unchanged=40,
    issues=(FileIssue("p", "why"),),
)
FIGURES = ArchiveFigures(
    archive="a.jcf",
    archive_size=1_000_000,
    versions=12,
    files=345,
    content=2_000_000,
    history_content=20_000_000,
    distinct=400,
    distinct_content=3_000_000,
    head_packed=500_000,
    history_packed=300_000,
    directory=50_000,
    manifest=20_000,
    headers=30_000,
    dead=100_000,
    methods={"deflate": (390, 2_900_000, 700_000), "store": (10, 100_000, 100_000)},
)
VERIFIED = VerifyReport(
    valid=False,
    checked=5,
    errors=(VerifyProblem("content", "p", "v", "h", "bytes differ"),),
    warnings=("remark",),
    bytes_read=100,
    seconds=0.5,
    repairs=("did this", f"did{EVIL}that"),
)


def lines_of(capsys: pytest.CaptureFixture[str], show: Callable[[Output], None]) -> list[str]:
    show(Output(json=False, quiet=False))
    return capsys.readouterr().out.splitlines()


def object_of(capsys: pytest.CaptureFixture[str], show: Callable[[Output], None]) -> Any:
    show(Output(json=True, quiet=False))
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def test_log_tells_renamed_files_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    versions = (version(2, renamed=4, tags=("x", "y")), version(1))

    def show(output: Output) -> None:
        show_history(output, versions)

    with_renames, without = lines_of(capsys, show)
    assert with_renames.startswith("00000002 [x, y]  ")
    assert "+1 ~2 −3 →4  " in with_renames
    assert "+1 ~2 −3  " in without
    assert "→" not in without
    assert [each["renamed"] for each in object_of(capsys, show)["versions"]] == [4, 0]


def test_save_tells_renamed_files_and_bytes_given_back_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    answer = object_of(capsys, lambda output: show_saved(output, SAVED, "Saved."))
    assert answer["files"] == {"added": 1, "modified": 2, "unchanged": 3, "deleted": 4, "failed": 0, "renamed": 5}
    assert (answer["bytes_out"], answer["reclaimed"]) == (20, 7)


def test_differences_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, lambda output: show_differences(output, DIFFERENT, "In all.")) == [
        "A  12 KiB  added",
        "M  12 KiB → 13 KiB  changed",
        "A  folder/",
        "D  5 B  gone",
        "A  7 B  link@",
        "R  before → moved",
        "R  5 B → 6 B  before too → moved and changed",
        "T  touched",
        "In all.",
    ]


def test_json_of_differences(capsys: pytest.CaptureFixture[str]) -> None:
    answer = object_of(capsys, lambda output: show_differences(output, DIFFERENT, "In all."))
    assert list(answer) == ["old", "new", "folder", "changes", "unchanged", "issues"]
    assert answer["changes"][1] == {
        "path": "changed",
        "change": "changed",
        "type": "file",
        "old_path": "",
        "old_size": 12 << 10,
        "new_size": 13 << 10,
        "old_hash": "1",
        "new_hash": "2",
    }
    assert answer["issues"] == [{"path": "p", "reason": "why", "kind": "failed"}]


def test_tags_are_listed_with_what_they_name(capsys: pytest.CaptureFixture[str]) -> None:
    versions = (version(2, tags=("long name", "b")), version(1), version(0, tags=("c",), message=""))

    def show(output: Output) -> None:
        show_tags(output, versions)

    lines = lines_of(capsys, show)
    assert [line[:19] for line in lines] == ["long name  00000002", "b          00000002", "c          00000000"]
    assert lines[0].endswith("  message 2")
    assert object_of(capsys, show) == {
        "tags": [
            {"name": "long name", "version": "00000002-id"},
            {"name": "b", "version": "00000002-id"},
            {"name": "c", "version": "00000000-id"},
        ]
    }
    assert lines_of(capsys, lambda output: show_tags(output, ())) == []


def test_a_tag_that_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    def show(output: Output) -> None:
        show_tagged(output, "x", version(2, tags=("x",)), "Named.")

    assert lines_of(capsys, show) == ["Named."]
    assert object_of(capsys, show) == {"tag": "x", "version": "00000002-id", "tags": ["x"]}


def test_forgotten_and_spared_versions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    def show(output: Output) -> None:
        show_forgotten(output, FORGOTTEN, "In all.")

    lines = lines_of(capsys, show)
    assert [line[:15] for line in lines[:3]] == ["forgot 00000003", "forgot 00000002", "spared 00000001"]
    assert "[first]" in lines[2]
    assert lines[3] == "In all."
    answer = object_of(capsys, show)
    assert [each["id"] for each in answer["forgotten"]] == ["00000003-id", "00000002-id"]
    assert [each["tags"] for each in answer["spared"]] == [["first"]]
    assert (answer["kept"], answer["dropped"], answer["freed"], answer["dead_bytes"]) == (4, 6, 2048, 4000)
    assert answer["done"]
    asked = dataclasses.replace(FORGOTTEN, done=False)
    assert lines_of(capsys, lambda output: show_forgotten(output, asked, ""))[0].startswith("would forget 00000003")


def test_export_and_compaction(capsys: pytest.CaptureFixture[str]) -> None:
    answer = object_of(capsys, lambda output: show_exported(output, EXPORTED, "Exported."))
    assert answer["target"] == f"o{EVIL}.zip"
    assert (answer["entries"], answer["failed"], answer["bytes_out"], answer["interchange"]) == (3, 1, 100, False)
    answer = object_of(capsys, lambda output: show_compacted(output, COMPACTED, "Compacted."))
    assert answer == {"archive": "a.jcf", "before": 1000, "after": 400, "entries": 7, "seconds": 0.25}
    assert lines_of(capsys, lambda output: show_compacted(output, COMPACTED, "Compacted.")) == ["Compacted. 0.2 s."]


@pytest.mark.parametrize("missing", [0, 3])
def test_figures_add_up(capsys: pytest.CaptureFixture[str], missing: int) -> None:
    figures = dataclasses.replace(FIGURES, dead=FIGURES.dead - missing)
    lines = lines_of(capsys, lambda output: show_figures(output, figures))
    sizes = [int(found[1].replace(",", "")) for line in lines if (found := re.search(r"([\d,]+) bytes", line))]
    assert sum(sizes[:-1]) == sizes[-1] == 1_000_000
    assert any(line.strip().startswith("Other") for line in lines) == bool(missing)
    assert len({len(line) for line in lines if " bytes " in line}) == 1
    assert lines[-4:] == [
        "Newest version: 345 files, 1.9 MiB, 488.3 KiB in the archive.",
        "12 versions with 19.1 MiB in all, of that 2.9 MiB in 400 different contents, kept once each.",
        "deflate: 390 entries, 2.8 MiB, 683.6 KiB in the archive.",
        "store: 10 entries, 97.7 KiB, 97.7 KiB in the archive.",
    ]
    answer = object_of(capsys, lambda output: show_figures(output, figures))
    assert answer["methods"]["store"] == {"entries": 10, "content": 100_000, "packed": 100_000}
    assert answer["archive_size"] == 1_000_000


def test_figures_of_an_empty_archive(capsys: pytest.CaptureFixture[str]) -> None:
    zeros = {each.name: 0 for each in dataclasses.fields(FIGURES)} | {"archive": "a.zip", "methods": {}}
    assert lines_of(capsys, lambda output: show_figures(output, ArchiveFigures(**zeros)))[0] == "a.zip"


def test_repairs_are_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_verified(Output(json=False, quiet=False), VERIFIED, "In all.", repair=True)
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "repaired: did this"
    assert captured.out.splitlines()[-1] == "In all."
    assert captured.err.splitlines() == ["kamaros: content: p: bytes differ", "kamaros: warning: remark"]
    answer = object_of(capsys, lambda output: show_verified(output, VERIFIED, "", repair=True))
    assert answer["repairs"][0] == "did this"
    assert "repairs" not in object_of(capsys, lambda output: show_verified(output, VERIFIED, ""))


def test_quiet_prints_none_of_it_and_text_is_safe_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    different = dataclasses.replace(DIFFERENT, entries=(DiffEntry(EVIL, "renamed", "file", EVIL),))
    shows: list[Callable[[Output], None]] = [
        lambda output: show_differences(output, different, ""),
        lambda output: show_forgotten(output, FORGOTTEN, ""),
        lambda output: show_exported(output, EXPORTED, ""),
        lambda output: show_tags(output, (version(1, tags=(EVIL,), message=EVIL, timestamp=EVIL, id=EVIL),)),
        lambda output: show_tagged(output, EVIL, version(1), EVIL),
        lambda output: show_figures(output, dataclasses.replace(FIGURES, archive=EVIL)),
        lambda output: show_verified(output, dataclasses.replace(VERIFIED, errors=(), warnings=()), "", repair=True),
    ]
    for show in shows:
        show(Output(json=False, quiet=True))
        assert capsys.readouterr().out == ""
        show(Output(json=False, quiet=False))
        captured = capsys.readouterr()
        assert captured.out != ""
        assert not UNSAFE.search(captured.out + captured.err)
