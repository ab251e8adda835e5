"""What the verbs print: text for people, or one JSON object for machines."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Any

import msgspec

from kamaros_gui.base.config import format_size
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.reports import Entry, FileIssue, Listing, RestoreReport, SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.statistics import StageStatistics
from kamaros_gui.base.texts import display_path
from kamaros_gui.cli.stages import print_stages, stages_object

__all__ = ["Output"]

_ISSUES_SHOWN = 50

Stages = tuple[StageStatistics, ...]


class Output:
    """Prints results.

    Args:
        json: print JSON objects instead of text.
        quiet: print errors only.
    """

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self.json = json
        self.quiet = quiet

    def line(self, text: str = "") -> None:
        """Print a line of text for people."""
        if not self.json and not self.quiet:
            print(text)

    def error(self, error: BaseException) -> None:
        """Print why it went wrong, and the way out."""
        hint = error.hint if isinstance(error, KamarosError) else ""
        message = str(error) or type(error).__name__
        if self.json:
            self._object({"error": {"type": type(error).__name__, "message": message, "hint": hint}})
        print(f"kamaros: {display_path(message)}{f' {display_path(hint)}' if hint else ''}", file=sys.stderr)

    def issues(self, issues: tuple[FileIssue, ...], total: int) -> None:
        """Print the files that were left out."""
        for issue in issues[:_ISSUES_SHOWN]:
            print(f"kamaros: {issue.kind}: {display_path(issue.path)}: {display_path(issue.reason)}", file=sys.stderr)
        if total > _ISSUES_SHOWN:
            print(f"kamaros: … and {total - _ISSUES_SHOWN} more", file=sys.stderr)

    def saved(self, report: SaveReport, outcome: str, stages: Stages | None = None) -> None:
        """Print the outcome of a save, with what its *stages* did where they are given."""
        self._object(
            {
                "version": report.version,
                "archive": report.archive,
                "files": {
                    "added": report.added,
                    "modified": report.modified,
                    "unchanged": report.unchanged,
                    "deleted": report.deleted,
                    "failed": report.failed,
                },
                "bytes_in": report.bytes_in,
                "bytes_out": report.bytes_out,
                "seconds": round(report.seconds, 3),
            }
            | ({} if stages is None else stages_object(stages))
        )
        self.line(outcome)
        if report.created:
            self.line(f"Version {report.version[:8]} in {display_path(report.archive)}, {report.seconds:.1f} s.")
        self._stages(stages, report.seconds)

    def restored(self, report: RestoreReport, outcome: str, stages: Stages | None = None) -> None:
        """Print the outcome of a restore, with what its *stages* did where they are given."""
        self._object(
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
            }
            | ({} if stages is None else stages_object(stages))
        )
        self.line(f"{outcome} Into {display_path(report.target)}, {report.seconds:.1f} s.")
        self._stages(stages, report.seconds)

    def verified(self, report: VerifyReport, outcome: str, stages: Stages | None = None) -> None:
        """Print the outcome of a verification, with what its *stages* did where they are given."""
        self._object(
            {
                "valid": report.valid,
                "checked": report.checked,
                "errors": [msgspec.to_builtins(problem) for problem in report.errors],
                "warnings": list(report.warnings),
                "seconds": round(report.seconds, 3),
            }
            | ({} if stages is None else stages_object(stages))
        )
        if not self.json:
            for problem in report.errors[:_ISSUES_SHOWN]:
                named = f"{problem.path}: " if problem.path and problem.path not in problem.message else ""
                print(f"kamaros: {problem.type}: {display_path(named + problem.message)}", file=sys.stderr)
            for warning in report.warnings[:_ISSUES_SHOWN]:
                print(f"kamaros: warning: {display_path(warning)}", file=sys.stderr)
        self.line(outcome)
        self._stages(stages, report.seconds)

    def listing(self, listing: Listing) -> None:
        """Print the entries of a version."""
        if self.json:
            self._object({"version": listing.version, "entries": [_entry(entry) for entry in listing.entries]})
            return
        for entry in listing.entries:
            mark = {"directory": "/", "symlink": "@"}.get(entry.type, "")
            size = "" if entry.type == "directory" else format_size(entry.size)
            packed = format_size(entry.packed) if entry.packed else ""
            self.line(
                f"{size:>11} {packed:>11} {entry.method:<8}{_local(entry.modified)}  {display_path(entry.path)}{mark}"
            )
        files = sum(entry.type != "directory" for entry in listing.entries)
        content = sum(entry.size for entry in listing.entries)
        self.line(
            f"{files:,} files, {format_size(content)}; the archive has {format_size(listing.archive_size)},"
            f" {format_size(listing.dead_bytes)} of it dead; {len(listing.versions):,} versions."
        )
        for warning in listing.warnings:
            print(f"kamaros: warning: {display_path(warning)}", file=sys.stderr)

    def history(self, versions: tuple[VersionInfo, ...]) -> None:
        """Print versions, newest first."""
        if self.json:
            self._object({"versions": [_version(version) for version in versions]})
            return
        for version in versions:
            tags = f" [{', '.join(version.tags)}]" if version.tags else ""
            counts = f"+{version.added} ~{version.modified} −{version.deleted}"
            author = f"  {version.author}" if version.author else ""
            self.line(
                display_path(
                    f"{version.id[:8]}{tags}  {_moment(version.timestamp)}  {counts:<18}{author}  {version.message}"
                )
            )

    def _stages(self, stages: Stages | None, seconds: float) -> None:
        if stages is not None and not self.json and not self.quiet:
            print_stages(stages, seconds)

    def _object(self, value: dict[str, Any]) -> None:
        if not self.json:
            return
        try:
            text = msgspec.json.encode(value).decode()
        except UnicodeEncodeError:  # a path whose bytes are no UTF-8 keeps them as escaped surrogates
            text = json.dumps(value, separators=(",", ":"))
        print(text)


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "type": entry.type,
        "size": entry.size,
        "packed": entry.packed,
        "sha256": entry.sha256,
        "modified": _iso(entry.modified),
        "mode": f"{entry.mode:04o}",
        "method": entry.method,
    }


def _version(version: VersionInfo) -> dict[str, Any]:
    return {
        "id": version.id,
        "parent": version.parent,
        "timestamp": version.timestamp,
        "message": version.message,
        "author": version.author,
        "tags": list(version.tags),
        "added": version.added,
        "modified": version.modified,
        "deleted": version.deleted,
    }


def _iso(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def _local(nanoseconds: int) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(nanoseconds / 1e9).astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return " " * 16


def _moment(timestamp: str) -> str:
    try:
        return f"{dt.datetime.fromisoformat(timestamp).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return timestamp
