"""A version compared with a folder on disk: the inverse of a restore, and it reads only what it has to."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, AbortError, JCFConfig, JCFManager, LocalAdapter, MemoryAdapter
from kamaros_gui.archive.differences import diff_with_folder
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.errors import (
    ArchiveError,
    NotFoundError,
    StorageError,
    UnsafeNameError,
    VersionNotFoundError,
)
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import READS, FailingAdapter, SlowAdapter, Step, WrappingAdapter, write_file
from tests.helpers.archives import open_files, until
from tests.helpers.streams import no_task_left
from tests.helpers.trees import build_odd_tree, file_hash, noise, text, write

MIB = 1 << 20
OLD_NS = 1_500_000_000_123_456_789
CONFIG = JCFConfig(level=1, workers=2)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


class Place:
    """An archive, a folder, and their comparison."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self.folder = folder / "tree"
        self.archive = folder / "a.jcf"
        self.workers = workers
        self.control = RunControl()

    async def save(self, **options: Any) -> str:
        async with await JCFManager.open(self.archive, CONFIG, create=True, workers=self.workers) as manager:
            return (await manager.save([f"{self.folder}/."], mirror=True, **options)).version

    async def restore(self, target: Path, version: str = "HEAD") -> None:
        async with await JCFManager.open(self.archive, CONFIG, workers=self.workers) as manager:
            report = await manager.restore_version(version, target, outside_links=True)
            assert not report.failed

    async def diff(
        self,
        old: str = "HEAD",
        *,
        folder: Path | None = None,
        into: str = "",
        config: JCFConfig = CONFIG,
        files: FileSystemAdapter | None = None,
    ) -> DiffReport:
        self.control = RunControl()
        place = files or LocalAdapter()
        where = str(folder or self.folder)
        return await diff_with_folder(place, str(self.archive), old, where, into, config, self.workers, self.control)


@pytest.fixture
def place(tmp_path: Path, workers: Workers) -> Iterator[Place]:
    yield Place(tmp_path, workers)
    assert open_files(tmp_path) == []


def told(report: DiffReport) -> list[tuple[str, str, str]]:
    """Path, change and old path of each entry."""
    return [(entry.path, entry.change, entry.old_path) for entry in report.entries]


def settled(folder: Path) -> None:
    """Let the last change in *folder* be so long ago that the next save trusts its time."""
    while time.time_ns() < max(os.lstat(path).st_ctime_ns for path in folder.rglob("*")) + 100_000_000:
        pass


class Reading(FailingAdapter):
    """Knows which files were read."""

    def __init__(self) -> None:
        super().__init__(LocalAdapter(), counted=READS)

    def names(self, folder: Path) -> set[str]:
        return {os.path.relpath(step.path, folder) for step in self.steps if step.path.startswith(f"{folder}/")}


# ------------------------------------------------------------------------------------------ the inverse of a restore


async def test_nothing_differs_after_a_restore(place: Place, tmp_path: Path) -> None:
    build_odd_tree(place.folder, small_files=60)
    write(place.folder / "set-uid", b"x", mode=0o4755)
    os.chmod(place.folder / "empty", 0o2770)  # noqa: S103 - a set-gid bit that no restore gives
    await place.save()
    await place.restore(tmp_path / "out")
    report = await place.diff(folder=tmp_path / "out")
    assert told(report) == []
    assert report.issues == ()
    assert report.unchanged == sum(path.is_symlink() or path.is_file() for path in (tmp_path / "out").rglob("*"))
    assert told(await place.diff()) == [], "nor from what was saved"


async def test_older_version_after_its_restore(place: Place, tmp_path: Path) -> None:
    write(place.folder / "a", b"1")
    write(place.folder / "d" / "b", text(5000))
    first = await place.save()
    write(place.folder / "a", b"22")
    os.rename(place.folder / "d" / "b", place.folder / "c")
    await place.save()
    await place.restore(tmp_path / "out", first)
    assert told(await place.diff(first, folder=tmp_path / "out")) == []
    assert told(await place.diff("HEAD", folder=tmp_path / "out")) == [("a", "changed", ""), ("d/b", "renamed", "c")]


async def test_folders_without_entries_of_their_own(place: Place, tmp_path: Path) -> None:
    async with await JCFManager.open(place.archive, CONFIG, create=True) as manager:
        await manager.add_file("d/e/f", b"content")
        await manager.save_checkpoint()
    await place.restore(tmp_path / "out")
    (tmp_path / "out" / "d" / "new").mkdir()
    assert told(await place.diff(folder=tmp_path / "out")) == [("d/new", "added", "")]
    assert told(await place.diff(folder=tmp_path / "out" / "d", into="d")) == [("d/new", "added", "")]


# --------------------------------------------------------------------------------------------------- what differs


@pytest.fixture
async def tree(place: Place) -> Place:
    """A folder, saved, and known to HEAD by its times."""
    for name, content in {"a": b"aaaa", "b": b"bbbb", "d/c": text(3000), "d/large": text(3 * MIB)}.items():
        write(place.folder / name, content, mtime_ns=OLD_NS)
    (place.folder / "link").symlink_to("a")
    settled(place.folder)
    await place.save()
    return place


async def test_each_kind_of_change(tree: Place) -> None:
    folder = tree.folder
    write(folder / "a", b"AAAA")
    write(folder / "b", b"longer than before")
    os.chmod(folder / "d" / "c", 0o600)
    os.chmod(folder / "d", 0o700)
    os.rename(folder / "d" / "large", folder / "moved")
    (folder / "link").unlink()
    (folder / "link").symlink_to("b")
    write(folder / "new", b"new")
    (folder / "empty").mkdir()
    report = await tree.diff()
    assert told(report) == [
        ("a", "changed", ""),
        ("b", "changed", ""),
        ("d", "metadata", ""),
        ("d/c", "metadata", ""),
        ("empty", "added", ""),
        ("link", "changed", ""),
        ("moved", "renamed", "d/large"),
        ("new", "added", ""),
    ]
    entries = {entry.path: entry for entry in report.entries}
    assert (entries["a"].old_size, entries["a"].new_size) == (4, 4)
    assert entries["a"].new_hash == file_hash(folder / "a") != entries["a"].old_hash
    assert (entries["b"].new_size, entries["b"].new_hash) == (18, ""), "another size is difference enough"
    assert entries["moved"].new_hash == entries["moved"].old_hash == file_hash(folder / "moved")
    assert (report.new, report.folder, report.unchanged) == ("", str(folder), 0)
    assert report.bytes_read == 4 + 3000 + 3 * MIB
    assert tree.control.progress.bytes_done == tree.control.progress.bytes_total == report.bytes_read


async def test_time_alone(tree: Place) -> None:
    os.utime(tree.folder / "a", ns=(OLD_NS + 1, OLD_NS + 1))
    os.utime(tree.folder / "d", ns=(5, 5))
    os.utime(tree.folder / "link", ns=(7, 7), follow_symlinks=False)
    report = await tree.diff()
    assert told(report) == [("a", "metadata", ""), ("link", "metadata", "")]
    assert report.entries[0].new_hash == report.entries[0].old_hash == file_hash(tree.folder / "a")


@pytest.mark.parametrize("step", [100, 1_000_000_000, 2_000_000_000], ids=["NTFS", "seconds", "FAT"])
async def test_times_a_file_system_can_not_keep(tree: Place, step: int) -> None:
    kept = OLD_NS // step * step
    os.utime(tree.folder / "a", ns=(kept, kept))
    assert told(await tree.diff()) == []
    other = kept - 2 * step
    os.utime(tree.folder / "a", ns=(other, other))
    assert told(await tree.diff()) == [("a", "metadata", "")]


async def test_kinds_that_changed(tree: Place) -> None:
    (tree.folder / "a").unlink()
    write(tree.folder / "a" / "x", b"aaaa")
    (tree.folder / "b").unlink()
    (tree.folder / "b").symlink_to("a")
    for name in ("c", "large"):
        (tree.folder / "d" / name).unlink()
    (tree.folder / "d").rmdir()
    write(tree.folder / "d", b"a file now")
    assert told(await tree.diff()) == [
        ("a", "changed", ""),
        ("a/x", "added", ""),
        ("b", "changed", ""),
        ("d", "changed", ""),
        ("d/c", "removed", ""),
        ("d/large", "removed", ""),
    ]


async def test_folder_stands_for_one_of_the_archive(tree: Place) -> None:
    write(tree.folder / "d" / "new", b"1")
    (tree.folder / "d" / "c").unlink()
    report = await tree.diff(folder=tree.folder / "d", into="./d/")
    assert told(report) == [("d/c", "removed", ""), ("d/new", "added", "")]
    assert report.unchanged == 1


async def test_link_to_a_folder_is_followed_as_the_folder_itself(tree: Place, tmp_path: Path) -> None:
    (tmp_path / "to it").symlink_to("tree")
    report = await tree.diff(folder=tmp_path / "to it")
    assert told(report) == []
    assert report.folder == str(tmp_path / "to it")


async def test_archive_in_the_folder_it_is_compared_with(tree: Place) -> None:
    inside = tree.folder / "a.jcf"
    os.rename(tree.archive, inside)
    tree.archive = inside
    write(tree.folder / "a.jcf.journal", b"")
    write(tree.folder / "a.jcf.part", b"part")
    assert told(await tree.diff()) == []
    os.symlink("tree/a.jcf", tree.folder.parent / "by link")
    tree.archive = tree.folder.parent / "by link"
    assert told(await tree.diff()) == []


# ------------------------------------------------------------------------------------------------------ what is read


async def test_known_files_are_not_read(tree: Place) -> None:
    reading = Reading()
    report = await tree.diff(files=reading)
    assert (told(report), report.unchanged, report.bytes_read) == ([], 5, 0)
    assert reading.names(tree.folder) == set()


async def test_all_are_read_where_that_is_asked_for(tree: Place) -> None:
    reading = Reading()
    report = await tree.diff(files=reading, config=CONFIG.replace(reread_unchanged=True))
    assert (told(report), report.unchanged, report.bytes_read) == ([], 5, 8 + 3000 + 3 * MIB)
    assert reading.names(tree.folder) == {"a", "b", "d/c", "d/large"}


async def test_older_version_is_compared_without_reading_what_head_knows(tree: Place) -> None:
    write(tree.folder / "a", b"AAAA", mtime_ns=OLD_NS)
    settled(tree.folder)
    await tree.save()
    reading = Reading()
    report = await tree.diff("HEAD~1", files=reading)
    assert told(report) == [("a", "changed", "")]
    assert report.entries[0].new_hash == file_hash(tree.folder / "a")
    assert reading.names(tree.folder) == set()


async def test_only_files_of_a_missing_size_are_read_for_renames(tree: Place) -> None:
    os.rename(tree.folder / "b", tree.folder / "renamed")
    write(tree.folder / "same size", b"cccc")
    write(tree.folder / "other size", b"ccccc")
    write(tree.folder / "empty", b"")
    reading = Reading()
    report = await tree.diff(files=reading)
    assert told(report) == [
        ("empty", "added", ""),
        ("other size", "added", ""),
        ("renamed", "renamed", "b"),
        ("same size", "added", ""),
    ]
    assert reading.names(tree.folder) == {"renamed", "same size"}


@pytest.mark.parametrize("chunk_size", [4096, 65_536, 4 * MIB])
async def test_chunks_and_memory(tree: Place, chunk_size: int) -> None:
    config = CONFIG.replace(reread_unchanged=True, chunk_size=chunk_size)
    slow = SlowAdapter(LocalAdapter())
    assert told(await tree.diff(files=slow, config=config)) == []
    assert slow.largest_read <= max(MIB, chunk_size) + 1
    stages = {stage.name: stage for stage in tree.control.stages.snapshot()}
    assert stages["read"].bytes_out == stages["hash"].bytes_in == 8 + 3000 + 3 * MIB


async def test_in_memory(workers: Workers) -> None:
    files = MemoryAdapter()
    for folder in ("/t", "/t/d"):
        files.make_folder(folder)
    write_file(files, "/t/a", b"1")
    write_file(files, "/t/d/b", text(2 * MIB))
    async with await JCFManager.open("/a.jcf", CONFIG, create=True, files=files, workers=workers) as manager:
        await manager.save(["/t/."])
    files.rename("/t/d/b", "/t/b")
    report = await diff_with_folder(files, "/a.jcf", "HEAD", "/t", "", CONFIG, workers, RunControl())
    assert told(report) == [("b", "renamed", "d/b")]


# ----------------------------------------------------------------------------------------------- what can't be read


class Broken(WrappingAdapter):
    """Fails to read one path.

    Args:
        name: last name of the path.
    """

    def __init__(self, name: str) -> None:
        super().__init__(LocalAdapter())
        self._name = name

    def _call(self, step: Step, function: Any, *arguments: Any, **named: Any) -> Any:
        if step.name in {*READS, "list", "read_link"} and os.path.basename(step.path) == self._name:
            raise StorageError(f"{step.path} can't be read.", path=step.path)
        return super()._call(step, function, *arguments, **named)


@pytest.mark.parametrize("name", ["a", "d/c", "d/large", "link", "d", "renamed"])
async def test_file_that_can_not_be_read(tree: Place, name: str) -> None:
    if name == "renamed":
        os.rename(tree.folder / "b", tree.folder / name)
    report = await tree.diff(files=Broken(os.path.basename(name)), config=CONFIG.replace(reread_unchanged=True))
    assert told(report) == ([("b", "removed", "")] if name == "renamed" else [])
    assert [(issue.path, issue.kind) for issue in report.issues] == [(str(tree.folder / name), "failed")]
    assert report.unchanged == {"d": 3, "renamed": 4}.get(name, 4)


@pytest.mark.parametrize("name", ["a", "d/large"])
@pytest.mark.parametrize("how", ["grows", "vanishes", "link", "pipe"])
async def test_file_that_changes_meanwhile(tree: Place, name: str, how: str) -> None:
    path = tree.folder / name

    class Changing(WrappingAdapter):
        done = False

        def _call(self, step: Step, function: Any, *arguments: Any, **named: Any) -> Any:
            if step.path == str(path) and step.name in {"read_whole", "open"} and not self.done:
                self.done = True
                if how == "grows":
                    with open(path, "ab") as file:
                        file.write(b"more")
                else:
                    path.unlink()
                if how == "link":
                    path.symlink_to(tree.folder / "b")
                elif how == "pipe":
                    os.mkfifo(path)
            return super()._call(step, function, *arguments, **named)

    report = await tree.diff(files=Changing(LocalAdapter()), config=CONFIG.replace(reread_unchanged=True))
    assert told(report) == []
    assert [issue.path for issue in report.issues] == [str(path)]
    assert report.unchanged == 4


async def test_what_is_no_file(tree: Place) -> None:
    (tree.folder / "a").unlink()
    here = os.getcwd()
    os.chdir(tree.folder)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("a")
    finally:
        os.chdir(here)
    report = await tree.diff()
    assert told(report) == [], "something is there, so it is not removed"
    assert [(issue.path, issue.kind) for issue in report.issues] == [(str(tree.folder / "a"), "skipped")]


# ------------------------------------------------------------------------------------------------------------- errors


async def test_what_is_not_there(tree: Place, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file or folder"):
        await tree.diff(folder=tmp_path / "none")
    with pytest.raises(StorageError, match="Not a directory"):
        await tree.diff(folder=tree.folder / "a")
    with pytest.raises(VersionNotFoundError):
        await tree.diff("HEAD~1")
    with pytest.raises(NotFoundError, match="There is no “none” in this version"):
        await tree.diff(into="none")
    with pytest.raises(ArchiveError, match="“a” is a file"):
        await tree.diff(into="a")
    with pytest.raises(UnsafeNameError):
        await tree.diff(into="../a")
    tree.archive = tmp_path / "none.jcf"
    with pytest.raises(NotFoundError, match="There is no archive"):
        await tree.diff()


async def test_plain_zip(tree: Place, tmp_path: Path) -> None:
    tree.archive = tmp_path / "plain.zip"
    with zipfile.ZipFile(tree.archive, "w") as plain:
        plain.writestr("a", "1")
    with pytest.raises(VersionNotFoundError, match="plain ZIP"):
        await tree.diff()


# ------------------------------------------------------------------------------------------------- abort and pause


@pytest.fixture
async def heavy(place: Place) -> Place:
    """A folder of small files and a large one, none of them known."""
    for number in range(300):
        write(place.folder / f"small {number}", noise(3000, number))
    write(place.folder / "zz large", text(20 * MIB))
    await place.save()
    return place


REREAD = CONFIG.replace(reread_unchanged=True)


@pytest.mark.parametrize("at", [10, 310])
@pytest.mark.parametrize("how", ["abort", "abort in a thread"])
async def test_abort(heavy: Place, at: int, how: str) -> None:
    controller = AbortController()
    aborted: list[float] = []

    def on_step(number: int) -> None:
        if number == at and not aborted:
            loop.call_soon_threadsafe(stop) if how == "abort" else stop()

    def stop() -> None:
        aborted.append(time.monotonic())
        controller.abort(AbortError("enough"))

    loop = asyncio.get_running_loop()
    files = FailingAdapter(LocalAdapter(), counted={"read_whole", "file.read_into"}, on_step=on_step)
    control = RunControl(controller.signal)
    async with no_task_left():
        with pytest.raises(AbortError, match="enough"):
            await diff_with_folder(
                files, str(heavy.archive), "HEAD", str(heavy.folder), "", REREAD, heavy.workers, control
            )
    assert time.monotonic() - aborted[0] < 0.5  # the bound is 0.1; tests share the machine with others
    assert files.open_files == []
    assert files.count < 325


@pytest.mark.parametrize("phase", [Phase.READING_ARCHIVE, Phase.COUNTING])
async def test_abort_before_anything_is_read(heavy: Place, phase: Phase) -> None:
    controller = AbortController()
    control = RunControl(controller.signal)

    def on_step(_number: int) -> None:
        if control.progress.phase is phase:
            controller.abort()

    files = FailingAdapter(LocalAdapter(), counted={"list", "open"}, on_step=on_step)
    with pytest.raises(AbortError):
        await diff_with_folder(files, str(heavy.archive), "HEAD", str(heavy.folder), "", REREAD, heavy.workers, control)
    assert control.progress.bytes_done == 0


async def test_pause_holds_the_reading(heavy: Place) -> None:
    files = SlowAdapter(LocalAdapter())
    control = RunControl()
    paused: list[int] = []
    count: Callable[[int], None] = control.progress.add_chunk

    def counting(size: int) -> None:
        count(size)
        if not paused:
            control.gate.close()
            paused.append(control.progress.bytes_done)

    control.progress.add_chunk = counting  # type: ignore[method-assign] # tells of the first chunk of the large file
    async with no_task_left():
        running = asyncio.ensure_future(
            diff_with_folder(files, str(heavy.archive), "HEAD", str(heavy.folder), "", REREAD, heavy.workers, control)
        )
        await until(lambda: control.gate._waiting)
        held = control.progress.bytes_done
        assert held < 300 * 3000 + 20 * MIB
        assert not running.done()
        control.gate.open()
        assert told(await running) == []
    assert control.progress.bytes_done == 300 * 3000 + 20 * MIB
