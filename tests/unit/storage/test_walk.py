from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.walk import WalkItem, WalkProblem, walk_tree
from tests.helpers.program import PROJECT, environment, without_privileges
from tests.helpers.trees import write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("b/two", "b/one", "a", "b.txt", "c/deep/er/file"):
        write(root / name, name.encode())
    (root / "empty").mkdir()
    return root


def walk(*roots: str | Path, **options: Any) -> tuple[list[str], list[WalkItem], list[WalkProblem]]:
    items: list[WalkItem] = []
    problems: list[WalkProblem] = []
    names = walk_tree(LocalAdapter(), map(str, roots), on_item=items.append, on_problem=problems.append, **options)
    return names, items, problems


def relative(items: list[WalkItem]) -> list[str]:
    return [item.relative for item in items]


EVERYTHING = ["a", "b", "b.txt", "c", "empty", "b/one", "b/two", "c/deep", "c/deep/er", "c/deep/er/file"]


def test_names_are_sorted_and_each_folder_comes_before_its_content(tree: Path) -> None:
    names, items, problems = walk(tree)
    assert names == ["tree"]
    assert relative(items) == ["tree", *(f"tree/{name}" for name in EVERYTHING)]
    assert problems == []
    kinds = {item.relative: (item.kind, item.size) for item in items}
    assert kinds["tree/empty"] == ("directory", 0)
    assert kinds["tree/c/deep/er/file"] == ("file", 14)
    for item in items:
        info = os.lstat(item.source)
        assert (item.mtime_ns, item.ctime_ns, item.mode, item.inode) == (
            info.st_mtime_ns,
            info.st_ctime_ns,
            info.st_mode,
            info.st_ino,
        )


@pytest.mark.parametrize("form", ["{}/.", ".", "./.", "../tree/.", "b/.."])
def test_children_of_a_folder(tree: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tree)
    names, items, _ = walk(form.format(tree))
    assert names == [""]
    assert relative(items) == EVERYTHING


@pytest.mark.parametrize("form", ["{}", "{}/", "{}//", "../tree", "../tree/"])
def test_a_folder_under_its_own_name(tree: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tree)
    names, items, _ = walk(form.format(tree))
    assert names == ["tree"]
    assert relative(items)[:2] == ["tree", "tree/a"]


def test_several_roots_keep_their_order(tree: Path) -> None:
    names, items, _ = walk(tree / "c", tree / "a", f"{tree}/b/.")
    assert names == ["c", "a", ""]
    assert relative(items) == ["c", "c/deep", "c/deep/er", "c/deep/er/file", "a", "one", "two"]


def test_a_root_that_does_not_exist_or_cannot_be_walked(tree: Path) -> None:
    for root in (tree / "none", f"{tree}/none/.", tree / "a" / "x"):
        with pytest.raises(NotFoundError):
            walk(root)
    with pytest.raises(StorageError, match="Not a directory"):
        walk(f"{tree}/a/.")


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.txt", ["tree", "tree/a", "tree/b", "tree/c", "tree/empty", "tree/b/one", "tree/b/two"]),
        ("b", ["tree", "tree/a", "tree/b.txt", "tree/c", "tree/empty"]),
        ("tree/b/one", ["tree", "tree/a", "tree/b", "tree/b.txt", "tree/c", "tree/empty", "tree/b/two"]),
        ("tree/?", ["tree", "tree/b.txt", "tree/empty"]),
        ("B", ["tree", "tree/a", "tree/b", "tree/b.txt", "tree/c", "tree/empty", "tree/b/one", "tree/b/two"]),
        ("tree", []),
    ],
)
def test_excludes_match_the_name_or_the_whole_path(tree: Path, pattern: str, left: list[str]) -> None:
    _, items, problems = walk(tree, excludes=(pattern,))
    assert [name for name in relative(items) if "deep" not in name] == left
    assert problems == []


def test_links_are_reported_and_never_followed(tree: Path) -> None:
    for name, target in (("loop", "."), ("to-folder", "b"), ("to-file", "a"), ("dangling", "nowhere")):
        os.symlink(target, tree / name)
    _, items, problems = walk(tree)
    found = {item.relative: (item.kind, item.size) for item in items}
    for name in ("loop", "to-folder", "to-file", "dangling"):
        assert found[f"tree/{name}"] == ("symlink", 0)
    assert len(items) == len(EVERYTHING) + 5
    assert problems == []
    for name in ("to-folder", "dangling"):
        _, items, _ = walk(tree / name)
        assert [(item.relative, item.kind) for item in items] == [(name, "symlink")]
    assert relative(walk(f"{tree}/to-folder/.")[1]) == ["one", "two"]


def test_sockets_and_pipes_are_left_out_and_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tree / "pipe\x1b")
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        _, items, problems = walk(tree, "/dev/null")
    assert [(problem.relative, problem.skipped) for problem in problems] == [
        ("tree/pipe\x1b", True),
        ("tree/socket", True),
        ("null", True),
    ]
    assert problems[0].path.endswith(r"pipe\x1b")
    assert len(items) == len(EVERYTHING) + 1


def test_files_to_be_ignored_are_known_by_inode(tree: Path) -> None:
    os.link(tree / "a", tree / "b" / "other name of a")
    info = os.stat(tree / "a")
    _, items, problems = walk(tree, tree / "a", ignore=frozenset({(info.st_dev, info.st_ino)}))
    assert not [name for name in relative(items) if name.endswith("a")]
    assert len(items) == len(EVERYTHING)
    assert problems == []


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(tree: Path) -> None:
    os.chmod(tree / "b", 0)
    program = f"""
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.walk import walk_tree
found, told = [], []
walk_tree(LocalAdapter(), [{str(tree)!r}], on_item=lambda item: found.append(item.relative), on_problem=told.append)
assert "tree/b" in found and "tree/c/deep/er/file" in found and "tree/b/one" not in found, found
assert [(each.relative, each.skipped) for each in told] == [("tree/b", False)], told
assert "Permission denied" in told[0].reason, told
"""
    try:
        subprocess.run(
            [sys.executable, "-c", program], env=environment(), cwd=PROJECT, preexec_fn=without_privileges, check=True
        )
    finally:
        os.chmod(tree / "b", 0o700)


def test_names_that_are_no_text(tree: Path) -> None:
    write(os.fsencode(tree) + b"/\xff\xfe", b"x")
    assert b"tree/\xff\xfe" in [os.fsencode(name) for name in relative(walk(tree)[1])]


def test_a_tree_deeper_than_the_stack_of_the_interpreter(deep_place: Path) -> None:
    depth = 1500
    here = os.open(deep_place, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    _, items, problems = walk(deep_place)
    assert len(items) == depth + 1
    assert problems == []


@pytest.mark.parametrize("after", [0, 1, 500])
def test_a_walk_stops_inside_a_large_folder_when_it_is_told_to(tmp_path: Path, after: int) -> None:
    for number in range(1000):
        (tmp_path / f"{number}").touch()
    items: list[WalkItem] = []
    walk_tree(
        LocalAdapter(),
        [f"{tmp_path}/."],
        should_stop=lambda: len(items) >= after,
        on_item=items.append,
        on_problem=pytest.fail,
    )
    assert len(items) == after


def test_a_file_that_vanishes_meanwhile_is_told(tree: Path) -> None:
    items: list[WalkItem] = []
    problems: list[WalkProblem] = []

    def on_item(item: WalkItem) -> None:
        items.append(item)
        if item.relative == "b":
            os.unlink(tree / "b.txt")

    walk_tree(LocalAdapter(), [f"{tree}/."], on_item=on_item, on_problem=problems.append)
    assert [(problem.relative, problem.skipped) for problem in problems] == [("b.txt", False)]
    assert "no file or folder" in problems[0].reason
