"""Export: what is in the file, what is left out, and that nothing is left of one that fails."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.exporting import ExportOptions, export
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import (
    AbortError,
    ArchiveError,
    DiskFullError,
    NotFoundError,
    StorageError,
    VersionNotFoundError,
)
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.memory import MemoryAdapter
from tests.helpers.archives import open_files
from tests.helpers.foreign import FORMS, Foreign, Step
from tests.helpers.trees import build_odd_tree, noise, text, write

CHECKS = {
    "unzip": ["unzip", "-tq"],
    "7zz": ["7zz", "t", "-bso0", "-bsp0"],
    "bsdtar": ["bsdtar", "-tf"],
    "zipfile": [sys.executable, "-m", "zipfile", "-t"],
    "zipdetails": ["zipdetails"],
}
UTF8 = os.environ | {"LC_ALL": "C.UTF-8"}


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    threads = Workers(2)
    yield threads
    threads.close()


@dataclasses.dataclass
class Exporter:
    """Exports with what a test needs by default."""

    workers: Workers
    files: FileSystemAdapter = dataclasses.field(default_factory=LocalAdapter)
    control: RunControl = dataclasses.field(default_factory=RunControl)

    async def __call__(
        self, archive: Path | str, target: Path | str, *, control: RunControl | None = None, **options: Any
    ) -> ExportReport:
        self.control = control or RunControl()
        config = JCFConfig(workers=2)
        return await export(
            self.files, str(archive), ExportOptions(str(target), **options), config, self.workers, self.control
        )


@pytest.fixture
def run(workers: Workers) -> Exporter:
    return Exporter(workers)


async def save(archive: Path, *sources: Path, **config: Any) -> str:
    async with JCFManager(str(archive), JCFConfig(workers=2, **config)) as manager:
        return (await manager.save([str(source) for source in sources])).version


def call_tool(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(arguments, capture_output=True, check=False, env=UTF8)


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as container:
        return container.namelist()


def packed(archive: Path, name: str) -> bytes:
    """Return the compressed bytes of an entry."""
    container = Container.load(LocalAdapter(), str(archive))
    try:
        entry = container.entries[name]
        head = container.file.read(entry.header_offset, 30)
        size = 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        return container.file.read_exactly(entry.header_offset + size, entry.compressed_size)
    finally:
        container.close()


def damage(archive: Path, name: str) -> None:
    container = Container.load(LocalAdapter(), str(archive))
    container.close()
    entry = container.entries[name]
    at = entry.header_offset + 30 + 150 + entry.compressed_size // 2 + 40
    data = bytearray(archive.read_bytes())
    data[at] ^= 0xFF
    archive.write_bytes(bytes(data))


# --------------------------------------------------------------------------------------------- plain ZIPs


async def test_a_version_becomes_a_zip_of_its_files(tmp_path: Path, run: Exporter) -> None:
    tree = tmp_path / "tree"
    write(tree / "sub" / "text", text(5000), mode=0o640, mtime_ns=1_700_000_001_500_000_000)
    write(tree / "noise", noise(5000), mode=0o755)
    write(tree / "empty")
    (tree / "folder").mkdir()
    os.symlink("sub/text", tree / "link")
    version = await save(tmp_path / "a.jcf", tree)
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert (report.version, report.failed, report.issues, report.interchange) == (version, 0, (), False)
    assert report.target == str(tmp_path / "out.zip")
    assert report.bytes_out == (tmp_path / "out.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "out.zip") as container:
        assert report.entries == len(container.infolist())
        assert container.namelist() == [
            "tree/",
            "tree/empty",
            "tree/folder/",
            "tree/link",
            "tree/noise",
            "tree/sub/",
            "tree/sub/text",
        ]
        assert container.read("tree/sub/text") == text(5000)
        assert container.read("tree/noise") == noise(5000)
        assert container.read("tree/link") == b"sub/text"
        modes = {info.filename: info.external_attr >> 16 for info in container.infolist()}
        assert modes["tree/sub/text"] == stat.S_IFREG | 0o640
        assert modes["tree/noise"] == stat.S_IFREG | 0o755
        assert stat.S_ISLNK(modes["tree/link"])
        assert stat.S_ISDIR(modes["tree/folder/"])
        for info in container.infolist():
            assert len(info.extra) == 9  # the time, and no room to grow
            assert info.flag_bits & ~0x800 == 0
    head = (tmp_path / "out.zip").read_bytes()
    assert int.from_bytes(head[28:30], "little") == 9
    assert b"PK\x06\x06" not in head
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "out.zip", "tree"]


async def test_packed_bytes_are_copied_as_they_are(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "small", text(5000))
    write(tmp_path / "tree" / "large", text(3_000_000))
    write(tmp_path / "tree" / "stored", noise(2_000_000))
    await save(tmp_path / "a.jcf", tmp_path / "tree", level=9)
    await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    for name in ("small", "large", "stored"):
        assert packed(tmp_path / "out.zip", f"tree/{name}") == packed(tmp_path / "a.jcf", f"content/tree/{name}")


async def test_zstd_becomes_deflate(tmp_path: Path, run: Exporter) -> None:
    contents = {"small": text(5000), "large": text(3_000_000), "noise": noise(1_500_000), "empty": b""}
    for name, content in contents.items():
        write(tmp_path / "tree" / name, content)
    await save(tmp_path / "a.jcf", tmp_path / "tree", codec="zstd")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert report.failed == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as container:
        assert {info.compress_type for info in container.infolist()} <= {0, 8}
        assert container.testzip() is None
        for name, content in contents.items():
            assert container.read(f"tree/{name}") == content
            assert len(container.getinfo(f"tree/{name}").extra) == 9
    progress = run.control.progress
    assert progress.bytes_done == progress.bytes_total == sum(map(len, contents.values()))


async def test_an_older_version_comes_out_as_it_was(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"old", mode=0o600, mtime_ns=1_600_000_000_000_000_000)
    write(tmp_path / "tree" / "large", text(1_500_000, 1))
    first = await save(tmp_path / "a.jcf", tmp_path / "tree")
    write(tmp_path / "tree" / "file", b"new", mode=0o644)
    write(tmp_path / "tree" / "large", text(1_500_000, 2))
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip", version=first[:8])
    assert report.version == first
    with zipfile.ZipFile(tmp_path / "out.zip") as container:
        assert container.read("tree/file") == b"old"
        assert container.read("tree/large") == text(1_500_000, 1)
        assert stat.S_IMODE(container.getinfo("tree/file").external_attr >> 16) == 0o600
    with pytest.raises(VersionNotFoundError):
        await run(tmp_path / "a.jcf", tmp_path / "other.zip", version="nope")
    assert not (tmp_path / "other.zip").exists()


@pytest.mark.interop
@pytest.mark.parametrize("tool", CHECKS)
@pytest.mark.parametrize("interchange", [False, True], ids=["plain", "interchange"])
async def test_other_programs_find_no_fault(tmp_path: Path, run: Exporter, tool: str, interchange: bool) -> None:
    if tool != "zipfile" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    build_odd_tree(tmp_path / "tree", small_files=60, largest=1 << 21)
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    write(tmp_path / "tree" / "sizes" / "text-65536", noise(1_100_000))
    await save(tmp_path / "a.jcf", tmp_path / "tree", codec="zstd")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip", interchange=interchange)
    assert report.failed == 0
    done = call_tool(*CHECKS[tool], tmp_path / "out.zip")
    assert done.returncode == 0, done
    told = (done.stdout + done.stderr).lower()
    assert b"warning" not in told
    assert b"error" not in told.replace(b"no errors detected", b"")


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
async def test_unzip_gives_files_their_modes_and_times(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"content", mode=0o640, mtime_ns=1_700_000_001_000_000_000)
    os.symlink("file", tmp_path / "tree" / "link")
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    call_tool("unzip", "-q", tmp_path / "out.zip", "-d", tmp_path / "out")
    found = (tmp_path / "out" / "tree" / "file").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o640, 1_700_000_001)
    assert (tmp_path / "out" / "tree" / "link").readlink() == Path("file")


# --------------------------------------------------------------------------------------- what is left out


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("size", [40_000, 2_500_000], ids=["small", "large"])
async def test_what_is_damaged_is_left_out_and_the_rest_goes_on(
    tmp_path: Path, run: Exporter, codec: str, size: int
) -> None:
    for name in ("a", "bad", "c"):
        write(tmp_path / "tree" / name, text(size, len(name)) + name.encode())
    await save(tmp_path / "a.jcf", tmp_path / "tree", codec=codec)
    damage(tmp_path / "a.jcf", "content/tree/bad")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert [issue.path for issue in report.issues] == ["tree/bad"]
    assert report.failed == 1
    assert "damaged" in report.issues[0].reason
    with zipfile.ZipFile(tmp_path / "out.zip") as container:
        assert container.namelist() == ["tree/", "tree/a", "tree/c"]
        assert container.testzip() is None
        assert container.read("tree/c") == text(size, 1) + b"c"
    report = await run(tmp_path / "a.jcf", tmp_path / "all.jcf", interchange=True)
    assert report.failed == 1
    async with JCFManager(str(tmp_path / "all.jcf"), JCFConfig(workers=2)) as manager:
        assert [entry.path for entry in (await manager.list_files()).entries] == ["tree", "tree/a", "tree/c"]
        assert (await manager.verify()).valid


async def test_nothing_of_what_is_damaged_stays_behind_the_end(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "bad", noise(2_500_000))
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    damage(tmp_path / "a.jcf", "content/tree/bad")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert names(tmp_path / "out.zip") == ["tree/"]
    assert report.bytes_out == (tmp_path / "out.zip").stat().st_size < 1000


@pytest.mark.parametrize("interchange", [False, True])
async def test_damage_is_made_good_from_another_copy(tmp_path: Path, run: Exporter, interchange: bool) -> None:
    made = Foreign(FORMS["store"], (Step({"file": text(30_000)}),))
    damage(made.write(tmp_path / "a.jcf"), "content/file")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip", interchange=interchange)
    assert report.issues == ()
    with zipfile.ZipFile(tmp_path / "out.zip") as container:
        assert container.read("content/file" if interchange else "file") == text(30_000)
    assert run.control.progress.bytes_done == run.control.progress.bytes_total


@pytest.mark.parametrize("interchange", [False, True])
async def test_what_another_writer_encrypted_is_left_out(tmp_path: Path, run: Exporter, interchange: bool) -> None:
    made = Foreign(FORMS["store"], (Step({"open": b"1", "secret": b"2"}),), frozenset({"secret"}))
    made.write(tmp_path / "a.jcf")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip", interchange=interchange)
    assert [(issue.path, issue.reason) for issue in report.issues] == [("secret", "secret is encrypted.")]
    assert not any("secret" in name for name in names(tmp_path / "out.zip"))


async def test_content_that_is_lost_is_reported(tmp_path: Path, run: Exporter) -> None:
    made = Foreign(FORMS["store"])
    made.write(tmp_path / "a.jcf", leave_out=".store/blobs/")
    report = await run(tmp_path / "a.jcf", tmp_path / "out.zip", version=made.ids[1])
    assert {issue.path for issue in report.issues} == {"read me.txt", "docs/guide.txt", "docs/link", "zażółć/gęślą.txt"}
    assert "lost" in report.issues[0].reason
    assert names(tmp_path / "out.zip") == ["empty", "twin"]  # what HEAD holds, be it under another path
    report = await run(tmp_path / "a.jcf", tmp_path / "all.jcf", interchange=True)
    assert report.failed == 5
    container = Container.load(LocalAdapter(), str(tmp_path / "all.jcf"))
    container.close()
    assert sorted(view_version(container, made.ids[1]).states) == ["empty", "twin"]
    assert sorted(view_version(container, "HEAD").states) == sorted(made.steps[-1].contents)


def stand_in(name: str) -> str:
    return f"{len(name)}{name[-1]}".rjust(len(name), "n")


async def test_names_that_lead_elsewhere_are_not_passed_on(tmp_path: Path, run: Exporter) -> None:
    evil = ("../up", "/root", "a/../../b", "back\\slash", "x//y", "C:/drive/d")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as container:
        for name in evil:
            container.writestr(zipfile.ZipInfo(stand_in(name)), b"evil")
        container.writestr("file", b"1")
        container.writestr("file/below", b"2")
        container.writestr("good/file", b"3")
    data = (tmp_path / "a.zip").read_bytes()
    for name in evil:
        data = data.replace(stand_in(name).encode(), name.encode())
    (tmp_path / "a.zip").write_bytes(data)
    report = await run(tmp_path / "a.zip", tmp_path / "out.zip")
    assert names(tmp_path / "out.zip") == ["file", "good/file"]
    assert {issue.kind for issue in report.issues} == {"blocked"}
    assert len(report.issues) == report.failed == len(evil) + 1


async def test_a_plain_zip_can_be_exported_as_one_but_has_nothing_to_exchange(tmp_path: Path, run: Exporter) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("folder/", b"")
        container.writestr("folder/file", text(9000))
        container.writestr(zipfile.ZipInfo("zażółć"), b"1")
        container.writestr("old.xz", text(9000), zipfile.ZIP_LZMA)
    report = await run(tmp_path / "a.zip", tmp_path / "out.zip")
    assert names(tmp_path / "out.zip") == ["folder/", "folder/file", "zażółć"]
    assert [issue.path for issue in report.issues] == ["old.xz"]
    assert report.version == ""
    with pytest.raises(ArchiveError, match="no history") as caught:
        await run(tmp_path / "a.zip", tmp_path / "other.zip", interchange=True)
    assert "Import" in caught.value.hint


# ------------------------------------------------------------------------------------------- the target


async def test_what_exists_stays_unless_it_may_be_replaced(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"1")
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    (tmp_path / "out.zip").write_bytes(b"before")
    with pytest.raises(StorageError, match="exists already"):
        await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == b"before"
    await run(tmp_path / "a.jcf", tmp_path / "out.zip", overwrite=True)
    assert "tree/file" in names(tmp_path / "out.zip")
    with pytest.raises(StorageError, match="exists already"):
        await run(tmp_path / "a.jcf", tmp_path / "tree", overwrite=True)
    assert (tmp_path / "tree" / "file").read_bytes() == b"1"
    with pytest.raises(StorageError, match="does not exist"):
        await run(tmp_path / "a.jcf", tmp_path / "nowhere" / "out.zip")
    assert not (tmp_path / "nowhere").exists()


async def test_the_archive_itself_is_never_written(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"1")
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    before = (tmp_path / "a.jcf").read_bytes()
    os.symlink("a.jcf", tmp_path / "link.zip")
    os.link(tmp_path / "a.jcf", tmp_path / "hard.zip")
    for name in ("a.jcf", "link.zip", "hard.zip", "a.jcf.part", "a.jcf.journal", "tree/../a.jcf"):
        with pytest.raises(ArchiveError, match="belongs to the archive"):
            await run(tmp_path / "a.jcf", f"{tmp_path}/{name}", overwrite=True)
    assert (tmp_path / "a.jcf").read_bytes() == before
    with pytest.raises(NotFoundError):
        await run(tmp_path / "none.jcf", tmp_path / "out.zip")


async def test_a_link_in_the_place_of_the_target_is_followed(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"1")
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    (tmp_path / "real.zip").write_bytes(b"before")
    os.symlink("real.zip", tmp_path / "link.zip")
    await run(tmp_path / "a.jcf", tmp_path / "link.zip", overwrite=True)
    assert (tmp_path / "link.zip").is_symlink()
    assert "tree/file" in names(tmp_path / "real.zip")


class Stopping(RunControl):
    """Aborts at the given checkpoint."""

    def __init__(self, at: int) -> None:
        self.controller = AbortController()
        super().__init__(self.controller.signal)
        self.left = at

    async def checkpoint(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.controller.abort(AbortError("stopped by the test"))
        await super().checkpoint()


@pytest.mark.parametrize("interchange", [False, True])
@pytest.mark.parametrize("codec", ["deflate", "zstd"])
async def test_an_abort_at_any_moment_leaves_nothing(
    tmp_path: Path, run: Exporter, interchange: bool, codec: str
) -> None:
    write(tmp_path / "tree" / "large", text(3_000_000))
    write(tmp_path / "tree" / "twin", text(3_000_000))
    write(tmp_path / "tree" / "huge", noise(9_000_000))
    for number in range(100):
        write(tmp_path / "tree" / f"file {number}", text(200, number))
    await save(tmp_path / "a.jcf", tmp_path / "tree", codec=codec)
    place = tmp_path / "place"
    place.mkdir()
    (place / "out.zip").write_bytes(b"before")
    at = 0
    while True:
        at += 1
        control = Stopping(at)
        try:
            await run(tmp_path / "a.jcf", place / "out.zip", control=control, interchange=interchange, overwrite=True)
        except AbortError:
            assert control.signal.aborted
        else:
            break
        assert os.listdir(place) == ["out.zip"]
        assert (place / "out.zip").read_bytes() == b"before"
        assert open_files(tmp_path) == []
    assert at > 6
    assert os.listdir(place) == ["out.zip"]
    assert zipfile.is_zipfile(place / "out.zip")


async def test_a_full_volume_is_noticed_before_and_while_it_is_written(workers: Workers, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "large", noise(3_000_000))
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    size = (tmp_path / "a.jcf").stat().st_size

    def filled(capacity: int) -> MemoryAdapter:
        files = MemoryAdapter(capacity=capacity)
        file = files.open("/a.jcf", "x")
        file.write(0, [(tmp_path / "a.jcf").read_bytes()])
        file.close()
        return files

    run = Exporter(workers, filled(size + 2_000_000))
    with pytest.raises(DiskFullError, match="bytes are missing") as caught:
        await run("/a.jcf", "/out.zip")
    assert caught.value.missing is not None
    assert caught.value.missing > 900_000
    hopeful = filled(size + 2_000_000)
    hopeful.free_space = lambda _path: 1 << 40  # type: ignore[method-assign] # as a quota would have it
    run = Exporter(workers, hopeful)
    with pytest.raises(DiskFullError):
        await run("/a.jcf", "/out.zip")
    assert [name for name, _ in hopeful.list("/")] == ["a.jcf"]


async def test_a_target_that_fails_ends_the_export(workers: Workers, tmp_path: Path) -> None:
    write(tmp_path / "tree" / "large", text(3_000_000))
    await save(tmp_path / "a.jcf", tmp_path / "tree")

    class Failing(LocalAdapter):
        def open(self, path: str, mode: Any = "r") -> Any:
            file = super().open(path, mode)
            if mode == "x":
                before: Callable[..., int] = file.write

                def broken(offset: int, parts: Any) -> int:
                    if offset > 100_000:
                        raise StorageError("the cable was pulled", path=path)
                    return before(offset, parts)

                file.write = broken  # type: ignore[method-assign] # a disk that fails
            return file

    run = Exporter(workers, Failing())
    with pytest.raises(StorageError, match="cable"):
        await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "tree"]


async def test_what_a_crash_left_is_removed_by_the_next_export(tmp_path: Path, run: Exporter) -> None:
    write(tmp_path / "tree" / "file", b"1")
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    left = tmp_path / ".kamaros-restore-0badcafe.part" / "files"
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    (left / "out.zip").write_bytes(b"half")
    await run(tmp_path / "a.jcf", tmp_path / "out.zip")
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "out.zip", "tree"]


async def test_progress_counts_content_and_files(tmp_path: Path, run: Exporter) -> None:
    build_odd_tree(tmp_path / "tree", small_files=30, largest=1 << 21)
    await save(tmp_path / "a.jcf", tmp_path / "tree")
    for interchange in (False, True):
        await run(tmp_path / "a.jcf", tmp_path / f"out{interchange}.zip", interchange=interchange)
        progress = run.control.progress
        assert progress.bytes_done == progress.bytes_total
        assert progress.files_done == progress.files_total
        assert 0 < progress.bytes_written <= (tmp_path / f"out{interchange}.zip").stat().st_size
