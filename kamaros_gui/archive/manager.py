"""JCFManager: one archive, from Python. Async, on any asyncio loop, without Qt."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.planning import SaveOptions
from kamaros_gui.archive.restoring import RestoreOptions, restore
from kamaros_gui.archive.saving import save
from kamaros_gui.archive.targets import ConflictPolicy
from kamaros_gui.archive.verify import verify
from kamaros_gui.archive.views import history_of, list_version
from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import NotFoundError
from kamaros_gui.base.progress import ProgressSnapshot
from kamaros_gui.base.reports import Listing, RestoreReport, SaveReport, VerifyReport, VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Workers

__all__ = ["JCFManager"]

_PROGRESS_INTERVAL = 0.1

T = TypeVar("T")


class JCFManager:
    """An archive that can be saved to, listed, restored and verified.

    Nothing stays open between two calls and every call reads the newest committed state, so several managers, in
    several processes, may look at one archive; one at a time may save. Make it with :meth:`open`, end it with
    :meth:`close` or as an async context manager.

    Every operation takes ``signal`` (abort: as if it never started) and ``on_progress`` (called on the loop's thread
    with a frozen snapshot, ten times a second).

    Args:
        path: the archive.
        config: settings.
        workers: threads to share with other managers; ``None`` for own ones, which :meth:`close` ends.
    """

    def __init__(self, path: str | os.PathLike[str], config: JCFConfig, workers: Workers | None = None) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.config = config
        self._owns_workers = workers is None
        self._workers = workers or Workers(config.effective_workers)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        config: JCFConfig | None = None,
        *,
        create: bool = False,
        workers: Workers | None = None,
    ) -> Self:
        """Return a manager for the archive at *path*.

        Args:
            path: a ``.jcf`` or plain ZIP file.
            config: settings, ``None`` for the defaults.
            create: accept that it does not exist yet; the first save makes it.
            workers: see the class.

        Raises:
            NotFoundError: it does not exist and *create* is false.
            IntegrityError: it is damaged, or no archive.
        """
        manager = cls(path, config or JCFConfig(), workers)
        try:
            if os.path.lexists(manager.path):
                (await manager._load()).close()
            elif not create:
                shown = display_path(manager.path)
                raise NotFoundError(f"There is no archive {shown}.", path=shown, hint="Check the path.")
        except BaseException:
            manager.close_threads()
            raise
        return manager

    async def save(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        message: str = "",
        author: str = "",
        into: str = "",
        mirror: bool = False,
        excludes: Iterable[str] = (),
        signal: AbortSignal | None = None,
        on_progress: Callable[[ProgressSnapshot], object] | None = None,
        control: RunControl | None = None,
    ) -> SaveReport:
        """Add files and folders as one new version; see :func:`kamaros_gui.archive.saving.save`."""
        options = SaveOptions(
            paths=tuple(os.fspath(path) for path in paths),
            into=into,
            mirror=mirror,
            excludes=tuple(excludes),
            message=message,
            author=author,
        )
        return await _to_its_end(
            lambda running: save(self.path, options, self.config, self._workers, running), signal, on_progress, control
        )

    async def restore(
        self,
        target: str | os.PathLike[str],
        paths: Iterable[str] = (),
        *,
        version: str = "HEAD",
        on_conflict: ConflictPolicy = "fail",
        outside_links: bool = False,
        signal: AbortSignal | None = None,
        on_progress: Callable[[ProgressSnapshot], object] | None = None,
        control: RunControl | None = None,
    ) -> RestoreReport:
        """Restore a version into a folder; see :func:`kamaros_gui.archive.restoring.restore`."""
        options = RestoreOptions(
            target=os.fspath(target),
            paths=tuple(paths),
            version=version,
            on_conflict=on_conflict,
            outside_links=outside_links,
        )
        return await _to_its_end(
            lambda running: restore(self.path, options, self.config, self._workers, running),
            signal,
            on_progress,
            control,
        )

    async def verify(
        self,
        *,
        signal: AbortSignal | None = None,
        on_progress: Callable[[ProgressSnapshot], object] | None = None,
        control: RunControl | None = None,
    ) -> VerifyReport:
        """Check every byte and the history; see :func:`kamaros_gui.archive.verify.verify`."""
        return await _to_its_end(
            lambda running: verify(self.path, self.config, self._workers, running), signal, on_progress, control
        )

    async def list_files(self, version: str = "HEAD") -> Listing:
        """Return the entries of a version, and the history.

        Raises:
            VersionNotFoundError: there is no such version.
            NotFoundError, IntegrityError: the archive can't be read.
        """
        container = await self._load()
        try:
            return await self._workers.io(list_version, container, version)
        finally:
            container.close()

    async def history(self, path: str = "") -> tuple[VersionInfo, ...]:
        """Return the versions, newest first: all, or those that touched *path*.

        Raises:
            NotFoundError: no version ever had that path, or there is no archive.
            IntegrityError: the archive can't be read.
        """
        container = await self._load()
        try:
            return await self._workers.io(history_of, container, path)
        finally:
            container.close()

    def close_threads(self) -> None:
        """End the threads this manager started."""
        if self._owns_workers:
            self._workers.close()

    async def close(self) -> None:
        """End the manager; operations under way must have ended before."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_threads)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _load(self) -> Container:
        return await self._workers.io(Container.load, self.path)


async def _to_its_end(
    work: Callable[[RunControl], Coroutine[Any, Any, T]],
    signal: AbortSignal | None,
    on_progress: Callable[[ProgressSnapshot], object] | None,
    control: RunControl | None,
) -> T:
    """Run *work* in a task of its own.

    A cancel of the caller's task becomes an abort, and goes on only when the work has cleaned up: threads still write
    while a coroutine is torn down, and nobody may cut the file back before they have ended.
    """
    canceller = AbortController()
    signals = [canceller.signal] if signal is None else [canceller.signal, signal]
    async with _Reporting(control or RunControl(AbortSignal.any(signals)), on_progress) as running:
        task = asyncio.ensure_future(work(running))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            canceller.abort()
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # looked at, so that asyncio does not complain about it
            raise


class _Reporting:
    """Runs the clock of an operation and calls its progress listener."""

    def __init__(self, control: RunControl, on_progress: Callable[[ProgressSnapshot], object] | None) -> None:
        self._control = control
        self._on_progress = on_progress
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RunControl:
        self._control.progress.start()
        if self._on_progress is not None:
            self._ticker = asyncio.create_task(self._tick(self._on_progress))
        return self._control

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._control.progress.finish()
        if self._on_progress is not None and error is None:
            self._on_progress(self._control.progress.snapshot())

    async def _tick(self, on_progress: Callable[[ProgressSnapshot], object]) -> None:
        while True:
            on_progress(self._control.progress.snapshot())
            await asyncio.sleep(_PROGRESS_INTERVAL)
