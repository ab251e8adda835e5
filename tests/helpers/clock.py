"""Time for tests: no sleeping, neither for timers nor for callbacks that are on their way."""

from __future__ import annotations

import asyncio

__all__ = ["Clock", "until_idle"]


async def until_idle(limit: int = 100_000) -> None:
    """Let the event loop run until nothing is ready to run any more; timers and threads are not waited for."""
    loop = asyncio.get_running_loop()
    for _ in range(limit):
        await asyncio.sleep(0)
        if not loop._ready:  # type: ignore[attr-defined]  # the only way to know that a plain asyncio loop is idle
            return
    raise AssertionError("the event loop does not come to rest")


class Clock:
    """Replaces the time of the running loop; timers fire when :meth:`advance` passes them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time()
        self._loop.time = lambda: self._now  # type: ignore[method-assign]  # the loop of one test

    async def advance(self, seconds: float) -> None:
        """Move on, and run what became due and all that follows from it."""
        self._now += seconds
        await asyncio.sleep(0)
        await until_idle()
