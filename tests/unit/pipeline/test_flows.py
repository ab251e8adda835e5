"""Files into an append region and out of it again, through the flows alone, without manifest or directory."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import AbortError, DiskFullError, IntegrityError, KamarosError, UnsupportedEntryError
from kamaros_gui.codecs import DEFLATE, STORE, ContentDigest
from kamaros_gui.pipeline import PackedEntry, RestoreFlow, RestoreItem, SaveFlow, SaveItem, Workers, read_entry
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.packing import pack_bytes
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.walk import WalkItem, walk_tree
from kamaros_gui.zipfmt import ZipEntry, encode_local_header
from tests.helpers.streams import no_task_left
from tests.helpers.trees import noise, text

KIB, MIB = 1 << 10, 1 << 20
MIXED = text(700 * KIB) + noise(600 * KIB) + bytes(900 * KIB + 5)
START = 1000
"""What is committed before the region begins."""


def open_files(folder: Path) -> set[str]:
    """Return what this process has open below *folder*."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return {name for name in found if name.startswith(f"{folder}/")}


class Bench:
    """An archive, a source folder, threads, and both flows over them."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = folder / "source", folder / "target"
        self.source.mkdir()
        self.target.mkdir()
        self.archive = RandomAccessFile(str(folder / "archive"), "x")
        self.archive.write(0, [b"." * START])
        self.region = AppendRegion(self.archive, START)
        self.workers = Workers(2)
        self.abort = AbortController()
        self.control = RunControl(self.abort.signal)
        self.packed: list[PackedEntry] = []
        self.outcomes: dict[str, KamarosError | None] = {}

    def found(self, **contents: bytes) -> list[SaveItem]:
        for name, content in contents.items():
            (self.source / name).write_bytes(content)
        items: list[WalkItem] = []
        walk_tree(LocalAdapter(), [f"{self.source}/."], on_item=items.append, on_problem=pytest.fail)
        return [SaveItem(each, each.relative, each.relative) for each in items]

    async def save(self, items: list[SaveItem], **settings: Any) -> None:
        flow = SaveFlow(
            LocalAdapter(), self.region, JCFConfig(**settings), self.workers, self.control, self.packed.append
        )
        await flow.run(items)

    async def restore(self, items: list[RestoreItem], **settings: Any) -> None:
        def on_outcome(item: RestoreItem, error: KamarosError | None) -> None:
            self.outcomes[item.path] = error

        await RestoreFlow(
            LocalAdapter(), self.archive, JCFConfig(**settings), self.workers, self.control, on_outcome
        ).run(items)

    def put(self, name: str, content: bytes, codec: Any = "deflate") -> RestoreItem:
        """Add an entry in one piece."""
        entry, parts = pack_bytes(name, content, mode=0o644, mtime=0, codec=codec, level=1)
        return self.put_raw(entry, parts, content)

    def put_raw(self, entry: ZipEntry, parts: Any, content: bytes) -> RestoreItem:
        entry = msgspec.structs.replace(entry, header_offset=self.region.position)
        self.region.append(parts)
        digest = ContentDigest()
        digest.update(content)
        return RestoreItem(entry.name, entry, digest.sha256, str(self.target / entry.name), 0o640, 10**18)

    def written(self) -> bytes:
        return self.archive.read_exactly(START, self.region.size)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await asyncio.get_running_loop().run_in_executor(None, made.workers.close)
    assert made.archive.read(0, START) == b"." * START
    made.archive.close()
    assert open_files(tmp_path) == set()


# ----------------------------------------------------------------------------------------------------- save


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
async def test_any_chunk_size_and_any_number_of_workers_gives_the_same_bytes(bench: Bench, codec: Any) -> None:
    items = bench.found(large=MIXED, small=text(5000), empty=b"", noise=noise(MIB + 1))
    (bench.source / "folder").mkdir()
    os.symlink("target", bench.source / "link")
    items = bench.found()
    seen = set()
    for chunk in (4 * KIB, 64 * KIB, 512 * KIB, 16 * MIB):
        bench.region.rewind(START)
        bench.packed.clear()
        async with no_task_left():
            await bench.save(items, codec=codec, level=1, chunk_size=chunk)
        assert len(bench.packed) == 6
        seen.add(bench.written())
    assert len(seen) == 1
    for each in bench.packed:
        assert each.entry is not None
        content = read_entry(bench.archive, each.entry, 10 * MIB)
        if each.item.found.kind == "file":
            assert content == Path(each.item.found.source).read_bytes()
            assert each.sha256
        elif each.item.found.kind == "symlink":
            assert content == b"target"
    assert bench.control.issues == []
    assert bench.control.progress.files_done == 24


async def test_content_that_is_known_leaves_nothing(bench: Bench) -> None:
    items = bench.found(large=MIXED, small=b"small")
    await bench.save(items)
    size = bench.region.size
    known = [SaveItem(each.item.found, each.item.path, each.item.entry_name, each.sha256) for each in bench.packed]
    bench.packed.clear()
    await bench.save(known)
    assert bench.region.size == size
    assert sorted((each.item.path, each.entry, each.parts) for each in bench.packed) == [
        ("large", None, []),
        ("small", None, []),
    ]


def meddling(bench: Bench, at: int, change: Callable[[], object]) -> None:
    """Have *change* happen before the checkpoint number *at*, on the way through a file."""
    checkpoint, passed = bench.control.checkpoint, 0

    async def passing() -> None:
        nonlocal passed
        passed += 1
        if passed == at:
            change()
        await checkpoint()

    bench.control.checkpoint = passing  # type: ignore[method-assign]  # a place that is passed at a known moment


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(noise(MIB))


def shrink(path: Path) -> None:
    os.truncate(path, 1_200_000)


def rewrite(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"other content")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
async def test_a_source_that_changes_while_it_is_read_is_told_and_leaves_nothing(
    bench: Bench, change: Callable[[Path], None], codec: Any
) -> None:
    items = bench.found(a=noise(2 * MIB, 1), b=noise(3 * MIB, 2), c=text(2 * MIB))
    meddling(bench, 6, lambda: change(bench.source / "b"))  # 1 for a, 3 for its slabs and end, 1 for b
    async with no_task_left():
        await bench.save(items, codec=codec, level=1)
    assert [each.item.path for each in bench.packed] == ["a", "c"]
    assert [(os.path.normpath(issue.path), "changed while" in issue.reason) for issue in bench.control.issues] == [
        (str(bench.source / "b"), True)
    ]
    position = START
    for each in bench.packed:
        assert each.entry is not None
        assert each.entry.header_offset == position
        position += each.entry.header_size + each.entry.compressed_size
        assert read_entry(bench.archive, each.entry, 10 * MIB) == (bench.source / each.item.path).read_bytes()
    assert bench.region.position == position
    assert (bench.control.progress.bytes_done, bench.control.progress.files_done) == (7 * MIB, 3)


def replace_by(kind: str, path: Path) -> None:
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing"])
@pytest.mark.parametrize("size", [100, 2 * MIB])
async def test_what_took_the_place_of_a_file_is_told(bench: Bench, kind: str, size: int) -> None:
    items = bench.found(a=b"a", b=noise(size))
    replace_by(kind, bench.source / "b")
    await bench.save(items)
    assert [each.item.path for each in bench.packed] == ["a"]
    assert [os.path.normpath(issue.path) for issue in bench.control.issues] == [str(bench.source / "b")]


class FullFile(RandomAccessFile):
    """Has room for no more than *room* bytes."""

    room = 0

    def write(self, offset: int, parts: Any) -> int:
        if offset + sum(map(len, parts)) > self.room:
            raise DiskFullError("full", path=self.path, missing=1)
        return super().write(offset, parts)


@pytest.mark.parametrize("room", [START, START + 500, START + 2 * MIB])
async def test_a_full_volume_ends_the_save_and_leaves_no_task(bench: Bench, room: int) -> None:
    items = bench.found(large=noise(4 * MIB), small=noise(2000))
    full = FullFile(bench.archive.path, "r+")
    full.room = room
    bench.region.file = full
    async with no_task_left():
        with pytest.raises(DiskFullError) as caught:
            await bench.save(items)
    assert caught.value.path == full.path
    full.close()


@pytest.mark.parametrize("at", range(1, 10))
async def test_an_abort_at_any_checkpoint_raises_its_reason_and_leaves_no_task(bench: Bench, at: int) -> None:
    items = bench.found(**{f"small{number}": noise(3000, number) for number in range(100)}, large=noise(6 * MIB))
    reason = LookupError("any reason")
    meddling(bench, at, lambda: bench.abort.abort(reason))
    async with no_task_left():
        with pytest.raises(LookupError) as caught:
            await bench.save(items, codec="deflate", level=1)
    assert caught.value is reason


def test_batches_are_bounded_and_keep_their_order() -> None:
    def item(size: int) -> SaveItem:
        return SaveItem(WalkItem("", str(size), "file", size, 0, 0, 0, 0), "", "")

    sizes = [0] * 200 + [MIB] * 5 + [1, 3 * MIB, 1]
    grouped = [[each.found.size for each in batch] for batch in batches(map(item, sizes), lambda each: each.found.size)]
    assert [size for batch in grouped for size in batch] == sizes
    assert all(len(batch) <= 64 and (sum(batch) <= 2 * MIB or len(batch) == 1) for batch in grouped)
    assert list(batches([], len)) == []


# -------------------------------------------------------------------------------------------------- restore


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("size", [0, 1, 5000, MIB, MIB + 1, 3 * MIB])
async def test_what_was_saved_is_restored(bench: Bench, codec: Any, size: int) -> None:
    """3 MiB of noise: the end of its deflate stream coincides with the end of a piece, which once hung."""
    contents = {"noise": noise(size), "text": text(size), "zeros": bytes(size)}
    await bench.save(bench.found(**contents), codec=codec, level=1)
    items = [
        RestoreItem(each.item.path, each.entry, each.sha256, str(bench.target / each.item.path), 0o640, 10**18)
        for each in bench.packed
        if each.entry is not None
    ]
    async with no_task_left():
        await bench.restore(items)
    assert bench.outcomes == dict.fromkeys(contents)
    for name, content in contents.items():
        info = (bench.target / name).stat()
        assert (bench.target / name).read_bytes() == content
        assert (info.st_mode & 0o777, info.st_mtime_ns) == (0o640, 10**18)
    await bench.restore([dataclasses.replace(each, destination="") for each in items], chunk_size=4 * KIB)
    assert bench.outcomes == dict.fromkeys(contents)


def flip(bench: Bench, item: RestoreItem, at: float) -> None:
    entry = item.entry
    offset = entry.header_offset + entry.header_size + int(entry.compressed_size * at)
    (byte,) = bench.archive.read_exactly(offset, 1)
    bench.archive.write(offset, [bytes([byte ^ 0x55])])


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.999999])
@pytest.mark.parametrize("checking", [False, True])
async def test_a_damaged_entry_leaves_no_file_and_the_others_go_on(
    bench: Bench, codec: Any, at: float, checking: bool
) -> None:
    items = [bench.put(f"{name} {size}", text(size), codec) for size in (5000, 2 * MIB) for name in ("a", "bad", "c")]
    for item in items:
        if "bad" in item.path:
            flip(bench, item, at)
    if checking:
        items = [dataclasses.replace(item, destination="") for item in items]
    async with no_task_left():
        await bench.restore(items)
    assert sorted(bench.outcomes) == sorted(item.path for item in items)
    for path, error in bench.outcomes.items():
        assert isinstance(error, IntegrityError) == ("bad" in path), (path, error)
    assert sorted(os.listdir(bench.target)) == ([] if checking else ["a 2097152", "a 5000", "c 2097152", "c 5000"])
    assert bench.control.progress.files_done == 6


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("size", [5000, 2 * MIB])
@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("more", "more bytes come out"),
        ("fewer", "bytes came out"),
        ("trailing", "follow the end"),
        ("cut", "ends too early|bytes came out"),
        ("empty", "ends too early"),
        ("crc", "CRC-32"),
        ("hash", "SHA-256"),
        ("method", "which Kamaros does not read"),
    ],
)
async def test_an_entry_that_is_not_what_it_claims(bench: Bench, size: int, lie: str, said: str) -> None:
    content = text(size)
    good = bench.put("good", content)
    entry, _ = pack_bytes("bad", content, mode=0o644, mtime=0, codec="deflate", level=1)
    data = deflated(content)
    claimed = {"more": size - 1, "fewer": size + 1}.get(lie, size)
    data = {"trailing": data + b"x" * 10, "cut": data[:-3], "empty": b""}.get(lie, data)
    entry = msgspec.structs.replace(
        entry,
        method=12 if lie == "method" else DEFLATE,
        size=claimed,
        compressed_size=len(data),
        crc32=entry.crc32 ^ (lie == "crc"),
    )
    bad = bench.put_raw(entry, [encode_local_header(entry, entry.header_size), data], content)
    if lie == "hash":
        bad = dataclasses.replace(bad, sha256="0" * 64)
    async with no_task_left():
        await bench.restore([bad, good])
    assert bench.outcomes["good"] is None
    with pytest.raises(UnsupportedEntryError if lie == "method" else IntegrityError, match=said):
        raise bench.outcomes["bad"] or AssertionError("taken for right")
    assert os.listdir(bench.target) == ["good"]


async def test_an_archive_cut_short(bench: Bench) -> None:
    items = [bench.put(name, noise(2 * MIB), codec) for name, codec in (("a", "store"), ("b", "store"))]
    assert items[0].entry.method == STORE
    bench.archive.truncate(items[1].entry.header_offset + MIB)
    await bench.restore(items)
    assert (bench.outcomes["a"], type(bench.outcomes["b"])) == (None, IntegrityError)
    assert os.listdir(bench.target) == ["a"]


async def test_a_file_in_the_way_is_not_touched(bench: Bench) -> None:
    items = [bench.put("small", b"new"), bench.put("large", noise(2 * MIB))]
    for item in items:
        Path(item.destination).write_bytes(b"mine")
    await bench.restore(items)
    assert all("File exists" in str(error) for error in bench.outcomes.values())
    assert [Path(item.destination).read_bytes() for item in items] == [b"mine"] * 2


async def test_memory_stays_flat_whatever_the_ratio(bench: Bench) -> None:
    size = 256 * MIB
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(MIB)
    crc, parts = 0, []
    for _ in range(size // MIB):
        crc = zlib.crc32(zeros, crc)
        parts.append(compressor.compress(zeros))
    data = b"".join([*parts, compressor.flush()])
    entry, _ = pack_bytes("bomb", b"x", mode=0o644, mtime=0, codec="store", level=1)
    entry = msgspec.structs.replace(entry, method=DEFLATE, size=size, compressed_size=len(data), crc32=crc)
    item = bench.put_raw(entry, [encode_local_header(entry, entry.header_size), data], b"")
    del zeros
    tracemalloc.start()
    try:
        await bench.restore([dataclasses.replace(item, sha256="")])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bench.outcomes == {"bomb": None}
    assert (bench.target / "bomb").stat().st_size == size
    assert peak < 32 * MIB, f"{peak / MIB:.1f} MiB"


@pytest.mark.parametrize("at", range(1, 9))
async def test_an_abort_of_a_restore_leaves_no_half_file(bench: Bench, at: int) -> None:
    items = [bench.put(f"small{number}", text(40_000, number)) for number in range(200)]
    items.append(bench.put("large", noise(6 * MIB)))
    reason = AbortError("reason")
    meddling(bench, at, lambda: bench.abort.abort(reason))
    async with no_task_left():
        with pytest.raises(AbortError) as caught:
            await bench.restore(items)
    assert caught.value is reason
    for name in os.listdir(bench.target):
        assert (bench.target / name).stat().st_size == 40_000
