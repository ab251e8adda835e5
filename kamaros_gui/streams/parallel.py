"""ParallelTransformStream: a transform that keeps several blocks in flight and delivers their results in order.

A deviation from the standard, whose transforms take one chunk at a time: compression runs in worker threads, and one
block at a time would leave all but one of them idle.
"""

from __future__ import annotations

from typing import Any

from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams.parallel_core import ParallelCore, ParallelTransformer, Submit
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, byte_length, high_water_mark_of, size_of
from kamaros_gui.streams.readable import ReadableStream
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.stream_controller import joined_statistics
from kamaros_gui.streams.writable import WritableStream
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["ParallelTransformStream"]


class ParallelTransformStream:
    """A pair of streams with a transformer whose jobs run side by side.

    The jobs of a chunk start as soon as there is a slot, before anybody reads: that is the point. Results wait for
    their turn and for room on the readable side, and keep their slot while they wait. The bytes of the chunks in work
    count against the writable side's high-water mark until their results are delivered, so memory is bounded by
    that mark, one chunk, and what the transformer swallows for a block that is not full yet.

    A failing job, or an abort from either side, starts no further job and delivers no further result. Jobs that run
    can't be stopped: both sides settle when the last of them is over, with one error object.

    Args:
        transformer: see :class:`ParallelTransformer`.
        submit: runs a job elsewhere and returns a future or another awaitable of its result, for example
            ``functools.partial(loop.run_in_executor, pool)``. ``concurrent.futures.Executor.submit`` will do too.
        max_in_flight: jobs submitted at once, at least 1. More than the workers, so that none waits for the loop.
        writable_strategy: bounds what is in work, in bytes if its size is in bytes; 16 MiB by default.
        readable_strategy: how much may wait for a reader; as for ``TransformStream``, nothing by default.

    Raises:
        TypeError: a method of the transformer is not callable.
        ValueError: a high-water mark is NaN or negative, or ``max_in_flight`` is below 1.
    """

    __slots__ = ("readable", "writable")

    def __init__(
        self,
        transformer: ParallelTransformer[Any],
        submit: Submit,
        max_in_flight: int,
        writable_strategy: object | None = None,
        readable_strategy: object | None = None,
    ) -> None:
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight must be at least 1, not {max_in_flight}")
        size: SizeOf = byte_length
        if writable_strategy is not None:
            size = size_of(writable_strategy) or (lambda _chunk: 1)
        core = ParallelCore(transformer, submit, max_in_flight, size)
        writable: WritableController[Any] = WritableController(
            core, high_water_mark_of(writable_strategy, 16 * 1024 * 1024), size
        )
        readable: ReadableController[Any] = ReadableController(
            _Source(core), high_water_mark_of(readable_strategy, 0), size_of(readable_strategy)
        )
        core.attach(writable, readable)
        writable.started_by(None)
        readable.started_by(None)
        self.writable: WritableStream[Any] = WritableStream(controller=writable)
        self.readable: ReadableStream[Any] = ReadableStream(controller=readable)

    def statistics(self) -> StreamStatistics:
        """Return what has gone through the pair so far. Plain reads, so any thread may call it.

        What came in, ``queued``, ``high_water_mark`` and ``waited_for_input`` are those of the writable side: how long
        the transformer had nothing to do. What went out and ``waited_for_output`` are those of the readable side: how
        long whoever reads it held the transformer back. Ask the sides themselves for the rest.
        """
        return joined_statistics(self.writable.controller, self.readable.controller)


class _Source:
    def __init__(self, core: ParallelCore) -> None:
        self._core = core

    def pull(self, _controller: object) -> None:
        self._core.deliver()

    def cancel(self, reason: object) -> Promise[None]:
        return self._core.stop_for_reader(reason)
