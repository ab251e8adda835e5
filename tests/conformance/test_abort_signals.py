"""The behaviours A1-A6 of abort signals."""

from __future__ import annotations

import threading

import pytest

from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.errors import AbortError, AbortTimeoutError
from kamaros_gui.streams import ReadableStream, WritableStream
from tests.helpers.clock import Clock


def test_A1_abort_calls_listeners_once_synchronously_and_keeps_the_first_reason() -> None:
    """An abort calls its listeners once, within the call; a second abort changes nothing; the signal is one object."""
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


def test_A2_listener_added_after_the_abort_is_not_called_and_the_default_reason_is_an_abort_error() -> None:
    """A listener added after the abort is not called; abort() gives an aborted signal, by default with AbortError."""
    signal = AbortSignal.abort()
    assert signal.aborted
    signal.add_listener(lambda _signal: pytest.fail("called"))
    assert type(signal.reason) is AbortError
    with pytest.raises(AbortError) as caught:
        signal.throw_if_aborted()
    assert caught.value is signal.reason


def test_A3_any_of_nothing_never_aborts() -> None:
    """any([]) never aborts."""
    signal = AbortSignal.any([])
    assert not signal.aborted
    signal.throw_if_aborted()


def test_A3_any_takes_the_first_aborted_reason_in_list_order() -> None:
    """any() is a new signal with the first aborted reason in list order."""
    aborted = [AbortSignal.abort("one"), AbortSignal.abort("two")]
    combined = AbortSignal.any([AbortSignal(), *reversed(aborted)])
    assert combined.reason == "two"
    assert combined not in aborted


def test_A3_any_dedups_composes_and_nests() -> None:
    """any() counts a signal once, nests, and aborts with the first of its signals."""
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


def test_A4_derived_listeners_fire_after_the_origin_in_creation_order() -> None:
    """Listeners of derived signals run after those of the origin, in the order the signals were made."""
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


async def test_A5_timeout_aborts_with_a_timeout_error_also_through_any() -> None:
    """A timeout aborts with AbortTimeoutError, also through any()."""
    clock = Clock()
    signal = AbortSignal.timeout(5)
    combined = AbortSignal.any([signal])
    await clock.advance(4.9)
    assert not signal.aborted
    await clock.advance(0.2)
    assert type(signal.reason) is AbortTimeoutError
    assert combined.reason is signal.reason


def test_A5_timeout_works_without_an_event_loop() -> None:
    """A timeout works in a thread without an event loop."""
    fired = threading.Event()
    signal = AbortSignal.timeout(0.001)
    signal.add_listener(lambda _signal: fired.set())
    assert fired.wait(10) or signal.aborted
    assert isinstance(signal.reason, AbortTimeoutError)


async def test_A6_a_finished_pipe_removes_its_listener() -> None:
    """A finished pipe has taken its listener back."""
    signal = AbortController().signal
    await ReadableStream.from_([1]).pipe_to(WritableStream(), signal=signal)
    assert not signal._listeners
