"""Jobs: one engine thread, one queue per archive, states, progress and cancel. Knows no Qt.

The window and the terminal talk to this layer alone::

    runner = JobRunner(config)
    job = runner.submit(SaveRequest(archive="a.jcf", paths=("photos",)))
    runner.snapshots()             # any time, any thread
    runner.cancel(job.id)          # as if it never started
    job.future.result()            # SaveReport, or raises a KamarosError (AbortError when cancelled)
    runner.query(ListRequest(archive="a.jcf")).result()
    runner.close()
"""

from kamaros_gui.jobs.reports import ReadReport, Report
from kamaros_gui.jobs.requests import (
    CompactRequest,
    ConflictPolicy,
    DiffRequest,
    ExportRequest,
    ForgetRequest,
    ImportRequest,
    ListRequest,
    LogRequest,
    MoveRequest,
    Query,
    ReadRequest,
    RemoveRequest,
    Request,
    RestoreRequest,
    SaveRequest,
    StatsRequest,
    TagRequest,
    VerifyRequest,
)
from kamaros_gui.jobs.runner import Job, JobRunner
from kamaros_gui.jobs.snapshots import TERMINAL_STATES, ErrorDetails, JobSnapshot, JobState

__all__ = [
    "TERMINAL_STATES",
    "CompactRequest",
    "ConflictPolicy",
    "DiffRequest",
    "ErrorDetails",
    "ExportRequest",
    "ForgetRequest",
    "ImportRequest",
    "Job",
    "JobRunner",
    "JobSnapshot",
    "JobState",
    "ListRequest",
    "LogRequest",
    "MoveRequest",
    "Query",
    "ReadReport",
    "ReadRequest",
    "RemoveRequest",
    "Report",
    "Request",
    "RestoreRequest",
    "SaveRequest",
    "StatsRequest",
    "TagRequest",
    "VerifyRequest",
]
