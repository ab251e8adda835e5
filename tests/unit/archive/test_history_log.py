"""The log of a path: every version that touched it, under whatever name it had, and no other one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.history import decode_parts, describe, find_version, hashes_in_use, states_at
from kamaros_gui.archive.manifest import decode_states
from kamaros_gui.archive.path_log import versions_touching
from kamaros_gui.archive.views import history_of
from kamaros_gui.base.errors import ManifestError, NotFoundError, VersionNotFoundError
from tests.helpers.histories import MadeHistory, hash_of
from tests.helpers.trees import write


@pytest.fixture
def made() -> MadeHistory:
    return MadeHistory()


def log(made: MadeHistory, path: str) -> list[int]:
    """Numbers of the versions in the log of *path*, newest first; the first version is 1."""
    numbers = {version.id: number for number, version in enumerate(made.manifest.versions, 1)}
    return [numbers[version.id] for version in versions_touching(made.manifest, path)]


# ------------------------------------------------------------------------------------------------- without renames


def test_versions_that_touched_a_path_newest_first(made: MadeHistory) -> None:
    made.commit({"a": "1", "d": None, "d/b": "1"})
    made.commit({"a": "2"})
    made.commit({"d/b": "2"})
    made.commit(modes={"a": 0o600}, snapshot=True)
    made.commit(remove=["d/b"])
    assert log(made, "a") == [4, 2, 1]
    assert log(made, "d/b") == [5, 3, 1]
    assert log(made, "d") == [5, 3, 1]


def test_names_that_only_look_alike(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"ab": "1", "a b": "1", "x/a": "1", "a.": "1"})
    made.commit({"b/a/c": "1"})
    assert log(made, "a") == [1]
    assert log(made, "b") == [3]
    assert log(made, "c") == []


def test_what_came_with_the_first_version_was_touched_by_it(made: MadeHistory) -> None:
    """Where older versions were forgotten, the first that is left may say of a path that it is unchanged."""
    made.commit({"a": "1"})
    made.commit({"b": "1"}, snapshot=True)
    made.commit({"b": "2"})
    del made.manifest.versions[0]
    assert log(made, "a") == [1]
    assert log(made, "b") == [2, 1]


@pytest.mark.parametrize("odd", ['quote"d', "back\\slash", "żółć/日本", "a/b\u2028c", "tab\t"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_names_that_json_writes_in_several_ways(made: MadeHistory, odd: str, ascii_only: bool) -> None:
    made.commit({odd: "1", "other": "1"})
    made.commit({"other": "2"})
    made.commit({odd: "2"})
    for version in made.manifest.versions:
        text = json.dumps(json.loads(bytes(version.file_states)), ensure_ascii=ascii_only)
        if ascii_only:
            text = text.replace("/", "\\/")
        version.file_states = msgspec.Raw(text.encode())
    assert log(made, odd) == [3, 1]
    assert log(made, odd.partition("/")[0]) == [3, 1]
    assert log(made, "other") == [2, 1]


def test_a_listing_that_does_not_mention_the_path_is_not_decoded(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"b": "1"})
    made.manifest.versions[1].file_states = msgspec.Raw(b'{"b":{"size":"no number"}}')
    assert log(made, "a") == [1]
    made.manifest.versions[1].file_states = msgspec.Raw(b'{"a":{"changeType":"nonsense"}}')
    with pytest.raises(ManifestError, match="version 00000002"):
        log(made, "a")


def test_path_that_is_no_text(made: MadeHistory, tmp_path: Path) -> None:
    made.commit({"a": "1"})
    container = made.load(tmp_path)
    with pytest.raises(NotFoundError, match="No version of"):
        history_of(container, "\udcff")
    container.close()


@pytest.mark.parametrize("spaces", [False, True])
def test_long_listings_are_searched_and_not_decoded(made: MadeHistory, spaces: bool) -> None:
    """With the same outcome as decoding them has."""
    paths = {f"d{number % 50}/file {number}": "1" for number in range(3000)} | {'x/qu"ote': "1", "x/{b}": "1", "y": "1"}
    made.commit(dict(paths), snapshot=True)
    made.commit({'x/qu"ote': "2", "d7/file 7": "2"}, snapshot=True)
    made.commit({"x/{b}": "2", "d7/file 57": "2"}, remove=["y"], snapshot=True)
    made.commit({"y": "again", "d7": "-> a link", "z": '"y":{'}, snapshot=True)
    if spaces:
        for version in made.manifest.versions:
            text = json.dumps(json.loads(bytes(version.file_states)), indent=1)
            version.file_states = msgspec.Raw(text.encode())
    assert all(len(bytes(version.file_states)) > 256 * 1024 for version in made.manifest.versions)
    assert log(made, "y") == [4, 3, 1]
    assert log(made, "d7/file 7") == [2, 1]
    assert log(made, "d7/file 5") == []
    assert log(made, "d7") == [4, 3, 2, 1]
    assert log(made, 'x/qu"ote') == [2, 1]
    assert log(made, "x/{b}") == [3, 1]
    assert log(made, "x") == [3, 2, 1]
    assert log(made, "d8") == [1]
    made.commit(rename={"d8/file 8": "d7/file 8"}, snapshot=True)
    assert log(made, "d7/file 8") == [5, 1]
    made.manifest.rename_log.clear()
    assert log(made, "d7/file 8") == [5, 1]
    damaged = bytes(made.manifest.versions[1].file_states).replace(b'"size"', b'"changeType":5,"size"', 1)
    made.manifest.versions[1].file_states = msgspec.Raw(damaged)
    with pytest.raises(ManifestError, match="version 00000002"):
        log(made, "d0/file 0")


# ----------------------------------------------------------------------------------------------------- with renames


def test_file_that_was_renamed_twice(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"a": "2"})
    made.commit({"x": "1"})
    made.commit(rename={"a": "d/b"})
    made.commit({"d/b": "3"})
    made.commit(rename={"d/b": "c"})
    made.commit({"c": "4"})
    assert log(made, "c") == [7, 6, 5, 4, 2, 1]
    assert log(made, "d/b") == [6, 5, 4, 2, 1], "it ends where the name ended"
    assert log(made, "a") == [4, 2, 1]


def test_file_that_was_renamed_and_changed_at_once(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"b": "2"}, rename={"a": "b"})
    assert log(made, "b") == [2, 1]


def test_old_name_counts_for_its_own_life_only(made: MadeHistory) -> None:
    """Version 1–2: a first “a”, gone; 3–4: a second one, renamed; 6–7: a third one."""
    made.commit({"a": "first"})
    made.commit(remove=["a"])
    made.commit({"a": "second"})
    made.commit({"a": "second, changed"})
    made.commit(rename={"a": "b"})
    made.commit({"a": "third"})
    made.commit({"a": "third, changed"})
    assert log(made, "b") == [5, 4, 3]
    assert log(made, "a") == [7, 6, 5, 4, 3, 2, 1], "all lives of the name that was asked for"


def test_every_life_of_the_path_has_its_own_chain(made: MadeHistory) -> None:
    made.commit({"x": "1", "y": "1"})
    made.commit(rename={"y": "p"})
    made.commit({"y": "another"})
    made.commit(remove=["p"])
    made.commit({"x": "2"})
    made.commit(rename={"x": "p"})
    made.commit({"x": "another"})
    assert log(made, "p") == [6, 5, 4, 2, 1]


def test_two_files_that_changed_places(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"b": "1"})
    made.commit({"a": "2"})
    made.commit(rename={"a": "b", "b": "a"})
    made.commit({"b": "3"})
    assert log(made, "b") == [5, 4, 3, 2, 1], "what was “a” before, and the first life of “b” itself"
    made.commit(rename={"b": "c"})
    assert log(made, "c") == [6, 5, 4, 3, 1]
    made.commit(rename={"a": "z"})
    assert log(made, "z") == [7, 4, 2]


def test_name_taken_by_another_file_in_the_version_of_the_rename(made: MadeHistory) -> None:
    made.commit({"a": "1"})
    made.commit({"a": "new"}, rename={"a": "b"})
    made.commit({"a": "newer"})
    made.commit(rename={"a": "c"})
    assert log(made, "c") == [4, 3, 2], "the first “a” is another file"
    assert log(made, "b") == [2, 1]


@pytest.mark.parametrize("recorded", [True, False], ids=["with entries for folders", "without"])
def test_folder_moved_as_a_whole(made: MadeHistory, recorded: bool) -> None:
    folders: dict[str, str | None] = {"d": None, "d/s": None} if recorded else {}
    made.commit({**folders, "d/a": "1", "d/s/b": "1", "x": "1"})
    made.commit({"d/a": "2"})
    made.commit({"d/s/b": "2"})
    made.commit({"x": "2"})
    paths = [*folders, "d/a", "d/s/b"]
    made.commit(rename={path: "e" + path[1:] for path in paths}, moves=[("d", "e")])
    made.commit({"d/a": "a new one at the old place"})
    made.commit({"e/s/b": "3"})
    assert log(made, "e") == [7, 5, 3, 2, 1]
    assert log(made, "e/s") == [7, 5, 3, 1]
    assert log(made, "e/a") == [5, 2, 1]
    assert log(made, "e/s/b") == [7, 5, 3, 1]
    assert log(made, "d") == [6, 5, 3, 2, 1]


def test_folder_moved_twice_and_emptied_before(made: MadeHistory) -> None:
    """An earlier folder of the same name, without an entry of its own, is another life."""
    made.commit({"d/first": "1"})
    made.commit(remove=["d/first"])
    made.commit({"d/second": "1"})
    made.commit({"d/third": "1"})
    made.commit(rename={"d/second": "e/second", "d/third": "e/third"}, moves=[("d", "e")])
    made.commit(rename={"e/second": "f/g/second", "e/third": "f/g/third"}, moves=[("e", "f/g")])
    assert log(made, "f/g") == [6, 5, 4, 3]
    assert log(made, "f") == [6], "it was never called otherwise"
    assert log(made, "d") == [5, 4, 3, 2, 1]


def test_folders_that_changed_places(made: MadeHistory) -> None:
    made.commit({"d/a": "1"})
    made.commit({"e/b": "1"})
    made.commit({"d/a": "2"})
    made.commit(rename={"d/a": "e/a", "e/b": "d/b"}, moves=[("e", "d"), ("d", "e")])
    assert log(made, "e/a") == [4, 3, 1]
    assert log(made, "d/b") == [4, 2]


def test_folder_renamed_on_disk_and_found_file_by_file(made: MadeHistory) -> None:
    made.commit({"d": None, "d/a": "1", "d/b": "1"})
    made.commit({"d/a": "2"})
    made.commit({"e": None}, remove=["d"], rename={"d/a": "e/a", "d/b": "e/b"})
    made.commit({"e/new": "1"})
    assert log(made, "e") == [4, 3, 2, 1]
    made.commit({"f": None, "other": "1"}, rename={"e/a": "f/a"})
    assert log(made, "f") == [5], "“e” is still there: one file left it"
    assert log(made, "f/a") == [5, 3, 2, 1]


def test_rename_log_of_another_writer(made: MadeHistory) -> None:
    """Its states do not say what was renamed; the log does."""
    made.commit({"d/a": "1"})
    made.commit({"d/a": "2"})
    made.commit({"e/a": "2"}, remove=["d/a"])
    made.manifest.rename_log = [
        {"from": "d", "to": "e", "versionId": made.manifest.versions[2].id},
        {"from": 1, "to": None},
        {"from": "nothing of the kind", "to": "e", "versionId": made.manifest.versions[2].id},
    ]
    assert log(made, "e/a") == [3, 2, 1]
    assert log(made, "e") == [3, 2, 1]


def test_moves_one_after_the_other_in_one_version(made: MadeHistory) -> None:
    made.commit({"a/x/f": "1"})
    made.commit({"a/x/f": "2"})
    made.commit(rename={"a/x/f": "c/f"}, moves=[("a", "b"), ("b/x", "c")])
    assert log(made, "c") == [3, 2, 1]


@pytest.mark.parametrize("long", [False, True])
def test_new_folder_at_the_place_of_one_that_left(made: MadeHistory, long: bool) -> None:
    more: dict[str, str | None] = {f"other/{number}": "1" for number in range(3000 if long else 1)}
    made.commit({"d": None, "d/a": "1", **more})
    made.commit({"d": None, "d/new": "1"}, rename={"d": "e", "d/a": "e/a"}, moves=[("d", "e")], snapshot=True)
    made.commit(rename={"d": "g", "d/new": "g/new"}, moves=[("d", "g")], snapshot=True)
    assert log(made, "g") == [3, 2], "the first “d” is another folder"
    assert log(made, "e") == [2, 1]


def test_folder_whose_only_file_was_moved_and_replaced(made: MadeHistory) -> None:
    made.commit({"d/a": "1"})
    made.commit({"d/a": "2"})
    made.commit({"d/a": "new"}, rename={"d/a": "z/a"})
    made.commit(rename={"d/a": "e/a"}, moves=[("d", "e")])
    assert log(made, "e") == [4, 3, 2, 1], "the folder was there all the time"
    assert log(made, "e/a") == [4, 3]


def test_rename_log_of_another_writer_with_long_listings(made: MadeHistory) -> None:
    made.commit({"d/a": "1", **{f"other/{number}": "1" for number in range(3000)}}, snapshot=True)
    made.commit({"e/a": "2"}, remove=["d/a"], snapshot=True)
    made.manifest.rename_log = [{"from": "d", "to": "e", "versionId": made.manifest.versions[1].id}]
    assert log(made, "e/a") == [2, 1]


def test_full_listings_between(made: MadeHistory) -> None:
    made.commit({"a": "1", "k": "1"}, snapshot=True)
    made.commit({"k": "2"}, snapshot=True)
    made.commit(rename={"a": "b"}, snapshot=True)
    made.commit({"k": "3"}, snapshot=True)
    assert log(made, "b") == [3, 1]
    assert log(made, "k") == [4, 2, 1]


# ---------------------------------------------------------------------------------------------- what a version says


def test_renames_are_told_apart_from_the_other_numbers(made: MadeHistory) -> None:
    made.commit({"a": "1", "b": "1", "c": "1"})
    made.commit({"b": "2", "n": "1"}, rename={"a": "z"}, remove=["c"])
    version = made.manifest.versions[1]
    told = describe(made.manifest, version)
    assert (told.added, told.modified, told.deleted, told.renamed) == (1, 1, 1, 1)
    version.counts, version.renames = (5, 6, 7), 8
    told = describe(made.manifest, version)
    assert (told.added, told.modified, told.deleted, told.renamed) == (5, 6, 7, 8)


@pytest.fixture
def tagged(made: MadeHistory) -> Iterator[MadeHistory]:
    made.commit({"a": "1"}, tags=["one", "both", "00000003", "shadowed"])
    made.commit({"a": "2"}, tags=["both", ""])
    made.commit({"a": "3"})
    made.manifest.refs |= {"shadowed": made.manifest.versions[2].id, "lost": "no such version"}
    return made


@pytest.mark.parametrize(
    ("name", "number"),
    [("one", 1), ("shadowed", 3), ("00000003", 1), ("00000002", 2), ("head", 3), ("HEAD~2", 1), ("00000003-", 3)],
)
def test_version_by_name(tagged: MadeHistory, name: str, number: int) -> None:
    assert find_version(tagged.manifest, name).id == tagged.manifest.versions[number - 1].id


@pytest.mark.parametrize(
    ("name", "said"),
    [("both", "fits 2 versions"), ("0000000", "fits 3 versions"), ("lost", "no version"), ("", "no version")],
)
def test_version_that_is_none(tagged: MadeHistory, name: str, said: str) -> None:
    with pytest.raises(VersionNotFoundError, match=said) as caught:
        find_version(tagged.manifest, name)
    assert caught.value.hint


def test_states_of_every_version(made: MadeHistory) -> None:
    expected: list[dict[str, str]] = []
    for number in range(12):
        put = {f"f{number % 5}": f"content {number}", f"g{number}": "same"}
        rename = {f"g{number - 1}": f"h{number}"} if number % 3 == 2 else {}
        remove = [f"g{number - 1}"] if number % 3 == 0 and number else []
        made.commit(put, rename=rename, remove=remove, snapshot=number in {0, 7})
        expected.append({path: record.current_hash for path, record in made.manifest.file_map.items()})
    for version, states in zip(made.manifest.versions, expected, strict=True):
        assert {path: state.hash for path, state in states_at(made.manifest, version).items()} == states
    assert set(hashes_in_use(made.manifest)) == {each for states in expected for each in states.values()}
    assert hashes_in_use(made.manifest)[hash_of("content 0")][1] == made.manifest.versions[0].id
    made.manifest.versions[3].file_states = msgspec.Raw(b'{"gone":{"hash":"of what is gone","deleted":true}}')
    assert "of what is gone" not in hashes_in_use(made.manifest)


def test_parts_of_a_listing_are_those_of_the_whole(made: MadeHistory) -> None:
    class Part(msgspec.Struct):
        hash: str = ""

    made.commit({"a": "1", "b": None})
    version = made.manifest.versions[0]
    assert {path: part.hash for path, part in decode_parts(version, Part).items()} == {
        path: state.hash for path, state in decode_states(version).items()
    }
    version.file_states = msgspec.Raw(b"[1]")
    with pytest.raises(ManifestError, match="version 00000001"):
        decode_parts(version, Part)


# ------------------------------------------------------------------------------------------------ with real archives


async def test_log_of_saves(tmp_path: Path) -> None:
    write(tmp_path / "p" / "a.txt", b"1")
    write(tmp_path / "p" / "d" / "b.txt", b"the content of b")
    config = JCFConfig(level=1, workers=2, snapshot_interval=2)
    async with await JCFManager.open(tmp_path / "x.jcf", config, create=True) as manager:
        first = (await manager.save([tmp_path / "p"], mirror=True)).version
        write(tmp_path / "p" / "a.txt", b"22")
        second = (await manager.save([tmp_path / "p"], mirror=True)).version
        (tmp_path / "p" / "d" / "b.txt").rename(tmp_path / "p" / "d" / "c.txt")
        third = (await manager.save([tmp_path / "p"], mirror=True)).version
        assert [each.id for each in await manager.history()] == [third, second, first]
        assert [each.id for each in await manager.history("p/a.txt")] == [second, first]
        assert [each.id for each in await manager.history("p/d/b.txt")] == [third, first]
        assert third in [each.id for each in await manager.history("/p/d/c.txt/")]
        assert [each.id for each in await manager.history("p/d")] == [third, first]
        with pytest.raises(NotFoundError, match=r"No version of .* has “p/d/d”"):
            await manager.history("p/d/d")


async def test_log_of_moves(tmp_path: Path) -> None:
    """A folder renamed on disk, moved in the archive, changing places with a file, and taken apart."""
    tree = tmp_path / "tree"
    for name, content in {"d/a": b"aaa", "d/s/b": b"bbb", "x": b"xx"}.items():
        write(tree / name, content)
    async with await JCFManager.open(tmp_path / "a.jcf", JCFConfig(snapshot_interval=3), create=True) as manager:

        async def log(path: str) -> str:
            return " ".join(version.message for version in await manager.history(path))

        async def save(message: str) -> None:
            assert (await manager.save([f"{tree}/."], mirror=True, message=message)).created

        await save("1")
        write(tree / "d" / "a", b"aaaa")
        await save("2")
        (tree / "d").rename(tree / "e")
        await save("3")
        assert (await log("e"), await log("e/a"), await log("e/s")) == ("3 2 1", "3 2 1", "3 1")
        await manager.move("e", "f/g", message="4")
        assert (await log("f/g"), await log("f/g/a"), await log("f/g/s/b")) == ("4 3 2 1", "4 3 2 1", "4 3 1")
        assert (await log("f"), await log("e"), await log("d/a")) == ("4", "4 3 2 1", "3 2 1")
        for old, new in (("f/g", "between"), ("x", "f/g"), ("between", "x")):
            await manager.move_file(old, new)
        await manager.save_checkpoint("5")
        assert (await log("x/a"), await log("x/s/b")) == ("5 4 3 2 1", "5 4 3 1")
        for old, new in (("x", "y"), ("y/s", "z")):
            await manager.move_file(old, new)
        await manager.save_checkpoint("6")
        assert (await log("z"), await log("z/b"), await log("y/a")) == ("6 5 4 3 1", "6 5 4 3 1", "6 5 4 3 2 1")


def test_large_history_is_quick(made: MadeHistory) -> None:
    """A fifth of the size the design asks for, with a bound that is generous to a busy machine."""
    put: dict[str, str | None] = {f"project/m{number % 100}/file {number}": str(number) for number in range(10_000)}
    made.commit(put, snapshot=True)
    names = list(put)
    for version in range(1, 100):
        made.commit(
            {names[(version * 997 + at) % 10_000]: f"{version}" for at in range(50)}, snapshot=version % 20 == 0
        )
    started = time.perf_counter()
    found = versions_touching(made.manifest, names[997])
    assert 1 < len(found) < 10
    assert time.perf_counter() - started < 0.5
