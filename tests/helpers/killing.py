"""Real processes that are killed by the system in the middle of a verb, on a real disk, hundreds of them.

One process with everything imported and no threads waits for orders and forks a child for each: so a child costs
milliseconds. The child does its verb with real threads on a real disk, and sends itself SIGKILL in the middle of the
step it is told; or the parent sends it after a while.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from kamaros_gui import JCFManager
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.adapters import WRITES, Step, WrappingAdapter
from tests.helpers.mortal import CHANGES
from tests.helpers.program import PROJECT, environment
from tests.helpers.upkeep_rounds import CONFIG, VERBS, Past

__all__ = ["Killer"]

T = TypeVar("T")


class _Killing(WrappingAdapter):
    """Sends this process SIGKILL in the middle of one of the changes it makes to the disk."""

    def __init__(self, inner: FileSystemAdapter, at: int) -> None:
        super().__init__(inner)
        self.count = 0
        self._at = at
        self._lock = threading.Lock()

    def _call(self, step: Step, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if step.name in CHANGES:
            with self._lock:
                number, self.count = self.count, self.count + 1
            if number == self._at:
                if step.name in WRITES:
                    *place, parts = arguments
                    data = b"".join(parts)
                    function(*place, [data[: len(data) // 2]])
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)


class Killer:
    """The process that forks; use it as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.killing"],
            cwd=PROJECT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, verb: str, past: Past, *, step: int = -1, seconds: float = 0) -> tuple[bool, int]:
        """Do *verb* in a process of its own, and kill it.

        Args:
            verb: one of ``VERBS``.
            past: what to do it to, on the real disk.
            step: change to the disk in whose middle the process kills itself; -1 for none.
            seconds: after which it is killed wherever it is; 0 for never.

        Returns:
            Whether it was killed; and how many changes it made to the disk where it was not.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"verb": verb, "archive": past.archive, "disk": past.disk, "step": step, "seconds": seconds}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["status"] in {0, -signal.SIGKILL}, answer
        return answer["status"] != 0, answer["count"]


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(order, writer)
        os.close(writer)
        os.read(reader, 1)  # it begins
        if order["seconds"]:
            time.sleep(order["seconds"])
            os.kill(child, signal.SIGKILL)
        told = b""
        while got := os.read(reader, 100):
            told += got
        os.close(reader)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "count": int(told or b"0")}), flush=True)


def _child(order: dict[str, Any], writer: int) -> None:
    status = 1
    try:
        files = _Killing(LocalAdapter(), order["step"])
        past = Past(order["archive"], order["disk"])
        os.write(writer, b"+")
        asyncio.run(_do(order["verb"], past, files))
        os.write(writer, b"%d" % files.count)
        status = 0
    finally:
        os._exit(status)


async def _do(verb: str, past: Past, files: FileSystemAdapter) -> None:
    async with JCFManager(past.archive, CONFIG, files=files) as manager:
        await VERBS[verb](manager, past, None)


if __name__ == "__main__":
    _serve()
