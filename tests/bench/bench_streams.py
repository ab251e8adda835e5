"""What one chunk costs on its way through the streams: ``python -m tests.bench.bench_streams``.

The sources, sinks and transformers do nothing, so the time is that of the plumbing. Prints microseconds per chunk
and per hop, where a hop is a pipe; the best of several runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    TransformStream,
    WritableStream,
    pipe_all,
)

CHUNK = memoryview(bytes(64 * 1024))
CHUNKS = 20_000
RUNS = 5


class Source:
    def __init__(self) -> None:
        self.left = CHUNKS

    def pull(self, controller: Any) -> None:
        if self.left:
            self.left -= 1
            controller.enqueue(CHUNK)
        else:
            controller.close()


class Sink:
    def __init__(self) -> None:
        self.chunks = 0

    def write(self, chunk: Any, controller: Any) -> None:
        self.chunks += 1


class BatchSink(Sink):
    """Waits for the event loop once in 16 chunks, as a file sink does when it hands a batch to a thread."""

    def write(self, chunk: Any, controller: Any) -> Any:
        self.chunks += 1
        return asyncio.sleep(0) if self.chunks % 16 == 0 else None


class Pass:
    def transform(self, chunk: Any, controller: Any) -> None:
        controller.enqueue(chunk)


class JobPerChunk:
    def transform(self, chunk: Any) -> list[Callable[[], Any]]:
        return [lambda: chunk]


def submit_at_once(job: Callable[[], Any]) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(job())
    return future


def by_bytes(chunks: int) -> ByteLengthQueuingStrategy:
    return ByteLengthQueuingStrategy(chunks * CHUNK.nbytes)


def source() -> ReadableStream[memoryview]:
    return ReadableStream(Source(), by_bytes(1))


def writable(sink: Sink) -> WritableStream[memoryview]:
    return WritableStream(sink, by_bytes(4))


async def direct() -> tuple[int, list[Sink]]:
    sink = Sink()
    await source().pipe_to(writable(sink))
    return 1, [sink]


async def through_transform() -> tuple[int, list[Sink]]:
    sink = Sink()
    await source().pipe_through(TransformStream(Pass(), by_bytes(1), by_bytes(1))).pipe_to(writable(sink))
    return 2, [sink]


async def tee_and_transform(kind: type[Sink] = Sink) -> tuple[int, list[Sink]]:
    hashing, writing = Sink(), kind()
    left, right = source().tee(1024 * 1024)
    await pipe_all(
        left.pipe_to(writable(hashing)),
        right.pipe_through(TransformStream(Pass(), by_bytes(1), by_bytes(4))).pipe_to(writable(writing)),
    )
    return 4, [hashing, writing]


async def tee_and_transform_batches() -> tuple[int, list[Sink]]:
    return await tee_and_transform(BatchSink)


async def parallel() -> tuple[int, list[Sink]]:
    sink = Sink()
    pair = ParallelTransformStream(JobPerChunk(), submit_at_once, 8, by_bytes(16), by_bytes(4))
    await source().pipe_through(pair).pipe_to(writable(sink))
    return 2, [sink]


async def by_reader() -> tuple[int, list[Sink]]:
    sink = Sink()
    async for chunk in source():
        sink.write(chunk, None)
    return 1, [sink]


CASES: dict[str, Callable[[], Awaitable[tuple[int, list[Sink]]]]] = {
    "source → sink": direct,
    "source → transform → sink": through_transform,
    "source → tee → (sink, transform → sink)": tee_and_transform,
    "the same, one sink waiting per 16 chunks": tee_and_transform_batches,
    "source → parallel transform → sink": parallel,
    "async for over a source": by_reader,
}


def measure(case: Callable[[], Awaitable[tuple[int, list[Sink]]]]) -> tuple[float, float]:
    """Return microseconds per chunk, and per chunk and hop."""

    async def run() -> tuple[float, int]:
        began = perf_counter()
        hops, sinks = await case()
        seconds = perf_counter() - began
        assert all(sink.chunks == CHUNKS for sink in sinks)
        return seconds, hops

    results = [asyncio.run(run()) for _ in range(RUNS)]
    seconds, hops = min(results)
    per_chunk = seconds / CHUNKS * 1e6
    return per_chunk, per_chunk / hops


def main() -> None:
    print(f"{'':45}{'µs/chunk':>10}{'µs/hop':>10}{'GiB/s at 64 KiB':>18}")
    for name, case in CASES.items():
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        per_chunk, per_hop = measure(case)
        print(f"{name:45}{per_chunk:10.2f}{per_hop:10.2f}{CHUNK.nbytes / per_chunk * 1e6 / 2**30:18.1f}")


if __name__ == "__main__":
    main()
