"""Readers, iterators and sources at their edges; the numbered behaviours are in ``tests/conformance``."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from kamaros_gui.streams import (
    CountQueuingStrategy,
    ReadableStream,
    ReadableWritablePair,
    TransformStream,
    WritableStream,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, RecordingSource, no_task_left, rejects_with

E1 = ValueError("first")


def test_a_size_must_be_callable() -> None:
    class Strategy:
        high_water_mark = 1
        size = 3

    async def make() -> None:
        ReadableStream(None, Strategy())

    with pytest.raises(TypeError, match="size"):
        asyncio.run(make())


async def test_a_released_reader_refuses_everything() -> None:
    reader = ReadableStream[str]().get_reader()
    reader.release_lock()
    reader.release_lock()
    await rejects_with(reader.read(), TypeError)
    await rejects_with(reader.cancel(), TypeError)
    await rejects_with(reader.closed, TypeError)


async def test_releasing_after_the_end_renews_closed() -> None:
    stream: ReadableStream[str] = ReadableStream(ListSource(""))
    reader = stream.get_reader()
    await reader.closed
    reader.release_lock()
    await rejects_with(reader.closed, TypeError)


async def test_a_read_from_a_failed_stream_gives_its_error() -> None:
    source = RecordingSource()
    reader = ReadableStream[str](source).get_reader()
    source.controller.error(E1)
    source.controller.error(KeyError("second"))
    await rejects_with(reader.read(), E1)


async def test_an_error_ends_an_iteration_and_releases_the_stream() -> None:
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source)
    iterator = stream.values()
    source.controller.error(E1)
    await rejects_with(anext(iterator), E1)
    assert not stream.locked
    await rejects_with(anext(iterator), StopAsyncIteration)


@pytest.mark.parametrize("prevent_cancel", [False, True])
async def test_aclose_ends_an_iteration_once(prevent_cancel: bool) -> None:
    source = ListSource("abc")
    stream: ReadableStream[str] = ReadableStream(source)
    iterator = stream.values(prevent_cancel=prevent_cancel)
    assert await anext(iterator) == "a"
    await iterator.aclose("enough")
    await iterator.aclose("again")
    assert source.cancelled == ([] if prevent_cancel else ["enough"])
    assert not stream.locked
    await rejects_with(anext(iterator), StopAsyncIteration)


async def test_a_cancelled_iteration_can_go_on() -> None:
    source = RecordingSource()
    iterator = ReadableStream[str](source).values()

    async def read() -> str:
        return await anext(iterator)

    task = asyncio.create_task(read())
    await until_idle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    source.controller.enqueue("lost with its reader")
    source.controller.enqueue("next")
    assert await anext(iterator) == "next"


async def test_aclose_ends_a_step_that_is_under_way() -> None:
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source)
    iterator = stream.values()

    async def step() -> str:
        return await anext(iterator)

    task = asyncio.create_task(step())
    await until_idle()
    await iterator.aclose()
    # The reader is released with the stream closed, so the step finds the end.
    await rejects_with(asyncio.gather(task), StopAsyncIteration)
    assert not stream.locked


def test_an_iterator_that_outlives_its_loop_is_dropped_in_silence() -> None:
    source = ListSource("abc")

    async def begin() -> Any:
        iterator = ReadableStream[str](source).values()
        await anext(iterator)
        return iterator

    iterator = asyncio.run(begin())
    del iterator
    gc.collect()
    assert source.cancelled == []


async def test_an_async_iterable_that_ends_is_not_closed() -> None:
    class Numbers:
        def __init__(self) -> None:
            self.left = [1, 2]
            self.closed = False

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

        async def aclose(self) -> None:
            self.closed = True

    numbers = Numbers()
    async with no_task_left():
        assert [number async for number in ReadableStream.from_(numbers)] == [1, 2]
    assert not numbers.closed


async def test_iterators_without_close_are_cancelled_too() -> None:
    class Endless:
        def __aiter__(self) -> Endless:
            return self

        async def __anext__(self) -> int:
            return 1

    for endless in (Endless(), iter(int, 1)):
        reader = ReadableStream.from_(endless).get_reader()  # type: ignore[type-var]
        await reader.read()
        assert await reader.cancel() is None
        assert (await reader.read()).done


async def test_pipe_through_takes_any_pair_and_refuses_locked_ones() -> None:
    transform: TransformStream[Any, Any] = TransformStream()
    pair = ReadableWritablePair(transform.writable, transform.readable)
    source = ReadableStream.from_([1, 2])
    with pytest.raises(TypeError, match="signal"):
        source.pipe_through(pair, signal="now")  # type: ignore[arg-type]
    assert not source.locked
    assert [chunk async for chunk in source.pipe_through(pair)] == [1, 2]
    locked = ReadableStream[int]()
    reader = locked.get_reader()
    other: TransformStream[Any, Any] = TransformStream()
    with pytest.raises(TypeError, match="unlocked"):
        locked.pipe_through(other)
    reader.release_lock()
    writer = other.writable.get_writer()
    with pytest.raises(TypeError, match="unlocked"):
        locked.pipe_through(other)
    writer.release_lock()
    locked.pipe_through(other)


async def test_streams_tell_their_state() -> None:
    stream, dest = ReadableStream[int](), WritableStream[int]()
    assert repr(stream) == "<ReadableStream readable>"
    assert repr(dest) == "<WritableStream writable>"
    stream.get_reader()
    dest.get_writer()
    assert repr(stream) == "<ReadableStream readable locked>"
    assert repr(dest) == "<WritableStream writable locked>"


async def test_close_and_error_after_the_end_do_nothing_more() -> None:
    source = RecordingSource()
    stream: ReadableStream[str] = ReadableStream(source, CountQueuingStrategy(2))
    source.controller.enqueue("a")
    source.controller.close()
    source.controller.close_if_possible()
    with pytest.raises(TypeError):
        source.controller.close()
    reader = stream.get_reader()
    assert (await reader.read()).value == "a"
    source.controller.error(E1)
    await reader.closed
