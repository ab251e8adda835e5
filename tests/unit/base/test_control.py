from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.control import PauseGate, RunControl
from kamaros_gui.base.errors import AbortError
from kamaros_gui.base.limits import MAX_ISSUES_KEPT
from tests.helpers.clock import until_idle


async def test_an_open_gate_holds_nobody() -> None:
    gate = PauseGate()
    await gate.passed()
    gate.open()
    await gate.passed()
    assert not gate.paused


async def test_a_closed_gate_holds_everybody_until_it_is_opened() -> None:
    gate = PauseGate()
    gate.close()
    gate.close()
    waiting = [asyncio.create_task(gate.passed()) for _ in range(3)]
    await until_idle()
    assert not any(task.done() for task in waiting)
    gate.open()
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_a_gate_closed_again_at_once_still_holds() -> None:
    gate = PauseGate()
    gate.close()
    waiting = asyncio.create_task(gate.passed())
    await until_idle()
    gate.open()
    gate.close()
    await until_idle()
    assert not waiting.done()
    gate.open()
    await asyncio.wait_for(waiting, 10)


async def test_a_cancelled_waiter_leaves_the_gate_as_it_is() -> None:
    gate = PauseGate()
    gate.close()
    first, second = asyncio.create_task(gate.passed()), asyncio.create_task(gate.passed())
    await until_idle()
    first.cancel()
    await until_idle()
    assert gate.paused
    assert not second.done()
    gate.open()
    await asyncio.wait_for(second, 10)


def run_in_threads(count: int, work: Callable[[], object]) -> list[Future[None]]:
    outcomes: list[Future[None]] = [Future() for _ in range(count)]

    def run(outcome: Future[None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    for outcome in outcomes:
        threading.Thread(target=run, args=(outcome,), daemon=True).start()
    return outcomes


def test_waiters_on_the_loops_of_several_threads_pass_together() -> None:
    gate = PauseGate()
    gate.close()
    started = threading.Barrier(5)

    async def wait() -> None:
        waiting = asyncio.create_task(gate.passed())
        await until_idle()
        started.wait(10)
        await waiting

    outcomes = run_in_threads(4, lambda: asyncio.run(wait()))
    started.wait(10)
    gate.open()
    for outcome in outcomes:
        outcome.result(10)


def test_a_waiter_whose_loop_has_ended_does_not_keep_the_others_waiting() -> None:
    gate = PauseGate()
    gate.close()

    async def give_up() -> None:
        waiting = asyncio.create_task(gate.passed())
        await until_idle()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(give_up())

    async def wait() -> None:
        waiting = asyncio.create_task(gate.passed())
        await until_idle()
        gate.open()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(wait())


async def test_an_abort_opens_the_gate_and_is_what_the_checkpoint_raises() -> None:
    controller, reason = AbortController(), AbortError("reason")
    control = RunControl(controller.signal)
    await control.checkpoint()
    control.gate.close()
    waiting = asyncio.create_task(control.checkpoint())
    await until_idle()
    assert not waiting.done()
    threading.Thread(target=controller.abort, args=(reason,)).start()
    with pytest.raises(AbortError) as caught:
        await asyncio.wait_for(waiting, 10)
    assert caught.value is reason


async def test_a_pause_after_the_abort_holds_nobody() -> None:
    controller = AbortController()
    control = RunControl(controller.signal)
    controller.abort()
    control.gate.close()
    with pytest.raises(AbortError):
        await asyncio.wait_for(control.checkpoint(), 10)


async def test_a_pause_in_the_moment_of_the_abort_holds_nobody() -> None:
    controller = AbortController()
    control = RunControl(controller.signal)
    control.gate.close()
    waiting = asyncio.create_task(control.checkpoint())
    await until_idle()
    controller.abort()
    control.gate.close()  # before the waiter had its turn
    with pytest.raises(AbortError):
        await asyncio.wait_for(waiting, 10)


async def test_a_control_for_an_aborted_signal_stops_at_the_first_checkpoint() -> None:
    control = RunControl(AbortSignal.abort(AbortError("before")))
    control.gate.close()
    with pytest.raises(AbortError, match="before"):
        await asyncio.wait_for(control.checkpoint(), 10)


def test_issues_beyond_the_limit_are_only_counted() -> None:
    control = RunControl()
    for number in range(MAX_ISSUES_KEPT + 5):
        control.add_issue(f"file {number}", "reason", "skipped")
    assert (len(control.issues), control.issue_count) == (MAX_ISSUES_KEPT, MAX_ISSUES_KEPT + 5)
    assert (control.issues[-1].path, control.issues[-1].kind) == (f"file {MAX_ISSUES_KEPT - 1}", "skipped")
