"""Versions: each one restores exactly, superseded content is kept once, the container stays clean."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.program import Outcome, call, strays
from tests.helpers.trees import Found, differences, file_hash, noise, scan, text, write


class Project:
    """A folder, its archive, and what the folder looked like at each save."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tree = place / "tree"
        self.archive = place / "a.jcf"
        self.scans: list[dict[bytes, Found]] = []
        self.versions: list[str] = []

    def save(self, *options: str) -> Outcome:
        outcome = call("save", self.archive, self.tree, "--mirror", "--json", *options).expect(0)
        self.scans.append(scan(self.tree))
        self.versions.append(outcome.json["version"])
        return outcome

    def check(self) -> None:
        """Every version restores as it was saved, by id; the container agrees with itself."""
        for number, (version, saved) in enumerate(zip(self.versions, self.scans, strict=True)):
            out = self.place / f"out-{number}"
            shutil.rmtree(out, ignore_errors=True)
            call("restore", self.archive, "-C", out, "--version", version).expect(0)
            assert differences(saved, out / "tree") == [], f"version {number}"
        assert call("verify", self.archive, "--json").expect(0).json["errors"] == []
        check_container(self.archive)


def check_container(archive: Path) -> None:
    """Local headers agree with the directory in name, and Python's zipfile reads every deflated byte."""
    with zipfile.ZipFile(archive) as container, open(archive, "rb") as file:
        for info in container.infolist():
            file.seek(info.header_offset)
            header = file.read(30)
            assert header[:4] == b"PK\x03\x04"
            name = file.read(int.from_bytes(header[26:28], "little"))
            assert name == info.filename.encode()
        assert container.testzip() is None
        names = container.namelist()
        assert names[0] == "mimetype"
        assert len(names) == len(set(names))


def blobs(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as container:
        found = {name.removeprefix(".store/blobs/") for name in container.namelist() if name.startswith(".store/")}
        for digest in found:
            assert hashlib.sha256(container.read(f".store/blobs/{digest}")).hexdigest() == digest
    return found


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def prepare(project: Project) -> None:
    for name in ("keep", "change", "delete", "rename me", "chmod", "touch", "becomes a link", "becomes a folder"):
        write(project.tree / "d" / name, name.encode() * 30)
    write(project.tree / "large", noise(1_500_000, 1))
    write(project.tree / "becomes a file" / "inside", b"content of a folder")
    write(project.tree / "becomes a file" / "deep" / "er", b"more content of a folder")
    os.symlink("d/keep", project.tree / "link")
    os.symlink("d", project.tree / "link becomes a folder")


def edit(project: Project) -> None:
    tree = project.tree
    write(tree / "d" / "change", b"changed")
    write(tree / "d" / "added", b"added")
    os.unlink(tree / "d" / "delete")
    os.rename(tree / "d" / "rename me", tree / "d" / "renamed")
    os.chmod(tree / "d" / "chmod", 0o700)
    os.utime(tree / "d" / "touch", ns=(1, 987_654_321_123_456_789))
    os.unlink(tree / "d" / "becomes a link")
    os.symlink("keep", tree / "d" / "becomes a link")
    os.unlink(tree / "d" / "becomes a folder")
    write(tree / "d" / "becomes a folder" / "inside", b"new below a former file")
    shutil.rmtree(tree / "becomes a file")
    write(tree / "becomes a file", b"a file now")
    os.unlink(tree / "link")
    os.symlink("large", tree / "link")
    os.unlink(tree / "link becomes a folder")
    os.mkdir(tree / "link becomes a folder")
    write(tree / "large", noise(1_600_000, 2))


def test_three_saves_of_every_kind_of_change(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project)
    assert project.save("-m", "one").json["files"]["added"] == 13
    edit(project)
    files = project.save("-m", "two").json["files"]
    # "delete", and what was in the folder that became a file; "rename me" is there under another name.
    assert (files["deleted"], files["failed"]) == (3, 0)
    os.rename(project.tree / "d", project.tree / "moved")
    write(project.tree / "large", noise(1_500_000, 1))
    project.save("-m", "three")
    project.check()
    log = call("log", project.archive, "--json").expect(0).json["versions"]
    assert [version["message"] for version in log] == ["three", "two", "one"]
    assert [version["id"] for version in log] == project.versions[::-1]
    assert [version["parent"] for version in log] == [project.versions[1], project.versions[0], ""]
    assert strays(tmp_path, ["tree", "a.jcf", "out-0", "out-1", "out-2"]) == []
    for spelled, number in (
        ("HEAD", 2),
        ("head", 2),
        ("HEAD~1", 1),
        ("HEAD~2", 0),
        (project.versions[1][:8], 1),
    ):
        listing = call("list", project.archive, "--version", spelled, "--json").expect(0).json
        assert listing["version"] == project.versions[number]
        assert {entry["path"].encode() for entry in listing["entries"]} == {b"tree"} | {
            b"tree/" + path for path in project.scans[number]
        }
    for unknown in ("HEAD~3", "ffffffff-none", "", "HEAD~99999999999"):
        call("list", project.archive, "--version", unknown).expect(4)
        call("restore", project.archive, "-C", tmp_path / "no", "--version", unknown).expect(4)
    assert not (tmp_path / "no").exists()


def test_superseded_content_becomes_a_blob_and_comes_back_from_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    path = project.tree / "file"
    for content in (b"first", b"second", b"third"):
        write(path, content)
        project.save()
    assert blobs(project.archive) == {sha(b"first"), sha(b"second")}
    write(path, b"first")
    project.save()
    assert blobs(project.archive) == {sha(b"second"), sha(b"third")}
    os.unlink(path)
    project.save()
    assert blobs(project.archive) == {sha(b"first"), sha(b"second"), sha(b"third")}
    project.check()


def test_identical_content_is_kept_once_in_history(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name in ("one", "two", "three"):
        write(project.tree / name, b"the same")
    project.save()
    write(project.tree / "one", b"other")
    project.save()
    assert blobs(project.archive) == set()
    write(project.tree / "two", b"other")
    write(project.tree / "three", b"other")
    project.save()
    assert blobs(project.archive) == {sha(b"the same")}
    project.check()


def test_a_link_and_a_file_with_the_same_bytes_do_not_mix(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write(project.tree / "a", b"target")
    os.symlink("target", project.tree / "b")
    project.save()
    os.unlink(project.tree / "b")
    project.save()
    write(project.tree / "a", b"other")
    os.symlink("target", project.tree / "c")
    project.save()
    os.unlink(project.tree / "c")
    project.save()
    project.check()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tree: os.chmod(tree / "file", 0o600), id="chmod"),
        pytest.param(lambda tree: os.utime(tree / "file", ns=(7, 7)), id="touch"),
        pytest.param(lambda tree: os.chmod(tree / "large", 0o400), id="chmod of a large file"),
        pytest.param(lambda tree: os.utime(tree / "link", ns=(7, 7), follow_symlinks=False), id="touch of a link"),
        pytest.param(lambda tree: os.chmod(tree / "folder", 0o700), id="chmod of a folder"),
    ],
)
def test_change_of_attributes_alone_is_a_version_without_new_content(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    project = Project(tmp_path)
    write(project.tree / "file", b"content")
    write(project.tree / "large", noise(1_200_000))
    (project.tree / "folder").mkdir()
    os.symlink("file", project.tree / "link")
    project.save()
    size = project.archive.stat().st_size
    change(project.tree)
    project.save()
    assert project.versions[0] != project.versions[1]
    assert project.archive.stat().st_size - size < 6000
    assert blobs(project.archive) == set()
    project.check()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tree: replace_file_by_folder(tree / "file"), id="file by an empty folder of the same mode"),
        pytest.param(lambda tree: replace_folder_by_file(tree / "folder"), id="empty folder by a file"),
        pytest.param(lambda tree: (tree / "new").mkdir(), id="a new empty folder"),
        pytest.param(lambda tree: (tree / "folder").rmdir(), id="an empty folder vanished"),
        pytest.param(lambda tree: (tree / "folder").rename(tree / "other"), id="an empty folder renamed"),
    ],
)
def test_change_of_kind_alone_is_a_version(tmp_path: Path, change: Callable[[Path], None]) -> None:
    project = Project(tmp_path)
    write(project.tree / "file", b"content", mode=0o755)
    (project.tree / "folder").mkdir(mode=0o755)
    project.save()
    change(project.tree)
    project.save()
    assert project.versions[0] != project.versions[1]
    project.check()


def replace_file_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    path.chmod(0o755)


def replace_folder_by_file(path: Path) -> None:
    path.rmdir()
    write(path, b"file", mode=0o755)


def test_save_without_changes_leaves_the_archive_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project)
    project.save()
    before, stamp = file_hash(project.archive), project.archive.stat().st_mtime_ns
    for options in ((), ("--reread",), ("--codec", "zstd"), ("-m", "message alone")):
        outcome = call("save", project.archive, project.tree, "--json", *options).expect(0)
        assert outcome.json["version"] == project.versions[0]
        assert outcome.json["files"] == {
            "added": 0,
            "modified": 0,
            "unchanged": 13,
            "deleted": 0,
            "failed": 0,
            "renamed": 0,
        }
        assert outcome.json["bytes_out"] == 0
        assert (file_hash(project.archive), project.archive.stat().st_mtime_ns) == (before, stamp)
    assert "Nothing has changed" in call("save", project.archive, project.tree).expect(0).out
    assert strays(tmp_path, ["tree", "a.jcf"]) == []


def test_without_mirror_nothing_vanishes(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a", b"a")
    write(tmp_path / "tree" / "b", b"b")
    call("save", tmp_path / "a.jcf", tmp_path / "tree").expect(0)
    os.unlink(tmp_path / "tree" / "a")
    assert call("save", tmp_path / "a.jcf", tmp_path / "tree", "--json").expect(0).json["files"]["deleted"] == 0
    listed = call("list", tmp_path / "a.jcf", "--json").json["entries"]
    assert [entry["path"] for entry in listed] == ["tree", "tree/a", "tree/b"]


def test_mirror_touches_only_what_lies_below_the_given_folders(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a", b"a")
    write(tmp_path / "one" / "b", b"b")
    write(tmp_path / "one more" / "c", b"c")
    archive = tmp_path / "a.jcf"
    call("save", archive, tmp_path / "one", tmp_path / "one more").expect(0)
    os.unlink(tmp_path / "one" / "a")
    call("save", archive, tmp_path / "one", "--mirror").expect(0)
    listed = call("list", archive, "--json").json["entries"]
    assert [entry["path"] for entry in listed] == ["one", "one more", "one more/c", "one/b"]


@pytest.mark.parametrize("interval", ["1", "2", "20"])
def test_log_of_a_path_names_the_versions_that_touched_it(tmp_path: Path, interval: str) -> None:
    tree, archive = tmp_path / "tree", tmp_path / "a.jcf"
    write(tree / "other", b"0")
    write(tree / "file", b"1")
    steps: list[tuple[str, Callable[[], None]]] = [
        ("added", lambda: None),
        ("other changed", lambda: write(tree / "other", b"1")),
        ("changed", lambda: write(tree / "file", b"2")),
        ("deleted", lambda: os.unlink(tree / "file")),
        ("other changed again", lambda: write(tree / "other", b"2")),
        ("back", lambda: write(tree / "file", b"1")),
    ]
    for message, step in steps:
        step()
        call("save", archive, tree, "--mirror", "-m", message, env={"KAMAROS_SNAPSHOT_INTERVAL": interval}).expect(0)
    log = call("log", archive, "tree/file", "--json").expect(0).json["versions"]
    assert [version["message"] for version in log] == ["back", "deleted", "changed", "added"]
    assert call("log", archive, "tree/none").expect(3).out == ""
    for number, (message, _) in enumerate(reversed(steps)):
        entries = call("list", archive, "--version", f"HEAD~{number}", "--json").json["entries"]
        present = "tree/file" in [entry["path"] for entry in entries]
        assert present == (message not in {"deleted", "other changed again"})


def test_codec_may_change_between_saves(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for number, codec in enumerate(("deflate", "zstd", "store")):
        write(project.tree / "changes", text(400_000, number))
        write(project.tree / f"stays {number}", text(300_000, number + 10))
        project.save("--codec", codec)
    for number, (version, saved) in enumerate(zip(project.versions, project.scans, strict=True)):
        call("restore", project.archive, "-C", tmp_path / f"o{number}", "--version", version).expect(0)
        assert differences(saved, tmp_path / f"o{number}" / "tree") == []
    methods = {entry["path"]: entry["method"] for entry in call("list", project.archive, "--json").json["entries"]}
    assert methods["tree/stays 0"] == "deflate"
    assert methods["tree/stays 1"] == "zstd"
    assert methods["tree/changes"] == "store"


def test_archive_reached_through_a_link_is_the_same_archive(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"1")
    (tmp_path / "elsewhere").mkdir()
    os.symlink("../a.jcf", tmp_path / "elsewhere" / "link.jcf")
    call("save", tmp_path / "a.jcf", tmp_path / "tree").expect(0)
    write(tmp_path / "tree" / "file", b"2")
    call("save", tmp_path / "elsewhere" / "link.jcf", tmp_path / "tree").expect(0)
    assert (tmp_path / "elsewhere" / "link.jcf").is_symlink()
    assert len(call("log", tmp_path / "a.jcf", "--json").json["versions"]) == 2


def test_text_of_list_and_log_is_safe_to_show(tmp_path: Path) -> None:
    write(os.fsencode(tmp_path) + b"/tree/\xe2\x80\xaeevil", b"x")
    call("save", tmp_path / "a.jcf", tmp_path / "tree", "-m", "\x1b[2Jmessage", "--author", "\x1b[2Jauthor").expect(0)
    for verb in ("list", "log"):
        out = call(verb, tmp_path / "a.jcf").expect(0).out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
