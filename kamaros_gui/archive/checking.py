"""Check entries that were copied, before they become an archive: every CRC-32, and every SHA-256 the manifest knows."""

from __future__ import annotations

from collections.abc import Iterable

from kamaros_gui.archive.container import BLOB_PREFIX, entry_name
from kamaros_gui.archive.history import encrypted_hashes
from kamaros_gui.archive.manifest import LISTING_PREFIX, Manifest
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError, StorageError
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import RestoreFlow, RestoreItem, Workers
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["check_entries"]


async def check_entries(
    files: FilePrimitives,
    file: ReadAccess,
    entries: Iterable[ZipEntry],
    manifest: Manifest,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> list[tuple[str, KamarosError]]:
    """Read *entries* and return what is damaged: (name of the entry, what is wrong with it).

    Constant memory; small entries side by side.

    Args:
        files: where *file* is.
        file: the archive, open for reading.
        entries: what to check. What is encrypted can't be.
        manifest: knows the hashes.
        config: chunk size.
        workers: threads.
        control: abort and pause; its progress is left as it is, but for the phase.

    Raises:
        AbortError: the control's signal was aborted (or whatever its reason is).
        StorageError: the archive can't be read, which says nothing of its content.
    """
    control.progress.phase = Phase.VERIFYING
    sealed = await workers.compute(encrypted_hashes, manifest)
    expected = {entry_name(path, each.type): each.current_hash for path, each in manifest.file_map.items()}
    items = []
    for entry in entries:
        digest = expected.get(entry.name) or _hash_in(entry.name)
        if not entry.encrypted:
            items.append(RestoreItem(entry.name, entry, "" if digest in sealed else digest))
    damaged: list[tuple[str, KamarosError]] = []
    unreadable: list[StorageError] = []

    def on_outcome(item: RestoreItem, error: KamarosError | None) -> None:
        if isinstance(error, StorageError):
            unreadable.append(error)
        elif error is not None:
            damaged.append((item.path, error))

    unseen = RunControl(control.signal)
    unseen.gate = control.gate
    await RestoreFlow(files, file, config, workers, unseen, on_outcome).run(items)
    if unreadable:
        raise unreadable[0]
    return damaged


def _hash_in(name: str) -> str:
    """Return the hash that the name of an entry promises."""
    prefix = next((each for each in (BLOB_PREFIX, LISTING_PREFIX) if name.startswith(each)), "")
    return name.removeprefix(prefix) if prefix else ""
