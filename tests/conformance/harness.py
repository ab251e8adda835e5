"""Checks that any byte stream of the project must pass, whatever it reads from or writes to.

``make`` is called for each check and gives a fresh stream, at once or as an awaitable. The checks wait for promises
only, so they run with real files and worker threads too. Call them from a test::

    await check_readable(lambda: open_source(path), expected=path.read_bytes())

What must hold of a stream that fails is checked by ``check_failing_readable / _writable / _transform``: everything
settles with one error object, the other side learns of it once, the locks are released and no task is left.
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

__all__ = [
    "check_failing_readable",
    "check_failing_transform",
    "check_failing_writable",
    "check_readable",
    "check_transform",
    "check_writable",
]

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


async def check_failing_readable(
    make: Make[ReadableStream[Any]], error: BaseException | type[BaseException], before: bytes = b""
) -> None:
    """Check a stream that gives at most ``before`` and then fails with ``error``, or with an error of that type."""
    for check in (
        _reads_up_to_the_failure,
        _aborts_the_destination,
        _fails_both_branches,
        _fails_what_it_flows_through,
    ):
        await check(await _made(make), error, before)
        await _tasks_end(check.__name__)


async def check_failing_writable(
    make: Make[WritableStream[Any]], error: BaseException | type[BaseException], data: bytes = b"data" * 1000
) -> None:
    """Check a stream that fails with ``error``, or an error of that type, before it has taken and closed ``data``."""
    for check in (_fails_writer_and_close, _cancels_the_source, _fails_behind_a_tee):
        await check(await _made(make), error, data)
        await _tasks_end(check.__name__)


async def check_failing_transform(
    make: Make[Any], error: BaseException | type[BaseException], data: bytes = b"data" * 1000
) -> None:
    """Check a pair that fails with ``error``, or an error of that type, before ``data`` has gone through."""
    pair = await _made(make)
    source = ListSource(_pieces(data))
    sink = _Collector()
    into = ReadableStream(source).pipe_to(pair.writable)
    out = pair.readable.pipe_to(WritableStream(sink))
    failures = [await _failure_of(pipe, error) for pipe in (into, out)]
    assert failures[0] is failures[1], "the two sides failed with two errors"
    assert sink.aborted == [failures[0]]
    assert source.cancelled in ([failures[0]], []), "the source learnt of it more than once"
    assert not pair.readable.locked
    assert not pair.writable.locked
    await _tasks_end("the failure of a transform")


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
    # One more than there is: a source that does not read ahead tells its end only to somebody who has room.
    first, second = stream.tee(len(expected) + 1)
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


# -------------------------------------------------------------------------------------------------- failing


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 100] for at in range(0, len(data), 100)]


class _Collector:
    def __init__(self) -> None:
        self.content = b""
        self.aborted: list[object] = []
        self.closed = False

    def write(self, chunk: Any, _controller: Any) -> None:
        self.content += bytes(chunk)

    def close(self) -> None:
        self.closed = True

    def abort(self, reason: object) -> None:
        self.aborted.append(reason)


async def _failure_of(awaitable: Awaitable[Any], error: BaseException | type[BaseException]) -> BaseException:
    with pytest.raises(error if isinstance(error, type) else type(error)) as caught:
        await asyncio.wait_for(awaitable, 30)
    assert isinstance(error, type) or caught.value is error, f"{caught.value!r} is another object than {error!r}"
    return caught.value


async def _reads_up_to_the_failure(stream: ReadableStream[Any], error: Any, before: bytes) -> None:
    reader = stream.get_reader()
    got = b""

    async def read_all() -> None:
        nonlocal got
        while not (result := await reader.read()).done:
            got += bytes(result.value)

    failure = await _failure_of(read_all(), error)
    # An error drops what is queued, so less than everything before it may come.
    assert before.startswith(got), "it gave other bytes before it failed"
    for again in (reader.read(), reader.closed, reader.cancel("late")):
        assert await _failure_of(again, error) is failure
    reader.release_lock()
    assert not stream.locked


async def _aborts_the_destination(stream: ReadableStream[Any], error: Any, before: bytes) -> None:
    sink = _Collector()
    dest = WritableStream[Any](sink)
    failure = await _failure_of(stream.pipe_to(dest), error)
    assert sink.aborted == [failure]
    assert not sink.closed
    assert before.startswith(sink.content)
    assert not stream.locked
    assert not dest.locked


async def _fails_both_branches(stream: ReadableStream[Any], error: Any, before: bytes) -> None:
    sinks = [_Collector(), _Collector()]
    branches = stream.tee(max(1, len(before)))
    pipes = [branch.pipe_to(WritableStream(sink)) for branch, sink in zip(branches, sinks, strict=True)]
    failures = [await _failure_of(pipe, error) for pipe in pipes]
    assert failures[0] is failures[1]
    for sink in sinks:
        assert sink.aborted == [failures[0]]


async def _fails_what_it_flows_through(stream: ReadableStream[Any], error: Any, _before: bytes) -> None:
    cancelled: list[object] = []

    class Transformer:
        def cancel(self, reason: object) -> None:
            cancelled.append(reason)

    sink = _Collector()
    pair: TransformStream[Any, Any] = TransformStream(Transformer())
    failure = await _failure_of(stream.pipe_through(pair).pipe_to(WritableStream(sink)), error)
    assert cancelled == [failure]
    assert sink.aborted == [failure]
    assert not stream.locked


async def _fails_writer_and_close(stream: WritableStream[Any], error: Any, data: bytes) -> None:
    writer = stream.get_writer()

    async def write_all() -> None:
        for piece in _pieces(data):
            await writer.ready
            await writer.write(piece)
        await writer.close()

    failure = await _failure_of(write_all(), error)
    assert await _failure_of(writer.closed, error) is failure
    assert await _failure_of(writer.ready, error) is failure
    await rejects_with(writer.close(), TypeError)
    assert await writer.abort("late") is None
    writer.release_lock()


async def _cancels_the_source(stream: WritableStream[Any], error: Any, data: bytes) -> None:
    source = ListSource(_pieces(data))
    readable = ReadableStream(source)
    failure = await _failure_of(readable.pipe_to(stream), error)
    assert source.cancelled in ([failure], []), "the source learnt of it more than once"
    assert source.cancelled or readable.controller.state == "closed", "the source never learnt of it"
    assert not readable.locked
    assert not stream.locked


async def _fails_behind_a_tee(stream: WritableStream[Any], error: Any, data: bytes) -> None:
    sink = _Collector()
    failing, other = ReadableStream(ListSource(_pieces(data))).tee(1000)
    pipes = [failing.pipe_to(stream), other.pipe_to(WritableStream(sink))]
    await _failure_of(pipes[0], error)
    await pipes[1]
    assert sink.content == data, "the failure of one branch's sink stopped the other branch"
    assert sink.closed


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
