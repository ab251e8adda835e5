"""How a long copy in a worker thread is steered: abort, pause, progress, room on the volume."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable

from kamaros_gui.base.control import RunControl
from kamaros_gui.storage.primitives import FilePrimitives, disk_full

__all__ = ["Copying", "steered_copying"]


@dataclasses.dataclass(frozen=True, slots=True)
class Copying:
    """What goes on beside a long copy. All are called in a worker thread.

    Attributes:
        check_abort: called before each MiB; waits while the operation is paused, raises to stop.
        on_total: told once how many bytes there are to copy; raises where they have no room.
        on_bytes: told how many bytes each step has handled.
    """

    check_abort: Callable[[], None] = lambda: None
    on_total: Callable[[int], None] = lambda _size: None
    on_bytes: Callable[[int], None] = lambda _size: None


def steered_copying(files: FilePrimitives, target: str, control: RunControl) -> Copying:
    """Return what lets *control* steer a copy, and be told of it, from a thread. Called on the loop.

    Args:
        files: where the copy goes.
        target: the file it makes.
        control: abort, pause, progress.
    """
    loop = asyncio.get_running_loop()
    progress = control.progress

    def check_abort() -> None:
        if control.gate.paused:
            asyncio.run_coroutine_threadsafe(control.gate.passed(), loop).result()
        control.signal.throw_if_aborted()

    def on_total(size: int) -> None:
        progress.bytes_total = size
        folder = os.path.dirname(files.resolve(target))
        free = files.free_space(folder)
        if size > free:
            raise disk_full(target, files.volume(folder), size, free)

    def on_bytes(size: int) -> None:
        progress.add_chunk(size)

    return Copying(check_abort, on_total, on_bytes)
