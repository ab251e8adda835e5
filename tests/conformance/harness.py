"""Checks that any byte stream of the project must pass, whatever it reads from or writes to.

``make`` is called for each check and gives a fresh stream, at once or as an awaitable. The checks wait for promises
only, so they run with real files and worker threads too. Call them from a test::

    await check_readable(lambda: open_source(path), expected=path.read_bytes())
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import pytest

from kamaros_gui.base.abort import AbortController
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    Promise,
    ReadableStream,
    TransformStream,
    WritableStream,
    byte_length,
)
from tests.helpers.streams import FailingSource, ListSource, rejects_with

__all__ = ["check_readable", "check_transform", "check_writable"]

T = TypeVar("T")
Make: TypeAlias = Callable[[], T | Awaitable[T]]


async def check_readable(make: Make[ReadableStream[Any]], expected: bytes) -> None:
    """Check a stream that gives ``expected``, at least two bytes."""
    for check in (
        _reads_to_the_end,
        _lets_a_second_reader_go_on,
        _stops_when_cancelled,
        _pipes_with_backpressure,
        _tees,
        _stops_piping_when_aborted,
    ):
        await check(await _made(make), expected)
        await _tasks_end(check.__name__)


async def check_writable(make: Make[tuple[WritableStream[Any], Callable[[], bytes | None]]]) -> None:
    """Check a stream of bytes. ``make`` gives it with a function that tells what has arrived; ``None`` for nothing."""
    for check in (
        _writes_in_order_and_closes,
        _closes_empty,
        _takes_any_buffer,
        _refuses_after_close,
        _aborts,
        _aborts_when_the_pipe_fails,
    ):
        stream, written = await _made(make)
        await check(stream, written)
        await _tasks_end(check.__name__)


async def check_transform(
    make: Make[Any], data: bytes, *, inverse: Callable[[bytes], bytes] | None = None, expected: bytes | None = None
) -> None:
    """Check a pair of byte streams: ``inverse`` of what comes out, or that itself, is ``data`` or ``expected``."""
    want = data if expected is None else expected
    for cut in (1, 7, 4096, max(1, len(data))):
        chunks = [data[at : at + cut] for at in range(0, min(len(data), 5000 * cut), cut)]
        if b"".join(chunks) != data:
            continue
        pair = await _made(make)
        out = b"".join([bytes(chunk) async for chunk in ReadableStream(ListSource(chunks)).pipe_through(pair)])
        assert (out if inverse is None else inverse(out)) == want, f"wrong output for chunks of {cut} bytes"
        assert not pair.readable.locked
        await _tasks_end(f"transforming chunks of {cut} bytes")
    for check in (_cancel_reaches_the_writable_side, _abort_reaches_the_readable_side, _an_error_passes_through):
        await check(await _made(make), data)
        await _tasks_end(check.__name__)


async def _made(make: Make[T]) -> T:
    made = make()
    return await made if inspect.isawaitable(made) else made


async def _tasks_end(after: str) -> None:
    """Work in threads may take a moment to come back, but it must."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _done, left = await asyncio.wait(others, timeout=10)
        assert not left, f"tasks left after {after}: {left}"


# ------------------------------------------------------------------------------------------------- readable


async def _reads_to_the_end(stream: ReadableStream[Any], expected: bytes) -> None:
    reader = stream.get_reader()
    parts: list[bytes] = []
    while not (result := await reader.read()).done:
        assert byte_length(result.value) > 0, "an empty chunk"
        parts.append(bytes(result.value))
    assert b"".join(parts) == expected
    await reader.closed
    assert (await reader.read()).done
    await reader.cancel("after the end")
    reader.release_lock()
    assert not stream.locked


async def _lets_a_second_reader_go_on(stream: ReadableStream[Any], expected: bytes) -> None:
    reader = stream.get_reader()
    with pytest.raises(TypeError):
        stream.get_reader()
    await rejects_with(stream.cancel(), TypeError)
    first = bytes((await reader.read()).value)
    reader.release_lock()
    assert first + b"".join([bytes(chunk) async for chunk in stream]) == expected


async def _stops_when_cancelled(stream: ReadableStream[Any], _expected: bytes) -> None:
    reader = stream.get_reader()
    await reader.read()
    pending = reader.read()
    cancelled = reader.cancel("enough")
    await pending
    assert await cancelled is None
    assert (await reader.read()).done
    await reader.closed


class _SlowCollector:
    """Gives the event loop many turns for each chunk, and looks at what the source queued meanwhile."""

    def __init__(self, source: ReadableStream[Any]) -> None:
        self.parts: list[bytes] = []
        self.closed = False
        self.most = 0.0
        self.largest = 0
        self._source = source.controller

    async def write(self, chunk: Any, _controller: Any) -> None:
        copy = bytes(chunk)
        for _ in range(5):
            await asyncio.sleep(0)
        assert bytes(chunk) == copy, "the source changed a chunk before it was written"
        self.parts.append(copy)
        self.largest = max(self.largest, len(copy))
        self.most = max(self.most, self._source.queue_size)

    def close(self) -> None:
        self.closed = True


async def _pipes_with_backpressure(stream: ReadableStream[Any], expected: bytes) -> None:
    sink = _SlowCollector(stream)
    await stream.pipe_to(WritableStream(sink))
    assert b"".join(sink.parts) == expected
    assert sink.closed
    assert sink.most <= stream.controller.high_water_mark + sink.largest, "the source runs ahead of its mark"
    assert not stream.locked


async def _tees(stream: ReadableStream[Any], expected: bytes) -> None:
    first, second = stream.tee(max(1, len(expected)))
    assert b"".join([bytes(chunk) async for chunk in first]) == expected
    assert b"".join([bytes(chunk) async for chunk in second]) == expected


async def _stops_piping_when_aborted(stream: ReadableStream[Any], _expected: bytes) -> None:
    controller, reason = AbortController(), ValueError("abort")

    class Sink:
        def write(self, _chunk: Any, _controller: Any) -> None:
            controller.abort(reason)

    pipe = stream.pipe_to(WritableStream(Sink()), signal=controller.signal)
    await rejects_with(pipe, reason)
    assert not stream.locked
    assert stream.controller.state == "closed"


# ------------------------------------------------------------------------------------------------- writable

Written: TypeAlias = Callable[[], bytes | None]


async def _writes_in_order_and_closes(stream: WritableStream[Any], written: Written) -> None:
    chunks = [b"%d," % number for number in range(1000)]
    writer = stream.get_writer()
    with pytest.raises(TypeError):
        stream.get_writer()
    writes = [writer.write(chunk) for chunk in chunks]
    closed = writer.close()
    for write in writes:
        await write
    await closed
    await writer.closed
    assert written() == b"".join(chunks)


async def _closes_empty(stream: WritableStream[Any], written: Written) -> None:
    await stream.close()
    assert not written()


async def _takes_any_buffer(stream: WritableStream[Any], written: Written) -> None:
    writer = stream.get_writer()
    changing = bytearray(b"two,")
    await writer.write(b"one,")
    await writer.write(changing)
    await writer.write(memoryview(b"-three-")[1:-1])
    await writer.ready
    await writer.close()
    assert written() == b"one,two,three"


async def _refuses_after_close(stream: WritableStream[Any], _written: Written) -> None:
    writer = stream.get_writer()
    await writer.close()
    await rejects_with(writer.write(b"late"), TypeError)
    await rejects_with(writer.close(), TypeError)
    assert await writer.abort("late") is None


async def _aborts(stream: WritableStream[Any], written: Written) -> None:
    error = ValueError("abort")
    writer = stream.get_writer()
    await writer.write(b"some")
    abort = writer.abort(error)
    assert await abort is None
    await rejects_with(writer.write(b"more"), error)
    await rejects_with(writer.closed, error)
    assert not written(), "an aborted stream left something behind"


async def _aborts_when_the_pipe_fails(stream: WritableStream[Any], written: Written) -> None:
    error = ValueError("source")
    await rejects_with(ReadableStream(FailingSource([b"a", b"b"], error)).pipe_to(stream), error)
    assert not stream.locked
    assert not written(), "an aborted stream left something behind"


# ------------------------------------------------------------------------------------------------ transform


async def _cancel_reaches_the_writable_side(pair: Any, data: bytes) -> None:
    error = ValueError("cancel")
    writer = pair.writable.get_writer()
    write: Promise[None] = writer.write(data)
    assert await pair.readable.cancel(error) is None
    await rejects_with(writer.closed, error)
    # Whether the chunk made it through before the cancel is the transform's business; if not, this is why.
    outcome = (await asyncio.gather(write, return_exceptions=True))[0]
    assert outcome in {None, error}


async def _abort_reaches_the_readable_side(pair: Any, data: bytes) -> None:
    error = ValueError("abort")
    reader = pair.readable.get_reader()
    writer = pair.writable.get_writer()
    writer.write(data)
    abort = writer.abort(error)

    async def read_all() -> None:
        while not (await reader.read()).done:
            pass

    await rejects_with(read_all(), error)
    assert await abort is None
    await rejects_with(writer.closed, error)


async def _an_error_passes_through(pair: Any, data: bytes) -> None:
    error = ValueError("source")
    through: TransformStream[Any, Any] = TransformStream(None, None, ByteLengthQueuingStrategy(1))
    out = ReadableStream(FailingSource([data], error)).pipe_through(pair).pipe_through(through)

    async def read_all() -> None:
        async for _chunk in out:
            pass

    await rejects_with(read_all(), error)
    assert not pair.writable.locked
