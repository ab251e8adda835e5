"""What ``--stats`` prints: a table of the stages of a job, and the one that held up the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from kamaros_gui.base.config import format_size
from kamaros_gui.base.statistics import StageStatistics, bottleneck

__all__ = ["describe_bottleneck", "print_stages", "stages_object"]

_HEADINGS: Final = ("Stage", "In", "Out", "Chunks", "Queue", "Wait in", "Wait out", "Busy", "Speed")
_NOTHING: Final = "-"
_GAP: Final = "  "


def print_stages(stages: Sequence[StageStatistics], seconds: float) -> None:
    """Print one row per stage, and name the bottleneck.

    On a terminal the bottleneck stands out in bold; a file or a pipe gets plain lines.

    Args:
        stages: in the order the data goes through them.
        seconds: wall time of the job.
    """
    if stages:
        rows = [_row(stage) for stage in stages]
        slowest = bottleneck(stages)
        print()
        if sys.stdout.isatty():
            _print_rich(rows, slowest.name if slowest is not None else "")
        else:
            _print_plain(rows)
    print(describe_bottleneck(stages, seconds))


def describe_bottleneck(stages: Sequence[StageStatistics], seconds: float) -> str:
    """Return the sentence that names the slowest stage, given the wall time of the job in *seconds*."""
    slowest = bottleneck(stages)
    if slowest is None:
        return "No stage had anything to do."
    return f"{slowest.name} was the slowest stage: busy {_seconds(slowest.busy)} of {_seconds(seconds)}."


def stages_object(stages: Sequence[StageStatistics]) -> dict[str, Any]:
    """Return what ``--json --stats`` adds: sizes in bytes, times in seconds, speeds in bytes per second."""
    slowest = bottleneck(stages)
    return {
        "stages": [
            {
                "name": stage.name,
                "bytes_in": stage.bytes_in,
                "bytes_out": stage.bytes_out,
                "chunks_in": stage.chunks_in,
                "chunks_out": stage.chunks_out,
                "queued": int(stage.queued),
                "high_water_mark": int(stage.high_water_mark),
                "waited_for_input": round(stage.waited_for_input, 6),
                "waited_for_output": round(stage.waited_for_output, 6),
                "busy": round(stage.busy, 6),
                "bytes_per_second": round(stage.bytes_per_second),
            }
            for stage in stages
        ],
        "bottleneck": slowest.name if slowest is not None else None,
    }


def _row(stage: StageStatistics) -> tuple[str, ...]:
    chunks = f"{stage.chunks_in:,}"
    if stage.chunks_out != stage.chunks_in:
        chunks += f">{stage.chunks_out:,}"
    return (
        stage.name,
        _size(stage.bytes_in),
        _size(stage.bytes_out),
        chunks,
        f"{_size(stage.queued)}/{_size(stage.high_water_mark)}" if stage.high_water_mark else _NOTHING,
        _seconds(stage.waited_for_input),
        _seconds(stage.waited_for_output),
        _seconds(stage.busy),
        f"{_size(stage.bytes_per_second)}/s" if stage.busy > 0 else _NOTHING,
    )


def _size(size: float) -> str:
    """Return *size* bytes as the options take it, so that the table fits 80 columns: ``512``, ``64K``, ``1.5M``."""
    return format_size(size).removesuffix("iB").removesuffix("B").replace(" ", "")


def _seconds(seconds: float) -> str:
    """Return *seconds* with as many digits as tell something: ``0.04 s``, ``3.1 s``, ``250 s``."""
    if seconds <= 0:
        return "0 s"
    if seconds < 0.005:
        return "<0.01 s"
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:,.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _print_plain(rows: list[tuple[str, ...]]) -> None:
    for line in _aligned(rows):
        print(line)


def _print_rich(rows: list[tuple[str, ...]], slowest: str) -> None:
    from rich.console import Console

    console = Console()
    for line, style in zip(
        _aligned(rows), ("dim", *("bold" if row[0] == slowest else "" for row in rows)), strict=True
    ):
        # A terminal that is too narrow breaks the lines itself, which loses no figure.
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    return [
        _GAP.join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (_HEADINGS, *rows)
    ]
