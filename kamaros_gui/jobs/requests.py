"""What can be asked of the engine: frozen requests and queries, made by the window or the terminal.

A request becomes a job: it waits for its turn, has progress, and can be cancelled. A query only reads the directory of
an archive, waits for no job and is answered at once.
"""

from __future__ import annotations

import dataclasses

from kamaros_gui.jobs.requests_content import (
    ConflictPolicy,
    ExportRequest,
    ImportRequest,
    MoveRequest,
    ReadRequest,
    RemoveRequest,
    RestoreRequest,
    SaveRequest,
)
from kamaros_gui.jobs.requests_upkeep import CompactRequest, DiffRequest, ForgetRequest, TagRequest, VerifyRequest

__all__ = [
    "CompactRequest",
    "ConflictPolicy",
    "DiffRequest",
    "ExportRequest",
    "ForgetRequest",
    "ImportRequest",
    "ListRequest",
    "LogRequest",
    "MoveRequest",
    "Query",
    "ReadRequest",
    "RemoveRequest",
    "Request",
    "RestoreRequest",
    "SaveRequest",
    "StatsRequest",
    "TagRequest",
    "VerifyRequest",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Read the entries of a version; a query, answered with a :class:`~kamaros_gui.base.reports.Listing`.

    Attributes:
        archive: path of the archive.
        version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``.
    """

    archive: str
    version: str = "HEAD"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Read the versions, newest first; answered with a tuple of ``VersionInfo``.

    Attributes:
        archive: path of the archive.
        path: only those that touched this file or folder, under any name it had; empty for all.
    """

    archive: str
    path: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StatsRequest:
    """Read what the archive is made of; answered with :class:`~kamaros_gui.base.upkeep.ArchiveFigures`.

    Attributes:
        archive: path of the archive.
    """

    archive: str


Request = (
    SaveRequest
    | MoveRequest
    | RemoveRequest
    | ImportRequest
    | RestoreRequest
    | ExportRequest
    | ReadRequest
    | TagRequest
    | ForgetRequest
    | CompactRequest
    | DiffRequest
    | VerifyRequest
)
Query = ListRequest | LogRequest | StatsRequest
