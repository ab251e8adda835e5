"""What the streams cost and what they promise: ``python -m tests.bench.bench_streams [section …]``.

hops      microseconds one 64 KiB chunk costs in each hop, with sources and sinks that do nothing; a hop is a pipe
overhead  throughput of file → tee → (SHA-256 and CRC-32, null) as a ratio to a plain ``read`` + ``sha256`` loop
stall     a 20 GiB source before a sink that never finishes: bytes read until it stops, growth of the process
tee       the same behind a tee with one branch stalled, and with that branch cancelled
idle      CPU time of a process whose pipe waits for a slow source
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Any

from kamaros_gui.base.limits import KIB, MIB, STAGE_QUEUE, TEE_BOUND
from kamaros_gui.codecs import ContentDigest
from kamaros_gui.pipeline.stages import digest_sink
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
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


def hops() -> None:
    print(f"{'hops':45}{'µs/chunk':>10}{'µs/hop':>10}{'GiB/s at 64 KiB':>18}")
    for name, case in CASES.items():
        per_chunk, per_hop = measure(case)
        print(f"{name:45}{per_chunk:10.2f}{per_hop:10.2f}{CHUNK.nbytes / per_chunk * 1e6 / 2**30:18.1f}")


# ------------------------------------------------------------------------------------------------- overhead

FILE_SIZE = 512 * MIB


def plain_hash(path: str, step: int) -> float:
    """Seconds of the loop everybody would write."""
    began = perf_counter()
    digest, buffer = hashlib.sha256(), bytearray(step)
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(memoryview(buffer)[:size])
    assert digest.digest()
    return perf_counter() - began


async def hash_through_streams(path: str, chunk_size: int, *, crc: bool) -> float:
    """Seconds of the network a save is made of, less the encoder: RangeSource, tee, digest in a worker, null sink."""
    workers = Workers(os.cpu_count() or 1)
    file = RandomAccessFile(path)
    began = perf_counter()
    source = RangeSource(
        file, 0, FILE_SIZE, chunk_size=chunk_size, submit=workers.io, slabs=SlabPool(slab_size(chunk_size))
    )
    content = ReadableStream[Any](source, ByteLengthQueuingStrategy(chunk_size))
    to_digest, to_null = content.tee(max(TEE_BOUND, 2 * chunk_size))
    digest: Any = ContentDigest() if crc else hashlib.sha256()
    null = Sink()
    await pipe_all(
        to_digest.pipe_to(WritableStream(digest_sink(digest, workers.compute), ByteLengthQueuingStrategy(STAGE_QUEUE))),
        to_null.pipe_to(WritableStream(null, ByteLengthQueuingStrategy(STAGE_QUEUE))),
    )
    seconds = perf_counter() - began
    assert null.chunks == FILE_SIZE // chunk_size
    file.close()
    workers.close()
    return seconds


def overhead(rounds: int = 7) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:
            block = os.urandom(MIB)
            file.writelines(block for _ in range(FILE_SIZE // MIB))
        for chunk_size in (64 * KIB, 256 * KIB, MIB):
            for crc in (False, True):
                ratios, speeds = [], []
                for _ in range(rounds):
                    plain = plain_hash(path, chunk_size)
                    seconds = asyncio.run(hash_through_streams(path, chunk_size, crc=crc))
                    ratios.append(plain / seconds)
                    speeds.append(FILE_SIZE / MIB / seconds)
                what = "SHA-256 + CRC-32" if crc else "SHA-256"
                print(
                    f"overhead: {chunk_size // KIB} KiB chunks, tee → ({what}, null):"
                    f" {statistics.median(ratios):.2f} of a plain read + sha256 loop (median of {rounds} alternating"
                    f" runs, {min(ratios):.2f} to {max(ratios):.2f}), {statistics.median(speeds):.0f} MiB/s"
                )


# ---------------------------------------------------------------------------------------------------- stall

HUGE = 20 << 30


def resident() -> int:
    """Bytes of memory the process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Stalled:
    """Takes a number of chunks and then no more."""

    def __init__(self, chunks: int = 0) -> None:
        self.left = chunks
        self.stuck = asyncio.get_running_loop().create_future()

    def write(self, _chunk: Any, _controller: Any) -> Any:
        self.left -= 1
        return self.stuck if self.left < 0 else None


class HugeFile:
    """A sparse file of 20 GiB, read through the real file source; counts what is read of it."""

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, "huge")
        with open(path, "wb") as file:
            file.truncate(HUGE)
        self.file = RandomAccessFile(path)
        self.workers = Workers(2)
        self.read = 0

    def open(self, chunk_size: int = 256 * KIB) -> ReadableStream[Any]:
        def submit(function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
            self.read += len(arguments[0])
            return self.workers.io(function, *arguments)

        source = RangeSource(
            self.file, 0, HUGE, chunk_size=chunk_size, submit=submit, slabs=SlabPool(slab_size(chunk_size))
        )
        return ReadableStream(source, ByteLengthQueuingStrategy(chunk_size))

    def close(self) -> None:
        self.file.close()
        self.workers.close()


async def _until_it_stands_still(progress: Callable[[], int], quiet: float = 1.0) -> None:
    last = -1
    while progress() != last:
        last = progress()
        await asyncio.sleep(quiet)


async def _stall(folder: str) -> None:
    huge = HugeFile(folder)
    warm_up = 400  # so that what a running pipe needs is there before the first look at the memory
    sink = Stalled(warm_up)
    before = resident()
    stream = huge.open()
    pipe = stream.pipe_to(WritableStream(sink, ByteLengthQueuingStrategy(STAGE_QUEUE)))
    await _until_it_stands_still(lambda: huge.read)
    taken = warm_up * 256 * KIB
    print(
        f"stall: a stalled sink holds a source of {HUGE >> 30} GiB after {huge.read / MIB:.2f} MiB,"
        f" {(huge.read - taken) / MIB:.2f} MiB more than the sink took; the process grew by"
        f" {(resident() - before) / MIB:.1f} MiB"
    )
    sink.stuck.set_exception(ValueError("enough"))
    await asyncio.gather(pipe, return_exceptions=True)
    huge.close()


async def _tee(folder: str) -> None:
    huge = HugeFile(folder)
    quick = Sink()
    before = resident()
    first, second = huge.open().tee(TEE_BOUND)
    pipe = first.pipe_to(WritableStream(quick, ByteLengthQueuingStrategy(STAGE_QUEUE)))
    sink = Stalled()
    stalled = second.pipe_to(WritableStream(sink, ByteLengthQueuingStrategy(STAGE_QUEUE)))
    await _until_it_stands_still(lambda: huge.read)
    print(
        f"tee: with one branch stalled the source stops after {huge.read / MIB:.2f} MiB, the other branch after"
        f" {quick.chunks * 256 / 1024:.2f} MiB; the process grew by {(resident() - before) / MIB:.1f} MiB"
    )
    began = perf_counter()
    sink.stuck.set_exception(ValueError("enough"))
    await pipe
    seconds = perf_counter() - began
    await asyncio.gather(stalled, return_exceptions=True)
    assert quick.chunks * 256 * KIB == HUGE
    print(
        f"tee: after that branch was cancelled the other one ran through all {HUGE >> 30} GiB in {seconds:.1f} s"
        f" ({HUGE / 2**30 / seconds:.1f} GiB/s of a sparse file); the process grew by"
        f" {(resident() - before) / MIB:.1f} MiB"
    )
    huge.close()


def stall() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_stall(folder))


def tee() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_tee(folder))


# ----------------------------------------------------------------------------------------------------- idle


async def _idle(seconds: float) -> None:
    waiting = asyncio.Event()

    class Slow:
        """Gives a chunk every half second, like a network that has almost stopped."""

        async def pull(self, controller: Any) -> None:
            if waiting.is_set():
                controller.close()
                return
            await asyncio.sleep(0.5)
            controller.enqueue(CHUNK)

    sinks = [Sink(), Sink()]
    left, right = ReadableStream[Any](Slow()).tee(MIB)
    pipes = pipe_all(
        left.pipe_through(TransformStream(Pass())).pipe_to(writable(sinks[0])), right.pipe_to(writable(sinks[1]))
    )
    asyncio.get_running_loop().call_later(seconds, waiting.set)
    cpu, began = process_time(), perf_counter()
    await pipes
    used, passed = process_time() - cpu, perf_counter() - began
    print(
        f"idle: {sinks[0].chunks} chunks in {passed:.1f} s from a slow source through tee, transform and two sinks:"
        f" {used * 1000:.1f} ms of CPU time, {used / passed:.2%} of a core"
    )


def idle() -> None:
    asyncio.run(_idle(3.0))


SECTIONS = {"hops": hops, "overhead": overhead, "stall": stall, "tee": tee, "idle": idle}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench_streams", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", default=list(SECTIONS), help="what to measure; everything by default")
    for section in parser.parse_args().section:
        if section not in SECTIONS:
            parser.error(f"no section {section}: there are {', '.join(SECTIONS)}")
        SECTIONS[section]()


if __name__ == "__main__":
    main()
