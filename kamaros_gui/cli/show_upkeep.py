"""What the verbs about the archive as a whole print: verify, compact, stats."""

from __future__ import annotations

import dataclasses

import msgspec

from kamaros_gui.base.config import format_size
from kamaros_gui.base.reports import VerifyProblem, VerifyReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ArchiveFigures, CompactReport
from kamaros_gui.cli.output import Output, Stages
from kamaros_gui.jobs.sentences import count

__all__ = ["show_compacted", "show_figures", "show_verified"]


def show_verified(
    output: Output, report: VerifyReport, outcome: str, stages: Stages | None = None, *, repair: bool = False
) -> None:
    """Print the outcome of a verification, and of a *repair*, with what its *stages* did where they are given."""
    output.result(
        {
            "valid": report.valid,
            "checked": report.checked,
            "errors": [msgspec.to_builtins(problem) for problem in report.errors],
            "warnings": list(report.warnings),
        }
        | ({"repairs": list(report.repairs)} if repair else {})
        | {"seconds": round(report.seconds, 3)},
        stages,
    )
    for done in report.repairs:
        output.line(f"repaired: {display_path(done)}")
    if not output.json:
        output.remarks(map(_problem, report.errors), len(report.errors))
        output.remarks((f"warning: {warning}" for warning in report.warnings), len(report.warnings))
    output.line(outcome)
    output.stages(stages, report.seconds)


def _problem(problem: VerifyProblem) -> str:
    named = f"{problem.path}: " if problem.path and problem.path not in problem.message else ""
    return f"{problem.type}: {named}{problem.message}"


def show_compacted(output: Output, report: CompactReport, outcome: str) -> None:
    """Print the outcome of a compaction."""
    output.result(dataclasses.asdict(report) | {"seconds": round(report.seconds, 3)})
    output.line(f"{outcome} {report.seconds:.1f} s.")


def show_figures(output: Output, figures: ArchiveFigures) -> None:
    """Print what an archive is made of: a table whose rows add up to its size, and what that holds."""
    output.result(
        dataclasses.asdict(figures)
        | {
            "methods": {
                name: {"entries": entries, "content": content, "packed": packed}
                for name, (entries, content, packed) in figures.methods.items()
            }
        }
    )
    rows = _rows(figures)
    name_width = max(len(name) for name, _ in rows)
    number_width = max(len(f"{size:,}") for _, size in rows)
    output.line(display_path(figures.archive))
    for name, size in rows:
        share = size / figures.archive_size if figures.archive_size else 0.0
        output.line(f"  {name:<{name_width}}  {size:>{number_width},} bytes  {format_size(size):>9}  {share:6.1%}")
    files = count(figures.files, "file")
    output.line(f"Newest version: {files}, {format_size(figures.content)}{_packed_to(figures.head_packed)}.")
    output.line(
        f"{count(figures.versions, 'version')} with {format_size(figures.history_content)} in all, of that"
        f" {format_size(figures.distinct_content)} in {count(figures.distinct, 'different content')}, kept once each."
    )
    for name, (entries, content, packed) in figures.methods.items():
        output.line(f"{name or '?'}: {count(entries, 'entry')}, {format_size(content)}{_packed_to(packed)}.")


def _rows(figures: ArchiveFigures) -> list[tuple[str, int]]:
    """Return the parts of the file, and the whole."""
    parts = [
        ("Contents of the newest version", figures.head_packed),
        ("Contents of older versions only", figures.history_packed),
        ("Local headers", figures.headers),
        ("Manifest", figures.manifest),
        ("Directory and end records", figures.directory),
        ("Dead (compact gives it back)", figures.dead),
    ]
    rest = figures.archive_size - sum(size for _, size in parts)
    if rest:
        parts.append(("Other", rest))
    return [*parts, ("The archive", figures.archive_size)]


def _packed_to(packed: int) -> str:
    return f", {format_size(packed)} in the archive"
