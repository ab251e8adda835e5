"""A runner whose jobs are in exactly the state a test puts them in."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future
from typing import Any

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.progress import ProgressSnapshot
from kamaros_gui.jobs import JobSnapshot, JobState, Query, Request


@dataclasses.dataclass
class FakeJob:
    id: int
    future: Future[Any]


class FakeRunner:
    def __init__(self, config: JCFConfig | None = None) -> None:
        self.config = config or JCFConfig()
        self.calls: list[tuple[str, int]] = []
        self._jobs: dict[int, JobSnapshot] = {}

    def submit(self, request: Request) -> FakeJob:
        return FakeJob(self.add(kind=request.kind, title=request.title, archive=request.archive).id, Future())

    def add(self, **fields: Any) -> JobSnapshot:
        number = len(self._jobs) + 1
        usual: dict[str, Any] = {"kind": "save", "title": "Save photos", "archive": "/a.jcf", "target": ""}
        usual |= {"state": JobState.RUNNING, "progress": ProgressSnapshot()}
        self._jobs[number] = JobSnapshot(id=number, **(usual | fields))
        return self._jobs[number]

    def change(self, job_id: int, **fields: Any) -> None:
        self._jobs[job_id] = dataclasses.replace(self._jobs[job_id], **fields)

    def snapshots(self) -> tuple[JobSnapshot, ...]:
        return tuple(self._jobs.values())

    def snapshot(self, job_id: int) -> JobSnapshot:
        return self._jobs[job_id]

    @property
    def idle(self) -> bool:
        return all(job.finished for job in self._jobs.values())

    def cancel(self, job_id: int) -> None:
        self.calls.append(("cancel", job_id))
        self.change(job_id, state=JobState.CANCELLING)

    def pause(self, job_id: int) -> None:
        self.calls.append(("pause", job_id))
        self.change(job_id, state=JobState.PAUSED)

    def resume(self, job_id: int) -> None:
        self.calls.append(("resume", job_id))
        self.change(job_id, state=JobState.RUNNING)

    def dismiss(self, job_id: int) -> None:
        self._jobs.pop(job_id)

    def query(self, query: Query) -> Future[Any]:
        raise AssertionError("nothing to read here")

    def close(self) -> None:
        pass
