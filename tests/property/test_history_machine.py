"""Random operations against a plain model: every version the model has is in the archive, and nothing else is.

A machine takes random steps: it edits a disk, saves and mirrors it, moves, removes, adds, tags, forgets, compacts, and
now and then the process dies or the operation is aborted in the middle. After each step the archive is compared with
the model as far as that is quick, and at the end wholly.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.paths import stored_path
from kamaros_gui.base.abort import AbortController, AbortSignal
from kamaros_gui.base.errors import AbortError, ArchiveError, KamarosError, NotFoundError, UnsafeNameError
from kamaros_gui.storage.memory import MemoryAdapter
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.history_checks import (
    check_against,
    check_bytes,
    check_every_version,
    check_logs,
    check_with_zipfile,
    ids_of,
)
from tests.helpers.history_model import (
    Draft,
    Item,
    Refused,
    State,
    VersionModel,
    counts,
    is_another,
    saved_path,
    settle,
)
from tests.helpers.mortal import InlineWorkers, MortalAdapter
from tests.helpers.trees import noise, text

DISK = "/disk"
PLACE = "/place"
ARCHIVE = "/place/a.jcf"
LONG = "long" * 20  # a file whose name was short has no room for it in its header
NAMES = st.sampled_from(["a", "b", "c", "ż", "new\nline %41", LONG])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
STORED_NAMES = NAMES.map(lambda name: stored_path(name)[0])
STORED = PATHS.map(lambda path: stored_path(path)[0])
CONTENT = {
    "one": b"one",
    "two": b"two",
    "a": b"a",
    "nothing": b"",
    "text": text(700, 1),
    "noise": noise(600, 1),
    "several chunks": text(9000, 2),
}
CONTENTS = st.sampled_from(sorted(CONTENT))
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o444])
TIMES = st.integers(0, 2**61)
SECONDS = st.one_of(st.none(), st.integers(0, 2**31))
TAGS = st.sampled_from(["v1", "ż", "last good"])
ANY = st.integers(0, 9)  # one of what there is on the disk
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("write"), ANY, CONTENTS),
    st.tuples(st.just("remove"), ANY, st.none()),
    st.tuples(st.just("rename"), ANY, PATHS),
    st.tuples(st.just("folder"), PATHS, st.none()),
    st.tuples(st.just("link"), st.one_of(PATHS, ANY), st.sampled_from([b"a", b"one"])),
    st.tuples(st.just("chmod"), ANY, MODES),
    st.tuples(st.just("touch"), ANY, TIMES),
)


Edit = tuple[str, str | int, Any]


class Trouble(NamedTuple):
    """What happens to an operation: its process dies, or it is aborted, after so many changes to the disk."""

    kind: str
    after: int


AFTER = st.integers(0, 35)
TROUBLES = st.one_of(st.none(), st.none(), st.builds(Trouble, st.sampled_from(["death", "abort"]), AFTER))
DEATHS = st.one_of(st.none(), st.none(), st.builds(Trouble, st.just("death"), AFTER))


def of_machine(look: Callable[[HistoryMachine], list[Any]], otherwise: st.SearchStrategy[Any]) -> Any:
    """Choose from what *look* finds at the machine at that time."""
    return st.runner().flatmap(lambda machine: st.sampled_from(found) if (found := look(machine)) else otherwise)


EXISTING = of_machine(lambda machine: machine.paths(), STORED)
SOMEWHERE = st.one_of(EXISTING, EXISTING, EXISTING, STORED)
FOLDERS = of_machine(lambda machine: machine.folders(), st.just(""))
FREE = st.tuples(FOLDERS, STORED_NAMES).map(lambda parts: "/".join(filter(None, parts)))
GOALS = st.one_of(FREE, FREE, FREE, FOLDERS.map(lambda path: path + "/"), SOMEWHERE)
TARGETS = st.one_of(FREE, FREE, EXISTING, STORED)
VERSIONS = of_machine(lambda machine: list(range(len(machine.history))), st.just(0))
OLD_VERSIONS = of_machine(lambda machine: list(range(len(machine.history) - 1)), st.just(0))
SETTINGS = st.fixed_dictionaries(
    {
        "snapshot_interval": st.sampled_from([1, 2, 3, 20]),
        "codec": st.sampled_from(["deflate", "store"]),
        "verify_after_save": st.sampled_from(["off", "fast", "full"]),
    }
)
ROOTS = st.one_of(
    st.just(["."]),
    st.just(["."]),
    st.lists(of_machine(lambda machine: sorted(machine.on_disk()), st.just(".")), min_size=1, max_size=2, unique=True),
)


class Plan(NamedTuple):
    """What an operation is to lead to: a new version with this content, or this history; these tags; what waits."""

    head: State | None
    history: list[VersionModel]
    tags: dict[str, str]
    draft: Draft | None = None


class HistoryMachine(RuleBasedStateMachine):
    """One archive, the disk it is filled from, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.files = MemoryAdapter()
        self.files.make_folder(DISK)
        self.files.make_folder(PLACE)
        self.history: list[VersionModel] = []
        self.tags: dict[str, str] = {}
        self.draft: Draft | None = None
        self.known: set[str] = set()  # identities that were ever given
        self.folded = False
        self.sound = True
        self.dirty = False  # whether something that died may have left something
        self.config = JCFConfig(level=1, workers=1, chunk_size=4096)
        self.began = time.time_ns()
        self.start()

    def start(self) -> None:
        self.adapter = MortalAdapter(self.files)
        self.manager = JCFManager(ARCHIVE, self.config, InlineWorkers(), self.adapter)

    @property
    def head(self) -> State:
        return self.history[-1].state if self.history else {}

    def paths(self) -> list[str]:
        """Return what there is at present, folders without an entry of their own too."""
        state = self.draft.state if self.draft is not None else self.head
        return sorted(set(state) | {path.rpartition("/")[0] for path in state} - {""})

    def folders(self) -> list[str]:
        """Return the folders there are at present, the root too."""
        state = self.draft.state if self.draft is not None else self.head
        return ["", *(path for path in self.paths() if path not in state or state[path].kind == "directory")]

    # --------------------------------------------------------------------------------------------- the disk

    @initialize(
        settings=SETTINGS,
        edits=st.lists(EDITS, min_size=1, max_size=6),
        saved=st.sampled_from([True, True, True, False]),
    )
    def begin(self, settings: dict[str, Any], edits: list[Edit], saved: bool) -> None:
        self.reopen(settings)
        self.edit(edits)
        if saved:
            self.save([], ["."], mirror=False, into="", trouble=None)

    def edit(self, edits: list[Edit]) -> None:
        for kind, name, value in edits:
            there = sorted(self.on_disk())
            if isinstance(name, int) and not there:
                continue
            path = there[name % len(there)] if isinstance(name, int) else name
            self.edit_once(kind, f"{DISK}/{path}", value)

    def edit_once(self, kind: str, path: str, value: Any) -> None:
        files = self.files
        if kind in {"write", "folder", "link"}:
            self.make_room(path)
            if kind == "write":
                write_file(files, path, CONTENT[value])
            elif kind == "folder":
                files.make_folder(path)
            else:
                files.make_link(path, value, 10**18)
            return
        found = files.find(path) if self.is_real(path) else None
        if found is None:
            return
        if kind == "remove":
            files.delete_tree(path)
        elif kind == "rename":
            target = f"{DISK}/{value}"
            if target != path and not f"{target}/".startswith(f"{path}/") and not f"{path}/".startswith(f"{target}/"):
                self.make_room(target)
                if files.find(path) is not None:  # it may have stood in the way
                    files.rename(path, target)
        elif found.kind != "symlink":
            mode, mtime = (value, found.mtime_ns) if kind == "chmod" else (found.mode, value)
            files.set_attributes(path, mode, mtime)

    def is_real(self, path: str) -> bool:
        """Whether no link leads to *path*."""
        parts = path.split("/")
        for depth in range(3, len(parts)):
            found = self.files.find("/".join(parts[:depth]))
            if found is None or found.kind != "directory":
                return False
        return True

    def make_room(self, path: str) -> None:
        """Remove what is at *path*; let everything above it be folders."""
        parts = path.split("/")
        for depth in range(3, len(parts)):
            parent = "/".join(parts[:depth])
            found = self.files.find(parent)
            if found is None or found.kind != "directory":
                self.files.delete_tree(parent)
                self.files.make_folder(parent)
        self.files.delete_tree(path)

    def on_disk(self, folder: str = DISK) -> dict[str, Item]:
        """Return relative path → what is there, of everything below *folder*."""
        return dict(self.walk(folder, ""))

    def disk_files(self) -> list[str]:
        return sorted(path for path, item in self.on_disk().items() if item.kind == "file")

    def walk(self, folder: str, prefix: str) -> Iterator[tuple[str, Item]]:
        for name, found in self.files.list(folder):
            assert not isinstance(found, Exception)
            path = f"{folder}/{name}"
            content = b""
            if found.kind == "file":
                content = read_file(self.files, path)
            elif found.kind == "symlink":
                content = self.files.read_link(path)
            yield prefix + name, Item(found.kind, content, found.mode & 0o7777, found.mtime_ns)
            if found.kind == "directory":
                yield from self.walk(path, f"{prefix}{name}/")

    # -------------------------------------------------------------------------------------- one version each

    @precondition(lambda self: self.draft is None)
    @rule(
        edits=st.lists(EDITS, max_size=6),
        roots=ROOTS,
        mirror=st.booleans(),
        into=st.one_of(st.just(""), st.just(""), SOMEWHERE),
        trouble=TROUBLES,
    )
    def save(
        self,
        edits: list[Edit],
        roots: list[str],
        mirror: bool,
        into: str,
        trouble: Trouble | None,
    ) -> None:
        self.edit(edits)
        roots = [root for root in roots if root in self.on_disk()] or ["."]
        disk = self.on_disk()
        draft = Draft(self.head)
        prefix = f"{into}/" if into else ""

        def change() -> None:
            draft.check_parents(f"{prefix}x")
            if len({os.path.basename(root) for root in roots}) < len(roots):
                raise Refused("two roots have one name")
            found: dict[str, Item] = {}
            folders = []
            for root in roots:
                name = "" if root == "." else os.path.basename(root)
                folders.append((prefix + stored_path(name)[0]).rstrip("/"))
                for path, item in disk.items():
                    if root in {".", path} or path.startswith(root + "/"):
                        relative = path if root == "." else name + path[len(root) :]
                        stored, raw = saved_path(into, self.head, relative)
                        found[stored] = item._replace(raw=raw)
            draft.save(found, folders, mirror=mirror)

        paths = [f"{DISK}/{root}" for root in roots]
        report = self.make_version(
            draft, change, lambda signal: self.manager.save(paths, into=into, mirror=mirror, signal=signal), trouble
        )
        assert report is None or report.failed == 0

    @precondition(lambda self: self.draft is None and self.history)
    @rule(old=SOMEWHERE, new=GOALS, trouble=TROUBLES)
    def move(self, old: str, new: str, trouble: Trouble | None) -> None:
        draft = Draft(self.head)
        self.make_version(
            draft, lambda: draft.move(old, new), lambda signal: self.manager.move(old, new, signal=signal), trouble
        )

    @precondition(lambda self: self.draft is None and self.history)
    @rule(paths=st.lists(st.one_of(EXISTING, EXISTING, SOMEWHERE), min_size=1, max_size=2), trouble=TROUBLES)
    def remove(self, paths: list[str], trouble: Trouble | None) -> None:
        if len(paths) > 1:  # one that does not exist refuses the others
            paths = [path for path in paths if path in self.paths()] or paths
        draft = Draft(self.head)
        self.make_version(
            draft, lambda: draft.remove(paths), lambda signal: self.manager.remove(paths, signal=signal), trouble
        )

    def make_version(
        self,
        draft: Draft,
        change: Callable[[], object],
        work: Callable[[AbortSignal], Coroutine[Any, Any, Any]],
        trouble: Trouble | None,
    ) -> Any:
        before = self.head
        try:
            change()
        except Refused:
            self.run(work, None, trouble)
            return None
        after = draft.end()
        report = self.run(work, self.plan(after), trouble)
        if report is not None:
            assert report.created == is_another(before, after)
            assert report.version == (self.history[-1].id if self.history else "")
            assert (report.added, report.modified, report.deleted, report.renamed) == (
                counts(before, self.head) if report.created else (0, 0, 0, 0)
            )
        return report

    def plan(self, after: State) -> Plan:
        return Plan(after if is_another(self.head, after) else None, self.history, self.tags)

    # ------------------------------------------------------------------------------------- one change at a time

    @rule(
        path=TARGETS,
        name=CONTENTS,
        modified=SECONDS,
        mode=MODES,
        trouble=TROUBLES,
    )
    def add_content(self, path: str, name: str, modified: int | None, mode: int, trouble: Trouble | None) -> None:
        draft, content = self.drafted(), CONTENT[name]
        there = draft.state.get(path)
        origin = next((item for item in self.head.values() if there is not None and item.inode == there.inode), None)
        item = Item("file", content, mode, (modified or 0) * 10**9)
        if modified is None and origin is not None and (origin.kind, origin.content) == ("file", content):
            item = origin
        elif modified is None:
            item = item._replace(mtime=-1)
        entry = self.change_draft(
            draft,
            lambda: draft.put(path, item),
            lambda signal: self.manager.add_file(path, content, modified=modified, mode=mode, signal=signal),
            trouble,
        )
        if entry is None:
            return
        if item.mtime == -1:
            assert entry.modified > self.began, "it is the time of something else"
            draft.state[path] = draft.state[path]._replace(mtime=entry.modified)
        assert (entry.path, entry.type, entry.size, entry.mode) == (path, "file", len(content), item.mode)
        assert entry.modified == draft.state[path].mtime

    @precondition(lambda self: self.disk_files())
    @rule(
        path=TARGETS,
        source=of_machine(lambda machine: machine.disk_files(), st.nothing()),
        trouble=TROUBLES,
    )
    def add_disk_file(self, path: str, source: str, trouble: Trouble | None) -> None:
        draft, item = self.drafted(), self.on_disk()[source]
        self.change_draft(
            draft,
            lambda: draft.put(path, item),
            lambda signal: self.manager.add_file(path, f"{DISK}/{source}", signal=signal),
            trouble,
        )

    @precondition(lambda self: self.paths())
    @rule(path=SOMEWHERE, trouble=DEATHS)
    def remove_file(self, path: str, trouble: Trouble | None) -> None:
        draft = self.drafted()
        self.change_draft(draft, lambda: draft.remove([path]), lambda _signal: self.manager.remove_file(path), trouble)

    @precondition(lambda self: self.paths())
    @rule(old=SOMEWHERE, new=GOALS, trouble=DEATHS)
    def move_file(self, old: str, new: str, trouble: Trouble | None) -> None:
        draft = self.drafted()
        self.change_draft(
            draft, lambda: draft.move(old, new), lambda _signal: self.manager.move_file(old, new), trouble
        )

    @precondition(lambda self: len(self.paths()) > 1)
    @rule(paths=st.lists(EXISTING, min_size=2, max_size=4, unique=True))
    def change_places(self, paths: list[str]) -> None:
        """Move each to where the next one was, and the last one to where the first one was, in one checkpoint."""
        self.move_file(paths[-1], "for a moment", None)
        for old, new in reversed(list(itertools.pairwise(paths))):
            self.move_file(old, new, None)
        self.move_file("for a moment", paths[0], None)

    def drafted(self) -> Draft:
        draft = Draft(self.head)
        if self.draft is not None:
            draft.state = dict(self.draft.state)
        return draft

    def change_draft(
        self,
        draft: Draft,
        change: Callable[[], object],
        work: Callable[[AbortSignal], Coroutine[Any, Any, Any]],
        trouble: Trouble | None,
    ) -> Any:
        try:
            change()
        except Refused:
            return self.run(work, None, trouble)
        return self.run(work, Plan(None, self.history, self.tags, draft), trouble)

    @precondition(lambda self: self.draft is not None)
    @rule(trouble=TROUBLES)
    def save_checkpoint(self, trouble: Trouble | None) -> None:
        assert self.draft is not None
        before, after = self.head, self.draft.end()
        plan = self.plan(after)
        version = self.run(
            lambda signal: self.manager.save_checkpoint("checkpoint", signal=signal),
            plan if self.history or plan.head is not None else None,
            trouble,
        )
        if version is not None:
            assert version.id == self.history[-1].id
            if plan.head is not None:
                assert (version.added, version.modified, version.deleted, version.renamed) == counts(before, self.head)

    # --------------------------------------------------------------------------------------------- upkeep

    @precondition(lambda self: self.draft is None and self.history)
    @rule(number=VERSIONS, name=TAGS, replace=st.booleans(), trouble=DEATHS)
    def tag(self, number: int, name: str, replace: bool, trouble: Trouble | None) -> None:
        plan = None
        version = self.history[number].id if number < len(self.history) else "none"
        if self.history and (replace or self.tags.get(name, version) == version):
            plan = Plan(None, self.history, self.tags | {name: version})
        self.run(lambda _signal: self.manager.tag(version, name, replace=replace), plan, trouble)

    @precondition(lambda self: self.draft is None and self.tags)
    @rule(name=of_machine(lambda machine: sorted(machine.tags), TAGS), trouble=DEATHS)
    def untag(self, name: str, trouble: Trouble | None) -> None:
        left = {tag: version for tag, version in self.tags.items() if tag != name}
        plan = Plan(None, self.history, left) if name in self.tags else None
        self.run(lambda _signal: self.manager.untag(name), plan, trouble)

    @precondition(lambda self: self.draft is None and len(self.history) > 1)
    @rule(
        numbers=st.one_of(st.just([]), st.lists(OLD_VERSIONS, max_size=3), st.lists(VERSIONS, max_size=3)),
        keep_last=st.one_of(st.none(), st.integers(1, 4)),
        tagged=st.booleans(),
        dry_run=st.sampled_from([False, False, False, True]),
        trouble=TROUBLES,
    )
    def forget(
        self, numbers: list[int], keep_last: int | None, tagged: bool, dry_run: bool, trouble: Trouble | None
    ) -> None:
        chosen = [self.history[number].id if number < len(self.history) else "none" for number in numbers]
        ids = [version.id for version in self.history]
        wanted = set(chosen) | set(ids[:-keep_last] if keep_last is not None else [])
        spared = set() if tagged else wanted & set(self.tags.values())
        gone = wanted - spared
        plan = None
        if (chosen or keep_last is not None) and wanted <= set(ids[:-1]):
            plan = Plan(
                None,
                [version for version in self.history if version.id not in gone],
                {name: version for name, version in self.tags.items() if version not in gone},
            )
        if dry_run and plan is not None:
            plan = Plan(None, self.history, self.tags)
        report = self.run(
            lambda signal: self.manager.forget(
                chosen, keep_last=keep_last, tagged=tagged, dry_run=dry_run, signal=signal
            ),
            plan,
            trouble,
        )
        if report is not None:
            assert [each.id for each in report.forgotten] == [each for each in reversed(ids) if each in gone]
            assert [each.id for each in report.spared] == [each for each in reversed(ids) if each in spared]
            assert report.kept == len(ids) - len(gone)
            assert report.done is not dry_run

    @rule(what=st.sampled_from(["compact", "discard", "reopen"]), settings=SETTINGS, trouble=TROUBLES)
    def tidy(self, what: str, settings: dict[str, Any], trouble: Trouble | None) -> None:
        if what == "reopen":
            self.reopen(settings)
        elif self.draft is not None:
            self.run(lambda _signal: self.manager.discard(), Plan(None, self.history, self.tags), trouble)
        elif self.files.exists(ARCHIVE):
            self.compact(trouble)

    def compact(self, trouble: Trouble | None) -> None:
        report = self.run(
            lambda signal: self.manager.compact(signal=signal), Plan(None, self.history, self.tags), trouble
        )
        if report is not None:
            assert report.after == self.files.stat(ARCHIVE).size
            container = Container.load(self.files, ARCHIVE)
            assert container.manifest is not None
            assert container.manifest.dead_bytes == 0
            container.close()

    def reopen(self, settings: dict[str, Any]) -> None:
        self.loop.run_until_complete(self.manager.close())
        self.draft = None
        self.config = self.config.replace(**settings)
        self.start()
        self.check()

    # ------------------------------------------------------------------------------------------ one operation

    def run(
        self, work: Callable[[AbortSignal], Coroutine[Any, Any, Any]], plan: Plan | None, trouble: Trouble | None
    ) -> Any:
        """Do *work*, with *trouble*, and see that it leads to *plan*; ``None`` for what must be refused.

        Returns:
            What *work* returned, ``None`` where it did not come to that.
        """
        self.sound = False
        controller, reason = AbortController(), AbortError("enough")
        before = self.content()
        if trouble is not None:
            self.adapter.arm(trouble.after, None if trouble.kind == "death" else lambda: controller.abort(reason))
        result = failed = None
        try:
            result = self.loop.run_until_complete(work(controller.signal))
        except KamarosError as error:
            failed = error
        self.adapter.disarm()
        if self.adapter.dead:
            self.after_death(plan)
            result = None
        elif failed is not None:
            if failed is not reason and (plan is not None or not isinstance(failed, REFUSALS)):
                raise failed
            assert self.draft is not None or self.dirty or self.content() == before, "the archive has changed"
        else:
            assert plan is not None, "this must be refused"
            self.adopt(plan)
            self.dirty &= self.content() == before  # who writes cleans up
        self.check()
        self.sound = True
        return result

    def content(self) -> bytes | None:
        return read_file(self.files, ARCHIVE) if self.files.exists(ARCHIVE) else None

    def after_death(self, plan: Plan | None) -> None:
        """Find the old state or the new one, whole."""
        self.dirty = True
        self.start()
        plan = plan._replace(draft=None) if plan is not None else None
        ids = ids_of(self.files, ARCHIVE)
        self.draft = None
        if plan is None:
            return
        if plan.head is not None and len(ids) > len(self.history):
            self.adopt(plan)
        elif plan.head is None and ids == [version.id for version in plan.history]:
            container = Container.load(self.files, ARCHIVE) if self.files.exists(ARCHIVE) else None
            if container is not None:
                assert container.manifest is not None
                refs = {name: version for name, version in container.manifest.refs.items() if name != "head"}
                container.close()
                if refs == plan.tags:
                    self.adopt(plan)
        if self.files.exists(ARCHIVE):
            verified = self.loop.run_until_complete(self.manager.verify())
            assert verified.errors == ()

    def adopt(self, plan: Plan) -> None:
        self.folded |= len(plan.history) < len(self.history)
        self.history, self.tags, self.draft = list(plan.history), dict(plan.tags), plan.draft
        if plan.head is None:
            return
        container = Container.load(self.files, ARCHIVE)
        manifest = container.manifest
        container.close()
        assert manifest is not None
        newest = manifest.versions[-1].id
        assert newest not in {version.id for version in self.history}
        inodes = {path: record.inode_id for path, record in manifest.file_map.items()}
        state, wrong = settle(self.head, plan.head, inodes, self.known)
        assert wrong == []
        self.history.append(VersionModel(newest, state))

    def check(self) -> None:
        """Compare archive and model as far as that is quick."""
        busy = self.draft is not None or self.dirty
        assert busy or set(names(self.files, PLACE)) <= {"a.jcf"}, names(self.files, PLACE)
        if not self.files.exists(ARCHIVE):
            assert self.history == []
            return
        container = Container.load(self.files, ARCHIVE)
        try:
            check_against(container, self.history, self.tags)
            check_bytes(container, tail=busy)
        finally:
            container.close()

    # ------------------------------------------------------------------------------------------------ the end

    def teardown(self) -> None:
        try:
            if self.sound:
                self.reopen({})
                if self.dirty:
                    self.clean_up()
                if self.files.exists(ARCHIVE):
                    self.check_wholly()
        finally:
            self.loop.close()

    def clean_up(self) -> None:
        """Let the next writer come, whatever it does."""
        if self.history:
            self.tag(0, "the end", replace=False, trouble=None)
        else:
            self.save([], ["."], mirror=False, into="", trouble=None)
        self.dirty = False
        self.check()

    def check_wholly(self) -> None:
        container = Container.load(self.files, ARCHIVE)
        try:
            check_every_version(container, self.history)
            check_logs(container, self.history)
        finally:
            container.close()
        check_with_zipfile(self.files, ARCHIVE, self.head)
        self.loop.run_until_complete(self.read_everything())

    async def read_everything(self) -> None:
        verified = await self.manager.verify()
        assert (verified.errors, verified.warnings) == ((), ())
        for number, version in enumerate(self.history):
            target = f"/out-{number}"
            report = await self.manager.restore_version(version.id, target)
            assert report.failed == 0, report.issues
            restored = self.on_disk(target) if self.files.exists(target) else {}
            for path, item in version.state.items():
                name = base64.b64decode(item.raw).decode() if item.raw else path
                got = restored[name]
                assert (got.kind, got.content, got.mtime) == (item.kind, item.content, item.mtime), f"{number}: {path}"
                assert got.mode == item.mode or item.kind == "symlink", f"{number}: {path}"


REFUSALS = (ArchiveError, NotFoundError, UnsafeNameError)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [300, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_every_version_is_what_the_model_says(examples: int) -> None:
    run_state_machine_as_test(
        HistoryMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
