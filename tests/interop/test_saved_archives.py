"""Archives that were saved, several times and of odd trees, are clean for other programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.program import call
from tests.helpers.trees import build_odd_tree, noise, scan, text, write

pytestmark = pytest.mark.interop

CHECKS = {
    "unzip": ["unzip", "-tq"],
    "7zz": ["7zz", "t", "-bso0", "-bsp0"],
    "bsdtar": ["bsdtar", "-tf"],
    "zipfile": [sys.executable, "-m", "zipfile", "-t"],
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("odd")
    build_odd_tree(place / "tree")
    call("save", place / "a.jcf", place / "tree").expect(0)
    return place


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several saves: relabelled entries, dropped ones, old directories in the middle, changed times."""
    place = tmp_path_factory.mktemp("grown")
    tree = place / "tree"
    build_odd_tree(tree, small_files=30, largest=70_000)
    archive = place / "a.jcf"
    call("save", archive, tree, "--mirror").expect(0)
    for number, options in enumerate((("--codec", "store"), ("--level", "1"), ("--level", "9"))):
        shutil.rmtree(tree / "many" / str(number))
        write(tree / "changes", text(400_000, number))
        write(tree / "large", noise(1_300_000, number % 2))
        write(tree / "sizes" / "text-65536", text(70_000, number))
        os.utime(tree / "sizes" / "text-1", ns=(number, number * 10**9))
        os.rename(tree / ("links" if not number else f"links {number - 1}"), tree / f"links {number}")
        call("save", archive, tree, "--mirror", *options).expect(0)
    call("verify", archive).expect(0)
    return place


@pytest.mark.parametrize("made", ["odd", "grown"])
@pytest.mark.parametrize("tool", CHECKS)
def test_other_programs_find_no_fault(request: pytest.FixtureRequest, made: str, tool: str) -> None:
    if tool != "zipfile" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    archive = request.getfixturevalue(made) / "a.jcf"
    done = subprocess.run([*CHECKS[tool], archive], capture_output=True, check=False)
    assert done.returncode == 0, done
    told = (done.stdout + done.stderr).lower()
    assert b"warning" not in told
    assert b"error" not in told.replace(b"no errors detected", b"")


@pytest.mark.parametrize("made", ["odd", "grown"])
def test_zipfile_sees_the_same_names_sizes_and_bytes(request: pytest.FixtureRequest, made: str) -> None:
    archive = request.getfixturevalue(made) / "a.jcf"
    listed = {
        f"content/{entry['path']}" + ("/" if entry["type"] == "directory" else ""): entry["size"]
        for entry in call("list", archive, "--json").expect(0).json["entries"]
    }
    with zipfile.ZipFile(archive) as container:
        assert container.testzip() is None
        held = {info.filename: info.file_size for info in container.infolist() if info.filename.startswith("content/")}
        assert container.read("mimetype") == b"application/x-jcf"
        assert container.infolist()[0].header_offset == 0
        assert container.namelist()[-1] == "manifest.json"
        assert container.comment == b""
    assert held == listed


@pytest.mark.parametrize("tool", ["unzip", "bsdtar"])
def test_another_program_takes_the_current_files_out(tmp_path: Path, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    tree = tmp_path / "tree"
    for number in range(20):
        write(tree / "sub" / f"file {number}", text(number * 1000, number), mtime_ns=1_700_000_000 * 10**9)
    write(tree / "zażółć", noise(1_200_000), mode=0o755, mtime_ns=1_700_000_001 * 10**9)
    os.symlink("sub/file 1", tree / "link")
    call("save", tmp_path / "a.jcf", tree).expect(0)
    write(tree / "sub" / "file 3", b"a newer content", mtime_ns=1_700_000_002 * 10**9)
    call("save", tmp_path / "a.jcf", tree).expect(0)
    (tmp_path / "out").mkdir()
    commands = {
        "unzip": ["unzip", "-q", tmp_path / "a.jcf", "-d", tmp_path / "out"],
        "bsdtar": ["bsdtar", "-xf", tmp_path / "a.jcf", "-C", tmp_path / "out"],
    }
    utf8 = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(commands[tool], capture_output=True, check=False, env=utf8)
    assert done.returncode == 0, done
    assert done.stderr == b""
    taken, original = scan(tmp_path / "out" / "content" / "tree"), scan(tree)
    assert taken.keys() == original.keys()
    for path, found in original.items():
        other = taken[path]
        assert (other.kind, other.content) == (found.kind, found.content)
        if found.kind == "file":
            assert (other.mode, other.mtime_ns // 10**9) == (found.mode, found.mtime_ns // 10**9)


def test_plain_zip_of_another_program_opens(tmp_path: Path) -> None:
    if shutil.which("7zz") is None:
        pytest.skip("7zz is not installed")
    write(tmp_path / "tree" / "sub" / "file", text(5000))
    write(tmp_path / "tree" / "zażółć", b"x")
    subprocess.run(["7zz", "a", "-bso0", "plain.zip", "tree"], cwd=tmp_path, check=True, capture_output=True)
    call("verify", tmp_path / "plain.zip").expect(0)
    call("restore", tmp_path / "plain.zip", "-C", tmp_path / "out").expect(0)
    taken, original = scan(tmp_path / "out" / "tree"), scan(tmp_path / "tree")
    assert {path: found.content for path, found in taken.items()} == {
        path: found.content for path, found in original.items()
    }
