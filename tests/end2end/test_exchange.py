"""Archives travel: those of other writers come in whole, ours go out whole, and what went round is what it was."""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.exporting import ExportOptions, export
from kamaros_gui.archive.history import describe, states_at
from kamaros_gui.archive.manifest import FileState
from kamaros_gui.archive.restoring import RestoreOptions, restore
from kamaros_gui.archive.verify import verify
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.reports import RestoreReport, VerifyReport
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.foreign import FORMS, HISTORY, Foreign, Form, Step, sha256
from tests.helpers.trees import Found, build_odd_tree, differences, noise, scan, text, write

FILES = LocalAdapter()
CONFIG = JCFConfig(workers=2)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    threads = Workers(2)
    yield threads
    threads.close()


async def exported(workers: Workers, archive: Path, target: Path, **options: Any) -> ExportReport:
    return await export(FILES, str(archive), ExportOptions(str(target), **options), CONFIG, workers, RunControl())


async def restored(workers: Workers, archive: Path, target: Path, version: str = "HEAD") -> RestoreReport:
    options = RestoreOptions(target=str(target), version=version, outside_links=True)
    return await restore(FILES, str(archive), options, CONFIG, workers, RunControl())


async def verified(workers: Workers, archive: Path) -> VerifyReport:
    return await verify(FILES, str(archive), CONFIG, workers, RunControl())


def files_of(folder: Path) -> dict[str, bytes]:
    """Return path → content of files and links below *folder*."""
    return {
        os.fsdecode(path): (folder / os.fsdecode(path)).readlink().as_posix().encode()
        if found.kind == "symlink"
        else (folder / os.fsdecode(path)).read_bytes()
        for path, found in scan(folder).items()
        if found.kind != "directory"
    }


def told(archive: Path) -> tuple[list[Any], list[dict[str, FileState]], dict[str, Any]]:
    """Return all that an archive tells: its log, the states of each version, and the rest of its manifest."""
    container = Container.load(FILES, str(archive))
    try:
        return _told(container)
    finally:
        container.close()


def _told(container: Container) -> tuple[list[Any], list[dict[str, FileState]], dict[str, Any]]:
    manifest = container.manifest
    assert manifest is not None
    states = []
    for version in manifest.versions:
        found = states_at(manifest, version)
        for state in found.values():
            state.change_type, state.renamed_from, state.content_ref = "unchanged", "", None
        states.append(found)
    rest = {
        "metadata": manifest.metadata,
        "refs": manifest.refs,
        "renameLog": manifest.rename_log,
        "config": manifest.config,
        "unknown": {name: json.loads(bytes(value)) for name, value in manifest.unknown.items()},
        "created": {path: (record.created, record.mime) for path, record in manifest.file_map.items()},
    }
    return [describe(manifest, version) for version in manifest.versions], states, rest


# ------------------------------------------------------------------------------------- other writers' archives


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
async def test_another_writers_archive_restores_verifies_and_goes_on(
    tmp_path: Path, workers: Workers, form: Form
) -> None:
    made = Foreign(form)
    archive = made.write(tmp_path / "a.jcf")
    before = archive.read_bytes()
    report = await verified(workers, archive)
    assert (report.valid, report.errors, report.warnings) == (True, (), ())
    for number, step in enumerate(made.steps):
        out = tmp_path / f"version {number}"
        done = await restored(workers, archive, out, made.ids[number])
        assert (done.failed, done.issues) == (0, ())
        assert files_of(out) == step.contents
        for path in step.files:
            status = (out / path).stat()
            assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (
                made.mode(path),
                made.mtime_ns(path, number),
            )

    for number, step in enumerate(made.steps):
        plain = tmp_path / f"{number}.zip"
        done_export = await exported(workers, archive, plain, version=made.ids[number])
        assert (done_export.failed, done_export.version) == (0, made.ids[number])
        with zipfile.ZipFile(plain) as container:
            assert container.testzip() is None
            assert {name: container.read(name) for name in container.namelist()} == step.contents
    again = tmp_path / "again.jcf"
    await exported(workers, archive, again, interchange=True)
    assert (await verified(workers, again)).valid
    assert told(again) == told(archive)
    assert archive.read_bytes() == before


async def test_what_another_writer_encrypted_is_named_and_the_rest_restores(tmp_path: Path, workers: Workers) -> None:
    hidden = "zażółć/gęślą.txt"
    made = Foreign(FORMS["store"], HISTORY, frozenset({hidden}))
    archive = made.write(tmp_path / "a.jcf")
    for number, step in enumerate(made.steps):
        done = await restored(workers, archive, tmp_path / f"out {number}", made.ids[number])
        told_of = [(issue.path, issue.reason) for issue in done.issues]
        assert told_of == ([(hidden, f"{hidden} is encrypted.")] if hidden in step.files else [])
        assert done.damaged == 0
        expected = {path: content for path, content in step.contents.items() if path != hidden}
        assert files_of(tmp_path / f"out {number}") == expected
    report = await verified(workers, archive)
    assert report.errors == ()


# ------------------------------------------------------------------------------------------- ours, round trip


async def make_history(place: Path) -> Path:
    """Make an archive with an odd tree and five versions."""
    tree, archive = place / "tree", place / "a.jcf"
    build_odd_tree(tree, small_files=40, largest=1 << 21)
    async with JCFManager(str(archive), CONFIG) as manager:
        await manager.save([str(tree)], message="first", author="Ada ünïcode")
        write(tree / "sizes" / "text-65536", noise(1_200_000), mode=0o000)
        write(tree / "new", text(3000))
        await manager.save([str(tree)], message="second\nwith two lines", author="Grace")
        os.chmod(tree / "sizes" / "noise-1", 0o640)
        await manager.save([str(tree)], message="only a mode")
        shutil.rmtree(tree / "many" / "3")
        shutil.rmtree(tree / "names")
        (tree / "links" / "dangling").unlink()
        write(tree / "links" / "dangling", b"a file now")
        await manager.save([str(tree)], message="fourth", mirror=True)
        await manager.tag("HEAD~2", "release-1")
        os.rename(tree / "folders", tree / "moved folders")
        write(tree / "empty one")
        await manager.save([str(tree)], message="fifth", mirror=True)
    return archive


async def test_an_interchange_archive_of_ours_loses_nothing(tmp_path: Path, workers: Workers) -> None:
    archive = await make_history(tmp_path)
    report = await exported(workers, archive, tmp_path / "all.jcf", interchange=True)
    assert (report.failed, report.interchange) == (0, True)
    assert told(tmp_path / "all.jcf") == told(archive)
    assert (await verified(workers, tmp_path / "all.jcf")).valid
    log = told(archive)[0]
    assert report.version == log[-1].id
    for version in log:
        one, two = tmp_path / f"own {version.id}", tmp_path / f"other {version.id}"
        first = await restored(workers, archive, one, version.id)
        second = await restored(workers, tmp_path / "all.jcf", two, version.id)
        assert [issue.path for issue in second.issues] == [issue.path for issue in first.issues]
        assert second.restored == first.restored
        assert differences(one, two) == []
    await exported(workers, tmp_path / "all.jcf", tmp_path / "again.jcf", interchange=True)
    assert told(tmp_path / "again.jcf") == told(archive)


async def test_an_interchange_archive_is_what_other_writers_expect(tmp_path: Path, workers: Workers) -> None:
    archive = await make_history(tmp_path)
    await exported(workers, archive, tmp_path / "all.jcf", interchange=True)
    with zipfile.ZipFile(tmp_path / "all.jcf") as container:
        infos = container.infolist()
        assert infos[0].filename == "mimetype"
        assert (infos[0].header_offset, infos[0].compress_type) == (0, 0)
        start = (tmp_path / "all.jcf").read_bytes()[:57]
        assert start.startswith(b"PK\3\4")
        assert start[26:] == b"\x08\0\0\0mimetypeapplication/x-jcfPK"
        assert container.read("mimetype") == b"application/x-jcf"
        assert container.read("manifest.json") == container.read(".store/manifest.json")
        document = json.loads(container.read("manifest.json"))
        held = set(container.namelist())
        assert container.testzip() is None
        for digest in {name.removeprefix(".store/blobs/") for name in held if name.startswith(".store/blobs/")}:
            assert sha256(container.read(f".store/blobs/{digest}")) == digest
        heads = {name for name in held if name.startswith("content/")}
        assert heads == {
            f"content/{path}" + ("/" if record["type"] == "directory" else "")
            for path, record in document["fileMap"].items()
        }
        for path, record in document["fileMap"].items():
            if record["type"] != "directory":
                assert sha256(container.read(f"content/{path}")) == record["currentHash"]
    assert b"PK\x06\x06" not in (tmp_path / "all.jcf").read_bytes()[-4096:]
    assert "kamaros" not in document
    assert document["refs"]["head"] == document["versionHistory"][-1]["id"]
    log, states, _ = told(archive)
    blobs = set()
    for version, info, expected in zip(document["versionHistory"], log, states, strict=True):
        assert (version["id"], version["message"], version["author"]) == (info.id, info.message, info.author)
        listed = {path: state for path, state in version["fileStates"].items() if not state["deleted"]}
        assert listed.keys() == expected.keys()
        for state in listed.values():
            assert state["contentRef"] is None
            assert state["modified"].endswith("Z")
            if state["type"] != "directory":
                assert f".store/blobs/{state['hash']}" in held
                blobs.add(f".store/blobs/{state['hash']}")
        deleted = {path for path, state in version["fileStates"].items() if state["deleted"]}
        assert not deleted & expected.keys()
        assert len(deleted) >= info.deleted
    assert {name for name in held if name.startswith(".store/blobs/")} == blobs


async def test_a_plain_export_is_the_tree_that_was_saved(tmp_path: Path, workers: Workers) -> None:
    if shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not installed")
    archive = await make_history(tmp_path)
    await exported(workers, archive, tmp_path / "out.zip")
    one, two = tmp_path / "from the archive", tmp_path / "from the zip"
    await restored(workers, archive, one)
    await restored(workers, tmp_path / "out.zip", two)

    def escaped_or_fine(path: bytes, _found: Found) -> bool:
        # Names that are escaped in a ZIP have no other name in it, and no permissions at all mean none recorded there.
        return b"folders" in path or path.endswith(b"text-65536")

    def whole_seconds(found: dict[bytes, Found]) -> dict[bytes, Found]:
        return {
            path: Found(each.kind, each.content, each.mode, each.mtime_ns // 10**9)
            for path, each in found.items()
            if -(2**31) <= each.mtime_ns // 10**9 < 2**31
        }

    said = differences(whole_seconds(scan(one)), whole_seconds(scan(two)), ignore=escaped_or_fine)
    assert said == []


async def test_a_plain_zip_goes_through_a_plain_export_unchanged(tmp_path: Path, workers: Workers) -> None:
    contents = {"a": text(3000), "b/c": noise(1_500_000), "zażółć": b"", "b/d/e": text(2_000_000)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as container:
        for name, content in contents.items():
            container.writestr(name, content)
    await exported(workers, tmp_path / "a.zip", tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as one, zipfile.ZipFile(tmp_path / "b.zip") as two:
        assert {name: two.read(name) for name in two.namelist()} == contents
        for info in one.infolist():
            other = two.getinfo(info.filename)
            assert (info.CRC, info.compress_size, info.date_time) == (other.CRC, other.compress_size, other.date_time)


async def test_a_hostile_interchange_of_names_stays_hostile_to_nobody(tmp_path: Path, workers: Workers) -> None:
    made = Foreign(FORMS["both"], (Step({"../up": b"evil", "/abs": b"evil2", "good": b"1"}),))
    archive = made.write(tmp_path / "a.jcf")
    for interchange in (False, True):
        target = tmp_path / f"out {interchange}.zip"
        report = await exported(workers, archive, target, interchange=interchange)
        assert {(issue.path, issue.kind) for issue in report.issues} == {("../up", "blocked"), ("/abs", "blocked")}
        with zipfile.ZipFile(target) as container:
            assert not any(".." in name or name.startswith("/") or "abs" in name for name in container.namelist())
            assert b"evil" not in b"".join(container.read(name) for name in container.namelist())
    assert sorted(told(tmp_path / "out True.zip")[1][0]) == ["good"]


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
async def test_another_writers_archive_is_saved_to_and_all_its_versions_stay(
    tmp_path: Path, workers: Workers, form: Form
) -> None:
    made = Foreign(form)
    archive = made.write(tmp_path / "a.jcf")
    before = told(archive)
    write(tmp_path / "read me.txt", b"saved by ours")
    async with JCFManager(str(archive), CONFIG) as manager:
        report = await manager.save([str(tmp_path / "read me.txt")], message="ours")
    assert report.created
    container = Container.load(FILES, str(archive))
    assert container.needs_upgrade == ""
    container.close()
    log, states, rest = told(archive)
    assert log[:-1] == before[0]
    assert states[:-1] == before[1]
    assert rest["unknown"] == before[2]["unknown"]
    assert (log[-1].parent, log[-1].modified) == (made.ids[-1], 1)
    for number, step in enumerate(made.steps):
        await restored(workers, archive, tmp_path / f"version {number}", made.ids[number])
        assert files_of(tmp_path / f"version {number}") == step.contents
    await restored(workers, archive, tmp_path / "new")
    assert files_of(tmp_path / "new") == made.steps[-1].contents | {"read me.txt": b"saved by ours"}
    checked = await verified(workers, archive)
    assert (checked.errors, checked.warnings) == ((), ())
    await exported(workers, archive, tmp_path / "all.jcf", interchange=True)
    assert told(tmp_path / "all.jcf") == told(archive)


@pytest.mark.parametrize("form", ["store", "root", "deltas", "bare"])
async def test_an_archive_that_keeps_all_content_as_blobs_is_whole(tmp_path: Path, workers: Workers, form: str) -> None:
    made = Foreign(FORMS[form])
    archive = made.write(tmp_path / "a.jcf", leave_out="content/")
    report = await verified(workers, archive)
    assert (report.errors, report.warnings) == ((), ())
    for number, step in enumerate(made.steps):
        await restored(workers, archive, tmp_path / f"version {number}", made.ids[number])
        assert files_of(tmp_path / f"version {number}") == step.contents
    await exported(workers, archive, tmp_path / "all.jcf", interchange=True)
    assert told(tmp_path / "all.jcf") == told(archive)
    write(tmp_path / "more", b"saved by ours")
    async with JCFManager(str(archive), CONFIG) as manager:
        await manager.save([str(tmp_path / "more")])
        await manager.compact()
    assert (await verified(workers, archive)).errors == ()
    await restored(workers, archive, tmp_path / "new")
    assert files_of(tmp_path / "new") == made.steps[-1].contents | {"more": b"saved by ours"}
