"""Rounds of trouble: a save, a few added files or a restore, stopped at some step, and what must be true afterwards.

Each round runs one operation of a real manager on a real place, and lets something happen at one step of it: an abort,
a cancelled task, a failing call, a full volume, the death of the process. Then it looks at everything: tasks, open
files, stray files, the archive's bytes and times, and that the next save works.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import gc
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.base.abort import AbortController
from kamaros_gui.base.errors import AbortError, DiskFullError, KamarosError, NotFoundError, StorageError
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import CLEANING_UP, FailingAdapter, names, read_file, write_file
from tests.helpers.streams import assert_no_tasks
from tests.helpers.trees import noise, text

__all__ = ["OPERATIONS", "TROUBLES", "Course", "Figures"]

OPERATIONS = ("save", "first save", "add", "restore")
TROUBLES = (
    "abort in a thread",
    "abort on the loop",
    "abort at a hand-over",
    "cancel",
    "failure",
    "full volume",
    "death",
)

MIB = 1 << 20
ADDED = {
    "added/small": text(30_000, 31),
    "added/large": text(1_300_000, 32),
    "added/blocking": noise(70_000, 33),
}


@dataclasses.dataclass(slots=True)
class Figures:
    """What came of the rounds.

    Attributes:
        rounds: how many there were.
        outcomes: (operation, trouble, what came of it) → how often.
    """

    rounds: int = 0
    outcomes: collections.Counter[tuple[str, str, str]] = dataclasses.field(default_factory=collections.Counter)

    def count(self, outcome: str) -> int:
        """How many rounds had *outcome*."""
        return sum(count for (_, _, each), count in self.outcomes.items() if each == outcome)


class Trouble:
    """What happens at one step, and whether it did."""

    def __init__(self, kind: str, step: int) -> None:
        self.kind = kind
        self.step = step
        self.controller = AbortController()
        self.reason = AbortError(f"trouble at step {step}")
        self.error: KamarosError = (
            DiskFullError(f"trouble at step {step}", missing=1)
            if kind == "full volume"
            else StorageError(f"trouble at step {step}")
        )
        self.task: asyncio.Task[Any] | None = None
        self.loop = asyncio.get_running_loop()
        self.adapter: FailingAdapter | None = None

    def files(self, inner: FileSystemAdapter) -> FailingAdapter:
        """Return *inner* with the trouble in it."""
        fails = self.kind in {"failure", "full volume"}
        self.adapter = FailingAdapter(
            inner,
            self.step if fails else -1,
            self.error,
            counted={"file.write", "new.append", "file.truncate"} if self.kind == "full volume" else None,
            left_out=CLEANING_UP if fails else (),
            on_step=None if fails or self.kind == "abort at a hand-over" else self._on_step,
        )
        return self.adapter

    def steps(self) -> int:
        """Count what happened so far, in the unit of :attr:`step`."""
        assert self.adapter is not None
        return self.adapter.count

    @property
    def place(self) -> object:
        """The call it happened at, where that is known."""
        steps = self.adapter.steps if self.adapter is not None and self.kind != "abort at a hand-over" else []
        return steps[self.step] if self.step < len(steps) else None

    def _on_step(self, number: int) -> None:
        if number != self.step:
            return
        if self.kind == "death":
            assert self.adapter is not None
            self.adapter.die()
            raise StorageError("dead")
        if self.kind == "abort in a thread":
            self.controller.abort(self.reason)
        elif self.kind == "abort on the loop":
            self.loop.call_soon_threadsafe(self.controller.abort, self.reason)
        elif self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)

    def is_mine(self, error: BaseException) -> bool:
        """Whether *error* comes from here."""
        if self.kind == "cancel":
            return isinstance(error, asyncio.CancelledError)
        if self.kind == "death":
            return isinstance(error, KamarosError)  # whatever it gets whose files are closed under its hands
        if self.kind == "full volume":
            return isinstance(error, DiskFullError)  # with another text: it says how much is missing for all
        if self.kind == "failure":
            return isinstance(error, KamarosError) and str(self.error) in str(error)
        return error is self.reason


class CountingWorkers(Workers):
    """Real threads that count what is handed to them, and have something done before one of the calls."""

    def __init__(self, count: int, at: int = -1, act: Callable[[], None] = lambda: None) -> None:
        super().__init__(count)
        self.handed_over = 0
        self._at = at
        self._act = act

    def compute(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        self._note()
        return super().compute(function, *arguments)

    def io(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        self._note()
        return super().io(function, *arguments)

    def _note(self) -> None:
        if self.handed_over == self._at:
            self._act()
        self.handed_over += 1


class Course:
    """Rounds on one place, one after the other; every one of them begins with the same state.

    Args:
        files: a place.
        root: an empty folder there.
        seed: of the random choices.
        config: of the managers.
    """

    def __init__(self, files: FileSystemAdapter, root: str, seed: str, config: JCFConfig | None = None) -> None:
        self.figures = Figures()
        self._files = files
        self._root = root
        self._choose = random.Random(seed)
        self._config = config or JCFConfig(level=1, workers=2)
        self._folder = os.path.join(root, "archives")
        self._archive = os.path.join(self._folder, "a.jcf")
        self._new = os.path.join(self._folder, "new.jcf")
        self._source = os.path.join(root, "source")
        self._target = os.path.join(root, "target")
        self._base = b""
        self._finished = False
        self._steps: dict[tuple[str, str], int] = {}

    async def prepare(self) -> None:
        """Make sources and the archive every round begins with, and count the steps of each operation."""
        files, source = self._files, self._source
        for folder in (self._folder, source, os.path.join(source, "d")):
            files.make_folder(folder)
        for number in range(30):
            write_file(files, os.path.join(source, "d", f"small {number}"), text(1500 + number, number))
        write_file(files, os.path.join(source, "noise"), noise(1_200_000, 41))
        write_file(files, os.path.join(source, "text"), text(1_400_000, 42))
        first = os.path.join(self._root, "first")
        files.make_folder(first)
        for name, content in {"kept": b"kept", "left": text(5000, 43), "large": text(1_250_000, 44)}.items():
            write_file(files, os.path.join(first, name), content)
        async with await JCFManager.open(self._archive, self._config, create=True, files=files) as manager:
            await manager.save([first], message="first")
            write_file(files, os.path.join(first, "second"), noise(9000, 45))
            await manager.save([first], message="second")
        self._base = read_file(files, self._archive)
        for operation in OPERATIONS:
            for kind in TROUBLES:
                trouble = Trouble(kind, -1)
                handed_over, error = await self._attempt(operation, trouble, close=True)
                assert error is None, (operation, kind, error)
                self._steps[operation, kind] = handed_over if kind == "abort at a hand-over" else trouble.steps()
                self._reset()

    async def run(self, rounds: int) -> Figures:
        """Run *rounds* rounds; raises AssertionError with everything about the first one that is not as it must be."""
        fds = _open_descriptors()
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        for number in range(rounds):
            operation, kind = self._choose.choice(OPERATIONS), self._choose.choice(TROUBLES)
            step = self._choose.randrange(self._steps[operation, kind])
            trouble = Trouble(kind, step)
            try:
                await self._round(operation, trouble)
                assert _open_descriptors() <= fds, f"{_open_descriptors() - fds} descriptors more"
                if number % 10 == 9 or number == rounds - 1:
                    gc.collect()  # only then asyncio knows of errors nobody has looked at
                assert not complaints, f"in this round or one of the ten before: {complaints}"
            except BaseException as error:
                error.add_note(f"{operation}, {kind} at step {step} of {self._steps[operation, kind]}: {trouble.place}")
                raise
            self.figures.rounds += 1
        return self.figures

    # ------------------------------------------------------------------------------------------- one round

    async def _round(self, operation: str, trouble: Trouble) -> None:
        before = self._files.stat(self._archive)
        self._finished = False
        _, error = await self._attempt(operation, trouble, close=trouble.kind != "death")
        if error is not None and not trouble.is_mine(error):
            raise AssertionError(f"another error than the trouble's: {error!r}") from error
        if trouble.kind == "death":
            await self._check_after_death(operation)
            outcome = "died"
        else:
            unchanged = read_file(self._files, self._archive) == self._base
            strays = set(names(self._files, self._folder)) - {"a.jcf", "new.jcf"}
            if error is None and strays == {"a.jcf.journal"} and trouble.kind in {"failure", "full volume"}:
                outcome = "committed, left to finish"  # old headers can't be rewritten: the next writer does it
            elif strays:
                raise AssertionError(f"stray files: {strays}")
            elif error is None:
                outcome = "went through"
            elif self._finished:
                outcome = "done at the second attempt"
            elif unchanged and not self._files.exists(self._new):
                after = self._files.stat(self._archive)
                assert (after.mtime_ns, after.inode) == (before.mtime_ns, before.inode), "the archive was touched"
                outcome = self._look_at_target(trouble, error)
            else:
                # A task that is cancelled after its commit ends cancelled; nothing can take the commit back.
                assert isinstance(error, asyncio.CancelledError), f"the archive has changed, although: {error!r}"
                assert operation != "restore", "a restore has changed the archive"
                outcome = "too late"
        await self._check_next_save(operation)
        self._reset()
        assert_no_tasks()
        self.figures.outcomes[operation, trouble.kind, outcome] += 1

    def _look_at_target(self, trouble: Trouble, error: BaseException) -> str:
        if not self._files.exists(self._target):
            return "without a trace"
        # Giving the final names is the end of a restore: from there on nothing is undone, and an abort comes too late.
        assert trouble.adapter is not None
        place = trouble.adapter.failed
        named = [step.name for step in trouble.adapter.steps if step != place]
        assert "rename" in named, "the target of the restore is left"
        assert isinstance(error, asyncio.CancelledError) or place is not None, (
            f"the target is left, although: {error!r}"
        )
        assert set(names(self._files, self._target)) <= {"first"}, names(self._files, self._target)
        return "too late"

    async def _attempt(self, operation: str, trouble: Trouble, *, close: bool) -> tuple[int, BaseException | None]:
        """Run *operation* with *trouble*; return how many calls threads got, and the error."""
        files = trouble.files(self._files)
        at_hand_over = trouble.kind == "abort at a hand-over"
        workers = CountingWorkers(
            2, trouble.step if at_hand_over else -1, lambda: trouble.controller.abort(trouble.reason)
        )
        path = self._new if operation == "first save" else self._archive
        manager = JCFManager(path, self._config, workers, files)
        trouble.task = task = asyncio.ensure_future(self._operate(operation, manager, trouble))
        ended, _ = await asyncio.wait([task], timeout=60)
        assert ended, f"it hangs: {asyncio.all_tasks()}"
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        assert isinstance(error, Exception | asyncio.CancelledError | None)
        trouble.task = None
        try:
            if close and operation == "add":
                await self._end_adding(manager, error)
            assert_no_tasks()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, workers.close)
        if trouble.kind == "death":
            files.die()  # also what was just being opened
        if close:
            assert files.open_files == [], f"open: {files.open_files}"
        return workers.handed_over, error

    async def _operate(self, operation: str, manager: JCFManager, trouble: Trouble) -> None:
        signal = trouble.controller.signal
        if operation == "restore":
            report = await manager.restore_version("HEAD", self._target, signal=signal)
            assert not report.failed or trouble.kind == "death" or str(trouble.error) in report.issues[0].reason, (
                report.issues
            )
        elif operation == "add":
            for path, content in self._contents():
                await manager.add_file(path, content, signal=signal)
            await manager.remove_file("first/left")
            await manager.save_checkpoint("added", signal=signal)
        else:
            saved = await manager.save([f"{self._source}/."], into="saved", signal=signal)
            assert not saved.failed or trouble.kind == "death" or str(trouble.error) in saved.issues[0].reason, (
                saved.issues
            )

    def _contents(self) -> Iterator[tuple[str, Any]]:
        yield "added/small", ADDED["added/small"]
        yield "added/large", _slowly(ADDED["added/large"])
        yield "added/blocking", iter([ADDED["added/blocking"][:1000], ADDED["added/blocking"][1000:]])
        yield "added/file", os.path.join(self._source, "noise")
        yield "added/small file", os.path.join(self._source, "d", "small 1")

    async def _end_adding(self, manager: JCFManager, error: BaseException | None) -> None:
        """Close the manager; where it has failed, perhaps do first what was not done: nothing may be in the way."""
        if error is not None and not isinstance(error, asyncio.CancelledError) and self._choose.random() < 0.5:
            async with _Closing(JCFManager(self._archive, self._config, None, self._files)) as reader:
                assert [each.message for each in await reader.history()] == ["second", "first"], "seen by others"
            for path, content in self._contents():
                await manager.add_file(path, content)
            with contextlib.suppress(NotFoundError):  # the operation may have done it before its trouble
                await manager.remove_file("first/left")
            await manager.save_checkpoint("at last")
            await self._check_added(manager)
            assert (await manager.verify()).valid
            self._finished = True
        await manager.discard()

    async def _check_added(self, manager: JCFManager) -> None:
        for path, content in ADDED.items():
            got = b"".join([bytes(chunk) async for chunk in await manager.open_file(path)])
            assert got == content, f"{path} is not what was added"
        listed = {each.path for each in (await manager.list_files()).entries}
        assert {"added/file", "added/small file", *ADDED} < listed
        assert "first/left" not in listed

    async def _check_after_death(self, operation: str) -> None:
        """Whoever reads sees a complete state; the next writer removes what is left (see the next save)."""
        async with _Closing(JCFManager(self._archive, self._config, None, self._files)) as reader:
            report = await reader.verify()
            assert report.valid, report.errors
            messages = [each.message for each in await reader.history()]
            assert messages[-2:] == ["second", "first"]
            assert len(messages) <= 3
        if operation == "restore":
            async with _Closing(JCFManager(self._archive, self._config, None, self._files)) as again:
                done = await again.restore_version("HEAD", self._target, on_conflict="overwrite")
                assert not done.failed, done.issues
            assert names(self._files, self._target) == ["first"]

    async def _check_next_save(self, operation: str) -> None:
        path = self._new if operation == "first save" else self._archive
        async with await JCFManager.open(path, self._config, create=True, files=self._files) as manager:
            report = await manager.save([os.path.join(self._source, "d", "small 7")], into="next")
            assert report.created
            assert report.failed == 0
            verified = await manager.verify()
            assert verified.valid, verified.errors
        strays = set(names(self._files, self._folder)) - {"a.jcf", "new.jcf"}
        assert not strays, f"stray files after the next save: {strays}"

    def _reset(self) -> None:
        file = self._files.open(self._archive, "r+")
        try:
            file.truncate(0)
            file.write(0, [self._base])
        finally:
            file.close()
        for path in (self._new, f"{self._new}.part", f"{self._new}.journal", self._target):
            self._files.delete_tree(path)


class _Closing:
    """A manager that is closed at the end, made without looking at the archive first."""

    def __init__(self, manager: JCFManager) -> None:
        self._manager = manager

    async def __aenter__(self) -> JCFManager:
        return self._manager

    async def __aexit__(self, *_: object) -> None:
        await self._manager.close()


async def _slowly(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 100_000):
        await asyncio.sleep(0)
        yield content[at : at + 100_000]


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
