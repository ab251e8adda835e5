"""Transforms at their edges; the numbered behaviours are in ``tests/conformance``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kamaros_gui.streams import CountQueuingStrategy, Promise, TransformStream
from tests.helpers.clock import until_idle
from tests.helpers.streams import rejects_with

E1 = ValueError("first")
E2 = KeyError("second")


class FailingSize:
    high_water_mark = 3

    @staticmethod
    def size(_chunk: object) -> float:
        raise E1


class Transformer:
    def __init__(self, **methods: Any) -> None:
        self.controller: Any = None
        for name, method in methods.items():
            setattr(self, name, method)

    def start(self, controller: Any) -> None:
        self.controller = controller


async def test_a_transformer_sees_the_room_of_the_readable_side() -> None:
    transformer = Transformer()
    pair: TransformStream[Any, Any] = TransformStream(transformer, None, CountQueuingStrategy(2))
    assert transformer.controller.desired_size == 2
    transformer.controller.enqueue("a")
    assert transformer.controller.desired_size == 1
    await pair.readable.cancel()
    assert transformer.controller.desired_size == 0


@pytest.mark.parametrize("transforms", [False, True])
async def test_a_result_without_a_size_fails_both_sides(transforms: bool) -> None:
    methods = {"transform": lambda chunk, controller: controller.enqueue(chunk)} if transforms else {}
    pair: TransformStream[Any, Any] = TransformStream(Transformer(**methods), None, FailingSize)
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    await rejects_with(writer.write("a"), E1)
    await rejects_with(writer.closed, E1)
    await rejects_with(reader.closed, E1)


async def test_a_transformer_that_catches_the_error_of_its_result_has_failed_all_the_same() -> None:
    def transform(chunk: Any, controller: Any) -> None:
        with pytest.raises(ValueError, match="first"):
            controller.enqueue(chunk)

    pair: TransformStream[Any, Any] = TransformStream(Transformer(transform=transform), None, FailingSize)
    writer = pair.writable.get_writer()
    await until_idle()
    writer.write("a")
    await rejects_with(writer.closed, E1)


@pytest.mark.parametrize("end", ["abort", "cancel", "close"])
async def test_an_error_while_the_last_method_runs_is_the_outcome(end: str) -> None:
    running: Promise[None] = Promise()
    method = "flush" if end == "close" else "cancel"
    transformer = Transformer(**{method: lambda _argument: running})
    pair: TransformStream[Any, Any] = TransformStream(transformer)
    await until_idle()
    if end == "cancel":
        # The readable side is closed already: it is the writable side that can still fail.
        outcome = pair.readable.cancel(E2)
    else:
        outcome = pair.writable.abort(E2) if end == "abort" else pair.writable.close()
    await until_idle()
    transformer.controller.error(E1)
    running.resolve(None)
    await rejects_with(outcome, E1)


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_chunk_that_waited_for_a_reader_may_fail(awaited: bool) -> None:
    def transform(_chunk: Any, _controller: Any) -> Any:
        if awaited:
            return Promise.rejected(E1)
        raise E1

    pair: TransformStream[Any, Any] = TransformStream(Transformer(transform=transform))
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    write = writer.write("a")
    await until_idle()
    assert write.pending
    await rejects_with(reader.read(), E1)
    await rejects_with(write, E1)
    await rejects_with(writer.closed, E1)


async def test_a_chunk_that_waited_for_a_reader_may_take_its_time() -> None:
    async def transform(chunk: Any, controller: Any) -> None:
        await asyncio.sleep(0)
        controller.enqueue(chunk * 2)

    pair: TransformStream[Any, Any] = TransformStream(Transformer(transform=transform))
    writer, reader = pair.writable.get_writer(), pair.readable.get_reader()
    await until_idle()
    write = writer.write("a")
    assert (await reader.read()).value == "aa"
    await write


async def test_a_chunk_that_waits_for_a_reader_is_given_up_with_the_transform() -> None:
    pair: TransformStream[Any, Any] = TransformStream()
    writer = pair.writable.get_writer()
    await until_idle()
    write = writer.write("a")
    await until_idle()
    abort = writer.abort(E1)
    await until_idle()
    assert write.pending, "the abort waits for the write, which waits for a reader"
    await pair.readable.cancel(E2)
    await rejects_with(write, E1)
    assert await abort is None
