"""Listings with entries of their own: one that several versions share, and saves that fail while they are taken out."""

from __future__ import annotations

import pytest

from kamaros_gui import JCFConfig, JCFManager, MemoryAdapter
from kamaros_gui.archive import tail as tail_module
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import LISTING_PREFIX
from kamaros_gui.base.errors import KamarosError
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, names, read_file, write_file
from tests.helpers.history_checks import check_bytes

CONFIG = JCFConfig(level=1, workers=1, auto_compact=False, snapshot_interval=100)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few paths be many."""
    monkeypatch.setattr(tail_module, "LISTINGS_INLINE", 500)
    monkeypatch.setattr(tail_module, "LISTING_FROM", 200)


async def make(versions: int) -> MemoryAdapter:
    """Make an archive whose versions go back and forth between two states, so that they did the same."""
    files = MemoryAdapter()
    async with await JCFManager.open("/a.jcf", CONFIG, create=True, files=files) as manager:
        for number in range(versions):
            for index in range(6):
                content = b"%d in state %d" % (index, number % 2)
                await manager.add_file(f"f{index}", content, modified=number % 2 + 1)
            await manager.save_checkpoint(str(number))
    return files


def listings(files: MemoryAdapter) -> tuple[list[str], set[str]]:
    """Return the listing each version names, and those the archive has; every byte of it is looked at."""
    container = Container.load(files, "/a.jcf")
    try:
        check_bytes(container)
        assert container.manifest is not None
        held = {name.removeprefix(LISTING_PREFIX) for name in container.entries if name.startswith(LISTING_PREFIX)}
        return [version.listing for version in container.manifest.versions], held
    finally:
        container.close()


async def check(files: MemoryAdapter, expected: list[int]) -> None:
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        versions = (await manager.history())[::-1]
        assert [int(version.message) for version in versions] == expected
        for version in versions:
            times = {entry.modified for entry in (await manager.list_files(version)).entries}
            assert times == {(int(version.message) % 2 + 1) * 10**9}


async def test_a_shared_listing_stays_as_long_as_anybody_needs_it() -> None:
    files = await make(8)
    named, held = listings(files)
    assert len(named) == 8
    assert set(named) == held
    assert len(held) == 3  # the first lists all, the others do the one or the other
    left = list(range(8))
    async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
        versions = (await manager.history())[::-1]
        for number in (2, 4, 1, 0, 6):
            await manager.forget([versions[number]])
            left.remove(number)
            named, held = listings(files)
            assert set(named) - {""} == held
            await check(files, left)
        await manager.compact()
        await check(files, left)
    async with await JCFManager.open("/b.jcf", CONFIG, create=True, files=files) as manager:
        await manager.import_from("/a.jcf")
        assert [each.message for each in await manager.history()] == ["7", "5", "3"]


async def save(files: FailingAdapter) -> bool:
    """Make a version; where that fails, do it once more. Return whether there is one."""
    manager = JCFManager("/a.jcf", CONFIG, None, files)
    try:
        for index in range(6):
            await manager.add_file(f"f{index}", b"%d in state 1" % index, modified=2)
        try:
            await manager.save_checkpoint("5")
        except KamarosError:
            await manager.save_checkpoint("5")
    except KamarosError:
        await manager.discard()
        return False
    finally:
        await manager.close()
    return True


async def test_a_save_that_fails_at_any_step_can_be_made_again() -> None:
    files = await make(5)
    before = read_file(files, "/a.jcf")
    counting = FailingAdapter(files, left_out=CLEANING_UP)
    assert await save(counting)
    again = 0
    for number in range(counting.count):
        for name in names(files, "/"):
            files.delete(f"/{name}")
        write_file(files, "/a.jcf", before)
        failing = FailingAdapter(files, number, left_out=CLEANING_UP)
        made = await save(failing)
        again += made
        if names(files, "/") != ["a.jcf"]:  # headers of old entries could not be rewritten after the commit
            assert made, counting.steps[number]
            async with await JCFManager.open("/a.jcf", CONFIG, files=files) as manager:
                await manager.tag("HEAD", "after it")
        named, held = listings(files)
        assert set(named) - {""} == held, counting.steps[number]
        await check(files, list(range(6 if made else 5)))
        assert names(files, "/") == ["a.jcf"]
        assert failing.open_files == []
    assert 0 < again < counting.count
