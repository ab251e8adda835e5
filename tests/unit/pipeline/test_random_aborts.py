"""Fifty aborts at random steps of a save and of a restore: nothing of them remains."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import AbortError
from kamaros_gui.pipeline import Workers
from tests.helpers.streams import assert_no_tasks
from tests.helpers.trees import differences, noise, scan, text, write

MIB = 1 << 20


class StepCount:
    """Counts the calls that are handed to threads, and aborts at one of them, from the thread if so asked."""

    def __init__(self, workers: Workers) -> None:
        self.steps = 0
        self.abort_at = -1
        self.in_thread = False
        self.controller = AbortController()
        self._io, self._compute = workers.io, workers.compute
        both: Any = workers  # the real threads, with a counter before them
        both.io = lambda function, /, *arguments: self._step(self._io, function, arguments)
        both.compute = lambda function, /, *arguments: self._step(self._compute, function, arguments)

    def arm(self, at: int, *, in_thread: bool) -> AbortController:
        self.steps, self.abort_at, self.in_thread = 0, at, in_thread
        self.controller = AbortController()
        return self.controller

    def _step(self, submit: Any, function: Any, arguments: Any) -> Any:
        self.steps += 1
        if self.steps != self.abort_at:
            return submit(function, *arguments)
        controller = self.controller
        if self.in_thread:

            def aborting() -> Any:
                controller.abort(AbortError("here"))
                return function(*arguments)

            return submit(aborting)
        controller.abort(AbortError("here"))
        return submit(function, *arguments)


def open_count() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number in range(150):
        write(root / f"d{number % 7}" / f"small {number}", text(2000 + number, number))
    write(root / "large noise", noise(3 * MIB))
    write(root / "large text", text(3 * MIB))
    return root


async def test_fifty_random_aborts_leave_no_trace(tree: Path, tmp_path: Path) -> None:
    choose = random.Random(20)
    folder = tmp_path / "archives"
    folder.mkdir()
    archive, target = folder / "a.jcf", tmp_path / "out"
    workers = Workers(2)
    counted = StepCount(workers)
    manager = JCFManager(archive, JCFConfig(level=1), workers)
    write(tmp_path / "old" / "file", noise(5000))
    await manager.save([tmp_path / "old"])
    first = archive.read_bytes()

    async def save(signal: Any = None) -> None:
        await manager.save([f"{tree}/."], into="new", control=RunControl(signal or AbortController().signal))

    async def restore(signal: Any = None) -> None:
        await manager.restore_version("HEAD", target, control=RunControl(signal or AbortController().signal))

    counted.arm(-1, in_thread=False)
    await save()
    save_steps, second = counted.steps, archive.read_bytes()
    counted.arm(-1, in_thread=False)
    await restore()
    restore_steps, restored = counted.steps, scan(target)
    assert min(save_steps, restore_steps) > 20
    files = open_count()
    aborted = 0
    for number in range(50):
        saving = number % 2 == 0
        os.truncate(archive, 0)
        archive.write_bytes(first if saving else second)
        stamp = archive.stat().st_mtime_ns
        work, steps, place = (save, save_steps, folder) if saving else (restore, restore_steps, tmp_path / str(number))
        target = place
        signal = counted.arm(choose.randint(1, steps - 1), in_thread=choose.random() < 0.5)
        try:
            await work(signal.signal)
        except AbortError as error:
            aborted += error is signal.signal.reason
            assert archive.read_bytes() == (first if saving else second), "the archive changed"
            assert saving or not place.exists(), f"step {counted.abort_at} of {steps}: {os.listdir(place)}"
            if saving:
                assert archive.stat().st_mtime_ns == stamp
        assert os.listdir(folder) == ["a.jcf"]
        assert_no_tasks()
    assert aborted >= 40
    # Threads may still hold a small source file for a moment; none once they have ended.
    await asyncio.get_running_loop().run_in_executor(None, workers.close)
    assert open_count() <= files
    # And everything works as before.
    async with await JCFManager.open(archive) as again:
        assert (await again.verify()).valid
        await again.restore_version("HEAD", tmp_path / "last")
    # The folder named by ``into`` is no entry: its time is that of the restore.
    assert differences(restored, tmp_path / "last", ignore=lambda path, _found: path == b"new") == []
