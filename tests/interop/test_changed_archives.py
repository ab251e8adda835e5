"""Archives with a long life of moves, removals and compactions are clean for other programs at every stage."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kamaros_gui import JCFConfig, JCFManager
from tests.helpers.archives import content_of
from tests.helpers.trees import noise, text, write

pytestmark = pytest.mark.interop

CHECKS = {
    "unzip": ["unzip", "-tq"],
    "7zz": ["7zz", "t", "-bso0", "-bsp0"],
    "bsdtar": ["bsdtar", "-tf"],
    "zipfile": [sys.executable, "-m", "zipfile", "-t"],
    "zipdetails": ["zipdetails"],
}

WITHOUT_DEAD_BYTES = {"first", "compacted", "one_left", "nothing_left"}

LONG = "a name that no header has room for " * 6


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """What is done to the archive, after all stages before it."""

    name: str
    work: Callable[[JCFManager, Path], Awaitable[object]]


async def first(manager: JCFManager, tree: Path) -> None:
    for number in range(30):
        write(tree / "many" / f"{number}", text(number * 300, number))
    write(tree / "large text", text(1_500_000, 1))
    write(tree / "large noise", noise(1_200_000, 2), mode=0o755)
    write(tree / "empty")
    write(tree / "zażółć gęślą – 日本語" / "ⓕile", b"not ascii")
    write(os.fsencode(tree) + b"/not utf-8 \xff/file \xfe", b"not unicode")
    os.symlink("many/1", tree / "link")
    await manager.save([f"{tree}/."], mirror=True)


async def changed(manager: JCFManager, tree: Path) -> None:
    for number in range(10):
        write(tree / "many" / f"{number}", noise(5000, number + 100))
    os.rename(tree / "large text", tree / "renamed large text")
    os.rename(tree / "many" / "20", tree / "twenty")
    (tree / "large noise").unlink()
    await manager.save([f"{tree}/."], mirror=True)


async def moved(manager: JCFManager, tree: Path) -> None:
    await manager.move("many", "folder/of many")
    await manager.move("zażółć gęślą – 日本語", "plain")
    await manager.move("twenty", "zwanzig – dwadzieścia – 二十")
    await manager.move("link", "folder/link")


async def without_room(manager: JCFManager, tree: Path) -> None:
    await manager.move("renamed large text", LONG + "text")
    await manager.move("folder", LONG + "folder")


async def swapped(manager: JCFManager, tree: Path) -> None:
    folder = next_folder(await names_of(manager))
    for old, new in ((f"{folder}/1", "t"), (f"{folder}/2", f"{folder}/1"), ("t", f"{folder}/2")):
        await manager.move_file(old, new)
    await manager.remove_file("empty")
    await manager.add_file("empty", b"no more")
    await manager.save_checkpoint("swapped")


async def removed(manager: JCFManager, tree: Path) -> None:
    await manager.remove([next_folder(await names_of(manager)), "plain"])


async def returned(manager: JCFManager, tree: Path) -> None:
    await manager.add_file("back/noise", noise(1_200_000, 2), mode=0o755)
    for number in range(10, 30):
        await manager.add_file(f"back/{number}", text(number * 300, number))
    await manager.save_checkpoint("taken back")


async def forgotten(manager: JCFManager, tree: Path) -> None:
    await manager.tag("HEAD~2", "kept")
    await manager.forget(keep_last=4)


async def other_codec(manager: JCFManager, tree: Path) -> None:
    async with await JCFManager.open(manager.path, JCFConfig(codec="store")) as storing:
        await storing.add_file("stored", text(200_000, 7))
        await storing.move_file("back", "back again")
        await storing.save_checkpoint()


async def compacted(manager: JCFManager, tree: Path) -> None:
    await manager.compact()


async def after_compaction(manager: JCFManager, tree: Path) -> None:
    await manager.move("back again", "b")
    await manager.remove(["b/12"])
    await manager.add_file("b/12", text(5000, 12))
    await manager.save_checkpoint()


async def one_left(manager: JCFManager, tree: Path) -> None:
    await manager.forget(keep_last=1, tagged=True)
    await manager.compact()


async def nothing_left(manager: JCFManager, tree: Path) -> None:
    await manager.remove({path.partition("/")[0] for path in await names_of(manager)})
    await manager.forget(keep_last=1)
    await manager.compact()


STAGES = [
    Stage(work.__name__, work)
    for work in (
        first,
        changed,
        moved,
        without_room,
        swapped,
        removed,
        returned,
        forgotten,
        other_codec,
        compacted,
        after_compaction,
        one_left,
        nothing_left,
    )
]


async def names_of(manager: JCFManager) -> list[str]:
    return [entry.path for entry in (await manager.list_files()).entries]


def next_folder(paths: list[str]) -> str:
    """Return the folder the many files are in now."""
    return next(path for path in paths if path.endswith("/25")).removesuffix("/25")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stage → the archive as it was after it."""
    place = tmp_path_factory.mktemp("life")
    copies: dict[str, Path] = {}

    async def live() -> None:
        async with await JCFManager.open(place / "a.jcf", JCFConfig(), create=True) as manager:
            for number, stage in enumerate(STAGES):
                await stage.work(manager, place / "tree")
                report = await manager.verify()
                assert report.valid, (stage.name, report.errors)
                copies[stage.name] = place / f"{number} {stage.name}.jcf"
                shutil.copyfile(place / "a.jcf", copies[stage.name])

    asyncio.run(live())
    return copies


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
@pytest.mark.parametrize("tool", CHECKS)
def test_other_programs_find_no_fault(life: dict[str, Path], stage: str, tool: str) -> None:
    if tool != "zipfile" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run(
        [*CHECKS[tool], life[stage]], capture_output=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr)
    assert done.stderr == b""
    if tool == "zipdetails":
        # It dumps fields and names; what it has to say itself begins with a star.
        remarks = [line for line in done.stdout.splitlines() if line.startswith(b"* ")]
        assert all(b"Expected Zip header not found" in line for line in remarks), "nothing but dead bytes"
        assert not remarks or stage not in WITHOUT_DEAD_BYTES
    elif tool != "bsdtar":
        told = done.stdout.lower()
        assert b"warning" not in told
        assert b"error" not in told.replace(b"no errors detected", b"")


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
async def test_zipfile_sees_what_the_listing_says(life: dict[str, Path], stage: str) -> None:
    async with await JCFManager.open(life[stage], JCFConfig()) as manager:
        listed = {
            f"content/{entry.path}" + ("/" if entry.type == "directory" else ""): entry
            for entry in (await manager.list_files()).entries
        }
        with zipfile.ZipFile(life[stage]) as container:
            held = {info.filename: info for info in container.infolist() if info.filename.startswith("content/")}
            assert held.keys() == listed.keys()
            for name, entry in listed.items():
                assert held[name].file_size == entry.size
                assert held[name].external_attr >> 16 & 0o7777 == entry.mode
                if entry.type == "file":
                    assert container.read(name) == await content_of(manager, entry.path)
            assert container.namelist()[-1] == "manifest.json"
            assert container.infolist()[0].filename == "mimetype"
            assert container.infolist()[0].header_offset == 0
            assert container.comment == b""
            assert len(container.namelist()) == len(set(container.namelist()))


@pytest.mark.parametrize("tool", ["unzip", "bsdtar"])
async def test_another_program_takes_the_moved_files_out(life: dict[str, Path], tmp_path: Path, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    archive = life["after_compaction"]
    commands = {"unzip": ["unzip", "-q", archive, "-d", tmp_path], "bsdtar": ["bsdtar", "-xf", archive, "-C", tmp_path]}
    utf8 = os.environ | {"LC_ALL": "C.UTF-8"}
    done = await asyncio.to_thread(subprocess.run, commands[tool], capture_output=True, check=False, env=utf8)
    assert (done.returncode, done.stderr) == (0, b"")
    async with await JCFManager.open(archive, JCFConfig()) as manager:
        for entry in (await manager.list_files()).entries:
            taken = tmp_path / "content" / entry.path
            if entry.type == "file":
                assert taken.read_bytes() == await content_of(manager, entry.path)
                assert taken.stat().st_mode & 0o777 == entry.mode & 0o777
            elif entry.type == "symlink":
                assert os.readlink(taken).encode() == await content_of(manager, entry.path)
