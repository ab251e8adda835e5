"""``kamaros import`` from the command line: ZIPs, folders of versions and whole histories, and what is said of them."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from tests.helpers.foreign import FORMS, Foreign
from tests.helpers.program import call, run, strays
from tests.helpers.trees import build_odd_tree, differences, noise, scan, text, write


def log(archive: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return the versions, oldest first."""
    versions: list[dict[str, Any]] = call("log", archive, *arguments, "--json").expect(0).json["versions"]
    return versions[::-1]


def make_releases(place: Path) -> list[Path]:
    """Make a folder of three versions of an odd tree; return the sub-folders."""
    first, second, third = (place / "releases" / name for name in ("v1.9", "v1.10", "v1.11"))
    build_odd_tree(first, small_files=30, largest=1 << 16)
    write(first / "large", noise(1_500_000), mtime_ns=10**18)
    shutil.copytree(first, second, symlinks=True)
    os.rename(second / "large", second / "large and renamed")
    shutil.rmtree(second / "many")
    write(second / "sizes" / "noise-1", b"changed")
    shutil.copytree(second, third, symlinks=True)
    write(third / "new", text(3000))
    return [first, second, third]


def test_a_folder_of_versions_comes_out_as_it_went_in(tmp_path: Path) -> None:
    folders = make_releases(tmp_path)
    write(tmp_path / "releases" / "README", b"loose")
    archive = tmp_path / "a.jcf"
    done = run("import", tmp_path / "releases", archive, "--author", "Ada").expect(6)  # something was left out
    assert "README" in done.err
    versions = log(archive)
    assert [(each["message"], each["author"]) for each in versions] == [(each.name, "Ada") for each in folders]
    assert versions[1]["renamed"] == 1
    for version, folder in zip(versions, folders, strict=True):
        out = tmp_path / f"out {folder.name}"
        call("restore", archive, "-C", out, "--version", version["id"], "--outside-links").expect(0)
        assert differences(out, folder) == []
    assert [each["message"] for each in log(archive, "large and renamed")] == ["v1.9", "v1.10"]
    assert call("verify", archive, "--json").expect(0).json["errors"] == []
    assert strays(tmp_path, ["a.jcf", "releases", *(f"out {each.name}" for each in folders)]) == []


def test_a_history_travels_round_and_comes_back_equal(tmp_path: Path) -> None:
    make_releases(tmp_path)
    first, out, back = (tmp_path / name for name in ("first.jcf", "out.jcf", "back.jcf"))
    call("import", tmp_path / "releases", first, "-q").expect(0)
    call("tag", first, "HEAD~1", "żółć").expect(0)
    call("export", first, out, "--interchange", "-q").expect(0)
    told = call("import", out, back).expect(0).out
    assert told.startswith("Imported: ")
    assert log(back) == log(first)
    for number, version in enumerate(log(first)):
        for archive in (first, back):
            target = tmp_path / f"{archive.stem} {number}"
            call("restore", archive, "-C", target, "--version", version["id"], "--outside-links").expect(0)
        assert differences(tmp_path / f"first {number}", tmp_path / f"back {number}") == []
    assert call("verify", back, "--json").expect(0).json["warnings"] == []


def test_another_writers_history_and_one_version_of_it(tmp_path: Path) -> None:
    made = Foreign(FORMS["everything"])
    source, archive = made.write(tmp_path / "other.jcf"), tmp_path / "a.jcf"
    before = source.read_bytes()
    call("import", source, archive).expect(0)
    assert [each["message"] for each in log(archive)] == [step.message for step in made.steps]
    for number, step in enumerate(made.steps):
        out = tmp_path / f"out {number}"
        call("restore", archive, "-C", out, "--version", made.ids[number], "--outside-links").expect(0)
        kinds = {os.fsdecode(path): found.kind for path, found in scan(out).items() if found.kind != "directory"}
        assert kinds.keys() == step.contents.keys()
        assert all((out / path).read_bytes() == content for path, content in step.files.items())
    refused = call("import", source, archive).expect(1)
    assert "exists and has a history" in refused.err
    assert "one version" in refused.err
    call("import", source, archive, "--version", made.ids[0], "--into", "old", "-m", "as it was").expect(0)
    assert log(archive)[-1]["message"] == "as it was"
    assert call("verify", archive, "--json").expect(0).json["errors"] == []
    assert source.read_bytes() == before


def test_what_is_left_out_of_a_zip_is_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as container:
        container.writestr("good", b"good")
        container.writestr("../bad", b"bad")
        container.writestr("damaged", noise(5000))
    data = bytearray((tmp_path / "in.zip").read_bytes())
    data[data.index(noise(5000)[:100]) + 2500] ^= 1
    (tmp_path / "in.zip").write_bytes(bytes(data))
    done = call("import", tmp_path / "in.zip", tmp_path / "a.jcf").expect(6)
    assert "../bad" in done.err
    assert "damaged" in done.err
    paths = [each["path"] for each in call("list", tmp_path / "a.jcf", "--json").expect(0).json["entries"]]
    assert paths == ["good"]
    itself = call("import", tmp_path / "a.jcf", tmp_path / "a.jcf").expect(1)
    assert "itself" in itself.err
    assert strays(tmp_path, ["a.jcf", "in.zip"]) == []
