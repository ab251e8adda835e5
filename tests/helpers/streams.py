"""Sources and sinks for tests, and a recorder for the order of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from kamaros_gui.streams import Promise
from tests.helpers.clock import until_idle

__all__ = [
    "FailingSource",
    "ListSource",
    "Recorder",
    "RecordingSink",
    "RecordingSource",
    "SlowSink",
    "SlowSource",
    "assert_no_tasks",
    "no_task_left",
    "rejects_with",
]


class Recorder:
    """Notes events in the order they happen."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def note(self, *event: Any) -> None:
        self.events.append(event[0] if len(event) == 1 else event)

    def watch(self, name: str, promise: Promise[Any]) -> None:
        """Note when a promise settles, in the order of settling."""
        promise.add_reaction(
            lambda value: self.note(name, "fulfilled"),
            lambda error: self.note(name, error),
        )


class RecordingSource:
    """Pushed by the test through ``controller``; notes what the stream calls."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Recorder()
        self.controller: Any = None

    @property
    def events(self) -> list[Any]:
        return self.recorder.events

    def start(self, controller: Any) -> None:
        self.controller = controller
        self.recorder.note("start")

    def pull(self, controller: Any) -> Any:
        self.recorder.note("pull")

    def cancel(self, reason: object) -> Any:
        self.recorder.note("cancel", reason)


class RecordingSink:
    """Notes what the stream calls; takes everything at once."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Recorder()
        self.controller: Any = None

    @property
    def events(self) -> list[Any]:
        return self.recorder.events

    def start(self, controller: Any) -> Any:
        self.controller = controller

    def write(self, chunk: Any, controller: Any) -> Any:
        self.recorder.note("write", chunk)

    def close(self) -> Any:
        self.recorder.note("close")

    def abort(self, reason: object) -> Any:
        self.recorder.note("abort", reason)


class SlowSink(RecordingSink):
    """Holds each write until the test finishes it."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        super().__init__(recorder)
        self.running: Promise[None] | None = None

    def write(self, chunk: Any, controller: Any) -> Any:
        super().write(chunk, controller)
        self.running = Promise()
        return self.running

    async def finish(self, error: BaseException | None = None) -> None:
        """Let the running write end, and all that follows from it."""
        assert self.running is not None, "no write is running"
        running, self.running = self.running, None
        if error is None:
            running.resolve(None)
        else:
            running.reject(error)
        await until_idle()

    async def finish_all(self) -> None:
        while self.running is not None:
            await self.finish()


class ListSource:
    """Gives the chunks of a list, one for each pull, and closes."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self.left = list(chunks)
        self.pulls = 0
        self.cancelled: list[object] = []

    def pull(self, controller: Any) -> None:
        self.pulls += 1
        if self.left:
            controller.enqueue(self.left.pop(0))
        else:
            controller.close()

    def cancel(self, reason: object) -> None:
        self.cancelled.append(reason)


class FailingSource(ListSource):
    """Fails after its chunks."""

    def __init__(self, chunks: Iterable[Any], error: BaseException) -> None:
        super().__init__(chunks)
        self.failure = error

    def pull(self, controller: Any) -> None:
        if not self.left:
            raise self.failure
        super().pull(controller)


class SlowSource(ListSource):
    """Gives its chunks like a network: each a few turns of the event loop late, sometimes several at once.

    With ``error`` it fails after its chunks. A cancel ends the pull that waits.
    """

    def __init__(self, chunks: Iterable[Any], error: BaseException | None = None) -> None:
        super().__init__(chunks)
        self.failure = error

    async def pull(self, controller: Any) -> None:  # type: ignore[override]  # it takes its time
        for _ in range(self.pulls % 4):
            await asyncio.sleep(0)
        if self.cancelled:
            return
        if not self.left and self.failure is not None:
            raise self.failure
        super().pull(controller)
        if self.left and self.pulls % 5 == 0 and (controller.desired_size or 0) > 0:
            super().pull(controller)


async def rejects_with(awaitable: Any, error: Any) -> None:
    """Assert that it fails with this very object, or with this type of exception."""
    with pytest.raises(error if isinstance(error, type) else type(error)) as caught:
        await awaitable
    if not isinstance(error, type):
        assert caught.value is error, f"{caught.value!r} is another object than {error!r}"


def assert_no_tasks() -> None:
    """Assert that the test's own task is the only one."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, f"tasks left: {others}"


@contextlib.asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Assert that what ran inside left no task behind."""
    yield
    await until_idle()
    assert_no_tasks()
