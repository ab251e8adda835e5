"""Checkpoint: changes to an archive that become one version together, or leave no trace.

Content flows straight into the end of the archive as it is added; the commit makes it a version. Until then nobody sees
any of it, and the archive is locked for other writers.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from kamaros_gui.archive.building import Changes, NextState, build_next_state, encode_tail, now_iso
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.manifest import FileRecord, Manifest
from kamaros_gui.archive.planning import SaveOptions, SavePlan, make_plan
from kamaros_gui.archive.readback import check_content, check_directory
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError, StorageError
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import ByteStream, PackedEntry, SaveFlow, SaveItem, Workers
from kamaros_gui.storage.adapter import FileSystemAdapter

__all__ = ["Checkpoint"]


class Checkpoint:
    """Changes that wait for their commit. One caller at a time, on one loop.

    Use :meth:`begin`; end with :meth:`commit` or :meth:`rollback`.

    Attributes:
        transaction: what holds the lock and the file.
        base: manifest of the state before.
        changes: what was changed so far.
    """

    def __init__(self, files: FileSystemAdapter, transaction: Transaction, config: JCFConfig, workers: Workers) -> None:
        self.transaction = transaction
        self.changes = Changes()
        self._files = files
        self._config = config
        self._workers = workers
        self._start = transaction.region.start
        self._known_parents: set[str] | None = None
        base = transaction.base
        name = os.path.splitext(os.path.basename(transaction.path))[0]
        self.base = base.manifest if base and base.manifest else Manifest.empty(name, now_iso())

    @classmethod
    async def begin(cls, files: FileSystemAdapter, archive: str, config: JCFConfig, workers: Workers) -> Checkpoint:
        """Lock the archive and open it for appending; see :meth:`Transaction.begin` for the errors."""
        transaction = await workers.io(Transaction.begin, files, archive)
        return cls(files, transaction, config, workers)

    @property
    def grown(self) -> int:
        """Bytes the archive has grown by, those of the commit included."""
        return self.transaction.region.position - self._start

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed so far."""
        return not self.changes.packed and not self.changes.deleted

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
        """Return what HEAD says of *path*; ``None`` where it has none, or where these changes delete it."""
        return None if path in self.changes.deleted else self.base.file_map.get(path)

    async def add_paths(self, options: SaveOptions, control: RunControl) -> SavePlan:
        """Add files and folders on disk; what can't be read is noted in ``control.issues``.

        Raises:
            StorageError: something can't be read and ``options.strict`` is set.
            KamarosError: see :func:`kamaros_gui.archive.saving.save`.
        """
        plan = await self._plan(options, control)
        _check_strict(options, control)
        self.changes.raw_names.update(plan.raw_names)
        self.changes.deleted.update(plan.deleted)
        self.changes.unread.update(item.path for item in plan.items)
        control.progress.phase = Phase.TRANSFERRING
        await self._flow(control, self._put).run(plan.items)
        _check_strict(options, control)
        return plan

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
        if packed[0].entry is None and record is not None and keep_time:
            packed[0].mtime_ns, packed[0].mode = record.mtime_ns, record.mode
        self._put(packed[0])
        return packed[0]

    def remove(self, paths: set[str]) -> None:
        """Let *paths* leave HEAD, and forget what these changes added for them."""
        self._known_parents = None
        for path in paths:
            self.changes.drop(path)
            if path in self.base.file_map:
                self.changes.deleted.add(path)

    async def commit(self, message: str, author: str, control: RunControl) -> NextState:
        """Make the changes one version; where there are none, leave the archive as it was.

        After an error nothing is committed, and the changes still wait: commit again, or roll back.

        Raises:
            AbortError: the signal was aborted before the commit (or whatever its reason is).
            IntegrityError: what was written can't be read back as it was.
            DiskFullError, StorageError: the archive can't be written.
        """
        position = self.transaction.region.position
        try:
            return await self._commit(message, author, control)
        except BaseException:
            self.transaction.region.rewind(position)
            raise

    async def _commit(self, message: str, author: str, control: RunControl) -> NextState:
        transaction, workers, config = self.transaction, self._workers, self._config
        control.progress.phase = Phase.COMMITTING
        await control.checkpoint()
        state = await workers.compute(
            lambda: build_next_state(
                transaction,
                self.base,
                self.changes,
                message=message,
                author=author,
                snapshot_interval=config.snapshot_interval,
            )
        )
        if state.version is None and not transaction.is_new:
            await self.rollback()
            return state
        check = config.verify_after_save != "off"
        if check:
            control.progress.phase = Phase.VERIFYING
            written = self.changes.packed.values()
            await check_content(self._files, transaction, written, config, workers, control.signal)
            control.progress.phase = Phase.COMMITTING
        tail = await workers.compute(encode_tail, state, transaction)
        if check:
            await workers.compute(check_directory, tail, transaction, state)
        await control.checkpoint()
        await workers.io(lambda: transaction.commit(tail, state.table.patches, check=check))
        return state

    async def rollback(self) -> None:
        """Leave the archive byte for byte as it was, and give the lock back; does nothing after a commit."""
        await self._workers.io(self.transaction.rollback)

    # ------------------------------------------------------------------------------------------------------

    def _parents(self) -> set[str]:
        """Return every path that has something below it, also where it has no record of its own."""
        if self._known_parents is None:
            self._known_parents = set()
            for path in self.base.file_map.keys() - self.changes.deleted:
                self._add_parents(path)
            for path in self.changes.packed:
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
        return SaveFlow(self._files, region, self._config, self._workers, control, on_packed, on_failed)

    async def _plan(self, options: SaveOptions, control: RunControl) -> SavePlan:
        progress, signal = control.progress, control.signal

        def on_found(count: int) -> None:
            progress.files_total = count

        def plan() -> SavePlan:
            return make_plan(
                self._files,
                options,
                self.base.file_map,
                reread=self._config.reread_unchanged,
                ignore=_identities(self._files, self.transaction.path),
                should_stop=lambda: signal.aborted,
                on_found=on_found,
            )

        found: SavePlan = await self._workers.io(plan)
        await control.checkpoint()
        for problem in found.problems:
            control.add_issue(problem.path, problem.reason, "skipped" if problem.skipped else "failed")
        progress.files_total = len(found.items)
        progress.bytes_total = found.content_bytes
        return found


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


def _identities(files: FileSystemAdapter, archive: str) -> frozenset[tuple[int, int]]:
    """(device, inode) of the archive and of what lies beside it during a save."""
    found = (files.find(path) for path in (archive, f"{archive}.part", f"{archive}.journal"))
    return frozenset((status.device, status.inode) for status in found if status is not None)
