"""Promise: a result that many may await.

An ``asyncio.Future`` would not do: a waiter that is cancelled cancels the future for everybody, and a failure
nobody asked for is reported as "never retrieved". A promise costs no future until somebody really waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

__all__ = ["OnFailure", "OnSuccess", "Promise"]

T = TypeVar("T")

OnSuccess = Callable[[Any], object]
OnFailure = Callable[[BaseException], object]


class Promise(Generic[T]):
    """Settles once, with a value or an error. Await it as often and from as many tasks as needed.

    Waiters wake in the order they came. Cancelling a waiter leaves the promise and the work behind it alone.
    Settling it twice is a no-op the second time.
    """

    __slots__ = ("_error", "_reactions", "_state", "_traceback", "_value", "_waiters")

    def __init__(self) -> None:
        self._state: Literal["pending", "fulfilled", "rejected"] = "pending"
        self._value: Any = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._reactions: list[tuple[OnSuccess, OnFailure]] | None = None

    @classmethod
    def resolved(cls, value: T) -> Promise[T]:
        """Return a promise that has its value already."""
        promise: Promise[T] = cls()
        promise.resolve(value)
        return promise

    @classmethod
    def rejected(cls, error: BaseException) -> Promise[T]:
        """Return a promise that has failed already."""
        promise: Promise[T] = cls()
        promise.reject(error)
        return promise

    @property
    def state(self) -> Literal["pending", "fulfilled", "rejected"]:
        """Where it stands."""
        return self._state

    @property
    def pending(self) -> bool:
        """Whether it has not settled yet."""
        return self._state == "pending"

    @property
    def error(self) -> BaseException | None:
        """What it failed with; ``None`` while pending or fulfilled."""
        return self._error

    def resolve(self, value: T) -> None:
        """Give it its value."""
        if self._state == "pending":
            self._state = "fulfilled"
            self._value = value
            self._wake()

    def reject(self, error: BaseException) -> None:
        """Let it fail. Whoever awaits it gets this very object."""
        if self._state == "pending":
            self._state = "rejected"
            self._error = error
            self._traceback = error.__traceback__
            self._wake()

    def add_reaction(self, on_success: OnSuccess, on_failure: OnFailure) -> None:
        """Have one of the two called from the event loop once it is settled; never from inside this call."""
        if self._state != "pending":
            asyncio.get_running_loop().call_soon(self._call, on_success, on_failure)
        elif self._reactions is None:
            self._reactions = [(on_success, on_failure)]
        else:
            self._reactions.append((on_success, on_failure))

    def __await__(self) -> Generator[Any, None, T]:
        if self._state == "pending":
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            try:
                yield from waiter
            except BaseException:
                if self._waiters is not None:
                    self._waiters.remove(waiter)
                raise
        if self._error is not None:
            # The traceback starts afresh for each waiter, or it would grow with every one of them.
            raise self._error.with_traceback(self._traceback)
        value: T = self._value
        return value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state}>"

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        if waiters is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        reactions, self._reactions = self._reactions, None
        if reactions is not None:
            loop = asyncio.get_running_loop()
            for on_success, on_failure in reactions:
                loop.call_soon(self._call, on_success, on_failure)

    def _call(self, on_success: OnSuccess, on_failure: OnFailure) -> None:
        if self._error is not None:
            on_failure(self._error)
        else:
            on_success(self._value)
