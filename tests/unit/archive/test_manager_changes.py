"""What add_file and remove_file collect: names, replacements, what makes a version, discard and close, the lock."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager, LocalAdapter, MemoryAdapter
from kamaros_gui.base.errors import (
    ArchiveError,
    ArchiveInUseError,
    DiskFullError,
    KamarosError,
    NotFoundError,
    SourceChangedError,
    StorageError,
    UnsafeNameError,
)
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from tests.helpers.adapters import (
    CLEANING_UP,
    FailingAdapter,
    SlowAdapter,
    Step,
    WrappingAdapter,
    names,
    read_file,
    write_file,
)
from tests.helpers.archives import content_of, listed, open_files, until
from tests.helpers.program import environment
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
CONFIG = JCFConfig(level=1, workers=2)


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[JCFManager]:
    """An archive with one version: ``a``, ``d/b`` and ``d/large``."""
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as opened:
        await opened.add_file("a", b"a", modified=1000)
        await opened.add_file("d/b", text(5000), modified=1000)
        await opened.add_file("d/large", text(1_200_000), modified=1000)
        await opened.save_checkpoint("first")
        yield opened


# ------------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize("name", ["../out", "a/../../out", "c:\\x\0", "a/\ud800", "a\nb\0c", "x" * 70_000])
async def test_unsafe_name(manager: JCFManager, name: str) -> None:
    before = Path(manager.path).read_bytes()
    with pytest.raises(UnsafeNameError):
        await manager.add_file(name, b"x")
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"], "the lock was given back"
    assert Path(manager.path).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is not the name of a file"),
        ("/", "is not the name of a file"),
        ("./.", "is not the name of a file"),
        ("new/", "is not the name of a file"),
        ("d", "“d” is a folder in the archive"),
        ("a/below", "“a” is a file in the archive; nothing can be put below it"),
        ("d/b/c/d", "“d/b” is a file in the archive"),
        ("added/x/y", "“added/x” is a file in the archive"),
        ("added", "“added” is a folder in the archive"),
    ],
)
async def test_name_in_the_way(manager: JCFManager, name: str, said: str) -> None:
    await manager.add_file("added/x", b"x")
    with pytest.raises(ArchiveError, match=said):
        await manager.add_file(name, b"x")
    await manager.save_checkpoint()
    assert await listed(manager) == ["a", "added/x", "d/b", "d/large"]


async def test_names_are_brought_into_normal_form(manager: JCFManager) -> None:
    assert (await manager.add_file("./d//new", b"1")).path == "d/new"
    assert (await manager.add_file("d/new", b"2")).path == "d/new"
    await manager.save_checkpoint()
    assert await content_of(manager, "d/new") == b"2"


async def test_file_takes_the_place_of_a_folder_that_was_removed(manager: JCFManager) -> None:
    assert await manager.remove_file("d") == 2
    await manager.add_file("d", b"now a file")
    await manager.remove_file("a")
    await manager.add_file("a/below", b"now a folder")
    await manager.save_checkpoint()
    assert await listed(manager) == ["a/below", "d"]
    assert await listed(manager, "HEAD~1") == ["a", "d/b", "d/large"]
    assert await content_of(manager, "d/b", "HEAD~1") == text(5000)
    assert (await manager.verify()).valid


@pytest.mark.parametrize(
    "numbers",
    [
        {"modified": float("nan")},
        {"modified": float("inf")},
        {"modified": 1e12},
        {"mode": -1},
        {"mode": 1 << 40},
        {"size": -1},
    ],
    ids=str,
)
async def test_number_out_of_range(manager: JCFManager, numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(numbers))} is"):
        await manager.add_file("x", b"x", **numbers)
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"]


async def test_times_beyond_those_of_an_archive(tmp_path: Path) -> None:
    """Some file systems know times no archive can hold; the nearest one is recorded, and all stays readable."""

    class Odd(WrappingAdapter):
        def _call(self, step: Step, function: Any, *arguments: Any, **named: Any) -> Any:
            result = super()._call(step, function, *arguments, **named)
            if step.name == "read_whole":
                data, status = result
                return data, status._replace(mtime_ns=10**20, ctime_ns=-(10**20), inode=(1 << 64) - 1)
            return result

    write(tmp_path / "source", b"x")
    async with await JCFManager.open(tmp_path / "a.jcf", create=True, files=Odd(LocalAdapter())) as manager:
        await manager.save([tmp_path / "source"])
        assert (await manager.list_files()).entries[0].modified == (1 << 63) - 1
        assert (await manager.verify()).valid
        assert not (await manager.save([tmp_path / "source"])).created


# -------------------------------------------------------------------------------------------- what is a version


async def test_same_content_adds_no_version(manager: JCFManager) -> None:
    before = Path(manager.path).read_bytes()
    entry = await manager.add_file("d/b", text(5000))
    assert entry.modified == 1000 * 10**9, "it keeps its time"
    assert (await manager.add_file("d/large", iter([text(1_200_000)]))).modified == 1000 * 10**9
    version = await manager.save_checkpoint("nothing new")
    assert version.message == "first"
    assert Path(manager.path).read_bytes() == before
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"]


async def test_same_content_with_a_time_of_its_own_is_a_version(manager: JCFManager) -> None:
    await manager.add_file("d/b", text(5000), modified=2000)
    assert (await manager.save_checkpoint("touched")).message == "touched"
    entry = next(each for each in (await manager.list_files()).entries if each.path == "d/b")
    assert entry.modified == 2000 * 10**9
    assert (await manager.verify()).valid


async def test_mode_and_time_are_recorded(manager: JCFManager, tmp_path: Path) -> None:
    await manager.add_file("x", b"x", modified=1234.5, mode=0o4755)
    write(tmp_path / "disk", b"disk", mode=0o600, mtime_ns=77 * 10**9)
    await manager.add_file("disk", tmp_path / "disk", modified=5, mode=0o777)
    await manager.save_checkpoint()
    found = {each.path: (each.mode, each.modified) for each in (await manager.list_files()).entries}
    assert found["disk"] == (0o600, 77 * 10**9), "a file on disk has its own"
    assert found["x"] == (0o4755, 1_234_500_000_000)


async def test_the_last_one_counts(manager: JCFManager) -> None:
    for content in (b"one", text(1_500_000), b"three"):
        await manager.add_file("x", content)
    await manager.add_file("a", b"changed")
    await manager.add_file("a", b"a", modified=1000)
    version = await manager.save_checkpoint("x")
    assert (version.added, version.modified, version.deleted) == (1, 0, 0)
    assert await content_of(manager, "x") == b"three"
    assert (await manager.list_files()).dead_bytes > 500_000, "what was replaced lies dead in the archive"
    assert (await manager.verify()).valid


async def test_add_then_remove(manager: JCFManager) -> None:
    await manager.add_file("x", b"x")
    assert await manager.remove_file("x") == 1
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"], "nothing is left to save"
    await manager.add_file("x", b"x")
    await manager.add_file("y", b"y")
    await manager.remove_file("x")
    await manager.save_checkpoint()
    assert await listed(manager) == ["a", "d/b", "d/large", "y"]
    assert (await manager.verify()).valid


async def test_remove_then_add_again(manager: JCFManager) -> None:
    await manager.remove_file("d/b")
    await manager.add_file("d/b", b"other")
    await manager.remove_file("a")
    await manager.add_file("a", b"a", modified=1000)
    version = await manager.save_checkpoint("again")
    assert (version.added, version.modified, version.deleted) == (0, 1, 0)
    assert await content_of(manager, "d/b") == b"other"
    assert await content_of(manager, "d/b", "HEAD~1") == text(5000)
    assert await content_of(manager, "a") == b"a"
    assert (await manager.verify()).valid


@pytest.mark.parametrize("path", ["nothing", "d/nothing", "a/below", "", "/", "dd"])
async def test_remove_what_is_not_there(manager: JCFManager, path: str) -> None:
    with pytest.raises(NotFoundError):
        await manager.remove_file(path)
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"]


async def test_remove_folder(manager: JCFManager) -> None:
    await manager.add_file("d/new", b"new")
    assert await manager.remove_file("d/") == 3
    with pytest.raises(NotFoundError):
        await manager.remove_file("d")
    version = await manager.save_checkpoint()
    assert (version.added, version.deleted) == (0, 2)
    assert await listed(manager) == ["a"]


async def test_add_what_the_archive_has_elsewhere(manager: JCFManager) -> None:
    await manager.add_file("copy", text(5000))
    await manager.remove_file("d/b")
    await manager.save_checkpoint()
    assert await content_of(manager, "copy") == text(5000)
    assert await content_of(manager, "d/b", "HEAD~1") == text(5000)
    assert (await manager.verify()).valid


async def test_checkpoint_of_nothing(manager: JCFManager, tmp_path: Path) -> None:
    assert (await manager.save_checkpoint("nothing")).message == "first"
    async with await JCFManager.open(tmp_path / "new.jcf", create=True) as new:
        with pytest.raises(ArchiveError, match="has no version yet, and nothing was added"):
            await new.save_checkpoint()
    assert os.listdir(tmp_path) == ["a.jcf"]


# ------------------------------------------------------------------------------------- discard, close, lock


async def test_discard_leaves_no_byte(manager: JCFManager) -> None:
    before, stamp = Path(manager.path).read_bytes(), os.stat(manager.path).st_mtime_ns
    await manager.add_file("x", noise(3 * MIB))
    await manager.remove_file("a")
    assert os.path.getsize(manager.path) > len(before)
    await manager.discard()
    assert Path(manager.path).read_bytes() == before
    assert os.stat(manager.path).st_mtime_ns == stamp
    assert os.listdir(os.path.dirname(manager.path)) == ["a.jcf"]
    await manager.discard()
    await manager.add_file("x", b"works")
    await manager.save_checkpoint()


async def test_close_discards(tmp_path: Path) -> None:
    archive = tmp_path / "a.jcf"
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        await manager.add_file("x", noise(2 * MIB))
        assert sorted(os.listdir(tmp_path)) == ["a.jcf.journal", "a.jcf.part"]
    assert os.listdir(tmp_path) == []
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        await manager.add_file("x", b"x")
        await manager.save_checkpoint()
        before = archive.read_bytes()
        await manager.add_file("y", noise(2 * MIB))
    assert archive.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.jcf"]
    assert open_files(tmp_path) == []


async def test_close_after_an_error_discards_too(tmp_path: Path) -> None:
    async def fail() -> None:
        async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
            await manager.add_file("x", b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert os.listdir(tmp_path) == []


async def test_others_are_locked_out_and_see_the_state_before(manager: JCFManager) -> None:
    async with await JCFManager.open(manager.path, CONFIG) as other:
        await manager.add_file("x", b"x")
        with pytest.raises(ArchiveInUseError, match=f"process {os.getpid()}"):
            await other.add_file("y", b"y")
        with pytest.raises(ArchiveInUseError):
            await other.remove_file("a")
        with pytest.raises(ArchiveInUseError):
            await other.save([__file__])
        assert await listed(other) == ["a", "d/b", "d/large"]
        assert (await other.verify()).valid
        await manager.discard()
        await other.add_file("y", b"y")
        with pytest.raises(ArchiveInUseError):
            await manager.add_file("x", b"x")
        await other.save_checkpoint("other")
        await manager.add_file("x", b"x")
        assert (await manager.save_checkpoint("mine")).message == "mine"
        assert await listed(other) == ["a", "d/b", "d/large", "x", "y"]
        assert [each.message for each in await other.history()] == ["mine", "other", "first"]


async def test_save_is_refused_while_changes_wait(manager: JCFManager) -> None:
    await manager.add_file("x", b"x")
    with pytest.raises(ArchiveError, match="has changes that are not saved yet"):
        await manager.save([__file__])
    await manager.save_checkpoint()
    assert (await manager.save([__file__])).created


# -------------------------------------------------------------------------------------------------- progress


@pytest.mark.parametrize("size", [0, 40_000, 3_000_000])
async def test_progress(manager: JCFManager, size: int) -> None:
    """It never goes back, ends at its total, and the last one is the end."""
    seen: list[ProgressSnapshot] = []
    data = noise(size)

    async def slowly() -> AsyncIterator[bytes]:
        for at in range(0, size, 50_000):
            seen_before = len(seen)
            await asyncio.sleep(0)
            yield data[at : at + 50_000]
            assert len(seen) >= seen_before

    await manager.add_file("x", slowly(), size=size, on_progress=seen.append)
    last = seen[-1]
    assert (last.phase, last.bytes_done, last.bytes_total) == (Phase.FINISHED, size, size)
    assert (last.files_done, last.files_total) == (1, 1)
    assert last.permille == 1000
    done = [each.bytes_done for each in seen]
    assert done == sorted(done)
    await manager.add_file("y", [data], on_progress=seen.append)
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (size, None), "nobody told how much it would be"


async def test_progress_listener_that_fails_stops_nothing(
    manager: JCFManager, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_snapshot: ProgressSnapshot) -> None:
        raise ZeroDivisionError

    await manager.add_file("x", text(2_000_000), on_progress=fail)
    assert (await manager.save_checkpoint("saved", on_progress=fail)).message == "saved"
    stream = await manager.open_file("x", on_progress=fail)
    assert b"".join([bytes(chunk) async for chunk in stream]) == text(2_000_000)
    assert {record.message for record in caplog.records} == {"A progress listener failed"}
    assert open_files(os.path.dirname(manager.path)) == []


# --------------------------------------------------------------------------------- checkpoints that can't be made


async def prepared(files: Any) -> JCFManager:
    """A manager on an archive with a version, and with changes that wait."""
    manager = JCFManager("/a.jcf", CONFIG, None, files)
    await manager.add_file("kept", b"kept")
    await manager.add_file("left", text(3000))
    await manager.save_checkpoint("first")
    await manager.add_file("new", text(3000, 2))
    await manager.add_file("large", text(1_100_000))
    await manager.add_file("kept", b"other")
    await manager.remove_file("left")
    return manager


async def count_steps() -> tuple[int, int]:
    files = FailingAdapter(MemoryAdapter(), left_out=CLEANING_UP)
    manager = await prepared(files)
    before = files.count
    await manager.save_checkpoint("second")
    after = files.count
    await manager.close()
    return before, after


async def test_checkpoint_that_fails_at_any_step_can_be_made_again() -> None:
    first, end = await count_steps()
    assert end - first > 10
    failed: list[str] = []
    for step in range(first, end):
        memory = MemoryAdapter()
        error = StorageError("the disk is gone")
        files = FailingAdapter(memory, step, error, left_out=CLEANING_UP)
        manager = await prepared(files)
        base = read_file(memory, "/a.jcf")[: manager._pending.checkpoint.transaction.region.start]  # type: ignore[union-attr]
        async with await JCFManager.open("/a.jcf", CONFIG, files=memory) as other:
            raised = False
            try:
                await manager.save_checkpoint("second")
            except StorageError as caught:
                raised = caught is error
                failed.append(files.steps[step].name)
                if not raised:
                    raise
                assert await listed(other) == ["kept", "left"], f"{files.failed}: a failed checkpoint is seen"
                assert (await other.verify()).valid
                assert len(await other.history()) == 1
                if step % 2:
                    await manager.discard()
                    assert read_file(memory, "/a.jcf") == base, f"{files.failed}: not the bytes of before"
                    await manager.close()
                    continue
            version = await manager.save_checkpoint("third")
            assert version.message in {"second", "third"}, files.failed
            assert await listed(other) == ["kept", "large", "new"], files.failed
            assert await content_of(other, "left", "HEAD~1") == text(3000)
            assert await content_of(other, "kept", "HEAD~1") == b"kept"
            assert await content_of(other, "large") == text(1_100_000)
            report = await other.verify()
            assert report.valid, (files.failed, report.errors)
        await manager.close()
        assert files.open_files == []
        if raised:  # where it was not, an old header may wait in the journal for the next writer
            assert names(memory, "/") == ["a.jcf"], files.failed
    assert {"file.write", "file.sync", "file.truncate"} <= set(failed)


@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
async def test_beginning_that_fails_at_any_step_leaves_nothing(new: bool) -> None:
    """Locking, looking at the archive, opening it: until the first change is there, nothing lies beside it."""
    memory = MemoryAdapter()
    if not new:
        async with await JCFManager.open("/a.jcf", CONFIG, create=True, files=memory) as manager:
            await manager.add_file("old", b"old")
            await manager.save_checkpoint()
    before = names(memory, "/"), b"" if new else read_file(memory, "/a.jcf")
    step, failed = 0, True
    while failed:
        files = FailingAdapter(memory, step, left_out=CLEANING_UP)
        manager = JCFManager("/a.jcf", CONFIG, None, files)
        try:
            await manager.add_file("x", text(3000))
        except StorageError:
            assert (names(memory, "/"), b"" if new else read_file(memory, "/a.jcf")) == before, files.failed
        else:
            failed = False
            files._fail_at = -1
        await manager.close()
        assert files.open_files == []
        assert (names(memory, "/"), b"" if new else read_file(memory, "/a.jcf")) == before, files.failed
        step += 1
    assert step > 10


async def test_checkpoint_of_a_new_archive_that_fails_at_any_step() -> None:
    async def begun(files: Any) -> JCFManager:
        manager = JCFManager("/new.jcf", CONFIG, None, files)
        await manager.add_file("x", text(3000))
        return manager

    counting = FailingAdapter(MemoryAdapter(), left_out=CLEANING_UP)
    manager = await begun(counting)
    first = counting.count
    await manager.save_checkpoint()
    end = counting.count
    await manager.close()
    for step in range(first, end):
        memory = MemoryAdapter()
        files = FailingAdapter(memory, step, left_out=CLEANING_UP)
        manager = await begun(files)
        try:
            await manager.save_checkpoint("first try")
        except StorageError:
            assert "new.jcf" not in names(memory, "/"), files.failed
            if step % 2:
                await manager.close()
                assert names(memory, "/") == [], files.failed
                continue
        await manager.save_checkpoint("second try")
        await manager.close()
        assert names(memory, "/") == ["new.jcf"], files.failed
        async with await JCFManager.open("/new.jcf", files=memory) as again:
            assert await content_of(again, "x") == text(3000)


async def test_full_volume() -> None:
    """The archive stays as it is, the error says what is missing, and what was added before can be saved."""
    files = MemoryAdapter(capacity=400_000)
    async with await JCFManager.open("/a.jcf", CONFIG, create=True, files=files) as manager:
        await manager.add_file("one", noise(100_000))
        await manager.save_checkpoint("one")
        before = read_file(files, "/a.jcf")
        await manager.add_file("two", noise(200_000, 2))
        for content in (noise(500_000, 3), iter([noise(500_000, 3)] * 4)):
            with pytest.raises(DiskFullError) as caught:
                await manager.add_file("three", content)
            assert caught.value.volume == "memory"
            assert (caught.value.missing or 0) > 0
        room = files.free_space("/")
        write_file(files, "/filler", bytes(room))
        with pytest.raises(DiskFullError):
            await manager.save_checkpoint("no room")
        assert read_file(files, "/a.jcf")[: len(before)] == before
        async with await JCFManager.open("/a.jcf", files=files) as other:
            assert await listed(other) == ["one"]
        files.delete("/filler")
        await manager.save_checkpoint("room again")
        assert await listed(manager) == ["one", "two"]
        assert (await manager.verify()).valid


# ------------------------------------------------------------------------------------------ sources on the disk


async def test_source_that_changes_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "source", noise(3_000_000))
    files = SlowAdapter(LocalAdapter())
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True, files=files) as manager:
        await manager.add_file("before", b"1")
        files.read_gate.clear()
        adding = asyncio.ensure_future(manager.add_file("x", tmp_path / "source"))
        await until(lambda: files.stalled)
        os.truncate(tmp_path / "source", 1_500_000)
        files.read_gate.set()
        with pytest.raises(SourceChangedError, match="changed while it was read") as caught:
            await adding
        assert caught.value.path == str(tmp_path / "source")
        assert caught.value.hint
        await manager.save_checkpoint()
        assert await listed(manager) == ["before"]


@pytest.mark.parametrize("kind", ["missing", "folder", "socket", "below a file"])
async def test_source_that_is_no_file(manager: JCFManager, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    if kind == "folder":
        source.mkdir()
    elif kind == "socket":
        os.mkfifo(source)
    elif kind == "below a file":
        write(source)
        source /= "below"
    with pytest.raises(KamarosError) as caught:
        await manager.add_file("x", source)
    assert isinstance(caught.value, NotFoundError | StorageError)
    assert str(source) in str(caught.value)


# ------------------------------------------------------------------------------------------------------ kill -9

KILLED = """
import asyncio, sys
from kamaros_gui import JCFManager

async def content():
    yield bytes(range(256)) * 20_000
    print("adding", flush=True)
    await asyncio.get_running_loop().create_future()

async def main():
    manager = await JCFManager.open(sys.argv[1], create=True)
    await manager.add_file("whole", b"whole")
    await manager.add_file("half", content())

asyncio.run(main())
"""


def killed_while_adding(archive: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, archive], stdout=subprocess.PIPE, env=environment(), text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "adding\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
async def test_kill_in_the_middle_of_add_file(manager: JCFManager, tmp_path: Path, new: bool) -> None:
    archive = tmp_path / "new.jcf" if new else Path(manager.path)
    before = b"" if new else archive.read_bytes()
    await asyncio.to_thread(killed_while_adding, archive)
    assert archive.exists() != new
    async with await JCFManager.open(archive, CONFIG, create=True) as again:
        if not new:
            assert await listed(again) == ["a", "d/b", "d/large"]
            assert archive.read_bytes()[: len(before)] == before
        await again.add_file("after", b"after")
        await again.save_checkpoint("after")
        assert await listed(again) == (["after"] if new else ["a", "after", "d/b", "d/large"])
        assert (await again.verify()).warnings == ()
    assert sorted(os.listdir(tmp_path)) == sorted({"a.jcf", archive.name})
