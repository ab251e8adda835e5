"""One sentence on how a job ended, and what that means for the user's data."""

from __future__ import annotations

from kamaros_gui.base.config import format_size
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport
from kamaros_gui.jobs.requests import Request, RestoreRequest, SaveRequest
from kamaros_gui.jobs.snapshots import JobState

__all__ = ["count", "describe_outcome"]


def describe_outcome(
    request: Request, state: JobState, report: SaveReport | RestoreReport | VerifyReport | None
) -> str:
    """Return the sentence for a job that ended in *state*."""
    if state is JobState.DONE:
        if isinstance(report, SaveReport):
            return _saved(report)
        if isinstance(report, RestoreReport):
            return _restored(report)
        if isinstance(report, VerifyReport):
            return _verified(report)
    ending = "Cancelled" if state is JobState.CANCELLED else "Failed"
    if isinstance(request, SaveRequest):
        return f"{ending}: the archive is unchanged."
    if isinstance(request, RestoreRequest):
        return f"{ending}: the folder is as it was."
    return f"{ending}: nothing was changed."


def count(number: int, noun: str) -> str:
    """Return *number* and *noun* in the right form: ``1 file``, ``2,000 files``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def _saved(report: SaveReport) -> str:
    failed = f" {count(report.failed, 'file')} could not be read." if report.failed else ""
    if not report.created:
        return f"Nothing has changed: no version was made.{failed}"
    parts = [f"{report.added:,} added", f"{report.modified:,} changed", f"{report.unchanged:,} unchanged"]
    if report.deleted:
        parts.append(f"{report.deleted:,} removed")
    return f"Saved: {', '.join(parts)}; the archive grew by {format_size(report.bytes_out)}.{failed}"


def _restored(report: RestoreReport) -> str:
    text = f"Restored {count(report.restored, 'entry')}, {format_size(report.bytes_out)}"
    if report.identical:
        text += f"; {report.identical:,} were there already"
    if report.failed:
        text += f"; {count(report.failed, 'entry')} could not be restored"
    return text + "."


def _verified(report: VerifyReport) -> str:
    if report.valid:
        return f"All {count(report.checked, 'entry')} are as they were saved ({format_size(report.bytes_read)})."
    return f"{count(len(report.errors), 'problem')} found in {count(report.checked, 'entry')}."
