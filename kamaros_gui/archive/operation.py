"""Operation: one call of the manager, with its abort, its progress, and an end that waits for its threads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.progress import ProgressSnapshot

__all__ = ["OnProgress", "Operation", "ProgressTeller"]

logger = logging.getLogger(__name__)

OnProgress = Callable[[ProgressSnapshot], object]

_PROGRESS_INTERVAL: Final = 0.1
"""Seconds between two calls of a progress listener: as often as a person can follow."""

T = TypeVar("T")


class ProgressTeller:
    """Tells a listener of the progress, ten times a second until :meth:`finish`.

    A listener that raises is logged and told again the next time: what it listens to may be done already, and must not
    seem to have failed.

    Args:
        control: has the progress; its clock is started.
        on_progress: the listener, ``None`` for nobody.
    """

    def __init__(self, control: RunControl, on_progress: OnProgress | None) -> None:
        self._progress = control.progress
        self._on_progress = on_progress
        self._progress.start()
        self._ticker = asyncio.create_task(self._tick()) if on_progress is not None else None

    async def finish(self) -> None:
        """Stop the clock and the telling; nothing of it is left then."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker])
        self._progress.finish()

    def tell(self) -> None:
        """Tell the listener how far it is now."""
        if self._on_progress is None:
            return
        try:
            self._on_progress(self._progress.snapshot())
        except Exception:
            logger.exception("A progress listener failed")

    async def _tick(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(_PROGRESS_INTERVAL)


class Operation:
    """Runs one piece of work.

    Args:
        signal: aborts it.
        on_progress: told how far it is.
        control: used instead of an own one made from *signal*; only its own signal then ends the work early, and a
            cancelled task waits for the work.
    """

    def __init__(
        self,
        signal: AbortSignal | None = None,
        on_progress: OnProgress | None = None,
        control: RunControl | None = None,
    ) -> None:
        self._canceller = AbortController()
        signals = [self._canceller.signal] if signal is None else [self._canceller.signal, signal]
        self._control = control or RunControl(AbortSignal.any(signals))
        self._on_progress = on_progress

    async def run(self, work: Callable[[RunControl], Coroutine[Any, Any, T]]) -> T:
        """Run *work* in a task of its own, and return its result.

        A cancel of the caller's task becomes an abort, and goes on only when the work has cleaned up: threads still
        write while a coroutine is torn down, and nobody may cut the file back before they have ended.
        """
        teller = ProgressTeller(self._control, self._on_progress)
        try:
            result = await self._to_its_end(work(self._control))
        except Exception as error:
            if error is self._control.signal.reason:
                # The signal keeps its reason, and that the frames it came through, with all the work had in memory.
                error.__traceback__ = None
            raise
        finally:
            await teller.finish()
        teller.tell()
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
