"""What the verbs about content print."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kamaros_gui.base.config import format_size
from kamaros_gui.base.reports import Entry, Listing, RestoreReport, SaveReport
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.cli.moments import iso_of, local_of
from kamaros_gui.cli.output import Output, Stages
from kamaros_gui.jobs.sentences import count

__all__ = ["MARKS", "show_exported", "show_listing", "show_restored", "show_saved"]

MARKS: Final = {"directory": "/", "symlink": "@"}
"""What stands behind the path of something that is no file."""


def show_saved(output: Output, report: SaveReport, outcome: str, stages: Stages | None = None) -> None:
    """Print the outcome of a save, a move, a remove or an import, with what its *stages* did where they are given."""
    output.result(
        {
            "version": report.version,
            "archive": report.archive,
            "files": {
                "added": report.added,
                "modified": report.modified,
                "unchanged": report.unchanged,
                "deleted": report.deleted,
                "failed": report.failed,
                "renamed": report.renamed,
            },
            "bytes_in": report.bytes_in,
            "bytes_out": report.bytes_out,
            "reclaimed": report.reclaimed,
            "seconds": round(report.seconds, 3),
        },
        stages,
    )
    output.line(outcome)
    if report.created:
        output.line(f"Version {report.version[:8]} in {display_path(report.archive)}, {report.seconds:.1f} s.")
    output.stages(stages, report.seconds)


def show_restored(output: Output, report: RestoreReport, outcome: str, stages: Stages | None = None) -> None:
    """Print the outcome of a restore, with what its *stages* did where they are given."""
    output.result(
        {
            "version": report.version,
            "target": report.target,
            "restored": report.restored,
            "identical": report.identical,
            "failed": report.failed,
            "damaged": report.damaged,
            "issues": [msgspec.to_builtins(issue) for issue in report.issues],
            "bytes_out": report.bytes_out,
            "seconds": round(report.seconds, 3),
        },
        stages,
    )
    output.line(f"{outcome} Into {display_path(report.target)}, {report.seconds:.1f} s.")
    output.stages(stages, report.seconds)


def show_exported(output: Output, report: ExportReport, outcome: str) -> None:
    """Print the outcome of an export."""
    output.result(
        {
            "version": report.version,
            "target": report.target,
            "interchange": report.interchange,
            "entries": report.entries,
            "failed": report.failed,
            "issues": [msgspec.to_builtins(issue) for issue in report.issues],
            "bytes_out": report.bytes_out,
            "seconds": round(report.seconds, 3),
        }
    )
    output.line(f"{outcome} Into {display_path(report.target)}, {report.seconds:.1f} s.")


def show_listing(output: Output, listing: Listing) -> None:
    """Print the entries of a version."""
    output.result({"version": listing.version, "entries": [_entry(entry) for entry in listing.entries]})
    if output.json:
        return
    for entry in listing.entries:
        size = "" if entry.type == "directory" else format_size(entry.size)
        packed = format_size(entry.packed) if entry.packed else ""
        output.line(
            f"{size:>11} {packed:>11} {entry.method:<8}{local_of(entry.modified)}  {display_path(entry.path)}"
            f"{MARKS.get(entry.type, '')}"
        )
    files = sum(entry.type != "directory" for entry in listing.entries)
    content = sum(entry.size for entry in listing.entries)
    output.line(
        f"{count(files, 'file')}, {format_size(content)}; the archive has {format_size(listing.archive_size)},"
        f" {format_size(listing.dead_bytes)} of it dead; {count(len(listing.versions), 'version')}."
    )
    output.remarks((f"warning: {warning}" for warning in listing.warnings), len(listing.warnings))


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "type": entry.type,
        "size": entry.size,
        "packed": entry.packed,
        "sha256": entry.sha256,
        "modified": iso_of(entry.modified),
        "mode": f"{entry.mode:04o}",
        "method": entry.method,
    }
