"""What each request and query means, as a coroutine on the engine loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from kamaros_gui.archive import JCFManager, Workers
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.reports import Listing, VersionInfo
from kamaros_gui.base.upkeep import ArchiveFigures
from kamaros_gui.jobs.reading import read_into
from kamaros_gui.jobs.reports import Report
from kamaros_gui.jobs.requests import (
    CompactRequest,
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
    TagRequest,
    VerifyRequest,
)

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
        if isinstance(request, ReadRequest):
            return await read_into(manager, request, self._threads(config), control)
        return await _CALLS[type(request)](manager, request, control)

    async def answer(self, query: Query, config: JCFConfig) -> Listing | tuple[VersionInfo, ...] | ArchiveFigures:
        """Answer *query*.

        Raises:
            KamarosError: the archive can't be read.
        """
        manager = self._manager(query.archive, config)
        if isinstance(query, ListRequest):
            return await manager.list_files(query.version)
        if isinstance(query, LogRequest):
            return await manager.history(query.path)
        return await manager.stats()

    def close(self) -> None:
        """End the threads; everything that used them has ended."""
        for workers in self._workers.values():
            workers.close()

    def _manager(self, archive: str, config: JCFConfig) -> JCFManager:
        return JCFManager(archive, config, self._threads(config))

    def _threads(self, config: JCFConfig) -> Workers:
        count = config.effective_workers
        if count not in self._workers:
            self._workers[count] = Workers(count)
        return self._workers[count]


def _save(manager: JCFManager, request: SaveRequest, control: RunControl) -> Awaitable[Report]:
    return manager.save(
        request.paths,
        message=request.message,
        author=request.author,
        into=request.into,
        mirror=request.mirror,
        excludes=request.excludes,
        strict=request.strict,
        control=control,
    )


def _move(manager: JCFManager, request: MoveRequest, control: RunControl) -> Awaitable[Report]:
    return manager.move(request.path, request.new_path, message=request.message, author=request.author, control=control)


def _remove(manager: JCFManager, request: RemoveRequest, control: RunControl) -> Awaitable[Report]:
    return manager.remove(request.paths, message=request.message, author=request.author, control=control)


def _import(manager: JCFManager, request: ImportRequest, control: RunControl) -> Awaitable[Report]:
    return manager.import_from(
        request.source,
        version=request.version,
        into=request.into,
        message=request.message,
        author=request.author,
        control=control,
    )


def _restore(manager: JCFManager, request: RestoreRequest, control: RunControl) -> Awaitable[Report]:
    return manager.restore_version(
        request.version,
        request.target,
        paths=request.paths,
        on_conflict=request.on_conflict,
        outside_links=request.outside_links,
        control=control,
    )


def _export(manager: JCFManager, request: ExportRequest, control: RunControl) -> Awaitable[Report]:
    return manager.export(
        request.target,
        version=request.version,
        interchange=request.interchange,
        overwrite=request.overwrite,
        control=control,
    )


def _tag(manager: JCFManager, request: TagRequest, _control: RunControl) -> Awaitable[Report]:
    if request.version is None:
        return manager.untag(request.name)
    return manager.tag(request.version, request.name, replace=request.replace)


def _forget(manager: JCFManager, request: ForgetRequest, control: RunControl) -> Awaitable[Report]:
    return manager.forget(
        request.versions,
        keep_last=request.keep_last,
        keep_within=request.keep_within,
        tagged=request.tagged,
        dry_run=request.dry_run,
        control=control,
    )


def _compact(manager: JCFManager, _request: CompactRequest, control: RunControl) -> Awaitable[Report]:
    return manager.compact(control=control)


def _diff(manager: JCFManager, request: DiffRequest, control: RunControl) -> Awaitable[Report]:
    return manager.diff(request.old, request.new, folder=request.folder, into=request.into, control=control)


def _verify(manager: JCFManager, request: VerifyRequest, control: RunControl) -> Awaitable[Report]:
    return manager.verify(repair=request.repair, control=control)


_CALLS: Final[dict[type[Request], Callable[[JCFManager, Any, RunControl], Awaitable[Report]]]] = {
    SaveRequest: _save,
    MoveRequest: _move,
    RemoveRequest: _remove,
    ImportRequest: _import,
    RestoreRequest: _restore,
    ExportRequest: _export,
    TagRequest: _tag,
    ForgetRequest: _forget,
    CompactRequest: _compact,
    DiffRequest: _diff,
    VerifyRequest: _verify,
}
