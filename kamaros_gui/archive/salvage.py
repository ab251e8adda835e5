"""Salvage: everything in a damaged archive that can be proven right, and the state it belongs to.

The evidence is, in this order: the last complete directory, wherever in the file it stands; local headers behind it,
or all of them where there is no directory; and of these only what decodes to the CRC-32 it claims. Names prove nothing,
content hashes do: what a version needs is looked up by SHA-256.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, MIMETYPE, MIMETYPE_NAME, entry_name, run_reader
from kamaros_gui.archive.fingerprints import fingerprints
from kamaros_gui.archive.manifest import (
    LISTING_PREFIX,
    MANIFEST_NAME,
    Manifest,
    decode_states,
)
from kamaros_gui.archive.manifests_found import listings_in, read_claim
from kamaros_gui.archive.mending import Mending, mend_headers
from kamaros_gui.archive.recovery import mimetype_entry
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.base.limits import MIB
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import (
    ArchiveScan,
    Directory,
    ZipEntry,
    encode_plain_local_header,
    read_directory,
    scan_archive,
)

__all__ = [
    "Held",
    "Pool",
    "end_of",
    "expected_hashes",
    "has_mark",
    "is_ours",
    "mend_directory",
    "older_names",
    "salvage",
]

_MAX_DIRECTORIES: Final = 64
"""Directories tried from the end on: reading one for each of thousands would be a trap."""

_DECODE_ROOM: Final = 64 * MIB
"""Compressed bytes read off the chain, beside the length of the file: what headers claim there may overlap."""

_MARK_FLAWS: Final = 4
"""Bytes of the mark at the start of an archive that may be damaged before it is taken for another kind of file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """An entry that was read and is right.

    Attributes:
        entry: with the length of its header; under the name it has now, or that the directory gives it.
        sha256: of its content.
        listed: whether the last complete directory has it.
        reached: whether an unbroken chain of entries, or that directory, leads to it.
        padded: whether its header is one of ours.
    """

    entry: ZipEntry
    sha256: str
    listed: bool
    reached: bool
    padded: bool


@dataclasses.dataclass(slots=True)
class Pool:
    """What a damaged archive still holds.

    Attributes:
        file: the archive as it is once its headers are mended.
        mending: headers of the last complete directory.
        directory: that directory, ``None`` where there is none.
        held: all that is right, by offset; no two of them share a byte.
    """

    file: ReadAccess
    mending: Mending
    directory: Directory | None
    held: list[Held]


class Watched:
    """An archive that is read in one long call, which an abort ends between two reads."""

    def __init__(self, file: ReadAccess, control: RunControl) -> None:
        self._file = file
        self._control = control

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*; raises the abort's reason."""
        self._control.signal.throw_if_aborted()
        return self._file.read(offset, length)


def is_ours(file: ReadAccess) -> bool:
    """Whether *file* begins like an archive of ours, but for a few bytes."""
    wanted = encode_plain_local_header(mimetype_entry()) + MIMETYPE
    found = file.read(0, len(wanted))
    return len(found) == len(wanted) and sum(a != b for a, b in zip(found, wanted, strict=True)) <= _MARK_FLAWS


async def salvage(
    files: FilePrimitives, file: ReadAccess, config: JCFConfig, workers: Workers, control: RunControl
) -> Pool:
    """Find and read everything an archive holds. Nothing is written.

    Raises:
        AbortError: the control's signal was aborted (or whatever its reason is).
        StorageError: the file can't be read.
    """
    control.progress.phase = Phase.READING_ARCHIVE
    size = file.size()
    watched = Watched(file, control)
    scan = await workers.io(lambda: run_reader(watched, scan_archive(size)))
    directory = await workers.io(_last_directory, watched, scan)
    mending = Mending()
    if directory is not None:
        mending = await mend_directory(files, file, directory, config, workers, control)
    overlay = mending.seen(file)
    wanted = _worth_reading(scan, mending, size)
    hashes = await fingerprints(overlay, [each.entry for each in wanted], config, workers, control)
    right = [dataclasses.replace(each, sha256=digest) for each, digest in zip(wanted, hashes, strict=True) if digest]
    return Pool(overlay, mending, directory, _without_overlaps(right))


def _last_directory(file: Watched, scan: ArchiveScan) -> Directory | None:
    for place in scan.directories[: -_MAX_DIRECTORIES - 1 : -1]:
        try:
            directory = run_reader(file, read_directory(place.end))
        except IntegrityError:
            continue
        if has_mark(directory):
            return directory
    return None


def has_mark(directory: Directory) -> bool:
    """Whether *directory* begins an archive of ours: its first entry is the mark, as it is written."""
    wanted = mimetype_entry()
    return any(
        entry.name == wanted.name
        and (entry.header_offset, entry.method, entry.compressed_size, entry.size, entry.crc32)
        == (wanted.header_offset, wanted.method, wanted.compressed_size, wanted.size, wanted.crc32)
        for entry in directory.entries
    )


async def mend_directory(
    files: FilePrimitives,
    file: ReadAccess,
    directory: Directory,
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> Mending:
    """Find out about the headers of *directory*: that of the manifest first, which knows the hashes of the others."""
    manifest: Manifest | None = None
    end = directory.directory_offset
    own = [entry for entry in directory.entries if entry.name == MANIFEST_NAME]
    if own:
        alone = await mend_headers(
            files, file, own, end, {MANIFEST_NAME: ""}, lambda _digest: (), config, workers, control
        )
        if alone.located:
            entry = alone.located[MANIFEST_NAME]
            listings = listings_in(directory)
            manifest = await workers.compute(read_claim, alone.seen(file), entry, listings)
    hashes = expected_hashes(directory.entries, manifest)
    return await mend_headers(
        files, file, directory.entries, end, hashes, older_names(manifest), config, workers, control
    )


def expected_hashes(entries: Iterable[ZipEntry], manifest: Manifest | None) -> dict[str, str]:
    """Return entry name → SHA-256 that its content must have, empty where that is not known, of all that may be."""
    hashes = {MIMETYPE_NAME: "", MANIFEST_NAME: ""}
    for entry in entries:
        if entry.name.startswith((BLOB_PREFIX, LISTING_PREFIX)):
            hashes[entry.name] = entry.name.rpartition("/")[2]
    for path, record in manifest.file_map.items() if manifest is not None else ():
        hashes[entry_name(path, record.type)] = record.current_hash
    return hashes


def older_names(manifest: Manifest | None) -> Callable[[str], Sequence[str]]:
    """Return a function: content hash → names of the entries that any version had it under."""
    known: dict[str, dict[str, None]] = {}

    def names(digest: str) -> Sequence[str]:
        if not known and manifest is not None:
            for version in manifest.versions:
                try:
                    states = decode_states(version)
                except IntegrityError:
                    continue
                for path, state in states.items():
                    if state.hash:
                        known.setdefault(state.hash, {})[CONTENT_PREFIX + path] = None
        return list(known.get(digest, ()))

    return names


def _worth_reading(scan: ArchiveScan, mending: Mending, size: int) -> list[Held]:
    """Return what to read: what the directory lists, and what else looks like an entry, as far as that is bounded."""
    listed = list(mending.located.values())
    wanted = [Held(entry, "", listed=True, reached=True, padded=True) for entry in listed]
    extents = sorted((entry.header_offset, end_of(entry)) for entry in listed)
    budget, position = size + _DECODE_ROOM, 0
    for found in scan.entries:
        start = found.entry.header_offset
        while position < len(extents) and extents[position][1] <= start:
            position += 1
        if position < len(extents) and extents[position][0] < found.end:
            continue  # it lies in what the directory says is an entry, or is that entry itself
        if not found.linked:
            budget -= found.entry.compressed_size
            if budget < 0:
                continue
        wanted.append(Held(found.entry, "", listed=False, reached=found.reached, padded=found.padded))
    return sorted(wanted, key=lambda each: each.entry.header_offset)


def _without_overlaps(right: Sequence[Held]) -> list[Held]:
    """Drop what lies inside something else that is right: headers in a stored file look like any other."""
    kept: list[Held] = []
    for trusted in (True, False):
        fixed = kept
        kept, position, last_end = [], 0, 0
        for each in right:
            if each.reached != trusted:
                continue
            start, end = each.entry.header_offset, end_of(each.entry)
            while position < len(fixed) and end_of(fixed[position].entry) <= start:
                position += 1
            if start < last_end or (position < len(fixed) and fixed[position].entry.header_offset < end):
                continue
            kept.append(each)
            last_end = end
        kept = sorted([*fixed, *kept], key=lambda each: each.entry.header_offset)
    return kept


def end_of(entry: ZipEntry) -> int:
    """Return the byte after the data of *entry*, which knows the length of its header."""
    return entry.header_offset + entry.header_size + entry.compressed_size
