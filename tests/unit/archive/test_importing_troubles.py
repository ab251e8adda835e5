"""Imports that are stopped, or fail, at each of their steps: all of it comes, or nothing does."""

from __future__ import annotations

import asyncio
import contextlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, JCFConfig, JCFManager, MemoryAdapter
from kamaros_gui.archive.container import Container
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import AbortError, KamarosError, StorageError
from kamaros_gui.base.progress import ProgressCounters
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, names, read_file, write_file
from tests.helpers.archives import content_of
from tests.helpers.foreign import FORMS, Foreign
from tests.helpers.mortal import InlineWorkers, MortalAdapter
from tests.helpers.streams import assert_no_tasks
from tests.helpers.trees import noise, text

CONFIG = JCFConfig(level=1, workers=1, chunk_size=65536)
KINDS = ("zip", "zip, existing", "history", "foreign history", "version", "folders", "folders, existing")
PLACE = "/place"
ARCHIVE = "/place/a.jcf"
SOURCES = {
    "zip": "/in.zip",
    "history": "/own.jcf",
    "foreign history": "/other.jcf",
    "version": "/own.jcf",
    "folders": "/in",
}


def put_bytes(files: FileSystemAdapter, path: str, content: bytes) -> None:
    files.delete_tree(path)
    write_file(files, path, content)


@pytest.fixture
async def files(tmp_path: Path) -> MemoryAdapter:
    """A place with one source of every kind, and in /place an archive to import into; see :func:`prepare`."""
    place = MemoryAdapter()
    place.make_folder(PLACE)
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("small", text(3000))
        container.writestr("folder/one", b"in the place of another")
        container.writestr("large", noise(1_100_000))
        container.writestr("kept", b"")
    write_file(place, "/in.zip", (tmp_path / "in.zip").read_bytes())
    write_file(place, "/other.jcf", Foreign(FORMS["deltas"]).write(tmp_path / "other.jcf").read_bytes())
    for number, contents in enumerate(
        (
            {"a": text(3000, 1), "b": noise(1_100_000, 1)},
            {"a": text(3000, 2), "c": noise(1_100_000, 1)},
            {"a": b"third"},
        )
    ):
        place.make_folder("/in") if number == 0 else None
        place.make_folder(f"/in/v{number}")
        for name, content in contents.items():
            write_file(place, f"/in/v{number}/{name}", content)
    for archive in ("/own.jcf", ARCHIVE):
        async with await JCFManager.open(archive, CONFIG, create=True, files=place) as manager:
            for number in (1, 2, 3):
                await manager.add_file("changed", text(5000, number), modified=number)
                await manager.add_file("kept", b"kept", modified=1)
                await manager.add_file("folder/one", b"one", modified=1)
                await manager.save_checkpoint(str(number))
    return place


def prepare(files: MemoryAdapter, kind: str, before: bytes) -> None:
    """Let the archive be there, or not, as *kind* has it."""
    for name in names(files, PLACE):
        files.delete(f"{PLACE}/{name}")
    if kind.endswith("existing") or kind == "version":
        put_bytes(files, ARCHIVE, before)


async def run(
    files: FileSystemAdapter,
    kind: str,
    workers: Workers,
    signal: AbortSignal | None = None,
    control: RunControl | None = None,
) -> SaveReport:
    version = "HEAD~1" if kind == "version" else None
    source = SOURCES[kind.removesuffix(", existing")]
    manager = JCFManager(ARCHIVE, CONFIG, workers, files)
    return await manager.import_from(source, version=version, signal=signal, control=control)


def nothing_happened(files: MemoryAdapter, kind: str, before: bytes) -> bool:
    if kind.endswith("existing") or kind == "version":
        return names(files, PLACE) == ["a.jcf"] and read_file(files, ARCHIVE) == before
    return names(files, PLACE) == []


async def check_done(files: MemoryAdapter, kind: str) -> None:
    """The import is complete, and the archive is as it must be."""
    assert names(files, PLACE) == ["a.jcf"]
    async with await JCFManager.open(ARCHIVE, CONFIG, files=files) as manager:
        checked = await manager.verify()
        assert (checked.errors, checked.warnings) == ((), ())
        messages = [each.message for each in await manager.history()]
        added = {
            "zip": ["Import in.zip"],
            "history": ["3", "2", "1"],
            "foreign history": ["fourth", "third", "second – with “marks”", "first"],
            "version": ["Import own.jcf"],
            "folders": ["v2", "v1", "v0"],
        }[kind.removesuffix(", existing")]
        assert messages == added + ["3", "2", "1"] * (kind.endswith("existing") or kind == "version")
        if kind.startswith("zip"):
            assert await content_of(manager, "large") == noise(1_100_000)
        if kind.startswith("folders"):
            assert await content_of(manager, "a", "HEAD~1") == text(3000, 2)
            assert await content_of(manager, "c", "HEAD~1") == noise(1_100_000, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_abort_at_any_step_leaves_no_trace(files: MemoryAdapter, kind: str) -> None:
    before, sources = read_file(files, ARCHIVE), {path: read_file(files, path) for path in ("/in.zip", "/own.jcf")}
    prepare(files, kind, before)
    counting = FailingAdapter(files)
    await run(counting, kind, InlineWorkers())
    await check_done(files, kind)
    aborted = 0
    for number in range(counting.count):
        prepare(files, kind, before)
        controller, reason = AbortController(), AbortError(f"at {number}")
        failing = FailingAdapter(
            files, on_step=lambda at, n=number, c=controller, r=reason: c.abort(r) if at == n else None
        )
        try:
            await run(failing, kind, InlineWorkers(), controller.signal)
        except AbortError as error:
            caught: AbortError | None = error
        else:
            caught = None
        assert caught in {None, reason}, counting.steps[number]
        if caught is None:
            await check_done(files, kind)
        else:
            assert nothing_happened(files, kind, before), (number, counting.steps[number])
            aborted += 1
        assert failing.open_files == []
        assert_no_tasks()
    assert aborted > counting.count // 2
    assert {path: read_file(files, path) for path in sources} == sources


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_at_any_step_leaves_no_trace(files: MemoryAdapter, kind: str) -> None:
    before = read_file(files, ARCHIVE)
    prepare(files, kind, before)
    counting = FailingAdapter(files, left_out=CLEANING_UP)
    await run(counting, kind, InlineWorkers())
    failed = 0
    for number in range(counting.count):
        prepare(files, kind, before)
        failing = FailingAdapter(files, number, left_out=CLEANING_UP)
        report, said, step = None, "", counting.steps[number]
        try:
            report = await run(failing, kind, InlineWorkers())
        except KamarosError as error:
            said = str(error)
        if report is None:
            assert f"Step {number}" in said, step
            assert nothing_happened(files, kind, before), (number, step, names(files, PLACE))
            failed += 1
        elif report.issues:  # a file of the source that can't be read
            assert f"Step {number}" in report.issues[0].reason
            assert not step.path.startswith(PLACE), step
            assert names(files, PLACE) == ["a.jcf"]
        elif names(files, PLACE) == ["a.jcf"]:
            await check_done(files, kind)
        else:  # old headers can't be rewritten after the commit: the next writer does it
            assert names(files, PLACE) == ["a.jcf", "a.jcf.journal"], step
        assert failing.open_files == []
    assert failed > counting.count // 3


@pytest.mark.parametrize("kind", KINDS)
async def test_death_at_any_change_leaves_the_old_state_or_the_new(files: MemoryAdapter, kind: str) -> None:
    before = read_file(files, ARCHIVE)
    prepare(files, kind, before)
    counting = MortalAdapter(files)
    await run(counting, kind, InlineWorkers())
    for number in range(len(counting.steps)):
        prepare(files, kind, before)
        mortal = MortalAdapter(files)
        mortal.arm(number)
        with contextlib.suppress(KamarosError):
            await run(mortal, kind, InlineWorkers())
        if not mortal.dead:
            await check_done(files, kind)
            continue
        if files.exists(ARCHIVE):
            async with await JCFManager.open(ARCHIVE, CONFIG, files=files) as manager:
                assert (await manager.verify()).valid, counting.steps[number]
        if files.exists(ARCHIVE) and read_is_done(files, kind):
            async with await JCFManager.open(ARCHIVE, CONFIG, files=files) as manager:
                await manager.tag("HEAD", "after it")  # the next writer removes what is left
        else:
            await run(files, kind, InlineWorkers())
        await check_done(files, kind)


def read_is_done(files: MemoryAdapter, kind: str) -> bool:
    """Whether the archive has the import already; another one would make versions beside it."""
    container = Container.load(files, ARCHIVE)
    try:
        manifest = container.manifest
        assert manifest is not None
        return len(manifest.versions) != (3 if kind.endswith("existing") or kind == "version" else 0)
    finally:
        container.close()


async def test_a_failing_third_version_takes_the_others_along(files: MemoryAdapter) -> None:
    """Content of a file in the third sub-folder is an issue; where the archive can't be written, nothing is left."""
    before = read_file(files, ARCHIVE)
    for kind in ("folders", "folders, existing"):
        prepare(files, kind, before)
        counting = FailingAdapter(files)
        await run(counting, kind, InlineWorkers())
        third = next(number for number, step in enumerate(counting.steps) if step == ("read_whole", "/in/v2/./a"))
        write = next(n for n, step in enumerate(counting.steps) if n > third and step.name == "file.write")
        prepare(files, kind, before)
        with pytest.raises(StorageError):
            await run(FailingAdapter(files, write), kind, InlineWorkers())
        assert nothing_happened(files, kind, before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["abort", "cancel"])
async def test_stopped_on_the_loop_with_threads(files: MemoryAdapter, kind: str, how: str) -> None:
    before = read_file(files, ARCHIVE)
    prepare(files, kind, before)
    counting = FailingAdapter(files)
    workers = Workers(2)
    try:
        await run(counting, kind, workers)
        loop = asyncio.get_running_loop()
        for number in range(0, counting.count, max(1, counting.count // 12)):
            prepare(files, kind, before)
            controller = AbortController()
            task: asyncio.Future[Any]

            def stop(at: int, number: int = number, controller: AbortController = controller) -> None:
                if at == number:
                    loop.call_soon_threadsafe(controller.abort if how == "abort" else task.cancel)  # noqa: B023

            failing = FailingAdapter(files, on_step=stop)
            task = asyncio.ensure_future(run(failing, kind, workers, controller.signal))
            await asyncio.wait([task])
            if task.cancelled() or task.exception() is not None:
                too_late = task.cancelled() and names(files, PLACE) == ["a.jcf"] and read_file(files, ARCHIVE) != before
                if too_late:
                    await check_done(files, kind)  # a task that is cancelled after its commit ends cancelled
                else:
                    assert nothing_happened(files, kind, before), (number, counting.steps[number])
            else:
                await check_done(files, kind)
            assert failing.open_files == []
            assert_no_tasks()
    finally:
        await asyncio.to_thread(workers.close)


class Watched(ProgressCounters):
    """Notes its share, per mille, and what it is of, whenever a phase begins or bytes are counted."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None]] = []
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in {"bytes_done", "bytes_total"} and getattr(self, "bytes_total", None):
            self.seen.append((self.bytes_done, self.bytes_total))


@pytest.mark.parametrize(("kind", "damaged"), [*((kind, False) for kind in KINDS), ("zip", True)])
async def test_progress_only_rises_and_ends_at_all(files: MemoryAdapter, kind: str, damaged: bool) -> None:
    prepare(files, kind, read_file(files, ARCHIVE))
    if damaged:
        data = bytearray(read_file(files, "/in.zip"))
        data[len(data) // 2] ^= 0xFF
        put_bytes(files, "/in.zip", bytes(data))
    progress = Watched()
    control = RunControl(progress=progress)
    workers = Workers(2)
    try:
        report = await run(files, kind, workers, control=control)
    finally:
        await asyncio.to_thread(workers.close)
    assert bool(report.issues) == damaged
    shares = [min(1000, done * 1000 // (total or 1)) for done, total in progress.seen]
    assert shares == sorted(shares)
    assert progress.seen[-1][0] == progress.seen[-1][1]
    assert shares[-1] == 1000
    assert len({total for _, total in progress.seen}) == 1
    if "history" not in kind:
        assert progress.files_done == progress.files_total
