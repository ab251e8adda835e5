"""Rewriting: what is alive in an archive is copied into a new file, as it is, without the dead bytes between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from kamaros_gui.archive.container import BLOB_PREFIX, MIMETYPE_NAME, STORE_PREFIX, Container, entry_name
from kamaros_gui.archive.copying import Copying
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.rawcopy import checked_header_size, copy_entry, without_descriptor
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.base.limits import MIB
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, settled_header_size

__all__ = ["check_copies", "copy_live_entries"]


def copy_live_entries(
    base: Container, manifest: Manifest, region: AppendRegion, copying: Copying
) -> list[tuple[ZipEntry, ZipEntry]]:
    """Copy what the manifest of *base* names, and what else there is beside it, to the end of *region*. Blocks.

    Blobs whose content HEAD holds too, as some writers leave them, are left out; a file of HEAD that is only a blob
    gets its own entry.

    Args:
        base: the archive.
        manifest: of it.
        region: where the copies go.
        copying: abort and progress.

    Returns:
        Each entry and its copy; ``mimetype`` and manifests are not among them.

    Raises:
        ZipFormatError, IntegrityError: an entry of *base* is damaged so that its bytes can't be told from others.
        DiskFullError, StorageError: a file can't be read or written.
        Exception: what *copying* stops it with.
    """
    wanted = list(_wanted(base, manifest))
    copying.on_total(sum(entry.compressed_size for entry, _ in wanted))
    ends = _ends(base)
    copies = []
    for found, name in wanted:
        size = checked_header_size(base.file, found, ends[found.header_offset], own=not base.needs_upgrade)
        entry = msgspec.structs.replace(found, header_size=size)
        changed = without_descriptor(msgspec.structs.replace(entry, name=name, raw_name=b""))
        # Blobs only ever get shorter names: those of content that returns.
        size = settled_header_size(changed, renamable=not name.startswith(STORE_PREFIX))
        header = encode_local_header(changed, size)
        copy = copy_entry(
            base.file, entry, region, changed, header, check_abort=copying.check_abort, on_bytes=copying.on_bytes
        )
        copies.append((entry, copy))
    return copies


def _ends(base: Container) -> dict[int, int]:
    """Return where each entry begins → where what follows it begins."""
    starts = sorted(entry.header_offset for entry in base.entries.values())
    return dict(zip(starts, [*starts[1:], base.directory.directory_offset], strict=True))


def check_copies(
    source: ReadAccess, target: ReadAccess, copies: Sequence[tuple[ZipEntry, ZipEntry]], copying: Copying
) -> None:
    """Compare each copy in *target* with its original in *source*, byte by byte. Blocks.

    Raises:
        IntegrityError: *target* has something else.
        StorageError: a file can't be read.
        Exception: what *copying* stops it with.
    """
    for entry, copy in copies:
        old = entry.header_offset + entry.header_size
        new = copy.header_offset + copy.header_size
        for done in range(0, entry.compressed_size, MIB):
            copying.check_abort()
            step = min(MIB, entry.compressed_size - done)
            if source.read_exactly(old + done, step) != target.read_exactly(new + done, step):
                raise IntegrityError(
                    f"The disk did not keep what was written: the copy of {copy.name} is another than the original.",
                    hint="Check the disk; the archive was left as it was.",
                )


def _wanted(base: Container, manifest: Manifest) -> Iterator[tuple[ZipEntry, str]]:
    """Yield each entry to copy, in the order of the file, and the name of its copy."""
    head = {entry_name(path, record.type): record.current_hash for path, record in manifest.file_map.items()}
    only_blobs: dict[str, list[str]] = {}
    for name, digest in head.items():
        if name not in base.entries and digest:
            only_blobs.setdefault(BLOB_PREFIX + digest, []).append(name)
    in_head = {BLOB_PREFIX + digest for digest in head.values() if digest}
    left_out = {MIMETYPE_NAME, *base.manifest_names}
    for entry in sorted(base.entries.values(), key=lambda each: each.header_offset):
        if entry.name in only_blobs:
            yield from ((entry, name) for name in only_blobs[entry.name])
        elif entry.name not in left_out and entry.name not in in_head:
            yield entry, entry.name
