"""What a job hands back: one of the engine's reports, or what reading one file came to."""

from __future__ import annotations

import dataclasses

from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.reports import RestoreReport, SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import CompactReport, ExportReport, ForgetReport

__all__ = ["ReadReport", "Report"]


@dataclasses.dataclass(frozen=True, slots=True)
class ReadReport:
    """Outcome of reading one file.

    Attributes:
        path: the file inside the archive.
        bytes_out: content bytes handed over.
        complete: false where the reader at the other end hung up before the end.
        seconds: wall time.
    """

    path: str
    bytes_out: int
    complete: bool
    seconds: float


Report = (
    SaveReport
    | RestoreReport
    | ExportReport
    | ReadReport
    | VersionInfo
    | ForgetReport
    | CompactReport
    | DiffReport
    | VerifyReport
)
