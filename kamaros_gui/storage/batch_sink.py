"""BatchingSink: chunks go to a thread in batches, one batch after the other, without a pause between them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kamaros_gui.base.limits import WRITE_BATCH
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.storage.sources import Submit

__all__ = ["BatchingSink"]

_AHEAD: Final = 2
"""Batches handed over at once: one being delivered, and one that its thread finds when it is done with that. A thread
that had to ask the loop for every batch would be idle for a good part of the time."""


class BatchingSink:
    """Underlying sink that gathers chunks and hands them over in batches, in a thread (WHATWG Streams, section 5.2).

    One batch is delivered while a second one waits and a third one is gathered; beyond that a write waits, and that is
    the backpressure. An error of a batch fails the next write or the close, and what was gathered is dropped. An abort
    drops it too; when abort or close have ended, no thread works for this sink any more.

    Args:
        deliver: blocking function that takes a list of buffers, called for one batch at a time and in order.
        submit: runs it.
        batch_size: bytes per batch.
    """

    def __init__(
        self, deliver: Callable[[list[Buffer]], object], *, submit: Submit, batch_size: int = WRITE_BATCH
    ) -> None:
        self._deliver = deliver
        self._submit = submit
        self._batch_size = batch_size
        self._parts: list[Buffer] = []
        self._gathered = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: asyncio.Future[Any] | None = None
        self._waiter: asyncio.Future[None] | None = None
        # Shared with the thread that delivers:
        self._lock = threading.Lock()
        self._batches: deque[list[Buffer]] = deque()
        self._draining = False
        self._outstanding = 0
        self._error: BaseException | None = None

    def write(self, chunk: Buffer, _controller: object = None) -> Awaitable[None] | None:
        """Take a chunk; returns an awaitable only when the thread is behind by more than a batch."""
        self._parts.append(chunk)
        self._gathered += len(chunk)
        if self._gathered < self._batch_size:
            return None
        self._hand_over()
        return self._room() if self._outstanding >= _AHEAD or self._error is not None else None

    async def close(self) -> None:
        """Deliver the rest and wait for it."""
        if self._parts:
            self._hand_over()
        await self._idle()
        self._raise_if_failed()

    async def abort(self, _reason: object = None) -> None:
        """Drop the rest and wait for the batch under way, so that the file can be closed."""
        self._parts, self._gathered = [], 0
        with self._lock:
            self._outstanding -= len(self._batches)
            self._batches.clear()
        await self._idle()

    def _hand_over(self) -> None:
        parts, self._parts, self._gathered = self._parts, [], 0
        with self._lock:
            if self._error is not None:
                return
            self._batches.append(parts)
            self._outstanding += 1
            start, self._draining = not self._draining, True
        if start:
            self._loop = self._loop or asyncio.get_running_loop()
            self._drain = self._submit(self._deliver_all)

    async def _room(self) -> None:
        while True:
            with self._lock:  # or the thread could look for a waiter between our look and our wait
                if self._outstanding < _AHEAD or self._error is not None:
                    break
                self._waiter = waiter = asyncio.get_running_loop().create_future()
            await waiter
        if self._error is not None:
            await self._idle()
        self._raise_if_failed()

    async def _idle(self) -> None:
        while self._drain is not None and not self._drain.done():
            await asyncio.wait([self._drain])
        drain, self._drain = self._drain, None
        if drain is not None and not drain.cancelled() and (error := drain.exception()) is not None:
            raise error  # it could not even be started

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ------------------------------------------------------------------------------------ in a worker thread

    def _deliver_all(self) -> None:
        while True:
            with self._lock:
                if not self._batches:
                    self._draining = False
                    return
                parts = self._batches.popleft()
            try:
                self._deliver(parts)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever writes to the stream
                with self._lock:
                    self._error = error
                    self._batches.clear()
                    self._draining = False
                    self._outstanding = 0
                    waited_for = self._waiter is not None
                self._notify(waited_for)
                return
            del parts
            with self._lock:
                self._outstanding -= 1
                waited_for = self._waiter is not None
            self._notify(waited_for)

    def _notify(self, waited_for: bool) -> None:
        if waited_for and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self._wake)
