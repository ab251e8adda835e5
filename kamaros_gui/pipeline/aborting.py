"""Wait for a worker's result, or for an abort, whichever comes first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, TypeVar

from kamaros_gui.base.abort import AbortSignal

__all__ = ["abortable", "settle"]

T = TypeVar("T")


async def abortable(future: asyncio.Future[T], signal: AbortSignal) -> T:
    """Return the result of *future*; raise the abort reason as soon as *signal* is aborted.

    After an abort the future is cancelled. What runs in a thread goes on by itself all the same, and its outcome is
    dropped: use this only for work that touches nothing but its own memory.
    """
    if signal.aborted:
        future.cancel()  # a task nobody waits for would still take what it waits for, such as a lock
        signal.throw_if_aborted()
    loop = asyncio.get_running_loop()
    aborted: asyncio.Future[None] = loop.create_future()

    def wake(_signal: AbortSignal) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            loop.call_soon_threadsafe(_resolve, aborted)

    signal.add_listener(wake)
    if signal.aborted:  # between the look at it and the listener
        wake(signal)
    try:
        waiting: set[asyncio.Future[Any]] = {future, aborted}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        signal.remove_listener(wake)
        aborted.cancel()
    if not future.done():
        future.cancel()
        signal.throw_if_aborted()
    return future.result()


async def settle(futures: Iterable[asyncio.Future[Any]]) -> None:
    """Wait until all *futures* are done, whatever their outcome."""
    pending = list(futures)
    if pending:
        await asyncio.gather(*pending, return_exceptions=True)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
