"""Batches reach their thread in order, without a pause, and never more than two ahead."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.storage.sources import in_default_threads

SIZE = 10


class Receiver:
    """Takes batches, one for each time its gate is opened."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.batches: list[bytes] = []
        self.threads: set[int] = set()
        self.begun = threading.Semaphore(0)
        self.fail_at = -1
        self.error = OSError("the disk is gone")

    def __call__(self, parts: list[Buffer]) -> None:
        self.begun.release()
        self.threads.add(threading.get_ident())
        assert self.gate.acquire(timeout=30)
        if len(self.batches) == self.fail_at:
            raise self.error
        self.batches.append(b"".join(parts))

    def sink(self) -> BatchingSink:
        return BatchingSink(self, submit=in_default_threads, batch_size=SIZE)


async def began(receiver: Receiver) -> None:
    assert await asyncio.to_thread(receiver.begun.acquire, timeout=30)


def batch(number: int) -> bytes:
    return bytes([number]) * SIZE


async def test_a_write_waits_when_one_batch_is_delivered_and_one_waits() -> None:
    receiver = Receiver()
    sink = receiver.sink()
    assert sink.write(batch(0)) is None
    await began(receiver)
    waiting = sink.write(batch(1))
    assert waiting is not None
    writing = asyncio.ensure_future(waiting)
    await asyncio.wait([writing], timeout=0)
    assert not writing.done()
    receiver.gate.release()
    await asyncio.wait_for(writing, 30)
    assert receiver.batches == [batch(0)]
    assert sink.write(b"x") is None, "less than a batch is only gathered"
    receiver.gate.release(2)
    await sink.close()
    assert receiver.batches == [batch(0), batch(1), b"x"]


async def test_a_hundred_batches_keep_their_order() -> None:
    receiver = Receiver()
    receiver.gate.release(100)
    sink = receiver.sink()
    for number in range(100):
        waiting = sink.write(batch(number))
        if waiting is not None:
            await waiting
    await sink.close()
    assert receiver.batches == [batch(number) for number in range(100)]


async def test_an_error_fails_the_write_that_waits_and_drops_what_comes_behind() -> None:
    receiver = Receiver()
    receiver.fail_at = 0
    sink = receiver.sink()
    sink.write(batch(0))
    waiting = sink.write(batch(1))
    receiver.gate.release(5)
    assert waiting is not None
    with pytest.raises(OSError, match="disk is gone") as caught:
        await waiting
    assert caught.value is receiver.error
    assert receiver.batches == []
    with pytest.raises(OSError, match="disk is gone"):
        await sink.close()


async def test_an_error_of_the_last_batch_fails_the_close() -> None:
    receiver = Receiver()
    receiver.fail_at = 1
    receiver.gate.release(5)
    sink = receiver.sink()
    sink.write(batch(0))
    sink.write(b"rest")
    with pytest.raises(OSError, match="disk is gone"):
        await sink.close()
    assert receiver.batches == [batch(0)]


async def test_an_abort_waits_for_the_batch_under_way_and_drops_the_others() -> None:
    receiver = Receiver()
    sink = receiver.sink()
    sink.write(batch(0))
    await began(receiver)
    writing = asyncio.ensure_future(sink.write(batch(1)) or asyncio.sleep(0))
    sink.write(b"gathered")
    aborting = asyncio.ensure_future(sink.abort())
    await asyncio.wait([aborting], timeout=0)
    assert not aborting.done(), "a thread still writes"
    receiver.gate.release(5)
    await asyncio.wait_for(aborting, 30)
    assert receiver.batches == [batch(0)]
    await asyncio.wait_for(writing, 30)


async def test_closing_without_a_write_starts_no_thread() -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing is to be delivered")

    await BatchingSink(refuse, submit=refuse).close()
