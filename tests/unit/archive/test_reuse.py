"""Content the archive has already is not written again: where it is taken from, and that it is never promised twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, AbortError, JCFManager, MemoryAdapter
from kamaros_gui.archive.manifest import FileRecord, Manifest
from kamaros_gui.base.errors import DiskFullError, IntegrityError, SourceChangedError, StorageError
from tests.helpers.adapters import FailingAdapter, Step, WrappingAdapter, read_file
from tests.helpers.archives import content_of, listed
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
    save_trees,
    size_of,
)
from tests.helpers.trees import noise, text

TAIL = 4000
"""Bytes that a manifest of a few versions and a directory of a few entries do not exceed."""

SIZES = [1, 3000, 70_000, 1 << 20, (1 << 20) + 1, 1_300_000]


@pytest.fixture
async def archives() -> AsyncIterator[Archives]:
    async with Archives() as made:
        yield made


async def head(manager: JCFManager) -> dict[str, bytes | None]:
    return next(iter((await past(manager)).values()))


# ------------------------------------------------------------------------------------------ content that returns


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("verify", ["off", "fast", "full"])
async def test_content_that_returns_takes_its_blob_back(archives: Archives, size: int, verify: Any) -> None:
    content = noise(size)
    manager = await archives.make({"a": content, "b": b"b"}, config=CONFIG.replace(verify_after_save=verify))
    at = offsets(archives.files)["content/a"]
    await manager.remove(["a"])
    grown = size_of(archives.files)
    await manager.add_file("another", content)
    await manager.save_checkpoint()
    assert offsets(archives.files)["content/another"] == at
    assert size_of(archives.files) - grown < TAIL
    assert entry_names(archives.files) == ["content/another", "content/b"]
    for version, path in (("HEAD", "another"), ("HEAD~2", "a")):
        assert await content_of(manager, path, version) == content
    await check(manager, archives.files)


@pytest.mark.parametrize("size", SIZES)
async def test_old_content_of_a_file_returns(archives: Archives, size: int) -> None:
    manager = await archives.make({"a": noise(size)}, {"a": noise(size + 1, 2)})
    at = offsets(archives.files)
    for _ in range(2):  # forth and back
        await manager.add_file("a", noise(size))
        await manager.save_checkpoint()
        await manager.add_file("a", noise(size + 1, 2))
        await manager.save_checkpoint()
    assert sorted(offsets(archives.files)[name] for name in entry_names(archives.files)) == sorted(
        at[name] for name in at if name not in {"mimetype", "manifest.json"}
    )
    assert [await content_of(manager, "a", f"HEAD~{back}") for back in range(3)] == [
        noise(size + 1, 2),
        noise(size),
        noise(size + 1, 2),
    ]
    await check(manager, archives.files)


async def test_saved_trees_take_content_back_from_versions(archives: Archives) -> None:
    manager = await archives.open(CONFIG.replace(verify_after_save="full"))
    one = {"small": noise(5000), "large": noise(1_200_000, 2), "d/f": text(900, 3)}
    two = {"small": noise(6000, 4), "large": noise(1_200_001, 5)}
    await save_trees(manager, archives.files, one, two)
    size = size_of(archives.files)
    await save_trees(manager, archives.files, one, two, one)
    assert size_of(archives.files) - size < 3 * TAIL
    assert {path: content for path, content in (await head(manager)).items() if content is not None} == one
    await check(manager, archives.files)


async def test_links_return(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"f": b"f"})
    archives.files.make_link("/source/link", b"a target that is long enough to be recognised", 10**18)
    await manager.save(["/source/."])
    at = offsets(archives.files)["content/link"]
    archives.files.delete("/source/link")
    await manager.save(["/source/."], mirror=True)
    archives.files.make_link("/source/again", b"a target that is long enough to be recognised", 10**18)
    await manager.save(["/source/."])
    assert offsets(archives.files)["content/again"] == at
    await manager.restore_version("HEAD", "/out")
    assert archives.files.read_link("/out/again") == b"a target that is long enough to be recognised"
    await check(manager, archives.files)


async def test_content_of_a_link_returns_as_a_file_and_the_other_way_round(archives: Archives) -> None:
    manager = await archives.open()
    await save_trees(manager, archives.files, {"f": b"same bytes", "stays": b"s"})
    archives.files.delete("/source/f")
    await manager.save(["/source/."], mirror=True)
    archives.files.make_link("/source/l", b"same bytes", 10**18)
    await manager.save(["/source/."])
    archives.files.delete("/source/l")
    await manager.save(["/source/."], mirror=True)
    put_tree(archives.files, {"g": b"same bytes", "stays": b"s"})
    await manager.save(["/source/."])
    await check(manager, archives.files)
    for number, (path, kind) in enumerate((("g", "file"), ("l", "symlink"), ("f", "file"))):
        found = {each.path: each.type for each in (await manager.list_files(f"HEAD~{2 * number}")).entries}
        assert found[path] == kind
        await manager.restore_version(f"HEAD~{2 * number}", f"/out{number}")
    assert archives.files.read_link("/out1/l") == b"same bytes"
    assert read_file(archives.files, "/out0/g") == read_file(archives.files, "/out2/f") == b"same bytes"


# --------------------------------------------------------------------------------------------- one blob, many takers


@pytest.mark.parametrize("size", [3000, 1_300_000])
@pytest.mark.parametrize("verify", ["off", "full"])
async def test_two_take_one_blob(archives: Archives, size: int, verify: Any) -> None:
    """One gets it, the other is written."""
    content = noise(size)
    manager = await archives.make({"a": content, "z": b"z"}, config=CONFIG.replace(verify_after_save=verify))
    await manager.remove(["a"])
    grown = size_of(archives.files)
    await manager.add_file("one", content)
    await manager.add_file("two", content)
    await manager.save_checkpoint()
    assert size < size_of(archives.files) - grown < size + TAIL
    assert await head(manager) == {"one": content, "two": content, "z": b"z"}
    await check(manager, archives.files)
    await manager.remove(["one"])
    await check(manager, archives.files)
    await manager.remove(["two"])
    assert await content_of(manager, "a", "HEAD~4") == content
    await check(manager, archives.files)


async def test_two_of_one_save_take_one_blob(archives: Archives) -> None:
    manager = await archives.open()
    large, small = noise(1_200_000), noise(5000, 2)
    await save_trees(manager, archives.files, {"l": large, "s": small}, {"stays": b"s"})
    await save_trees(manager, archives.files, {"l1": large, "l2": large, "s1": small, "s2": small, "s3": small})
    found = {path: content for path, content in (await head(manager)).items() if content is not None}
    assert found == {"l1": large, "l2": large, "s1": small, "s2": small, "s3": small}
    await check(manager, archives.files)


Change = Callable[[JCFManager], Any]


def add(path: str, content: bytes) -> Change:
    return lambda manager: manager.add_file(path, content, modified=1000)


def remove(path: str) -> Change:
    return lambda manager: manager.remove_file(path)


def move(old: str, new: str) -> Change:
    return lambda manager: manager.move_file(old, new)


P, Q, G = b"content of p", b"content of q", b"something new"
ONE_PATH = {"p": P, "z": b"z"}
TWINS = {"p": P, "q": P, "z": b"z"}


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        (ONE_PATH, [remove("p"), add("x", P)], {"x": P}),
        (ONE_PATH, [remove("p"), add("p", P)], {"p": P}),
        (ONE_PATH, [remove("p"), add("x", P), add("p", P)], {"x": P, "p": P}),
        (ONE_PATH, [remove("p"), add("p", P), add("x", P)], {"x": P, "p": P}),
        (ONE_PATH, [remove("p"), add("x", P), add("p", G)], {"x": P, "p": G}),
        (ONE_PATH, [remove("p"), add("x", P), add("p", G), add("p", P)], {"x": P, "p": P}),
        (ONE_PATH, [remove("p"), add("x", P), add("p", P), add("p", P)], {"x": P, "p": P}),
        (ONE_PATH, [remove("p"), add("p", G), remove("p"), add("x", P), add("y", P)], {"x": P, "y": P}),
        (ONE_PATH, [remove("p"), add("p", P), remove("p"), add("x", P), add("y", P)], {"x": P, "y": P}),
        (ONE_PATH, [remove("p"), add("x", P), remove("x"), add("y", P)], {"y": P}),
        (ONE_PATH, [remove("p"), add("x", P), add("x", G), add("y", P), add("p", P)], {"x": G, "y": P, "p": P}),
        (ONE_PATH, [remove("p"), add("x", P), move("x", "p")], {"p": P}),
        (ONE_PATH, [remove("p"), add("x", P), move("x", "y"), add("x", P)], {"x": P, "y": P}),
        (ONE_PATH, [remove("p"), add("x", P), add("p", G), move("p", "q"), add("p", P)], {"x": P, "p": P, "q": G}),
        (ONE_PATH, [move("p", "q"), remove("q"), add("x", P), add("y", P)], {"x": P, "y": P}),
        (ONE_PATH, [move("p", "q"), add("q", G), remove("q"), add("x", P), add("y", P)], {"x": P, "y": P}),
        (ONE_PATH, [move("p", "q"), add("q", G), add("x", P), add("q", P)], {"x": P, "q": P}),
        (ONE_PATH, [move("p", "q"), add("p", P)], {"p": P, "q": P}),
        (ONE_PATH, [move("p", "q"), add("q", P), move("q", "p")], {"p": P}),
        (ONE_PATH, [add("p", P), remove("p"), add("x", P)], {"x": P}),
        (ONE_PATH, [add("p", P), move("p", "x"), add("p", P)], {"x": P, "p": P}),
        (ONE_PATH, [add("p", G), add("p", P), remove("p"), add("x", P), add("y", P)], {"x": P, "y": P}),
        (ONE_PATH, [add("x", P), remove("p"), add("y", P)], {"x": P, "y": P}),
        (TWINS, [remove("p"), add("x", P)], {"x": P, "q": P}),
        (TWINS, [remove("p"), remove("q"), add("x", P), add("y", P), add("p", P)], {"x": P, "y": P, "p": P}),
        (TWINS, [remove("p"), remove("q"), add("x", P), add("p", G), add("y", P)], {"x": P, "y": P, "p": G}),
        (TWINS, [remove("p"), add("q", G), add("x", P), add("q", P)], {"x": P, "q": P}),
        (TWINS, [remove("p"), add("x", P), remove("q"), move("x", "q"), add("p", P)], {"q": P, "p": P}),
    ],
)
@pytest.mark.parametrize("from_blob", [False, True], ids=["alone", "beside a blob"])
async def test_content_is_promised_once(
    archives: Archives, before: dict[str, bytes], changes: list[Change], after: dict[str, bytes], from_blob: bool
) -> None:
    """Whatever is taken, given back, replaced and moved in one checkpoint: it is there when the version is made."""
    versions: list[dict[str, bytes | None]] = [{"blob": Q}] if from_blob else []
    manager = await archives.make(*versions, before)
    if from_blob:
        await manager.remove(["blob"])
    held = await past(manager)
    for change in changes:
        await change(manager)
    if from_blob:
        await manager.add_file("blob 2", Q)
    version = await manager.save_checkpoint()
    now = await past(manager)
    assert now[version.id] == {"z": b"z"} | after | ({"blob 2": Q} if from_blob else {})
    assert {key: now[key] for key in held if key != version.id} == {key: held[key] for key in held if key != version.id}
    await check(manager, archives.files)


async def test_content_of_what_can_not_be_replaced_is_not_promised(archives: Archives) -> None:
    """A folder that is a file now that can't be read stays, so what is in it can be nobody else's."""
    manager = await archives.open()
    await save_trees(manager, archives.files, {"d/x": b"content of x"})
    put_tree(archives.files, {"d": b"a file now", "e": b"content of x"})

    class Refusing(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "read_whole" and step.path.endswith("/d"):
                raise StorageError("It can't be read.", path=step.path)
            return super()._call(step, function, *arguments, **named)

    other = await archives.open(files=Refusing(archives.files))
    report = await other.save(["/source/."], mirror=True)
    assert report.failed == 1
    assert await head(manager) == {"d": None, "d/x": b"content of x", "e": b"content of x"}
    await check(manager, archives.files)


def lose(path: str, content: bytes) -> Callable[[Manifest], None]:
    """Return what lets the manifest speak of a file that the archive does not hold."""

    def change(manifest: Manifest) -> None:
        digest = hashlib.sha256(content).hexdigest()
        manifest.file_map[path] = FileRecord(inode_id="lost", current_hash=digest, size=len(content))

    return change


@pytest.mark.parametrize("verify", ["off", "full"])
@pytest.mark.parametrize("way", ["renamed", "the same", "removed and added", "moved"])
async def test_lost_content_that_is_at_hand_is_written_anew(archives: Archives, way: str, verify: Any) -> None:
    """A path whose entry is missing promises nothing; whoever has the content can save it."""
    manager = await archives.make({"z": b"z"}, config=CONFIG.replace(verify_after_save=verify))
    await alter(archives.files, lose("a", P))
    if way == "removed and added":
        await manager.remove_file("a")
    elif way == "moved":
        await manager.move_file("a", "b")
    if way == "renamed":
        put_tree(archives.files, {"b": P, "z": b"z"})
        await manager.save(["/source/."], mirror=True)
    else:
        await manager.add_file("b" if way == "moved" else "a", P)
        await manager.save_checkpoint()
    found = await head(manager)
    assert found == {"b" if way in {"renamed", "moved"} else "a": P, "z": b"z"}
    assert (await manager.verify()).valid


# -------------------------------------------------------------------------------------------- failures and aborts


async def test_commit_that_fails_is_tried_again(archives: Archives) -> None:
    content = noise(20_000)
    await archives.make({"a": content, "b": b"b"})
    trouble: list[StorageError] = []

    class Refusing(WrappingAdapter):
        def _call(self, step: Step, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            if step.name == "file.sync" and step.path == ARCHIVE and trouble:
                raise trouble.pop()
            return super()._call(step, function, *arguments, **named)

    manager = await archives.open(files=Refusing(archives.files))
    await manager.remove_file("a")
    await manager.add_file("x", content)
    await manager.add_file("y", content)
    await manager.move_file("b", "a long name that has no room in the header " * 4)
    for _ in range(2):
        trouble.append(StorageError("not now"))
        with pytest.raises(StorageError, match="not now"):
            await manager.save_checkpoint()
    await manager.save_checkpoint()
    assert len(await manager.history()) == 2
    assert await listed(manager) == sorted(["a long name that has no room in the header " * 4, "x", "y"])
    assert await content_of(manager, "x") == await content_of(manager, "y") == content
    await check(manager, archives.files)


@pytest.mark.parametrize("size", [3000, 1_300_000])
async def test_abort_while_content_is_taken(archives: Archives, size: int) -> None:
    """Aborted between any two steps, what was added before stays, and the content can still be taken."""
    content = noise(size)
    for step_number in range(200):
        async with Archives() as own:
            await own.make({"a": content, "z": b"z"})
            controller = AbortController()
            failing = FailingAdapter(
                own.files, on_step=lambda number, at=step_number, it=controller: it.abort() if number == at else None
            )
            manager = await own.open(files=failing)
            await manager.remove_file("a")
            await manager.add_file("first", b"first")
            failing.steps.clear()
            done = False
            try:
                await manager.add_file("x", content, signal=controller.signal)
                done = True
            except AbortError:
                await manager.add_file("x", content)
            await manager.save_checkpoint()
            assert await head(manager) == {"first": b"first", "x": content, "z": b"z"}
            await check(manager, own.files)
        if done:
            break
    assert done


@pytest.mark.parametrize("size", [3000, 1_300_000])
async def test_source_that_fails_gives_the_content_back(archives: Archives, size: int) -> None:
    manager = await archives.make({"a": noise(size), "z": b"z"})
    at = offsets(archives.files)["content/a"]
    await manager.remove_file("a")
    with pytest.raises(SourceChangedError):
        await manager.add_file("x", noise(size), size=size + 1)
    with pytest.raises(SourceChangedError):
        await manager.add_file("x", noise(size), size=size - 1)
    await manager.add_file("y", noise(size))
    await manager.save_checkpoint()
    assert offsets(archives.files)["content/y"] == at
    assert await head(manager) == {"y": noise(size), "z": b"z"}
    await check(manager, archives.files)


async def test_full_disk_then_room(archives: Archives) -> None:
    assert isinstance(archives.files, MemoryAdapter)
    manager = await archives.make({"a": noise(20_000), "z": b"z"})
    volume = archives.files._volume
    await manager.remove_file("a")
    await manager.add_file("x", noise(20_000))
    volume._capacity = volume.used + 100
    with pytest.raises(DiskFullError):
        await manager.save_checkpoint()
    volume._capacity = None
    await manager.save_checkpoint()
    assert await head(manager) == {"x": noise(20_000), "z": b"z"}
    await check(manager, archives.files)


async def test_discard_gives_everything_back(archives: Archives) -> None:
    manager = await archives.make({"a": noise(20_000), "z": b"z"})
    await manager.remove(["a"])
    before = read_file(archives.files, ARCHIVE)
    await manager.add_file("x", noise(20_000))
    await manager.discard()
    assert read_file(archives.files, ARCHIVE) == before
    await manager.add_file("y", noise(20_000))
    await manager.save_checkpoint()
    assert await head(manager) == {"y": noise(20_000), "z": b"z"}
    await check(manager, archives.files)


@pytest.mark.parametrize("verify", ["fast", "full"])
async def test_damaged_blob_is_not_taken_for_good_content(archives: Archives, verify: Any) -> None:
    """Whoever has the settings check a save must not be told that all is well when the content is lost."""
    content = noise(3000)
    manager = await archives.make({"a": content, "z": b"z"}, config=CONFIG.replace(verify_after_save=verify))
    await manager.remove(["a"])
    at = next(offset for name, offset in offsets(archives.files).items() if name.startswith(".store/blobs/"))
    file = archives.files.open(ARCHIVE, "r+")
    file.write(at + 1500, [b"\0\1\2\3"])
    file.close()
    await manager.add_file("x", content)
    try:
        await manager.save_checkpoint()
    except IntegrityError:
        return
    assert await content_of(manager, "x") == content


async def test_same_content_is_known_by_its_kind_and_place(archives: Archives) -> None:
    """Content that HEAD has at the same path is neither written nor taken from anywhere."""
    manager = await archives.make({"a": noise(3000), "b": noise(3000)})
    await manager.remove(["b"])
    at = offsets(archives.files)
    await manager.add_file("a", noise(3000), modified=5)
    await manager.save_checkpoint()
    assert offsets(archives.files)["content/a"] == at["content/a"]
    assert (await manager.list_files()).entries[0].modified == 5 * 10**9
    await check(manager, archives.files)


async def test_first_versions_and_real_files(tmp_path: Path) -> None:
    """The same on a disk, with files large and small that go and return under other names."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(noise(5000))
    (tree / "large").write_bytes(noise(1_200_000, 2))
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG, create=True) as manager:
        await manager.save([f"{tree}/."])
        first = os.stat(tmp_path / "a.jcf").st_size
        os.rename(tree / "small", tmp_path / "kept small")
        os.rename(tree / "large", tmp_path / "kept large")
        await manager.save([f"{tree}/."], mirror=True)
        os.rename(tmp_path / "kept small", tree / "small again")
        os.rename(tmp_path / "kept large", tree / "large again")
        report = await manager.save([f"{tree}/."], mirror=True)
        assert report.added == 2
        assert os.stat(tmp_path / "a.jcf").st_size - first < 2 * TAIL
        assert await content_of(manager, "large again") == noise(1_200_000, 2)
        assert (await manager.verify()).valid


async def test_nothing_is_left_over_in_the_manifest(archives: Archives) -> None:
    """A path that returned has its record like any other."""
    manager = await archives.make({"a": noise(3000)})
    await manager.remove(["a"])
    await manager.add_file("a", noise(3000), modified=7)
    await manager.save_checkpoint()
    record = manifest_of(archives.files).file_map["a"]
    assert (record.size, record.mtime_ns, record.mode) == (3000, 7 * 10**9, 0o644)
    assert [version.added for version in await manager.history()] == [1, 0, 1]
