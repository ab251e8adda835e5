"""TransformStream: a writable and a readable side with a transformer between them (WHATWG Streams, section 6.2)."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from kamaros_gui.base.statistics import StreamStatistics
from kamaros_gui.streams.calling import is_awaitable, method_of, react
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import high_water_mark_of, size_of
from kamaros_gui.streams.readable import ReadableStream
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.stream_controller import joined_statistics
from kamaros_gui.streams.transform_controller import TransformController
from kamaros_gui.streams.writable import WritableStream
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["TransformStream"]

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


class _Sink:
    """The writable side's view of the transform."""

    def __init__(self, transform: TransformController[Any]) -> None:
        self.write = transform.write
        self.close = transform.close
        self.abort = transform.abort


class _Source:
    """The readable side's view of the transform."""

    def __init__(self, transform: TransformController[Any]) -> None:
        self._transform = transform
        self.cancel = transform.cancel

    def pull(self, _controller: object) -> None:
        self._transform.pull()


class TransformStream(Generic[I, O]):
    """A pair of streams with a transformer between them; without one, chunks pass unchanged.

    Args:
        transformer: an object with any of ``start``, ``transform``, ``flush`` and ``cancel``
            (:class:`~kamaros_gui.streams.protocols.Transformer`).
        writable_strategy: how much may wait for the transformer; one chunk by default.
        readable_strategy: how much may wait for a reader; nothing by default, so nothing is transformed before
            somebody reads.

    Raises:
        TypeError: a method of the transformer is not callable.
        ValueError: a high-water mark is NaN or negative.
        Exception: what ``transformer.start`` raised.
    """

    __slots__ = ("readable", "writable")

    def __init__(
        self,
        transformer: object | None = None,
        writable_strategy: object | None = None,
        readable_strategy: object | None = None,
    ) -> None:
        transform: TransformController[O] = TransformController(transformer)
        writable: WritableController[I] = WritableController(
            _Sink(transform), high_water_mark_of(writable_strategy, 1), size_of(writable_strategy)
        )
        readable: ReadableController[O] = ReadableController(
            _Source(transform), high_water_mark_of(readable_strategy, 0), size_of(readable_strategy)
        )
        transform.attach(writable, readable)
        start = method_of(transformer, "start")
        result = start(transform) if start is not None else None
        if is_awaitable(result):
            # Both sides wait for it; it may be a coroutine, which can be awaited only once.
            started: Promise[None] = Promise()
            react(result, started.resolve, started.reject)
            result = started
        writable.started_by(result)
        readable.started_by(result)
        self.writable: WritableStream[I] = WritableStream(controller=writable)
        self.readable: ReadableStream[O] = ReadableStream(controller=readable)

    def statistics(self) -> StreamStatistics:
        """Return what has gone through the pair so far. Plain reads, so any thread may call it.

        What came in, ``queued``, ``high_water_mark`` and ``waited_for_input`` are those of the writable side: how long
        the transformer had nothing to do. What went out and ``waited_for_output`` are those of the readable side: how
        long whoever reads it held the transformer back. Ask the sides themselves for the rest.
        """
        return joined_statistics(self.writable.controller, self.readable.controller)
