"""Operation: one call of the manager, with its abort, its progress, and an end that waits for its threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.progress import ProgressSnapshot

__all__ = ["PROGRESS_INTERVAL", "OnProgress", "Operation"]

OnProgress = Callable[[ProgressSnapshot], object]

PROGRESS_INTERVAL: Final = 0.1
"""Seconds between two calls of a progress listener: as often as a person can follow."""

T = TypeVar("T")


class Operation:
    """Runs one piece of work.

    Args:
        signal: aborts it.
        on_progress: told how far it is.
        control: used instead of an own one made from *signal*.
    """

    def __init__(
        self,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> None:
        self._canceller = AbortController()
        signals = [self._canceller.signal]
        signals += [each for each in (signal, control.signal if control else None) if each is not None]
        self._control = control or RunControl(AbortSignal.any(signals))
        self._on_progress = on_progress

    async def run(self, work: Callable[[RunControl], Coroutine[Any, Any, T]]) -> T:
        """Run *work* in a task of its own, and return its result.

        A cancel of the caller's task becomes an abort, and goes on only when the work has cleaned up: threads still
        write while a coroutine is torn down, and nobody may cut the file back before they have ended.
        """
        control = self._control
        control.progress.start()
        ticker = asyncio.create_task(self._tick(self._on_progress)) if self._on_progress is not None else None
        try:
            result = await self._to_its_end(work(control))
        finally:
            if ticker is not None:
                ticker.cancel()
                await asyncio.gather(ticker, return_exceptions=True)
            control.progress.finish()
        if self._on_progress is not None:
            self._on_progress(control.progress.snapshot())
        return result

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._canceller.abort()
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # looked at, so that asyncio does not complain about it
            raise

    async def _tick(self, on_progress: OnProgress) -> None:
        while True:
            on_progress(self._control.progress.snapshot())
            await asyncio.sleep(PROGRESS_INTERVAL)
