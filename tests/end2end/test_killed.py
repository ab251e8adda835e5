"""Deaths, aborts and failures at every step of every verb that changes an archive: the old state or the new one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import random
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFManager
from kamaros_gui.archive import compacting
from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.errors import AbortError, StorageError
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.memory import MemoryAdapter
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, names, read_file, write_file
from tests.helpers.foreign import FORMS, Foreign
from tests.helpers.killing import Killer
from tests.helpers.mortal import InlineWorkers, MortalAdapter
from tests.helpers.upkeep_rounds import CONFIG, VERBS, Past, Seen, check_sound, look, make_past, restored

ABORTABLE = ["save", "mirror", "move a folder", "move with a copy", "remove", "forget", "forget one", "compact"]
WORKERS = InlineWorkers()


class Stage:
    """An archive in memory that is put back to where it began as often as it takes, and what each verb makes of it."""

    def __init__(self, archive: bytes = b"") -> None:
        self.files = MemoryAdapter()
        self.files.make_folder("/root")
        self.past: Past = asyncio.run(make_past(self.files, "/root"))
        if archive:
            self.past = dataclasses.replace(self.past, archive_bytes=archive)
        self._outcomes: dict[str, tuple[Seen, list[dict[str, Any]]]] = {}

    def manager(self, files: FileSystemAdapter | None = None) -> JCFManager:
        return JCFManager(self.past.archive, CONFIG, WORKERS, files or self.files)

    def put_back(self) -> None:
        for name in names(self.files, self.past.place):
            self.files.delete(f"{self.past.place}/{name}")
        write_file(self.files, self.past.archive, self.past.archive_bytes)

    def now(self) -> Seen:
        return look(self.files, self.past.archive)

    async def restored(self) -> list[dict[str, Any]]:
        return await restored(self.files, self.past.archive, "/out", WORKERS)

    async def outcome(self, verb: str) -> tuple[Seen, list[dict[str, Any]]]:
        """Return what the archive says after *verb*, and what its versions are restored to; of none, before it."""
        if verb not in self._outcomes:
            self.put_back()
            if verb:
                await VERBS[verb](self.manager(), self.past, None)
            await check_sound(self.files, self.past.archive, WORKERS, finished=True)
            self._outcomes[verb] = self.now(), await self.restored()
        return self._outcomes[verb]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("verb", VERBS)
async def test_death_at_every_step(stage: Stage, verb: str) -> None:
    await die_at_every_step(stage, verb)


async def test_death_at_every_step_of_a_save_that_compacts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "COMPACT_FROM", 0)
    monkeypatch.setattr(compacting, "COMPACT_SHARE", 0)
    stage.put_back()
    report = await stage.manager().save([f"{stage.past.disk}/."])
    assert report.reclaimed > 0
    await die_at_every_step(stage, "save", every=2)


@pytest.mark.parametrize("form", ["deltas", "everything"])
async def test_death_at_every_step_of_an_upgrade(tmp_path: Path, form: str) -> None:
    """Of an archive that another program made, and that can't be appended to."""
    archive = Foreign(FORMS[form]).write(tmp_path / "a.jcf").read_bytes()
    await die_at_every_step(await asyncio.to_thread(Stage, archive), "upgrade")


async def die_at_every_step(stage: Stage, verb: str, *, every: int = 1) -> None:
    """Whoever reads next sees the old state or the new one, whole; who writes next leaves nothing of it."""
    before, after = await stage.outcome(""), await stage.outcome(verb)
    finished = []
    for step in itertools.count(0, every):
        stage.put_back()
        mortal = MortalAdapter(stage.files)
        mortal.arm(step)
        with contextlib.suppress(StorageError):
            await VERBS[verb](stage.manager(mortal), stage.past, None)
        if not mortal.dead:
            break
        try:
            now = stage.now()
            assert now in {before[0], after[0]}, "neither the old state nor the new one"
            finished.append(now == after[0])
            await check_sound(stage.files, stage.past.archive, WORKERS, finished=False)
            if step % 4 == 0:
                assert await stage.restored() == (after if finished[-1] else before)[1]
            await write_next(stage, verb, step, now)
            await check_sound(stage.files, stage.past.archive, WORKERS, finished=True)
        except BaseException as error:
            error.add_note(f"death at step {step}, {mortal.steps[-1]}")
            raise
    assert len(finished) > 10
    assert finished == sorted(finished), "what was done is undone by a later death"
    assert finished[-1], "nobody ever saw it done"


async def write_next(stage: Stage, verb: str, step: int, now: Seen) -> None:
    """Let somebody write next, whatever it is, and see that every version there was is still what it was."""
    kept = [content for _, _, content in now.versions]
    if step % 3 == 0:
        await stage.manager().tag("HEAD", "afterwards")
    elif step % 3 == 1:
        manager = stage.manager()
        await manager.add_file("afterwards", b"afterwards")
        await manager.save_checkpoint("afterwards")
    elif now == (await stage.outcome(""))[0]:
        await VERBS[verb](stage.manager(), stage.past, None)  # the same again
        assert stage.now() == (await stage.outcome(verb))[0]
        return
    else:
        await stage.manager().compact()
    assert [content for _, _, content in stage.now().versions][: len(kept)] == kept


@pytest.mark.parametrize("verb", ABORTABLE)
async def test_abort_at_every_step(stage: Stage, verb: str) -> None:
    """Also between reads: the archive is byte for byte as it was, and nothing lies beside it; or it is done."""
    before, after = await stage.outcome(""), await stage.outcome(verb)
    aborted = 0
    for step in itertools.count():
        stage.put_back()
        controller, reason = AbortController(), AbortError("enough")
        files = FailingAdapter(
            stage.files, on_step=lambda number, at=step, stop=controller, why=reason: number == at and stop.abort(why)
        )
        try:
            await VERBS[verb](stage.manager(files), stage.past, controller.signal)
        except AbortError:
            aborted += 1
            assert read_file(stage.files, stage.past.archive) == stage.past.archive_bytes, files.steps[step]
        else:
            assert stage.now() == after[0]
        assert names(stage.files, stage.past.place) == ["a.jcf"], files.steps[step]
        assert files.open_files == []
        if step >= files.count:
            break
    assert aborted > 10
    assert stage.now() == after[0]
    assert before != after or verb == "compact"


@pytest.mark.parametrize("verb", VERBS)
async def test_failure_at_every_step(stage: Stage, verb: str) -> None:
    """A disk that refuses one call: byte for byte as it was, or done; what is left to do then the next writer does."""
    after = await stage.outcome(verb)
    stage.put_back()
    counting = FailingAdapter(stage.files, left_out=CLEANING_UP)
    await VERBS[verb](stage.manager(counting), stage.past, None)
    failed = 0
    for step in range(counting.count):
        if not counting.steps[step].path.startswith(stage.past.place):
            continue  # a file that can't be saved fails by itself
        stage.put_back()
        files = FailingAdapter(stage.files, step, left_out=CLEANING_UP)
        manager = stage.manager(files)
        try:
            await VERBS[verb](manager, stage.past, None)
        except StorageError:
            failed += 1
            await manager.discard()
            assert read_file(stage.files, stage.past.archive) == stage.past.archive_bytes, files.failed
            assert names(stage.files, stage.past.place) == ["a.jcf"], files.failed
        else:
            assert stage.now() == after[0], files.failed
            await check_sound(stage.files, stage.past.archive, WORKERS, finished=False)
            await stage.manager().tag("HEAD", "afterwards")
            await check_sound(stage.files, stage.past.archive, WORKERS, finished=True)
        assert files.open_files == []
    assert failed > 10


# ------------------------------------------------------------------------------- real processes, a real disk


KILLED = ["save", "checkpoint", "move a folder", "move with a copy", "forget", "compact"]


class Ground:
    """An archive on the real disk, what it says before and after each verb, and a process to kill."""

    def __init__(self, root: Path, killer: Killer, *, scale: int) -> None:
        self.files = LocalAdapter()
        self.killer = killer
        self.past = asyncio.run(make_past(self.files, str(root), scale=scale))
        self.before = self.now()
        self._root = root
        self._outcomes: dict[str, tuple[Seen, int, float]] = {}

    def put_back(self) -> None:
        for name in names(self.files, self.past.place):
            self.files.delete(f"{self.past.place}/{name}")
        Path(self.past.archive).write_bytes(self.past.archive_bytes)

    def now(self) -> Seen:
        return look(self.files, self.past.archive)

    def outcome(self, verb: str) -> tuple[Seen, int, float]:
        """Return what the archive says after *verb*, how many changes to the disk that takes, and how many seconds."""
        if verb not in self._outcomes:
            self.put_back()
            started = time.monotonic()
            killed, steps = self.killer.run(verb, self.past)
            assert not killed
            self._outcomes[verb] = self.now(), steps, time.monotonic() - started
        return self._outcomes[verb]

    async def check_killed(self, verb: str) -> None:
        """Check what a killed process has left, and that the next writer clears it up."""
        now = self.now()
        after = self._outcomes[verb][0]
        assert now in {self.before, after}, "neither the old state nor the new one"
        await check_sound(self.files, self.past.archive, WORKERS, finished=False)
        kept = [content for _, _, content in now.versions]
        manager = JCFManager(self.past.archive, CONFIG, WORKERS, self.files)
        if now == self.before:
            await VERBS[verb](manager, self.past, None)  # the same again
            assert self.now() == after
        else:
            await manager.add_file("afterwards", b"afterwards")
            await manager.save_checkpoint()
            assert [content for _, _, content in self.now().versions][: len(kept)] == kept
        await check_sound(self.files, self.past.archive, WORKERS, finished=True)
        with zipfile.ZipFile(self.past.archive) as another_reader:
            assert another_reader.testzip() is None


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as killer:
        yield killer


@pytest.fixture(scope="module")
def ground(killer: Killer, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"), killer, scale=1)


@pytest.fixture(scope="module")
def large_ground(killer: Killer, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("large"), killer, scale=200)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("verb", KILLED)
def test_killed_in_the_middle_of_a_step(ground: Ground, verb: str, every: int) -> None:
    _, steps, _ = ground.outcome(verb)
    # The last steps, where it is committed and the headers of old entries are rewritten, are all tried.
    for step in sorted({*range(0, steps, every), *range(max(0, steps - 8), steps)}):
        ground.put_back()
        killed, _ = ground.killer.run(verb, ground.past, step=step)
        assert killed
        asyncio.run(ground.check_killed(verb))


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("verb", ["save", "forget", "compact"])
def test_killed_at_any_moment(large_ground: Ground, verb: str, kills: int) -> None:
    """Several megabytes, and a kill from outside that knows nothing of steps."""
    _, _, seconds = large_ground.outcome(verb)
    moments = random.Random(verb)
    done = 0
    for _ in range(kills):
        large_ground.put_back()
        killed, _ = large_ground.killer.run(verb, large_ground.past, seconds=moments.uniform(0.001, seconds))
        done += killed
        asyncio.run(large_ground.check_killed(verb))
    assert done
