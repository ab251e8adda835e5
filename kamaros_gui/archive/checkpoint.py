"""Checkpoint: changes to an archive that become one version together, or leave no trace.

Content flows straight into the end of the archive as it is added; the commit makes it a version. Until then nobody sees
any of it, and the archive is locked for other writers.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.building import NextState, VersionLabel, build_next_state, is_below_any, now_iso
from kamaros_gui.archive.changes import Changes
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.compacting import compact_after_save, is_due
from kamaros_gui.archive.container import BLOB_PREFIX, entry_name
from kamaros_gui.archive.copying import Copying, steered_copying
from kamaros_gui.archive.manifest import FileRecord, Manifest
from kamaros_gui.archive.planning import SaveOptions, SavePlan, make_plan
from kamaros_gui.archive.readback import check_content
from kamaros_gui.archive.recovery import own_files
from kamaros_gui.archive.tail import commit_state, first_table
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError, StorageError, UnsupportedEntryError
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import (
    ByteStream,
    PackedEntry,
    ReusableContent,
    SaveFlow,
    SaveItem,
    WholeContents,
    Workers,
)
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["Checkpoint"]


class Checkpoint:
    """Changes that wait for their commit. One caller at a time, on one loop.

    Use :meth:`begin`; end with :meth:`commit` or :meth:`rollback`.

    Attributes:
        transaction: what holds the lock and the file.
        base: manifest of the state before.
        table: its directory.
        changes: what was changed so far.
        advanced: versions made already, which the commit takes along.
    """

    def __init__(self, files: FileSystemAdapter, transaction: Transaction, config: JCFConfig, workers: Workers) -> None:
        self.transaction = transaction
        self._files = files
        self._config = config
        self._workers = workers
        self._start = transaction.region.start
        name = os.path.splitext(os.path.basename(transaction.path))[0]
        self.base = transaction.manifest or Manifest.empty(name, now_iso())
        self.table = first_table(transaction)
        self.changes = _no_changes(self.table)
        self.advanced: list[NextState] = []
        self._known_parents: set[str] | None = None

    @classmethod
    async def begin(
        cls, files: FileSystemAdapter, archive: str, config: JCFConfig, workers: Workers, control: RunControl
    ) -> Checkpoint:
        """Lock the archive and open it for appending; see :meth:`Transaction.begin` for the errors."""
        copying = Copying(check_abort=steered_copying(files, archive, control).check_abort)
        transaction = await workers.io(lambda: Transaction.begin(files, archive, copying=copying))
        return cls(files, transaction, config, workers)

    @property
    def grown(self) -> int:
        """Bytes the archive has grown by, those of the commit included."""
        return self.transaction.region.position - self._start

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed so far."""
        return self.changes.is_empty

    def kind_of(self, path: str) -> str | None:
        """Return what *path* will be after the commit: ``file``, ``directory``, ``symlink``, or ``None``."""
        packed = self.changes.packed.get(path)
        if packed is not None:
            return packed.item.found.kind
        record = self.record_of(path)
        if record is not None:
            return record.type
        return "directory" if path in self._parents() else None

    def record_of(self, path: str) -> FileRecord | None:
        """Return what HEAD says of what is now at *path*; ``None`` where it says nothing."""
        origin = self.changes.origin_of(path)
        return None if origin is None else self.base.file_map.get(origin)

    def known_hash(self, path: str, kind: str) -> str:
        """Return the hash of the content that *path*, of that kind, can keep as it is; empty where there is none."""
        record = self.record_of(path)
        if record is None or record.type != kind or self.changes.was_offered(path) or not self._holds(path, record):
            return ""
        return record.current_hash

    def _holds(self, path: str, record: FileRecord) -> bool:
        """Whether the archive has the content of what is at *path*; what it has lost is written anew."""
        return entry_name(self.changes.origin_of(path) or path, record.type) in self.table.entries

    def paths(self) -> set[str]:
        """Return every path there is now: those of HEAD, moved and not deleted, and those that were added."""
        changes = self.changes
        left = changes.deleted | set(changes.moved.values())
        return (self.base.file_map.keys() - left) | changes.moved.keys() | changes.packed.keys()

    async def add_paths(self, options: SaveOptions, control: RunControl) -> SavePlan:
        """Add files and folders on disk; what can't be read is noted in ``control.issues``.

        Raises:
            StorageError: something can't be read and ``options.strict`` is set.
            KamarosError: see :func:`kamaros_gui.archive.saving.save`.
        """
        plan = await self._plan(options, control)
        _check_strict(options, control)
        self.changes.raw_names.update(plan.raw_names)
        # A file on disk where HEAD has a folder may turn out not to be readable: what is below stays then.
        files = {item.path for item in plan.items if item.found.kind != "directory"}
        self.remove(plan.deleted, keep=lambda path: is_below_any(path, files))
        self.changes.unread.update(item.path for item in plan.items)
        control.progress.phase = Phase.TRANSFERRING
        await self._flow(control, self._put).run(plan.items)
        _check_strict(options, control)
        return plan

    async def add_entries(
        self,
        small: Sequence[SaveItem],
        contents: WholeContents,
        large: Iterable[tuple[SaveItem, Callable[[], Awaitable[ByteStream]]]],
        control: RunControl,
    ) -> None:
        """Add what another archive holds; what can't be read there is noted in ``control.issues``.

        Args:
            small: files, links and folders, of ``SMALL_FILE_LIMIT`` bytes at most.
            contents: where they are read.
            large: (what it is to be called, opens its content).
            control: abort, pause, progress.

        Raises:
            AbortError, DiskFullError, StorageError: see :meth:`SaveFlow.run`.
        """
        flow = self._flow(control, self._put)
        await flow.run_small(small, contents)
        for item, opens in large:
            await control.checkpoint()
            counted = control.progress.bytes_done
            try:
                await flow.add(item, await opens())
            except (IntegrityError, UnsupportedEntryError) as error:
                control.add_issue(item.found.source, str(error))
                control.progress.bytes_done = counted + item.found.size
                control.progress.files_done += 1

    async def add_file(self, item: SaveItem, control: RunControl) -> PackedEntry:
        """Add one file on disk.

        Raises:
            SourceChangedError: it changed while it was read.
            NotFoundError, StorageError: it can't be read, or the archive can't be written.
        """
        packed: list[PackedEntry] = []
        failures: list[KamarosError] = []
        await self._flow(control, packed.append, lambda _item, error: failures.append(error)).run([item])
        if failures:
            raise failures[0]
        self._put(packed[0])
        return packed[0]

    async def add_content(
        self, item: SaveItem, content: ByteStream, control: RunControl, *, size: int | None, keep_time: bool
    ) -> PackedEntry:
        """Add the content of a stream.

        After an abort or an error the archive holds nothing of it, and what was added before stays.

        Args:
            item: what it is to be called.
            content: buffers of any length; locked, and cancelled when this fails.
            control: abort, pause, progress.
            size: bytes that must come, ``None`` for any number.
            keep_time: whether content that HEAD has already keeps its time and mode, so that nothing changes.

        Raises:
            KamarosError, TypeError, Exception: see :meth:`SaveFlow.add`.
        """
        packed: list[PackedEntry] = []
        await self._flow(control, packed.append).add(item, content, size)
        record = self.record_of(item.path)
        is_as_it_was = packed[0].entry is None and not packed[0].reused
        if is_as_it_was and record is not None and keep_time:
            packed[0].mtime_ns, packed[0].mode = record.mtime_ns, record.mode
        self._put(packed[0])
        return packed[0]

    def remove(self, paths: Iterable[str], keep: Callable[[str], bool] = lambda _path: False) -> None:
        """Let *paths* leave HEAD, and forget what these changes added for them.

        Args:
            paths: in HEAD, or added.
            keep: tells of which of them no other path may take the content.
        """
        self._known_parents = None
        for path in paths:
            self.changes.drop(path)
            record = self.record_of(path)
            if record is not None:
                is_free = self._holds(path, record) and not keep(path)
                self.changes.delete(path, record.current_hash if is_free else "")

    def move(self, moves: dict[str, str]) -> None:
        """Let each path be where *moves* says; nothing may be there. Headers are written with the commit."""
        self._known_parents = None
        for old, new in moves.items():
            packed = self.changes.packed.pop(old, None)
            if self.record_of(old) is not None:
                self.changes.move(old, new)
            if packed is not None:
                item = dataclasses.replace(packed.item, path=new, entry_name=entry_name(new, packed.item.found.kind))
                self.changes.packed[new] = dataclasses.replace(packed, item=item)
                self.changes.raw_names.pop(old, None)

    def _steer(self, control: RunControl) -> None:
        """Let *control* stop the copies of entries."""
        self.table.copying = Copying(
            check_abort=steered_copying(self._files, self.transaction.path, control).check_abort
        )

    async def commit(self, label: VersionLabel, control: RunControl) -> NextState:
        """Make the changes one version; where there are none, leave the archive as it was.

        After an error nothing is committed, and the changes still wait: commit again, or roll back.

        Raises:
            AbortError: the signal was aborted before the commit (or whatever its reason is).
            IntegrityError: what was written can't be read back as it was.
            DiskFullError, StorageError: the archive can't be written.
        """
        position = self.transaction.region.position
        try:
            return await self._commit(label, control)
        except BaseException:
            self.transaction.region.rewind(position)
            raise

    async def advance(self, label: VersionLabel, control: RunControl) -> NextState:
        """Make the changes a version that is committed with the next one; changes then begin anew.

        Raises:
            AbortError, IntegrityError: as :meth:`commit`; roll back.
        """
        state = await self._build(label, control)
        await self._check(state, control)
        if state.version is not None:
            self.base, self.table = state.manifest, state.table
            self.advanced.append(state)
        self.changes = _no_changes(self.table)
        self._known_parents = None
        return state

    async def commit_base(self, control: RunControl) -> None:
        """Commit what the transaction began with, without a version of its own; raises as :meth:`commit`."""
        control.progress.phase = Phase.COMMITTING
        manifest = msgspec.structs.replace(self.base)
        await commit_state(self.transaction, self.table.copy(), manifest, self._workers, control, check=True)

    async def _commit(self, label: VersionLabel, control: RunControl) -> NextState:
        transaction = self.transaction
        control.progress.phase = Phase.COMMITTING
        await control.checkpoint()
        state = await self._build(label, control)
        if state.version is None and not self.advanced and not transaction.is_new:
            await self.rollback()
            return state
        check = await self._check(state, control)
        control.progress.phase = Phase.COMMITTING
        await commit_state(transaction, state.table, state.manifest, self._workers, control, check=check)
        if self._config.auto_compact and is_due(transaction.region.position, state.manifest.dead_bytes):
            control.progress.phase = Phase.COMPACTING
            state.reclaimed = await compact_after_save(
                self._files, transaction.path, self._config, self._workers, control
            )
        return state

    async def _build(self, label: VersionLabel, control: RunControl) -> NextState:
        self._steer(control)
        interval = self._config.snapshot_interval
        return await self._workers.compute(
            lambda: build_next_state(self.table, self.base, self.changes, label, snapshot_interval=interval)
        )

    async def _check(self, state: NextState, control: RunControl) -> bool:
        """Read back what was written, where the settings ask for it; return whether they do."""
        config = self._config
        if config.verify_after_save == "off":
            return False
        control.progress.phase = Phase.VERIFYING
        items = [
            (packed.item.path, packed.sha256, entry)
            for packed in self.changes.packed.values()
            if packed.entry is not None or packed.reused
            if (entry := state.table.entries.get(packed.item.entry_name)) is not None
        ]
        await check_content(self._files, self.transaction.region.file, items, config, self._workers, control.signal)
        return True

    async def rollback(self) -> None:
        """Leave the archive byte for byte as it was, and give the lock back; does nothing after a commit."""
        await self._workers.io(self.transaction.rollback)

    # ------------------------------------------------------------------------------------------------------

    def _parents(self) -> set[str]:
        """Return every path that has something below it, also where it has no record of its own."""
        if self._known_parents is None:
            self._known_parents = set()
            for path in self.paths():
                self._add_parents(path)
        return self._known_parents

    def _add_parents(self, path: str) -> None:
        known = self._known_parents
        while known is not None and (path := path.rpartition("/")[0]) and path not in known:
            known.add(path)

    def _put(self, packed: PackedEntry) -> None:
        self.changes.put(packed)
        self._add_parents(packed.item.path)

    def _flow(
        self,
        control: RunControl,
        on_packed: Callable[[PackedEntry], None],
        on_failed: Callable[[SaveItem, KamarosError], None] | None = None,
    ) -> SaveFlow:
        region = self.transaction.region
        reusable = self.changes.reusable
        return SaveFlow(self._files, region, self._config, self._workers, control, on_packed, on_failed, reusable)

    async def _plan(self, options: SaveOptions, control: RunControl) -> SavePlan:
        progress, signal = control.progress, control.signal

        def on_found(count: int) -> None:
            progress.files_total = count

        def plan() -> SavePlan:
            return make_plan(
                self._files,
                options,
                self.base.file_map,
                self.table.entries,
                reread=self._config.reread_unchanged,
                ignore=own_files(self._files, self.transaction.path),
                should_stop=lambda: signal.aborted,
                on_found=on_found,
            )

        found: SavePlan = await self._workers.io(plan)
        await control.checkpoint()
        for problem in found.problems:
            control.add_issue(problem.path, problem.reason, "skipped" if problem.skipped else "failed")
        # Of several plans in a row, such as those of an import, the first may have been told of all.
        progress.files_total = max(progress.files_total or 0, progress.files_done + len(found.items))
        progress.bytes_total = max(progress.bytes_total or 0, progress.bytes_done + found.content_bytes)
        return found


def _no_changes(table: EntryTable) -> Changes:
    """Return changes that may take over the content of any blob."""
    return Changes(
        ReusableContent(name.removeprefix(BLOB_PREFIX) for name in table.entries if name.startswith(BLOB_PREFIX))
    )


def _check_strict(options: SaveOptions, control: RunControl) -> None:
    """Raise StorageError when a file failed and the save is strict."""
    first = control.first_failure
    if options.strict and first is not None:
        more = f" {control.failures - 1} more can't be saved either." if control.failures > 1 else ""
        raise StorageError(
            f"Nothing was saved: {first.reason}{more}",
            path=first.path,
            hint="Mend or exclude it, or save without the strict option, which leaves such files out.",
        )
