"""Two versions compared: what was added, changed, removed, renamed, and what only got other attributes."""

from __future__ import annotations

import itertools
import os
import random
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.differences import diff_versions
from kamaros_gui.archive.history import states_at
from kamaros_gui.archive.manifest import decode_states, encode_states
from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.errors import VersionNotFoundError
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.histories import MadeHistory, hash_of
from tests.helpers.trees import write

Compare = Callable[..., DiffReport]


@pytest.fixture
def made() -> MadeHistory:
    return MadeHistory()


@pytest.fixture
def compare(made: MadeHistory, tmp_path: Path) -> Iterator[Compare]:
    """Compares two versions of ``made``, by default the newest one with the one before."""
    opened: list[Container] = []

    def run(old: str = "HEAD~1", new: str = "HEAD") -> DiffReport:
        opened.append(made.load(tmp_path))
        return diff_versions(opened[-1], old, new)

    yield run
    for container in opened:
        container.close()


def told(report: DiffReport) -> list[tuple[str, str, str]]:
    """Path, change and old path of each entry."""
    return [(entry.path, entry.change, entry.old_path) for entry in report.entries]


def test_each_kind_of_change(made: MadeHistory, compare: Compare) -> None:
    old = made.commit({"same": "1", "changed": "1", "gone": "1", "moved": "m", "mode": "1", "time": "1", "d": None})
    new = made.commit(
        {"changed": "two", "new": "n"},
        remove=["gone"],
        rename={"moved": "d/moved"},
        modes={"mode": 0o755, "d": 0o700},
        times={"time": 7},
    )
    report = compare()
    assert (report.old, report.new, report.folder, report.unchanged) == (old, new, "", 1)
    assert report.entries == (
        DiffEntry("changed", "changed", "file", "", 1, 3, hash_of("1"), hash_of("two")),
        DiffEntry("d", "metadata", "directory"),
        DiffEntry("d/moved", "renamed", "file", "moved", 1, 1, hash_of("m"), hash_of("m")),
        DiffEntry("gone", "removed", "file", "", 1, 0, hash_of("1"), ""),
        DiffEntry("mode", "metadata", "file", "", 1, 1, hash_of("1"), hash_of("1")),
        DiffEntry("new", "added", "file", "", 0, 1, "", hash_of("n")),
        DiffEntry("time", "metadata", "file", "", 1, 1, hash_of("1"), hash_of("1")),
    )
    assert report.seconds >= 0


def test_the_other_way_round(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "b": "b", "c": "c"})
    made.commit({"a": "2", "n": "n"}, rename={"b": "z"}, remove=["c"])
    assert told(compare("HEAD", "HEAD~1")) == [
        ("a", "changed", ""),
        ("b", "renamed", "z"),
        ("c", "added", ""),
        ("n", "removed", ""),
    ]


def test_version_with_itself(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "d": None, "l": "->a"})
    assert compare("HEAD", "HEAD").entries == ()
    assert compare("HEAD", "HEAD").unchanged == 2


def test_kind_that_changed(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "b": None, "b/x": "x", "c": "->a"})
    made.commit({"a": None, "a/y": "y", "b": "->a", "c": "1"}, remove=["b/x"])
    report = compare()
    assert told(report) == [
        ("a", "changed", ""),
        ("a/y", "added", ""),
        ("b", "changed", ""),
        ("b/x", "removed", ""),
        ("c", "changed", ""),
    ]
    assert [entry.type for entry in report.entries] == ["directory", "file", "symlink", "file", "file"]


def test_time_of_a_folder_says_nothing(made: MadeHistory, compare: Compare) -> None:
    made.commit({"d": None, "d/a": "1"})
    made.commit({"d/b": "1"}, times={"d": 5})
    assert told(compare()) == [("d/b", "added", "")]


# ---------------------------------------------------------------------------------------------------------- renames


def test_rename_is_known_by_the_file_not_by_its_content(made: MadeHistory, compare: Compare) -> None:
    """Two files of the same content change places; one of them changes too."""
    made.commit({"a": "same", "b": "same", "c": "other"})
    made.commit({"y": "changed"}, rename={"a": "y", "b": "x"})
    assert told(compare()) == [("x", "renamed", "b"), ("y", "renamed", "a")]
    assert compare().entries[1].new_hash == hash_of("changed")


def test_files_that_changed_places(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "b": "2", "c": "3"})
    made.commit(rename={"a": "b", "b": "a"})
    assert told(compare()) == [("a", "renamed", "b"), ("b", "renamed", "a")]
    assert compare().unchanged == 1


def test_file_that_left_and_another_one_at_its_place(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1"})
    made.commit({"a": "new"}, rename={"a": "b"})
    assert told(compare()) == [("a", "added", ""), ("b", "renamed", "a")]
    assert told(compare("HEAD", "HEAD~1")) == [("a", "renamed", "b")]


def test_copy_at_the_old_place_is_no_change_of_it(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1"})
    made.commit({"a": "1"}, rename={"a": "b"})
    assert told(compare()) == [("b", "added", "")]


def test_file_that_took_the_place_of_another(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "b": "2"})
    made.commit(remove=["b"])
    made.commit(rename={"a": "b"})
    assert told(compare("HEAD~2")) == [("b", "renamed", "a")]


def test_file_deleted_and_made_again_is_the_same_path(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a": "1", "b": "1"})
    made.commit(remove=["a", "b"])
    made.commit({"a": "1", "b": "2"})
    assert told(compare("HEAD~2")) == [("b", "changed", "")]


def test_rename_by_content_prefers_the_same_name(made: MadeHistory, compare: Compare) -> None:
    made.commit({"a/one": "same", "a/two": "same", "a/three": "same", "e": "", "l": "->to"})
    made.commit(remove=["a/one", "a/two", "a/three", "e", "l"])
    made.commit({"b/two": "same", "a": "same", "b/one": "same", "z": "same", "e2": "", "to": "to", "l2": "->to"})
    assert told(compare("HEAD~2")) == [
        ("a", "renamed", "a/three"),
        ("b/one", "renamed", "a/one"),
        ("b/two", "renamed", "a/two"),
        ("e", "removed", ""),
        ("e2", "added", ""),
        ("l2", "renamed", "l"),
        ("to", "added", ""),
        ("z", "added", ""),
    ]


def test_thousands_of_files_with_one_content(made: MadeHistory, compare: Compare) -> None:
    made.commit({f"a/{number}": "same" for number in range(3000)})
    made.commit(remove=[f"a/{number}" for number in range(3000)])
    made.commit({f"b/{number}": "same" for number in range(3000)})
    started = time.perf_counter()
    report = compare("HEAD~2")
    assert time.perf_counter() - started < 2
    assert told(report) == sorted((f"b/{number}", "renamed", f"a/{number}") for number in range(3000))


def test_folder_that_was_moved(made: MadeHistory, compare: Compare) -> None:
    made.commit({"d": None, "d/a": "1", "d/b": ""})
    made.commit(rename={"d": "e", "d/a": "e/a", "d/b": "e/b"}, moves=[("d", "e")])
    report = compare()
    assert told(report) == [("e", "renamed", "d"), ("e/a", "renamed", "d/a"), ("e/b", "renamed", "d/b")]
    assert report.unchanged == 0


# -------------------------------------------------------------------------------------- any two versions, any way there


def test_any_two_versions_as_their_states_say(made: MadeHistory, tmp_path: Path) -> None:
    """With full listings here and there, each pair both ways; the entries must lead from one to the other."""
    rng = random.Random(7)
    for number in range(14):
        held = sorted(made.manifest.file_map)
        gone = rng.sample(held, min(2, len(held)))
        rest = [path for path in held if path not in gone]
        moved = {path: f"moved/{number}-{at}" for at, path in enumerate(rng.sample(rest, min(2, len(rest))))}
        put: dict[str, str | None] = {f"f{rng.randrange(12)}": f"content {rng.randrange(9)}" for _ in range(5)}
        put = {path: content for path, content in put.items() if path not in gone and path not in moved}
        made.commit(put, remove=gone, rename=moved, snapshot=number in {0, 5, 6, 11})
    container = made.load(tmp_path)
    states = {version.id: states_at(made.manifest, version) for version in made.manifest.versions}
    for old, before in states.items():
        for new, after in states.items():
            report = diff_versions(container, old, new)
            content = {path: (state.type, state.hash) for path, state in before.items()}
            for entry in report.entries:
                content.pop(entry.old_path or entry.path if entry.change in {"removed", "renamed"} else "", None)
            for entry in report.entries:
                if entry.change in {"added", "changed", "renamed"}:
                    content[entry.path] = (entry.type, entry.new_hash)
            assert content == {path: (state.type, state.hash) for path, state in after.items()}
            assert len({entry.path for entry in report.entries}) == len(report.entries)
            same = sum(before.get(path) is not None and before[path].hash == after[path].hash for path in after)
            renamed_over = sum(
                entry.change == "renamed"
                and before.get(entry.path, after[entry.path]).hash == entry.new_hash
                and entry.path in before
                for entry in report.entries
            )
            assert report.unchanged == same - renamed_over
    container.close()


def test_full_listing_that_does_not_mention_what_is_gone(made: MadeHistory, compare: Compare) -> None:
    old = made.commit({"a": "1", "b": "1"})
    middle = made.commit({"c": "3"}, remove=["a"], snapshot=True)
    new = made.commit({"c": "2"})
    listed = decode_states(made.manifest.versions[1])
    del listed["a"]
    made.manifest.versions[1].file_states = encode_states(listed)
    assert told(compare(old, new)) == [("a", "removed", ""), ("c", "added", "")]
    assert told(compare(middle, old)) == [("a", "added", ""), ("c", "removed", "")]


def test_version_on_another_line(made: MadeHistory, compare: Compare) -> None:
    """Another writer's history may branch; then neither version comes from the other."""
    first = made.commit({"a": "1", "b": "1"}, snapshot=True)
    left = made.commit({"a": "2"})
    right = made.commit({"a": "1", "b": "2"})
    made.manifest.versions[2].parent_id = first
    assert told(compare(left, right)) == [("a", "changed", ""), ("b", "changed", "")]


def test_parents_that_go_in_a_circle(made: MadeHistory, compare: Compare) -> None:
    first = made.commit({"a": "1"})
    second = made.commit({"a": "2"})
    made.commit({"b": "1"})
    made.manifest.versions[0].parent_id = second
    assert told(compare(first, second)) == [("a", "changed", "")]


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(("old", "new"), [("HEAD", "HEAD"), ("HEAD", "1"), ("1", "HEAD")])
def test_plain_zip(tmp_path: Path, old: str, new: str) -> None:
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as plain:
        plain.writestr("a", "1")
    container = Container.load(LocalAdapter(), str(tmp_path / "plain.zip"))
    with pytest.raises(VersionNotFoundError, match=r"plain\.zip is a plain ZIP; it has no versions"):
        diff_versions(container, old, new)
    container.close()


def test_version_that_is_not_there(made: MadeHistory, compare: Compare) -> None:
    with pytest.raises(VersionNotFoundError):
        compare("HEAD", "HEAD")
    made.commit({"a": "1"})
    for names in (("HEAD", "x"), ("x", "HEAD"), ("HEAD~1", "HEAD")):
        with pytest.raises(VersionNotFoundError):
            compare(*names)


# ------------------------------------------------------------------------------------------------ with real archives


async def test_saves_compared(tmp_path: Path) -> None:
    tree, archive = tmp_path / "p", tmp_path / "x.jcf"
    write(tree / "a", b"1")
    write(tree / "d" / "b", b"content of b")
    write(tree / "d" / "c", b"2")
    config = JCFConfig(level=1, workers=2, snapshot_interval=3)
    async with await JCFManager.open(archive, config, create=True) as manager:

        async def save() -> str:
            return (await manager.save([f"{tree}/."], mirror=True)).version

        versions = [await save()]
        write(tree / "a", b"22")
        versions.append(await save())
        (tree / "d" / "b").rename(tree / "moved")
        versions.append(await save())
        os.chmod(tree / "d" / "c", 0o600)
        (tree / "l").symlink_to("a")
        versions.append(await save())
        (tree / "d" / "c").unlink()
        versions.append(await save())
    container = Container.load(LocalAdapter(), str(archive))
    steps = [[("a", "changed", "")], [("moved", "renamed", "d/b")]]
    steps += [[("d/c", "metadata", ""), ("l", "added", "")], [("d/c", "removed", "")]]
    for (old, new), expected in zip(itertools.pairwise(versions), steps, strict=True):
        report = diff_versions(container, old, new)
        assert told(report) == expected
    assert told(diff_versions(container, versions[0], "HEAD")) == [
        ("a", "changed", ""),
        ("d/c", "removed", ""),
        ("l", "added", ""),
        ("moved", "renamed", "d/b"),
    ]
    assert diff_versions(container, versions[0], "HEAD").unchanged == 0
    container.close()


async def test_moves_compared(tmp_path: Path) -> None:
    """What was moved is known by its inode id, whatever became of its content."""
    async with await JCFManager.open(tmp_path / "a.jcf", create=True) as manager:
        for path in ("d/a", "d/b", "x"):
            await manager.add_file(path, b"same content", modified=1)
        await manager.save_checkpoint()
        await manager.move("d", "e")
        await manager.move_file("e/b", "b")
        await manager.move_file("x", "e/b")
        await manager.add_file("e/b", b"other content")
        await manager.save_checkpoint()
    container = Container.load(LocalAdapter(), str(tmp_path / "a.jcf"))
    assert told(diff_versions(container, "HEAD~2", "HEAD~1")) == [
        ("e/a", "renamed", "d/a"),
        ("e/b", "renamed", "d/b"),
    ]
    assert told(diff_versions(container, "HEAD~2", "HEAD")) == [
        ("b", "renamed", "d/b"),
        ("e/a", "renamed", "d/a"),
        ("e/b", "renamed", "x"),
    ]
    assert told(diff_versions(container, "HEAD", "HEAD~1")) == [("e/b", "renamed", "b"), ("x", "renamed", "e/b")]
    container.close()
