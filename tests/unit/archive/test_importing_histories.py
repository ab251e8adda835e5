"""Import of whole histories: every version, tag and name comes along, and what is damaged is named."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive import tail as tail_module
from kamaros_gui.archive.container import BLOB_PREFIX, Container
from kamaros_gui.archive.history import describe, states_at
from kamaros_gui.archive.manifest import LISTING_PREFIX, FileState, listing_of
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.errors import ArchiveError, ZipFormatError
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.pipeline import read_entry
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.archives import content_of, open_files
from tests.helpers.foreign import FORMS, HISTORY, Foreign, Form, Step, sha256
from tests.helpers.history_checks import check_bytes
from tests.helpers.trees import build_odd_tree, noise, text, write

FILES = LocalAdapter()
CONFIG = JCFConfig(level=1, workers=2, snapshot_interval=3, auto_compact=False)


async def import_into(archive: Path, source: Path, **options: Any) -> SaveReport:
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        return await manager.import_from(source, **options)


async def check(archive: Path) -> None:
    """Check all of an archive, that every byte of it is accounted for, and that nothing is left open or beside it."""
    async with await JCFManager.open(archive, CONFIG) as manager:
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        assert (await manager.stats()).dead == 0
    container = Container.load(FILES, str(archive))
    try:
        assert container.needs_upgrade == ""
        check_bytes(container)
        assert container.manifest is not None
        head = {BLOB_PREFIX + record.current_hash for record in container.manifest.file_map.values()}
        assert not head & container.entries.keys(), "history has what HEAD has"
    finally:
        container.close()
    assert open_files(archive.parent) == []
    assert not [name for name in os.listdir(archive.parent) if name.endswith((".part", ".journal"))]


def told(archive: Path, *, exactly: bool) -> dict[str, Any]:
    """Return all that an archive tells.

    Args:
        archive: where it is.
        exactly: with what each version says that it did; other forms of an archive do not say it alike.
    """
    container = Container.load(FILES, str(archive))
    try:
        manifest = container.manifest
        assert manifest is not None
        states: list[dict[str, FileState]] = [states_at(manifest, version) for version in manifest.versions]
        found: dict[str, Any] = {
            "log": [describe(manifest, version) for version in manifest.versions],
            "emails": [version.email for version in manifest.versions],
            "states": states,
            "metadata": manifest.metadata,
            "refs": manifest.refs,
            "renames": manifest.rename_log,
            "config": manifest.config,
            "unknown": {name: json.loads(bytes(value)) for name, value in manifest.unknown.items()},
            "head": {path: (record.created, record.mime, record.mode) for path, record in manifest.file_map.items()},
        }
        if exactly:
            found["listings"] = [bytes(listing_of(version)) for version in manifest.versions]
            found["records"] = {path: msgspec.structs.asdict(each) for path, each in manifest.file_map.items()}
            found["apart"] = [version.listing for version in manifest.versions]
            return found
        for each in states:
            for state in each.values():
                state.change_type, state.renamed_from, state.content_ref = "unchanged", "", None
        return found
    finally:
        container.close()


def contents(archive: Path) -> list[dict[str, bytes | None]]:
    """Return path → content of every version, oldest first; ``None`` for folders. Each is checked."""
    container = Container.load(FILES, str(archive))
    try:
        assert container.manifest is not None
        views = [view_version(container, version.id) for version in container.manifest.versions]
        known: dict[str, bytes | None] = {"": None}
        for view in views:
            for path, state in view.states.items():
                if state.hash not in known:
                    entry = view.entry_of(path, state)
                    assert entry is not None
                    known[state.hash] = read_entry(container.file, entry, 1 << 24, (), sha256=state.hash)
        return [{path: known[state.hash] for path, state in view.states.items()} for view in views]
    finally:
        container.close()


async def make_history(place: Path) -> Path:
    """Make an archive with relabelled entries, content that returned, renames, tags and dead bytes."""
    tree, archive = place / "tree", place / "source.jcf"
    build_odd_tree(tree, small_files=20, largest=1 << 16)
    write(tree / "large", noise(1_500_000, 1))
    write(tree / "returns", text(5000, 1))
    async with await JCFManager.open(archive, CONFIG, create=True) as manager:
        await manager.save([f"{tree}/."], message="first", author="Ada ünïcode", mirror=True)
        write(tree / "large", noise(1_500_000, 2))
        write(tree / "returns", text(5000, 2))
        await manager.save([f"{tree}/."], message="second\nwith two lines", mirror=True)
        await manager.move("names", "called otherwise", message="a folder moved", author="Grace")
        os.rename(tree / "names", tree / "called otherwise")
        os.rename(tree / "large", tree / "large and renamed")
        shutil.rmtree(tree / "many")
        write(tree / "returns", text(5000, 1))
        await manager.save([f"{tree}/."], message="fourth", mirror=True)
        await manager.tag("HEAD~2", "release-1")
        await manager.tag("HEAD", "żółć")
        await manager.remove(["links", "sizes"], message="fifth")
    assert archive.stat().st_size > 1_500_000
    return archive


@pytest.mark.parametrize("listings", ["in the manifest", "apart"])
async def test_all_of_a_history_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listings: str) -> None:
    if listings == "apart":
        monkeypatch.setattr(tail_module, "LISTINGS_INLINE", 2000)
        monkeypatch.setattr(tail_module, "LISTING_FROM", 500)
    source = await make_history(tmp_path)
    before = source.read_bytes()
    archive = tmp_path / "new" / "a.jcf"
    archive.parent.mkdir()
    report = await import_into(archive, source)
    assert (report.created, report.failed, report.issues) == (True, 0, ())
    assert report.bytes_out == archive.stat().st_size
    expected = told(source, exactly=True)
    assert told(archive, exactly=True) == expected
    assert any(expected["apart"]) == (listings == "apart")
    assert len(expected["renames"]) >= 2
    assert report.version == expected["refs"]["head"]
    assert contents(archive) == contents(source)
    await check(archive)
    assert archive.stat().st_size < source.stat().st_size
    assert source.read_bytes() == before
    assert os.listdir(archive.parent) == ["a.jcf"]
    async with await JCFManager.open(archive, CONFIG) as manager:  # and it goes on
        await manager.add_file("more", text(5000, 2))
        await manager.save_checkpoint("more")
        assert [each.message for each in await manager.history()][:2] == ["more", "fifth"]
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())


@pytest.mark.parametrize("listings", ["in the manifest", "apart"])
async def test_an_interchange_archive_comes_back_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listings: str
) -> None:
    if listings == "apart":
        monkeypatch.setattr(tail_module, "LISTINGS_INLINE", 2000)
        monkeypatch.setattr(tail_module, "LISTING_FROM", 500)
    source = await make_history(tmp_path)
    async with await JCFManager.open(source, CONFIG) as manager:
        await manager.export(tmp_path / "out.jcf", interchange=True)
    report = await import_into(tmp_path / "back.jcf", tmp_path / "out.jcf")
    assert (report.failed, report.issues) == (0, ())
    assert told(tmp_path / "back.jcf", exactly=False) == told(source, exactly=False)
    assert contents(tmp_path / "back.jcf") == contents(source)
    await check(tmp_path / "back.jcf")


@pytest.mark.parametrize("leave_out", ["", "content/"], ids=["whole", "blobs alone"])
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
async def test_another_writers_history_comes_along(tmp_path: Path, form: Form, leave_out: str) -> None:
    if leave_out and not form.head_blobs:
        pytest.skip("it would have no content at all")
    made = Foreign(form)
    source = made.write(tmp_path / "other.jcf", leave_out=leave_out)
    before = source.read_bytes()
    archive = tmp_path / "a.jcf"
    report = await import_into(archive, source)
    assert (report.created, report.failed, report.issues) == (True, 0, ())
    found, expected = told(archive, exactly=False), told(source, exactly=False)
    # What a writer left out is filled in: modes and times of HEAD, the log of the renames its ids tell of.
    for each in (found, expected):
        del each["renames"], each["head"]
    assert found == expected
    assert [each.message for each in found["log"]] == [step.message for step in made.steps]
    assert [each.author for each in found["log"]] == [step.author for step in made.steps]
    if not form.bare:
        assert [each.tags for each in found["log"]] == [("v1.0",), ("odd",), (), ()]
    assert found["unknown"] == {"vendor": {"kept": [1, 2, 3]}}
    assert contents(archive) == [dict(sorted(step.contents.items())) for step in made.steps]
    await check(archive)
    async with await JCFManager.open(archive, CONFIG) as manager:
        log = [each.message for each in await manager.history("manual/guide.txt")]
        assert log == ["fourth", "third"] + ["first"] * (not form.bare)  # without ids nobody knows of the rename
    assert source.read_bytes() == before


async def test_one_blob_becomes_every_file_that_has_its_content(tmp_path: Path) -> None:
    steps = (
        Step({"a": b"same", "b/c": b"same", "other": b"other"}),
        Step({"a": b"same", "b/c": b"same", "d": b"same"}),
    )
    source = Foreign(FORMS["store"], steps).write(tmp_path / "other.jcf", leave_out="content/")
    report = await import_into(tmp_path / "a.jcf", source)
    assert report.issues == ()
    assert contents(tmp_path / "a.jcf") == [step.contents for step in steps]
    await check(tmp_path / "a.jcf")


async def test_content_that_is_not_what_its_hash_says_is_named(tmp_path: Path) -> None:
    made = Foreign(FORMS["root"])
    source = made.write(tmp_path / "other.jcf", leave_out=BLOB_PREFIX)
    blobs = {sha256(content): content for step in made.steps for content in step.contents.values()}
    wrong = sha256(made.steps[0].files["docs/guide.txt"])
    with zipfile.ZipFile(source, "a") as container:
        for digest, content in blobs.items():
            container.writestr(BLOB_PREFIX + digest, content if digest != wrong else b"something else, and whole")
    report = await import_into(tmp_path / "a.jcf", source)
    assert [issue.path for issue in report.issues] == [BLOB_PREFIX + wrong]
    assert report.failed == 1


async def test_what_another_writer_encrypted_comes_as_it_is(tmp_path: Path) -> None:
    hidden = "zażółć/gęślą.txt"
    made = Foreign(FORMS["store"], HISTORY, frozenset({hidden}))
    report = await import_into(tmp_path / "a.jcf", made.write(tmp_path / "other.jcf"))
    assert report.issues == ()
    report = await import_into(tmp_path / "one.jcf", tmp_path / "other.jcf", version=made.ids[1])
    assert [(issue.path, issue.reason) for issue in report.issues] == [(hidden, f"{hidden} is encrypted.")]


async def test_a_history_goes_into_no_archive_that_exists(tmp_path: Path) -> None:
    source = await make_history(tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    await import_into(place / "a.jcf", source, version="HEAD~4")
    before, status = (place / "a.jcf").read_bytes(), (place / "a.jcf").stat()
    for existing in ("own", "foreign"):
        if existing == "foreign":
            Foreign(FORMS["store"]).write(place / "a.jcf")
            before, status = (place / "a.jcf").read_bytes(), (place / "a.jcf").stat()
        with pytest.raises(ArchiveError, match="exists") as caught:
            await import_into(place / "a.jcf", source)
        assert "one version" in caught.value.hint
        assert (place / "a.jcf").read_bytes() == before
        after = (place / "a.jcf").stat()
        assert (after.st_mtime_ns, after.st_ino) == (status.st_mtime_ns, status.st_ino)
        assert os.listdir(place) == ["a.jcf"]
    report = await import_into(place / "a.jcf", source, version="release-1")
    assert report.created


async def test_a_history_goes_into_no_folder(tmp_path: Path) -> None:
    source = Foreign(FORMS["root"]).write(tmp_path / "other.jcf")
    with pytest.raises(ArchiveError) as caught:
        await import_into(tmp_path / "a.jcf", source, into="sub")
    assert "HEAD" in caught.value.hint
    assert os.listdir(tmp_path) == ["other.jcf"]


# ------------------------------------------------------------------------------------------------------ damage


def entry_at(archive: Path, name: str) -> tuple[int, int]:
    """Return where the local header of an entry begins, and the middle of its data."""
    container = Container.load(FILES, str(archive))
    container.close()
    entry = container.entries[name]
    head = archive.read_bytes()[entry.header_offset : entry.header_offset + 30]
    size = 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return entry.header_offset, entry.header_offset + size + entry.compressed_size // 2


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


async def make_small(place: Path) -> Path:
    source = place / "source.jcf"
    async with await JCFManager.open(source, CONFIG, create=True) as manager:
        for number in (1, 2, 3):
            await manager.add_file("changed", noise(3000, number), modified=number)
            await manager.add_file("large", noise(1_200_000, number), modified=number)
            await manager.add_file(f"only {number}", text(2000, number), modified=number)
            await manager.save_checkpoint(str(number))
    return source


@pytest.mark.parametrize("which", ["head", "blob", "large blob", "listing"])
async def test_damaged_content_is_named_and_the_rest_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    if which == "listing":
        monkeypatch.setattr(tail_module, "LISTINGS_INLINE", 100)
        monkeypatch.setattr(tail_module, "LISTING_FROM", 100)
    source = await make_small(tmp_path)
    model = contents(source)
    container = Container.load(FILES, str(source))
    sizes = {name: entry.size for name, entry in container.entries.items()}
    container.close()
    name = {
        "head": lambda: "content/only 2",
        "blob": lambda: next(each for each, size in sizes.items() if each.startswith(BLOB_PREFIX) and size == 3000),
        "large blob": lambda: next(
            each for each, size in sizes.items() if each.startswith(BLOB_PREFIX) and size > 3000
        ),
        "listing": lambda: next(each for each in sizes if each.startswith(LISTING_PREFIX)),
    }[which]()
    flip(source, entry_at(source, name)[1])
    report = await import_into(tmp_path / "a.jcf", source)
    assert (report.created, report.failed) == (True, len(report.issues))
    assert name in {issue.path for issue in report.issues}
    if which == "listing":
        assert (await check_head(tmp_path / "a.jcf")) == model[-1]
        return
    assert len(report.issues) == 1
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        checked = await manager.verify()
        assert [problem.type for problem in checked.errors] == ["content"]
        for number, version in enumerate(reversed(await manager.history())):
            done = await manager.restore_version(version, tmp_path / f"out {number}")
            for path, content in model[number].items():
                if path in {issue.path for issue in done.issues}:
                    assert which != "head" or path == "only 2"
                else:
                    assert (tmp_path / f"out {number}" / path).read_bytes() == content


async def check_head(archive: Path) -> dict[str, bytes]:
    async with await JCFManager.open(archive, CONFIG) as manager:
        return {each.path: await content_of(manager, each.path) for each in (await manager.list_files()).entries}


@pytest.mark.parametrize("which", ["head", "history"])
async def test_content_the_source_has_lost_is_named(tmp_path: Path, which: str) -> None:
    made = Foreign(FORMS["head only in content"])
    path, prefix = ("manual/guide.txt", "content/manual") if which == "head" else ("twin", BLOB_PREFIX)
    source = made.write(tmp_path / "other.jcf", leave_out=prefix)
    report = await import_into(tmp_path / "a.jcf", source)
    assert report.created
    assert report.failed == len(report.issues)
    named = {issue.path for issue in report.issues}
    # Of those that had the same content one is named.
    assert named == (
        {path} if which == "head" else {"read me.txt", "zażółć/gęślą.txt", "manual/guide.txt", "docs/link"}
    )
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        assert {problem.type for problem in (await manager.verify()).errors} == {"missing"}
        assert len(await manager.history()) == 4


@pytest.mark.parametrize("part", ["signature", "name"])
async def test_a_source_with_damaged_headers_is_an_error_with_a_way_out(tmp_path: Path, part: str) -> None:
    source = await make_small(tmp_path)
    start, _ = entry_at(source, "content/only 2")
    flip(source, start if part == "signature" else start + 33)
    with pytest.raises(ZipFormatError, match=r"source\.jcf is damaged") as caught:
        await import_into(tmp_path / "a.jcf", source)
    assert "--repair" in caught.value.hint
    assert os.listdir(tmp_path) == ["source.jcf"]
    report = await import_into(tmp_path / "one.jcf", source, version="HEAD")
    assert [issue.path for issue in report.issues] == ["only 2"]
    async with await JCFManager.open(source, CONFIG) as manager:
        assert (await manager.verify(repair=True)).repairs
    report = await import_into(tmp_path / "a.jcf", source)
    assert report.issues == ()
    await check(tmp_path / "a.jcf")


async def test_a_tail_and_a_journal_of_the_source_are_left_alone(tmp_path: Path) -> None:
    source = await make_small(tmp_path)
    with source.open("ab") as file:
        file.write(b"what an interrupted save left")
    before = source.read_bytes()
    model = contents(source)
    report = await import_into(tmp_path / "a.jcf", source)
    assert report.issues == ()
    assert contents(tmp_path / "a.jcf") == model
    await check(tmp_path / "a.jcf")
    assert source.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "source.jcf"]


async def test_an_archive_without_versions_stays_one(tmp_path: Path) -> None:
    made = Foreign(FORMS["root"])
    made.document |= {"fileMap": {}, "versionHistory": [], "refs": {}}
    source = made.write(tmp_path / "other.jcf", leave_out="content/")
    report = await import_into(tmp_path / "a.jcf", source)
    assert (report.created, report.version) == (False, "")
    async with await JCFManager.open(tmp_path / "a.jcf", CONFIG) as manager:
        assert await manager.history() == ()
