"""Repair: interrupted relabels, lost journals, crashes and aborts of the repair itself, hostile and foreign files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive import tail
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import LISTING_PREFIX
from kamaros_gui.archive.repair import verify_and_repair
from kamaros_gui.base.abort import AbortController, AbortError
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveInUseError, KamarosError, NotFoundError, StorageError
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.journal import Journal
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.zipfmt import ZipEntry
from tests.helpers.damaged import Past, make_past, repair, versions_in, wrong_versions
from tests.helpers.trees import noise, write


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return asyncio.run(make_past(tmp_path_factory.mktemp("past")))


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def entries_of(archive: Path) -> dict[str, ZipEntry]:
    container = Container.load(LocalAdapter(), str(archive))
    container.close()
    return container.entries


def header_size(data: bytes, offset: int) -> int:
    return 30 + sum(struct.unpack_from("<HH", data, offset + 26))


def extents(past: Past) -> list[tuple[int, int]]:
    """Where the content of every entry of every version lies: (first byte, byte after the last)."""
    found = set()
    for stage in past.stages:
        at = stage.rfind(b"PK\5\6")
        count, _, start = struct.unpack_from("<HII", stage, at + 10)
        for _ in range(count):
            fields = struct.unpack_from("<IHHHHHHIIIHHHHHII", stage, start)
            offset = fields[16]
            data = offset + header_size(stage, offset)
            found.add((data, data + fields[8]))
            start += 46 + fields[10] + fields[11] + fields[12]
    return sorted(found)


def with_old_headers(past: Past, number: int) -> bytearray:
    """Return the file after save *number*, with the local headers as they were before its relabels."""
    data, before = bytearray(past.stages[number]), past.stages[number - 1]
    data[: len(before)] = before
    return data


@pytest.mark.parametrize("number", [1, 2, 3, 4])
async def test_relabels_that_no_journal_speaks_of_are_finished(
    past: Past, workers: Workers, tmp_path: Path, number: int
) -> None:
    data = with_old_headers(past, number)
    assert data != past.stages[number]
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert report.valid
    assert len(report.repairs) == 1
    assert archive.read_bytes() == past.stages[number]


async def test_a_header_half_rewritten_is_finished(past: Past, workers: Workers, tmp_path: Path) -> None:
    """A power cut in the middle of writing a header leaves the front of the new one and the rest of the old one."""
    data, done = with_old_headers(past, 4), past.stages[4]
    entry = next(
        each
        for name, each in entries_of(past.path).items()
        if data[each.header_offset + 30 :][:8] != done[each.header_offset + 30 :][:8]
    )
    for torn in (1, 27, 29, 31, 60, 110, 140):
        mixed = bytearray(data)
        mixed[entry.header_offset : entry.header_offset + torn] = done[entry.header_offset : entry.header_offset + torn]
        archive = tmp_path / "a.jcf"
        archive.write_bytes(mixed)
        assert (await repair(archive, workers)).valid, torn
        assert archive.read_bytes() == done, torn


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
async def test_the_tail_of_a_save_whose_journal_is_gone_is_cut_off(
    past: Past, workers: Workers, tmp_path: Path, share: float
) -> None:
    before, after = past.stages[1], past.stages[2]
    archive = tmp_path / "a.jcf"
    archive.write_bytes(before + after[len(before) : len(before) + int((len(after) - len(before) - 1500) * share)])
    report = await repair(archive, workers)
    assert report.valid
    assert "were cut off" in report.repairs[0]
    assert archive.read_bytes() == before


async def test_a_journal_that_is_there_is_followed(past: Past, workers: Workers, tmp_path: Path) -> None:
    archive = tmp_path / "a.jcf"
    before = past.stages[1]
    archive.write_bytes(before)
    files = LocalAdapter()
    journal = Journal.acquire(files, str(archive))
    journal.restart({"kind": "begin", "committed": len(before), "new": False, "pid": 1, "host": "h"})
    journal.close()
    archive.write_bytes(before + noise(5000))
    report = await repair(archive, workers)
    assert report.valid
    assert report.repairs == ("A save that was interrupted was taken back: 5000 bytes were cut off.",)
    assert archive.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.jcf"]


async def test_an_archive_in_use_is_left_alone(past: Past, workers: Workers, tmp_path: Path) -> None:
    archive = past.copy(tmp_path / "a.jcf", past.ends[-1] - 5)
    journal = Journal.acquire(LocalAdapter(), str(archive))
    with pytest.raises(ArchiveInUseError):
        await repair(archive, workers)
    journal.close()
    assert archive.stat().st_size == past.ends[-1] - 5


# ------------------------------------------------------------------------------------- crashes and aborts


class Dying(LocalAdapter):
    """A disk that goes away in the middle of the *last*-th change, half of which is made."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.left = last

    @property
    def dead(self) -> bool:
        return self.left < 0

    def spend(self) -> bool:
        """Count a change; return whether it is the one that is made by half."""
        self.left -= 1
        if self.left < -1:
            raise StorageError("The disk is gone.")
        return self.left == -1

    def open(self, path: str, mode: Any = "r") -> Any:
        file = super().open(path, mode)
        return file if mode == "r" else DyingFile(file, self)

    def lock(self, path: str, *, create: bool = True) -> Any:
        file = super().lock(path, create=create)
        return None if file is None else DyingFile(file, self)

    def delete(self, path: str) -> None:
        if self.spend():
            raise StorageError("The disk is gone.")
        super().delete(path)


class DyingFile:
    def __init__(self, file: Any, disk: Dying) -> None:
        self._file = file
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, offset: int, parts: Sequence[Any]) -> int:
        data = b"".join(bytes(part) for part in parts)
        if self._disk.spend():
            self._file.write(offset, [data[: len(data) // 2]])
            raise StorageError("The disk is gone.")
        return int(self._file.write(offset, [data]))

    def truncate(self, size: int) -> None:
        if self._disk.spend():
            raise StorageError("The disk is gone.")
        self._file.truncate(size)


def damages(past: Past) -> dict[str, tuple[bytes, list[str]]]:
    """Return name → damaged file and the versions that must be whole after its repair."""
    versions = list(past.versions)
    return {
        "relabels": (bytes(with_old_headers(past, 4)), versions),
        "lost end": (past.stages[4][:-30], versions),
        "relabels and lost end": (bytes(with_old_headers(past, 4)[:-30]), versions),
        "torn tail": (past.stages[4][: past.ends[3] + 3000], versions[:4]),
    }


@pytest.mark.parametrize("kind", ["relabels", "lost end", "relabels and lost end", "torn tail"])
async def test_killed_at_any_step_a_second_repair_works(
    past: Past, workers: Workers, tmp_path: Path, kind: str
) -> None:
    data, must = damages(past)[kind]
    held = [(first, last) for first, last in extents(past) if last <= min(len(data), past.ends[len(must) - 1])]
    archive = tmp_path / "a.jcf"
    for step in range(200):
        archive.write_bytes(data)
        disk = Dying(step)
        with contextlib.suppress(KamarosError):
            await verify_and_repair(disk, str(archive), JCFConfig(), workers, RunControl())
        for again in (False, True):
            now = archive.read_bytes()
            assert all(now[first:last] == data[first:last] for first, last in held), (step, again)
            if not again:
                report = await repair(archive, workers)
                assert report.valid, (step, report)
        assert wrong_versions(past, archive, must) == [], step
        assert os.listdir(tmp_path) == ["a.jcf"]
        if not disk.dead:
            break
    else:
        raise AssertionError("the repair never came to its end")
    assert step > 2


class Counting(LocalAdapter):
    """Aborts when the archive is read for the *last*-th time."""

    def __init__(self, controller: AbortController, last: int) -> None:
        super().__init__()
        self.controller = controller
        self.left = last

    def open(self, path: str, mode: Any = "r") -> Any:
        return CountingFile(super().open(path, mode), self)


class CountingFile:
    def __init__(self, file: Any, disk: Counting) -> None:
        self._file = file
        self._disk = disk

    def _count(self) -> None:
        self._disk.left -= 1
        if self._disk.left == 0:
            self._disk.controller.abort()

    def __getattr__(self, name: str) -> Any:
        if name in {"read", "read_into", "read_exactly"}:
            self._count()
        return getattr(self._file, name)


@pytest.mark.parametrize("kind", ["relabels", "lost end", "torn tail"])
async def test_an_abort_changes_nothing(past: Past, workers: Workers, tmp_path: Path, kind: str) -> None:
    data, _ = damages(past)[kind]
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data)
    os.utime(archive, ns=(10**18, 10**18))
    aborted = 0
    for last in (1, 2, 3, 5, 8, 13, 21, 30, 40, 55, 80):
        controller = AbortController()
        files = Counting(controller, last)
        try:
            await verify_and_repair(files, str(archive), JCFConfig(), workers, RunControl(controller.signal))
        except AbortError:
            aborted += 1
        if archive.read_bytes() != data:
            break  # it was committed before the abort came, which met the check afterwards
        assert archive.stat().st_mtime_ns == 10**18
        assert os.listdir(tmp_path) == ["a.jcf"]
    assert aborted > 3
    assert (await repair(archive, workers)).valid


# -------------------------------------------------------------------------------- what else there may be


async def test_a_plain_zip_is_none_of_its_business(workers: Workers, tmp_path: Path) -> None:
    archive = tmp_path / "plain.zip"
    with zipfile.ZipFile(archive, "w") as container:
        container.writestr("content/a", b"a" * 1000)
        container.writestr("manifest.json", b"{}")
    whole = archive.read_bytes()
    report = await repair(archive, workers)
    assert (report.valid, report.repairs) == (True, ())
    assert archive.read_bytes() == whole
    for data in (whole[:-10], whole[:-60], b"", b"no archive at all" * 100):
        archive.write_bytes(data)
        report = await repair(archive, workers)
        assert (report.valid, report.repairs) == (False, ())
        [error] = report.errors
        assert error.type == "structure"
        assert "can't be repaired here" in error.message
        assert "zip -FF" in error.message
        assert archive.read_bytes() == data
    with pytest.raises(NotFoundError):
        await repair(tmp_path / "none.jcf", workers)
    assert os.listdir(tmp_path) == ["plain.zip"]


async def test_content_two_paths_need_is_copied_where_one_entry_is_left(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    data = bytearray(past.stages[0])
    entry = entries_in(past.stages[0], tmp_path)["content/twin a"]
    data[entry.header_offset + header_size(data, entry.header_offset)] ^= 1
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert report.valid
    assert "copy" in report.repairs[0]
    assert wrong_versions(past, archive, list(past.versions)[:1]) == []
    with zipfile.ZipFile(archive) as container:
        assert container.testzip() is None
        assert container.read("content/twin a") == container.read("content/twin b")


def entries_in(data: bytes, place: Path) -> dict[str, ZipEntry]:
    path = place / "look.jcf"
    path.write_bytes(data)
    try:
        return entries_of(path)
    finally:
        path.unlink()


async def test_without_any_directory_or_manifest_files_and_blobs_stay(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    data = bytearray(past.stages[4])
    for stage in past.stages:
        manifest = entries_in(stage, tmp_path)["manifest.json"]
        at = manifest.header_offset
        middle = at + header_size(stage, at) + manifest.compressed_size // 2
        data[middle] ^= 0xFF
        data[len(stage) - 22] ^= 0xFF
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert not report.valid
    assert "history is lost" in report.errors[0].message
    [held] = versions_in(archive).values()
    current = list(past.versions.values())[-1]
    assert current.items() <= held.items()
    # What no version had last under that name: dropped entries of the past, right in themselves.
    every = {(path, content) for version in past.versions.values() for path, content in version.items()}
    assert set(held.items()) <= every
    before, after = entries_in(past.stages[4], tmp_path), entries_of(archive)
    assert {name for name in before if name.startswith(".store/")} <= after.keys()
    assert (await repair(archive, workers)).valid


async def test_a_copy_of_the_archive_that_was_being_saved_into_it_is_not_taken_for_it(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    """A killed save leaves a blank header before the stored data: the archive inside lies open, manifest and all."""
    other = await make_other(tmp_path / "other")
    archive = tmp_path / "a.jcf"
    for number, inner in enumerate((past.stages[1], past.stages[4], other, past.stages[4][:-30])):
        archive.write_bytes(past.stages[4] + bytes(144) + inner)
        report = await repair(archive, workers)
        assert report.valid, number
        assert "were cut off" in report.repairs[0]
        assert archive.read_bytes() == past.stages[4], number


async def make_other(place: Path) -> bytes:
    write(place / "one", b"another archive's file")
    async with await JCFManager.open(place / "o.jcf", create=True) as manager:
        await manager.save([place / "one"])
    return (place / "o.jcf").read_bytes()


async def test_a_stored_archive_does_not_become_this_one_when_everything_else_is_lost(
    workers: Workers, tmp_path: Path
) -> None:
    """The only save, its end gone, and the header of the inner archive damaged: what is inside must not surface."""
    inner = await make_other(tmp_path / "other")
    write(tmp_path / "tree" / "a", noise(2000))
    write(tmp_path / "tree" / "inner.jcf", inner)
    archive = tmp_path / "a.jcf"
    async with await JCFManager.open(archive, JCFConfig(codec="store"), create=True) as manager:
        await manager.save([f"{tmp_path / 'tree'}/."])
    entries = entries_of(archive)
    data = bytearray(archive.read_bytes()[: entries["manifest.json"].header_offset])
    data[entries["content/inner.jcf"].header_offset + 1] ^= 0x40
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert "history is lost" in report.errors[0].message
    [held] = versions_in(archive).values()
    assert held == {"a": noise(2000)}  # behind the inner mark nothing tells one archive from the other


async def test_a_directory_that_points_beside_a_header_harms_no_content(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    """There the directory is what is wrong: a header written where it says would lie in the content before it."""
    data = past.stages[4]
    held = extents(past)
    archive = tmp_path / "a.jcf"
    count, _, start = struct.unpack_from("<HII", data, len(data) - 12)
    for number in range(count):
        sizes = struct.unpack_from("<HHH", data, start + 28)
        damaged = bytearray(data)
        damaged[start + 42] ^= 1 << number % 6
        archive.write_bytes(damaged)
        report = await repair(archive, workers)
        now = archive.read_bytes()
        assert all(now[first:last] == data[first:last] for first, last in held), number
        assert report.valid, (number, report)
        assert wrong_versions(past, archive, list(past.versions)) == []
        start += 46 + sum(sizes)


async def test_listings_with_entries_of_their_own_are_found_and_mended(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listings of a long history lie beside the manifest; without them its older content would seem useless."""
    monkeypatch.setattr(tail, "LISTINGS_INLINE", 0)
    monkeypatch.setattr(tail, "LISTING_FROM", 1)
    (tmp_path / "past").mkdir()
    past = await make_past(tmp_path / "past")
    apart = {name: entry for name, entry in entries_of(past.path).items() if name.startswith(LISTING_PREFIX)}
    assert len(apart) >= 3
    archive = tmp_path / "a.jcf"
    for lost in (1, 30, 400, 1500):
        archive.write_bytes(past.stages[4][:-lost])
        report = await repair(archive, workers)
        assert report.valid, (lost, report)
        assert wrong_versions(past, archive, list(past.versions)[: 4 if lost == 1500 else 5]) == [], lost
    for entry in apart.values():
        data = bytearray(past.stages[4])
        data[entry.header_offset + 33] ^= 1
        archive.write_bytes(data)
        assert (await repair(archive, workers)).valid
        assert archive.read_bytes() == past.stages[4]
    # A listing that is damaged itself costs what it says, and nothing else.
    entry = next(iter(apart.values()))
    data = bytearray(past.stages[4][:-30])
    data[entry.header_offset + header_size(data, entry.header_offset) + 20] ^= 1
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert not report.valid
    head = list(past.versions)[-1]
    async with await JCFManager.open(archive) as manager:
        assert sorted(each.path for each in (await manager.list_files()).entries if each.type == "file") == sorted(
            past.versions[head]
        )


async def test_random_damage_never_makes_anything_wrong(past: Past, workers: Workers, tmp_path: Path) -> None:
    """Blocks of the file overwritten, moved, doubled and cut: errors are told, content is right or missing."""
    archive = tmp_path / "a.jcf"
    for seed in range(25):
        generator = random.Random(seed)
        data = bytearray(past.stages[4])
        for _ in range(generator.randrange(1, 4)):
            at, length = generator.randrange(60, len(data)), generator.choice((1, 40, 600, 5000, 70_000))
            what = generator.randrange(4)
            if what == 0:
                data[at : at + length] = generator.randbytes(min(length, len(data) - at))
            elif what == 1:
                data[at : at + length] = bytes(min(length, len(data) - at))
            elif what == 2:
                del data[at:]
            else:
                start = generator.randrange(60, len(data))
                data[at : at + length] = data[start : start + length]
        archive.write_bytes(data)
        report = await repair(archive, workers)
        if any(error.type == "structure" and not error.path for error in report.errors):
            continue  # nothing left, or a history that is lost
        assert wrong_versions(past, archive, []) == [], (seed, report)
        if not report.errors:
            assert all(None not in held.values() for held in versions_in(archive).values()), seed
