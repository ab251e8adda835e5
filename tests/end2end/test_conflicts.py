"""Restoring where files are already: identical ones are skipped, different ones follow the policy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.program import call
from tests.helpers.trees import scan, write


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in ("same", "different", "missing", "sub/different"):
        write(tmp_path / "tree" / name, f"archived {name}".encode(), mtime_ns=10**18)
    os.symlink("same", tmp_path / "tree" / "link")
    call("save", tmp_path / "a.jcf", f"{tmp_path}/tree/.").expect(0)
    return tmp_path / "a.jcf"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write(tmp_path / "out" / "same", b"archived same", mtime_ns=5)
    write(tmp_path / "out" / "different", b"mine", mtime_ns=5)
    write(tmp_path / "out" / "sub" / "different", b"mine too", mtime_ns=5)
    write(tmp_path / "out" / "stranger", b"not in the archive", mtime_ns=5)
    os.symlink("elsewhere", tmp_path / "out" / "link")
    return tmp_path / "out"


def test_fail_restores_nothing_and_names_the_first(archive: Path, out: Path) -> None:
    before = scan(out)
    outcome = call("restore", archive, "-C", out).expect(1)
    assert str(out / "different") in outcome.err
    assert "2 more" in outcome.err
    assert "nothing was restored" in outcome.err
    assert scan(out) == before


def test_skip_leaves_what_is_there(archive: Path, out: Path) -> None:
    answer = call("restore", archive, "-C", out, "--on-conflict", "skip", "--json").expect(0).json
    assert (answer["restored"], answer["identical"], answer["failed"]) == (2, 1, 0)  # missing, and the folder
    assert sorted(issue["path"] for issue in answer["issues"]) == ["different", "link", "sub/different"]
    assert {issue["kind"] for issue in answer["issues"]} == {"skipped"}
    assert (out / "different").read_bytes() == b"mine"
    assert (out / "sub/different").read_bytes() == b"mine too"
    assert os.readlink(out / "link") == "elsewhere"
    assert (out / "missing").read_bytes() == b"archived missing"


def test_overwrite_replaces_what_is_different_and_nothing_else(archive: Path, out: Path) -> None:
    answer = call("restore", archive, "-C", out, "--on-conflict", "overwrite", "--json").expect(0).json
    assert answer["identical"] == 1
    assert (out / "different").read_bytes() == b"archived different"
    assert (out / "sub/different").read_bytes() == b"archived sub/different"
    assert os.readlink(out / "link") == "same"
    assert (out / "stranger").read_bytes() == b"not in the archive"
    assert os.stat(out / "same").st_mtime_ns == 5


def test_rename_restores_beside(archive: Path, out: Path) -> None:
    call("restore", archive, "-C", out, "--on-conflict", "rename").expect(0)
    assert (out / "different").read_bytes() == b"mine"
    assert (out / "different (2)").read_bytes() == b"archived different"
    assert (out / "sub" / "different (2)").read_bytes() == b"archived sub/different"
    assert os.readlink(out / "link") == "elsewhere"
    assert os.readlink(out / "link (2)") == "same"


def test_rename_does_not_take_a_name_the_archive_needs(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a", b"archived a")
    write(tmp_path / "tree" / "a (2)", b"archived a (2)")
    write(tmp_path / "out" / "a", b"mine")
    call("save", tmp_path / "a.jcf", f"{tmp_path}/tree/.").expect(0)
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out", "--on-conflict", "rename").expect(0)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")} == {
        "a": b"mine",
        "a (2)": b"archived a (2)",
        "a (3)": b"archived a",
    }


@pytest.mark.parametrize("policy", ["skip", "overwrite", "rename"])
def test_folder_in_the_way_of_a_file_and_file_in_the_way_of_a_folder(
    archive: Path, tmp_path: Path, policy: str
) -> None:
    out = tmp_path / "out2"
    write(out / "same" / "inside", b"kept")
    write(out / "sub", b"a file where the archive has a folder")
    outcome = call("restore", archive, "-C", out, "--on-conflict", policy).expect(6)
    assert (out / "same" / "inside").read_bytes() == b"kept"
    assert (out / "sub").read_bytes() == b"a file where the archive has a folder"
    assert (out / "missing").read_bytes() == b"archived missing"
    assert "sub" in outcome.err


def test_nothing_is_written_through_a_link_in_the_target(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "out3").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "out3" / "sub")
    outcome = call("restore", archive, "-C", tmp_path / "out3", "--on-conflict", "overwrite").expect(6)
    assert os.listdir(tmp_path / "outside") == []
    assert "nothing is written through it" in outcome.err
    assert (tmp_path / "out3" / "missing").exists()


def test_links_that_lead_out_are_blocked_unless_asked_for(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree / "sub" / "file", b"x")
    for name, target in {
        "absolute": "/etc/passwd",
        "up": "..",
        "sub/far": "../../x",
        "sneaky": "sub/../../x",
        "fine": "sub/file",
        "sub/also fine": "../fine",
    }.items():
        os.symlink(target, tree / name)
    call("save", tmp_path / "a.jcf", f"{tree}/.").expect(0)
    answer = call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out", "--json").expect(6).json
    assert sorted(issue["path"] for issue in answer["issues"]) == ["absolute", "sneaky", "sub/far", "up"]
    assert {issue["kind"] for issue in answer["issues"]} == {"blocked"}
    assert sorted(scan(tmp_path / "out")) == [b"fine", b"sub", b"sub/also fine", b"sub/file"]
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "all", "--outside-links").expect(0)
    assert os.readlink(tmp_path / "all" / "absolute") == "/etc/passwd"
