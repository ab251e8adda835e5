"""Verify: every stored byte against CRC-32 and SHA-256, the manifest against the directory, every version reachable."""

from __future__ import annotations

import time

from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, MIMETYPE_NAME, Container, entry_name
from kamaros_gui.archive.history import hashes_in_use
from kamaros_gui.archive.manifest import LISTING_PREFIX, MANIFEST_NAME
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import VerifyProblem, VerifyReport
from kamaros_gui.pipeline import RestoreFlow, RestoreItem, Workers
from kamaros_gui.storage.primitives import FilePrimitives

__all__ = ["verify"]


async def verify(
    files: FilePrimitives, archive: str, config: JCFConfig, workers: Workers, control: RunControl
) -> VerifyReport:
    """Check an archive; damage is reported, not raised.

    Args:
        files: where the archive is.
        archive: path of the archive.
        config: chunk size.
        workers: threads.
        control: abort, pause, progress.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        NotFoundError: there is no such archive.
        StorageError: it can't be read.
    """
    started = time.monotonic()
    control.progress.phase = Phase.READING_ARCHIVE
    control.signal.throw_if_aborted()
    try:
        container = await workers.io(Container.load, files, archive)
    except IntegrityError as error:
        problem = VerifyProblem("structure", "", "", "", str(error))
        return VerifyReport(
            valid=False, checked=0, errors=(problem,), warnings=(), bytes_read=0, seconds=time.monotonic() - started
        )
    try:
        return await _Verify(files, container, config, workers, control).run(started)
    finally:
        container.close()


class _Verify:
    def __init__(
        self, files: FilePrimitives, container: Container, config: JCFConfig, workers: Workers, control: RunControl
    ) -> None:
        self._files = files
        self._container = container
        self._config = config
        self._workers = workers
        self._control = control
        self._problems: list[VerifyProblem] = []
        self._warnings = list(container.warnings)
        self._used: dict[str, tuple[str, str]] = {}
        self._head = container.manifest.refs.get("head", "") if container.manifest else ""

    async def run(self, started: float) -> VerifyReport:
        control, container = self._control, self._container
        items = await self._workers.io(self._plan)
        # A repair has counted what it read, too.
        counted = control.progress.bytes_done
        control.progress.files_total = control.progress.files_done + len(items)
        control.progress.bytes_total = counted + sum(item.entry.size for item in items)
        control.progress.phase = Phase.VERIFYING
        flow = RestoreFlow(
            self._files, container.file, self._config, self._workers, control, self._on_outcome, container.tolerated
        )
        await flow.run(items)
        return VerifyReport(
            valid=not self._problems,
            checked=len(items),
            errors=tuple(self._problems),
            warnings=tuple(self._warnings),
            bytes_read=control.progress.bytes_done - counted,
            seconds=time.monotonic() - started,
            stages=control.stages.snapshot(),
        )

    def _plan(self) -> list[RestoreItem]:
        container = self._container
        expected = self._check_manifest() if container.manifest else {}
        sealed = container.encrypted_hashes()
        items = []
        for entry in sorted(container.entries.values(), key=lambda each: each.header_offset):
            if entry.name.startswith(BLOB_PREFIX):
                digest = entry.name.removeprefix(BLOB_PREFIX)
                path = self._used.get(digest, (entry.name, ""))[0]
            elif entry.name.startswith(LISTING_PREFIX):
                digest, path = entry.name.removeprefix(LISTING_PREFIX), entry.name
            else:
                digest = expected.get(entry.name, "")
                path = entry.name.removeprefix(CONTENT_PREFIX).removesuffix("/") if digest else entry.name
            # What another writer has encrypted is not what its hash was taken of; its CRC-32 holds all the same.
            items.append(RestoreItem(path, entry, "" if digest in sealed else digest))
        return items

    def _check_manifest(self) -> dict[str, str]:
        """Compare manifest and directory; return entry name → hash it must have."""
        container = self._container
        manifest = container.manifest
        expected: dict[str, str] = {}
        if manifest is None:
            return expected
        head = self._head
        for path, record in manifest.file_map.items():
            name = entry_name(path, record.type)
            entry = container.entries.get(name)
            if (
                entry is None
                and container.needs_upgrade
                and (record.type == "directory" or record.current_hash in container.by_hash())
            ):
                continue  # other writers list no folders, and may keep content as blobs alone
            if entry is None:
                self._add(
                    "missing", path, head, record.current_hash, f"{path} is in the manifest, but not in the archive."
                )
                continue
            expected[name] = record.current_hash
            if record.type == "file" and entry.size != record.size and not record.encrypted:
                message = f"{path} has {entry.size} bytes in the directory, {record.size} in the manifest."
                self._add("structure", path, head, record.current_hash, message)
        for name in container.entries:
            if name not in expected and name not in {MIMETYPE_NAME, MANIFEST_NAME} and not name.startswith(".store/"):
                self._warnings.append(f"{name} is in the archive, but not in the manifest.")
        try:
            self._used = hashes_in_use(manifest)
        except IntegrityError as error:
            self._add("structure", "", "", "", str(error))
        held = container.by_hash()
        for digest, (path, version) in self._used.items():
            if digest not in held and version != head:
                message = f"The content of {path} in version {version[:8]} is not in the archive."
                self._add("missing", path, version, digest, message)
        return expected

    def _on_outcome(self, item: RestoreItem, error: KamarosError | None) -> None:
        if error is not None:
            path, version = item.path, self._head
            if item.entry.name.startswith(BLOB_PREFIX):
                path, version = self._used.get(item.sha256, (item.path, ""))
            where = f" (version {version[:8]})" if version else ""
            self._add("content", path, version, item.sha256, f"{error}{where}")

    def _add(self, kind: str, path: str, version: str, digest: str, message: str) -> None:
        self._problems.append(VerifyProblem(kind, path, version, digest, message))  # type: ignore[arg-type] # a literal
