"""Save: from paths on disk to one new, committed version."""

from __future__ import annotations

import os
import time

from kamaros_gui.archive.building import NextState, build_next_state, encode_tail, now_iso
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.planning import SaveOptions, SavePlan, make_plan
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import SaveReport
from kamaros_gui.pipeline import PackedEntry, RestoreFlow, RestoreItem, SaveFlow, Workers

__all__ = ["SaveOptions", "save"]


async def save(
    archive: str, options: SaveOptions, config: JCFConfig, workers: Workers, control: RunControl
) -> SaveReport:
    """Add files and folders to *archive* as one new version.

    Files that can't be read are noted in ``control.issues`` and keep the content the archive had for them. When nothing
    has changed no version is made. After an abort or an error the archive is byte for byte as it was, and a new one
    does not exist.

    Args:
        archive: path of the ``.jcf`` file; made when it does not exist.
        options: what to save.
        config: how.
        workers: threads.
        control: abort, pause, progress, issues.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        ArchiveInUseError, ArchiveError, IntegrityError: the archive can't be added to.
        DiskFullError, StorageError: the archive can't be written.
        NotFoundError: a path to save does not exist.
    """
    started = time.monotonic()
    control.progress.phase = Phase.COUNTING
    control.signal.throw_if_aborted()
    transaction = await workers.io(Transaction.begin, archive)
    start = transaction.region.start
    try:
        return await _Save(transaction, options, config, workers, control).run(started, start)
    except BaseException:
        control.progress.phase = Phase.CLEANING_UP
        await workers.io(transaction.rollback)
        raise


class _Save:
    def __init__(
        self, transaction: Transaction, options: SaveOptions, config: JCFConfig, workers: Workers, control: RunControl
    ) -> None:
        self._transaction = transaction
        self._options = options
        self._config = config
        self._workers = workers
        self._control = control
        self._packed: list[PackedEntry] = []
        base = transaction.base
        name = os.path.splitext(os.path.basename(transaction.path))[0]
        self._manifest = base.manifest if base and base.manifest else Manifest.empty(name, now_iso())

    async def run(self, started: float, start: int) -> SaveReport:
        transaction, control, workers = self._transaction, self._control, self._workers
        plan = await self._plan()
        control.progress.phase = Phase.TRANSFERRING
        await SaveFlow(transaction.region, self._config, workers, control, self._packed.append).run(plan.items)
        control.progress.phase = Phase.COMMITTING
        await control.checkpoint()
        state = await workers.compute(
            lambda: build_next_state(
                transaction,
                self._manifest,
                plan,
                self._packed,
                self._options,
                snapshot_interval=self._config.snapshot_interval,
            )
        )
        if state.version is None and not transaction.is_new:
            await workers.io(transaction.rollback)
            return self._report(plan, state, started, 0)
        if self._config.verify_after_save != "off":
            await self._verify_written()
        tail = await workers.compute(encode_tail, state, transaction)
        await control.checkpoint()
        await workers.io(transaction.commit, tail, state.table.patches)
        return self._report(plan, state, started, transaction.region.position - start)

    async def _plan(self) -> SavePlan:
        control, progress = self._control, self._control.progress
        signal = control.signal

        def on_found(count: int) -> None:
            progress.files_total = count

        ignore = _identities(self._transaction.path)
        plan = await self._workers.io(
            lambda: make_plan(
                self._options,
                self._manifest.file_map,
                reread=self._config.reread_unchanged,
                ignore=ignore,
                should_stop=lambda: signal.aborted,
                on_found=on_found,
            )
        )
        await control.checkpoint()
        for problem in plan.problems:
            control.add_issue(problem.path, problem.reason, "skipped" if problem.skipped else "failed")
        progress.files_total = len(plan.items)
        progress.bytes_total = plan.content_bytes
        return plan

    async def _verify_written(self) -> None:
        """Read back what was written, before it becomes the new state.

        Raises:
            IntegrityError: the disk did not keep it.
        """
        full = self._config.verify_after_save == "full"
        items = [
            RestoreItem(each.item.path, each.entry, each.sha256 if full else "")
            for each in self._packed
            if each.entry is not None
        ]
        failures: list[KamarosError] = []

        def on_outcome(_item: RestoreItem, error: KamarosError | None) -> None:
            if error is not None:
                failures.append(error)

        control = RunControl(self._control.signal)
        self._control.progress.phase = Phase.VERIFYING
        region = self._transaction.region
        await RestoreFlow(region.file, self._config, self._workers, control, on_outcome).run(items)
        self._control.progress.phase = Phase.COMMITTING
        if failures:
            raise IntegrityError(
                f"The disk did not keep what was written: {failures[0]}",
                hint="Check the disk; the archive was left as it was.",
            ) from failures[0]

    def _report(self, plan: SavePlan, state: NextState, started: float, grown: int) -> SaveReport:
        control = self._control
        head = self._manifest.refs.get("head", "")
        return SaveReport(
            version=state.version.id if state.version else head,
            archive=self._transaction.path,
            created=state.version is not None,
            added=state.added,
            modified=state.modified,
            unchanged=plan.unchanged + state.unchanged,
            deleted=state.deleted,
            failed=sum(issue.kind == "failed" for issue in control.issues),
            issues=tuple(control.issues),
            bytes_in=control.progress.bytes_done,
            bytes_out=grown,
            seconds=time.monotonic() - started,
        )


def _identities(archive: str) -> frozenset[tuple[int, int]]:
    """(device, inode) of the archive and of what lies beside it during a save."""
    found = set()
    for path in (archive, f"{archive}.part", f"{archive}.journal"):
        try:
            info = os.stat(path)
        except OSError:
            continue
        found.add((info.st_dev, info.st_ino))
    return frozenset(found)
