"""JobRunner: the engine thread, its event loop, and one queue per archive."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.errors import AbortError, KamarosError
from kamaros_gui.base.reports import Listing, VersionInfo
from kamaros_gui.base.upkeep import ArchiveFigures
from kamaros_gui.jobs.job import Job
from kamaros_gui.jobs.requests import ListRequest, LogRequest, Query, Request, StatsRequest
from kamaros_gui.jobs.snapshots import JobSnapshot

if TYPE_CHECKING:
    from kamaros_gui.jobs.operations import Engine

__all__ = ["Job", "JobRunner"]

T = TypeVar("T")


class JobRunner:
    """Runs jobs on an engine thread of its own.

    Jobs on one archive follow each other in the order they were submitted; jobs on different archives run side by side.
    Every method may be called from any thread and returns at once, except :meth:`close`. The thread starts with the
    first request.

    Args:
        config: settings for jobs that bring none of their own.

    Attributes:
        config: as given; may be replaced at any time, for the jobs to come.
    """

    def __init__(self, config: JCFConfig | None = None) -> None:
        self.config = config or JCFConfig()
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._closed = False
        # Used on the engine loop only.
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # --------------------------------------------------------------------------------------------- requests

    def submit(self, request: Request) -> Job:
        """Queue *request*; return its job.

        Raises:
            KamarosError: the runner was closed, or the engine could not be started.
        """
        loop = self._running_loop()
        with self._lock:
            job = Job(next(self._numbers), request)
            self._jobs[job.id] = job
        config = request.config or self.config
        loop.call_soon_threadsafe(self._start_task, lambda: self._run(job, config))
        return job

    @overload
    def query(self, query: ListRequest) -> concurrent.futures.Future[Listing]: ...

    @overload
    def query(self, query: LogRequest) -> concurrent.futures.Future[tuple[VersionInfo, ...]]: ...

    @overload
    def query(self, query: StatsRequest) -> concurrent.futures.Future[ArchiveFigures]: ...

    def query(self, query: Query) -> concurrent.futures.Future[Any]:
        """Read something from an archive; queries wait for no job.

        Returns:
            The answer, or the :class:`KamarosError` that kept it from being given.
        """
        loop = self._running_loop()
        return asyncio.run_coroutine_threadsafe(self._answer(query, self.config), loop)

    def cancel(self, job_id: int) -> None:
        """Stop a job as if it had never started; does nothing where it has ended."""
        job = self._jobs.get(job_id)
        if job is not None and self._loop is not None:
            # On the engine loop, because everything that listens to the abort lives there.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(job.request_cancel)

    def pause(self, job_id: int) -> None:
        """Hold a running job before its next read."""
        if (job := self._jobs.get(job_id)) is not None:
            job.pause()

    def resume(self, job_id: int) -> None:
        """Let a paused job go on."""
        if (job := self._jobs.get(job_id)) is not None:
            job.resume()

    def dismiss(self, job_id: int) -> None:
        """Forget a job that has ended."""
        with self._lock:
            if job_id in self._jobs and self._jobs[job_id].finished:
                del self._jobs[job_id]

    # -------------------------------------------------------------------------------------------- snapshots

    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """Return a picture of every job, oldest first."""
        with self._lock:
            jobs = list(self._jobs.values())
        return tuple(job.snapshot() for job in jobs)

    def snapshot(self, job_id: int) -> JobSnapshot:
        """Return a picture of one job.

        Raises:
            KeyError: there is no such job (any more).
        """
        return self._jobs[job_id].snapshot()

    @property
    def idle(self) -> bool:
        """Whether no job is queued or running."""
        with self._lock:
            return all(job.finished for job in self._jobs.values())

    # ---------------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Cancel what is queued or running, wait until it has cleaned up, and end the thread. Blocks."""
        with self._lock:
            first, self._closed = not self._closed, True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        if first:
            asyncio.run_coroutine_threadsafe(self._shut_down(), loop)
        thread.join()

    # --------------------------------------------------------------------------------- on the engine thread

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise KamarosError("The program is closing; nothing new can be started.")
            if self._loop is None:
                self._start_thread()
            return cast("asyncio.AbstractEventLoop", self._loop)

    def _start_thread(self) -> None:
        started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        thread = threading.Thread(target=self._serve, args=(started,), name="kamaros-engine", daemon=True)
        thread.start()
        try:
            self._loop = started.result()
        except Exception as error:
            thread.join()
            raise KamarosError(
                f"The engine could not be started: {type(error).__name__}: {error}.",
                hint="If that stays so, install the program again.",
            ) from error
        self._thread = thread

    def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        with contextlib.ExitStack() as stack:
            try:
                from kamaros_gui.jobs.operations import Engine

                runner = stack.enter_context(asyncio.Runner())
                loop = runner.get_loop()
                self._engine = Engine()
                self._ended = asyncio.Event()
            except BaseException as error:  # noqa: BLE001 - whoever waits for the start must hear of it
                started.set_exception(error)
                return
            started.set_result(loop)
            runner.run(self._ended.wait())
        self._engine.close()

    def _start_task(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.get_running_loop().create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job, config: JCFConfig) -> None:
        try:
            key = os.path.realpath(job.request.archive)  # noqa: TID251 - links to one archive share a queue
        except OSError:
            key = job.request.archive  # below a working folder that has gone: the work itself fails, and tells
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if not job.begin():
                return
            try:
                report = await self._running_engine().run(job.request, config, job.control)
            except BaseException as error:  # noqa: BLE001 - whatever it was, the job must end and say so
                job.fail(error)
            else:
                job.succeed(report)

    async def _answer(self, query: Query, config: JCFConfig) -> Listing | tuple[VersionInfo, ...] | ArchiveFigures:
        return await self._running_engine().answer(query, config)

    def _running_engine(self) -> Engine:
        if self._engine is None:
            raise AbortError
        return self._engine

    async def _shut_down(self) -> None:
        for job in list(self._jobs.values()):
            job.request_cancel()
        while pending := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(pending)
        self._ended.set()
