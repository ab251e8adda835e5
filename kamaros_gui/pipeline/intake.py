"""Intake: content that comes from outside, as a stream, made fit for the pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import SourceChangedError
from kamaros_gui.base.limits import CANCEL_BOUND_SECONDS
from kamaros_gui.pipeline.aborting import abortable
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.streams import Promise, ReadableController, ReadableStream

__all__ = ["Intake"]

_GRACE: Final = CANCEL_BOUND_SECONDS / 2
"""Seconds a stream from outside has for its own clean-up before we go on without it."""


class Intake:
    """Underlying source over a stream of buffers of any length, from anywhere.

    What comes out is cut into chunks of the configured size at most, and nobody changes it any more: a producer may
    fill the same buffer again and again, while two branches still read the chunk before. Buffers that can't change
    (``bytes``) are not copied.

    A cancel cancels the stream.

    Args:
        content: locked by this.
        path: how the content is called in messages.
        size: bytes that must come, ``None`` for any number.
        chunk_size: largest chunk handed on, bytes.
        control: pause, abort, statistics.
        on_chunk: called with the size of each chunk handed on, for progress.

    Raises:
        TypeError: *content* is locked.
    """

    def __init__(
        self,
        content: ReadableStream[Buffer],
        path: str,
        size: int | None,
        *,
        chunk_size: int,
        control: RunControl,
        on_chunk: Callable[[int], None],
    ) -> None:
        self._reader = content.get_reader()
        self._path = path
        self._size = size
        self._received = 0
        self._chunk_size = chunk_size
        self._control = control
        self._on_chunk = on_chunk
        self._gathered: deque[memoryview] = deque()
        self._ended = False

    async def gather(self, limit: int) -> bytes | None:
        """Read ahead; return the content where it has no more than *limit* bytes, else ``None``.

        What was read ahead then comes out of the stream first.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            SourceChangedError: more or fewer bytes came than were told.
            TypeError: a chunk is no buffer.
            Exception: what the stream failed with.
        """
        size = 0
        while size <= limit:
            data = await abortable(asyncio.ensure_future(self._next()), self._control.signal)
            if data is None:
                for piece in self._gathered:
                    self._on_chunk(len(piece))
                # Nothing flows on through a stream that would count it.
                self._control.stages["read"].worked(0, bytes_in=size, bytes_out=size, chunks=len(self._gathered))
                return b"".join(self._gathered)
            size += len(data)
            self._gathered.extend(self._pieces(data))
        return None

    async def pull(self, controller: ReadableController[Buffer]) -> None:
        """Enqueue the next chunk, or as many as have come at once."""
        if not self._gathered and not self._ended:
            await self._control.checkpoint()
            data = await self._next()
            if data is not None:
                self._gathered.extend(self._pieces(data))
        while self._gathered:
            piece = self._gathered.popleft()
            self._on_chunk(len(piece))
            controller.enqueue(piece)
            if (controller.desired_size or 0) <= 0:
                return
        if self._ended:
            controller.close()

    async def cancel(self, reason: object = None) -> None:
        """Cancel the stream, and give it a moment to clean up.

        It is a stranger's: neither may it keep us from ending, nor is it of interest what its own cancel fails with.
        """
        self._gathered.clear()
        if isinstance(reason, list) and reason:
            reason = reason[0]  # a tee gives the reasons of both its branches; they are one and the same
        cancelled = self._reader.cancel(reason)
        if cancelled.pending:
            await asyncio.wait([asyncio.ensure_future(_settled(cancelled))], timeout=_GRACE)

    async def _next(self) -> memoryview | None:
        """Return the next buffer that holds something, ``None`` at the end."""
        started = time.perf_counter()
        while True:
            result = await self._reader.read()
            if result.done:
                self._ended = True
                data = None
                if self._size is not None and self._received != self._size:
                    raise self._wrong_size(f"only {self._received} came")
                break
            data = _frozen(result.value)
            if data:
                break
        size = len(data) if data is not None else 0
        self._received += size
        if self._size is not None and self._received > self._size:
            raise self._wrong_size("more came")
        self._control.stages["read"].worked(time.perf_counter() - started)
        return data

    def _wrong_size(self, what_came: str) -> SourceChangedError:
        return SourceChangedError(
            f"The content of “{self._path}” should have {self._size} bytes, but {what_came}.",
            path=self._path,
            hint="Get it again from where it comes; nothing of it was kept.",
        )

    def _pieces(self, data: memoryview) -> list[memoryview]:
        return [data[at : at + self._chunk_size] for at in range(0, len(data), self._chunk_size)]


async def _settled(promise: Promise[None]) -> None:
    with contextlib.suppress(Exception):
        await promise


def _frozen(chunk: object) -> memoryview:
    """Return a view of the bytes of *chunk* that nobody will change.

    Raises:
        TypeError: it is no contiguous buffer.
    """
    try:
        view = memoryview(chunk)  # type: ignore[arg-type] # whatever came out of a stranger's stream
    except TypeError:
        raise TypeError(f"content must come as bytes; a chunk is of type {type(chunk).__name__}") from None
    if isinstance(view.obj, bytes):
        return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    return memoryview(view.tobytes())
