"""RangeSource: no read is under way any more when its stream has ended, however many ask it to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kamaros_gui.base.errors import AbortError
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource
from tests.helpers.clock import until_idle


class Controller:
    """Takes everything."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.closed = False
        self.desired_size = 0.0

    def enqueue(self, chunk: Any) -> None:
        self.chunks.append(bytes(chunk))

    def close(self) -> None:
        self.closed = True


class Threads:
    """Calls that end when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def __call__(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.calls.append((future, lambda: function(*arguments)))
        return future

    def finish(self) -> None:
        future, function = self.calls.pop(0)
        future.set_result(function())


class File:
    def read_into(self, buffer: memoryview, offset: int) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


async def test_abort_and_cancel_at_once_both_wait_for_the_read_under_way() -> None:
    """The abort fails the pull, and the pipe it belongs to cancels the source: whoever is first, none overtakes."""
    threads, aborted = Threads(), False

    async def checkpoint() -> None:
        if aborted:
            raise AbortError

    file: Any = File()
    controller = Controller()
    source = RangeSource(file, 0, 30, chunk_size=10, submit=threads, slabs=SlabPool(10), checkpoint=checkpoint)
    first = asyncio.ensure_future(source.pull(controller))  # type: ignore[arg-type] # the slab must be read first
    await until_idle()
    threads.finish()
    await first
    assert controller.chunks == [bytes(10)]
    assert len(threads.calls) == 1, "the next slab is read ahead"
    aborted = True
    pulling = asyncio.ensure_future(source.pull(controller))  # type: ignore[arg-type]
    await until_idle()
    cancelling = asyncio.ensure_future(source.cancel())
    await until_idle()
    assert not pulling.done()
    assert not cancelling.done(), "the file may be closed as soon as the cancel has ended"
    threads.finish()
    with pytest.raises(AbortError):
        await pulling
    await cancelling
    assert threads.calls == []
