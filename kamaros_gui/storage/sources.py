"""Underlying source over a range of a file, for readable streams.

It knows files and threads only through a ``submit`` function, and streams only through the controller they are given
(WHATWG Streams, *underlying source* and *underlying sink*), so this layer needs no stream of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from kamaros_gui.base.limits import READ_SLAB
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.storage.slabs import SlabPool

__all__ = ["Controller", "EndingLater", "RangeSource", "Submit", "in_default_threads", "slab_size"]


def slab_size(chunk_size: int) -> int:
    """Bytes to read at once so that they divide into whole chunks."""
    return max(READ_SLAB // chunk_size, 1) * chunk_size


class Submit(Protocol):
    """Run a blocking function in a worker thread."""

    def __call__(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        """Start *function* with *arguments*; the future has its outcome."""


def in_default_threads(function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
    """Run *function* in the default executor of the running loop."""
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


class Controller(Protocol):
    """What a source needs of the controller of a readable stream (WHATWG Streams, section 4.6)."""

    @property
    def desired_size(self) -> float | None:
        """How much more the queue takes."""

    def enqueue(self, chunk: Any) -> None:
        """Hand a chunk on."""

    def close(self) -> None:
        """Say that there is no more."""


class EndingLater:
    """Hands chunks on to a controller, but not the end.

    Whoever sees the end of a stream may delete the file it comes from, so a source that owns the file closes it first,
    and the controller itself after that.

    Args:
        controller: gets the chunks.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.enqueue = controller.enqueue

    @property
    def desired_size(self) -> float | None:
        """How much more the queue takes."""
        return self._controller.desired_size

    def close(self) -> None:
        """Do nothing yet."""


class RangeSource:
    """Underlying source that reads a range of a file: whole slabs in a thread, handed on as chunks.

    While the chunks of one slab are consumed the next slab is read. At most two slabs are held beside the stream's
    own queue. A cancel stops after the read under way; its bytes are dropped. No read is under way any more when a
    cancel has ended or the stream has failed, so the file may be closed then.

    Args:
        file: open for reading; stays open.
        offset: first byte.
        length: bytes to read; the source closes early where the file ends.
        chunk_size: bytes per chunk.
        submit: runs the blocking reads.
        slabs: where the buffers come from.
        checkpoint: awaited before each slab: the place where a pause holds and an abort is noticed.
        on_chunk: called with the size of each chunk handed on, for progress.

    Attributes:
        finished: whether everything was handed on.
    """

    def __init__(
        self,
        file: ReadAccess,
        offset: int,
        length: int,
        *,
        chunk_size: int,
        submit: Submit,
        slabs: SlabPool,
        checkpoint: Callable[[], Awaitable[None]] | None = None,
        on_chunk: Callable[[int], None] | None = None,
    ) -> None:
        self._file = file
        self._offset = offset
        self._end = offset + length
        self._chunk_size = chunk_size
        self._slabs = slabs
        self._submit = submit
        self._checkpoint = checkpoint
        self._on_chunk = on_chunk
        self._slab: memoryview = memoryview(b"")
        self._position = 0
        self._ahead: asyncio.Future[memoryview] | None = None
        self._cancelled = False
        self.finished = False

    def pull(self, controller: Controller) -> Awaitable[None] | None:
        """Enqueue chunks while the queue has room; returns an awaitable only when a slab must be read first."""
        if self._position >= len(self._slab):
            return self._refill(controller)
        self._hand_on(controller)
        return None

    async def cancel(self, _reason: object = None) -> None:
        """Wait for the read under way, so that the file can be closed."""
        self._cancelled = True
        await self._drop_read()

    async def _refill(self, controller: Controller) -> None:
        try:
            if self._checkpoint is not None:
                await self._checkpoint()
        except BaseException:
            await self._drop_read()
            raise
        # It stays noted while it is waited for: a cancel that comes meanwhile has to wait for it too.
        self._ahead = None if self._cancelled else self._ahead or self._read_next()
        data = await self._ahead if self._ahead is not None else memoryview(b"")
        if self._cancelled:
            return
        self._slab, self._position = data, 0
        self._offset += len(data)
        self._ahead = self._read_next() if data else None
        if data:
            self._hand_on(controller)
        else:
            self._finish(controller)

    async def _drop_read(self) -> None:
        self._slab = memoryview(b"")
        # It stays noted until it has ended: an abort can fail the pull and cancel the source at once, and both wait.
        if self._ahead is not None:
            await asyncio.gather(self._ahead, return_exceptions=True)
        self._ahead = None

    def _read_next(self) -> asyncio.Future[memoryview] | None:
        length = min(self._slabs.size, self._end - self._offset)
        return self._submit(self._read, self._slabs.borrow()[:length], self._offset) if length > 0 else None

    def _read(self, slab: memoryview, offset: int) -> memoryview:
        return slab[: self._file.read_into(slab, offset)]

    def _hand_on(self, controller: Controller) -> None:
        slab, size = self._slab, self._chunk_size
        total = len(slab)
        while self._position < total:
            chunk = slab[self._position : self._position + size]
            self._position += size
            if self._on_chunk is not None:
                self._on_chunk(len(chunk))
            controller.enqueue(chunk)
            if (controller.desired_size or 0) <= 0:
                break
        if self._position >= total and self._ahead is None and self._offset >= self._end:
            self._finish(controller)

    def _finish(self, controller: Controller) -> None:
        self.finished = True
        controller.close()
