"""One sentence on how a job ended, and what that means for the user's data."""

from __future__ import annotations

import os
from typing import Final

from kamaros_gui.base.reports import SaveReport, VersionInfo
from kamaros_gui.jobs.reports import Report
from kamaros_gui.jobs.requests import (
    DiffRequest,
    ExportRequest,
    ImportRequest,
    MoveRequest,
    ReadRequest,
    RemoveRequest,
    Request,
    RestoreRequest,
    SaveRequest,
    TagRequest,
    VerifyRequest,
)
from kamaros_gui.jobs.sentences import count, saved, sentence_of
from kamaros_gui.jobs.snapshots import JobState

__all__ = ["count", "describe_outcome"]


def describe_outcome(request: Request, state: JobState, report: Report | None) -> str:
    """Return the sentence for a job that ended in *state*."""
    if state is JobState.DONE and report is not None:
        if isinstance(request, TagRequest) and isinstance(report, VersionInfo):
            return _tagged(request, report)
        if isinstance(report, SaveReport):
            return saved(report, _SAVE_VERBS[type(request)])
        return sentence_of(report)
    ending = "Cancelled" if state is JobState.CANCELLED else "Failed"
    return f"{ending}: {_what_is_left(request)}."


_SAVE_VERBS: Final[dict[type[Request], str]] = {
    SaveRequest: "Saved",
    MoveRequest: "Moved",
    RemoveRequest: "Removed",
    ImportRequest: "Imported",
}

_LEFT: Final[dict[type[Request], str]] = {
    RestoreRequest: "the folder is as it was",
    ExportRequest: "nothing was exported",
    ReadRequest: "the archive is unchanged",
    DiffRequest: "nothing was changed",
    VerifyRequest: "nothing was changed",
}


def _what_is_left(request: Request) -> str:
    """Say in what state a job leaves things that did not reach its end."""
    if isinstance(request, VerifyRequest) and request.repair:
        return "no content was changed, and the repair can be run again"
    if isinstance(request, SaveRequest | ImportRequest):
        exists = os.path.lexists(request.archive)  # noqa: TID251 - the sentence tells what is there now
        return "the archive is unchanged" if exists else "no archive was made"
    return _LEFT.get(type(request), "the archive is unchanged")


def _tagged(request: TagRequest, version: VersionInfo) -> str:
    if request.version is None:
        return f"The tag “{request.name}” is gone; it named version {version.id[:8]}."
    return f"“{request.name}” names version {version.id[:8]} now."
