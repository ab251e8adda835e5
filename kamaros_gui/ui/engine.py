"""What the window needs of the engine: the few calls it makes, as a protocol."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, Protocol, cast

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.reports import Listing
from kamaros_gui.jobs.requests import ListRequest, Query, Request
from kamaros_gui.jobs.snapshots import JobSnapshot

__all__ = ["Engine", "SubmittedJob", "outcome", "read_listing"]


class SubmittedJob(Protocol):
    """A job that was accepted."""

    @property
    def id(self) -> int:
        """Number of the job, rising."""

    @property
    def future(self) -> Future[Any]:
        """Its report, or why there is none."""


class Engine(Protocol):
    """The job runner as the window sees it. Every call returns at once, except ``close``."""

    config: JCFConfig

    @property
    def idle(self) -> bool:
        """Whether no job is queued or running."""

    def submit(self, request: Request) -> SubmittedJob:
        """Queue a job."""

    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """All jobs, oldest first."""

    def snapshot(self, job_id: int) -> JobSnapshot:
        """One job."""

    def cancel(self, job_id: int) -> None:
        """Ask a job to end as if it never started."""

    def pause(self, job_id: int) -> None:
        """Hold a job."""

    def resume(self, job_id: int) -> None:
        """Let a held job go on."""

    def dismiss(self, job_id: int) -> None:
        """Forget a finished job."""

    def query(self, query: Query) -> Future[Any]:
        """Read something from an archive."""

    def close(self) -> None:
        """Abort what runs and wait until it is cleaned up."""


async def read_listing(engine: Engine, archive: str, version: str = "HEAD") -> Listing:
    """Return the entries of *version* of *archive* (raises KamarosError)."""
    future = engine.query(ListRequest(archive=archive, version=version))
    return cast("Listing", await asyncio.wrap_future(future))


async def outcome(job: SubmittedJob) -> Any:
    """Return the report of *job* once it is done (raises KamarosError). Cancelling the waiter leaves the job alone."""
    return await asyncio.shield(asyncio.wrap_future(job.future))
