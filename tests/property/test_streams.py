"""Random sequences against models: queues, the gap of a tee, chunk boundaries, aborts at any step."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kamaros_gui.base.abort import AbortController
from kamaros_gui.codecs import ContentDigest, make_encoder
from kamaros_gui.pipeline.stages import BlockTransformer, digest_sink
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    TransformStream,
    WritableStream,
    pipe_all,
)
from tests.helpers.clock import until_idle
from tests.helpers.streams import ListSource, Recorder, RecordingSink, RecordingSource, SlowSink, assert_no_tasks
from tests.helpers.trees import noise, text

CHUNKS = st.binary(min_size=0, max_size=40)
MARKS = st.integers(0, 60)


def by_bytes(mark: float) -> ByteLengthQueuingStrategy:
    return ByteLengthQueuingStrategy(mark)


# --------------------------------------------------------------------------------------------------- queues


@settings(max_examples=150, deadline=None)
@given(mark=MARKS, steps=st.lists(st.one_of(CHUNKS, st.just("read")), max_size=40))
def test_a_readable_queue_is_what_came_less_what_was_read(mark: int, steps: list[Any]) -> None:
    async def run() -> None:
        source = RecordingSource()
        stream: ReadableStream[bytes] = ReadableStream(source, by_bytes(mark))
        reader = stream.get_reader()
        await until_idle()
        model: deque[bytes] = deque()
        expected: list[bytes] = []
        reads: list[Any] = []
        arrived = 0
        for step in steps:
            if step == "read":
                reads.append(reader.read())
            else:
                source.controller.enqueue(step)
                expected.append(step)
            arrived = min(len(reads), len(expected))
            model = deque(expected[arrived:])
            size = sum(map(len, model))
            assert source.controller.desired_size == mark - size
            statistics = stream.statistics()
            assert statistics.queued == size
            assert (statistics.chunks_in, statistics.chunks_out) == (len(expected), arrived)
            assert (statistics.bytes_in, statistics.bytes_out) == (
                sum(map(len, expected)),
                sum(map(len, expected[:arrived])),
            )
        for read, chunk in zip(reads, expected, strict=False):
            assert (await read).value == chunk
        for read in reads[arrived:]:
            assert read.pending

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(mark=MARKS, steps=st.lists(st.one_of(CHUNKS, st.just("finish")), max_size=40))
def test_a_writable_queue_is_what_came_less_what_was_written(mark: int, steps: list[Any]) -> None:
    async def run() -> None:
        sink = SlowSink()
        stream: WritableStream[bytes] = WritableStream(sink, by_bytes(mark))
        writer = stream.get_writer()
        await until_idle()
        given_: list[bytes] = []
        done = 0
        for step in steps:
            if step != "finish":
                writer.write(step)
                given_.append(step)
            elif sink.running is not None:
                await sink.finish()
                done += 1
            size = sum(map(len, given_[done:]))
            assert writer.desired_size == mark - size
            assert writer.ready.pending == (size >= mark)
            statistics = stream.statistics()
            assert statistics.queued == size
            assert (statistics.chunks_in, statistics.chunks_out) == (len(given_), done)
            assert statistics.bytes_out == sum(map(len, given_[:done]))
        assert sink.events == [("write", chunk) for chunk in given_[: done + 1]]
        await sink.finish_all()

    asyncio.run(run())


# ---------------------------------------------------------------------------------------------------- tees


@settings(max_examples=100, deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=40),
    bound=st.integers(1, 100),
    mark=st.integers(0, 2),
    turns=st.lists(st.integers(0, 1), max_size=60),
)
def test_the_branches_of_a_tee_are_never_further_apart_than_the_bound_and_a_chunk(
    chunks: list[bytes], bound: int, mark: int, turns: list[int]
) -> None:
    async def run() -> None:
        source = ReadableStream(ListSource(chunks), CountQueuingStrategy(mark))
        branches = source.tee(bound)
        sinks = [SlowSink(), SlowSink()]
        pipes = [branch.pipe_to(WritableStream(sink)) for branch, sink in zip(branches, sinks, strict=True)]
        largest = max(map(len, chunks), default=0)
        await until_idle()
        for turn in [*turns, *([0, 1] * len(chunks))]:
            if sinks[turn].running is not None:
                await sinks[turn].finish()
            for branch in branches:
                assert branch.statistics().queued < bound + largest
            taken = [branch.statistics().bytes_out for branch in branches]
            assert abs(taken[0] - taken[1]) < bound + largest
        for sink in sinks:
            while sink.running is not None:
                await sink.finish()
        while any(pipe.pending for pipe in pipes):
            for sink in sinks:
                await sink.finish_all()
            await until_idle()
        for sink in sinks:
            assert [event[1] for event in sink.events[:-1]] == chunks

    asyncio.run(run())


# -------------------------------------------------------------------------------------- chunk boundaries

CONTENT = text(150_000) + noise(130_000) + bytes(250_000)


async def encoded(codec: Any, chunks: list[bytes], pool: ThreadPoolExecutor) -> tuple[bytes, str, int]:
    encoder = make_encoder(codec, 1, 2)
    digest, sink = ContentDigest(), RecordingSink()

    def submit(function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    to_digest, to_encoder = ReadableStream.from_(chunks).tee(100_000)
    pair = ParallelTransformStream(
        BlockTransformer(encoder, SlabPool(encoder.block_size)), submit, encoder.max_parallel or 3
    )
    await pipe_all(
        to_digest.pipe_to(WritableStream(digest_sink(digest, submit), by_bytes(100_000))),
        to_encoder.pipe_through(pair).pipe_to(WritableStream(sink)),
    )
    assert_no_tasks()
    return b"".join(bytes(event[1]) for event in sink.events[:-1]), digest.sha256, digest.crc32


WHOLE: dict[str, tuple[bytes, str, int]] = {}


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(1, len(CONTENT) - 1), max_size=30), codec=st.sampled_from(["deflate", "zstd", "store"])
)
@example(cuts=list(range(1, 2000)), codec="deflate")
@example(cuts=[262_143, 262_144, 262_145], codec="deflate")
def test_any_split_of_the_input_gives_the_same_archive_bytes_and_hash(cuts: list[int], codec: str) -> None:
    edges = [0, *sorted(set(cuts)), len(CONTENT)]
    chunks = [CONTENT[start:end] for start, end in itertools.pairwise(edges)]
    with ThreadPoolExecutor(2) as pool:
        if codec not in WHOLE:
            WHOLE[codec] = asyncio.run(encoded(codec, [CONTENT], pool))
        assert asyncio.run(encoded(codec, chunks, pool)) == WHOLE[codec]
    assert WHOLE[codec][1] == hashlib.sha256(CONTENT).hexdigest()


# ------------------------------------------------------------------------------------- aborts at any step


class Turns:
    """Plain or slow by its number: awaits the event loop that many times in each call, and notes the call's step."""

    def __init__(self, number: int, step: Callable[[], None], recorder: Recorder) -> None:
        self.number = number
        self.step = step
        self.recorder = recorder
        self.left = 12

    def _after(self, act: Callable[[], object]) -> Any:
        self.step()
        if not self.number:
            act()
            return None

        async def later() -> None:
            for _ in range(self.number):
                await asyncio.sleep(0)
            act()

        return later()

    def pull(self, controller: Any) -> Any:
        def give() -> None:
            if controller.can_enqueue():
                self.left -= 1
                controller.enqueue(bytes(10)) if self.left else controller.close()

        return self._after(give)

    def transform(self, chunk: Any, controller: Any) -> Any:
        def give() -> None:
            with contextlib.suppress(TypeError):  # the readable side went meanwhile: nobody wants the chunk
                controller.enqueue(chunk)

        return self._after(give)

    def write(self, _chunk: Any, _controller: Any) -> Any:
        return self._after(lambda: None)

    def close(self) -> Any:
        return self._after(lambda: self.recorder.note("closed"))

    def abort(self, reason: object) -> Any:
        self.recorder.note("abort", reason)
        return self._after(lambda: None)

    def cancel(self, reason: object) -> Any:
        self.recorder.note("cancel", reason)
        return self._after(lambda: None)


@settings(max_examples=200, deadline=None)
@given(
    shape=st.sampled_from(["pipe", "transform", "parallel", "tee"]),
    numbers=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    when=st.integers(0, 120),
    by=st.sampled_from(["signal", "cancelled task", "failing step"]),
)
def test_an_abort_at_any_step_settles_everything_with_one_error(
    shape: str, numbers: list[int], when: int, by: str
) -> None:
    reason = ValueError("abort")
    controller, steps = AbortController(), iter(range(1_000_000))

    async def run() -> None:
        task: asyncio.Future[Any] | None = None

        def step() -> None:
            if next(steps) == when:
                if by == "signal":
                    controller.abort(reason)
                elif by == "failing step":
                    raise reason
                elif task is not None:
                    task.cancel()

        parts = [Turns(number, step, Recorder()) for number in numbers]
        source = ReadableStream[bytes](parts[0], by_bytes(20))
        dests = [WritableStream[bytes](part, by_bytes(20)) for part in parts[1:3]]
        to = partial(dict, signal=controller.signal)
        pipes: list[Awaitable[Any]] = []
        streams: list[Any] = [source, dests[0]]
        if shape == "pipe":
            pipes = [source.pipe_to(dests[0], **to())]
        elif shape == "tee":
            left, right = source.tee(30)
            pipes = [left.pipe_to(dests[0], **to()), right.pipe_to(dests[1], **to())]
            streams = [left, right, *dests]
        else:
            pair: Any = TransformStream(parts[3], by_bytes(20), by_bytes(20))
            if shape == "parallel":
                pair = ParallelTransformStream(_Jobs(), _submit, 3, by_bytes(30), by_bytes(20))
            pipes = [source.pipe_to(pair.writable, **to()), pair.readable.pipe_to(dests[0], **to())]
            streams += [pair.writable, pair.readable]
        task = asyncio.ensure_future(pipe_all(*pipes))
        outcome = (await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 30))[0]
        await until_idle()
        assert_no_tasks()
        assert not any(stream.locked for stream in streams), "a lock was left"
        assert not controller.signal._listeners, "a listener was left"
        told = [event[1] for part in parts for event in part.recorder.events if event != "closed"]
        told = [each for reasons in told for each in (reasons if isinstance(reasons, list) else [reasons])]
        if outcome is None:
            assert told == []
            return
        if by != "cancelled task":
            assert outcome is reason
        assert len({id(each) for each in told}) <= 1, f"several errors were told: {told}"
        if by != "cancelled task":
            assert all(each is reason for each in told)

    asyncio.run(run())


class _Jobs:
    def transform(self, chunk: bytes) -> list[Callable[[], bytes]]:
        return [lambda: chunk]


async def _submit_later(job: Callable[[], Any]) -> Any:
    await asyncio.sleep(0)
    return job()


def _submit(job: Callable[[], Any]) -> Awaitable[Any]:
    return _submit_later(job)
