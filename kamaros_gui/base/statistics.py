"""Statistics: how much went through a stream or a stage of a job, and who had to wait for whom.

A stream measures itself (``statistics()`` of every stream gives a :class:`StreamStatistics`). A stage of a job, such as
``hash`` or ``write``, outlives the streams of one file: a :class:`StageMeter` adds up what its streams measured and how
long its work took, and is read as a frozen :class:`StageStatistics` on any thread.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["StageMeter", "StageMeters", "StageStatistics", "StreamStatistics", "bottleneck"]

_ORDER: Final = ("read", "decode", "hash", "encode", "write")
"""The way data goes: a save skips ``decode``, a restore ``encode``."""


@dataclasses.dataclass(frozen=True, slots=True)
class StreamStatistics:
    """What has gone through one stream so far.

    Attributes:
        chunks_in, chunks_out: chunks that entered and left it.
        bytes_in, bytes_out: their bytes; a chunk that is no buffer counts as none.
        queued: what waits in it at the moment, in the unit of its queuing strategy.
        high_water_mark: what may wait before it holds its producer back, in the same unit.
        waited_for_input: seconds somebody who wanted a chunk found none.
        waited_for_output: seconds it held its producer back, because its queue was full.
    """

    chunks_in: int = 0
    chunks_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    queued: float = 0
    high_water_mark: float = 0
    waited_for_input: float = 0.0
    waited_for_output: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class StageStatistics:
    """What has gone through one stage of a job so far, over all files.

    Attributes:
        name: ``read``, ``hash``, ``encode``, ``decode`` or ``write``.
        chunks_in, chunks_out, bytes_in, bytes_out: what entered and left it.
        queued: what waits before it at the moment, in bytes.
        high_water_mark: what may wait there, in bytes; 0 while it uses no stream.
        waited_for_input: seconds it had nothing to do because the stage before was slower.
        waited_for_output: seconds it was held back because the stage behind was slower.
        busy: wall-clock seconds it needed at the parallelism it ran with: thread seconds divided by the threads it
            could use. So the stage with the largest value is the one that held up the job.
    """

    name: str
    chunks_in: int = 0
    chunks_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    queued: float = 0
    high_water_mark: float = 0
    waited_for_input: float = 0.0
    waited_for_output: float = 0.0
    busy: float = 0.0

    @property
    def bytes_per_second(self) -> float:
        """How fast it is while it works, measured at its larger side; 0 while it has not worked."""
        return max(self.bytes_in, self.bytes_out) / self.busy if self.busy > 0 else 0.0


def bottleneck(stages: Iterable[StageStatistics]) -> StageStatistics | None:
    """Return the stage that held up the others: the one that was busy longest; ``None`` while none was busy."""
    slowest = max(stages, key=lambda stage: stage.busy, default=None)
    return slowest if slowest is not None and slowest.busy > 0 else None


class StageMeter:
    """Adds up what one stage does. Safe on any thread.

    Args:
        name: the stage.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        # Plain numbers, because they change with every piece of work; a new record each time costs seven times that.
        self._busy = 0.0
        self._chunks = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._streams = StageStatistics(name)
        self._live: Callable[[], StreamStatistics] | None = None

    def worked(self, seconds: float, *, lanes: int = 1, bytes_in: int = 0, bytes_out: int = 0, chunks: int = 0) -> None:
        """Note one piece of work.

        Args:
            seconds: how long a thread was busy with it.
            lanes: threads that do this work side by side.
            bytes_in: bytes taken, where no stream that is followed counts them.
            bytes_out: bytes given, likewise.
            chunks: pieces of it, where no stream that is followed counts them.
        """
        with self._lock:
            self._busy += seconds / lanes
            self._chunks += chunks
            self._bytes_in += bytes_in
            self._bytes_out += bytes_out

    def follow(self, statistics: Callable[[], StreamStatistics]) -> None:
        """Count what a stream measures from now on; what the one before measured stays counted.

        Args:
            statistics: the stream's own method.
        """
        with self._lock:
            self._settle()
            self._live = statistics

    def settle(self) -> None:
        """Keep the figures of the stream that was followed, and let it go."""
        with self._lock:
            self._settle()

    def snapshot(self) -> StageStatistics:
        """Return the figures at this moment."""
        with self._lock:
            streams = self._streams if self._live is None else _sum(self._streams, self._live())
            return dataclasses.replace(
                streams,
                busy=self._busy,
                chunks_in=streams.chunks_in + self._chunks,
                chunks_out=streams.chunks_out + self._chunks,
                bytes_in=streams.bytes_in + self._bytes_in,
                bytes_out=streams.bytes_out + self._bytes_out,
            )

    def _settle(self) -> None:
        if self._live is not None:
            self._streams = dataclasses.replace(_sum(self._streams, self._live()), queued=0)
            self._live = None


class StageMeters:
    """The stages of one job, in the order data goes through them."""

    def __init__(self) -> None:
        self._meters: dict[str, StageMeter] = {}

    def __getitem__(self, name: str) -> StageMeter:
        """Return the meter of the stage *name*, a new one where there is none yet."""
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters.setdefault(name, StageMeter(name))
        return meter

    def snapshot(self) -> tuple[StageStatistics, ...]:
        """Return the figures of all stages at this moment; callable from any thread."""
        # Stages are first heard of in any order, since they run side by side.
        return tuple(meter.snapshot() for meter in sorted(self._meters.copy().values(), key=_place))

    def settle(self) -> None:
        """Let go of all streams that are followed."""
        for meter in list(self._meters.values()):
            meter.settle()


def _place(meter: StageMeter) -> int:
    return _ORDER.index(meter.name) if meter.name in _ORDER else len(_ORDER)


def _sum(total: StageStatistics, stream: StreamStatistics) -> StageStatistics:
    return dataclasses.replace(
        total,
        chunks_in=total.chunks_in + stream.chunks_in,
        chunks_out=total.chunks_out + stream.chunks_out,
        bytes_in=total.bytes_in + stream.bytes_in,
        bytes_out=total.bytes_out + stream.bytes_out,
        queued=stream.queued,
        high_water_mark=stream.high_water_mark,
        waited_for_input=total.waited_for_input + stream.waited_for_input,
        waited_for_output=total.waited_for_output + stream.waited_for_output,
    )
