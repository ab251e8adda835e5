"""Import of a folder of versions: each sub-folder becomes one, in natural order, all of them or none."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager, MemoryAdapter
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, StorageError
from kamaros_gui.base.reports import SaveReport, VersionInfo
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.primitives import FileStatus
from tests.helpers.adapters import FailingAdapter, Step, WrappingAdapter, names, read_file, write_file
from tests.helpers.archives import content_of
from tests.helpers.trees import noise, text, write

CONFIG = JCFConfig(level=1, workers=2, auto_compact=False)
LARGE = text(1_200_000)
RELEASES: dict[str, dict[str, bytes]] = {
    "v1.9": {"a": b"a", "sub/b": text(5000, 1), "sub/large": LARGE, "gone": b"only here"},
    "v1.10": {"a": b"changed", "moved/b": text(5000, 1), "moved/large": LARGE},
    "v1.10.1": {"a": b"changed", "moved/b": text(5000, 1), "moved/large": LARGE},
    "v2": {"a": b"a", "moved/b": text(5000, 2), "moved/large": LARGE, "gone": b"only here"},
}


def put(files: FileSystemAdapter, folder: str, contents: Mapping[str, bytes]) -> None:
    """Write files below *folder*, with the same time every time."""
    for name, content in contents.items():
        path = f"{folder}/{name}"
        parts = path.split("/")
        for at in range(2, len(parts)):
            if not files.exists("/".join(parts[:at])):
                files.make_folder("/".join(parts[:at]))
        write_file(files, path, content)
        files.set_attributes(path, 0o644, 10**18)


@pytest.fixture
def files() -> MemoryAdapter:
    """A place with the folder of versions /in, and /place for archives."""
    place = MemoryAdapter()
    place.make_folder("/place")
    for name, contents in RELEASES.items():
        put(place, f"/in/{name}", contents)
    return place


async def import_into(
    files: FileSystemAdapter, archive: str = "/place/a.jcf", source: str = "/in", **options: Any
) -> SaveReport:
    async with await JCFManager.open(archive, CONFIG, create=True, files=files) as manager:
        return await manager.import_from(source, **options)


async def history(files: FileSystemAdapter, path: str = "", archive: str = "/place/a.jcf") -> list[VersionInfo]:
    """Return the versions that concern *path*, oldest first, and check the archive."""
    async with await JCFManager.open(archive, CONFIG, files=files) as manager:
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        assert names(files, posixpath.dirname(archive)) == [posixpath.basename(archive)]
        return list(reversed(await manager.history(path)))


async def held(files: FileSystemAdapter, version: Any, archive: str = "/place/a.jcf") -> dict[str, bytes]:
    async with await JCFManager.open(archive, CONFIG, files=files) as manager:
        entries = (await manager.list_files(version)).entries
        return {each.path: await content_of(manager, each.path, version) for each in entries if each.type == "file"}


async def test_each_sub_folder_becomes_a_version(files: MemoryAdapter) -> None:
    report = await import_into(files, author="Ada")
    assert (report.created, report.failed, report.issues) == (True, 0, ())
    versions = await history(files)
    # The third is what the second is, and so no version.
    assert [(each.message, each.author) for each in versions] == [("v1.9", "Ada"), ("v1.10", "Ada"), ("v2", "Ada")]
    assert [(each.added, each.modified, each.deleted, each.renamed) for each in versions] == [
        (4, 0, 0, 0),
        (0, 1, 1, 2),
        (1, 2, 0, 0),
    ]
    assert [each.parent for each in versions] == ["", versions[0].id, versions[1].id]
    assert report.version == versions[-1].id
    assert (report.added, report.modified, report.deleted, report.renamed) == (5, 3, 1, 2)
    for version, name in zip(versions, ("v1.9", "v1.10", "v2"), strict=True):
        assert await held(files, version) == RELEASES[name]
    assert [each.message for each in await history(files, "moved/large")] == ["v1.9", "v1.10"]
    assert report.bytes_out < 1_000_000  # what is in all of them is there once
    assert report.bytes_out == files.stat("/place/a.jcf").size


async def test_one_message_for_all(files: MemoryAdapter) -> None:
    await import_into(files, message="releases")
    assert [each.message for each in await history(files)] == ["releases"] * 3


@pytest.mark.parametrize(
    "order",
    [
        ["1", "2", "10", "010b", "a", "a1", "a2b", "a10"],
        ["v1.9", "v1.10", "v1.10.1", "v1.11"],
        ["2023-9-1", "2023-10-1", "2024-1-1"],
        ["r01", "r1", "r01b", "r1b", "r2"],
        ["٣", "10"],
    ],
    ids=lambda order: order[0],
)
async def test_natural_order(order: list[str]) -> None:
    files = MemoryAdapter()
    files.make_folder("/place")
    for name in sorted(order, key=hash):
        put(files, f"/in/{name}", {"file": name.encode()})
    await import_into(files)
    assert [each.message for each in await history(files)] == order


async def test_into_a_folder_of_an_archive_that_exists(files: MemoryAdapter) -> None:
    async with await JCFManager.open("/place/a.jcf", CONFIG, create=True, files=files) as manager:
        await manager.add_file("kept", b"kept")
        await manager.add_file("sub/releases/old", b"old")
        await manager.add_file("sub/releases 2", b"beside")
        await manager.save_checkpoint("before")
    report = await import_into(files, into="sub/releases")
    assert report.failed == 0
    versions = await history(files)
    assert [each.message for each in versions] == ["before", "v1.9", "v1.10", "v2"]
    for version, name in zip(versions[1:], ("v1.9", "v1.10", "v2"), strict=True):
        expected = {f"sub/releases/{path}": content for path, content in RELEASES[name].items()}
        assert await held(files, version) == expected | {"kept": b"kept", "sub/releases 2": b"beside"}
    before = read_file(files, "/place/a.jcf")
    for name in ("v1.9", "v1.10", "v1.10.1"):
        files.delete_tree(f"/in/{name}")
    report = await import_into(files, into="sub/releases")
    assert (report.created, report.version, report.bytes_out) == (False, versions[-1].id, 0)
    assert read_file(files, "/place/a.jcf") == before


async def test_the_whole_archive_becomes_what_the_last_one_is(files: MemoryAdapter) -> None:
    async with await JCFManager.open("/place/a.jcf", CONFIG, create=True, files=files) as manager:
        await manager.add_file("a/below", b"below")
        await manager.add_file("other", RELEASES["v1.9"]["sub/b"])
        await manager.save_checkpoint("before")
    await import_into(files)
    versions = await history(files)
    assert [(each.message, each.renamed) for each in versions] == [("before", 0), ("v1.9", 1), ("v1.10", 2), ("v2", 0)]
    assert await held(files, versions[1]) == RELEASES["v1.9"]
    assert await held(files, "HEAD") == RELEASES["v2"]


async def test_an_empty_sub_folder_empties_the_archive(files: MemoryAdapter) -> None:
    files.make_folder("/in/v1.9.5")
    files.make_folder("/in/v0")
    await import_into(files)
    versions = await history(files)
    assert [(each.message, each.added, each.deleted) for each in versions] == [
        ("v1.9", 4, 0),
        ("v1.9.5", 0, 4),
        ("v1.10", 3, 0),
        ("v2", 1, 0),
    ]
    assert await held(files, versions[1]) == {}


async def test_files_beside_the_sub_folders_are_named(files: MemoryAdapter) -> None:
    write_file(files, "/in/README", b"loose")
    files.make_link("/in/latest", b"v2", 10**18)
    report = await import_into(files)
    assert {(issue.path, issue.kind) for issue in report.issues} == {
        ("/in/README", "skipped"),
        ("/in/latest", "skipped"),
    }
    assert report.failed == 0
    assert [each.message for each in await history(files)] == ["v1.9", "v1.10", "v2"]


async def test_a_link_to_the_folder_will_do(files: MemoryAdapter) -> None:
    files.make_link("/releases", b"in", 10**18)
    report = await import_into(files, source="/releases")
    assert report.issues == ()
    assert [each.message for each in await history(files)] == ["v1.9", "v1.10", "v2"]


async def test_kinds_that_change_between_versions(tmp_path: Path) -> None:
    for number, below in enumerate(({"x": b"file"}, {"x/y": b"file"}, {"x": b"file"}), 1):
        for name, content in below.items():
            write(tmp_path / "in" / str(number) / name, content, mtime_ns=10**18)
    (tmp_path / "in" / "4").mkdir()
    os.symlink("y", tmp_path / "in" / "4" / "x")
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        report = await manager.import_from(tmp_path / "in")
        assert report.issues == ()
        assert [each.message for each in await manager.history()] == ["4", "3", "2", "1"]
        assert (await manager.verify()).valid
        for number, version in enumerate(reversed(await manager.history()), 1):
            kinds = {each.path: each.type for each in (await manager.list_files(version)).entries}
            expected = {"x": "directory", "x/y": "file"} if number == 2 else {"x": "file" if number < 4 else "symlink"}
            assert kinds == expected


class LongAgo(WrappingAdapter):
    """Says that files were changed long ago, so that their identity counts."""

    def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        if step.name == "list":
            return [(name, self._aged(status)) for name, status in result]
        return (result[0], self._aged(result[1])) if step.name == "read_whole" else self._aged(result)

    def _aged(self, status: Any) -> Any:
        return status._replace(ctime_ns=10**18) if isinstance(status, FileStatus) else status


async def test_hard_links_between_the_versions_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "in" / "1" / "same", text(500_000), mtime_ns=10**18)
    (tmp_path / "in" / "2").mkdir()
    os.link(tmp_path / "in" / "1" / "same", tmp_path / "in" / "2" / "same")
    write(tmp_path / "in" / "2" / "new", b"new")
    control = RunControl()
    files = LongAgo(LocalAdapter())
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True, files=files) as manager:
        report = await manager.import_from(tmp_path / "in", control=control)
        read = next(stage for stage in report.stages if stage.name == "read")
        assert read.bytes_out == 500_003
        assert control.progress.bytes_done == control.progress.bytes_total == 1_000_003
        assert control.progress.files_done == control.progress.files_total
        assert [(each.message, each.added) for each in await manager.history()] == [("2", 1), ("1", 1)]
        assert (await manager.verify()).valid


@pytest.mark.parametrize("inside", ["sub-folder", "folder"])
async def test_the_archive_may_lie_in_what_is_imported(files: MemoryAdapter, inside: str) -> None:
    archive = "/in/v2/a.jcf" if inside == "sub-folder" else "/in/a.jcf"
    for turn in (1, 2):
        report = await import_into(files, archive)
        assert report.failed == 0
        async with await JCFManager.open(archive, CONFIG, files=files) as manager:
            assert (await manager.verify()).valid
            versions = (await manager.history())[::-1]
            assert [each.message for each in versions] == ["v1.9", "v1.10", "v2"] * turn
            assert await held(files, "HEAD", archive) == RELEASES["v2"]


async def test_what_is_no_folder_of_versions(files: MemoryAdapter) -> None:
    files.make_folder("/empty")
    put(files, "/loose", {"file": b"x"})
    for source in ("/empty", "/loose"):
        with pytest.raises(ArchiveError, match="no sub-folders"):
            await import_into(files, source=source)
    with pytest.raises(ArchiveError, match="no version"):
        await import_into(files, version="HEAD")
    assert names(files, "/place") == []


async def test_what_can_not_be_read_keeps_its_content_of_before(files: MemoryAdapter) -> None:
    class Unreadable(FailingAdapter):
        def read_whole(self, path: str, limit: int) -> Any:
            if posixpath.normpath(path) == "/in/v2/a":
                raise StorageError("It can't be read.", path=path)
            return super().read_whole(path, limit)

    report = await import_into(Unreadable(files))
    assert [(posixpath.normpath(issue.path), issue.kind) for issue in report.issues] == [("/in/v2/a", "failed")]
    assert [each.message for each in await history(files)] == ["v1.9", "v1.10", "v2"]
    assert await held(files, "HEAD") == RELEASES["v2"] | {"a": b"changed"}


async def test_many_versions_of_many_files(tmp_path: Path) -> None:
    model: list[dict[str, bytes]] = []
    for number in range(12):
        now = dict(model[-1]) if model else {f"d{at % 7}/file {at}": noise(300, at) for at in range(150)}
        now |= {f"d{at % 7}/file {at}": noise(310 + number, at + number) for at in range(number, 150, 29)}
        now.pop(f"d{number % 7}/file {number + 70}", None)
        if number % 3 == 2:
            moved = f"d{(number + 1) % 7}/file {number + 1}"
            now[f"moved {number}"] = now.pop(moved)
        model.append(now)
        for path, content in now.items():
            write(tmp_path / "in" / f"v{number}" / path, content, mtime_ns=10**18)
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        report = await manager.import_from(tmp_path / "in")
        assert report.issues == ()
        versions = (await manager.history())[::-1]
        assert [each.message for each in versions] == [f"v{number}" for number in range(12)]
        assert [each.renamed for each in versions] == [int(number % 3 == 2 and number > 0) for number in range(12)]
        for version, expected in zip(versions, model, strict=True):
            entries = (await manager.list_files(version)).entries
            assert [each.path for each in entries if each.type == "file"] == sorted(expected)
        for number in (0, 5, 11):
            await manager.restore_version(versions[number], tmp_path / f"out {number}")
            for path, content in model[number].items():
                assert (tmp_path / f"out {number}" / path).read_bytes() == content
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        figures = await manager.stats()
        parts = (figures.head_packed, figures.history_packed, figures.directory, figures.manifest, figures.headers)
        assert sum(parts) + figures.dead == figures.archive_size
