"""The harness on streams of memory, and that it notices what is wrong."""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    TransformStream,
    WritableStream,
)
from tests.conformance.harness import check_readable, check_transform, check_writable
from tests.helpers.streams import ListSource

DATA = bytes(range(256)) * 8


class Deflate:
    def __init__(self) -> None:
        self.stream = zlib.compressobj()

    def transform(self, chunk: Any, controller: Any) -> None:
        if out := self.stream.compress(chunk):
            controller.enqueue(out)

    def flush(self, controller: Any) -> None:
        controller.enqueue(self.stream.flush())


class Reversed:
    """A parallel transformer that swallows until it has a block."""

    def __init__(self) -> None:
        self.rest = b""

    def transform(self, chunk: Any) -> list[Callable[[], bytes]]:
        self.rest += bytes(chunk)
        blocks = []
        while len(self.rest) >= 64:
            blocks.append(functools.partial(bytes, self.rest[:64]))
            self.rest = self.rest[64:]
        return blocks

    def flush(self) -> list[Callable[[], bytes]]:
        return [functools.partial(bytes, self.rest)] if self.rest else []


class Memory:
    def __init__(self) -> None:
        self.content = b""

    def write(self, chunk: Any, _controller: Any) -> Any:
        self.content += bytes(chunk)
        return asyncio.sleep(0) if len(self.content) % 2 else None

    def abort(self, _reason: object) -> None:
        self.content = b""


def memory() -> tuple[WritableStream[bytes], Callable[[], bytes]]:
    sink = Memory()
    return WritableStream(sink), lambda: sink.content


async def test_a_good_source_passes() -> None:
    chunks = [DATA[at : at + 100] for at in range(0, len(DATA), 100)]
    await check_readable(lambda: ReadableStream(ListSource(chunks), ByteLengthQueuingStrategy(200)), DATA)


async def test_a_source_that_runs_ahead_is_noticed() -> None:
    class Eager(ListSource):
        def pull(self, controller: Any) -> None:
            while self.left:
                controller.enqueue(self.left.pop(0))
            controller.close()

    with pytest.raises(AssertionError, match="ahead"):
        await check_readable(lambda: ReadableStream(Eager([DATA] * 9), ByteLengthQueuingStrategy(100)), DATA * 9)


async def test_a_source_that_reuses_its_buffer_too_early_is_noticed() -> None:
    class Reusing:
        def __init__(self) -> None:
            self.buffer = bytearray(10)
            self.left = 10

        def pull(self, controller: Any) -> None:
            self.left -= 1
            self.buffer[:] = bytes([self.left]) * 10
            controller.enqueue(self.buffer)
            if not self.left:
                controller.close()

    # Reading one by one, each copied at once, is right; a chunk that waits is not.
    expected = b"".join(bytes([left]) * 10 for left in range(9, -1, -1))
    with pytest.raises(AssertionError):
        await check_readable(lambda: ReadableStream(Reusing(), ByteLengthQueuingStrategy(50)), expected)


async def test_a_good_sink_passes() -> None:
    await check_writable(memory)


async def test_a_sink_that_keeps_what_was_aborted_is_noticed() -> None:
    class Keeping(Memory):
        def abort(self, _reason: object) -> None:
            pass

    def make() -> tuple[WritableStream[bytes], Callable[[], bytes]]:
        sink = Keeping()
        return WritableStream(sink), lambda: sink.content

    with pytest.raises(AssertionError, match="left something behind"):
        await check_writable(make)


async def test_a_good_transform_passes() -> None:
    await check_transform(lambda: TransformStream(Deflate()), DATA, inverse=zlib.decompress)


async def test_a_parallel_transform_passes() -> None:
    with ThreadPoolExecutor(2) as pool:
        await check_transform(lambda: ParallelTransformStream(Reversed(), pool.submit, 4), DATA)  # type: ignore[arg-type]


async def test_a_transform_that_forgets_its_rest_is_noticed() -> None:
    class Forgetful(Reversed):
        flush = None  # type: ignore[assignment]

    with ThreadPoolExecutor(2) as pool, pytest.raises(AssertionError, match="wrong output"):
        await check_transform(
            lambda: ParallelTransformStream(Forgetful(), pool.submit, 4),  # type: ignore[arg-type]
            DATA[:-1],
        )
