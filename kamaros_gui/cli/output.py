"""Where results go: text for people, or one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.reports import FileIssue
from kamaros_gui.base.statistics import StageStatistics
from kamaros_gui.base.texts import display_path
from kamaros_gui.cli.stages import print_stages, stages_object

__all__ = ["ISSUES_SHOWN", "Output", "Stages"]

ISSUES_SHOWN: Final = 50
"""Files, problems or warnings that are printed before the rest is only counted."""

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

    def result(self, value: dict[str, Any], stages: Stages | None = None) -> None:
        """Print the one object for machines, with what the *stages* did where they are given."""
        if not self.json:
            return
        value |= {} if stages is None else stages_object(stages)
        try:
            text = msgspec.json.encode(value).decode()
        except UnicodeEncodeError:  # a path whose bytes are no UTF-8 keeps them as escaped surrogates
            text = json.dumps(value, separators=(",", ":"))
        print(text)

    def stages(self, stages: Stages | None, seconds: float) -> None:
        """Print what the *stages* of a job did, where they are given; *seconds* is its wall time."""
        if stages is not None and not self.json and not self.quiet:
            print_stages(stages, seconds)

    def error(self, error: BaseException) -> None:
        """Print why it went wrong, and the way out."""
        hint = error.hint if isinstance(error, KamarosError) else ""
        message = str(error) or type(error).__name__
        self.result({"error": {"type": type(error).__name__, "message": message, "hint": hint}})
        self.remark(f"{message}{f' {hint}' if hint else ''}")

    def issues(self, issues: Iterable[FileIssue], total: int) -> None:
        """Print the files that were left out, the first of *total*."""
        self.remarks((f"{issue.kind}: {issue.path}: {issue.reason}" for issue in issues), total)

    def remarks(self, texts: Iterable[str], total: int) -> None:
        """Print lines on standard error, the first of *total*, and how many there are more."""
        for text, _ in zip(texts, range(ISSUES_SHOWN), strict=False):
            self.remark(text)
        if total > ISSUES_SHOWN:
            self.remark(f"… and {total - ISSUES_SHOWN} more")

    def remark(self, text: str) -> None:
        """Print a line on standard error, also where nothing else is printed."""
        print(f"kamaros: {display_path(text)}", file=sys.stderr)
