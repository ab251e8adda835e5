"""Pump: the loop that pipes and tees share. It moves chunks out of one readable stream without a task or a future.

The pump holds the stream's lock. It takes chunk after chunk in a plain loop, and stops when the source has nothing,
when whoever gets the chunks has no room, and after a time slice, so that aborts and other pumps get their turn.
Whoever it waits for calls it back.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from kamaros_gui.streams.readable_controller import ReadableController

__all__ = ["NOTHING", "SLICE_SECONDS", "Pump"]

SLICE_SECONDS: Final = 0.001
"""How long a pump may run in one go before the event loop gets its turn."""

NOTHING: Final[Any] = object()


class Pump(ABC):
    """Moves the chunks of ``source`` to ``deliver``, a function that never raises."""

    __slots__ = ("_chunk", "_deliver", "_loop", "_running", "_scheduled", "_source")

    def __init__(self, source: ReadableController[Any], deliver: Callable[[Any], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._deliver = deliver
        self._chunk: Any = NOTHING
        self._running = False
        self._scheduled = False

    def on_chunk(self, chunk: Any) -> None:
        """Take the chunk that was asked for, and move on, unless the loop below is what asked."""
        self._chunk = chunk
        if not self._running:
            self._pump()

    @abstractmethod
    def _may_read(self) -> bool:
        """Whether the next chunk is to be read now."""

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        self._pump()

    def _pump(self, *, one_chunk: bool = False) -> None:
        source, deliver = self._source, self._deliver
        queue = source.queue
        until = perf_counter() + SLICE_SECONDS
        self._running = True
        while True:
            # A chunk that was read is delivered, whatever happened meanwhile.
            if self._chunk is not NOTHING:
                chunk, self._chunk = self._chunk, NOTHING
                deliver(chunk)
                if one_chunk:
                    break
                if perf_counter() > until:
                    self._schedule()
                    break
            if not self._may_read():
                break
            if queue:
                self._chunk = source.take()
                continue
            if source.wanted:
                break  # asked already: the chunk will come to on_chunk
            source.ask()
            if self._chunk is NOTHING:
                # If the source has just ended, it has said so, and the next look is scheduled.
                break
        self._running = False
