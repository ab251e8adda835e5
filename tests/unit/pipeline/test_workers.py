from __future__ import annotations

import asyncio
import threading

import pytest

from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.errors import AbortError
from kamaros_gui.pipeline.aborting import abortable, settle
from kamaros_gui.pipeline.workers import Workers
from tests.helpers.clock import until_idle


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kamaros-")]


async def test_both_pools_run_what_they_are_given_and_end() -> None:
    workers = Workers(2)
    assert (await workers.compute(pow, 2, 10), await workers.io(pow, 3, 2)) == (1024, 9)
    with pytest.raises(ZeroDivisionError):
        await workers.compute(divmod, 1, 0)
    assert threads()
    for _ in range(3):
        workers.note_moved(64 << 20)
    await asyncio.get_running_loop().run_in_executor(None, workers.close)
    assert threads() == []
    workers.close()
    with pytest.raises(RuntimeError):
        workers.io(pow, 1, 1)


async def test_close_waits_for_what_runs_and_drops_what_waits() -> None:
    workers = Workers(1)
    gate, running = threading.Event(), threading.Event()
    ended: list[int] = []

    def work(number: int) -> None:
        running.set()
        gate.wait(30)
        ended.append(number)

    first, second = workers.compute(work, 1), workers.compute(work, 2)
    await asyncio.get_running_loop().run_in_executor(None, running.wait, 30)
    closing = threading.Thread(target=workers.close)
    closing.start()
    while not second.cancelled():  # noqa: ASYNC110 - a thread cancels it
        await asyncio.sleep(0)
    assert closing.is_alive()
    gate.set()
    await first
    closing.join(30)
    assert ended == [1]


async def test_reading_never_waits_behind_compression() -> None:
    workers = Workers(1)
    gate = threading.Event()
    busy = [workers.compute(gate.wait, 30) for _ in range(5)]
    assert await asyncio.wait_for(workers.io(pow, 2, 2), 10) == 4
    gate.set()
    await settle(busy)
    workers.close()


async def test_abortable_gives_the_result_or_the_error() -> None:
    signal = AbortController().signal
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, 5)
    assert await abortable(done, signal) == 5
    failed = loop.create_future()
    failed.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        await abortable(failed, signal)
    assert not signal._listeners


async def test_abortable_raises_the_reason_as_soon_as_there_is_one() -> None:
    controller, reason = AbortController(), AbortError("reason")
    future = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(abortable(future, controller.signal))
    await until_idle()
    threading.Thread(target=controller.abort, args=(reason,)).start()
    with pytest.raises(AbortError) as caught:
        await asyncio.wait_for(waiting, 10)
    assert caught.value is reason
    assert future.cancelled()
    with pytest.raises(AbortError):
        await abortable(asyncio.get_running_loop().create_future(), controller.signal)


async def test_abortable_notices_an_abort_between_its_look_and_its_listener() -> None:
    controller, reason = AbortController(), AbortError("reason")

    class Signal:
        """Aborted by another thread in exactly that moment."""

        def throw_if_aborted(self) -> None:
            controller.signal.throw_if_aborted()

        def add_listener(self, listener: object) -> None:
            controller.abort(reason)
            controller.signal.add_listener(listener)  # type: ignore[arg-type]

        def remove_listener(self, listener: object) -> None:
            controller.signal.remove_listener(listener)  # type: ignore[arg-type]

        @property
        def aborted(self) -> bool:
            return controller.signal.aborted

    future = asyncio.get_running_loop().create_future()
    with pytest.raises(AbortError) as caught:
        await asyncio.wait_for(abortable(future, Signal()), 10)  # type: ignore[arg-type]
    assert caught.value is reason


async def test_settle_waits_for_all_whatever_they_become() -> None:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(3)]
    loop.call_soon(futures[0].set_exception, KeyError("x"))
    loop.call_soon(futures[1].cancel)
    loop.call_soon(futures[2].set_result, None)
    await settle(iter(futures))
    assert all(future.done() for future in futures)
    await settle([])
