"""Rebuilding: a directory for what a manifest says, out of the entries that were salvaged."""

from __future__ import annotations

import dataclasses
import stat
import time
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from kamaros_gui.archive.claims import needs_of
from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, MIMETYPE_NAME, entry_name
from kamaros_gui.archive.manifest import (
    LISTING_PREFIX,
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    Version,
    encode_manifest,
)
from kamaros_gui.archive.mending import header_patch
from kamaros_gui.archive.rawcopy import copy_entry
from kamaros_gui.archive.recovery import HeaderPatch, mimetype_entry
from kamaros_gui.archive.salvage import Held, Pool, end_of
from kamaros_gui.base.control import RunControl
from kamaros_gui.pipeline import pack_bytes
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry, encode_directory, encode_local_header, local_header_size

__all__ = ["Layout", "keep_blobs", "lay_out", "losses_as_listed", "write_layout"]

_MANIFEST_LEVEL: Final = 3
_TYPE_BITS: Final = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}


@dataclasses.dataclass(slots=True)
class Layout:
    """The directory of the state that is to be.

    Attributes:
        manifest: of that state.
        entries: name → entry, where in the file it is; the manifest is not among them.
        copies: (entry to copy, what the copy is to be): content that two paths need and one entry holds.
        blanks: folders and empty files without an entry.
        missing_head: paths of HEAD whose content is lost.
        missing_history: hash → (path, version) of older content that is lost.
    """

    manifest: Manifest
    entries: dict[str, ZipEntry] = dataclasses.field(default_factory=dict)
    copies: list[tuple[ZipEntry, ZipEntry]] = dataclasses.field(default_factory=list)
    blanks: list[ZipEntry] = dataclasses.field(default_factory=list)
    missing_head: list[str] = dataclasses.field(default_factory=list)
    missing_history: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def losses(self) -> int:
        """How many things the state has lost."""
        return len(self.missing_head) + len(self.missing_history)


class _Stock:
    """Entries to be given away, by the hash of their content."""

    def __init__(self, held: Sequence[Held]) -> None:
        self._by_hash: dict[str, list[Held]] = {}
        self._given: set[int] = set()
        for each in held:
            self._by_hash.setdefault(each.sha256, []).append(each)

    def take(self, digest: str, name: str | None) -> ZipEntry | None:
        """Give away an entry with that content: one called *name*, or any where that is ``None``."""
        left = [each for each in self._by_hash.get(digest, ()) if each.entry.header_offset not in self._given]
        fitting = [each for each in left if name is None or each.entry.name == name]
        if not fitting:
            return None
        # What the directory lists counts most, then what was written last.
        best = max(fitting, key=lambda each: (each.listed, each.entry.header_offset))
        self._given.add(best.entry.header_offset)
        return best.entry

    def any(self, digest: str) -> ZipEntry | None:
        """Return an entry with that content, whether or not it was given away."""
        found = self._by_hash.get(digest)
        return found[0].entry if found else None


def lay_out(pool: Pool, manifest: Manifest, *, listed: bool) -> Layout:
    """Find an entry for everything *manifest* needs. Blocks; belongs in a worker thread.

    Content is told by its SHA-256 alone, so what a path gets is right, whatever the entry was called: one whose name
    was not yet changed by the save that replaced it, or was changed by a later one, counts too.

    Args:
        pool: what there is.
        manifest: says what is needed.
        listed: whether it is the manifest of the last complete directory.
    """
    layout = Layout(manifest)
    stock = _Stock(pool.held)
    names = {entry_name(path, record.type): (path, record) for path, record in manifest.file_map.items()}
    folders = {each.entry.name: each.entry for each in pool.held if each.entry.is_directory and not each.entry.size}
    for name, (_, record) in names.items():
        entry = folders.get(name) if record.type == "directory" else stock.take(record.current_hash, name)
        if entry is not None:
            layout.entries[name] = _as(entry, name, record)
    for name, (path, record) in names.items():
        if name not in layout.entries:
            _find_another(layout, stock, name, path, record)
    head_hashes = {record.current_hash for record in manifest.file_map.values()}
    for digest, need in needs_of(manifest).items():
        if digest not in head_hashes:
            _keep_history(layout, stock, digest, need)
    for version in manifest.versions:
        if version.listing:
            _keep_listing(layout, stock, version)
    _keep_the_rest(layout, pool, same_state=listed)
    layout.entries[MIMETYPE_NAME] = mimetype_entry()
    return layout


def _find_another(layout: Layout, stock: _Stock, name: str, path: str, record: FileRecord) -> None:
    """Find content for a path of HEAD that has no entry under its own name."""
    entry = stock.take(record.current_hash, None) if record.current_hash else None
    if entry is not None:
        layout.entries[name] = _as(entry, name, record)
    elif record.type == "directory" or (record.type == "file" and not record.size):
        layout.blanks.append(_blank(name, record))
    elif (source := stock.any(record.current_hash)) is not None:
        layout.copies.append((source, _as(source, name, record)))
    else:
        layout.missing_head.append(path)


def _keep_history(layout: Layout, stock: _Stock, digest: str, need: tuple[str, str]) -> None:
    name = BLOB_PREFIX + digest
    entry = stock.take(digest, name) or stock.take(digest, None)
    if entry is None:
        layout.missing_history[digest] = need
    else:
        mode = entry.mode or stat.S_IFREG | 0o644
        layout.entries[name] = msgspec.structs.replace(entry, name=name, raw_name=b"", mode=mode)


def _keep_listing(layout: Layout, stock: _Stock, version: Version) -> None:
    """Find the listing of a version that has an entry of its own."""
    name, digest = LISTING_PREFIX + version.listing, version.listing
    if name in layout.entries:
        return
    entry = stock.take(digest, name) or stock.take(digest, None)
    source = entry or stock.any(digest)
    if source is None:
        layout.missing_history[digest] = (name, version.id)
        return
    target = msgspec.structs.replace(source, name=name, raw_name=b"", mode=stat.S_IFREG | 0o644)
    if entry is not None:
        layout.entries[name] = target
    elif all(copy.name != name for _, copy in layout.copies):
        layout.copies.append((source, target))


def _keep_the_rest(layout: Layout, pool: Pool, *, same_state: bool) -> None:
    """Keep what else the last directory lists: what no version needs, and damaged content as it is.

    To a newer state its files and blobs mean nothing any more.
    """
    right = {each.entry.header_offset for each in pool.held}
    extents = sorted((entry.header_offset, end_of(entry)) for entry in layout.entries.values())
    for name, located in pool.mending.located.items():
        if name in layout.entries or name in {MANIFEST_NAME, MIMETYPE_NAME}:
            continue
        if not same_state and name.startswith((CONTENT_PREFIX, BLOB_PREFIX, LISTING_PREFIX)):
            continue
        if located.header_offset not in right and any(name == copy.name for _, copy in layout.copies):
            continue  # its content was found elsewhere
        at = bisect_right(extents, (located.header_offset, end_of(located)))
        if (at and extents[at - 1][1] > located.header_offset) or (
            at < len(extents) and extents[at][0] < end_of(located)
        ):
            continue  # the directory is wrong about its place
        extents.insert(at, (located.header_offset, end_of(located)))
        layout.entries[name] = located


def keep_blobs(layout: Layout, pool: Pool) -> None:
    """List the content of older versions that is held under its hash, where nothing is left that speaks of them."""
    taken = {entry.header_offset for entry in layout.entries.values()}
    head_hashes = {record.current_hash for record in layout.manifest.file_map.values()}
    for each in pool.held:
        name, entry = BLOB_PREFIX + each.sha256, each.entry
        ours = each.listed or each.reached or each.padded
        if ours and entry.name == name and entry.header_offset not in taken and each.sha256 not in head_hashes:
            mode = entry.mode or stat.S_IFREG | 0o644
            layout.entries.setdefault(name, msgspec.structs.replace(entry, mode=mode))


def _as(entry: ZipEntry, name: str, record: FileRecord) -> ZipEntry:
    mode, mtime = _TYPE_BITS[record.type] | record.mode, record.mtime_ns // 1_000_000_000
    return msgspec.structs.replace(entry, name=name, raw_name=b"", mode=mode, mtime=mtime)


def _blank(name: str, record: FileRecord) -> ZipEntry:
    entry, _ = pack_bytes(
        name,
        b"",
        mode=_TYPE_BITS[record.type] | record.mode,
        mtime=record.mtime_ns // 1_000_000_000,
        codec="store",
        level=0,
    )
    return entry


def losses_as_listed(pool: Pool, manifest: Manifest) -> int:
    """Return how many things *manifest* needs that the last complete directory, once mended, does not give. Blocks."""
    listed = {each.entry.name: each.sha256 for each in pool.held if each.listed}
    given = set(listed.values())
    losses = 0
    for path, record in manifest.file_map.items():
        name = entry_name(path, record.type)
        losses += name not in listed or (record.type != "directory" and listed[name] != record.current_hash)
    head_hashes = {record.current_hash for record in manifest.file_map.values()}
    losses += len({version.listing for version in manifest.versions if version.listing} - given)
    return losses + sum(digest not in head_hashes and digest not in given for digest in needs_of(manifest))


def write_layout(
    layout: Layout, file: ReadAccess, overlay: ReadAccess, region: AppendRegion, control: RunControl
) -> tuple[bytes, dict[str, ZipEntry], list[HeaderPatch]]:
    """Write what *layout* lacks to the end of *region*. Blocks; belongs in a worker thread.

    Args:
        layout: the directory that is to be.
        file: the archive as it is.
        overlay: the archive with its headers mended.
        region: where copies go.
        control: stops it between two steps.

    Returns:
        The tail to commit, what it lists, and the local headers to be rewritten afterwards.
    """
    patches: list[HeaderPatch] = []
    entries = dict(layout.entries)
    for name, entry in layout.entries.items():
        control.signal.throw_if_aborted()
        try:
            header = header_patch(file, entry)
        except ValueError:  # written by another program, without room for the name it must have now
            entries[name] = _copied(overlay, entry, entry, region, control)
        else:
            if header is not None:
                patches.append((entry.header_offset, header))
    for source, target in layout.copies:
        entries[target.name] = _copied(overlay, source, target, region, control)
    for blank in layout.blanks:
        entries[blank.name] = msgspec.structs.replace(blank, header_offset=region.position)
        region.append([encode_local_header(blank, blank.header_size)])
    offset = region.position
    manifest = layout.manifest
    manifest.dead_bytes = offset - sum(entry.header_size + entry.compressed_size for entry in entries.values())
    listed, parts = pack_bytes(
        MANIFEST_NAME,
        encode_manifest(manifest),
        mode=stat.S_IFREG | 0o644,
        mtime=int(time.time()),
        codec="deflate",
        level=_MANIFEST_LEVEL,
    )
    head = b"".join(parts)
    entries[MANIFEST_NAME] = msgspec.structs.replace(listed, header_offset=offset)
    ordered = sorted(entries.values(), key=lambda entry: entry.header_offset)
    return head + encode_directory(ordered, offset + len(head)), entries, patches


def _copied(file: ReadAccess, entry: ZipEntry, target: ZipEntry, region: AppendRegion, control: RunControl) -> ZipEntry:
    header = encode_local_header(target, local_header_size(target.name))
    return copy_entry(file, entry, region, target, header, check_abort=control.signal.throw_if_aborted)
