"""Aborts, cancelled tasks, several tasks and several loops: what one manager stands."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, AbortError, AbortSignal, JCFConfig, JCFManager, LocalAdapter, ReadableStream
from tests.helpers.adapters import SlowAdapter
from tests.helpers.archives import content_of, listed, open_files, until
from tests.helpers.program import environment
from tests.helpers.streams import assert_no_tasks, no_task_left
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
CONFIG = JCFConfig(level=1, workers=2)


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[JCFManager]:
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as opened:
        await opened.add_file("first", b"first")
        await opened.save_checkpoint("first")
        yield opened


class Stalling:
    """Content that gives some bytes and then nothing, for ever; it knows when it is waited for, and when it was ended.

    Args:
        before: bytes it gives first.
    """

    def __init__(self, before: int) -> None:
        self.data = text(before)
        self.waited_for = asyncio.Event()
        self.ended = asyncio.Event()

    async def generator(self) -> AsyncIterator[bytes]:
        if self.data:
            yield self.data
        self.waited_for.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()

    def stream(self) -> ReadableStream[bytes]:
        outer = self

        class Source:
            def start(self, controller: Any) -> None:
                self.given = not outer.data

            async def pull(self, controller: Any) -> None:
                if not self.given:
                    self.given = True
                    controller.enqueue(outer.data)
                    return
                outer.waited_for.set()
                await outer.ended.wait()

            def cancel(self, reason: object) -> None:
                assert isinstance(reason, AbortError)
                outer.ended.set()

        return ReadableStream(Source())

    async def read(self, _size: int) -> bytes:
        data, self.data = self.data, b""
        if data:
            return data
        self.waited_for.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()


@pytest.mark.parametrize("before", [0, 1000, 3 * MIB])
@pytest.mark.parametrize("kind", ["generator", "stream", "reader"])
@pytest.mark.parametrize("how", ["abort", "abort in a thread", "cancel", "timeout"])
async def test_stalled_asynchronous_source(manager: JCFManager, before: int, kind: str, how: str) -> None:
    """It is interrupted and closed before the abort is reported; nothing of it is left."""
    archive = Path(manager.path).read_bytes()
    source, controller = Stalling(before), AbortController()
    content: Any = {"generator": source.generator, "stream": source.stream, "reader": lambda: source}[kind]()
    async with no_task_left():
        adding = asyncio.ensure_future(manager.add_file("x", content, signal=controller.signal))
        await source.waited_for.wait()
        await until(lambda: kind != "stream" or content.locked)  # it pulls before anybody wants it
        if how == "abort":
            controller.abort(AbortError("enough"))
        elif how == "abort in a thread":
            await asyncio.to_thread(controller.abort, AbortError("enough"))
        elif how == "cancel":
            adding.cancel()
        if how == "timeout":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(adding, 0)
        elif how == "cancel":
            with pytest.raises(asyncio.CancelledError):
                await adding
        else:
            with pytest.raises(AbortError, match="enough") as caught:
                await adding
            assert caught.value is controller.signal.reason
        assert source.ended.is_set()
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"]
    assert Path(manager.path).read_bytes() == archive
    await manager.add_file("y", b"y")
    await manager.save_checkpoint()
    assert await listed(manager) == ["first", "y"]


class Pipe:
    """A pipe nobody writes to any more: reading it blocks; ``reading`` tells that somebody does."""

    def __init__(self, before: bytes) -> None:
        self.out, self.into = os.pipe()
        self.reading = threading.Event()
        self._left = io.BytesIO(before)

    def read(self, size: int) -> bytes:
        if data := self._left.read(size):
            return data
        self.reading.set()
        return os.read(self.out, size)

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(50_000):
            yield data

    def end(self) -> None:
        os.close(self.into)
        for thread in threading.enumerate():
            if thread.name == "kamaros-content":
                thread.join(30)
        os.close(self.out)


@pytest.mark.parametrize("before", [0, 3 * MIB])
@pytest.mark.parametrize("kind", ["file", "iterable"])
async def test_stalled_blocking_source(manager: JCFManager, before: int, kind: str) -> None:
    """The abort does not wait for a call that never returns; what it gives later goes nowhere."""
    archive = Path(manager.path).read_bytes()
    pipe, controller = Pipe(text(before)), AbortController()
    content: Any = pipe if kind == "file" else iter(pipe)
    try:
        adding = asyncio.ensure_future(manager.add_file("x", content, signal=controller.signal))
        await asyncio.to_thread(pipe.reading.wait, 30)
        controller.abort()
        with pytest.raises(AbortError):
            await adding
        assert_no_tasks()
        assert Path(manager.path).read_bytes() == archive
        await manager.add_file("y", b"y")
        os.write(pipe.into, b"late")
        await manager.save_checkpoint()
        assert await listed(manager) == ["first", "y"]
    finally:
        await asyncio.to_thread(pipe.end)


async def test_program_ends_although_a_source_still_blocks(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys, threading
from kamaros_gui import AbortController, AbortError, JCFManager

out, _into = os.pipe()
reading = threading.Event()

class Content:
    def read(self, size):
        reading.set()
        return os.read(out, size)

async def main():
    controller = AbortController()
    async with await JCFManager.open(sys.argv[1], create=True) as manager:
        adding = asyncio.ensure_future(manager.add_file("x", Content(), signal=controller.signal))
        await asyncio.to_thread(reading.wait)
        controller.abort()
        try:
            await adding
        except AbortError:
            print("aborted")

asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.jcf")]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, env=environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "aborted\n", "")
    assert os.listdir(tmp_path) == []


async def test_source_that_does_not_let_itself_be_cancelled(manager: JCFManager) -> None:
    """It gets a moment, no more."""
    free, waiting = asyncio.Event(), asyncio.Event()

    async def stubborn() -> AsyncIterator[bytes]:
        yield b"x"
        waiting.set()
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        yield b"late"

    controller = AbortController()
    adding = asyncio.ensure_future(manager.add_file("x", stubborn(), signal=controller.signal))
    await waiting.wait()
    controller.abort()
    with pytest.raises(AbortError):
        await adding
    assert not free.is_set()
    free.set()
    async with no_task_left():
        pass


async def test_signal_that_is_aborted_before(manager: JCFManager) -> None:
    """Nothing starts, and nobody waits afterwards for what never began."""
    reason = AbortError("before")
    signal = AbortSignal.abort(reason)
    for start in (
        lambda: manager.add_file("x", b"x", signal=signal),
        lambda: manager.save([__file__], signal=signal),
        lambda: manager.save_checkpoint(signal=signal),
        lambda: manager.restore_version("HEAD", "/nowhere", signal=signal),
        lambda: manager.verify(signal=signal),
        lambda: manager.open_file("first", signal=signal),
    ):
        async with no_task_left():
            with pytest.raises(AbortError) as caught:
                await start()
            assert caught.value is reason
    await manager.add_file("x", b"x")
    await manager.save_checkpoint()
    assert await listed(manager) == ["first", "x"]


async def test_abort_between_two_files_keeps_the_first(manager: JCFManager) -> None:
    controller = AbortController()
    await manager.add_file("one", noise(2 * MIB), signal=controller.signal)
    controller.abort()
    with pytest.raises(AbortError):
        await manager.add_file("two", noise(2 * MIB), signal=controller.signal)
    with pytest.raises(AbortError):
        await manager.save_checkpoint(signal=controller.signal)
    await manager.save_checkpoint("without it")
    assert await listed(manager) == ["first", "one"]
    assert await content_of(manager, "one") == noise(2 * MIB)


async def test_abort_while_waiting_for_the_turn(manager: JCFManager) -> None:
    first, controller = Stalling(1000), AbortController()
    running = asyncio.ensure_future(manager.add_file("slow", first.generator(), signal=controller.signal))
    await first.waited_for.wait()
    second = AbortController()
    waiting = asyncio.ensure_future(manager.add_file("waits", b"x", signal=second.signal))
    cancelled = asyncio.ensure_future(manager.remove_file("first"))
    third = asyncio.ensure_future(manager.add_file("third", b"third"))
    await asyncio.sleep(0)
    second.abort()
    cancelled.cancel()
    with pytest.raises(AbortError):
        await waiting
    assert not running.done()
    controller.abort()
    with pytest.raises(AbortError):
        await running
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await third
    await manager.discard()


async def test_several_at_once(manager: JCFManager, tmp_path: Path) -> None:
    write(tmp_path / "disk", noise(1_500_000, 9))

    async def generator() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0)
            yield text(100_000)

    await asyncio.gather(
        manager.add_file("one", noise(1_200_000)),
        manager.add_file("two", generator()),
        manager.add_file("three", tmp_path / "disk"),
        manager.add_file("four", [b"4"] * 1000),
        manager.remove_file("first"),
        manager.list_files(),
    )
    await asyncio.gather(manager.save_checkpoint("all"), manager.history())
    assert await listed(manager) == ["four", "one", "three", "two"]
    assert await content_of(manager, "two") == text(100_000) * 20
    assert await content_of(manager, "three") == noise(1_500_000, 9)
    assert (await manager.verify()).valid
    assert_no_tasks()


async def test_cancelled_reads_leave_no_file_open(manager: JCFManager, tmp_path: Path) -> None:
    """A thread may be opening the archive just then; whoever is cancelled waits for it and closes it."""
    files = SlowAdapter(LocalAdapter())
    async with await JCFManager.open(manager.path, CONFIG, files=files) as slow:
        for start in (slow.list_files, slow.history, lambda: slow.open_file("first"), slow.verify):
            files.read_gate.clear()
            task = asyncio.ensure_future(start())
            await until(lambda: files.stalled)
            task.cancel()
            await asyncio.sleep(0)
            files.read_gate.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert files.open_files == []
            assert open_files(tmp_path) == []
            assert_no_tasks()


# ------------------------------------------------------------------------------------------------------- loops


async def use(manager: JCFManager, name: str) -> None:
    await asyncio.gather(*(manager.add_file(f"{name} {number}", noise(1_100_000, number)) for number in range(3)))
    await manager.save_checkpoint(name)
    assert await content_of(manager, f"{name} 1") == noise(1_100_000, 1)


def test_one_loop_after_the_other(tmp_path: Path) -> None:
    manager = JCFManager(tmp_path / "a.jcf", CONFIG)
    asyncio.run(use(manager, "one"))
    asyncio.run(use(manager, "two"))

    async def left_open() -> None:
        await manager.add_file("waits for the next loop", b"x")
        await (await manager.open_file("one 0")).get_reader().read()

    async def rest() -> None:
        await manager.save_checkpoint("three")
        await manager.close()

    asyncio.run(left_open())
    asyncio.run(rest())
    assert os.listdir(tmp_path) == ["a.jcf"]
    assert open_files(tmp_path) == []


def test_loop_in_a_thread(tmp_path: Path) -> None:
    """The loop runs in one thread, the abort comes from another."""
    controller, started = AbortController(), threading.Event()
    outcome: list[BaseException | None] = []

    async def main() -> None:
        async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
            await use(manager, "x")

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    started.set()
                    await asyncio.sleep(0)
                    yield bytes(50_000)

            try:
                await manager.add_file("y", endless(), signal=controller.signal)
            except AbortError as error:
                outcome.append(error)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(30)
    controller.abort()
    thread.join(60)
    assert outcome == [controller.signal.reason]
    assert os.listdir(tmp_path) == ["a.jcf"]
