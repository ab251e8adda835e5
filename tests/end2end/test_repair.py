"""Archives cut off or hit anywhere: what could survive is there again, byte for byte, and nothing else."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kamaros_gui.archive.container import Container
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.damaged import Past, make_past, repair, versions_in, wrong_versions

CHECKS = {
    "unzip": ["unzip", "-tq"],
    "7zz": ["7zz", "t", "-bso0", "-bsp0"],
    "bsdtar": ["bsdtar", "-tf"],
    "zipfile": [sys.executable, "-m", "zipfile", "-t"],
}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return asyncio.run(make_past(tmp_path_factory.mktemp("past")))


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def check_with_peers(archive: Path) -> None:
    for tool, command in CHECKS.items():
        if tool == "zipfile" or shutil.which(tool) is not None:
            done = subprocess.run([*command, archive], capture_output=True, check=False)
            assert done.returncode == 0, done
            assert b"warning" not in (done.stdout + done.stderr).lower(), done


def header_of(data: bytes, offset: int) -> int:
    """Length of the local header at *offset*."""
    return (
        30
        + int.from_bytes(data[offset + 26 : offset + 28], "little")
        + int.from_bytes(data[offset + 28 : offset + 30], "little")
    )


async def check_cut(past: Past, workers: Workers, archive: Path, cut: int) -> tuple[str, ...]:
    """Cut an archive off, repair it, and compare it with what it has to be then; return what the repair says."""
    past.copy(archive, cut)
    must = past.ended_by(cut)
    report = await repair(archive, workers)
    assert report.repairs or cut in past.ends
    if must:
        assert report.valid, (cut, report)
        assert wrong_versions(past, archive, must) == [], (cut, report)
    again = archive.read_bytes()
    after = await repair(archive, workers)
    assert (after.repairs, after.errors) == ((), ()), cut
    assert archive.read_bytes() == again
    return report.repairs


async def test_a_sound_archive_is_not_touched(past: Past, workers: Workers, tmp_path: Path) -> None:
    archive = past.copy(tmp_path / "a.jcf")
    before, status = archive.read_bytes(), archive.stat()
    report = await repair(archive, workers)
    assert (report.valid, report.repairs, report.errors, report.warnings) == (True, (), (), ())
    assert archive.read_bytes() == before
    assert (archive.stat().st_mtime_ns, archive.stat().st_ino) == (status.st_mtime_ns, status.st_ino)
    assert [each.name for each in tmp_path.iterdir()] == ["a.jcf"]


async def test_cut_off_within_the_last_save(past: Past, workers: Workers, tmp_path: Path) -> None:
    for cut in range(past.ends[-2], past.ends[-1], 251):
        await check_cut(past, workers, tmp_path / "a.jcf", cut)
    check_with_peers(tmp_path / "a.jcf")


async def test_cut_off_around_every_commit(past: Past, workers: Workers, tmp_path: Path) -> None:
    for end in past.ends:
        for distance in (-60, -22, -1, 0, 1, 40, 200):
            if end + distance < past.ends[-1]:
                await check_cut(past, workers, tmp_path / "a.jcf", end + distance)
        check_with_peers(tmp_path / "a.jcf")


async def test_cut_off_anywhere(past: Past, workers: Workers, tmp_path: Path) -> None:
    for cut in random.Random(7).sample(range(past.ends[0], past.ends[-1]), 20):
        await check_cut(past, workers, tmp_path / "a.jcf", cut)


@pytest.mark.parametrize("lost", [1, 22, 40, 300])
async def test_a_lost_end_costs_nothing(past: Past, workers: Workers, tmp_path: Path, lost: int) -> None:
    """The end record, or the directory too: the manifest before it proves the newest state."""
    [said] = await check_cut(past, workers, tmp_path / "a.jcf", past.ends[-1] - lost)
    assert "5 versions in all" in said
    assert wrong_versions(past, tmp_path / "a.jcf", list(past.versions)) == []
    assert (
        past.path.read_bytes()[: past.ends[-1] - lost] == (tmp_path / "a.jcf").read_bytes()[: past.ends[-1] - lost]
    ), "nothing is overwritten"
    check_with_peers(tmp_path / "a.jcf")


async def test_the_dead_bytes_of_a_rebuilt_archive_are_counted_exactly(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    archive = past.copy(tmp_path / "a.jcf", past.ends[-1] - 22)
    await repair(archive, workers)
    data = archive.read_bytes()
    container = Container.load(LocalAdapter(), str(archive))
    assert container.manifest is not None
    live = sum(header_of(data, entry.header_offset) + entry.compressed_size for entry in container.entries.values())
    assert container.manifest.dead_bytes == container.directory.directory_offset - live
    container.close()


async def test_the_first_save_without_its_manifest_becomes_a_version_of_what_is_there(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    """Cut in the middle of the only save: whole files come back, the others don't, and the report says so."""
    [first] = past.ended_by(past.ends[0])
    model = past.versions[first]
    most = 0
    archive = tmp_path / "a.jcf"
    for cut in [60, 300, *range(600, past.ends[0], 90_001), past.ends[0] - 1700, past.ends[0] - 1200]:
        archive.write_bytes(past.stages[0][:cut])
        report = await repair(archive, workers)
        if not report.repairs:
            assert [error.type for error in report.errors] == ["structure"]
            assert archive.read_bytes() == past.stages[0][:cut]
            continue
        assert not report.valid
        assert "history is lost" in report.errors[-1].message
        [(version, held)] = versions_in(archive).items()
        assert version in report.errors[-1].version
        assert held.items() <= model.items(), cut
        most = max(most, len(held))
        assert (await repair(archive, workers)).valid
    assert most >= len(model) - 2
    check_with_peers(tmp_path / "a.jcf")


async def test_a_flipped_bit_anywhere_in_a_local_header(past: Past, workers: Workers, tmp_path: Path) -> None:
    """Signature, flags, method, time, CRC-32, sizes, lengths, name, padding: the same bytes are there again."""
    data = past.path.read_bytes()
    container = Container.load(LocalAdapter(), str(past.path))
    container.close()
    archive = tmp_path / "a.jcf"
    generator = random.Random(3)
    for entry in container.entries.values():
        size = header_of(data, entry.header_offset)
        for at in {*generator.sample(range(size), 5), *generator.sample(range(30), 5), size - 1}:
            damaged = bytearray(data)
            damaged[entry.header_offset + at] ^= 1 << generator.randrange(8)
            archive.write_bytes(damaged)
            report = await repair(archive, workers)
            assert report.valid, (entry.name, at, report)
            assert len(report.repairs) == 1
            assert archive.read_bytes() == data, (entry.name, at)


async def test_a_flipped_bit_in_the_directory(past: Past, workers: Workers, tmp_path: Path) -> None:
    data = past.path.read_bytes()
    container = Container.load(LocalAdapter(), str(past.path))
    container.close()
    start, archive = container.directory.directory_offset, tmp_path / "a.jcf"
    generator = random.Random(4)
    for at in generator.sample(range(start, len(data)), 60):
        damaged = bytearray(data)
        damaged[at] ^= 1 << generator.randrange(8)
        archive.write_bytes(damaged)
        report = await repair(archive, workers)
        assert report.valid, (at - start, report)
        assert wrong_versions(past, archive, list(past.versions)) == [], (at - start, report)
        assert (await repair(archive, workers)).repairs == ()
    check_with_peers(archive)


async def test_a_damaged_manifest_gives_back_the_version_before(past: Past, workers: Workers, tmp_path: Path) -> None:
    data = past.path.read_bytes()
    container = Container.load(LocalAdapter(), str(past.path))
    container.close()
    at = container.entries["manifest.json"].header_offset + 300
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
    report = await repair(archive, workers)
    assert report.valid
    assert wrong_versions(past, archive, list(past.versions)[:-1]) == []
    assert list(past.versions)[-2][:8] in report.repairs[0]
    check_with_peers(archive)


async def test_damaged_content_is_told_and_left_as_it_is(past: Past, workers: Workers, tmp_path: Path) -> None:
    data = past.path.read_bytes()
    container = Container.load(LocalAdapter(), str(past.path))
    container.close()
    entry = container.entries["content/large noise"]
    at = entry.header_offset + header_of(data, entry.header_offset) + entry.compressed_size // 2
    damaged = bytearray(data)
    damaged[at] ^= 1
    archive = tmp_path / "a.jcf"
    archive.write_bytes(damaged)
    report = await repair(archive, workers)
    assert archive.read_bytes() == damaged
    assert (report.valid, report.repairs) == (False, ())
    [error] = report.errors
    assert (error.type, error.path, error.version) == ("content", "large noise", list(past.versions)[-1])
    assert len(error.hash) == 64
    # Other damage beside it is mended all the same.
    name = container.entries["content/twin a"].header_offset + 31
    damaged[name] ^= 1
    archive.write_bytes(damaged)
    report = await repair(archive, workers)
    assert [each.path for each in report.errors] == ["large noise"]
    assert "content/twin a" in report.repairs[0]
    damaged[name] ^= 1
    assert archive.read_bytes() == damaged
    # And a lost end too: what is damaged is missing then, in every version that needs it, and nothing else is.
    archive.write_bytes(damaged[:-30])
    report = await repair(archive, workers)
    assert {(each.type, each.path) for each in report.errors} == {("missing", "large noise")}
    for version, held in versions_in(archive).items():
        model = past.versions[version]
        lost = {path for path, content in held.items() if content is None}
        assert lost <= {"large noise"}
        assert {path: content for path, content in model.items() if path not in lost} == {
            path: content for path, content in held.items() if path not in lost
        }


async def test_a_version_that_has_lost_all_its_content_gives_way_to_the_one_before(
    past: Past, workers: Workers, tmp_path: Path
) -> None:
    """A manifest alone is no version: what it added is gone, and the version before is whole."""
    data = bytearray(past.stages[4][:-30])
    container = Container.load(LocalAdapter(), str(past.path))
    container.close()
    start, end = past.ends[3], container.entries["manifest.json"].header_offset
    data[start:end] = bytes(end - start)
    archive = tmp_path / "a.jcf"
    archive.write_bytes(data)
    report = await repair(archive, workers)
    assert [error.type for error in report.errors] == ["missing"]
    assert "save 4" in report.errors[0].message
    assert archive.read_bytes() == past.stages[3]
    assert (await repair(archive, workers)).valid
