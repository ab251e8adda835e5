"""StreamController: what the state machines of both kinds of streams share: the lock, the start, the figures."""

from __future__ import annotations

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections import deque
from time import perf_counter
from typing import Any, Generic, TypeVar

from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams.calling import is_awaitable, method_of, react
from kamaros_gui.streams.queuing import SizeOf, byte_length, bytes_of

__all__ = ["StreamController", "joined_statistics"]

H = TypeVar("H")


class StreamController(ABC, Generic[H]):
    """The state of a stream that does not depend on which way the chunks go.

    Two clocks tell who waited for whom. A clock is one number, so that another thread reads it whole: seconds so far
    while it stands, and the same minus the time of its start, which is negative, while it runs.
    """

    __slots__ = (
        "_by_bytes",
        "_bytes_dropped",
        "_chunks_dropped",
        "_input_clock",
        "_loop",
        "_output_clock",
        "_size_of",
        "bytes_in",
        "chunks_in",
        "error_stored",
        "high_water_mark",
        "holder",
        "queue",
        "queue_size",
        "started",
    )

    def __init__(self, high_water_mark: float, size_of: SizeOf | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._size_of = size_of
        self._by_bytes = size_of is byte_length  # then a size needs no second look at the chunk
        self.high_water_mark = high_water_mark
        self.error_stored: BaseException | None = None
        self.holder: H | None = None
        self.queue: deque[Any] = deque()  # tuples that begin with a chunk and its size
        self.queue_size: float = 0
        self.started = False
        self.chunks_in = 0
        self.bytes_in = 0
        self._chunks_dropped = 0
        self._bytes_dropped = 0
        self._input_clock = 0.0
        self._output_clock = 0.0

    # ------------------------------------------------------------------------------------------------- start

    def start(self, underlying: object | None) -> None:
        """Call ``start`` of the source or sink. The first pull or write comes from the event loop, when it is done.

        Raises:
            Exception: what a plain ``start`` raised.
        """
        method = method_of(underlying, "start")
        self.started_by(method(self) if method is not None else None)

    def started_by(self, result: object) -> None:
        """Begin when the result of ``start`` is settled."""
        if is_awaitable(result):
            react(result, self._on_started, self._on_start_failed)
        else:
            self._loop.call_soon(self._on_started, None)

    @abstractmethod
    def _on_started(self, _result: object) -> None:
        """Begin to pull or to write."""

    @abstractmethod
    def _on_start_failed(self, error: BaseException) -> None:
        """Fail the stream."""

    # -------------------------------------------------------------------------------------------------- lock

    def acquire(self, holder: H) -> None:
        """Lock the stream.

        Raises:
            TypeError: it is locked.
        """
        if self.holder is not None:
            raise TypeError("the stream is locked")
        self.holder = holder

    def release(self) -> None:
        """Unlock the stream."""
        self.holder = None

    # ----------------------------------------------------------------------------------------------- figures

    def statistics(self) -> StreamStatistics:
        """Return the figures so far, waits that still go on included. Callable from any thread."""
        chunks_in, bytes_in = self.chunks_in, self.bytes_in
        # What left is not counted: it is what came in and is neither queued nor dropped. Copying a deque is one step
        # for other threads.
        waiting = tuple(self.queue)
        dropped, bytes_dropped = self._chunks_dropped, self._bytes_dropped
        now = perf_counter()
        input_clock, output_clock = self._input_clock, self._output_clock
        return StreamStatistics(
            chunks_in=chunks_in,
            chunks_out=max(0, chunks_in - len(waiting) - dropped),
            bytes_in=bytes_in,
            bytes_out=max(0, bytes_in - sum(bytes_of(entry[0]) for entry in waiting) - bytes_dropped),
            queued=self.queue_size,
            high_water_mark=self.high_water_mark,
            waited_for_input=input_clock if input_clock >= 0 else input_clock + now,
            waited_for_output=output_clock if output_clock >= 0 else output_clock + now,
        )

    def _drop(self, chunk: Any) -> None:
        """Count a chunk as neither queued nor passed on."""
        self._chunks_dropped += 1
        self._bytes_dropped += bytes_of(chunk)

    def _drop_queue(self) -> None:
        for entry in self.queue:
            self._drop(entry[0])
        self.queue.clear()
        self.queue_size = 0

    def _stop_clocks(self) -> None:
        now = perf_counter()
        if self._input_clock < 0:
            self._input_clock += now
        if self._output_clock < 0:
            self._output_clock += now


def joined_statistics(writable: StreamController[Any], readable: StreamController[Any]) -> StreamStatistics:
    """Return the figures of a pair: what comes in from its writable side, what goes out from its readable side."""
    taken, given = writable.statistics(), readable.statistics()
    return dataclasses.replace(
        taken, chunks_out=given.chunks_out, bytes_out=given.bytes_out, waited_for_output=given.waited_for_output
    )
