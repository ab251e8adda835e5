"""Workers: the threads an engine loop hands its heavy and its blocking work to."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from kamaros_gui.base.limits import MIB

__all__ = ["Workers"]

T = TypeVar("T")

_IO_THREADS: Final = 4
"""Blocking file calls at once: read ahead, write behind, and two more so that a second file is not held up."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


class Workers:
    """Two pools of threads: one per CPU for hashing and compression, a few more for blocking file calls.

    They are separate so that a read never waits behind a queue of compression jobs. The heavy calls release the GIL.

    Args:
        count: threads for hashing and compression.

    Attributes:
        count: as given.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        _keep_memory_mapped()
        self._compute = ThreadPoolExecutor(count, thread_name_prefix="kamaros-compute")
        self._io = ThreadPoolExecutor(_IO_THREADS, thread_name_prefix="kamaros-io")

    def compute(self, function: Callable[..., T], /, *arguments: Any) -> asyncio.Future[T]:
        """Run CPU-bound *function* in a thread; the future belongs to the running loop."""
        return asyncio.get_running_loop().run_in_executor(self._compute, function, *arguments)

    def io(self, function: Callable[..., T], /, *arguments: Any) -> asyncio.Future[T]:
        """Run blocking *function* in a thread; the future belongs to the running loop."""
        return asyncio.get_running_loop().run_in_executor(self._io, function, *arguments)

    def close(self) -> None:
        """Wait for the calls under way and end the threads."""
        self._compute.shutdown(wait=True, cancel_futures=True)
        self._io.shutdown(wait=True, cancel_futures=True)


def _keep_memory_mapped() -> None:
    """Stop glibc from giving freed buffers back to the system after every chunk.

    Buffers of 64 KiB to 1 MiB come and go all the time; with the default thresholds each of them is unmapped and
    faulted in again, which costs a hundred times more than handing the chunk on. A bound on the number of arenas keeps
    the threads from holding their own stock of free buffers each. Other C libraries behave well by themselves.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 32 * MIB)
    mallopt(_M_TRIM_THRESHOLD, 64 * MIB)
    mallopt(_M_ARENA_MAX, 2)
