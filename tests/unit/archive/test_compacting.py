"""Compaction: what it gives back and keeps, readers, full disks, damage, aborts, and the one that follows a save."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, AbortError, JCFConfig, JCFManager, LocalAdapter, MemoryAdapter
from kamaros_gui.archive import compacting
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import (
    ArchiveError,
    ArchiveInUseError,
    DiskFullError,
    IntegrityError,
    KamarosError,
    NotFoundError,
    StorageError,
)
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, Step, WrappingAdapter, names, read_file, write_file
from tests.helpers.archives import content_of, listed, packed_bytes, until
from tests.helpers.changed import (
    ARCHIVE,
    CONFIG,
    Archives,
    check,
    dead_bytes,
    entry_names,
    manifest_of,
    offsets,
    past,
    save_trees,
    size_of,
)
from tests.helpers.trees import noise, text

FOLDER = os.path.dirname(ARCHIVE)
LARGE = noise(1_300_000, 2)


@pytest.fixture
async def archives() -> AsyncIterator[Archives]:
    async with Archives() as made:
        yield made


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any archive be compacted by itself that is dead by a tenth."""
    monkeypatch.setattr(compacting, "COMPACT_FROM", 1000)
    monkeypatch.setattr(compacting, "COMPACT_SHARE", 0.1)


async def wasteful(archives: Archives, config: JCFConfig = CONFIG) -> JCFManager:
    """An archive with a history, relabelled and copied entries, and 100 kB that nobody needs."""
    manager = await archives.open(config.replace(auto_compact=False))
    await save_trees(
        manager,
        archives.files,
        {
            "a": b"a1",
            "d/x": text(70_000),
            "d/y": noise(30_000),
            "large": LARGE,
            "empty": b"",
            "e/f": None,
        },
        {"a": b"a2", "d/x": text(70_000, 3), "d/y": noise(30_000), "large": LARGE, "empty": b""},
    )
    await manager.move("d", "a long name that has no room in the header " * 4)
    await manager.move("a long name that has no room in the header " * 4, "d")
    await manager.add_file("waste", noise(100_000, 4))
    await manager.save_checkpoint("waste")
    await manager.remove(["waste"])
    await manager.forget(["HEAD~1"])
    return manager


# ------------------------------------------------------------------------------------------------ what comes of it


@pytest.mark.parametrize("codec", ["deflate", "store", "zstd"])
async def test_what_is_dead_goes_and_all_else_stays(archives: Archives, codec: Any) -> None:
    manager = await wasteful(archives, CONFIG.replace(codec=codec))
    held, before, entries = await past(manager), size_of(archives.files), entry_names(archives.files)
    dead, _ = dead_bytes(archives.files)
    history = await manager.history()
    report = await manager.compact()
    assert dead > 100_000
    assert (report.archive, report.before, report.after) == (ARCHIVE, before, size_of(archives.files))
    assert report.after <= before - dead + 100, "a byte of the manifest may differ"
    assert report.entries == len(entries)
    assert dead_bytes(archives.files) == (0, 0)
    assert entry_names(archives.files) == entries
    assert await past(manager) == held
    assert await manager.history() == history
    await check(manager, archives.files)
    again = await manager.compact()
    assert abs(again.after - again.before) < 10
    await manager.move("a", "b")
    await manager.add_file("a", text(70_000))
    await manager.save_checkpoint()
    assert await content_of(manager, "a") == text(70_000)
    await check(manager, archives.files)


async def test_packed_bytes_are_the_same(tmp_path: Path) -> None:
    """Nothing is compressed again: data, method, sums, time and mode of each entry are what they were."""
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        for number in range(3):
            await manager.add_file("f", text(50_000 + number, number), modified=5, mode=0o750)
            await manager.add_file(f"g{number}", noise(1_200_000, number))
            await manager.save_checkpoint()
        inside = manifest_names(tmp_path / "a.jcf")
        before = {name: packed_bytes(tmp_path / "a.jcf", name) for name in inside}
        attributes = [(entry.path, entry.modified, entry.mode) for entry in (await manager.list_files()).entries]
        await manager.compact()
        assert manifest_names(tmp_path / "a.jcf") == inside
        for name, old in before.items():
            new = packed_bytes(tmp_path / "a.jcf", name)
            data = len(old) - header_length(old)
            assert new[header_length(new) :] == old[header_length(old) :]
            assert new[6:26] == old[6:26], "flags, method, time, CRC-32 and sizes"
            assert data == len(new) - header_length(new)
        assert [
            (entry.path, entry.modified, entry.mode) for entry in (await manager.list_files()).entries
        ] == attributes


def manifest_names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as container:
        return sorted(set(container.namelist()) - {"mimetype", "manifest.json"})


def header_length(entry: bytes) -> int:
    return 30 + int.from_bytes(entry[26:28], "little") + int.from_bytes(entry[28:30], "little")


async def test_headers_have_room_again(archives: Archives) -> None:
    manager = await archives.make({"a": b"a"})
    await manager.move("a", "long name " * 30)
    await manager.move("long name " * 30, "b")
    await manager.compact()
    at = offsets(archives.files)["content/b"]
    assert at == 30 + len("mimetypeapplication/x-jcf"), "it comes right behind the mark"
    await manager.remove(["b"])
    assert at in offsets(archives.files).values(), "it became history in its place"
    await check(manager, archives.files)


async def test_mode_and_link_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    archive, link = tmp_path / "real" / "a.jcf", tmp_path / "links" / "l.jcf"
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        await manager.add_file("f", noise(20_000, 9))
        await manager.save_checkpoint()
    os.symlink(archive, link)
    async with await JCFManager.open(link, CONFIG) as manager:
        for number in range(3):
            await manager.add_file("f", noise(20_000, number))
            await manager.save_checkpoint()
        await manager.forget(keep_last=1)
        archive.chmod(0o640)
        before = archive.stat().st_size
        report = await manager.compact()
        assert (report.before, report.after) == (before, archive.stat().st_size)
        assert before - report.after > 40_000
    assert stat.S_IMODE(archive.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert os.listdir(tmp_path / "links") == ["l.jcf"]
    assert os.listdir(tmp_path / "real") == ["a.jcf"]


async def test_room_is_looked_for_where_the_archive_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    asked: list[str] = []

    class Watching(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "free_space":
                asked.append(step.path)
            return super()._call(step, function, *arguments, **named)

    async with await JCFManager.open(tmp_path / "real" / "a.jcf", CONFIG, create=True) as manager:
        await manager.add_file("f", b"f")
        await manager.save_checkpoint()
    os.symlink(tmp_path / "real" / "a.jcf", tmp_path / "l.jcf")
    async with await JCFManager.open(tmp_path / "l.jcf", CONFIG, files=Watching(LocalAdapter())) as manager:
        await manager.compact()
    assert asked
    assert {os.path.realpath(path) for path in asked} <= {str(tmp_path / "real"), str(tmp_path / "real" / "a.jcf")}


async def test_archive_without_versions_or_content(archives: Archives) -> None:
    manager = await archives.open()
    with pytest.raises(NotFoundError):
        await manager.compact()
    await save_trees(manager, archives.files, {})
    assert not archives.files.exists(ARCHIVE) or (await manager.compact()).after > 0
    await manager.add_file("a", b"a")
    with pytest.raises(ArchiveError, match="not saved yet"):
        await manager.compact()
    await manager.save_checkpoint()
    await manager.remove(["a"])
    await manager.forget(keep_last=1)
    report = await manager.compact()
    assert (report.entries, report.after) == (0, size_of(archives.files))
    assert await listed(manager) == []
    await check(manager, archives.files)


async def test_progress(archives: Archives) -> None:
    manager = await wasteful(archives)
    seen: list[ProgressSnapshot] = []
    await manager.compact(on_progress=seen.append)
    last = seen[-1]
    assert last.bytes_done == last.bytes_total
    assert last.bytes_total is not None
    assert 1_400_000 < last.bytes_total < size_of(archives.files)


async def test_pause_holds_it_and_an_abort_ends_the_pause(archives: Archives) -> None:
    await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)
    controller = AbortController()
    control = RunControl(controller.signal)
    written = threading.Event()

    class Pausing(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.write" and step.path.endswith(".part"):
                control.gate.close()
                written.set()
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Pausing(archives.files))
    running = asyncio.ensure_future(manager.compact(control=control))
    await until(written.is_set)
    done, _ = await asyncio.wait([running], timeout=0.05)
    assert not done
    controller.abort()
    with pytest.raises(AbortError):
        await running
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


# ---------------------------------------------------------------------------------------------- others beside it


async def test_open_stream_goes_on_with_the_old_file(archives: Archives) -> None:
    manager = await wasteful(archives)
    streams = [await manager.open_file("large"), await manager.open_file("a", "HEAD~4")]
    reader = streams[0].get_reader()
    received = bytearray((await reader.read()).value)
    await manager.compact()
    await manager.add_file("large", b"replaced")
    await manager.save_checkpoint()
    while not (chunk := await reader.read()).done:
        received += chunk.value
    assert received == LARGE
    assert b"".join([bytes(each) async for each in streams[1]]) == b"a1"
    assert await content_of(manager, "large") == b"replaced"


async def test_restore_goes_on_while_it_is_compacted(archives: Archives) -> None:
    await wasteful(archives)
    begun: list[Step] = []

    async def compact() -> None:
        async with await JCFManager.open(ARCHIVE, CONFIG, files=archives.files) as other:
            await other.compact()

    class Meddling(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "create" and not begun:
                begun.append(step)
                thread = threading.Thread(target=lambda: asyncio.run(compact()))
                thread.start()
                thread.join()
            return super()._call(step, function, *arguments, **named)

    reader = await archives.open(files=Meddling(archives.files))
    report = await reader.restore_version("HEAD~3", "/out")
    assert begun
    assert report.issues == ()
    assert read_file(archives.files, "/out/large") == LARGE


async def test_one_writer_at_a_time(archives: Archives) -> None:
    manager = await wasteful(archives)
    other = await archives.open()
    await other.add_file("x", b"x")
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(ArchiveInUseError):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE)[: len(before)] == before
    await other.save_checkpoint()
    await manager.compact()
    assert await content_of(other, "x") == b"x"


async def test_file_in_the_way_is_not_ours_to_remove(archives: Archives) -> None:
    manager = await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)
    write_file(archives.files, f"{ARCHIVE}.part", b"somebody's notes")
    with pytest.raises(StorageError, match="in the way"):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert read_file(archives.files, f"{ARCHIVE}.part") == b"somebody's notes"
    assert names(archives.files, FOLDER) == ["a.jcf", "a.jcf.part"]


# ---------------------------------------------------------------------------------------- full disks, damage, aborts


@pytest.mark.parametrize("spare", [0, 100, 50_000, 1_000_000, 1_360_000])
async def test_no_room_for_the_copy(archives: Archives, spare: int) -> None:
    assert isinstance(archives.files, MemoryAdapter)
    manager = await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)
    volume = archives.files._volume
    volume._capacity = volume.used + spare
    with pytest.raises(DiskFullError):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]
    volume._capacity = None
    await manager.compact()
    await check(manager, archives.files)


async def test_room_that_vanishes_meanwhile(archives: Archives) -> None:
    assert isinstance(archives.files, MemoryAdapter)
    await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)
    volume = archives.files._volume

    class Filling(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            result = super()._call(step, function, *arguments, **named)
            if step.name == "free_space":
                volume._capacity = volume.used + 500_000
            return result

    manager = await archives.open(files=Filling(archives.files))
    with pytest.raises(DiskFullError):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


def flip(archives: Archives, offset: int, bits: int = 1) -> bytes:
    """Damage one byte of the archive; return all of it."""
    file = archives.files.open(ARCHIVE, "r+")
    file.write(offset, [bytes([file.read(offset, 1)[0] ^ bits])])
    file.close()
    return read_file(archives.files, ARCHIVE)


@pytest.mark.parametrize(
    ("at", "bits"),
    [(0, 1), (8, 8), (26, 1), (27, 1), (28, 0x40), (29, 1), (29, 0x80)],
    ids=["signature", "method", "name length", "name length, high", "extra", "extra, high", "extra, highest"],
)
@pytest.mark.parametrize("name", ["content/large", "content/a", "a blob"])
async def test_damaged_header_ends_it(archives: Archives, at: int, bits: int, name: str) -> None:
    """What can't be copied for sure must not vanish with the old file: the repair may know better."""
    manager = await wasteful(archives)
    places = offsets(archives.files)
    place = places[name] if name in places else next(places[each] for each in places if each.startswith(".store/blobs"))
    before = flip(archives, place + at, bits)
    with pytest.raises(IntegrityError):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


async def test_damaged_content_is_told(archives: Archives) -> None:
    manager = await wasteful(archives)
    before = flip(archives, offsets(archives.files)["content/large"] + 100_000)
    with pytest.raises(IntegrityError):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


async def test_entry_beyond_the_end(archives: Archives) -> None:
    """A file that was cut in the middle, with a directory behind it, is not copied."""
    manager = await wasteful(archives)
    place = offsets(archives.files)["content/large"]
    file = archives.files.open(ARCHIVE, "r+")
    file.write(place, [bytes(200)])
    file.close()
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(IntegrityError, match="local file header"):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before


async def test_disk_that_does_not_keep_what_was_written(archives: Archives) -> None:
    await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)

    class Forgetful(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.write" and step.path.endswith(".part") and len(arguments[1][0]) > 500_000:
                offset, parts = arguments
                return super()._call(step, function, offset, [bytes(len(parts[0]))], **named)
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Forgetful(archives.files))
    with pytest.raises(IntegrityError, match="did not keep what was written"):
        await manager.compact()
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


@pytest.mark.parametrize("trouble", ["abort", "failure"])
async def test_trouble_at_every_step(trouble: str) -> None:
    """The old archive byte for byte, or the new one, whole; nothing beside it."""
    number, done = 0, False
    while not done:
        async with Archives() as archives:
            done = await compact_in_trouble(archives, trouble, number)
        number += 1


async def compact_in_trouble(archives: Archives, trouble: str, number: int) -> bool:
    """Compact with trouble at the step with this number; return whether there are not so many."""
    manager = await archives.make({"a": noise(3000), "b": text(4000)}, {"a": noise(3000, 2)}, {"b": b"b"})
    await manager.forget(["HEAD~1"])
    held, before = await past(manager), read_file(archives.files, ARCHIVE)
    controller, reason = AbortController(), AbortError("at this step")

    def on_step(step: int) -> None:
        if step == number and trouble == "abort" and armed:
            controller.abort(reason)

    armed = False
    failing = FailingAdapter(archives.files, left_out=CLEANING_UP, on_step=on_step)
    other = await archives.open(files=failing)
    failing.steps.clear()
    armed = True
    failing._fail_at = number if trouble == "failure" else -1
    failed: KamarosError | None = None
    try:
        await other.compact(signal=controller.signal)
    except KamarosError as error:
        failed = error
    failing._fail_at = -1
    if failed is None:
        assert dead_bytes(archives.files) == (0, 0)
    else:
        assert trouble != "abort" or failed is reason
        assert read_file(archives.files, ARCHIVE) == before, failing.steps[number]
    assert await past(manager) == held
    await manager.add_file("c", b"c")
    await manager.save_checkpoint()
    await check(manager, archives.files)
    return number >= failing.count


async def test_cancelled_task(archives: Archives) -> None:
    await wasteful(archives)
    before = read_file(archives.files, ARCHIVE)
    begun, go_on = threading.Event(), threading.Event()

    class Held(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.write" and step.path.endswith(".part") and not begun.is_set():
                begun.set()
                assert go_on.wait(30)
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Held(archives.files))
    running = asyncio.ensure_future(manager.compact())
    await until(begun.is_set)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert read_file(archives.files, ARCHIVE) == before
    assert names(archives.files, FOLDER) == ["a.jcf"]


# --------------------------------------------------------------------------------------------- the one by itself


def test_when_it_is_due() -> None:
    mib = 1 << 20
    for size, dead, due in (
        (100 * mib, 64 * mib, False),
        (100 * mib, 64 * mib + 1, True),
        (1000 * mib, 65 * mib, False),
        (1000 * mib, 300 * mib, False),
        (1000 * mib, 300 * mib + 1, True),
        (0, 0, False),
    ):
        assert compacting.is_due(size, dead) is due


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("way", ["save", "checkpoint", "remove", "move"])
async def test_it_follows_a_save(archives: Archives, way: str) -> None:
    await wasteful(archives)
    manager = await archives.open()
    before = size_of(archives.files)
    phases: list[Phase] = []
    controls = {"on_progress": lambda snapshot: phases.append(snapshot.phase)}
    reclaimed = None
    if way == "checkpoint":
        await manager.add_file("new", b"n")
        await manager.save_checkpoint(**controls)  # type: ignore[arg-type]
    elif way == "save":
        write_file(archives.files, "/source/new", b"n")
        reclaimed = (await manager.save(["/source/new"], **controls)).reclaimed  # type: ignore[arg-type]
    elif way == "remove":
        reclaimed = (await manager.remove(["a"], **controls)).reclaimed  # type: ignore[arg-type]
    else:
        reclaimed = (await manager.move("a", "b", **controls)).reclaimed  # type: ignore[arg-type]
    assert size_of(archives.files) < before - 90_000
    assert dead_bytes(archives.files) == (0, 0)
    if reclaimed is not None:
        assert reclaimed > 100_000
        assert abs(before - reclaimed - size_of(archives.files)) < 4000, "less what the save added"
    await check(manager, archives.files)


@pytest.mark.usefixtures("eager")
async def test_it_can_be_turned_off(archives: Archives) -> None:
    manager = await wasteful(archives)
    dead, _ = dead_bytes(archives.files)
    report = await manager.remove(["a"])
    assert report.reclaimed == 0
    assert dead_bytes(archives.files)[0] > dead > 100_000


@pytest.mark.usefixtures("eager")
async def test_it_does_not_follow_what_made_no_version(archives: Archives) -> None:
    await wasteful(archives)
    manager = await archives.open()
    before = read_file(archives.files, ARCHIVE)
    assert (await manager.move("a", "a")).reclaimed == 0
    assert read_file(archives.files, ARCHIVE) == before


async def test_it_does_not_follow_small_waste(archives: Archives) -> None:
    await wasteful(archives)
    manager = await archives.open()
    assert (await manager.remove(["a"])).reclaimed == 0
    assert dead_bytes(archives.files)[0] > 100_000


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "reason", [AbortError("enough"), ValueError("my own reason"), TimeoutError("too long")], ids=repr
)
async def test_abort_of_it_leaves_the_save_done(archives: Archives, reason: Exception) -> None:
    await wasteful(archives)
    controller = AbortController()

    class Aborting(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "open" and step.path.endswith(".part"):
                controller.abort(reason)
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Aborting(archives.files))
    report = await manager.move("a", "moved", signal=controller.signal)
    assert controller.signal.aborted
    assert (report.created, report.renamed, report.reclaimed) == (True, 1, 0)
    assert "moved" in await listed(manager)
    assert dead_bytes(archives.files)[0] > 100_000
    await check(manager, archives.files)


class TroubleAfterCommit(WrappingAdapter):
    """Fails at one of the steps that follow the first commit, cleaning up aside.

    Attributes:
        count: how many of them there were.
    """

    def __init__(self, inner: Any, fail_at: int, error: Exception) -> None:
        super().__init__(inner)
        self.count = 0
        self._fail_at = fail_at
        self._error = error
        self._committed = False

    def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        # The journal of the compaction is the next one that is locked.
        if self._committed and step.name not in CLEANING_UP:
            self.count += 1
            if self.count - 1 == self._fail_at:
                raise self._error
        result = super()._call(step, function, *arguments, **named)
        if step.name == "delete" and step.path.endswith(".journal"):
            self._committed = True
        return result


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("way", ["move", "checkpoint"])
@pytest.mark.parametrize("error", [StorageError("trouble"), RuntimeError("a mistake of ours")], ids=repr)
async def test_error_in_it_is_no_failure_of_the_save(way: str, error: Exception) -> None:
    number, done = 0, False
    while not done:
        async with Archives() as archives:
            maker = await archives.make({"a": noise(9000)}, {"a": b"a"}, config=CONFIG.replace(auto_compact=False))
            await maker.forget(keep_last=1)
            troubled = TroubleAfterCommit(archives.files, number, error)
            manager = await archives.open(files=troubled)
            if way == "move":
                assert (await manager.move("a", "b")).created
            else:
                await manager.move_file("a", "b")
                assert (await manager.save_checkpoint("moved")).message == "moved"
            assert await listed(maker) == ["b"]
            assert len(await maker.history()) == 2
            done = troubled.count <= number
            assert not done or dead_bytes(archives.files) == (0, 0)
            await maker.add_file("c", b"c")
            await maker.save_checkpoint()
            await check(maker, archives.files)
        number += 1
    assert number > 20


@pytest.mark.usefixtures("eager")
async def test_it_leaves_damage_alone(archives: Archives) -> None:
    """A save is done although the archive can't be compacted, and what is damaged can still be repaired."""
    await wasteful(archives)
    place = offsets(archives.files)["content/large"]
    flip(archives, place + 28, 0x40)
    manager = await archives.open()
    report = await manager.move("a", "moved")
    assert (report.created, report.reclaimed) == (True, 0)
    assert LARGE in read_file(archives.files, ARCHIVE) or manifest_of(archives.files)


@pytest.mark.usefixtures("eager")
async def test_pause_holds_it(archives: Archives) -> None:
    await wasteful(archives)
    control = RunControl()
    begun = threading.Event()

    class Pausing(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "open" and step.path.endswith(".part"):
                control.gate.close()
                begun.set()
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Pausing(archives.files))
    running = asyncio.ensure_future(manager.move("a", "b", control=control))
    await until(begun.is_set)
    done, _ = await asyncio.wait([running], timeout=0.2)
    assert not done
    control.gate.open()
    assert (await running).reclaimed > 100_000


@pytest.mark.usefixtures("eager")
async def test_no_compaction_without_end(archives: Archives) -> None:
    """Once it was compacted, the next saves are not followed by another one."""
    await wasteful(archives)
    manager = await archives.open()
    assert (await manager.move("a", "b")).reclaimed > 0
    assert (await manager.move("b", "c")).reclaimed == 0
    assert (await manager.move("c", "a")).reclaimed == 0
    await check(manager, archives.files)
