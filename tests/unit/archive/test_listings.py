"""Listings of versions in entries of their own: written once, found again by everything that looks back."""

from __future__ import annotations

from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager, MemoryAdapter
from kamaros_gui.archive import tail as tail_module
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import LISTING_PREFIX
from kamaros_gui.base.errors import IntegrityError
from tests.helpers.adapters import read_file
from tests.helpers.archives import content_of

CONFIG = JCFConfig(level=1, workers=1, auto_compact=False)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few paths be many."""
    monkeypatch.setattr(tail_module, "LISTINGS_INLINE", 1000)
    monkeypatch.setattr(tail_module, "LISTING_FROM", 300)


async def make(files: MemoryAdapter, versions: int = 4) -> list[dict[str, bytes]]:
    """Make an archive of several versions, each with a few changes; return what each holds."""
    model: list[dict[str, bytes]] = []
    async with await JCFManager.open("/a.jcf", CONFIG, create=True, files=files) as manager:
        for number in range(versions):
            now = dict(model[-1]) if model else {f"same/{index}": b"same %d" % index for index in range(5)}
            now |= {f"changed/{index}": b"%d in version %d" % (index, number) for index in range(3)}
            now[f"only {number}"] = b"x" * number
            for path in now.keys() - (model[-1].keys() if model else set()) | {p for p in now if p[0] == "c"}:
                await manager.add_file(path, now[path])
            model.append(now)
            await manager.save_checkpoint(str(number))
    return model


async def check(files: MemoryAdapter, model: list[dict[str, bytes]], archive: str = "/a.jcf") -> None:
    """Compare every version of the archive with the model, oldest first."""
    async with await JCFManager.open(archive, CONFIG, files=files) as manager:
        versions = (await manager.history())[::-1]
        assert len(versions) == len(model)
        for version, expected in zip(versions, model, strict=True):
            listing = await manager.list_files(version)
            assert [each.path for each in listing.entries if each.type == "file"] == sorted(expected)
            for path in ("changed/1", "same/3"):
                assert await content_of(manager, path, version) == expected[path]
        report = await manager.verify()
        assert (report.errors, report.warnings) == ((), ())
        figures = await manager.stats()
        parts = (figures.head_packed, figures.history_packed, figures.directory, figures.manifest, figures.headers)
        assert sum(parts) + figures.dead == figures.archive_size


def load(files: MemoryAdapter) -> Any:
    """Return the manifest and the names of its listings."""
    container = Container.load(files, "/a.jcf")
    try:
        return container.manifest, {name for name in container.entries if name.startswith(LISTING_PREFIX)}
    finally:
        container.close()


async def test_a_long_history_is_written_once() -> None:
    files = MemoryAdapter()
    model = await make(files)
    manifest, names = load(files)
    kept_apart = [version for version in manifest.versions if version.listing]
    assert len(kept_apart) >= 2
    assert names == {LISTING_PREFIX + version.listing for version in kept_apart}
    assert all(bytes(version.file_states) == b"{}" for version in kept_apart)
    await check(files, model)
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        await manager.add_file("new", b"new")
        await manager.save_checkpoint()
        log = await manager.history("changed/1")
        difference = await manager.diff("HEAD~4", "HEAD")
    assert [version.message for version in log] == ["3", "2", "1", "0"]
    assert {(each.path, each.change) for each in difference.entries if each.path in {"new", "only 2", "changed/1"}} == {
        ("new", "added"),
        ("only 2", "added"),
        ("changed/1", "changed"),
    }
    assert names <= load(files)[1]


async def test_compact_and_forget_take_listings_along() -> None:
    files = MemoryAdapter()
    model = await make(files, 6)
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        before = load(files)[1]
        await manager.compact()
        assert load(files)[1] == before
        await check(files, model)
        versions = (await manager.history())[::-1]
        await manager.forget([versions[1], versions[2]])
        await check(files, [model[0], *model[3:]])
        await manager.tag("HEAD~1", "kept")
        await manager.forget(keep_last=1)
        await check(files, model[4:])
        await manager.compact()
        assert (await manager.stats()).dead == 0
    manifest, names = load(files)
    assert names == {LISTING_PREFIX + version.listing for version in manifest.versions if version.listing}
    await check(files, model[4:])


async def test_history_goes_along_with_an_import_and_an_interchange_archive() -> None:
    files = MemoryAdapter()
    model = await make(files)
    async with await JCFManager.open("/b.jcf", CONFIG, create=True, files=files) as manager:
        await manager.import_from("/a.jcf")
    await check(files, model, "/b.jcf")
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        await manager.export("/c.jcf", interchange=True)
    await check(files, model, "/c.jcf")


@pytest.mark.parametrize("damage", ["flipped", "lost"])
async def test_damaged_listing_is_named_and_the_newest_version_is_not_concerned(damage: str) -> None:
    files = MemoryAdapter()
    model = await make(files)
    container = Container.load(files, "/a.jcf")
    entry = next(each for name, each in container.entries.items() if name.startswith(LISTING_PREFIX))
    container.close()
    data = read_file(files, "/a.jcf")
    at = entry.header_offset + entry.compressed_size // 2 + 150  # in its data
    if damage == "lost":
        at = data.rindex(entry.name.encode()) + len(LISTING_PREFIX)  # in the directory: it has another name
    file = files.open("/a.jcf", "r+")
    file.write(at, [bytes([data[at] ^ 1])])
    file.close()
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        report = await manager.verify()
        assert not report.valid
        assert await content_of(manager, "changed/1") == model[-1]["changed/1"]
        concerned = 0
        for version in await manager.history():
            try:
                await manager.list_files(version)
            except IntegrityError as error:
                concerned += 1
                assert "listing" in str(error) or "damaged" in str(error)  # noqa: PT017 - some versions are whole
        assert 0 < concerned < len(model)
