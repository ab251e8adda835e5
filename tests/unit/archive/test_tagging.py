"""Tags: which names they can have, what they mean, who else may have them, and that they last."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kamaros_gui import JCFManager
from kamaros_gui.base.errors import ArchiveError, KamarosError, NotFoundError, VersionNotFoundError
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, read_file
from tests.helpers.archives import content_of
from tests.helpers.changed import ARCHIVE, Archives, alter, check, manifest_of, size_of
from tests.helpers.trees import noise


@pytest.fixture
async def archives() -> AsyncIterator[Archives]:
    async with Archives() as made:
        yield made


@pytest.fixture
async def manager(archives: Archives) -> JCFManager:
    return await archives.make({"f": b"0"}, {"f": b"1"}, {"f": b"2"})


async def tags(manager: JCFManager) -> list[tuple[str, ...]]:
    """Return the tags of the versions, oldest first."""
    return [version.tags for version in reversed(await manager.history())]


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["1.0", "x", "release of May", "zażółć 名前 🙂", "a/b", "~1", "HEAD1", "heads", "-f", "%", "x" * 200]
)
async def test_name(manager: JCFManager, archives: Archives, name: str) -> None:
    tagged = await manager.tag("HEAD~1", name)
    assert (tagged.tags, tagged.message) == ((name,), "version 1")
    assert await content_of(manager, "f", name) == b"1"
    assert (await manager.list_files(name)).version == tagged.id
    assert await tags(manager) == [(), (name,), ()]
    assert len(await manager.history()) == 3, "it makes no version"
    untagged = await manager.untag(name)
    assert (untagged.id, untagged.tags) == (tagged.id, ())
    with pytest.raises(VersionNotFoundError):
        await manager.list_files(name)
    assert await tags(manager) == [(), (), ()]
    await check(manager, archives.files)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "it must have characters"),
        (" ", "it must have characters"),
        (" x", "no space before"),
        ("x\n", "no space before"),
        ("x\ty", "can't be shown"),
        ("x\0y", "can't be shown"),
        ("x\x7fy", "can't be shown"),
        ("x\ud800", "can't be shown"),
        ("x" * 201, "200 are the limit"),
        ("HEAD", "means the newest version"),
        ("head", "means the newest version"),
        ("HEAD~", "means the newest version"),
        ("Head~7", "means the newest version"),
        ("HEAD~12345678901234567890", "means the newest version"),
        ("an id", "it is the id of a version"),
    ],
)
async def test_name_that_can_not_be(manager: JCFManager, archives: Archives, name: str, said: str) -> None:
    before = read_file(archives.files, ARCHIVE)
    name = (await manager.history())[1].id if name == "an id" else name
    with pytest.raises(ArchiveError, match=said):
        await manager.tag("HEAD", name)
    with pytest.raises(NotFoundError, match="There is no tag"):
        await manager.untag(name)
    assert read_file(archives.files, ARCHIVE) == before


# ----------------------------------------------------------------------------------------------------- versions


async def test_every_way_to_name_a_version(manager: JCFManager) -> None:
    newest, middle, oldest = await manager.history()
    assert (await manager.tag(newest, "1")).id == newest.id
    assert (await manager.tag("head", "2")).tags == ("1", "2")
    assert (await manager.tag(middle.id, "3")).id == middle.id
    assert (await manager.tag(middle.id[:13], "4")).id == middle.id
    assert (await manager.tag("HEAD~2", "5")).id == oldest.id
    assert (await manager.tag("5", "6")).tags == ("5", "6")
    assert await tags(manager) == [("5", "6"), ("3", "4"), ("1", "2")]


@pytest.mark.parametrize("version", ["none", "", "HEAD~3", "HEAD~x"])
async def test_version_that_is_not_there(manager: JCFManager, archives: Archives, version: str) -> None:
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(VersionNotFoundError):
        await manager.tag(version, "name")
    assert read_file(archives.files, ARCHIVE) == before


async def test_tag_goes_before_a_prefix_of_an_id(manager: JCFManager) -> None:
    newest, _, oldest = await manager.history()
    prefix = newest.id[:4]
    await manager.tag(oldest, prefix)
    assert (await manager.list_files(prefix)).version == oldest.id
    assert (await manager.list_files(newest.id[:9])).version == newest.id
    await manager.untag(prefix)
    assert (await manager.list_files(prefix)).version == newest.id


# ----------------------------------------------------------------------------------------------------- replacing


async def test_tag_of_another_version(manager: JCFManager, archives: Archives) -> None:
    newest, _, oldest = await manager.history()
    await manager.tag(oldest, "name")
    before = read_file(archives.files, ARCHIVE)
    with pytest.raises(ArchiveError, match=f"belongs to version {oldest.id[:8]}"):
        await manager.tag(newest, "name")
    assert read_file(archives.files, ARCHIVE) == before
    assert (await manager.tag(newest, "name", replace=True)).tags == ("name",)
    assert await tags(manager) == [(), (), ("name",)]
    await check(manager, archives.files)


async def test_the_same_again_changes_nothing(manager: JCFManager, archives: Archives) -> None:
    await manager.tag("HEAD~1", "name")
    before = read_file(archives.files, ARCHIVE)
    for replace in (False, True):
        assert (await manager.tag("HEAD~1", "name", replace=replace)).tags == ("name",)
    assert read_file(archives.files, ARCHIVE) == before


async def test_untag_what_is_not_there(manager: JCFManager, archives: Archives) -> None:
    before = read_file(archives.files, ARCHIVE)
    for name in ("none", "head", "HEAD", "", (await manager.history())[0].id):
        with pytest.raises(NotFoundError, match="There is no tag"):
            await manager.untag(name)
    assert read_file(archives.files, ARCHIVE) == before


# --------------------------------------------------------------------------------------------- what tags live through


async def test_tags_last(archives: Archives) -> None:
    manager = await archives.make(*({"f": noise(2000, number)} for number in range(4)))
    await manager.tag("HEAD~3", "first")
    await manager.tag("HEAD~1", "third")
    await manager.tag("HEAD", "fourth")
    await manager.add_file("g", b"g")
    await manager.save_checkpoint()
    await manager.move("g", "h")
    await manager.remove(["h"])
    expected = [("first",), (), ("third",), ("fourth",), (), (), ()]
    assert await tags(manager) == expected
    await manager.compact()
    assert await tags(manager) == expected
    await manager.forget(keep_last=2)
    assert await tags(manager) == [("first",), ("third",), ("fourth",), (), ()]
    assert await content_of(manager, "f", "first") == noise(2000, 0)
    await manager.forget(["third"], tagged=True)
    assert await tags(manager) == [("first",), ("fourth",), (), ()]
    await manager.tag("HEAD~1", "third")
    await manager.compact()
    again = await archives.open()
    assert await tags(again) == [("first",), ("fourth",), ("third",), ()]
    await check(manager, archives.files)


async def test_tags_of_another_writer(manager: JCFManager, archives: Archives) -> None:
    """They are with the version itself; they spare it, are replaced and taken away like any other."""
    await alter(archives.files, lambda manifest: setattr(manifest.versions[0], "tags", ["theirs", "more"]))
    assert await tags(manager) == [("more", "theirs"), (), ()]
    with pytest.raises(ArchiveError, match="belongs to version"):
        await manager.tag("HEAD", "theirs")
    await manager.tag("HEAD", "theirs", replace=True)
    assert await tags(manager) == [("more",), (), ("theirs",)]
    assert (await manager.untag("more")).tags == ()
    assert manifest_of(archives.files).versions[0].tags == []


async def test_tag_that_several_versions_have(manager: JCFManager, archives: Archives) -> None:
    def change(manifest: object) -> None:
        for version in manifest.versions[:2]:  # type: ignore[attr-defined]
            version.tags = ["both"]

    await alter(archives.files, change)
    with pytest.raises(VersionNotFoundError, match="fits 2 versions"):
        await manager.list_files("both")
    with pytest.raises(ArchiveError, match="belongs to"):
        await manager.tag("HEAD", "both")
    await manager.tag("HEAD~1", "both", replace=True)
    assert await tags(manager) == [(), ("both",), ()]


async def test_reference_to_a_version_that_is_not_there(manager: JCFManager, archives: Archives) -> None:
    """A name that means nothing is in nobody's way."""
    await alter(archives.files, lambda manifest: manifest.refs.update(ghost="no such version"))
    with pytest.raises(VersionNotFoundError):
        await manager.list_files("ghost")
    assert (await manager.tag("HEAD", "ghost")).tags == ("ghost",)
    assert (await manager.untag("ghost")).tags == ()
    assert set(manifest_of(archives.files).refs) == {"head"}


async def test_pending_changes_and_missing_archive(archives: Archives) -> None:
    manager = await archives.open()
    for change in (manager.tag("HEAD", "name"), manager.untag("name")):
        with pytest.raises(NotFoundError):
            await change
    await manager.add_file("a", b"a")
    for change in (manager.tag("HEAD", "name"), manager.untag("name")):
        with pytest.raises(ArchiveError, match="not saved yet"):
            await change


async def test_cost_and_dead_bytes(manager: JCFManager, archives: Archives) -> None:
    size = size_of(archives.files)
    for number in range(20):
        await manager.tag("HEAD", f"tag {number}")
    assert size_of(archives.files) - size < 20 * 3000
    await check(manager, archives.files)
    assert len((await tags(manager))[-1]) == 20


async def test_failure_at_every_step() -> None:
    number, done = 0, False
    while not done:
        async with Archives() as archives:
            manager = await archives.make({"f": b"0"}, {"f": b"1"})
            failing = FailingAdapter(archives.files, left_out=CLEANING_UP)
            other = await archives.open(files=failing)
            failing.steps.clear()
            failing._fail_at = number
            try:
                await other.tag("HEAD~1", "name")
            except KamarosError:
                assert await tags(manager) == [(), ()], failing.failed
            else:
                assert await tags(manager) == [("name",), ()], failing.failed
                done = failing.failed is None
            await manager.tag("HEAD", "other")
            await check(manager, archives.files)
        number += 1
