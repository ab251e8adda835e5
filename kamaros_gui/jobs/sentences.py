"""What each report comes to, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kamaros_gui.base.config import format_size
from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import CompactReport, ExportReport, ForgetReport
from kamaros_gui.jobs.reports import ReadReport, Report

__all__ = ["count", "saved", "sentence_of"]


def sentence_of(report: Report) -> str:
    """Return what *report* says by itself; see :func:`saved` for a new version."""
    return _SENTENCES[type(report)](report)


def count(number: int, noun: str) -> str:
    """Return *number* and *noun* in the right form: ``1 file``, ``2,000 files``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def saved(report: SaveReport, verb: str = "Saved") -> str:
    """Return what *report* says of a new version, or of none; *verb* is what was done."""
    failed = f" {count(report.failed, 'file')} could not be read." if report.failed else ""
    given_back = f" Compacting gave {format_size(report.reclaimed)} back." if report.reclaimed else ""
    if not report.created:
        return f"Nothing has changed: no version was made.{given_back}{failed}"
    grown = f"the archive grew by {format_size(report.bytes_out)}"
    return f"{verb}{_what_was_saved(report, verb)}; {grown}.{given_back}{failed}"


def _what_was_saved(report: SaveReport, verb: str) -> str:
    if verb in {"Moved", "Removed"}:  # the other numbers tell nothing then
        number = report.renamed if verb == "Moved" else report.deleted
        return f" {count(number, 'file')}" if number else ""
    parts = [f"{report.added:,} added", f"{report.modified:,} changed", f"{report.unchanged:,} unchanged"]
    if report.renamed:
        parts.insert(2, f"{report.renamed:,} renamed")
    if report.deleted:
        parts.append(f"{report.deleted:,} removed")
    return f": {', '.join(parts)}"


def _restored(report: RestoreReport) -> str:
    text = f"Restored {count(report.restored, 'entry')}, {format_size(report.bytes_out)}"
    if report.identical:
        text += f"; {report.identical:,} were there already"
    if report.failed:
        text += f"; {count(report.failed, 'entry')} could not be restored"
    return text + "."


def _exported(report: ExportReport) -> str:
    what = "all versions" if report.interchange else f"version {report.version[:8]}" if report.version else "it all"
    text = f"Exported {what}: {count(report.entries, 'entry')}, {format_size(report.bytes_out)}"
    if report.failed:
        text += f"; {count(report.failed, 'entry')} could not be exported"
    return text + "."


def _read(report: ReadReport) -> str:
    ending = "" if report.complete else ", then nobody read on"
    return f"Read {format_size(report.bytes_out)}{ending}."


def _forgot(report: ForgetReport) -> str:
    number = len(report.forgotten)
    spared = f" {count(len(report.spared), 'version')} stayed because of a tag." if report.spared else ""
    if not number:
        return f"Nothing to forget.{spared}"
    if not report.done:
        freed = f"{format_size(report.freed)} would be dead then" if report.freed else "no content with them"
        return f"Would forget {count(number, 'version')}; {freed}.{spared}"
    freed = f"{format_size(report.freed)} are dead now, compact gives them back" if report.freed else "no content went"
    return f"Forgot {count(number, 'version')}; {freed}.{spared}"


def _compacted(report: CompactReport) -> str:
    if report.after >= report.before:
        return f"Nothing to give back: the archive has {format_size(report.after)}."
    given_back = format_size(report.before - report.after)
    return f"Compacted: {given_back} given back, the archive has {format_size(report.after)} now."


def _compared(report: DiffReport) -> str:
    words = {"added": "added", "changed": "changed", "removed": "removed", "renamed": "renamed", "metadata": "touched"}
    totals = dict.fromkeys(words, 0)
    for entry in report.entries:
        totals[entry.change] += 1
    parts = [f"{number:,} {words[change]}" for change, number in totals.items() if number]
    failed = f" {count(len(report.issues), 'file')} could not be compared." if report.issues else ""
    if not parts:
        return f"No difference; {count(report.unchanged, 'file')} are the same.{failed}"
    return f"{', '.join(parts)}; {report.unchanged:,} unchanged.{failed}"


def _verified(report: VerifyReport) -> str:
    mended = f"Repaired {count(len(report.repairs), 'thing')}. " if report.repairs else ""
    if report.valid:
        checked, read = count(report.checked, "entry"), format_size(report.bytes_read)
        return f"{mended}All {checked} are as they were saved ({read})."
    left = " left" if report.repairs else ""
    return f"{mended}{count(len(report.errors), 'problem')}{left} found in {count(report.checked, 'entry')}."


_SENTENCES: Final[dict[type[Report], Callable[[Any], str]]] = {
    SaveReport: saved,
    RestoreReport: _restored,
    ExportReport: _exported,
    ReadReport: _read,
    ForgetReport: _forgot,
    CompactReport: _compacted,
    DiffReport: _compared,
    VerifyReport: _verified,
    VersionInfo: lambda version: f"Version {version.id[:8]}.",
}
