"""Moves and removals, and renames found by content: names, contents, history, costs, and what a failure leaves."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, AbortError, JCFManager, LocalAdapter, MemoryAdapter
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.base.errors import ArchiveError, DiskFullError, KamarosError, NotFoundError, UnsafeNameError
from kamaros_gui.storage.memory_nodes import Volume
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, Step, WrappingAdapter, read_file
from tests.helpers.archives import content_of, listed, until
from tests.helpers.changed import (
    ARCHIVE,
    CONFIG,
    Archives,
    alter,
    check,
    entry_names,
    manifest_of,
    offsets,
    past,
    put_tree,
    renames,
    save_trees,
    size_of,
)
from tests.helpers.trees import noise, text, write

MIB = 1 << 20
TAIL = 4000
"""Bytes that a manifest of a few versions and a directory of a few entries do not exceed."""

LONG = "a name without room " * 10

SMALL = {"a": b"first content", "d/x": b"x of d", "d/sub/y": b"y of d", "other": b"other"}


@pytest.fixture
async def archives() -> AsyncIterator[Archives]:
    async with Archives() as made:
        yield made


def inode_ids(archives: Archives) -> dict[str, str]:
    return {path: record.inode_id for path, record in manifest_of(archives.files).file_map.items()}


# --------------------------------------------------------------------------------------------- what moves where


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ("a", "b", {"a": "b"}),
        ("a", "new/folder/a", {"a": "new/folder/a"}),
        ("a", "d", {"a": "d/a"}),
        ("a", "d/", {"a": "d/a"}),
        ("a", "none/", {"a": "none/a"}),
        ("d/x", "", {"d/x": "x"}),
        ("d/x", "/", {"d/x": "x"}),
        ("d/x", ".", {"d/x": "x"}),
        ("d", "e", {"d/x": "e/x", "d/sub/y": "e/sub/y"}),
        ("d/", "e", {"d/x": "e/x", "d/sub/y": "e/sub/y"}),
        ("/d", "/e", {"d/x": "e/x", "d/sub/y": "e/sub/y"}),
        ("./d", "e", {"d/x": "e/x", "d/sub/y": "e/sub/y"}),
        ("d//sub", "./e//f", {"d/sub/y": "e/f/y"}),
        ("d/./sub", "", {"d/sub/y": "sub/y"}),
        ("d/sub", "d/x2", {"d/sub/y": "d/x2/y"}),
        ("d/sub/y", "d", {"d/sub/y": "d/y"}),
        ("d", "other folder/d", {"d/x": "other folder/d/x", "d/sub/y": "other folder/d/sub/y"}),
    ],
)
@pytest.mark.parametrize("own_records", [False, True], ids=["folders without records", "folders with records"])
async def test_move(archives: Archives, old: str, new: str, moved: dict[str, str], own_records: bool) -> None:
    if own_records:
        manager = await archives.open()
        await save_trees(manager, archives.files, SMALL)
    else:
        manager = await archives.make(SMALL)
    before, ids, size = await past(manager), inode_ids(archives), size_of(archives.files)
    report = await manager.move(old, new, message="moved", author="me")
    assert (report.created, report.renamed) == (True, len(moved))
    assert (report.added, report.modified, report.deleted, report.failed, report.reclaimed) == (0, 0, 0, 0, 0)
    after = await past(manager)
    files = {path: content for path, content in after.pop(report.version).items() if content is not None}
    assert files == {moved.get(path, path): content for path, content in SMALL.items()}
    assert after == before, "older versions stay as they are"
    now = inode_ids(archives)
    assert all(now[moved.get(path, path)] == ids[path] for path in SMALL)
    newest = (await manager.history())[0]
    assert (newest.message, newest.author, newest.renamed) == ("moved", "me", len(moved))
    assert (newest.added, newest.modified, newest.deleted) == (0, 0, 0)
    assert len(renames(archives.files)) == 1, "a folder is one entry"
    start, goal = renames(archives.files)[0]
    assert all(goal + path[len(start) :] == moved[path] for path in moved)
    assert report.bytes_out == size_of(archives.files) - size < TAIL
    await check(manager, archives.files)


async def test_folders_of_their_own_move_too(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"d/sub/empty": None, "d/f": b"f"})
    ids = inode_ids(archives)
    report = await manager.move("d", "e")
    assert report.renamed == 1, "folders are not counted"
    assert await listed(manager) == ["e", "e/f", "e/sub", "e/sub/empty"]
    assert entry_names(archives.files) == ["content/e/", "content/e/f", "content/e/sub/", "content/e/sub/empty/"]
    assert {path.replace("e", "d", 1): each for path, each in inode_ids(archives).items()} == ids
    await check(manager, archives.files)


async def test_move_of_an_empty_folder_is_a_version(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"d": None})
    report = await manager.move("d", "e")
    assert (report.created, report.renamed) == (True, 0)
    assert await listed(manager) == ["e"]


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ("none", "b", NotFoundError, "There is no “none”"),
        ("", "b", NotFoundError, "There is no"),
        ("/", "b", NotFoundError, "There is no"),
        ("d/x/", "a", ArchiveError, "There is a “a” already"),
        ("a", "other", ArchiveError, "There is a “other” already"),
        ("d", "other", ArchiveError, "“other” is a file"),
        ("a", "other/", ArchiveError, "“other” is a file"),
        ("a", "other/b/c", ArchiveError, "“other” is a file"),
        ("d", "other/d", ArchiveError, "“other” is a file"),
        ("d", "d/", ArchiveError, "can't be moved into itself"),
        ("d", "d/e", ArchiveError, "can't be moved into itself"),
        ("./d", "d/e", ArchiveError, "can't be moved into itself"),
        ("d", "d/sub", ArchiveError, "can't be moved into itself"),
        ("a", "a/b", ArchiveError, "can't be moved into itself"),
        ("a", "../b", UnsafeNameError, r"\.\./b"),
        ("a", "b\0", UnsafeNameError, "can't be a folder"),
        ("a", "x" * 65_536, UnsafeNameError, "too long"),
        ("d", "x/" * 32_764, UnsafeNameError, "too long"),
    ],
)
async def test_move_that_can_not_be(
    archives: Archives, old: str, new: str, kind: type[KamarosError], said: str
) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(kind, match=said):
        await manager.move(old, new)
    assert read_file(archives.files, ARCHIVE) == before
    await manager.add_file("pending", b"p")
    with pytest.raises(kind, match=said):
        await manager.move_file(old, new)
    await manager.save_checkpoint()
    assert await listed(manager) == sorted([*SMALL, "pending"])
    assert renames(archives.files) == []
    await check(manager, archives.files)


@pytest.mark.parametrize(("old", "new"), [("a", "a"), ("d", "d"), ("d", "/d"), ("./d", "d"), ("d/x", "d"), ("a", "")])
async def test_move_to_where_it_is_does_nothing(archives: Archives, old: str, new: str) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE), archives.files.stat(ARCHIVE).mtime_ns
    report = await manager.move(old, new)
    assert (report.created, report.renamed, report.bytes_out) == (False, 0, 0)
    assert report.version == (await manager.history())[0].id
    assert await manager.move_file(old, new) == 0
    assert (read_file(archives.files, ARCHIVE), archives.files.stat(ARCHIVE).mtime_ns) == before
    await check(manager, archives.files)


async def test_move_waits_for_no_pending_changes(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.add_file("pending", b"p")
    with pytest.raises(ArchiveError, match="changes that are not saved yet"):
        await manager.move("a", "b")
    with pytest.raises(ArchiveError, match="changes that are not saved yet"):
        await manager.remove(["a"])


async def test_no_archive_to_change(archives: Archives) -> None:
    manager = await archives.open()
    for change in (manager.move("a", "b"), manager.remove(["a"])):
        with pytest.raises(NotFoundError, match="There is no archive"):
            await change
    assert not archives.files.exists(ARCHIVE)


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("size", [0, 10, 70_000, 1_300_000])
async def test_name_without_room_in_the_header(archives: Archives, size: int) -> None:
    """The entry is copied as it is, and everything stays right through more moves and back."""
    content = text(size)
    manager = await archives.make({"a": content, "b": b"b"})
    at = offsets(archives.files)
    await manager.move("a", LONG)
    assert await content_of(manager, LONG) == content
    assert await content_of(manager, "a", "HEAD~1") == content
    now = offsets(archives.files)
    assert now[f"content/{LONG}"] > at["content/b"], "it was copied"
    await check(manager, archives.files)
    await manager.move(LONG, "short")
    assert offsets(archives.files)["content/short"] == now[f"content/{LONG}"], "and not again"
    await manager.remove(["short"])
    for version in ("HEAD~1", "HEAD~2", "HEAD~3"):
        assert content in [await content_of(manager, path, version) for path in await listed(manager, version)]
    await check(manager, archives.files)


@pytest.mark.parametrize("length", [76, 77, 78, 84, 85, 86, 96, 97, 98, 200])
async def test_names_at_the_edge_of_the_room(archives: Archives, length: int) -> None:
    """There is always room for an entry name of 77 bytes, that of a blob, and for 20 more than it had."""
    manager = await archives.make({"a": b"a" * 100, "n" * 69: b"n" * 100})
    at = offsets(archives.files)
    for old, first in (("a", "m"), ("n" * 69, "o")):
        new = first * (length - len("content/"))
        await manager.move(old, new)
        room = max(77, len("content/" + old) + 20)
        kept = offsets(archives.files)["content/" + new] == at["content/" + old]
        assert kept or length > room
        assert not kept or length <= room + 20, "what a small file does not need for its sizes is room, too"
        assert await content_of(manager, new) == old[0].encode() * 100
    await check(manager, archives.files)


async def test_longest_name(archives: Archives) -> None:
    manager = await archives.make({"a": b"a"})
    name = "x" * (0xFFFF - len("content/") - 1)
    await manager.move("a", name)
    assert await content_of(manager, name) == b"a"
    await manager.move(name, "b")
    assert await content_of(manager, "b") == b"a"
    await check(manager, archives.files)


@pytest.mark.parametrize(
    ("old", "new"),
    [("plain", "zażółć 名前 🙂"), ("zażółć 名前 🙂", "plain"), ("e\u0301", "\u00e9"), ("%41 %5C", "100%")],
)
async def test_names_that_are_not_ascii(archives: Archives, old: str, new: str) -> None:
    manager = await archives.make({f"d/{old}": b"content"})
    await manager.move(f"d/{old}", f"d/{new}")
    assert await listed(manager) == [f"d/{new}"]
    with zipfile.ZipFile(io.BytesIO(read_file(archives.files, ARCHIVE))) as container:
        assert container.testzip() is None
        assert container.read(f"content/d/{new}") == b"content"
    await manager.restore_version("HEAD", "/out")
    assert read_file(archives.files, f"/out/d/{new}") == b"content"
    await check(manager, archives.files)


async def test_bytes_of_a_name_on_disk_move_along(tmp_path: Path) -> None:
    """A name that is no UTF-8 keeps its bytes where a folder above it moves; a part that moves is what it is called."""
    odd, place = b"not utf-8 \xff", os.fsencode(tmp_path)
    write(place + b"/tree/plain/" + odd + b"/file \xfe", b"content")
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        await manager.save([f"{tmp_path}/tree/."])
        await manager.move("plain", "moved")
        await manager.restore_version("HEAD", tmp_path / "out")
        assert Path(os.fsdecode(place + b"/out/moved/" + odd + b"/file \xfe")).read_bytes() == b"content"
        folder = next(path for path in await listed(manager) if path.count("/") == 1)
        await manager.move(folder, "moved/renamed")
        await manager.restore_version("HEAD", tmp_path / "again")
        assert Path(os.fsdecode(place + b"/again/moved/renamed/file \xfe")).read_bytes() == b"content"
        await manager.restore_version("HEAD~2", tmp_path / "first")
        assert Path(os.fsdecode(place + b"/first/plain/" + odd + b"/file \xfe")).exists()
        assert (await manager.verify()).valid


async def test_links_move(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.symlink("target of the link", tmp_path / "tree" / "link")
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        await manager.save([f"{tmp_path}/tree/."])
        assert (await manager.move("link", "d/other")).renamed == 1
        await manager.restore_version("HEAD", tmp_path / "out")
        assert os.readlink(tmp_path / "out" / "d" / "other") == "target of the link"
        assert (await manager.verify()).valid


# -------------------------------------------------------------------------------------- several in one checkpoint


async def apply_moves(manager: JCFManager, *moves: tuple[str, str]) -> None:
    for old, new in moves:
        await manager.move_file(old, new)
    await manager.save_checkpoint("moves")


async def test_chain_is_one_rename(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await apply_moves(manager, ("a", "b"), ("b", "c/b"), ("c", "e"), ("e/b", "z"))
    assert renames(archives.files)[-1][1] == "z"
    assert (await manager.history())[0].renamed == 1
    assert [version.message for version in await manager.history("z")] == ["moves", "version 0"]
    assert await listed(manager) == ["d/sub/y", "d/x", "other", "z"]
    await check(manager, archives.files)


@pytest.mark.parametrize("folders", [False, True])
async def test_two_change_places(archives: Archives, folders: bool) -> None:
    tail = "/f" if folders else ""
    manager = await archives.make({f"p{tail}": b"of p", f"q{tail}": b"of q, longer"})
    ids = inode_ids(archives)
    await apply_moves(manager, ("p", "t"), ("q", "p"), ("t", "q"))
    assert await content_of(manager, f"p{tail}") == b"of q, longer"
    assert await content_of(manager, f"q{tail}") == b"of p"
    assert await content_of(manager, f"p{tail}", "HEAD~1") == b"of p"
    assert inode_ids(archives) == {f"p{tail}": ids[f"q{tail}"], f"q{tail}": ids[f"p{tail}"]}
    assert sorted(renames(archives.files)) == [("p", "q"), ("q", "p")]
    assert (await manager.history())[0].renamed == 2
    assert len(await manager.history("p")) == len(await manager.history("q")) == 2
    await check(manager, archives.files)


async def test_three_in_a_circle(archives: Archives) -> None:
    contents = {"1": b"one", "2": b"two, longer", "3": LONG.encode()}
    manager = await archives.make(contents)
    await apply_moves(manager, ("1", "t"), ("3", "1"), ("2", "3"), ("t", "2"))
    assert [await content_of(manager, path) for path in "123"] == [contents[path] for path in "312"]
    assert (await manager.history())[0].renamed == 3
    await check(manager, archives.files)


async def test_there_and_back_is_nothing(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    await manager.move_file("d", "e")
    await manager.move_file("e/sub", "f")
    await manager.move_file("f", "e/sub")
    await manager.move_file("e", "d")
    assert (await manager.save_checkpoint()).message == "version 0"
    assert read_file(archives.files, ARCHIVE) == before
    await check(manager, archives.files)


@pytest.mark.parametrize("size", [30, 1_300_000])
@pytest.mark.parametrize("goal", ["b", LONG])
async def test_move_of_what_was_added_in_the_same_checkpoint(archives: Archives, size: int, goal: str) -> None:
    manager = await archives.make(SMALL)
    await manager.add_file("new/n", text(size, 5), modified=5)
    assert await manager.move_file("new", goal) == 1
    await manager.save_checkpoint()
    assert await content_of(manager, f"{goal}/n") == text(size, 5)
    newest = (await manager.history())[0]
    assert (newest.added, newest.renamed) == (1, 0)
    assert renames(archives.files) == [], "no version knows another name of it"
    await check(manager, archives.files)


async def test_move_then_replace_then_move_again(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    ids = inode_ids(archives)
    await manager.move_file("a", "b")
    await manager.add_file("b", b"replaced")
    await manager.move_file("b", LONG)
    await manager.add_file("a", b"another one in the old place")
    await manager.save_checkpoint()
    assert await content_of(manager, LONG) == b"replaced"
    assert await content_of(manager, "a") == b"another one in the old place"
    assert inode_ids(archives)[LONG] == ids["a"] != inode_ids(archives)["a"]
    newest = (await manager.history())[0]
    assert (newest.added, newest.modified, newest.deleted, newest.renamed) == (1, 0, 0, 1)
    assert await content_of(manager, "a", "HEAD~1") == SMALL["a"]
    await check(manager, archives.files)


async def test_move_onto_what_was_removed(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.remove_file("other")
    await manager.move_file("a", "other")
    await manager.remove_file("d")
    await manager.add_file("a", b"new")
    await manager.move_file("a", "d")
    await manager.save_checkpoint()
    assert await past_of_head(manager) == {"other": SMALL["a"], "d": b"new"}
    newest = (await manager.history())[0]
    assert (newest.added, newest.modified, newest.deleted, newest.renamed) == (1, 0, 3, 1)
    await check(manager, archives.files)


async def past_of_head(manager: JCFManager) -> dict[str, bytes | None]:
    return next(iter((await past(manager)).values()))


async def test_move_then_remove_is_a_removal(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.move_file("a", "b")
    await manager.remove_file("b")
    await manager.save_checkpoint()
    newest = (await manager.history())[0]
    assert (newest.deleted, newest.renamed) == (1, 0)
    assert renames(archives.files) == []
    assert await content_of(manager, "a", "HEAD~1") == SMALL["a"]
    await check(manager, archives.files)


async def test_new_file_in_the_place_of_one_that_was_moved_and_removed_has_no_past(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.move_file("a", "b")
    await manager.remove_file("b")
    await manager.add_file("b", b"something else")
    await manager.save_checkpoint("second")
    assert [version.message for version in await manager.history("b")] == ["second"]
    assert renames(archives.files) == []


async def test_log_of_a_name_that_was_used_twice(archives: Archives) -> None:
    manager = await archives.make({"a": b"content of a", "c": b"content of c"})
    await manager.move_file("a", "b")
    await manager.remove_file("b")
    await manager.move_file("c", "b")
    await manager.move_file("b", "d")
    await manager.save_checkpoint()
    assert renames(archives.files) == [("c", "d")]
    assert await past_of_head(manager) == {"d": b"content of c"}


async def test_move_remove_and_add_again_is_one_rename(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.move_file("a", "b")
    await manager.remove_file("b")
    await manager.add_file("b", SMALL["a"])
    await manager.save_checkpoint()
    assert renames(archives.files) == [("a", "b")]
    assert (await manager.history())[0].renamed == 1
    await check(manager, archives.files)


async def test_move_of_a_folder_that_partly_came_and_partly_goes(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    await manager.remove_file("d/x")
    await manager.add_file("d/new", b"new")
    await manager.add_file("d/sub/y", b"changed")
    await manager.move_file("d", "e")
    await manager.save_checkpoint()
    assert await past_of_head(manager) == {
        "a": SMALL["a"],
        "other": SMALL["other"],
        "e/new": b"new",
        "e/sub/y": b"changed",
    }
    assert renames(archives.files) == [("d", "e")]
    await check(manager, archives.files)


# ------------------------------------------------------------------------------------------- moves and saves


async def test_move_on_both_sides_reads_nothing_again(archives: Archives) -> None:
    reads: list[str] = []

    class Watching(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "read_whole":
                reads.append(step.path)
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Watching(archives.files))
    put_tree(archives.files, {"d/f": b"f", "d/g": b"g"})
    for name in "fg":
        archives.files.set_attributes(f"/source/d/{name}", 0o644, 10**18)
    await manager.save(["/source/."])
    reads.clear()
    archives.files.rename("/source/d", "/source/e")
    await manager.move("d", "e")
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.modified, report.deleted, report.renamed) == (0, 0, 0, 0)
    assert await listed(manager) == ["e", "e/f", "e/g"]
    await check(manager, archives.files)


async def test_move_in_the_archive_alone_and_a_save_of_the_tree(archives: Archives) -> None:
    """A mirror brings everything back to where the disk has it, as renames."""
    manager = await archives.open()
    await save_trees(manager, archives.files, {"d/f": noise(5000), "d/g": b"g"})
    await manager.move("d", "e")
    size = size_of(archives.files)
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.modified, report.deleted, report.renamed) == (0, 0, 0, 2)
    assert await listed(manager) == ["d", "d/f", "d/g"]
    assert size_of(archives.files) - size < TAIL, "the content was not written again"
    await check(manager, archives.files)


async def test_file_takes_the_place_of_a_folder_without_a_record(archives: Archives) -> None:
    manager = await archives.make({"d/x": b"x", "d/sub/y": b"y", "other": b"o"})
    put_tree(archives.files, {"d": b"a file now"})
    await manager.save(["/source/."])
    assert await past_of_head(manager) == {"d": b"a file now", "other": b"o"}
    await check(manager, archives.files)


# ---------------------------------------------------------------------------------------------------- removals


async def test_remove(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    before, size = await past(manager), size_of(archives.files)
    report = await manager.remove(["d", "./a", "d/x"], message="gone", author="me")
    assert (report.created, report.deleted, report.renamed) == (True, 3, 0)
    assert await listed(manager) == ["other"]
    after = await past(manager)
    del after[report.version]
    assert after == before
    assert size_of(archives.files) - size < TAIL
    assert (await manager.history())[0].deleted == 3
    await check(manager, archives.files)


async def test_remove_everything_and_come_back(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    assert (await manager.remove(SMALL)).deleted == 4
    assert await listed(manager) == []
    await check(manager, archives.files)
    size = size_of(archives.files)
    for path, content in SMALL.items():
        await manager.add_file(path, content)
    await manager.save_checkpoint()
    assert await past_of_head(manager) == SMALL
    assert all(not name.startswith(".store") for name in entry_names(archives.files))
    assert size_of(archives.files) - size < TAIL
    await check(manager, archives.files)


async def test_remove_nothing_or_what_is_not_there(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    assert not (await manager.remove([])).created
    for paths in (["none"], ["a", "none"], [""], ["/"], ["a/b"]):
        with pytest.raises(NotFoundError):
            await manager.remove(paths)
    assert read_file(archives.files, ARCHIVE) == before


async def test_a_path_that_is_no_list_is_not_taken_apart(archives: Archives) -> None:
    manager = await archives.make({"e": b"e", "d": b"d", "ed": b"ed"})
    with pytest.raises(TypeError):
        await manager.remove("ed")
    assert await listed(manager) == ["d", "e", "ed"]


async def test_a_name_no_program_should_have_made_can_be_removed(archives: Archives) -> None:
    manager = await archives.make(SMALL)

    def change(manifest: Manifest) -> None:
        manifest.file_map["../up"] = manifest.file_map.pop("other")

    await alter(archives.files, change)
    await manager.remove(["../up"])
    assert await listed(manager) == ["a", "d/sub/y", "d/x"]


async def test_remove_and_add_the_same_is_no_version(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    await manager.remove_file("a")
    await manager.add_file("a", SMALL["a"], modified=1000)
    assert (await manager.save_checkpoint()).message == "version 0"
    assert read_file(archives.files, ARCHIVE) == before


async def test_remove_of_thousands_of_paths(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {f"d/{number}": b"%d" % number for number in range(6000)})
    started = time.monotonic()
    report = await manager.remove([f"d/{number}" for number in range(3000)])
    assert report.deleted == 3000
    assert time.monotonic() - started < 4, "the time grows with the paths, not with their square"


# --------------------------------------------------------------------------------------------- renames by content


async def test_renames_on_disk(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"a": noise(3000), "d/large": noise(1_200_000, 2), "stays": b"s"})
    ids, size = inode_ids(archives), size_of(archives.files)
    put_tree(archives.files, {"b": noise(3000), "e/large": noise(1_200_000, 2), "stays": b"s"})
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.modified, report.deleted, report.renamed) == (0, 0, 0, 2)
    now = inode_ids(archives)
    assert (now["b"], now["e/large"]) == (ids["a"], ids["d/large"])
    assert sorted(renames(archives.files)) == [("a", "b"), ("d/large", "e/large")]
    assert size_of(archives.files) - size < TAIL
    assert len(await manager.history("b")) == 2
    assert await content_of(manager, "d/large", "HEAD~1") == noise(1_200_000, 2)
    await check(manager, archives.files)


async def test_rename_without_a_mirror_is_a_copy(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"a": b"content"})
    put_tree(archives.files, {"b": b"content"})
    report = await manager.save(["/source/."])
    assert (report.added, report.renamed) == (1, 0)
    assert await listed(manager) == ["a", "b"]
    await check(manager, archives.files)


async def test_last_names_are_kept_first(archives: Archives) -> None:
    manager = await archives.open()
    before = {f"old/{name}": b"the same content" for name in ("a", "b", "c")}
    await save_trees(manager, archives.files, before)
    ids = inode_ids(archives)
    put_tree(archives.files, {f"new/{name}": b"the same content" for name in ("0", "c", "b")})
    report = await manager.save(["/source/."], mirror=True)
    assert report.renamed == 3
    now = inode_ids(archives)
    assert (now["new/b"], now["new/c"], now["new/0"]) == (ids["old/b"], ids["old/c"], ids["old/a"])
    await check(manager, archives.files)


async def test_more_come_than_left_and_the_other_way_round(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"a": b"same"})
    put_tree(archives.files, {"b": b"same", "c": b"same", "d": b"same"})
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.deleted, report.renamed) == (2, 0, 1)
    await check(manager, archives.files)
    put_tree(archives.files, {"e": b"same"})
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.deleted, report.renamed) == (0, 2, 1)
    assert await past_of_head(manager) == {"e": b"same"}
    await check(manager, archives.files)


async def test_empty_files_and_folders_are_no_renames(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"empty": b"", "folder": None})
    put_tree(archives.files, {"void": b"", "other": None})
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.deleted, report.renamed) == (1, 1, 0)
    assert renames(archives.files) == []
    await check(manager, archives.files)


async def test_a_link_is_not_a_renamed_file(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"file": b"same bytes"})
    archives.files.delete("/source/file")
    archives.files.make_link("/source/link", b"same bytes", 10**18)
    report = await manager.save(["/source/."], mirror=True)
    assert (report.added, report.deleted, report.renamed) == (1, 1, 0)
    assert [entry.type for entry in (await manager.list_files()).entries] == ["symlink"]
    assert await content_of(manager, "file", "HEAD~1") == b"same bytes"
    await check(manager, archives.files)


async def test_renamed_file_with_another_one_in_its_place(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"a": noise(3000)})
    archives.files.rename("/source/a", "/source/b")
    put_tree(archives.files, {"a": noise(4000, 2), "b": noise(3000)})
    await manager.save(["/source/."], mirror=True)
    assert await past_of_head(manager) == {"a": noise(4000, 2), "b": noise(3000)}
    assert await content_of(manager, "a", "HEAD~1") == noise(3000)
    assert entry_names(archives.files) == ["content/a", "content/b"]
    await check(manager, archives.files)


async def test_changed_time_and_mode_come_with_the_rename(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"a": b"content"})
    put_tree(archives.files, {"b": b"content"})
    archives.files.set_attributes("/source/b", 0o755, 123 * 10**9)
    await manager.save(["/source/."], mirror=True)
    entry = (await manager.list_files()).entries[0]
    assert (entry.path, entry.mode, entry.modified) == ("b", 0o755, 123 * 10**9)
    await check(manager, archives.files)


@pytest.mark.parametrize("order", ["remove first", "add first"])
async def test_rename_by_remove_and_add(archives: Archives, order: str) -> None:
    manager = await archives.make({"a": noise(3000), "b": b"b"})
    ids, size = inode_ids(archives), size_of(archives.files)
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: manager.remove_file("a"),
        lambda: manager.add_file("new", noise(3000)),
    ]
    for step in steps if order == "remove first" else reversed(steps):
        await step()
    await manager.save_checkpoint()
    newest = (await manager.history())[0]
    assert (newest.added, newest.deleted, newest.renamed) == (0, 0, 1)
    assert inode_ids(archives)["new"] == ids["a"]
    assert renames(archives.files) == [("a", "new")]
    if order == "remove first":
        assert size_of(archives.files) - size < TAIL, "the content was not written again"
    await check(manager, archives.files)


async def test_thousands_of_identical_files(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {f"old/{number}": b"same" for number in range(3000)})
    put_tree(archives.files, {f"new/{number + 5}": b"same" for number in range(3000)})
    report = await manager.save(["/source/."], mirror=True)
    assert report.renamed == 3000
    kept = [old.removeprefix("old/") == new.removeprefix("new/") for old, new in renames(archives.files)]
    assert kept.count(True) == 2995
    await check(manager, archives.files)


# -------------------------------------------------------------------------------------- failures, aborts, readers


@pytest.mark.parametrize("verb", ["move", "move without room", "remove", "checkpoint"])
async def test_failure_at_any_step_leaves_the_old_state_or_the_new(verb: str) -> None:
    async def run(files: MemoryAdapter, fail_at: int) -> FailingAdapter:
        failing = FailingAdapter(files, fail_at, left_out=CLEANING_UP)
        manager = await JCFManager.open(ARCHIVE, CONFIG, files=failing)
        try:
            if verb == "checkpoint":
                await manager.move_file("a", "t")
                await manager.move_file("d", "a")
                await manager.move_file("t", "d")
                await manager.add_file("d2", b"x of d")
                await manager.save_checkpoint()
            elif verb == "remove":
                await manager.remove(["a", "d"])
            else:
                await manager.move("d", "e" if verb == "move" else LONG)
        finally:
            await manager.close()
        return failing

    async with Archives() as first:
        await first.make(SMALL)
        counted = await run(first.files, -1)  # type: ignore[arg-type] # it is one in memory
        manager = await first.open()
        new = await past_of_head(manager)
    for number in range(counted.count):
        async with Archives() as archives:
            manager = await archives.make(SMALL)
            before = read_file(archives.files, ARCHIVE)
            failed = False
            try:
                await run(archives.files, number)  # type: ignore[arg-type]
            except KamarosError:
                failed = True
            held = await past_of_head(manager)
            step = counted.steps[number]
            assert held == (SMALL if failed else new), f"{number}: {step}"
            if failed and step.name not in {"file.truncate", "file.sync", "file.set_modified"}:
                assert read_file(archives.files, ARCHIVE) == before, f"{number}: {step}"
            await manager.move("other", "last")  # the next writer mends what is to be mended
            await check(manager, archives.files)


async def test_abort_before_it_begins(archives: Archives) -> None:
    manager = await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    controller = AbortController()
    controller.abort(AbortError("no"))
    for change in (
        manager.move("a", "b", signal=controller.signal),
        manager.remove(["a"], signal=controller.signal),
    ):
        with pytest.raises(AbortError, match="no"):
            await change
    assert read_file(archives.files, ARCHIVE) == before
    await check(manager, archives.files)


async def test_abort_while_an_entry_without_room_is_copied(archives: Archives) -> None:
    await archives.make({"large": noise(20 * MIB)}, config=CONFIG.replace(codec="store"))
    before = read_file(archives.files, ARCHIVE)
    controller = AbortController()
    copied: list[Step] = []

    class Aborting(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.read_exactly" and arguments[1] == MIB:
                copied.append(step)
                controller.abort()
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Aborting(archives.files))
    with pytest.raises(AbortError):
        await manager.move("large", LONG, signal=controller.signal)
    assert len(copied) == 1, "it stops between two steps"
    assert read_file(archives.files, ARCHIVE) == before
    await check(manager, archives.files)


def set_capacity(files: MemoryAdapter, spare: int | None) -> None:
    volume: Volume = files._volume
    volume._capacity = None if spare is None else volume.used + spare


async def test_full_disk_while_a_pending_folder_moves(archives: Archives) -> None:
    """Nothing is written before the commit; one that fails loses nothing, and leaves none of its bytes behind."""
    assert isinstance(archives.files, MemoryAdapter)
    manager = await archives.make(SMALL)
    contents = {f"new/{number}": noise(50_000, number) for number in range(3)}
    for path, content in contents.items():
        await manager.add_file(path, content)
    set_capacity(archives.files, 70_000)
    assert await manager.move_file("new", LONG) == 3
    with pytest.raises(DiskFullError):
        await manager.save_checkpoint()
    set_capacity(archives.files, None)
    await manager.save_checkpoint()
    assert await past_of_head(manager) == SMALL | {f"{LONG}{path[3:]}": each for path, each in contents.items()}
    await check(manager, archives.files)


async def test_full_disk_after_some_headers_of_a_pending_folder_were_planned(archives: Archives) -> None:
    """Where one of them has no room in its header, the others are not called anything else either."""
    assert isinstance(archives.files, MemoryAdapter)
    manager = await archives.make(SMALL)
    contents = {f"new/{number}": noise(500, number) for number in range(10)}
    contents["new/" + "long name " * 12] = noise(50_000)
    for path, content in contents.items():
        await manager.add_file(path, content)
    set_capacity(archives.files, 10_000)
    folder = "a folder with a longer name, for which short ones have room"
    await manager.move_file("new", folder)
    with pytest.raises(DiskFullError):
        await manager.save_checkpoint()
    set_capacity(archives.files, None)
    await manager.move_file(folder, "new")
    await manager.save_checkpoint()
    assert await past_of_head(manager) == SMALL | contents
    await check(manager, archives.files)


async def test_full_disk_while_an_entry_without_room_is_copied(archives: Archives) -> None:
    assert isinstance(archives.files, MemoryAdapter)
    manager = await archives.make({"a": noise(50_000), "b": noise(50_000, 2)})
    before = read_file(archives.files, ARCHIVE)
    await manager.move_file("a", LONG)
    await manager.move_file("b", LONG + "b")
    set_capacity(archives.files, 70_000)
    with pytest.raises(DiskFullError):
        await manager.save_checkpoint()
    set_capacity(archives.files, None)
    await manager.save_checkpoint()
    assert await past_of_head(manager) == {LONG: noise(50_000), LONG + "b": noise(50_000, 2)}
    await check(manager, archives.files)
    assert read_file(archives.files, ARCHIVE)[: len(before) // 2] == before[: len(before) // 2]


@pytest.mark.parametrize("change", ["move", "remove", "reuse", "swap"])
async def test_restore_goes_on_while_entries_get_other_names(archives: Archives, change: str) -> None:
    contents = {f"f{number}": noise(1_200_000, number) for number in range(4)}
    manager = await archives.make(contents)
    if change == "reuse":
        await manager.remove(["f3"])
    begun: list[Step] = []

    async def alter() -> None:
        async with await JCFManager.open(ARCHIVE, CONFIG, files=archives.files) as other:
            if change == "move":
                await other.move("f3", "g3")
            elif change == "remove":
                await other.remove(["f3"])
            elif change == "reuse":
                await other.add_file("g3", contents["f3"])
                await other.save_checkpoint()
            else:
                for old, new in (("f2", "t"), ("f3", "f2"), ("t", "f3")):
                    await other.move_file(old, new)
                await other.save_checkpoint()

    class Meddling(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "create" and not begun:
                begun.append(step)
                thread = threading.Thread(target=lambda: asyncio.run(alter()))
                thread.start()
                thread.join()
            return super()._call(step, function, *arguments, **named)

    reader = await archives.open(files=Meddling(archives.files))
    report = await reader.restore_version("HEAD~1" if change == "reuse" else "HEAD", "/out")
    assert begun
    assert report.issues == ()
    for path, content in contents.items():
        assert read_file(archives.files, f"/out/{path}") == content
    await check(manager, archives.files)


async def test_open_stream_goes_on_while_its_file_moves(archives: Archives) -> None:
    manager = await archives.make({"a": noise(3 * MIB)})
    stream = await manager.open_file("a")
    reader = stream.get_reader()
    received = bytearray((await reader.read()).value)
    await manager.move("a", LONG)
    await manager.move(LONG, "b")
    while not (chunk := await reader.read()).done:
        received += chunk.value
    assert received == noise(3 * MIB)


@pytest.mark.parametrize("verb", ["move", "remove", "replace"])
async def test_damaged_header_does_no_harm_to_its_neighbours(archives: Archives, verb: str) -> None:
    """A local header that claims to be longer than it is must not let a new one be written over other entries."""
    contents = {name: noise(5000, number) for number, name in enumerate("abc")}
    manager = await archives.make(contents)
    at = offsets(archives.files)["content/a"]
    file = archives.files.open(ARCHIVE, "r+")
    file.write(at + 28, [(7000).to_bytes(2, "little")])
    file.close()
    before = read_file(archives.files, ARCHIVE)

    async def change() -> None:
        if verb == "move":
            await manager.move("a", "moved")
        elif verb == "remove":
            await manager.remove(["a"])
        else:
            await manager.add_file("a", b"new")
            await manager.save_checkpoint()

    with pytest.raises(KamarosError):
        await change()
    await manager.discard()
    assert read_file(archives.files, ARCHIVE) == before
    assert [error.path for error in (await manager.verify()).errors] == ["a"]


async def test_cancelled_task_leaves_no_trace(archives: Archives) -> None:
    await archives.make(SMALL)
    before = read_file(archives.files, ARCHIVE)
    begun, go_on = threading.Event(), threading.Event()

    class Held(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.write" and step.path == ARCHIVE and not begun.is_set():
                begun.set()
                assert go_on.wait(30)
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Held(archives.files))
    moving = asyncio.ensure_future(manager.move("a", LONG))
    await until(begun.is_set)
    moving.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await moving
    assert read_file(archives.files, ARCHIVE) == before
    await check(manager, archives.files)


async def test_one_version_on_a_real_disk(tmp_path: Path) -> None:
    """The same on a disk: nothing beside the archive afterwards, and the content where it was."""
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True, files=LocalAdapter()) as manager:
        await manager.add_file("large", noise(3 * MIB))
        await manager.save_checkpoint()
        size = os.stat(tmp_path / "a.jcf").st_size
        await manager.move("large", "moved/large")
        await manager.remove(["moved"])
        assert os.stat(tmp_path / "a.jcf").st_size - size < 2 * TAIL
        assert await content_of(manager, "large", "HEAD~2") == noise(3 * MIB)
        assert (await manager.verify()).valid
    assert os.listdir(tmp_path) == ["a.jcf"]
