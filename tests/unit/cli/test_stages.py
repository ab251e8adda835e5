"""What --stats prints of stages that were fed by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport
from kamaros_gui.base.statistics import StageMeters, StageStatistics, StreamStatistics
from kamaros_gui.cli.output import Output, Stages
from kamaros_gui.cli.parser import parse_arguments
from kamaros_gui.cli.show_content import show_restored, show_saved
from kamaros_gui.cli.show_upkeep import show_verified
from kamaros_gui.cli.stages import describe_bottleneck, print_stages

MIB = 1024**2
SAVED = SaveReport(
    version="a" * 36,
    archive="a.jcf",
    created=True,
    added=1,
    modified=0,
    unchanged=0,
    deleted=0,
    failed=0,
    issues=(),
    bytes_in=50 * MIB,
    bytes_out=21 * MIB,
    seconds=3.4,
)
RESTORED = RestoreReport("a" * 36, "out", 1, 0, 0, 0, (), 50 * MIB, 3.4)
VERIFIED = VerifyReport(valid=True, checked=1, errors=(), warnings=(), bytes_read=50 * MIB, seconds=3.4)


def print_saved(output: Output, stages: Stages | None) -> None:
    show_saved(output, SAVED, "Saved.", stages)


def print_restored(output: Output, stages: Stages | None) -> None:
    show_restored(output, RESTORED, "Restored.", stages)


def print_verified(output: Output, stages: Stages | None) -> None:
    show_verified(output, VERIFIED, "Verified.", stages)


PRINTERS = pytest.mark.parametrize("print_report", [print_saved, print_restored, print_verified])
Printer = Callable[[Output, Stages | None], None]


def make_stages() -> Stages:
    meters = StageMeters()
    queue = StreamStatistics(
        chunks_in=800,
        chunks_out=90,
        bytes_in=50 * MIB,
        bytes_out=21 * MIB,
        queued=3 * MIB,
        high_water_mark=8 * MIB,
        waited_for_input=0.001,
        waited_for_output=0.4,
    )
    meters["read"].worked(0.31, bytes_in=50 * MIB, bytes_out=50 * MIB, chunks=800)
    meters["encode"].follow(lambda: queue)
    meters["encode"].worked(6.2, lanes=2)
    meters["write"].worked(0.04, bytes_in=21 * MIB, bytes_out=21 * MIB, chunks=90)
    return meters.snapshot()


def test_the_table_has_every_figure_and_names_the_bottleneck(capsys: pytest.CaptureFixture[str]) -> None:
    print_stages(make_stages(), 3.4)
    assert capsys.readouterr().out == (
        "\n"
        "Stage    In  Out  Chunks  Queue  Wait in  Wait out    Busy     Speed\n"
        "read    50M  50M     800      -      0 s       0 s  0.31 s  161.3M/s\n"
        "encode  50M  21M  800>90  3M/8M  <0.01 s    0.40 s   3.1 s   16.1M/s\n"
        "write   21M  21M      90      -      0 s       0 s  0.04 s    525M/s\n"
        "encode was the slowest stage: busy 3.1 s of 3.4 s.\n"
    )


def test_on_a_terminal_the_same_lines_stand_and_the_bottleneck_is_bold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_stages(make_stages(), 3.4)
    plain = capsys.readouterr().out
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_stages(make_stages(), 3.4)
    shown = capsys.readouterr().out
    [bold] = [line for line in shown.splitlines() if line.startswith("\x1b[1m")]
    assert bold.startswith("\x1b[1mencode ")
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[0m"):
        shown = shown.replace(code, "")
    assert shown == plain


def test_the_table_of_a_large_job_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    stage = StageStatistics("encode", 16_000, 9_999, 1023 << 20, 999 << 20, 1 << 20, 8 << 20, 100.4, 100.4, 200.0)
    print_stages((stage,), 3600)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_stages_of_any_size_are_told() -> None:
    huge = StageStatistics("write", 10**9, 10**9, 5 << 40, 5 << 40, busy=12345.6)
    assert describe_bottleneck((huge,), 23456.7) == "write was the slowest stage: busy 12,346 s of 23,457 s."


def test_a_job_without_work_has_no_bottleneck(capsys: pytest.CaptureFixture[str]) -> None:
    print_stages((), 0.1)
    assert capsys.readouterr().out == "No stage had anything to do.\n"
    show_verified(Output(json=True, quiet=False), VERIFIED, "", ())
    answer = json.loads(capsys.readouterr().out)
    assert (answer["stages"], answer["bottleneck"]) == ([], None)


@PRINTERS
def test_json_has_the_stages_in_its_one_object_when_they_are_asked_for(
    print_report: Printer, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(json=True, quiet=False)
    print_report(output, None)
    usual = json.loads(capsys.readouterr().out)
    print_report(output, make_stages())
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == [*usual, "stages", "bottleneck"]
    assert answer["bottleneck"] == "encode"
    assert [stage["name"] for stage in answer["stages"]] == ["read", "encode", "write"]
    assert answer["stages"][1] == {
        "name": "encode",
        "bytes_in": 50 * MIB,
        "bytes_out": 21 * MIB,
        "chunks_in": 800,
        "chunks_out": 90,
        "queued": 3 * MIB,
        "high_water_mark": 8 * MIB,
        "waited_for_input": 0.001,
        "waited_for_output": 0.4,
        "busy": 3.1,
        "bytes_per_second": round(50 * MIB / 3.1),
    }


@PRINTERS
def test_the_table_follows_the_report_only_when_it_is_asked_for(
    print_report: Printer, capsys: pytest.CaptureFixture[str]
) -> None:
    print_report(Output(json=False, quiet=False), None)
    usual = capsys.readouterr().out
    print_report(Output(json=False, quiet=False), make_stages())
    shown = capsys.readouterr().out
    assert shown.startswith(usual)
    assert "slowest" in shown
    assert "slowest" not in usual
    print_report(Output(json=False, quiet=True), make_stages())
    assert capsys.readouterr().out == ""


def test_stats_and_strict_are_off_until_they_are_asked_for() -> None:
    for verb in (["save", "a.jcf", "x"], ["restore", "a.jcf"], ["verify", "a.jcf"]):
        assert not parse_arguments(verb).stats
        assert parse_arguments([*verb, "--stats"]).stats
    assert not parse_arguments(["save", "a.jcf", "x"]).strict
    assert parse_arguments(["save", "a.jcf", "x", "--strict"]).strict
