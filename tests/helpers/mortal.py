"""A process that can die at any change it makes to a disk, without a process: one thread, one place, one adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from kamaros_gui.base.errors import StorageError
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import WRITES, Step, WrappingAdapter

__all__ = ["CHANGES", "InlineWorkers", "MortalAdapter"]

T = TypeVar("T")

CHANGES = WRITES | {
    "file.truncate",
    "file.sync",
    "file.set_modified",
    "file.close",
    "new.finish",
    "new.discard",
    "open",
    "create",
    "make_link",
    "make_folder",
    "set_attributes",
    "rename",
    "delete",
    "delete_tree",
    "sync_folder",
    "lock",
}
"""Steps that leave something on the disk, or hold or give back something: between two of them one moment is like the
other."""

_NOW = -1
_NEVER = -2


class InlineWorkers(Workers):
    """No threads: what is handed over is done at once. So the steps of an operation are the same ones every time."""

    def __init__(self) -> None:
        self.count = 1

    def compute(self, function: Callable[..., T], /, *arguments: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001 - a thread hands on whatever it gets, too
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    io = compute

    def note_moved(self, size: int) -> None:
        pass

    def close(self) -> None:
        pass


class MortalAdapter(WrappingAdapter):
    """Lets something happen before one of the next steps: the death of whoever uses it, by default.

    Death comes in the middle of a write: half of its bytes are there. All files are closed and all locks given back
    then, as the operating system does it; nothing is cleaned up, and whatever still runs gets errors.

    Attributes:
        steps: those of :data:`CHANGES` so far.
        dead: whether it happened.
    """

    def __init__(self, inner: FileSystemAdapter) -> None:
        super().__init__(inner)
        self.steps: list[Step] = []
        self.dead = False
        self._left = _NEVER
        self._act: Callable[[], object] | None = None

    def arm(self, after: int, act: Callable[[], object] | None = None) -> None:
        """Let *act* be called, or death come, when *after* more changes have been made."""
        self._left, self._act = after, act

    def disarm(self) -> None:
        """Let nothing happen."""
        self._left = _NEVER

    def die(self) -> None:
        """Die now."""
        self.dead = True
        for file in list(self._open.values()):
            file._gone()

    def _call(self, step: Step, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if not self.dead and step.name in CHANGES:
            self.steps.append(step)
            self._left -= 1
            if self._left == _NOW:
                self._happen(step, function, *arguments)
        if self.dead:
            raise StorageError(f"The owner died before {step.name} of {step.path}.", path=step.path)
        return function(*arguments, **named)

    def _happen(self, step: Step, function: Callable[..., T], *arguments: Any) -> None:
        if self._act is not None:
            self._act()
            return
        if step.name in WRITES:
            *place, parts = arguments
            data = b"".join(parts)
            function(*place, [data[: len(data) // 2]])
        self.die()
