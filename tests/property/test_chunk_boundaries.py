"""However content is cut on its way into an archive, the same bytes lie in the file afterwards."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kamaros_gui import JCFConfig, JCFManager, MemoryAdapter, ReadableStream
from kamaros_gui.pipeline import Workers
from tests.helpers.archives import content_of, packed_bytes
from tests.helpers.trees import noise, text

KIB, MIB = 1 << 10, 1 << 20
LARGEST = MIB + 70_000
MIXED = text(300 * KIB) + noise(100 * KIB) + bytes(200 * KIB) + text(600 * KIB, 2)
LIMITS = (0, 1, 4096, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, MIB, LARGEST - 1)
MODIFIED = 1_700_000_000.5

sizes = st.builds(lambda limit, by: max(0, limit + by), st.sampled_from(LIMITS), st.integers(-1, 1)) | st.integers(
    0, LARGEST
)
chunk_sizes = st.sampled_from([4 * KIB, 64 * KIB, 256 * KIB, MIB, 16 * MIB])


class Pulled:
    """Underlying source that enqueues one or two pieces for each pull."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = list(pieces)

    def pull(self, controller: Any) -> None:
        for _ in range(2):
            if not self._pieces:
                controller.close()
                return
            controller.enqueue(self._pieces.pop(0))


class File:
    """Reads as many bytes as it likes."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces[0][:size]
        self._pieces[0] = self._pieces[0][size:]
        if not self._pieces[0]:
            self._pieces.pop(0)
        return piece


def generator(pieces: list[bytes]) -> Iterator[memoryview]:
    """One buffer that is filled again and again."""
    for piece in pieces:
        buffer = bytearray(piece)
        yield memoryview(buffer)
        buffer[:] = bytes(len(buffer))


async def slowly(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for number, piece in enumerate(pieces):
        if number % 3 == 0:
            await asyncio.sleep(0)
        yield piece


WAYS: dict[str, Callable[[list[bytes]], Any]] = {
    "bytes": b"".join,
    "bytearray": lambda pieces: bytearray(b"".join(pieces)),
    "list": lambda pieces: pieces,
    "generator": generator,
    "async generator": slowly,
    "stream": lambda pieces: ReadableStream(Pulled(pieces)),
    "file": File,
    "file on disk": b"".join,
}


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[first:second] for first, second in itertools.pairwise(places)] or [b""]


async def added(folder: Path, way: str, pieces: list[bytes], config: JCFConfig, workers: Workers) -> tuple[str, bytes]:
    """Make an archive of one file; return the hash, and the bytes of its entry."""
    content: Any = WAYS[way](pieces)
    archive = folder / "a.jcf"
    if way == "file on disk":
        (folder / "source").write_bytes(content)
        os.utime(folder / "source", ns=(0, int(MODIFIED * 10**9)))
        os.chmod(folder / "source", 0o644)
        content = folder / "source"
    manager = JCFManager(archive, config, workers)
    entry = await manager.add_file("x", content, modified=None if way == "file on disk" else MODIFIED)
    await manager.save_checkpoint()
    raw = packed_bytes(archive, "content/x")
    os.unlink(archive)
    return entry.sha256, raw


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=4, deadline=None)
@given(size=sizes, at=st.lists(st.integers(0, LARGEST), max_size=30), chunk_size=chunk_sizes, threads=st.integers(1, 3))
@example(size=LARGEST, at=[], chunk_size=16 * MIB, threads=2)
@example(size=LARGEST, at=[70_001, 500_000], chunk_size=4 * KIB, threads=3)
def test_every_way_makes_the_same_entry(
    codec: Any, way: str, size: int, at: list[int], chunk_size: int, threads: int
) -> None:
    data = MIXED[:size]

    async def run(folder: Path, first: Workers, second: Workers) -> None:
        level = None if codec == "store" else 1
        plain = JCFConfig(codec=codec, level=level, workers=first.count)
        other = JCFConfig(codec=codec, level=level, workers=threads, chunk_size=chunk_size)
        expected = await added(folder, "bytes", [data], plain, first)
        assert await added(folder, way, cut(data, at), other, second) == expected

    one, several = Workers(1), Workers(threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(Path(folder), one, several))
    finally:
        one.close()
        several.close()


@settings(max_examples=15, deadline=None)
@given(size=sizes, at=st.lists(st.integers(0, LARGEST), max_size=10), chunk_size=chunk_sizes)
def test_what_comes_out_is_what_went_in(size: int, at: list[int], chunk_size: int) -> None:
    async def run() -> None:
        config = JCFConfig(level=1, workers=1, chunk_size=chunk_size)
        async with await JCFManager.open("/a.jcf", config, create=True, files=MemoryAdapter()) as manager:
            await manager.add_file("x", slowly(cut(MIXED[:size], at)))
            await manager.save_checkpoint()
            assert await content_of(manager, "x") == MIXED[:size]

    asyncio.run(run())
