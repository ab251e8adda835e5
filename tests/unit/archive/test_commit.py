"""The commit stops at every step it has, by an error and by a crash: the old state or the new one, never neither."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive import commit
from kamaros_gui.base.errors import KamarosError, StorageError
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.journal import Journal, read_journal
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.primitives import FilePrimitives
from tests.helpers.trees import differences, scan, write


class Crash(Exception):  # noqa: N818 - no error of the program: the end of its process
    """The process has died; nothing it does afterwards reaches the disk."""


class Fault:
    """Stops the *n*-th step that changes something on the disk.

    Args:
        at: number of the step, from 0.
        crash: whether the process dies there (a write gets half its bytes to the disk), or the step fails once.
    """

    def __init__(self, at: int, *, crash: bool) -> None:
        self.at = at
        self.crash = crash
        self.steps: list[str] = []
        self.dead = False
        self.hit = ""
        self.journals: list[Journal] = []

    def release(self) -> None:
        """Give the locks back, as the end of a process does."""
        for journal in self.journals:
            journal.close()

    def step(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        if self.dead:
            raise Crash
        self.steps.append(name)
        if len(self.steps) - 1 == self.at:
            self.hit = name
            if self.crash:
                half()
                self.dead = True
                raise Crash
            raise StorageError(f"{name} failed")

    def install(self, patch: pytest.MonkeyPatch) -> None:
        write_file, write_tail = RandomAccessFile.write, Journal.append
        remove_journal, acquire_journal = Journal.remove, Journal.acquire

        def write(file: RandomAccessFile, offset: int, parts: Any) -> int:
            if file.path.endswith(".journal"):
                return write_file(file, offset, parts)
            whole = b"".join(bytes(part) for part in parts)
            self.step("write", lambda: write_file(file, offset, [whole[: len(whole) // 2]]))
            return write_file(file, offset, [whole])

        def append(journal: Journal, record: dict[str, Any], *, sync: bool = False) -> None:
            self.step(
                f"journal {record['kind']}",
                lambda: write_file(journal._file, journal._file.size(), [b"12345678 {torn"]),
            )
            write_tail(journal, record, sync=sync)

        def remove(journal: Journal) -> None:
            try:
                self.step("remove")
            except StorageError:
                journal.close()  # a journal that can't be deleted gives its lock back all the same
                raise
            remove_journal(journal)

        def acquire(files: FilePrimitives, archive: str) -> Journal:
            journal = acquire_journal(files, archive)
            self.journals.append(journal)
            return journal

        patch.setattr(Journal, "remove", remove)
        patch.setattr(Journal, "acquire", acquire)
        patch.setattr(RandomAccessFile, "write", write)
        patch.setattr(Journal, "append", append)
        for owner, name in (
            (RandomAccessFile, "sync"),
            (RandomAccessFile, "truncate"),
            (commit.Transaction, "_publish"),
            (LocalAdapter, "sync_folder"),
        ):
            patch.setattr(owner, name, self._wrap(name, getattr(owner, name)))

    def _wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if not str(getattr(arguments[0], "path", "")).endswith(".journal"):
                self.step(name)
            return original(*arguments, **named)

        return wrapped


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


async def save(archive: Path, tree: Path) -> None:
    async with await JCFManager.open(archive, JCFConfig(workers=1), create=True) as manager:
        await manager.save([tree], mirror=True)


async def contents(archive: Path, out: Path) -> dict[bytes, Any]:
    """What the newest version restores to; also proves that every byte is sound."""
    shutil.rmtree(out, ignore_errors=True)
    async with await JCFManager.open(archive, JCFConfig(workers=1)) as manager:
        report = await manager.verify()
        assert report.errors == (), report.errors
        listing = await manager.list_files()
        for number in range(len(listing.versions)):
            await manager.restore_version(f"HEAD~{number}", out / str(number))
            assert (await manager.restore_version(f"HEAD~{number}", out / str(number))).failed == 0
    return scan(out / "0" / "tree")


def first_state(tree: Path) -> None:
    for name in ("stays", "changes", "vanishes", "touched"):
        write(tree / name, name.encode() * 50, mtime_ns=10**18)


def second_state(tree: Path) -> None:
    write(tree / "changes", b"another content", mtime_ns=10**18)
    write(tree / "new", b"new", mtime_ns=10**18)
    os.utime(tree / "touched", ns=(1, 2 * 10**18))
    (tree / "vanishes").unlink()


async def prepare(place: Path, *, new: bool) -> tuple[Path, Path, dict[bytes, Any] | None, dict[bytes, Any]]:
    tree, archive = place / "tree", place / "a.jcf"
    first_state(tree)
    old = None
    if not new:
        await save(archive, tree)
        old = scan(tree)
        second_state(tree)
    return tree, archive, old, scan(tree)


async def steps_of_a_save(place: Path, *, new: bool) -> list[str]:
    tree, archive, _, _ = await prepare(place, new=new)
    fault = Fault(-1, crash=False)
    with pytest.MonkeyPatch.context() as patch:
        fault.install(patch)
        await save(archive, tree)
    return fault.steps


@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
async def test_order_of_the_steps(tmp_path: Path, new: bool) -> None:
    steps = await steps_of_a_save(tmp_path, new=new)
    begin, commit_record = steps.index("journal begin"), steps.index("journal commit")
    assert steps[commit_record - 1] == "sync"
    if new:
        assert steps[begin + 1] == "write"
        assert steps[commit_record:] == [
            "journal commit",
            "sync_folder",
            "write",
            "truncate",
            "sync",
            "_publish",
            "sync_folder",
            "remove",
        ]
    else:
        # Two entries became history and one got a new time: three headers are rewritten after the commit.
        assert steps[commit_record:] == [
            "journal commit", "sync_folder", "write", "truncate", "sync", "write", "write", "write", "sync", "remove",
        ]  # fmt: skip


@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
async def test_crash_at_every_step(tmp_path: Path, new: bool) -> None:
    total = len(await steps_of_a_save(tmp_path / "count", new=new))
    outcomes = []
    for at in range(total):
        place = tmp_path / str(at)
        tree, archive, old, wanted = await prepare(place, new=new)
        before = sha(archive)
        fault = Fault(at, crash=True)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch)
            with pytest.raises(Crash):
                await save(archive, tree)
            fault.release()
        # Whoever only reads gets one of the two states.
        if archive.exists():
            found = await contents(archive, place / "out")
            assert found in (old, wanted), (at, fault.hit)
        else:
            assert new
            found = None
        outcomes.append("new" if found == wanted else "old")
        # Whoever opens it for writing cuts the file back to exactly that state, and removes what lies beside it.
        if archive.exists():
            commit.Transaction.begin(LocalAdapter(), str(archive)).rollback()
            assert found == wanted or sha(archive) == before, (at, fault.hit)
            assert sorted(os.listdir(place)) == ["a.jcf", "out", "tree"], (at, fault.hit)
        # The next one who writes repairs what is left and goes on.
        write(tree / "later", b"later")
        await save(archive, tree)
        assert await contents(archive, place / "out") == scan(tree)
        assert read_journal(LocalAdapter(), str(archive)) == []
        assert sorted(os.listdir(place)) == ["a.jcf", "out", "tree"], (at, fault.hit)
        check_local_names(archive)
        shutil.rmtree(place)
    assert outcomes == sorted(outcomes, reverse=True), "once committed, always committed"
    assert set(outcomes) == {"old", "new"}


async def outcome_of(work: Coroutine[Any, Any, None]) -> str:
    """The message of the error *work* ends with, empty when it ends well."""
    try:
        await work
    except KamarosError as error:
        return str(error)
    return ""


def check_local_names(archive: Path) -> None:
    """Every local header has the name the directory says: a strict reader finds no fault."""
    import zipfile

    with zipfile.ZipFile(archive) as container:
        assert container.testzip() is None


@pytest.mark.parametrize("new", [True, False], ids=["new", "existing"])
async def test_error_at_every_step(tmp_path: Path, new: bool) -> None:
    """A save that says it failed has left the archive byte for byte; one that says it is done has committed."""
    total = len(await steps_of_a_save(tmp_path / "count", new=new))
    failed = 0
    for at in range(total):
        place = tmp_path / str(at)
        tree, archive, _, wanted = await prepare(place, new=new)
        before = sha(archive)
        fault = Fault(at, crash=False)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch)
            said = await outcome_of(save(archive, tree))
            if said:
                assert said == f"{fault.hit} failed"
                assert sha(archive) == before, (at, fault.hit)
                assert sorted(os.listdir(place)) == sorted(["tree", *([] if new else ["a.jcf"])]), (at, fault.hit)
                failed += 1
            else:
                assert await contents(archive, place / "out") == wanted, (at, fault.hit)
        write(tree / "later", b"later")
        await save(archive, tree)
        assert await contents(archive, place / "out") == scan(tree)
        assert sorted(os.listdir(place)) == ["a.jcf", "out", "tree"], (at, fault.hit)
        check_local_names(archive)
        shutil.rmtree(place)
    assert failed > 5


async def test_crash_during_a_recovery(tmp_path: Path) -> None:
    """The recovery may itself be cut off at any step."""
    tree, _, old, wanted = await prepare(tmp_path / "origin", new=False)
    steps = await steps_of_a_save(tmp_path / "count", new=False)
    for at in (steps.index("journal commit") + 1, steps.index("journal commit") + 5):
        for again in range(6):
            place = tmp_path / f"{at}-{again}"
            shutil.copytree(tmp_path / "origin", place, symlinks=True)
            with pytest.MonkeyPatch.context() as patch:
                first = Fault(at, crash=True)
                first.install(patch)
                with pytest.raises(Crash):
                    await save(place / "a.jcf", place / "tree")
            first.release()
            with pytest.MonkeyPatch.context() as patch:
                second = Fault(again, crash=True)
                second.install(patch)
                with pytest.raises(Crash):
                    await save(place / "a.jcf", place / "tree")
            second.release()
            assert await contents(place / "a.jcf", place / "out") in (old, wanted)
            await save(place / "a.jcf", place / "tree")
            assert await contents(place / "a.jcf", place / "out") == wanted
            assert sorted(os.listdir(place)) == ["a.jcf", "out", "tree"]
            check_local_names(place / "a.jcf")
    assert differences(scan(tree), wanted) == []


async def test_cancelled_task_leaves_no_trace_wherever_it_stops(tmp_path: Path) -> None:
    """The task of a caller is cancelled at each step in turn, while the step is under way in its thread."""
    total = len(await steps_of_a_save(tmp_path / "count", new=False))
    for at in range(total):
        place = tmp_path / str(at)
        tree, archive, _, wanted = await prepare(place, new=False)
        before = sha(archive)
        fault = CancelAt(at)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch)
            fault.task = asyncio.ensure_future(save(archive, tree))
            with contextlib.suppress(asyncio.CancelledError):
                await fault.task
        assert fault.reached
        if sha(archive) != before:
            assert await contents(archive, place / "out") == wanted, at
        assert set(os.listdir(place)) - {"out"} == {"a.jcf", "tree"}, at
        await save(archive, tree)
        assert await contents(archive, place / "out") == wanted
        shutil.rmtree(place)


class CancelAt(Fault):
    """Cancels a task while its *n*-th step is under way."""

    task: asyncio.Future[Any]

    def __init__(self, at: int) -> None:
        super().__init__(-1, crash=False)
        self.loop = asyncio.get_running_loop()
        self.wanted = at
        self.reached = False

    def step(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        super().step(name, half)
        if len(self.steps) - 1 == self.wanted:
            self.reached = True
            asyncio.run_coroutine_threadsafe(cancel_soon(self.task), self.loop).result(10)


async def cancel_soon(task: asyncio.Future[Any]) -> None:
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)


async def test_part_file_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"x")
    write(tmp_path / "a.jcf.part", b"an important draft")
    with pytest.raises(StorageError, match="in the way"):
        await save(tmp_path / "a.jcf", tmp_path / "tree")
    assert (tmp_path / "a.jcf.part").read_bytes() == b"an important draft"
    assert sorted(os.listdir(tmp_path)) == ["a.jcf.part", "tree"]


async def test_archive_made_by_somebody_else_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"x")
    original = commit.Transaction._publish

    def publish(transaction: commit.Transaction) -> None:
        write(tmp_path / "a.jcf", b"made meanwhile")
        original(transaction)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit.Transaction, "_publish", publish)
        with pytest.raises(StorageError, match="made by another program"):
            await save(tmp_path / "a.jcf", tmp_path / "tree")
    assert (tmp_path / "a.jcf").read_bytes() == b"made meanwhile"
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "tree"]


async def test_journal_of_another_file_changes_nothing(tmp_path: Path) -> None:
    tree, archive, _, _ = await prepare(tmp_path, new=False)
    fault = Fault(3, crash=True)
    with pytest.MonkeyPatch.context() as patch:
        fault.install(patch)
        with pytest.raises(Crash):
            await save(archive, tree)
    fault.release()
    other = tmp_path / "other.jcf"
    write(tmp_path / "big" / "file", os.urandom(100_000))
    await save(other, tmp_path / "big")
    os.replace(other, archive)
    assert b"file" in await contents_of(archive)
    await save(archive, tree)
    assert b"file" in await contents_of(archive)


async def contents_of(archive: Path) -> set[bytes]:
    async with await JCFManager.open(archive) as manager:
        assert (await manager.verify()).valid
        return {entry.path.rpartition("/")[2].encode() for entry in (await manager.list_files()).entries}
