"""What the random operation test has found, in few steps each."""

from __future__ import annotations

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.storage.memory import MemoryAdapter
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.archives import content_of, listed

CONFIG = JCFConfig(level=1, workers=1)
ARCHIVE = "/place/a.jcf"


def place() -> MemoryAdapter:
    files = MemoryAdapter()
    files.make_folder("/place")
    files.make_folder("/disk")
    return files


async def test_part_whose_first_write_was_cut_short_is_removed() -> None:
    files = place()
    write_file(files, "/disk/a", b"a")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.save(["/disk/a"])
    write_file(files, "/place/new.jcf.part", read_file(files, ARCHIVE)[:27])
    async with JCFManager("/place/new.jcf", CONFIG, files=files) as manager:
        await manager.save(["/disk/a"])
        assert await content_of(manager, "a") == b"a"
    assert names(files, "/place") == ["a.jcf", "new.jcf"]


@pytest.mark.parametrize("into", ["", "in"])
async def test_file_saved_where_a_folder_without_an_entry_was_replaces_what_is_in_it(into: str) -> None:
    files = place()
    write_file(files, "/disk/a", b"a")
    path = f"{into}/a".strip("/")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.add_file(f"{path}/b", b"b")
        await manager.save_checkpoint()
        await manager.save(["/disk/a"], into=into)
        assert await listed(manager) == [path]


async def test_into_is_a_path_as_the_listing_shows_it() -> None:
    files = place()
    files.make_folder("/disk/new\nline")
    write_file(files, "/disk/new\nline/a", b"a")
    write_file(files, "/disk/b", b"b")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.save(["/disk/new\nline"])
        await manager.save(["/disk/b"], into="new%0Aline")
        assert await listed(manager) == ["new%0Aline", "new%0Aline/a", "new%0Aline/b"]


async def test_mirror_into_a_folder_with_an_escaped_name_keeps_what_is_there() -> None:
    files = place()
    files.make_folder("/disk/new\nline")
    write_file(files, "/disk/new\nline/a", b"a")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.save(["/disk/new\nline"])
        await manager.save(["/disk/new\nline/."], into="new%0Aline", mirror=True)
        assert await listed(manager) == ["new%0Aline", "new%0Aline/a"]


async def test_content_taken_over_from_history_has_the_mode_and_time_it_is_given() -> None:
    files = place()
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.add_file("a", b"one", modified=1)
        await manager.save_checkpoint()
        await manager.add_file("a", b"two", modified=2)
        await manager.save_checkpoint()
        added = await manager.add_file("a", b"one", mode=0o600)
        assert added.mode == 0o600
        assert added.modified > 10**18


async def test_file_saved_into_a_folder_whose_name_only_looks_escaped_can_be_restored() -> None:
    files = place()
    write_file(files, "/disk/new\nline", b"a")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.save(["/disk/new\nline"], into="x%0Ay/b")
        assert await listed(manager) == ["x%0Ay/b/new%0Aline"]
        report = await manager.restore_version("HEAD", "/out")
    assert (report.restored, report.issues) == (1, ())


async def test_file_added_where_a_name_was_escaped_keeps_that_name() -> None:
    files = place()
    write_file(files, "/disk/new\nline", b"a")
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        first = await manager.save(["/disk/new\nline"])
        await manager.add_file("new%0Aline", b"a")
        assert (await manager.save_checkpoint()).id == first.version
        await manager.add_file("new%0Aline", b"b")
        await manager.save_checkpoint()
        await manager.restore_version("HEAD", "/out")
    assert names(files, "/out") == ["new\nline"]


@pytest.mark.parametrize("content", [b"one", b"two"])
async def test_path_that_gets_its_own_content_back_by_a_move_is_not_renamed_to_itself(content: bytes) -> None:
    files = place()
    async with JCFManager(ARCHIVE, CONFIG, files=files) as manager:
        await manager.add_file("x", b"one", modified=1)
        first = await manager.save_checkpoint()
        await manager.add_file("y", content, modified=1)
        await manager.move_file("x", "t")
        await manager.move_file("y", "x")
        await manager.remove_file("t")
        second = await manager.save_checkpoint()
    if content == b"one":
        assert second.id == first.id
    else:
        assert (second.added, second.modified, second.deleted, second.renamed) == (0, 1, 0, 0)
