"""pipe_all: several pipes that succeed or fail together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams.calling import react
from kamaros_gui.streams.pipe import PipePromise
from kamaros_gui.streams.promise import Promise

__all__ = ["pipe_all"]


async def pipe_all(*pipes: Awaitable[Any]) -> None:
    """Wait for all pipes. When one fails, end the others and raise its error once everything has settled.

    Pipes (what ``pipe_to`` returns) are aborted with the same error object: their destinations see it in ``abort``,
    their sources in ``cancel``. Coroutines and tasks are cancelled. Failures that follow from the first are dropped.

    Cancelling the waiting task aborts all pipes with an ``AbortError`` and waits for them to settle.

    Raises:
        BaseException: the error of the pipe that failed first.
    """
    parts: list[Any] = [pipe if isinstance(pipe, Promise) else asyncio.ensure_future(pipe) for pipe in pipes]
    if not parts:
        return
    joined = _Joined(parts)
    try:
        await joined.settled
    except asyncio.CancelledError:
        if joined.settled.pending:
            joined.stop(AbortError())
            await _quietly(joined.settled)
        raise


async def _quietly(promise: Promise[None]) -> None:
    """Wait for the end, whatever it is: the cancellation is what is reported."""
    done: Promise[None] = Promise()
    promise.add_reaction(done.resolve, lambda _error: done.resolve(None))
    await done


class _Joined:
    """Counts the parts down and keeps the first error."""

    def __init__(self, parts: list[Any]) -> None:
        self.settled: Promise[None] = Promise()
        self._parts = parts
        self._left = len(parts)
        self._error: BaseException | None = None
        for part in parts:
            react(part, self._on_success, self._on_failure)

    def stop(self, error: BaseException) -> None:
        """End every part that still runs with ``error``; only the first call counts."""
        if self._error is not None:
            return
        self._error = error
        for part in self._parts:
            if isinstance(part, PipePromise):
                if part.pending:
                    part.abort(error)
            elif isinstance(part, asyncio.Future):
                part.cancel()

    def _on_success(self, _value: object) -> None:
        self._count()

    def _on_failure(self, error: BaseException) -> None:
        self.stop(error)
        self._count()

    def _count(self) -> None:
        self._left -= 1
        if self._left:
            return
        if self._error is None:
            self.settled.resolve(None)
        else:
            self.settled.reject(self._error)
