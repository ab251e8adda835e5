"""Verify-after-save: read back what a save wrote, before it becomes the new state."""

from __future__ import annotations

from collections.abc import Iterable

from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.commit import Transaction, not_kept
from kamaros_gui.archive.container import run_reader
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.pipeline import RestoreFlow, RestoreItem, Workers
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import ZipEntry, read_directory

__all__ = ["check_content", "check_directory"]


async def check_content(
    files: FilePrimitives,
    file: ReadAccess,
    contents: Iterable[tuple[str, str, ZipEntry]],
    config: JCFConfig,
    workers: Workers,
    signal: AbortSignal,
) -> None:
    """Read every content back: its CRC-32, and its SHA-256 too where ``config.verify_after_save`` is ``"full"``.

    Args:
        files: where the archive is.
        file: the archive.
        contents: (path, SHA-256, entry) of what was written, and of what is used again.
        config: how thoroughly, and the chunk size.
        workers: threads.
        signal: stops between two chunks.

    Raises:
        AbortError: *signal* was aborted (or whatever its reason is).
        IntegrityError: the disk did not keep it.
    """
    full = config.verify_after_save == "full"
    items = [RestoreItem(path, entry, sha256 if full else "") for path, sha256, entry in contents]
    failures: list[KamarosError] = []

    def on_outcome(_item: RestoreItem, error: KamarosError | None) -> None:
        if error is not None:
            failures.append(error)

    flow = RestoreFlow(files, file, config, workers, RunControl(signal), on_outcome, _AnyName())
    await flow.run(items)
    if failures:
        raise not_kept(str(failures[0])) from failures[0]


class _AnyName:
    """Names that local headers may have until the commit, after which they are rewritten."""

    def __contains__(self, name: object) -> bool:
        return True


def check_directory(tail: bytes, transaction: Transaction, table: EntryTable) -> None:
    """Read the directory about to be written as any reader would, and compare it with what it should say. Blocks.

    Raises:
        IntegrityError: it says something else.
    """
    file = _Appended(transaction.region.file, transaction.region.position, tail)
    directory = run_reader(file, read_directory(file.end))
    expected = table.entries
    same = len(directory.entries) == len(expected) and all(
        (entry.header_offset, entry.compressed_size, entry.size, entry.crc32)
        == (wanted.header_offset, wanted.compressed_size, wanted.size, wanted.crc32)
        for entry in directory.entries
        if (wanted := expected.get(entry.name)) is not None
    )
    if not same or any(entry.name not in expected for entry in directory.entries):
        raise not_kept("the directory does not list the entries as they are.")


class _Appended:
    """A file as it will be once *tail* is written at *position*."""

    def __init__(self, file: ReadAccess, position: int, tail: bytes) -> None:
        self.end = position + len(tail)
        self._file = file
        self._position = position
        self._tail = tail

    def read(self, offset: int, length: int) -> bytes:
        before = self._file.read(offset, min(length, self._position - offset)) if offset < self._position else b""
        start = max(offset - self._position, 0)
        return before + self._tail[start : start + length - len(before)]
