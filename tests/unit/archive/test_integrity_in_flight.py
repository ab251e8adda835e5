"""What changes while it is saved is left out with the reason; what is not kept as it was written is not committed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import FileSystemAdapter, JCFConfig, JCFManager, LocalAdapter, MemoryAdapter
from kamaros_gui.archive import tail as tail_module
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, SourceChangedError, StorageError
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.pipeline import entry_writer as entry_writer_module
from kamaros_gui.pipeline.entry_writer import EntryWriter
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.streams import ReadableStream
from tests.helpers.adapters import Step, WrappingAdapter, names, read_file, write_file
from tests.helpers.archives import content_of, listed, open_files
from tests.helpers.streams import assert_no_tasks
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
SMALL, LARGE = 40_000, 5 * MIB


class Meddler(WrappingAdapter):
    """Does something to a file, once, at some moment.

    Args:
        path: the file.
        moment: ``found`` (before anybody looks into it), ``opened`` (and looked at) or ``read`` (for the first time).
        deed: what is done.
    """

    def __init__(self, path: Path, moment: str, deed: Callable[[], None]) -> None:
        super().__init__(LocalAdapter())
        self.path = str(path)
        self.moment = moment
        self.deed: Callable[[], None] | None = deed
        self._lock = threading.Lock()

    def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        mine = os.path.normpath(step.path) == self.path
        if mine and self.moment == "found" and step.name in {"open", "read_whole"}:
            self._do_it()
        result = function(*arguments, **named)
        if mine and self.moment == {"file.status": "opened", "file.read_into": "read"}.get(step.name):
            self._do_it()
        return result

    def _do_it(self) -> None:
        with self._lock:
            deed, self.deed = self.deed, None
        if deed is not None:
            deed()


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Other bytes, no more and no less."""
    with open(path, "r+b") as file:
        file.seek(10)
        file.write(b"other")
    os.utime(path, ns=(1, 1))


def vanish(path: Path) -> None:
    path.unlink()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def be_replaced(path: Path) -> None:
    write(path.with_name("new"), b"n" * path.stat().st_size)
    os.replace(path.with_name("new"), path)


CHANGES: list[tuple[Callable[[Path], None], str, int, str]] = [
    (grow, "opened", LARGE, "changed while it was read"),
    (grow, "read", LARGE, "changed while it was read"),
    (shrink, "opened", LARGE, "changed while it was read"),
    (shrink, "read", LARGE, "changed while it was read"),
    (rewrite, "read", LARGE, "changed while it was read"),
    (vanish, "found", LARGE, "no file or folder"),
    (vanish, "found", SMALL, "no file or folder"),
    (become_a_folder, "found", LARGE, "changed while it was read"),
    (become_a_folder, "found", SMALL, "changed while it was read"),
    (become_a_pipe, "found", LARGE, "changed while it was read"),
    (become_a_pipe, "found", SMALL, "changed while it was read"),
    (become_a_link, "found", SMALL, "can't be read"),
]
IDS = [f"{change.__name__} {moment} {size}" for change, moment, size, _ in CHANGES]


async def a_save(tmp_path: Path, files: FileSystemAdapter, *, strict: bool = False) -> SaveReport:
    async with await JCFManager.open(
        tmp_path / "archives" / "a.jcf", JCFConfig(level=1, workers=2), create=True, files=files
    ) as manager:
        return await manager.save([f"{tmp_path}/tree/."], strict=strict)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "archives").mkdir()
    for name in ("a first", "z last"):
        write(tmp_path / "tree" / name, text(SMALL))
        write(tmp_path / "tree" / f"{name} large", text(2 * MIB))
    return tmp_path / "tree"


@pytest.mark.parametrize(("change", "moment", "size", "reason"), CHANGES, ids=IDS)
async def test_what_changes_is_left_out_and_the_rest_is_saved(
    tmp_path: Path, tree: Path, change: Callable[[Path], None], moment: str, size: int, reason: str
) -> None:
    victim = tree / "m victim"
    write(victim, text(size))
    files = Meddler(victim, moment, lambda: change(victim))
    report = await a_save(tmp_path, files)
    assert files.deed is None, "nothing was changed"
    assert [(os.path.normpath(issue.path), issue.kind) for issue in report.issues] == [(str(victim), "failed")]
    assert reason in report.issues[0].reason
    assert (report.created, report.added, report.failed) == (True, 4, 1)
    assert files.open_files == []
    async with await JCFManager.open(tmp_path / "archives" / "a.jcf") as manager:
        assert await listed(manager) == ["a first", "a first large", "z last", "z last large"]
        assert await content_of(manager, "z last large") == text(2 * MIB)
        assert (await manager.verify()).valid


@pytest.mark.parametrize("existing", [True, False], ids=["existing", "new"])
@pytest.mark.parametrize(("change", "moment", "size", "reason"), CHANGES, ids=IDS)
async def test_strict_save_fails_and_leaves_no_trace(
    tmp_path: Path,
    tree: Path,
    change: Callable[[Path], None],
    moment: str,
    size: int,
    reason: str,
    existing: bool,
) -> None:
    archive = tmp_path / "archives" / "a.jcf"
    if existing:
        await a_save(tmp_path, LocalAdapter())
    before = archive.read_bytes() if existing else b""
    victim = tree / "m victim"
    write(victim, text(size))
    files = Meddler(victim, moment, lambda: change(victim))
    with pytest.raises(StorageError, match=reason) as caught:
        await a_save(tmp_path, files, strict=True)
    assert os.path.normpath(caught.value.path) == str(victim)
    assert os.listdir(archive.parent) == (["a.jcf"] if existing else [])
    assert not existing or archive.read_bytes() == before
    assert files.open_files == []
    assert open_files(tmp_path) == []
    assert_no_tasks()


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("change", [vanish, be_replaced])
async def test_what_loses_its_name_is_saved_as_it_was(
    tmp_path: Path, tree: Path, change: Callable[[Path], None], size: int
) -> None:
    """The file that was opened has not changed; whoever has its name now is taken by the next save."""
    victim = tree / "m victim"
    write(victim, text(size))
    files = Meddler(victim, "opened" if size == LARGE else "found", lambda: change(victim))
    if size == SMALL and change is vanish:
        pytest.skip("a small file is opened and read in one call")
    report = await a_save(tmp_path, files)
    assert report.issues == ()
    after = await a_save(tmp_path, LocalAdapter())
    async with await JCFManager.open(tmp_path / "archives" / "a.jcf") as manager:
        first = "HEAD~1" if after.created else "HEAD"
        content = await content_of(manager, "m victim", first)
        assert content == (text(size) if size == LARGE else b"n" * size)
        if change is be_replaced:
            assert await content_of(manager, "m victim") == b"n" * size


async def test_what_an_older_version_has_stays_when_the_file_changes(tmp_path: Path, tree: Path) -> None:
    victim = tree / "m victim"
    write(victim, text(LARGE))
    await a_save(tmp_path, LocalAdapter())
    write(victim, text(LARGE, 2))
    files = Meddler(victim, "read", lambda: shrink(victim))
    report = await a_save(tmp_path, files)
    assert (report.created, report.failed) == (False, 1)
    async with await JCFManager.open(tmp_path / "archives" / "a.jcf") as manager:
        assert await content_of(manager, "m victim") == text(LARGE)


@pytest.mark.parametrize(("change", "moment", "size", "reason"), CHANGES, ids=IDS)
async def test_add_file_tells_what_happened(
    tmp_path: Path, tree: Path, change: Callable[[Path], None], moment: str, size: int, reason: str
) -> None:
    victim = tree / "m victim"
    write(victim, text(size))
    files = Meddler(victim, moment, lambda: change(victim))
    async with await JCFManager.open(tmp_path / "archives" / "a.jcf", create=True, files=files) as manager:
        with pytest.raises(Exception, match=reason) as caught:
            await manager.add_file("x", victim)
        if "changed" in reason:
            assert isinstance(caught.value, SourceChangedError)
        assert caught.value.path == str(victim)  # type: ignore[attr-defined]
    assert os.listdir(tmp_path / "archives") == []


# ------------------------------------------------------------------------------------- the branches disagree


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("branch", ["hash", "writer"])
async def test_branches_that_have_not_seen_the_same_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, branch: str, codec: Any
) -> None:
    """One of the two loses a chunk, as a fault in a queue or in memory would make it do."""
    lost = 0

    if branch == "hash":

        class LosingDigest(entry_writer_module.ContentDigest):
            def update(self, data: Buffer) -> None:
                nonlocal lost
                lost += 1
                if lost != 2:  # several chunks at once
                    super().update(data)

        monkeypatch.setattr(entry_writer_module, "ContentDigest", LosingDigest)
    else:

        class LosingTransformer(entry_writer_module.BlockTransformer):
            def transform(self, chunk: Buffer) -> Any:
                nonlocal lost
                lost += 1
                return super().transform(chunk) if lost != 7 else []

        monkeypatch.setattr(entry_writer_module, "BlockTransformer", LosingTransformer)
    config = JCFConfig(codec=codec, level=None if codec == "store" else 1, workers=2)
    archive = tmp_path / "a.jcf"
    async with await JCFManager.open(archive, config, create=True) as manager:
        await manager.add_file("before", b"before")
        with pytest.raises(IntegrityError, match="bytes were hashed, but"):
            await manager.add_file("x", [text(3 * MIB)])
        lost = 0
        write(tmp_path / "source", text(3 * MIB))
        with pytest.raises(IntegrityError, match="bytes were hashed, but"):
            await manager.add_file("x", tmp_path / "source")
        await manager.save_checkpoint()
        assert await listed(manager) == ["before"]
        before = archive.read_bytes()
        lost = 0
        with pytest.raises(IntegrityError, match="bytes were hashed, but"):
            await manager.save([tmp_path / "source"])
    assert archive.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "source"]


async def test_stored_bytes_are_counted_too() -> None:
    """Without compression even what was written must be as long as what was hashed."""
    files = MemoryAdapter()
    file = files.open("/x", "x")

    class LosingRegion(AppendRegion):
        def append(self, parts: Sequence[Buffer]) -> int:
            return super().append(parts[:-1] if len(parts) > 1 else parts)

    workers = Workers(1)
    writer = EntryWriter(LosingRegion(file, 0), JCFConfig(codec="store"), workers, RunControl())
    chunks = [bytes(65_536)] * 100
    with pytest.raises(IntegrityError):
        await writer.write("x", ReadableStream.from_(chunks), mode=0o644, mtime=0)
    await asyncio.to_thread(workers.close)
    file.close()


# ------------------------------------------------------------------------------- what the disk does not keep


class Forgetful(WrappingAdapter):
    """A volume that keeps something else than was written to the archive.

    Args:
        inner: the real one.
        which: tells from its bytes which write is to be spoilt; the first one of those.
    """

    def __init__(self, inner: FileSystemAdapter, which: Callable[[bytes], bool]) -> None:
        super().__init__(inner)
        self.which: Callable[[bytes], bool] | None = which

    def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if step.name == "file.write" and step.path.endswith(("a.jcf", "a.jcf.part")) and self.which is not None:
            offset, parts = arguments
            data = bytearray(b"".join(parts))
            if self.which(bytes(data)):
                self.which = None
                data[len(data) // 2] ^= 0x10
                function(offset, [data])
                return len(data)
        return function(*arguments, **named)


@pytest.mark.parametrize("existing", [True, False], ids=["existing", "new"])
@pytest.mark.parametrize("mode", ["fast", "full"])
@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_spoilt_content_is_not_committed(codec: Any, mode: Any, existing: bool, size: int) -> None:
    config = JCFConfig(codec=codec, level=None if codec == "store" else 1, workers=2, verify_after_save=mode)
    memory = MemoryAdapter()
    if existing:
        async with await JCFManager.open("/a.jcf", config, create=True, files=memory) as manager:
            await manager.add_file("old", b"old")
            await manager.save_checkpoint("old")
    before = read_file(memory, "/a.jcf") if existing else b""
    memory.make_folder("/tree")
    write_file(memory, "/tree/x", noise(size))
    files = Forgetful(memory, lambda data: len(data) > 10_000)
    async with await JCFManager.open("/a.jcf", config, create=True, files=files) as manager:
        with pytest.raises(IntegrityError, match="The disk did not keep what was written"):
            await manager.save(["/tree"])
        assert files.which is None
        assert names(memory, "/") == (["a.jcf", "tree"] if existing else ["tree"])
        assert not existing or read_file(memory, "/a.jcf") == before
        files.which = lambda data: len(data) > 10_000
        await manager.add_file("x", noise(size))
        with pytest.raises(IntegrityError, match="The disk did not keep what was written"):
            await manager.save_checkpoint()
        await manager.add_file("x", noise(size, 2))
        await manager.save_checkpoint("another try")
        assert await content_of(manager, "x") == noise(size, 2)


async def test_without_the_check_it_is_found_later() -> None:
    memory = MemoryAdapter()
    files = Forgetful(memory, lambda data: len(data) > 10_000)
    async with await JCFManager.open("/a.jcf", JCFConfig(level=1), create=True, files=files) as manager:
        await manager.add_file("x", noise(SMALL))
        await manager.save_checkpoint()
        assert not (await manager.verify()).valid
        with pytest.raises(IntegrityError):
            await content_of(manager, "x")


def is_directory(data: bytes) -> bool:
    return b"PK\x01\x02" in data


@pytest.mark.parametrize("existing", [True, False], ids=["existing", "new"])
@pytest.mark.parametrize("mode", ["fast", "full"])
async def test_spoilt_directory_is_not_committed(mode: Any, existing: bool) -> None:
    config = JCFConfig(level=1, verify_after_save=mode)
    memory = MemoryAdapter()
    if existing:
        async with await JCFManager.open("/a.jcf", config, create=True, files=memory) as manager:
            await manager.add_file("old", text(SMALL))
            await manager.save_checkpoint("old")
    before = read_file(memory, "/a.jcf") if existing else b""
    files = Forgetful(memory, is_directory)
    async with await JCFManager.open("/a.jcf", config, create=True, files=files) as manager:
        await manager.add_file("old", b"new")
        with pytest.raises(IntegrityError, match="The disk did not keep what was written"):
            await manager.save_checkpoint()
        assert files.which is None
        if existing:
            async with await JCFManager.open("/a.jcf", files=memory) as other:
                assert await content_of(other, "old") == text(SMALL)
                assert (await other.verify()).valid
        else:
            assert names(memory, "/") == ["a.jcf.journal", "a.jcf.part"]
        await manager.discard()
        assert names(memory, "/") == (["a.jcf"] if existing else [])
        assert not existing or read_file(memory, "/a.jcf") == before
        await manager.add_file("old", b"new")
        await manager.save_checkpoint()
        assert (await manager.verify()).valid


async def test_directory_that_would_be_wrong_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is about to be written is read as any reader would, and compared with what it should say."""

    def wrong(*state: Any) -> bytes:
        tail = bytearray(encode_tail(*state))
        at = tail.rindex(b"content/x") - 46
        tail[at + 16] ^= 1  # its CRC-32
        return bytes(tail)

    encode_tail = tail_module.encode_tail
    memory = MemoryAdapter()
    config = JCFConfig(level=1, verify_after_save="fast")
    async with await JCFManager.open("/a.jcf", config, create=True, files=memory) as manager:
        await manager.add_file("x", text(SMALL))
        with monkeypatch.context() as patched:
            patched.setattr(tail_module, "encode_tail", wrong)
            with pytest.raises(IntegrityError, match="the directory does not list the entries as they are"):
                await manager.save_checkpoint()
        await manager.save_checkpoint()
        assert await content_of(manager, "x") == text(SMALL)
