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

_TRIM_INTERVAL: Final = 64 * MIB

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
        self._moved = 0
        _keep_memory_mapped()
        self._compute = ThreadPoolExecutor(count, thread_name_prefix="kamaros-compute")
        self._io = ThreadPoolExecutor(_IO_THREADS, thread_name_prefix="kamaros-io")

    def compute(self, function: Callable[..., T], /, *arguments: Any) -> asyncio.Future[T]:
        """Run CPU-bound *function* in a thread; the future belongs to the running loop."""
        return asyncio.get_running_loop().run_in_executor(self._compute, function, *arguments)

    def io(self, function: Callable[..., T], /, *arguments: Any) -> asyncio.Future[T]:
        """Run blocking *function* in a thread; the future belongs to the running loop."""
        return asyncio.get_running_loop().run_in_executor(self._io, function, *arguments)

    def note_moved(self, size: int) -> None:
        """Count *size* content bytes as moved; now and then, give the memory that lies free back to the system.

        Compressed blocks have all sizes, and over gigabytes they scatter over the heap: the process would come to hold
        several times what it uses. Doing this every 64 MiB costs well under one per cent.
        """
        self._moved += size
        if self._moved >= _TRIM_INTERVAL:
            self._moved = 0
            self._io.submit(_release_free_memory)

    def close(self) -> None:
        """Wait for the calls under way and end the threads."""
        self._compute.shutdown(wait=True, cancel_futures=True)
        self._io.shutdown(wait=True, cancel_futures=True)


def _keep_memory_mapped() -> None:
    """Stop glibc from giving freed buffers back to the system after every chunk.

    Buffers of 64 KiB to 1 MiB come and go all the time; with the default thresholds each of them is unmapped and
    faulted in again, which costs a hundred times more than handing the chunk on. One arena for all threads keeps them
    from holding a stock of free buffers each. Other C libraries behave well by themselves.
    """
    mallopt = _libc_function("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * MIB)
        mallopt(_M_TRIM_THRESHOLD, 64 * MIB)
        mallopt(_M_ARENA_MAX, 1)


def _release_free_memory() -> None:
    malloc_trim = _libc_function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _libc_function(name: str) -> Callable[..., int] | None:
    """Return a function of glibc, ``None`` with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
