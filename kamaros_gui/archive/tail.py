"""The tail of an archive: manifest entry, central directory and end records, which make a state a committed one."""

from __future__ import annotations

import hashlib
import time
from typing import Final

import msgspec

from kamaros_gui.archive.blobs import EntryTable, Placed, header_size_of
from kamaros_gui.archive.commit import Transaction
from kamaros_gui.archive.container import run_reader
from kamaros_gui.archive.manifest import LISTING_PREFIX, MANIFEST_NAME, Manifest, Version, encode_manifest
from kamaros_gui.archive.readback import check_directory
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.limits import LISTING_FROM, LISTINGS_INLINE
from kamaros_gui.pipeline import Workers, pack_bytes
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.zipfmt import encode_directory, read_known_headers

__all__ = ["commit_state", "encode_tail", "first_table"]

_MANIFEST_LEVEL: Final = 3
"""The manifest is written with every save; a faster level costs a few per cent of a few megabytes."""

_LISTING_LEVEL: Final = 6
"""A listing is written once, and kept."""


def first_table(transaction: Transaction) -> EntryTable:
    """Return the directory a transaction begins with."""
    entries, base = transaction.entries, transaction.appended_to
    return EntryTable(
        file=transaction.region.file,
        region=transaction.region,
        entries={entry.name: entry for entry in entries},
        placed=Placed(entries, base.directory.directory_offset if base is not None else 0),
    )


def encode_tail(table: EntryTable, manifest: Manifest, transaction: Transaction) -> bytes:
    """Return manifest entry, central directory and end records, to be written where the region ends.

    The dead bytes of the manifest are brought up to date. Blocks; belongs in a worker thread.
    """
    old = table.take(MANIFEST_NAME)
    appended_to = transaction.appended_to
    if appended_to is not None and old is not None:
        replaced = appended_to.size - appended_to.directory.directory_offset
        manifest.dead_bytes += header_size_of(appended_to.file, old) + old.compressed_size + replaced
    manifest.dead_bytes += table.dead_bytes
    parts: list[Buffer] = []
    position = transaction.region.position
    for name, content in (*_take_out_listings(table, manifest), (MANIFEST_NAME, encode_manifest(manifest))):
        level = _MANIFEST_LEVEL if name == MANIFEST_NAME else _LISTING_LEVEL
        entry, packed = pack_bytes(name, content, mode=0o100644, mtime=int(time.time()), codec="deflate", level=level)
        table.add(msgspec.structs.replace(entry, header_offset=position))
        position += sum(map(len, packed))
        parts += packed
    known = None
    if appended_to is not None:
        known = run_reader(appended_to.file, read_known_headers(appended_to.directory))
    return b"".join((*parts, encode_directory(table.entries.values(), position, known)))


def _take_out_listings(table: EntryTable, manifest: Manifest) -> list[tuple[str, bytes]]:
    """Give listings entries of their own when those in the manifest have become many; return name and content of each.

    Every save writes the manifest anew, but such an entry only once. As long as all is small, the manifest is easier to
    read for others with everything in it.
    """
    inline = [version for version in manifest.versions if not version.listing]
    if sum(memoryview(version.file_states).nbytes for version in inline) <= LISTINGS_INLINE:
        return []
    taken: dict[str, bytes] = {}
    versions: dict[str, Version] = {}
    for version in inline:
        content = bytes(version.file_states)
        if len(content) >= LISTING_FROM:
            digest = hashlib.sha256(content).hexdigest()
            versions[version.id] = msgspec.structs.replace(
                version, file_states=msgspec.Raw(b"{}"), listing=digest, listing_size=len(content)
            )
            if LISTING_PREFIX + digest not in table.entries:
                taken[LISTING_PREFIX + digest] = content
    manifest.versions = [versions.get(version.id, version) for version in manifest.versions]
    return list(taken.items())


async def commit_state(
    transaction: Transaction,
    table: EntryTable,
    manifest: Manifest,
    workers: Workers,
    control: RunControl,
    *,
    check: bool = False,
) -> None:
    """Make *table* and *manifest* the new state of the archive.

    Args:
        transaction: has the entries.
        table: the directory.
        manifest: goes with it.
        workers: threads.
        control: stops it until the commit begins.
        check: read the directory back before it counts.

    Raises:
        AbortError: the control's signal was aborted (or whatever its reason is).
        IntegrityError: what is read back is something else.
        DiskFullError, StorageError: it could not be written. After any of these nobody sees anything of it, and the
            transaction can be rolled back.
    """
    tail = await workers.compute(encode_tail, table, manifest, transaction)
    if check:
        await workers.compute(check_directory, tail, transaction, table)
    await control.checkpoint()
    await workers.io(lambda: transaction.commit(tail, table.patches, check=check))
