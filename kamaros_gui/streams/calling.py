"""Calling what a source, sink or transformer brings along: the one place that tells plain results from awaitables."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams.promise import OnFailure, OnSuccess, Promise

__all__ = ["call", "is_awaitable", "method_of", "react", "settle_after"]

# asyncio keeps only weak references to tasks; these are held until they are done.
_running_tasks: set[asyncio.Future[Any]] = set()


def method_of(thing: object, name: str) -> Callable[..., Any] | None:
    """Return an optional method of a source, sink or transformer.

    Raises:
        TypeError: there is such an attribute, but it can't be called.
    """
    method = getattr(thing, name, None)
    if method is not None and not callable(method):
        raise TypeError(f"{name} of {type(thing).__name__} is not callable")
    return method


def is_awaitable(result: object) -> bool:
    """Whether a method's result has to be waited for. Anything else means "done"."""
    return result is not None and (hasattr(result, "__await__") or isinstance(result, concurrent.futures.Future))


def react(awaitable: Any, on_success: OnSuccess, on_failure: OnFailure) -> None:
    """Call one of the two from the event loop when ``awaitable`` is settled.

    Promises and futures take a callback; only a coroutine needs a task. A cancelled one counts as failed with an
    ``AbortError``: ``CancelledError`` passed on as a stream's error would look like a cancellation of whoever meets it.
    """
    if isinstance(awaitable, Promise):
        awaitable.add_reaction(on_success, on_failure)
        return
    if isinstance(awaitable, asyncio.Future):
        future = awaitable
    elif isinstance(awaitable, concurrent.futures.Future):
        future = asyncio.wrap_future(awaitable)
    else:
        future = asyncio.ensure_future(awaitable)

    def settled(done: asyncio.Future[Any]) -> None:
        _running_tasks.discard(done)
        if done.cancelled():
            on_failure(AbortError())
            return
        error = done.exception()
        if error is not None:
            on_failure(error)
        else:
            on_success(done.result())

    _running_tasks.add(future)
    future.add_done_callback(settled)


def call(method: Callable[..., Any] | None, arguments: tuple[Any, ...], done: OnSuccess, failed: OnFailure) -> None:
    """Call an optional method that may be plain or return an awaitable, and report its outcome once.

    The report comes at once for a plain method or none, and from the event loop for an awaitable.
    """
    if method is None:
        done(None)
        return
    try:
        result = method(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever the method raises is the outcome
        failed(error)
        return
    if is_awaitable(result):
        react(result, done, failed)
    else:
        done(result)


def settle_after(awaitables: list[Awaitable[Any]], done: Callable[[], object], failed: OnFailure) -> None:
    """Report once all are settled: the first failure in the order of the list, or success."""
    left = len(awaitables)
    errors: dict[int, BaseException] = {}
    if not left:
        done()
        return

    def one_settled(index: int, error: BaseException | None) -> None:
        nonlocal left
        left -= 1
        if error is not None:
            errors[index] = error
        if left:
            return
        if errors:
            failed(errors[min(errors)])
        else:
            done()

    def fulfilled(index: int, _value: object) -> None:
        one_settled(index, None)

    for number, awaitable in enumerate(awaitables):
        react(awaitable, partial(fulfilled, number), partial(one_settled, number))
