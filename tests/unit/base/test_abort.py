from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref

import pytest

from kamaros_gui.base.abort import AbortController, AbortReasonError, AbortSignal, exception_from, reason_from
from kamaros_gui.base.errors import AbortError, AbortTimeoutError
from kamaros_gui.streams import ReadableStream, WritableStream
from tests.helpers.clock import Clock, until_idle


def test_all_derived_signals_are_aborted_before_the_first_listener_runs() -> None:
    controller = AbortController()
    derived = AbortSignal.any([controller.signal])
    seen: list[bool] = []
    controller.signal.add_listener(lambda _signal: seen.append(derived.aborted))
    controller.abort()
    assert seen == [True]


def test_a_dropped_derived_signal_leaves_nothing_in_its_source() -> None:
    controller = AbortController()
    for _ in range(100):
        AbortSignal.any([controller.signal])
    gc.collect()
    assert not controller.signal._dependents


def test_a_derived_signal_with_a_listener_lives_as_long_as_its_source() -> None:
    controller = AbortController()
    seen: list[object] = []
    derived = weakref.ref(AbortSignal.any([controller.signal]))
    assert derived() is None
    AbortSignal.any([controller.signal]).add_listener(lambda signal: seen.append(signal.reason))
    gc.collect()
    controller.abort("reason")
    assert seen == ["reason"]


def test_removing_the_last_listener_lets_a_derived_signal_go() -> None:
    controller = AbortController()
    derived = AbortSignal.any([controller.signal])
    derived.add_listener(print)
    derived.remove_listener(print)
    derived.remove_listener(print)
    reference = weakref.ref(derived)
    del derived
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("reason", [None, 0, "", False])
def test_reasons_that_are_false_count(reason: object) -> None:
    controller = AbortController()
    controller.abort(reason)
    controller.abort("second")
    assert controller.signal.aborted
    assert controller.signal.reason is reason
    with pytest.raises(AbortReasonError) as caught:
        controller.signal.throw_if_aborted()
    assert caught.value.reason is reason
    with pytest.raises(AbortReasonError) as again:
        controller.signal.throw_if_aborted()
    assert again.value is caught.value


def test_exception_from_and_reason_from_are_inverse() -> None:
    error = ValueError()
    assert exception_from(error) is error
    for reason in (None, "text", StopIteration(3)):
        wrapped = exception_from(reason)
        assert isinstance(wrapped, AbortReasonError)
        assert reason_from(wrapped) is reason


def test_a_failing_listener_is_logged_and_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    controller = AbortController()
    seen: list[int] = []

    def fail(_signal: AbortSignal) -> None:
        raise ValueError("listener")

    controller.signal.add_listener(fail)
    controller.signal.add_listener(lambda _signal: seen.append(1))
    with caplog.at_level(logging.ERROR):
        controller.abort()
    assert seen == [1]
    assert "listener failed" in caplog.text


def test_a_listener_removed_by_an_earlier_one_is_not_called() -> None:
    controller = AbortController()

    def second(_signal: AbortSignal) -> None:
        pytest.fail("called")

    controller.signal.add_listener(lambda signal: signal.remove_listener(second))
    controller.signal.add_listener(second)
    controller.abort()


def test_an_abort_from_many_threads_calls_each_listener_once() -> None:
    controller = AbortController()
    calls: list[int] = []
    for number in range(50):
        controller.signal.add_listener(lambda _signal, number=number: calls.append(number))  # type: ignore[misc]
    barrier = threading.Barrier(8)

    def abort() -> None:
        barrier.wait()
        controller.abort(threading.get_ident())

    threads = [threading.Thread(target=abort) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == list(range(50))


async def test_an_abort_from_a_thread_ends_a_pipe() -> None:
    controller = AbortController()
    reason = AbortError("from a thread")
    pipe = ReadableStream().pipe_to(WritableStream(), signal=controller.signal)
    await asyncio.get_running_loop().run_in_executor(None, controller.abort, reason)
    with pytest.raises(AbortError) as caught:
        await pipe
    assert caught.value is reason


def test_a_signal_that_is_not_aborted_has_no_error() -> None:
    with pytest.raises(RuntimeError, match="not aborted"):
        _ = AbortSignal().error


def test_a_second_listener_keeps_a_derived_signal_when_the_first_one_goes() -> None:
    controller, seen = AbortController(), list[object]()
    derived = AbortSignal.any([controller.signal])
    derived.add_listener(print)
    derived.add_listener(lambda signal: seen.append(signal.reason))
    derived.remove_listener(print)
    del derived
    gc.collect()
    controller.abort("reason")
    assert seen == ["reason"]


def test_listeners_may_come_and_go_in_many_threads_while_another_aborts() -> None:
    for _ in range(20):
        controller = AbortController()
        derived = AbortSignal.any([controller.signal, AbortSignal()])
        barrier = threading.Barrier(5)
        calls: list[tuple[int, int]] = []
        removed: set[tuple[int, int]] = set()
        late: list[tuple[int, int]] = []

        def come_and_go(
            thread: int,
            barrier: threading.Barrier = barrier,
            signal: AbortSignal = derived,
            calls: list[tuple[int, int]] = calls,
            removed: set[tuple[int, int]] = removed,
            late: list[tuple[int, int]] = late,
        ) -> None:
            barrier.wait()
            for number in range(200):
                name = (thread, number)

                def listener(_signal: AbortSignal, name: tuple[int, int] = name) -> None:
                    calls.append(name)

                signal.add_listener(listener)
                if signal.aborted:
                    late.append(name)
                if number % 2:
                    signal.remove_listener(listener)
                    if not signal.aborted:
                        removed.add(name)

        threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        barrier.wait()
        controller.abort("reason")
        for thread in threads:
            thread.join()
        assert derived.reason == "reason"
        assert not derived._listeners
        assert len(set(calls)) == len(calls), "a listener was called twice"
        assert not removed & set(calls), "a listener that was taken back was called"
        for thread_number in range(4):
            for number in range(0, 200, 2):
                name = (thread_number, number)
                assert name in calls or name in late, "a listener was lost"


def test_an_abort_in_one_thread_reaches_pipes_on_several_loops() -> None:
    controller = AbortController()
    ready = threading.Barrier(4)
    outcomes: list[object] = []

    async def copy() -> None:
        pipe = ReadableStream[int]().pipe_to(WritableStream(), signal=controller.signal)
        await asyncio.get_running_loop().run_in_executor(None, ready.wait)
        with pytest.raises(AbortError) as caught:
            await pipe
        outcomes.append(caught.value)

    threads = [threading.Thread(target=asyncio.run, args=(copy(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    controller.abort()
    for thread in threads:
        thread.join()
    assert outcomes == [controller.signal.reason] * 3


def test_an_abort_after_a_loop_was_closed_is_harmless() -> None:
    controller = AbortController()

    async def begin() -> None:
        ReadableStream[int]().pipe_to(WritableStream(), signal=controller.signal)

    threads = [threading.Thread(target=asyncio.run, args=(begin(),))]
    for thread in threads:
        thread.start()
        thread.join()
    controller.abort()


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_timeout_must_be_a_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        AbortSignal.timeout(seconds)


def _timeout_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kamaros-timeout"]


def test_a_timeout_nobody_holds_ends_its_thread() -> None:
    for seconds in (3600, float("inf")):
        signals = [AbortSignal.timeout(seconds) for _ in range(3)]
        threads = _timeout_threads()
        assert len(threads) == 3
        del signals
        gc.collect()
        for thread in threads:
            thread.join(10)
        assert _timeout_threads() == []


async def test_a_timeout_nobody_holds_ends_its_timer() -> None:
    loop = asyncio.get_running_loop()
    signals = [AbortSignal.timeout(3600) for _ in range(500)]
    assert len(loop._scheduled) >= 500  # type: ignore[attr-defined]
    del signals
    gc.collect()
    await until_idle()
    # A loop forgets cancelled timers when it turns the next time and finds too many of them.
    await asyncio.sleep(0)
    assert sum(not handle.cancelled() for handle in loop._scheduled) == 0  # type: ignore[attr-defined]


async def test_a_timeout_that_comes_due_just_after_its_signal_went_fires_nothing() -> None:
    signal = AbortSignal.timeout(0)
    timer = signal._timer
    assert timer is not None
    del signal
    timer._fire()


def test_a_timer_whose_loop_is_closed_is_let_go_without_complaint() -> None:
    async def make() -> AbortSignal:
        return AbortSignal.timeout(3600)

    signal = asyncio.run(make())
    reference = weakref.ref(signal)
    del signal
    gc.collect()
    assert reference() is None


async def test_a_timeout_with_listeners_lives_until_it_fires() -> None:
    clock, seen = Clock(), list[object]()
    AbortSignal.timeout(5).add_listener(lambda signal: seen.append(signal.reason))
    AbortSignal.any([AbortSignal.timeout(5), AbortSignal()]).add_listener(lambda signal: seen.append(signal.reason))
    dropped = AbortSignal.timeout(5)
    dropped.add_listener(print)
    dropped.remove_listener(print)
    reference = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert reference() is None
    await clock.advance(6)
    assert [type(reason) for reason in seen] == [AbortTimeoutError, AbortTimeoutError]


async def test_any_of_a_long_lived_signal_leaves_nothing_behind() -> None:
    signal = AbortController().signal
    for _ in range(300):
        request = AbortSignal.any([signal, AbortSignal.timeout(3600)])
        await ReadableStream.from_([1]).pipe_to(WritableStream(), signal=request)
    del request
    gc.collect()
    assert not signal._dependents
    assert not signal._pinned
    assert not signal._listeners


async def test_a_hundred_thousand_pipes_leave_nothing_in_their_signal() -> None:
    signal = AbortController().signal

    async def pipes(count: int) -> int:
        for _ in range(count // 10):
            group = [ReadableStream.from_([1]).pipe_to(WritableStream(), signal=signal) for _ in range(10)]
            for pipe in group:
                await pipe
        gc.collect()
        return len(gc.get_objects())

    before = await pipes(1000)
    after = await pipes(99_000)
    assert after < before + 500, "something is left of each pipe"
    assert not signal._listeners
    assert not signal._dependents
