"""The behaviours T1-T12 of transform streams."""

from __future__ import annotations

from typing import Any

import pytest

from kamaros_gui.streams import CountQueuingStrategy, Promise, ReadableStream, TransformStream
from tests.helpers.clock import until_idle
from tests.helpers.streams import Recorder, rejects_with

E1 = ValueError("first")
E2 = KeyError("second")
ONE = CountQueuingStrategy(1)


class Transformer:
    """Passes chunks on; notes calls; ``on_…`` replace what a call does."""

    def __init__(self, **on: Any) -> None:
        self.events: list[Any] = []
        self.on = on
        self.controller: Any = None

    def start(self, controller: Any) -> Any:
        self.controller = controller
        return self.on["start"](controller) if "start" in self.on else None

    def transform(self, chunk: Any, controller: Any) -> Any:
        self.events.append(("transform", chunk))
        if "transform" in self.on:
            return self.on["transform"](chunk, controller)
        controller.enqueue(chunk)
        return None

    def flush(self, controller: Any) -> Any:
        self.events.append("flush")
        return self.on["flush"](controller) if "flush" in self.on else None

    def cancel(self, reason: object) -> Any:
        self.events.append(("cancel", reason))
        return self.on["cancel"](reason) if "cancel" in self.on else None


def raising(error: BaseException) -> Any:
    def method(*_arguments: object) -> None:
        raise error

    return method


async def test_T1_nothing_is_transformed_before_a_read() -> None:
    """By default nothing is transformed before somebody reads."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    writer = pair.writable.get_writer()
    write = writer.write("a")
    await until_idle()
    assert transformer.events == []
    assert write.pending
    assert (await pair.readable.get_reader().read()).value == "a"
    await write


async def test_T2_with_room_exactly_one_chunk_is_transformed_without_a_reader() -> None:
    """A readable mark of 1 lets exactly one chunk be transformed without a reader."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer, None, ONE)
    writer = pair.writable.get_writer()
    writer.write("a")
    writer.write("b")
    await until_idle()
    assert transformer.events == [("transform", "a")]


async def test_T2_a_transform_that_enqueues_nothing_never_backpressures() -> None:
    """A transform that enqueues nothing never holds its writer back."""
    transformer = Transformer(transform=lambda _chunk, _controller: None)
    pair: TransformStream[Any, Any] = TransformStream(transformer, None, ONE)
    writer = pair.writable.get_writer()
    for number in range(20):
        await writer.write(number)
    assert writer.desired_size == 1


async def test_T3_a_blocking_transform_keeps_desired_size_at_zero() -> None:
    """The writer has no room while transform() has not settled."""
    blocking: Promise[None] = Promise()
    pair: TransformStream[Any, Any] = TransformStream(Transformer(transform=lambda *_: blocking), None, ONE)
    writer = pair.writable.get_writer()
    await until_idle()
    write = writer.write("a")
    await until_idle()
    assert writer.desired_size == 0
    blocking.resolve(None)
    await write
    assert writer.desired_size == 1


@pytest.mark.parametrize("method", ["transform", "flush"])
@pytest.mark.parametrize("awaited", [False, True])
async def test_T4_a_failing_transformer_errors_both_sides(method: str, awaited: bool) -> None:
    """A failing transform or flush errors both sides with the same error."""
    failing = (lambda *_: Promise.rejected(E1)) if awaited else raising(E1)
    pair: TransformStream[Any, Any] = TransformStream(Transformer(**{method: failing}), None, ONE)
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    await rejects_with(writer.write("a") if method == "transform" else writer.close(), E1)
    await rejects_with(writer.closed, E1)
    await rejects_with(reader.read(), E1)
    await rejects_with(reader.closed, E1)


@pytest.mark.parametrize("full", [False, True])
async def test_T5_cancelling_the_readable_side_errors_the_writable_side(full: bool) -> None:
    """Cancelling the readable side calls cancel and fails the writable side and the pipe into it."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    source: ReadableStream[Any] = ReadableStream.from_([1, 2, 3]) if full else ReadableStream()
    pipe = source.pipe_to(pair.writable)
    await until_idle()
    cancelled = pair.readable.cancel(E1)
    await rejects_with(pipe, E1)
    await cancelled
    assert transformer.events == [("cancel", E1)]


async def test_T6_aborting_the_writable_side_errors_the_readable_side() -> None:
    """Aborting the writable side calls cancel, not flush, and errors the readable side."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    await pair.writable.abort(E1)
    await rejects_with(pair.readable.get_reader().read(), E1)
    assert transformer.events == [("cancel", E1)]


@pytest.mark.parametrize("side", ["readable", "writable"])
async def test_T7_a_failing_cancel_is_the_outcome_everywhere(side: str) -> None:
    """What transformer.cancel raises is the outcome, and the other side's error."""
    pair: TransformStream[Any, Any] = TransformStream(Transformer(cancel=raising(E2)))
    await until_idle()
    if side == "readable":
        await rejects_with(pair.readable.cancel(E1), E2)
        await rejects_with(pair.writable.get_writer().closed, E2)
    else:
        await rejects_with(pair.writable.abort(E1), E2)
        await rejects_with(pair.readable.get_reader().closed, E2)


async def test_T8_close_in_parallel_with_a_failing_cancel_rejects_with_its_error() -> None:
    """A close beside a failing cancel rejects with the cancel's error; flush does not run."""
    cancelling: Promise[None] = Promise()
    transformer = Transformer(cancel=lambda _reason: cancelling)
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    await until_idle()
    cancelled = pair.readable.cancel(E1)
    closed = pair.writable.close()
    cancelling.reject(E2)
    await rejects_with(cancelled, E2)
    await rejects_with(closed, E2)
    assert transformer.events == [("cancel", E1)]


async def test_T8_cancel_while_flushing_does_not_call_cancel() -> None:
    """A cancel while flush runs gets its outcome; cancel does not run."""
    flushing: Promise[None] = Promise()
    transformer = Transformer(flush=lambda _controller: flushing)
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    await until_idle()
    closed = pair.writable.close()
    cancelled = pair.readable.cancel(E1)
    flushing.resolve(None)
    await closed
    await cancelled
    assert transformer.events == ["flush"]


async def test_T9_terminate_closes_one_side_and_errors_the_other() -> None:
    """terminate closes the readable side after its queue and fails the writable side and its pipe with TypeError."""

    def transform(chunk: Any, controller: Any) -> None:
        controller.enqueue(chunk)
        controller.terminate()

    transformer = Transformer(transform=transform)
    pair: TransformStream[Any, Any] = TransformStream(transformer, None, CountQueuingStrategy(3))
    pipe = ReadableStream.from_([1, 2, 3]).pipe_to(pair.writable)
    await rejects_with(pipe, TypeError)
    assert [chunk async for chunk in pair.readable] == [1]
    assert transformer.events == [("transform", 1)]


async def test_T10_terminate_in_flush_does_not_fail_the_close() -> None:
    """terminate inside flush does not fail the close."""
    pair: TransformStream[Any, Any] = TransformStream(Transformer(flush=lambda controller: controller.terminate()))
    await pair.writable.close()
    assert [chunk async for chunk in pair.readable] == []


async def test_T10_enqueue_after_terminate_raises() -> None:
    """enqueue after terminate raises TypeError."""
    transformer = Transformer()
    TransformStream(transformer)
    transformer.controller.terminate()
    with pytest.raises(TypeError):
        transformer.controller.enqueue("a")


async def test_T11_the_first_error_wins() -> None:
    """The first error is the one both sides keep."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    transformer.controller.error(E1)
    transformer.controller.error(E2)
    await rejects_with(pair.readable.get_reader().closed, E1)
    await rejects_with(pair.writable.get_writer().closed, E1)


@pytest.mark.parametrize("end", ["cancel", "abort"])
async def test_T11_an_error_after_the_end_changes_nothing(end: str) -> None:
    """An error after a cancel or an abort has ended changes nothing."""
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    await until_idle()
    if end == "cancel":
        await pair.readable.cancel(E1)
        transformer.controller.error(E2)
        await pair.readable.get_reader().closed
        await rejects_with(pair.writable.get_writer().closed, E1)
    else:
        await pair.writable.abort(E1)
        transformer.controller.error(E2)
        await rejects_with(pair.readable.get_reader().closed, E1)


async def test_T12_a_rejected_start_errors_both_sides() -> None:
    """A failing start errors both sides; transform and flush never run."""

    async def start(_controller: Any) -> None:
        raise E1

    transformer = Transformer(start=start)
    pair: TransformStream[Any, Any] = TransformStream(transformer, None, ONE)
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    write, close = writer.write("a"), writer.close()
    await rejects_with(reader.read(), E1)
    await rejects_with(write, E1)
    await rejects_with(close, E1)
    assert transformer.events == []


async def test_chunks_pass_unchanged_without_a_transformer_and_in_order() -> None:
    recorder = Recorder()
    chunks = list(range(100))
    async for chunk in ReadableStream.from_(chunks).pipe_through(TransformStream()):
        recorder.note(chunk)
    assert recorder.events == chunks
