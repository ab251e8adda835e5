"""What each request and query means, as a coroutine on the engine loop."""

from __future__ import annotations

from kamaros_gui.archive import JCFManager, Workers
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.reports import Listing, VersionInfo
from kamaros_gui.jobs.job import Report
from kamaros_gui.jobs.requests import ListRequest, Query, Request, RestoreRequest, SaveRequest

__all__ = ["Engine"]


class Engine:
    """Carries out requests. Used on the engine loop only.

    All archives share the threads; there is one set for each number of workers that was asked for.
    """

    def __init__(self) -> None:
        self._workers: dict[int, Workers] = {}

    async def run(self, request: Request, config: JCFConfig, control: RunControl) -> Report:
        """Carry out *request*.

        Raises:
            KamarosError: what kept it from being done.
        """
        manager = self._manager(request.archive, config)
        if isinstance(request, SaveRequest):
            return await manager.save(
                request.paths,
                message=request.message,
                author=request.author,
                into=request.into,
                mirror=request.mirror,
                excludes=request.excludes,
                strict=request.strict,
                control=control,
            )
        if isinstance(request, RestoreRequest):
            return await manager.restore_version(
                request.version,
                request.target,
                paths=request.paths,
                on_conflict=request.on_conflict,
                outside_links=request.outside_links,
                control=control,
            )
        return await manager.verify(control=control)

    async def answer(self, query: Query, config: JCFConfig) -> Listing | tuple[VersionInfo, ...]:
        """Answer *query*.

        Raises:
            KamarosError: the archive can't be read.
        """
        manager = self._manager(query.archive, config)
        if isinstance(query, ListRequest):
            return await manager.list_files(query.version)
        return await manager.history(query.path)

    def close(self) -> None:
        """End the threads; everything that used them has ended."""
        for workers in self._workers.values():
            workers.close()

    def _manager(self, archive: str, config: JCFConfig) -> JCFManager:
        count = config.effective_workers
        if count not in self._workers:
            self._workers[count] = Workers(count)
        return JCFManager(archive, config, self._workers[count])
