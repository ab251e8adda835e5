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
from tests.helpers.clock import Clock


def test_a1_abort_calls_listeners_once_synchronously_and_keeps_the_first_reason() -> None:
    controller = AbortController()
    assert controller.signal is controller.signal
    seen: list[object] = []
    controller.signal.add_listener(lambda signal: seen.append(signal.reason))
    first = ValueError("first")
    controller.abort(first)
    assert seen == [first]
    controller.abort(ValueError("second"))
    assert seen == [first]
    assert controller.signal.reason is first


def test_a2_listener_added_after_the_abort_is_not_called_and_the_default_reason_is_an_abort_error() -> None:
    signal = AbortSignal.abort()
    assert signal.aborted
    signal.add_listener(lambda _signal: pytest.fail("called"))
    assert type(signal.reason) is AbortError
    with pytest.raises(AbortError) as caught:
        signal.throw_if_aborted()
    assert caught.value is signal.reason


def test_a3_any_of_nothing_never_aborts() -> None:
    signal = AbortSignal.any([])
    assert not signal.aborted
    signal.throw_if_aborted()


def test_a3_any_takes_the_first_aborted_reason_in_list_order() -> None:
    aborted = [AbortSignal.abort("one"), AbortSignal.abort("two")]
    combined = AbortSignal.any([AbortSignal(), *reversed(aborted)])
    assert combined.reason == "two"
    assert combined not in aborted


def test_a3_any_dedups_composes_and_nests() -> None:
    first, second = AbortController(), AbortController()
    inner = AbortSignal.any([first.signal, first.signal])
    outer = AbortSignal.any([inner, second.signal, inner])
    seen: list[str] = []
    inner.add_listener(lambda _signal: seen.append("inner"))
    outer.add_listener(lambda _signal: seen.append("outer"))
    first.abort("reason")
    assert seen == ["inner", "outer"]
    assert outer.reason == "reason"
    second.abort("late")
    assert outer.reason == "reason"


def test_a4_derived_listeners_fire_after_the_origin_in_creation_order() -> None:
    controller = AbortController()
    order = ""

    def note(digit: str):  # type: ignore[no-untyped-def]
        def listener(_signal: AbortSignal) -> None:
            nonlocal order
            order += digit

        return listener

    derived = [AbortSignal.any([controller.signal]) for _ in range(3)]
    derived.append(AbortSignal.any([derived[0]]))
    for number, signal in reversed(list(enumerate(derived, start=1))):
        signal.add_listener(note(str(number)))
    controller.signal.add_listener(note("0"))
    controller.abort()
    assert order == "01234"


def test_all_derived_signals_are_aborted_before_the_first_listener_runs() -> None:
    controller = AbortController()
    derived = AbortSignal.any([controller.signal])
    seen: list[bool] = []
    controller.signal.add_listener(lambda _signal: seen.append(derived.aborted))
    controller.abort()
    assert seen == [True]


async def test_a5_timeout_aborts_with_a_timeout_error_also_through_any() -> None:
    clock = Clock()
    signal = AbortSignal.timeout(5)
    combined = AbortSignal.any([signal])
    await clock.advance(4.9)
    assert not signal.aborted
    await clock.advance(0.2)
    assert type(signal.reason) is AbortTimeoutError
    assert combined.reason is signal.reason


def test_a5_timeout_works_without_an_event_loop() -> None:
    fired = threading.Event()
    signal = AbortSignal.timeout(0.001)
    signal.add_listener(lambda _signal: fired.set())
    assert fired.wait(10) or signal.aborted
    assert isinstance(signal.reason, AbortTimeoutError)


async def test_a6_a_finished_pipe_removes_its_listener() -> None:
    signal = AbortController().signal
    await ReadableStream.from_([1]).pipe_to(WritableStream(), signal=signal)
    assert not signal._listeners


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
