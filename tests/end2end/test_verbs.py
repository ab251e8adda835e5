"""The verbs of the history in the terminal: what they do, what they print, and how they exit."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.program import Outcome, call, environment, program, run, start, strays, wait_until
from tests.helpers.trees import differences, file_hash, noise, scan, text, write

MIB = 1 << 20
LETTERS = text(40_000, 1)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Project:
    """A folder saved three times, as ``tree`` in ``a.jcf``; ``scans`` is what it looked like each time."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tree = place / "tree"
        self.archive = place / "a.jcf"
        self.scans: list[dict[bytes, Any]] = []

    def save(self, *options: str) -> Any:
        answer = call("save", self.archive, self.tree, "--mirror", "--json", *options).expect(0).json
        self.scans.append(scan(self.tree))
        return answer

    def versions(self) -> list[dict[str, Any]]:
        """Return the history, newest first."""
        found: list[dict[str, Any]] = call("log", self.archive, "--json").expect(0).json["versions"]
        return found

    def paths(self, version: str = "HEAD") -> list[str]:
        """Return the paths of a version that are no folders."""
        entries = call("list", self.archive, "--json", "--version", version).expect(0).json["entries"]
        return [entry["path"] for entry in entries if entry["type"] != "directory"]

    def restores(self, version: str, saved: dict[bytes, Any]) -> None:
        """Check that a version restores as the folder was."""
        out = self.place / "restored"
        shutil.rmtree(out, ignore_errors=True)
        call("restore", self.archive, "-C", out, "--version", version).expect(0)
        assert differences(saved, out / "tree") == []
        shutil.rmtree(out)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    write(made.tree / "letters.txt", LETTERS)
    write(made.tree / "notes" / "one", b"one")
    write(made.tree / "notes" / "two", b"two")
    os.symlink("notes/one", made.tree / "link")
    made.save("-m", "first", "--author", "Ana")
    write(made.tree / "letters.txt", LETTERS + b"P.S.")
    write(made.tree / "new", noise(5000, 2))
    os.unlink(made.tree / "notes" / "two")
    made.save("-m", "second")
    os.rename(made.tree / "new", made.tree / "notes" / "old")
    made.save("-m", "third")
    return made


def both(*arguments: Any) -> Outcome:
    """Run a verb that changes nothing with ``-q``, which must print nothing, then as it is."""
    assert call(*arguments, "-q").expect(0).out == ""
    return call(*arguments).expect(0)


# ------------------------------------------------------------------------------------------- move and remove


def test_move_of_a_folder_is_one_version_that_copies_no_content(project: Project) -> None:
    write(project.tree / "notes" / "large", noise(3 * MIB))
    project.save()
    size, count = project.archive.stat().st_size, len(project.versions())
    told = call("move", project.archive, "tree/notes", "tree/archive", "-m", "tidied", "--author", "Bo").expect(0).out
    assert told.startswith("Moved 3 files; the archive grew by ")
    assert project.archive.stat().st_size - size < 20_000
    newest = project.versions()[0]
    assert len(project.versions()) == count + 1
    assert (newest["message"], newest["author"], newest["renamed"]) == ("tidied", "Bo", 3)
    assert (newest["added"], newest["modified"], newest["deleted"]) == (0, 0, 0)
    os.rename(project.tree / "notes", project.tree / "archive")
    project.restores("HEAD", scan(project.tree))
    project.restores("HEAD~1", project.scans[-1])
    assert "→3" in call("log", project.archive).expect(0).out
    call("verify", project.archive).expect(0)


def test_move_and_remove_tell_machines_what_a_save_tells(project: Project) -> None:
    moved = call("move", project.archive, "tree/letters.txt", "letters", "--json").expect(0).json
    removed = call("remove", project.archive, "letters", "tree/notes/", "--json").expect(0).json
    saved = project.save()
    assert list(moved) == list(removed) == list(saved)
    assert UUID.fullmatch(moved["version"])
    assert moved["archive"] == str(project.archive)
    assert (moved["files"]["renamed"], moved["files"]["deleted"]) == (1, 0)
    assert (removed["files"]["renamed"], removed["files"]["deleted"]) == (0, 3)
    assert [version["id"] for version in project.versions()[:3]] == [
        saved["version"],
        removed["version"],
        moved["version"],
    ]


def test_remove_leaves_older_versions_alone(project: Project) -> None:
    told = call("remove", project.archive, "tree/letters.txt", "-m", "not needed", "tree/notes").expect(0)
    assert told.out.startswith("Removed 3 files; ")
    assert project.paths() == ["tree/link"]
    assert project.versions()[0]["message"] == "not needed"
    for number, saved in enumerate(reversed(project.scans), 1):
        project.restores(f"HEAD~{number}", saved)


def test_move_onto_itself_makes_no_version(project: Project) -> None:
    before = file_hash(project.archive)
    told = call("move", project.archive, "tree/link", "tree/link").expect(0).out
    assert told == "Nothing has changed: no version was made.\n"
    assert file_hash(project.archive) == before


# ------------------------------------------------------------------------------------------------------- log


def test_log_follows_a_file_across_renames_by_hand_and_by_save(project: Project) -> None:
    call("move", project.archive, "tree/notes", "tree/archive", "-m", "moved").expect(0)
    call("move", project.archive, "tree/archive/old", "tree/older", "-m", "moved again").expect(0)
    log = call("log", project.archive, "tree/older", "--json").expect(0).json["versions"]
    assert [version["message"] for version in log] == ["moved again", "moved", "third", "second"]
    told = call("log", project.archive, "tree/older").expect(0).out.splitlines()
    assert len(told) == 4
    assert all("→" in line for line in told[:3])
    assert "→" not in told[3]


def test_a_rename_on_disk_is_found_by_its_content(project: Project) -> None:
    os.rename(project.tree / "letters.txt", project.tree / "letters")
    answer = project.save()
    assert answer["files"]["renamed"] == 1
    assert (answer["files"]["added"], answer["files"]["deleted"]) == (0, 0)
    os.rename(project.tree / "letters", project.tree / "letters.txt")
    assert ", 1 renamed, " in call("save", project.archive, project.tree, "--mirror").expect(0).out


# ------------------------------------------------------------------------------------------------------ diff


def changes(answer: Any) -> dict[str, str]:
    """Return path → change of what is no folder."""
    return {each["path"]: each["change"] for each in answer["changes"] if each["type"] != "directory"}


def test_diff_of_two_versions(project: Project) -> None:
    before = file_hash(project.archive)
    answer = call("diff", project.archive, "HEAD~2", "HEAD~1", "--json").expect(0).json
    assert list(answer) == ["old", "new", "folder", "changes", "unchanged", "issues"]
    assert [answer["old"], answer["new"]] == [version["id"] for version in (project.versions()[2:0:-1])]
    assert changes(answer) == {"tree/letters.txt": "changed", "tree/new": "added", "tree/notes/two": "removed"}
    assert (answer["folder"], answer["unchanged"], answer["issues"]) == ("", 2, [])
    [letters] = [each for each in answer["changes"] if each["path"] == "tree/letters.txt"]
    assert (letters["old_size"], letters["new_size"]) == (40_000, 40_004)
    assert len(letters["old_hash"]) == len(letters["new_hash"]) == 64
    renamed = call("diff", project.archive, "HEAD~1", "--json").expect(0).json
    assert changes(renamed) == {"tree/notes/old": "renamed"}
    assert {each["old_path"] for each in renamed["changes"]} >= {"tree/new"}
    assert file_hash(project.archive) == before


def test_diff_for_people_is_a_line_for_each_change(project: Project) -> None:
    lines = both("diff", project.archive, "HEAD~2").out.splitlines()
    assert "A  4.9 KiB  tree/notes/old" in lines
    assert "M  39.1 KiB → 39.1 KiB  tree/letters.txt" in lines
    assert "D  3 B  tree/notes/two" in lines
    assert "1 added, 1 changed, 1 removed" in lines[-1]
    assert "R  tree/new → tree/notes/old" in both("diff", project.archive, "HEAD~1", "HEAD").out.splitlines()
    assert both("diff", project.archive, "HEAD", "HEAD").out.startswith("No difference; ")


def test_diff_tells_scripts_whether_there_is_a_difference(project: Project) -> None:
    call("diff", project.archive, "HEAD~1", "--exit-code").expect(1)
    call("diff", project.archive, "HEAD~1", "--exit-code", "-q").expect(1)
    call("diff", project.archive, "HEAD", "--exit-code").expect(0)
    call("diff", project.archive, "HEAD~1").expect(0)


def test_diff_with_a_folder_on_disk(project: Project) -> None:
    same = call("diff", project.archive, "HEAD", "--with", project.tree, "--into", "tree", "--json").expect(0).json
    assert (changes(same), same["new"], same["folder"]) == ({}, "", str(project.tree))
    write(project.tree / "letters.txt", LETTERS)
    write(project.tree / "more", b"more")
    os.unlink(project.tree / "link")
    with_folder = ("diff", project.archive, "HEAD", "--with", project.tree, "--into", "tree")
    answer = call(*with_folder, "--json").expect(0).json
    assert changes(answer) == {"tree/letters.txt": "changed", "tree/link": "removed", "tree/more": "added"}
    assert "A  4 B  tree/more" in both(*with_folder).out.splitlines()
    call(*with_folder, "--exit-code").expect(1)


# -------------------------------------------------------------------------------------------------- cat, tag


@pytest.mark.parametrize(
    ("path", "version", "content"),
    [
        ("tree/letters.txt", "HEAD", LETTERS + b"P.S."),
        ("tree/letters.txt", "HEAD~2", LETTERS),
        ("tree/notes/two", "HEAD~2", b"two"),
        ("tree/link", "HEAD", b"notes/one"),
    ],
)
def test_cat_writes_the_bytes_and_nothing_else(project: Project, path: str, version: str, content: bytes) -> None:
    done = subprocess.run(
        program("cat", project.archive, path, "--version", version), env=environment(), capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (content, b"")


def test_cat_of_a_damaged_file_is_an_integrity_failure(tmp_path: Path) -> None:
    write(tmp_path / "file", noise(300_000))
    call("save", tmp_path / "a.jcf", tmp_path / "file", "--codec", "store").expect(0)
    data = bytearray((tmp_path / "a.jcf").read_bytes())
    data[100_000] ^= 1
    (tmp_path / "a.jcf").write_bytes(data)
    done = subprocess.run(
        program("cat", tmp_path / "a.jcf", "file"), env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 5
    assert done.stderr.startswith(b"kamaros: ")
    assert b"Traceback" not in done.stderr


def large_file(place: Path) -> Path:
    """Return an archive of one file that no pipe holds."""
    write(place / "file", noise(3 * MIB))
    call("save", place / "a.jcf", place / "file", "--codec", "store").expect(0)
    return place / "a.jcf"


def test_cat_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    with start("cat", large_file(tmp_path), "file") as process:
        assert process.stdout is not None
        assert process.stdout.read(10) == noise(3 * MIB)[:10]
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_cat_can_be_cancelled_while_nobody_reads(tmp_path: Path) -> None:
    with start("cat", large_file(tmp_path), "file") as process:
        assert process.stdout is not None
        assert process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 130
    assert told.startswith(b"kamaros: Cancelled")


def test_tags_name_versions_everywhere(project: Project) -> None:
    first = project.versions()[2]["id"]
    size = project.archive.stat().st_size
    assert call("tag", project.archive, "HEAD~2", "release 1").expect(0).out == (
        f"“release 1” names version {first[:8]} now.\n"
    )
    assert call("tag", project.archive, first[:8], "other", "--json").expect(0).json == {
        "tag": "other",
        "version": first,
        "tags": ["other", "release 1"],
    }
    assert len(project.versions()) == 3
    assert project.archive.stat().st_size - size < 20_000
    assert project.paths("release 1") == project.paths("HEAD~2")
    assert call("diff", project.archive, "release 1", "other").expect(0).out.startswith("No difference")
    project.restores("release 1", project.scans[0])
    listed = both("tag", project.archive).out.splitlines()
    assert [line.split("  ")[0].strip() for line in listed] == ["other", "release 1"]
    assert all(first[:8] in line and line.endswith("  first") for line in listed)
    assert call("tag", project.archive, "--json").expect(0).json == {
        "tags": [{"name": "other", "version": first}, {"name": "release 1", "version": first}]
    }
    assert "[other, release 1]" in call("log", project.archive).expect(0).out


def test_a_tag_moves_only_where_that_is_wanted_and_can_be_removed(project: Project) -> None:
    call("tag", project.archive, "HEAD~2", "x").expect(0)
    before = file_hash(project.archive)
    assert "x" in call("tag", project.archive, "HEAD", "x").expect(1).err
    assert file_hash(project.archive) == before
    call("tag", project.archive, "HEAD", "x", "--replace").expect(0)
    assert [version["tags"] for version in project.versions()] == [["x"], [], []]
    assert "gone" in call("tag", project.archive, "--delete", "x").expect(0).out
    assert call("tag", project.archive).expect(0).out == ""
    call("tag", project.archive, "--delete", "x").expect(3)
    call("list", project.archive, "--version", "x").expect(4)
    assert len(project.versions()) == 3


# -------------------------------------------------------------------------------------------- forget, compact


def test_forget_by_name_by_rule_and_only_asked(project: Project) -> None:
    write(project.tree / "large", noise(300_000, 5))
    project.save()
    os.unlink(project.tree / "large")
    project.save()
    call("tag", project.archive, "HEAD~4", "keep me").expect(0)
    before = file_hash(project.archive)
    ids = [version["id"] for version in project.versions()]
    asked = call("forget", project.archive, "--keep-last", "2", "--dry-run", "--json").expect(0).json
    assert file_hash(project.archive) == before
    assert ([each["id"] for each in asked["forgotten"]], asked["done"]) == (ids[2:4], False)
    assert [each["id"] for each in asked["spared"]] == ids[4:]
    told = call("forget", project.archive, "HEAD~1").expect(0).out.splitlines()
    assert told[0].startswith(f"forgot {ids[1][:8]}")
    assert re.fullmatch(r"Forgot 1 version; 29\d\.\d KiB are dead now, compact gives them back\.", told[-1])
    assert [version["id"] for version in project.versions()] == [ids[0], *ids[2:]]
    done = call("forget", project.archive, "--keep-last", "1", "--json").expect(0).json
    assert [each["id"] for each in done["forgotten"]] == ids[2:4]
    assert (done["kept"], done["done"]) == (2, True)
    assert done["archive_size"] == project.archive.stat().st_size
    assert call("forget", project.archive, "--keep-last", "1", "--tagged", "-q").expect(0).out == ""
    assert [version["id"] for version in project.versions()] == ids[:1]
    project.restores("HEAD", project.scans[-1])
    assert call("verify", project.archive, "--json").expect(0).json["errors"] == []


def test_forget_within_days_keeps_what_is_young(project: Project) -> None:
    assert call("forget", project.archive, "--keep-within", "1").expect(0).out == "Nothing to forget.\n"
    assert len(call("forget", project.archive, "--keep-within", "0.0000001", "--json").expect(0).json["forgotten"]) == 2
    assert len(project.versions()) == 1


def test_compact_gives_dead_space_back_and_keeps_every_version(project: Project) -> None:
    write(project.tree / "large", noise(300_000, 5))
    project.save()
    os.unlink(project.tree / "large")
    project.save()
    call("forget", project.archive, "HEAD~1").expect(0)
    size = project.archive.stat().st_size
    answer = call("compact", project.archive, "--json").expect(0).json
    assert list(answer) == ["archive", "before", "after", "entries", "seconds"]
    assert (answer["before"], answer["after"]) == (size, project.archive.stat().st_size)
    assert size - answer["after"] > 300_000
    again = call("compact", project.archive).expect(0).out
    assert again.startswith("Nothing to give back")
    for version, saved in zip(("HEAD~3", "HEAD~2", "HEAD~1"), project.scans, strict=False):
        project.restores(version, saved)
    assert call("list", project.archive).expect(0).out.count(" 0 B of it dead;") == 1
    assert call("verify", project.archive, "--json").expect(0).json["errors"] == []
    assert strays(project.place, ["a.jcf", "tree"]) == []
    with zipfile.ZipFile(project.archive) as container:
        assert container.testzip() is None


def test_compact_for_people(project: Project) -> None:
    told = call("compact", project.archive).expect(0).out
    assert re.fullmatch(r"Compacted: [\d.]+ \w+ given back, the archive has [\d.]+ \w+ now\. \d\.\d s\.\n", told)


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("large")
    block = noise(8 * MIB)
    (place / "tree").mkdir()
    with open(place / "tree" / "large", "wb") as file:
        file.writelines(number.to_bytes(8, "big") + block[8:] for number in range(24))
    write(place / "tree" / "small", b"1")
    call("save", place / "a.jcf", place / "tree", "--codec", "store").expect(0)
    write(place / "tree" / "small", b"2")
    call("save", place / "a.jcf", place / "tree").expect(0)
    shutil.rmtree(place / "tree")
    return place / "a.jcf"


@pytest.fixture
def large(large_template: Path, tmp_path: Path) -> Path:
    """An archive of 192 MiB, with some dead space, alone in its folder."""
    return Path(shutil.copy2(large_template, tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_compact_leaves_the_archive_as_it_was(large: Path, number: int) -> None:
    before = file_hash(large)
    process = start("compact", large)
    wait_until((large.parent / "a.jcf.part").exists, process)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert b"ancelled" in told
    assert b"Traceback" not in told
    assert file_hash(large) == before
    assert os.listdir(large.parent) == ["a.jcf"]
    call("compact", large).expect(0)
    assert call("verify", large, "--json").expect(0).json["valid"]


@pytest.mark.parametrize("options", [[], ["--no-compact"]])
def test_a_save_compacts_by_itself_unless_told_not_to(tmp_path: Path, options: list[str]) -> None:
    archive, tree = tmp_path / "a.jcf", tmp_path / "tree"
    write(tree / "large", random.Random(1).randbytes(66 * MIB))
    call("save", archive, tree, "--codec", "store").expect(0)
    call("remove", archive, "tree/large").expect(0)
    call("forget", archive, "--keep-last", "1").expect(0)
    write(tree / "large", b"small")
    size = archive.stat().st_size
    answer = call("save", archive, tree, "--json", *options).expect(0).json
    if options:
        assert answer["reclaimed"] == 0
        assert archive.stat().st_size > size
        write(tree / "large", b"smaller")
        assert "Compacting gave 66" in call("save", archive, tree).expect(0).out
    else:
        assert answer["reclaimed"] > 66 * MIB
    assert archive.stat().st_size < MIB
    assert call("verify", archive, "--json").expect(0).json["valid"]


# ----------------------------------------------------------------------------------------------------- stats


def test_stats_add_up_to_the_size_of_the_archive(project: Project) -> None:
    answer = call("stats", project.archive, "--json").expect(0).json
    size = project.archive.stat().st_size
    parts = ("head_packed", "history_packed", "directory", "manifest", "headers", "dead")
    assert sum(answer[part] for part in parts) == answer["archive_size"] == size
    assert (answer["versions"], answer["files"]) == (3, 4)
    assert answer["content"] == len(LETTERS) + 4 + 5000 + 3 + len("notes/one")
    assert sum(method["entries"] for method in answer["methods"].values()) >= 5
    out = both("stats", project.archive).out
    figures = [int(found.replace(",", "")) for found in re.findall(r"([\d,]+) bytes", out)]
    assert sum(figures[:-1]) == figures[-1] == size
    assert "Other" not in out


# -------------------------------------------------------------------------------------------- export, import


def test_export_of_any_version_is_a_clean_zip(project: Project) -> None:
    out = project.place / "out.zip"
    told = call("export", project.archive, out, "--version", "HEAD~2").expect(0).out
    assert told.startswith("Exported version ")
    with zipfile.ZipFile(out) as container:
        assert container.testzip() is None
        files = {name for name in container.namelist() if not name.endswith("/")}
        assert files == {"tree/letters.txt", "tree/notes/one", "tree/notes/two", "tree/link"}
        assert container.read("tree/letters.txt") == LETTERS
    before = file_hash(out)
    assert "out.zip" in call("export", project.archive, out).expect(1).err
    assert file_hash(out) == before
    answer = call("export", project.archive, out, "--overwrite", "--json").expect(0).json
    assert answer["version"] == project.versions()[0]["id"]
    assert (answer["target"], answer["interchange"], answer["failed"], answer["issues"]) == (str(out), False, 0, [])
    assert answer["bytes_out"] == out.stat().st_size
    with zipfile.ZipFile(out) as container:
        assert container.read("tree/letters.txt") == LETTERS + b"P.S."
    assert strays(project.place, ["a.jcf", "out.zip", "tree"]) == []
    assert len(project.versions()) == 3


def test_interchange_archive_comes_back_with_all_versions(project: Project) -> None:
    call("tag", project.archive, "HEAD~2", "x").expect(0)
    out, back = project.place / "out.jcf", project.place / "back.jcf"
    assert call("export", project.archive, out, "--interchange", "-q").expect(0).out == ""
    with zipfile.ZipFile(out) as container:
        assert "manifest.json" in container.namelist()
    call("import", out, back).expect(0)
    again = Project(project.place)
    again.archive = back
    assert [version["message"] for version in again.versions()] == ["third", "second", "first"]
    for number, saved in enumerate(reversed(project.scans)):
        again.restores(f"HEAD~{number}", saved)
    again.restores("x", project.scans[0])
    assert call("verify", back, "--json").expect(0).json["errors"] == []


def test_import_of_a_zip_and_of_a_version(project: Project) -> None:
    with zipfile.ZipFile(project.place / "in.zip", "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("folder/a", LETTERS)
        container.writestr("b", b"b")
    told = call("import", project.place / "in.zip", project.archive, "--into", "from", "-m", "zip").expect(0).out
    assert told.startswith("Imported: 2 added, ")
    assert {"from/b", "from/folder/a", "tree/link"} <= set(project.paths())
    newest = project.versions()[0]
    assert (newest["message"], newest["added"]) == ("zip", 2)
    other = project.place / "other.jcf"
    call("import", project.archive, other, "--version", "HEAD~3", "--json").expect(0)
    copy = Project(project.place)
    copy.archive = other
    copy.restores("HEAD", project.scans[0])


def test_import_of_a_folder_of_versions_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write(tmp_path / "releases" / f"v{number}" / "file", b"release %d" % number)
        write(tmp_path / "releases" / f"v{number}" / "same", LETTERS)
    answer = call("import", tmp_path / "releases", tmp_path / "a.jcf", "--json").expect(0).json
    assert answer["archive"] == str(tmp_path / "a.jcf")
    versions = call("log", tmp_path / "a.jcf", "--json").expect(0).json["versions"]
    assert len(versions) == 3
    for number, expected in ((0, b"release 10"), (1, b"release 2"), (2, b"release 1")):
        done = run("cat", tmp_path / "a.jcf", "file", "--version", f"HEAD~{number}").expect(0)
        assert done.out.encode() == expected


def test_interrupted_import_leaves_nothing(large: Path) -> None:
    os.rename(large, large.parent / "source.zip")
    process = start("import", large.parent / "source.zip", large.parent / "new.jcf")
    wait_until(lambda: any(large.parent.glob("new.jcf*.part")), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert os.listdir(large.parent) == ["source.zip"]


def test_interrupted_export_leaves_nothing(large: Path) -> None:
    process = start("export", large, large.parent / "out.zip")
    wait_until(lambda: len(os.listdir(large.parent)) > 1, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert os.listdir(large.parent) == ["a.jcf"]


# ------------------------------------------------------------------------------------ progress and interruption


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Whether *process* has *path* open."""
    found = set()
    for number in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{process.pid}/fd/{number}"))
    return str(path) in found


@pytest.fixture
def unpacked(large: Path) -> Path:
    """What the newest version of the large archive holds, beside it."""
    call("restore", large, "-C", large.parent / "out").expect(0)
    return large.parent / "out"


def test_interrupted_diff_ends_at_once(large: Path, unpacked: Path) -> None:
    env = environment(KAMAROS_REREAD_UNCHANGED="1")
    arguments = program("diff", large, "HEAD", "--with", unpacked)
    with subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: has_open(process, unpacked / "tree" / "large"), process)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert told.startswith(b"kamaros: Cancelled")
    env = environment()
    same = subprocess.run([*arguments, "--exit-code"], env=env, capture_output=True, check=True)
    assert same.stdout == b"No difference; 2 files are the same.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compact", "a.jcf"], b"Compacting"),
        (["import", "a.jcf", "b.jcf"], b"Importing"),
        (["export", "a.jcf", "o.zip"], b"Exporting"),
        (["diff", "a.jcf", "HEAD", "--with", "tree", "--into", "tree"], b"Comparing"),
        (["move", "a.jcf", "tree", "moved"], b"Moving"),
    ],
)
def test_a_terminal_is_shown_what_goes_on(project: Project, arguments: list[str], says: bytes) -> None:
    for options, shows in ((["-q"], False), ([], True)):
        ours, theirs = pty.openpty()
        command, env = program(*arguments, *options), environment(TERM="xterm")
        place = shutil.copytree(project.place, project.place / f"copy{shows}", symlinks=True)
        process = subprocess.Popen(command, env=env, cwd=place, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal tells that nobody has its other end any more
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
        os.close(ours)
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert (says in shown) == shows


# ------------------------------------------------------------------------------------------- verify --repair


def test_repair_says_what_it_did_and_mends_it(project: Project) -> None:
    expected = call("list", project.archive, "--json").expect(0).json
    data = project.archive.read_bytes()
    project.archive.write_bytes(data[:-10])  # the end record is lost
    call("verify", project.archive).expect(5)
    told = call("verify", project.archive, "--repair").expect(0).out.splitlines()
    assert told[0].startswith("repaired: ")
    assert "Repaired " in told[-1]
    assert call("list", project.archive, "--json").expect(0).json == expected
    for number, saved in enumerate(reversed(project.scans)):
        project.restores(f"HEAD~{number}", saved)
    answer = call("verify", project.archive, "--repair", "--json").expect(0).json
    assert (answer["valid"], answer["repairs"]) == (True, [])
    assert "repairs" not in call("verify", project.archive, "--json").expect(0).json


def test_what_can_not_be_repaired_is_still_an_integrity_failure(tmp_path: Path) -> None:
    write(tmp_path / "file", noise(300_000))
    call("save", tmp_path / "a.jcf", tmp_path / "file", "--codec", "store").expect(0)
    data = bytearray((tmp_path / "a.jcf").read_bytes())
    data[100_000] ^= 1
    (tmp_path / "a.jcf").write_bytes(data)
    answer = call("verify", tmp_path / "a.jcf", "--repair", "--json").expect(5).json
    assert not answer["valid"]
    assert [error["type"] for error in answer["errors"]] == ["content"]


# ---------------------------------------------------------------------------------------------- exit statuses


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["move", "NONE", "a", "b"], 3, "none.jcf"),
        (["move", "ARCHIVE", "tree/none", "b"], 3, "tree/none"),
        (["move", "ARCHIVE", "tree/link", "tree/letters.txt"], 1, "tree/letters.txt"),
        (["move", "ARCHIVE", "tree/link", "../out"], 1, "../out"),
        (["move", "ARCHIVE", "tree/notes", "tree/notes/below"], 1, "tree/notes"),
        (["remove", "NONE", "a"], 3, "none.jcf"),
        (["remove", "ARCHIVE", "tree/none"], 3, "tree/none"),
        (["remove", "ARCHIVE", "tree/link", "tree/none"], 3, "tree/none"),
        (["tag", "NONE", "HEAD", "x"], 3, "none.jcf"),
        (["tag", "NONE"], 3, "none.jcf"),
        (["tag", "ARCHIVE", "nope", "x"], 4, "nope"),
        (["tag", "ARCHIVE", "HEAD", "HEAD"], 1, "HEAD"),
        (["tag", "ARCHIVE", "--delete", "nope"], 3, "nope"),
        (["forget", "NONE", "--keep-last", "1"], 3, "none.jcf"),
        (["forget", "ARCHIVE", "nope"], 4, "nope"),
        (["compact", "NONE"], 3, "none.jcf"),
        (["diff", "NONE", "HEAD"], 3, "none.jcf"),
        (["diff", "ARCHIVE", "nope"], 4, "nope"),
        (["diff", "ARCHIVE", "HEAD", "nope"], 4, "nope"),
        (["diff", "ARCHIVE", "HEAD", "--with", "none"], 3, "none"),
        (["stats", "NONE"], 3, "none.jcf"),
        (["export", "NONE", "OUT"], 3, "none.jcf"),
        (["export", "ARCHIVE", "OUT", "--version", "nope"], 4, "nope"),
        (["export", "ARCHIVE", "no/folder/out.zip"], 1, "no/folder"),
        (["import", "NONE", "OUT"], 3, "none.jcf"),
        (["import", "ARCHIVE", "OUT", "--version", "nope"], 4, "nope"),
        (["import", "BAD", "OUT"], 5, "bad.zip"),
        (["verify", "NONE", "--repair"], 3, "none.jcf"),
    ],
)
def test_errors_are_told_with_their_status(
    project: Project, arguments: list[str], status: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error has its exit status, one line for people, one object for machines, and leaves nothing behind."""
    monkeypatch.chdir(project.place)
    write(project.place / "bad.zip", noise(1000))
    before = file_hash(project.archive)
    places = {"ARCHIVE": "a.jcf", "NONE": "none.jcf", "OUT": "out", "BAD": "bad.zip"}
    words = [places.get(each, each) for each in arguments]
    plain = call(*words).expect(status)
    assert plain.out == ""
    assert says in plain.err
    assert plain.err.startswith("kamaros: ")
    assert plain.err.count("\n") == 1
    assert "unexpected" not in plain.err
    told = call(*words, "--json").expect(status)
    assert set(told.json) == {"error"}
    assert file_hash(project.archive) == before
    assert strays(project.place, ["a.jcf", "tree", "bad.zip"]) == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["cat", "none.jcf", "p"], 3),
        (["cat", "a.jcf", "tree/none"], 3),
        (["cat", "a.jcf", "tree/new", "--version", "HEAD"], 3),
        (["cat", "a.jcf", "tree/link", "--version", "nope"], 4),
        (["cat", "a.jcf", "tree/notes"], 1),
    ],
)
def test_errors_of_cat(project: Project, arguments: list[str], status: int) -> None:
    failed = run(*arguments, cwd=project.place).expect(status)
    assert failed.out == ""
    assert failed.err.startswith("kamaros: ")
    assert failed.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["move", "a.jcf", "tree/link", "tree/linked"],
        ["remove", "a.jcf", "tree/link"],
        ["tag", "a.jcf", "HEAD", "x"],
        ["tag", "a.jcf"],
        ["forget", "a.jcf", "--keep-last", "1"],
        ["compact", "a.jcf"],
        ["diff", "a.jcf", "HEAD~2"],
        ["stats", "a.jcf"],
        ["export", "a.jcf", "out.zip"],
        ["import", "a.jcf", "b.jcf"],
        ["verify", "a.jcf", "--repair"],
    ],
)
@pytest.mark.parametrize("form", ["--quiet", "--json"])
def test_quiet_says_nothing_and_json_is_one_object(
    project: Project, arguments: list[str], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.place)
    done = call(*arguments, form).expect(0)
    assert done.err == ""
    if form == "--quiet":
        assert done.out == ""
    else:
        assert done.out.count("\n") == 1
        assert "error" not in json.loads(done.out)
