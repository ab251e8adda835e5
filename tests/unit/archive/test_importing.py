"""Import of plain ZIPs and of single versions: what comes in, where it goes, and what is said of the rest."""

from __future__ import annotations

import bz2
import os
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.base.errors import ArchiveError, NotFoundError, UnsafeNameError, VersionNotFoundError, ZipFormatError
from kamaros_gui.base.reports import SaveReport
from tests.helpers.archives import content_of, open_files
from tests.helpers.foreign import FORMS, Foreign
from tests.helpers.trees import differences, noise, scan, text, write

MIB = 1 << 20
CONFIG = JCFConfig(level=1, workers=2)
KEPT = {"kept": b"kept", "folder/one": b"one", "folder/two": b"two", "file": b"a file"}


def make_zip(path: Path, contents: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as container:
        for name, content in contents.items():
            container.writestr(name, content)
    return path


def run_tool(folder: Path, *arguments: str) -> bytes:
    """Run a program in *folder* and return what it puts out."""
    return subprocess.run(arguments, cwd=folder, stdout=subprocess.PIPE, check=True).stdout


def flip(path: Path, at: int, bit: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def data_of(path: Path, name: str) -> int:
    """Return where the data of an entry begins."""
    with zipfile.ZipFile(path) as container:
        at = container.getinfo(name).header_offset
    head = path.read_bytes()[at : at + 30]
    return at + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


async def import_into(archive: Path, source: Path, **options: Any) -> SaveReport:
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        return await manager.import_from(source, **options)


async def held(archive: Path, version: str = "HEAD") -> dict[str, bytes | None]:
    """Return path → content of a version, ``None`` for folders, and check all of the archive."""
    async with await JCFManager.open(archive, CONFIG) as manager:
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        entries = (await manager.list_files(version)).entries
        found = {
            each.path: await content_of(manager, each.path, version) if each.type != "directory" else None
            for each in entries
        }
    files = {path for path, content in found.items() if content is not None}
    below = {path for path in found for at, letter in enumerate(path) if letter == "/" and path[:at] in files}
    assert not below, f"{below} can't be restored: a file is above them"
    assert open_files(archive.parent) == []
    return found


@pytest.fixture
async def existing(tmp_path: Path) -> Path:
    """An archive with one version, alone in its folder."""
    archive = tmp_path / "place" / "a.jcf"
    archive.parent.mkdir()
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        for path, content in KEPT.items():
            await manager.add_file(path, content, modified=1000)
        await manager.save_checkpoint("first", author="Ada")
    return archive


# --------------------------------------------------------------------------------------------- where it goes


async def test_a_zip_makes_a_new_archive(tmp_path: Path) -> None:
    contents = {
        "a": text(3000),
        "b/c": noise(5000),
        "empty": b"",
        "large": text(3 * MIB),
        "large noise": noise(2 * MIB),
    }
    source = make_zip(tmp_path / "in.zip", contents | {"folder/": b""})
    before = source.read_bytes()
    report = await import_into(tmp_path / "a.jcf", source)
    assert (report.created, report.added, report.failed, report.issues) == (True, 5, 0, ())
    assert await held(tmp_path / "a.jcf") == contents | {"folder": None}
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        versions = await manager.history()
    assert [(each.message, each.author, each.parent) for each in versions] == [("Import in.zip", "", "")]
    assert versions[0].id == report.version
    assert source.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "in.zip"]


async def test_a_zip_is_added_to_what_an_archive_has(tmp_path: Path, existing: Path) -> None:
    source = make_zip(tmp_path / "in.zip", {"kept": b"kept", "folder/one": b"changed", "folder/new": b"new"})
    report = await import_into(existing, source, message="why", author="Grace")
    assert (report.added, report.modified, report.deleted) == (1, 2, 0)  # the time of "kept" is another one
    assert await held(existing) == KEPT | {"folder/one": b"changed", "folder/new": b"new"}
    assert await held(existing, "HEAD~1") == KEPT
    async with await JCFManager.open(existing, CONFIG) as manager:
        assert [(each.message, each.author) for each in await manager.history()] == [("why", "Grace"), ("first", "Ada")]


async def test_the_same_zip_again_makes_no_version(tmp_path: Path, existing: Path) -> None:
    source = make_zip(tmp_path / "in.zip", {"x": text(2000), "large": noise(2 * MIB), "d/": b""})
    assert (await import_into(existing, source)).created
    before = existing.read_bytes()
    report = await import_into(existing, source)
    assert (report.created, report.unchanged, report.bytes_out) == (False, 2, 0)
    assert existing.read_bytes() == before
    assert os.listdir(existing.parent) == ["a.jcf"]


async def test_content_the_archive_has_is_not_written_again(tmp_path: Path, existing: Path) -> None:
    large = noise(3 * MIB)
    await import_into(existing, make_zip(tmp_path / "1.zip", {"large": large}))
    await import_into(existing, make_zip(tmp_path / "2.zip", {"large": b"other"}))
    before = existing.stat().st_size
    await import_into(existing, make_zip(tmp_path / "3.zip", {"again": large}))
    assert existing.stat().st_size - before < 64 << 10
    assert (await held(existing))["again"] == large


@pytest.mark.parametrize("into", ["sub/folder", "/sub/./folder/", "folder"])
async def test_into_a_folder(tmp_path: Path, existing: Path, into: str) -> None:
    source = make_zip(tmp_path / "in.zip", {"one": b"1", "d/two": b"2", "e/": b""})
    await import_into(existing, source, into=into)
    folder = "/".join(part for part in into.split("/") if part not in {"", "."})
    come = {f"{folder}/one": b"1", f"{folder}/d/two": b"2", f"{folder}/e": None}
    assert await held(existing) == KEPT | come


@pytest.mark.parametrize(
    ("into", "error"), [("file", ArchiveError), ("file/x", ArchiveError), ("../x", UnsafeNameError)]
)
async def test_into_what_is_no_folder_changes_nothing(
    tmp_path: Path, existing: Path, into: str, error: type[Exception]
) -> None:
    before = existing.read_bytes()
    with pytest.raises(error):
        await import_into(existing, make_zip(tmp_path / "in.zip", {"one": b"1"}), into=into)
    assert existing.read_bytes() == before
    assert os.listdir(existing.parent) == ["a.jcf"]


# -------------------------------------------------------------------------- a file where a folder is, and back


@pytest.mark.parametrize("listed", [True, False], ids=["folder is listed", "folder is not listed"])
async def test_a_folder_takes_the_place_of_a_file(tmp_path: Path, existing: Path, *, listed: bool) -> None:
    contents = ({"file/": b""} if listed else {}) | {"file/below/x": b"x", "file/y": b"a file"}
    report = await import_into(existing, make_zip(tmp_path / "in.zip", contents))
    assert (report.failed, report.issues) == (0, ())
    expected = {path: content for path, content in KEPT.items() if path != "file"}
    assert await held(existing) == expected | {"file": None, "file/below/x": b"x", "file/y": b"a file"}
    assert await held(existing, "HEAD~1") == KEPT


async def test_a_folder_takes_the_place_of_a_file_inside_a_folder(tmp_path: Path, existing: Path) -> None:
    await import_into(existing, make_zip(tmp_path / "in.zip", {"one/x": b"x"}), into="folder")
    assert (await held(existing)) == {p: c for p, c in KEPT.items() if p != "folder/one"} | {
        "folder/one": None,
        "folder/one/x": b"x",
    }


async def test_content_of_a_file_that_makes_room_is_not_written_again(tmp_path: Path, existing: Path) -> None:
    large = noise(MIB)
    await import_into(existing, make_zip(tmp_path / "1.zip", {"large": large}))
    report = await import_into(existing, make_zip(tmp_path / "2.zip", {"large/below": large}))
    assert report.bytes_out < 16 << 10
    assert await held(existing) == KEPT | {"large": None, "large/below": large}
    assert await held(existing, "HEAD~1") == KEPT | {"large": large}


async def test_a_file_takes_the_place_of_a_folder(tmp_path: Path, existing: Path) -> None:
    report = await import_into(existing, make_zip(tmp_path / "in.zip", {"folder": b"one", "new": b"n"}))
    assert (report.failed, report.issues) == (0, ())
    assert await held(existing) == {"kept": b"kept", "file": b"a file", "folder": b"one", "new": b"n"}
    assert await held(existing, "HEAD~1") == KEPT


@pytest.mark.parametrize("size", [5000, 3 * MIB])
async def test_a_damaged_file_takes_no_folders_place(tmp_path: Path, existing: Path, size: int) -> None:
    """Neither what was there is lost, nor may its content be promised to a path that comes."""
    source = make_zip(tmp_path / "in.zip", {"folder": noise(size), "taken": b"one"}, zipfile.ZIP_STORED)
    flip(source, data_of(source, "folder") + size // 2)
    report = await import_into(existing, source)
    assert [issue.path for issue in report.issues] == ["folder"]
    assert await held(existing) == KEPT | {"taken": b"one"}


async def test_what_lies_below_a_file_of_the_same_zip_stays_out(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "in.zip", {"a/b/c": b"below", "a": b"file", "a-b": b"beside"})
    report = await import_into(tmp_path / "a.jcf", source)
    assert [(issue.path, issue.kind) for issue in report.issues] == [("a/b/c", "failed")]
    assert await held(tmp_path / "a.jcf") == {"a": b"file", "a-b": b"beside"}


async def test_what_stays_out_makes_room_for_nothing(tmp_path: Path, existing: Path) -> None:
    """A path below a file of the same ZIP, or one that is too long, changes nothing of what the archive has there."""
    contents = {"folder": b"file", "folder/one/below": b"x", "kept/" + "x" * 65_530: b"too long"}
    report = await import_into(existing, make_zip(tmp_path / "in.zip", contents))
    assert {issue.path for issue in report.issues} == contents.keys() - {"folder"}
    assert await held(existing) == {"kept": b"kept", "file": b"a file", "folder": b"file"}


# ---------------------------------------------------------------------------------------- what is kept of a file


async def test_modes_times_links_and_folders_come_along(tmp_path: Path) -> None:
    if shutil.which("zip") is None:
        pytest.skip("zip is not installed")
    tree = tmp_path / "tree"
    write(tree / "script", b"#!", mode=0o755, mtime_ns=1_600_000_001 * 10**9)
    write(tree / "d" / "secret", text(2000), mode=0o600, mtime_ns=10**18)
    write(tree / "d" / "empty", b"", mode=0o444, mtime_ns=10**18)
    write(tree / "large", text(2 * MIB), mode=0o640, mtime_ns=1_500_000_000 * 10**9)
    (tree / "nothing in it").mkdir(mode=0o700)
    os.symlink("d/secret", tree / "link")
    os.symlink("nowhere/żółć", tree / "dangling")
    os.utime(tree / "nothing in it", ns=(10**18, 10**18))
    os.utime(tree / "d", ns=(10**18, 10**18))
    run_tool(tree, "zip", "-qry", "../in.zip", ".")
    await import_into(tmp_path / "a.jcf", tmp_path / "in.zip")
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        report = await manager.restore_version("HEAD", tmp_path / "out")
        assert (report.failed, report.issues) == (0, ())
        entries = {each.path: each for each in (await manager.list_files()).entries}
    came, was = scan(tmp_path / "out"), scan(tree)
    links = {path for path, found in was.items() if found.kind == "symlink"}
    assert differences(came, was, ignore=lambda path, _found: path in links) == []
    assert {path: came[path].content for path in links} == {path: was[path].content for path in links}
    assert entries["link"].type == "symlink"
    assert entries["script"].modified == 1_600_000_001 * 10**9


@pytest.mark.parametrize(
    ("tool", "arguments", "feed"),
    [
        ("zip", ["-q", "-fd", "-", "-r", "."], True),
        ("zip", ["-q", "-fz", "-r", "OUT", "."], False),
        ("bsdtar", ["-cf", "-", "--format", "zip", "*"], True),
        ("bsdtar", ["-cf", "OUT", "--format", "zip", "--options", "zip:compression=store", "*"], False),
        ("7zz", ["a", "-bso0", "-bsp0", "-mx=1", "OUT", "."], False),
    ],
    ids=["zip streamed", "zip64", "bsdtar streamed", "bsdtar stored", "7zz"],
)
async def test_zips_of_other_programs(tmp_path: Path, tool: str, arguments: list[str], *, feed: bool) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    tree, out = tmp_path / "tree", tmp_path / "in.zip"
    # One is hardly smaller than what is read in one call, and larger once it is packed.
    sizes = {"noise": 5000, "d/just small": MIB, "d/nearly": MIB - 3, "large": 2 * MIB + 1}
    for number, (name, size) in enumerate(sizes.items()):
        write(tree / name, noise(size, number))
    write(tree / "zażółć/jaźń", text(70_000))
    write(tree / "large text", text(3 * MIB))
    write(tree / "empty", b"")
    call = [str(out) if each == "OUT" else each for each in arguments if each != "*"]
    told = run_tool(tree, tool, *call, *(sorted(os.listdir(tree)) if "*" in arguments else []))
    if feed:
        out.write_bytes(told)
    report = await import_into(tmp_path / "a.jcf", out)
    assert (report.failed, report.issues) == (0, ())
    files = {os.fsdecode(path) for path, found in scan(tree).items() if found.kind == "file"}
    came = await held(tmp_path / "a.jcf")
    assert {path: content for path, content in came.items() if content is not None} == {
        path: (tree / path).read_bytes() for path in files
    }


async def test_thousands_of_small_files(tmp_path: Path) -> None:
    contents = {f"{number % 50}/file {number}": b"content of %d\n" % number * (number % 40) for number in range(5000)}
    source = make_zip(tmp_path / "in.zip", contents)
    report = await import_into(tmp_path / "a.jcf", source)
    assert (report.added, report.failed) == (5000, 0)
    assert report.seconds < 20  # about one on two cores
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        assert (await manager.verify()).valid
        done = await manager.restore_version("HEAD", tmp_path / "out")
        assert done.failed == 0
    for path, content in contents.items():
        assert (tmp_path / "out" / path).read_bytes() == content


@pytest.mark.parametrize("size", [0, 3000, MIB, 2 * MIB + 1])
@pytest.mark.parametrize("make", [text, noise])
async def test_zstd_comes_in(tmp_path: Path, size: int, make: Any) -> None:
    content = make(size)
    source = with_method(tmp_path / "in.zip", "z", zstandard.compress(content), content, 93)
    report = await import_into(tmp_path / "a.jcf", source)
    assert report.issues == ()
    assert await held(tmp_path / "a.jcf") == {"z": content, "good": b"g"}


# ------------------------------------------------------------------------------------------- what can't come in


async def test_unsafe_names_are_left_out(tmp_path: Path) -> None:
    bad = {"../up", "/absolute", "a/../b", "C:/drive", "a//b", "a/./dot", "back\\slash", "bell\a"}
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as container:
        for name in (*sorted(bad), "good"):
            info = zipfile.ZipInfo("x")
            info.filename = name
            container.writestr(info, b"x")
    report = await import_into(tmp_path / "a.jcf", tmp_path / "in.zip")
    assert {(issue.path, issue.kind) for issue in report.issues} == {(name, "blocked") for name in bad}
    assert report.failed == 0
    assert await held(tmp_path / "a.jcf") == {"good": b"x"}


async def test_a_name_too_long_for_a_zip_is_left_out(tmp_path: Path) -> None:
    name = "long/" + "x" * 65_000
    report = await import_into(
        tmp_path / "a.jcf", make_zip(tmp_path / "in.zip", {name: b"", "good": b"x"}), into="a" * 999
    )
    assert len(report.issues) == 1
    assert "too long" in report.issues[0].reason
    assert await held(tmp_path / "a.jcf") == {"a" * 999 + "/good": b"x"}


def with_method(path: Path, name: str, packed: bytes, content: bytes, method: int, flags: int = 0) -> Path:
    """Write a ZIP with one stored entry "good", and one called *name* whose headers say what is given."""
    entries, at = [], 0
    directory = b""
    for each, data, plain, how, bits in ((name, packed, content, method, flags), ("good", b"g", b"g", 0, 0)):
        fields = struct.pack("<HHHHIII", bits, how, 0, 33, zlib.crc32(plain), len(data), len(plain))
        local = struct.pack("<4sH", b"PK\3\4", 63) + fields + struct.pack("<HH", len(each), 0) + each.encode() + data
        directory += struct.pack("<4sHH", b"PK\1\2", 63, 63) + fields
        directory += struct.pack("<HHHHHII", len(each), 0, 0, 0, 0, 0, at) + each.encode()
        entries.append(local)
        at += len(local)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2, 2, len(directory), at, 0)
    path.write_bytes(b"".join(entries) + directory + end)
    return path


@pytest.mark.parametrize("size", [3000, 2 * MIB])
@pytest.mark.parametrize(
    ("method", "flags", "said"), [(12, 0, "12"), (99, 0, "99"), (0, 1, "encrypted"), (8, 0, "damaged")]
)
async def test_what_can_not_be_read_is_named_and_the_rest_comes(
    tmp_path: Path, existing: Path, size: int, method: int, flags: int, said: str
) -> None:
    content = noise(size)
    packed = bz2.compress(content) if method == 12 else content
    source = with_method(tmp_path / "in.zip", "bad", packed, content, method, flags)
    report = await import_into(existing, source, into="from")
    assert [(issue.path, issue.kind) for issue in report.issues] == [("bad", "failed")]
    assert said in report.issues[0].reason
    assert await held(existing) == KEPT | {"from/good": b"g"}


@pytest.mark.parametrize("where", ["data", "checksum", "name", "signature"])
@pytest.mark.parametrize("size", [4000, 2 * MIB])
async def test_damage_is_named_and_the_rest_comes(tmp_path: Path, where: str, size: int) -> None:
    contents = {"before": text(1000), "bad": noise(size), "after": text(1_500_000), "last": b"l"}
    source = make_zip(tmp_path / "in.zip", contents, zipfile.ZIP_STORED)
    start = data_of(source, "bad")
    header = start - 30 - len("bad")
    at = {"data": start + size - 10, "checksum": header + 15, "name": start - 1, "signature": header}[where]
    if where == "checksum":  # in the directory, which counts
        at = source.read_bytes().rindex(b"PK\1\2", 0, source.read_bytes().rindex(b"bad")) + 16
    flip(source, at, 1)
    report = await import_into(tmp_path / "a.jcf", source)
    assert [(issue.path, issue.kind) for issue in report.issues] == [("bad", "failed")]
    assert await held(tmp_path / "a.jcf") == {path: each for path, each in contents.items() if path != "bad"}


@pytest.mark.parametrize("content", [b"", b"no zip at all" * 100, b"PK\5\6"])
async def test_what_is_no_zip_is_an_error(tmp_path: Path, existing: Path, content: bytes) -> None:
    before = existing.read_bytes()
    (tmp_path / "in.zip").write_bytes(content)
    for archive in (existing, tmp_path / "place" / "new.jcf"):
        with pytest.raises(ZipFormatError, match=r"in\.zip"):
            await import_into(archive, tmp_path / "in.zip")
    assert existing.read_bytes() == before
    assert os.listdir(existing.parent) == ["a.jcf"]


async def test_a_source_that_is_not_there(tmp_path: Path, existing: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.zip"):
        await import_into(existing, tmp_path / "nothing.zip")
    with pytest.raises(VersionNotFoundError):
        await import_into(existing, make_zip(tmp_path / "in.zip", {"a": b""}), version="HEAD~1")
    assert os.listdir(existing.parent) == ["a.jcf"]


async def test_an_empty_zip_is_no_version(tmp_path: Path, existing: Path) -> None:
    before = existing.read_bytes()
    report = await import_into(existing, make_zip(tmp_path / "in.zip", {}))
    assert (report.created, report.issues) == (False, ())
    assert existing.read_bytes() == before


@pytest.mark.parametrize("how", ["itself", "link", "hard link", "other spelling"])
@pytest.mark.parametrize("version", [None, "HEAD"])
async def test_an_archive_is_not_imported_into_itself(existing: Path, how: str, version: str | None) -> None:
    before = existing.read_bytes()
    source = existing
    if how == "link":
        source = existing.parent / "link"
        source.symlink_to("a.jcf")
    elif how == "hard link":
        source = existing.parent / "hard"
        os.link(existing, source)
    elif how == "other spelling":
        source = existing.parent / ".." / existing.parent.name / "a.jcf"
    with pytest.raises(ArchiveError, match="itself"):
        await import_into(existing, source, version=version)
    with pytest.raises(ArchiveError, match="itself"):
        await import_into(source, existing, version=version)
    assert existing.read_bytes() == before
    assert set(os.listdir(existing.parent)) <= {"a.jcf", "link", "hard"}


# ------------------------------------------------------------------------------------------- one version of many


async def test_one_version_is_added_to_an_archive(tmp_path: Path, existing: Path) -> None:
    made = Foreign(FORMS["deltas"])
    source = made.write(tmp_path / "other.jcf")
    for number, step in enumerate(made.steps):
        report = await import_into(
            existing, source, version=made.ids[number], into=f"v{number}", message=f"as {number}"
        )
        assert (report.failed, report.issues) == (0, ())
        assert report.added + report.unchanged + report.modified == len(step.contents)
        came = await held(existing)
        assert {
            path.removeprefix(f"v{number}/"): content
            for path, content in came.items()
            if path.startswith(f"v{number}/") and content is not None
        } == step.contents
    async with await JCFManager.open(existing, CONFIG) as manager:
        assert [each.message for each in await manager.history()] == ["as 3", "as 2", "as 1", "as 0", "first"]
        entries = {each.path: each for each in (await manager.list_files()).entries}
    for path in made.steps[2].files:
        record = entries[f"v2/{path}"]
        assert (record.mode, record.modified) == (made.mode(path), made.mtime_ns(path, 2))


async def test_one_version_makes_a_new_archive_and_keeps_odd_names(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in (b"back\\slash", b"not utf-8 \xff", b"new\nline", b"plain"):
        write(os.path.join(os.fsencode(tree), b"d \xfe", name), name)
    os.symlink(b"odd \xff", os.path.join(os.fsencode(tree), b"link"))
    async with JCFManager(str(tmp_path / "a.jcf"), CONFIG) as manager:
        await manager.save([f"{tree}/."])
        await manager.remove_file((await manager.list_files()).entries[-1].path)
        await manager.save_checkpoint("other")
    report = await import_into(tmp_path / "b.jcf", tmp_path / "a.jcf", version="HEAD~1")
    assert report.failed == 0
    report = await import_into(tmp_path / "b.jcf", tmp_path / "a.jcf", version="HEAD~1", into="deep/er")
    assert report.failed == 0
    async with await JCFManager.open(tmp_path / "b.jcf", CONFIG) as manager:
        done = await manager.restore_version("HEAD", tmp_path / "out")
        assert (done.failed, done.issues) == (0, ())

    def names_and_contents(folder: Path) -> dict[bytes, tuple[str, str]]:
        return {path: (found.kind, found.content) for path, found in scan(folder).items()}

    assert names_and_contents(tmp_path / "out" / "deep" / "er") == names_and_contents(tree)
    shutil.rmtree(tmp_path / "out" / "deep")
    assert names_and_contents(tmp_path / "out") == names_and_contents(tree)


async def test_a_link_that_is_not_what_was_saved_stays_out(tmp_path: Path) -> None:
    made = Foreign(FORMS["head only in content"])
    name = "docs/link"
    for version in made.document["versionHistory"]:
        if name in version["fileStates"]:
            version["fileStates"][name]["hash"] = "0" * 64
    source = made.write(tmp_path / "other.jcf")
    with zipfile.ZipFile(source, "a") as container:
        container.writestr(f".store/blobs/{'0' * 64}", b"elsewhere")
    report = await import_into(tmp_path / "a.jcf", source, version=made.ids[0])
    assert [issue.path for issue in report.issues] == [name]
    assert name not in await held(tmp_path / "a.jcf")
