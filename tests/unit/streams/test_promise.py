from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import traceback
from typing import Any

import pytest

from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams import Promise
from kamaros_gui.streams.calling import call, method_of, react, settle_after
from tests.helpers.clock import until_idle
from tests.helpers.streams import Recorder, no_task_left, rejects_with

E1 = ValueError("first")
E2 = KeyError("second")


async def test_it_settles_once_and_may_be_awaited_often() -> None:
    promise: Promise[int] = Promise()
    assert promise.pending
    waiters = [asyncio.ensure_future(promise) for _ in range(3)]
    await until_idle()
    promise.resolve(1)
    promise.resolve(2)
    promise.reject(E1)
    assert await asyncio.gather(*waiters) == [1, 1, 1]
    assert await promise == 1
    assert repr(promise) == "<Promise fulfilled>"


async def test_a_cancelled_waiter_leaves_it_to_the_others() -> None:
    promise: Promise[int] = Promise()
    first, second = asyncio.ensure_future(promise), asyncio.ensure_future(promise)
    await until_idle()
    first.cancel()
    await until_idle()
    promise.resolve(1)
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_nobody_awaits_is_not_reported() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    Promise[None].rejected(E1)

    async def failing() -> None:
        raise E1

    react(failing(), print, lambda error: None)
    await until_idle()
    gc.collect()
    assert complaints == []


async def test_the_traceback_does_not_grow_with_each_waiter() -> None:
    promise = Promise[None].rejected(ValueError("again"))
    lengths = []
    for _ in range(3):
        try:
            await promise
        except ValueError as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(set(lengths)) == 1


async def test_reactions_come_from_the_event_loop_in_order() -> None:
    recorder, promise = Recorder(), Promise[int]()
    recorder.watch("first", promise)
    recorder.watch("second", promise)
    promise.reject(E1)
    recorder.watch("third", promise)
    assert recorder.events == []
    await until_idle()
    assert recorder.events == [("first", E1), ("second", E1), ("third", E1)]


async def test_react_takes_every_kind_of_awaitable() -> None:
    recorder = Recorder()

    async def coroutine() -> str:
        return "coroutine"

    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.set_result("future")
    threaded: concurrent.futures.Future[str] = concurrent.futures.Future()
    threaded.set_result("thread")
    async with no_task_left():
        for awaitable in (coroutine(), future, threaded, Promise.resolved("promise")):
            react(awaitable, recorder.note, recorder.note)
    assert sorted(recorder.events) == ["coroutine", "future", "promise", "thread"]


async def test_a_cancelled_future_is_a_failure_with_an_abort_error() -> None:
    recorder = Recorder()
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    react(future, recorder.note, recorder.note)
    future.cancel()
    await until_idle()
    assert [type(event) for event in recorder.events] == [AbortError]


async def test_call_reports_plain_results_at_once() -> None:
    recorder = Recorder()

    def fail() -> None:
        raise E1

    call(None, (), recorder.note, recorder.note)
    call(lambda: 3, (), recorder.note, recorder.note)
    call(fail, (), recorder.note, recorder.note)
    assert recorder.events == [None, 3, E1]


async def test_settle_after_waits_for_all_and_reports_the_first_in_order() -> None:
    recorder = Recorder()
    promises: list[Promise[None]] = [Promise(), Promise(), Promise()]
    settle_after(list(promises), lambda: recorder.note("done"), recorder.note)
    promises[2].reject(E2)
    promises[1].reject(E1)
    await until_idle()
    assert recorder.events == []
    promises[0].resolve(None)
    await until_idle()
    assert recorder.events == [E1]


async def test_ensure_future_and_timeouts_work() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Promise[None](), 0)
    await rejects_with(asyncio.ensure_future(Promise[None].rejected(E1)), E1)


def test_a_method_must_be_callable() -> None:
    class Source:
        pull = 3

    assert method_of(Source(), "cancel") is None
    with pytest.raises(TypeError, match="pull"):
        method_of(Source(), "pull")


async def test_it_tells_what_it_failed_with() -> None:
    assert Promise[None]().error is None
    assert Promise[None].rejected(E1).error is E1
    assert Promise[None].rejected(E1).state == "rejected"


@pytest.mark.parametrize("cancel_first", [False, True])
async def test_a_waiter_may_be_cancelled_just_when_it_settles(cancel_first: bool) -> None:
    promise: Promise[int] = Promise()
    first, second = asyncio.ensure_future(promise), asyncio.ensure_future(promise)
    await until_idle()
    if cancel_first:
        first.cancel()
        promise.resolve(1)
    else:
        promise.resolve(1)
        first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == 1
