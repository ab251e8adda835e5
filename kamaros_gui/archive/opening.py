"""Open single files of an archive as streams, and know which are still open."""

from __future__ import annotations

import asyncio
import contextlib

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.operation import OnProgress, ProgressTeller
from kamaros_gui.archive.paths import check_folder
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import (
    AbortError,
    ArchiveError,
    IntegrityError,
    NotFoundError,
    UnsafeNameError,
    UnsupportedEntryError,
)
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import ByteStream, Workers, open_entry
from kamaros_gui.storage.primitives import FilePrimitives
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["OpenStreams"]


class OpenStreams:
    """The files of one archive that are being read. Used on one loop at a time.

    Args:
        files: where the archive is.
        workers: threads.
        chunk_size: bytes per chunk.
    """

    def __init__(self, files: FilePrimitives, workers: Workers, chunk_size: int) -> None:
        self._files = files
        self._workers = workers
        self._chunk_size = chunk_size
        self._closing = AbortController()
        self._open: dict[asyncio.Future[None], Container] = {}

    async def open(
        self, archive: str, path: str, version: str, signal: AbortSignal | None, on_progress: OnProgress | None
    ) -> ByteStream:
        """Return the content of *path* in *version*; see ``JCFManager.open_file``."""
        signals = [self._closing.signal] if signal is None else [signal, self._closing.signal]
        control = RunControl(AbortSignal.any(signals))
        control.signal.throw_if_aborted()
        opening = asyncio.ensure_future(self._open_stream(archive, path, version, control, on_progress))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A thread may be opening the file right now: whoever is cancelled waits for it, and closes it again.
            while not opening.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([opening])
            if not opening.cancelled() and opening.exception() is None:
                await opening.result().cancel()
            raise

    async def close(self) -> None:
        """Error the streams that are open with an AbortError, and wait until their files are closed."""
        self._closing.abort(AbortError("The archive was closed."))
        loop = asyncio.get_running_loop()
        for ended in [each for each in self._open if each.get_loop() is not loop]:
            self._open.pop(ended).close()  # the loop it was read on has ended
        if self._open:
            await asyncio.wait(self._open)

    async def _open_stream(
        self, archive: str, path: str, version: str, control: RunControl, on_progress: OnProgress | None
    ) -> ByteStream:
        container = await self._workers.io(Container.load, self._files, archive)
        teller = ProgressTeller(control, on_progress)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def release() -> None:
            try:
                await teller.finish()
                await self._workers.io(container.close)
            finally:
                self._open.pop(ended, None)
                ended.set_result(None)
            teller.tell()

        try:
            entry, sha256 = await self._workers.io(_find, container, path, version)
            control.progress.phase = Phase.TRANSFERRING
            control.progress.begin_file(path, entry.size, self._chunk_size)
            control.progress.bytes_total, control.progress.files_total = entry.size, 1
            self._open[ended] = container
            return await open_entry(
                container.file,
                entry,
                path,
                sha256,
                chunk_size=self._chunk_size,
                workers=self._workers,
                control=control,
                tolerated=container.tolerated,
                release=release,
            )
        except BaseException:
            await release()
            raise


def _find(container: Container, path: str, version: str) -> tuple[ZipEntry, str]:
    """Return the entry that holds *path* in *version*, and the hash it must have."""
    view = view_version(container, version)
    try:
        name = check_folder(path)
    except UnsafeNameError:
        name = path  # a plain ZIP may hold such a name
    state = view.states.get(name)
    if state is None and not any(each.startswith(name + "/") for each in view.states):
        raise NotFoundError(
            f"There is no “{path}” in this version of {display_path(container.path)}.",
            path=path,
            hint="The listing shows what it holds.",
        )
    if state is None or state.type == "directory":
        raise ArchiveError(f"“{path}” is a folder; only files can be opened.", hint="Restore it instead.")
    entry = view.entry_of(name, state)
    if entry is None:
        raise IntegrityError(f"{path} can't be opened: the archive has lost its content.")
    if entry.encrypted or state.encrypted:
        raise UnsupportedEntryError(f"{path} is encrypted.")
    return entry, state.hash
