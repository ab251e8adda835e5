"""Underlying source and sink for whole files, on any place for files."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from typing import Any

from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.primitives import Buffer, FilePrimitives, NewFile, RandomAccess
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import Controller, EndingLater, RangeSource, Submit, slab_size
from kamaros_gui.storage.staging import StagingFolder

__all__ = ["AtomicFileSink", "FileSource"]


class FileSource:
    """Underlying source over a file it opens and closes itself.

    See :meth:`~kamaros_gui.storage.adapter.FileSystemAdapter.read_file_stream`.
    """

    def __init__(
        self, files: FilePrimitives, path: str, *, offset: int, length: int | None, chunk_size: int, submit: Submit
    ) -> None:
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"offset {offset} and length {length} must not be negative")
        self._files = files
        self._path = path
        self._offset = offset
        self._length = length
        self._chunk_size = chunk_size
        self._submit = submit
        self._opening: asyncio.Future[Any] | None = None
        self._file: RandomAccess | None = None
        self._range: RangeSource | None = None
        self._controller: EndingLater | None = None
        self._cancelled = False

    async def start(self, controller: Controller) -> None:
        """Open the file."""
        self._controller = EndingLater(controller)
        self._opening = self._submit(self._open)
        self._file, size = await self._opening
        rest = max(0, size - self._offset)
        self._range = RangeSource(
            self._file,
            self._offset,
            rest if self._length is None else min(rest, self._length),
            chunk_size=self._chunk_size,
            submit=self._submit,
            slabs=SlabPool(slab_size(self._chunk_size)),
        )

    def pull(self, controller: Controller) -> Awaitable[None] | None:
        """Enqueue chunks while there is room; returns an awaitable only when the disk must be waited for."""
        source, held = self._started()
        waiting = source.pull(held)
        return self._finish(source, waiting, controller) if waiting is not None or source.finished else None

    async def cancel(self, reason: object = None) -> None:
        """Wait for the call under way and close the file."""
        self._cancelled = True
        if self._opening is not None and self._range is None:
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                self._file = self._opening.result()[0]
        if self._range is not None:
            await self._range.cancel(reason)
        await self._close()

    def _started(self) -> tuple[RangeSource, EndingLater]:
        if self._range is None or self._controller is None:
            raise RuntimeError("a source is pulled after it has started")
        return self._range, self._controller

    async def _finish(self, source: RangeSource, waiting: Awaitable[None] | None, controller: Controller) -> None:
        try:
            if waiting is not None:
                await waiting
        except BaseException:
            await self._close()
            raise
        if source.finished:
            await self._close()
            if not self._cancelled:
                controller.close()

    def _open(self) -> tuple[RandomAccess, int]:
        file = self._files.open(self._path)
        try:
            return file, file.size()
        except BaseException:
            file.close()
            raise

    async def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            await self._submit(file.close)


class AtomicFileSink:
    """Underlying sink over a file that gets its name when it is complete.

    See :meth:`~kamaros_gui.storage.adapter.FileSystemAdapter.write_file_stream`.
    """

    def __init__(
        self,
        files: FilePrimitives,
        path: str,
        *,
        replace: bool,
        mode: int,
        mtime_ns: int | None,
        sync: bool,
        submit: Submit,
    ) -> None:
        self._files = files
        self._path = path
        self._folder = os.path.dirname(path) or os.curdir
        self._replace = replace
        self._mode = mode
        self._mtime_ns = mtime_ns
        self._sync = sync
        self._submit = submit
        self._batches = BatchingSink(self._append, submit=submit)
        self._area: StagingFolder | None = None
        self._file: NewFile | None = None

    async def start(self, _controller: object) -> None:
        """Make the temporary area and the file in it."""
        await self._submit(self._begin)

    def write(self, chunk: Buffer, _controller: object = None) -> Awaitable[None] | None:
        """Take a chunk; returns an awaitable only when the disk must be waited for."""
        waiting = self._batches.write(chunk)
        return None if waiting is None else self._or_clean_up(waiting)

    async def close(self) -> None:
        """Write the rest and give the file its name."""
        await self._or_clean_up(self._batches.close())
        try:
            await self._submit(self._publish)
        finally:
            await self._submit(self._clean_up)

    async def abort(self, reason: object = None) -> None:
        """Wait for the write under way and remove everything."""
        await self._batches.abort(reason)
        await self._submit(self._clean_up)

    async def _or_clean_up(self, waiting: Awaitable[None]) -> None:
        """Wait; a sink that has failed is never aborted, so it removes what it wrote by itself."""
        try:
            await waiting
        except BaseException as error:
            await self.abort(error)
            raise

    # ------------------------------------------------------------------------------------ in worker threads

    def _begin(self) -> None:
        self._area = StagingFolder(self._files, self._folder, make=False)
        try:
            self._file = self._files.create(os.path.join(self._area.root, os.path.basename(self._path)))
        except BaseException:
            self._clean_up()
            raise

    def _append(self, parts: list[Buffer]) -> None:
        self._started().append(parts)

    def _publish(self) -> None:
        file = self._started()
        file.finish(self._mode, time.time_ns() if self._mtime_ns is None else self._mtime_ns, sync=self._sync)
        self._files.rename(file.path, self._path, replace=self._replace)
        if self._sync:
            self._files.sync_folder(self._folder)

    def _started(self) -> NewFile:
        if self._file is None:
            raise RuntimeError("a sink is written to after it has started")
        return self._file

    def _clean_up(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        area, self._area = self._area, None
        if area is not None:
            area.remove(keep_target=True)
