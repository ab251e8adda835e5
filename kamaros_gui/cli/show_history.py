"""What the verbs about the history print: versions, tags, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kamaros_gui.base.config import format_size
from kamaros_gui.base.differences import DiffChange, DiffEntry, DiffReport
from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.base.upkeep import ForgetReport
from kamaros_gui.cli.moments import local_moment
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.show_content import MARKS

__all__ = ["show_differences", "show_forgotten", "show_history", "show_tagged", "show_tags"]

_LETTERS: Final[dict[DiffChange, str]] = {
    "added": "A",
    "changed": "M",
    "removed": "D",
    "renamed": "R",
    "metadata": "T",
}


def show_history(output: Output, versions: Sequence[VersionInfo]) -> None:
    """Print versions, newest first."""
    output.result({"versions": [_version(version) for version in versions]})
    for version in versions:
        output.line(_version_line(version))


def show_tags(output: Output, versions: Sequence[VersionInfo]) -> None:
    """Print the tags of *versions*, the newest first, with what they name."""
    tags = [(tag, version) for version in versions for tag in version.tags]
    output.result({"tags": [{"name": tag, "version": version.id} for tag, version in tags]})
    width = max((len(display_path(tag)) for tag, _ in tags), default=0)
    for tag, version in tags:
        message = f"  {display_path(version.message)}" if version.message else ""
        moment = display_path(local_moment(version.timestamp))
        output.line(f"{display_path(tag):<{width}}  {display_path(version.id[:8])}  {moment}{message}")


def show_tagged(output: Output, name: str, version: VersionInfo, outcome: str) -> None:
    """Print what became of the tag *name*, and the *version* that it names or named."""
    output.result({"tag": name, "version": version.id, "tags": list(version.tags)})
    output.line(display_path(outcome))


def show_forgotten(output: Output, report: ForgetReport, outcome: str) -> None:
    """Print which versions went, or would go, and which ones a tag has spared."""
    output.result(
        {
            "forgotten": [_version(version) for version in report.forgotten],
            "spared": [_version(version) for version in report.spared],
            "kept": report.kept,
            "dropped": report.dropped,
            "freed": report.freed,
            "archive_size": report.archive_size,
            "dead_bytes": report.dead_bytes,
            "done": report.done,
            "seconds": round(report.seconds, 3),
        }
    )
    went = "forgot" if report.done else "would forget"
    for version in report.forgotten:
        output.line(f"{went} {_version_line(version)}")
    for version in report.spared:
        output.line(f"spared {_version_line(version)}")
    output.line(outcome)


def show_differences(output: Output, report: DiffReport, outcome: str) -> None:
    """Print what differs, a line each, and how much in all."""
    output.result(
        {
            "old": report.old,
            "new": report.new,
            "folder": report.folder,
            "changes": [
                {
                    "path": entry.path,
                    "change": entry.change,
                    "type": entry.type,
                    "old_path": entry.old_path,
                    "old_size": entry.old_size,
                    "new_size": entry.new_size,
                    "old_hash": entry.old_hash,
                    "new_hash": entry.new_hash,
                }
                for entry in report.entries
            ],
            "unchanged": report.unchanged,
            "issues": [msgspec.to_builtins(issue) for issue in report.issues],
        }
    )
    for entry in report.entries:
        output.line(f"{_LETTERS[entry.change]}  {_sizes(entry)}{_paths(entry)}")
    output.line(outcome)


def _sizes(entry: DiffEntry) -> str:
    """Return the sizes that tell something, with the gap behind them."""
    old, new = format_size(entry.old_size), format_size(entry.new_size)
    match entry.change:
        case "metadata":
            return ""
        case "renamed" if entry.old_hash == entry.new_hash:
            return ""
        case _ if entry.type == "directory":
            return ""
        case "added":
            return f"{new}  "
        case "removed":
            return f"{old}  "
    return f"{old} → {new}  "


def _paths(entry: DiffEntry) -> str:
    old = f"{display_path(entry.old_path)} → " if entry.old_path else ""
    return f"{old}{display_path(entry.path)}{MARKS.get(entry.type, '')}"


def _version_line(version: VersionInfo) -> str:
    tags = f" [{', '.join(version.tags)}]" if version.tags else ""
    counts = f"+{version.added} ~{version.modified} −{version.deleted}"
    if version.renamed:
        counts += f" →{version.renamed}"
    author = f"  {version.author}" if version.author else ""
    moment = local_moment(version.timestamp)
    return display_path(f"{version.id[:8]}{tags}  {moment}  {counts:<18}{author}  {version.message}")


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
        "renamed": version.renamed,
    }
