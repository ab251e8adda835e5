"""Figures of an archive: what its bytes are spent on, to the last one, and what its versions hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import msgspec

from kamaros_gui.archive.container import CONTENT_PREFIX, MIMETYPE_NAME, Container, entry_name
from kamaros_gui.archive.history import decode_parts, states_at
from kamaros_gui.archive.manifest import LISTING_PREFIX, MANIFEST_NAME, FileState, Manifest
from kamaros_gui.archive.views import method_name
from kamaros_gui.base.errors import ZipFormatError
from kamaros_gui.base.reports import EntryType
from kamaros_gui.base.upkeep import ArchiveFigures
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["figures_of"]

_LOCAL_FIXED: Final = 30
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_MANIFEST_NAMES: Final = frozenset({MANIFEST_NAME, f".store/{MANIFEST_NAME}"})
"""Ours, and where other writers keep theirs."""


def figures_of(container: Container) -> ArchiveFigures:
    """Work out what an archive is made of. Blocks; belongs in a worker thread.

    Every byte of the file is in exactly one of these, so their sum is ``archive_size``:

    * ``head_packed``: data of the entries of HEAD; of all entries in a plain ZIP;
    * ``history_packed``: data of everything else that is content, such as the blobs of older versions, and entries of
      other writers that no version knows;
    * ``manifest``: the manifest's entry, header and data, and those of its copies and of listings of their own;
    * ``headers``: local headers (APPNOTE 4.3.7) of all other entries, and the data of ``mimetype`` and of folders,
      which some programs give an empty deflate stream;
    * ``directory``: from the central directory to the end of the end record and its comment (APPNOTE 4.3.12 to 4.3.16);
    * ``dead``: the rest, which no entry uses: what was superseded and dropped, old manifests and directories, a tail
      that an interrupted save left, data descriptors and prefixes of other writers.

    ``methods`` covers the entries of ``head_packed`` and ``history_packed``, folders left out. A plain ZIP has no
    hashes, so nothing is said of distinct contents.

    Raises:
        ZipFormatError: a local header is not where the directory says.
        ManifestError: the history is damaged.
        StorageError: the archive can't be read.
    """
    space = _measure(container)
    manifest = container.manifest
    history = _History() if manifest is None else _look_back(manifest)
    if manifest is None:
        held = [entry.size for entry in container.entries.values() if not entry.is_directory]
    else:
        held = [record.size for record in manifest.file_map.values() if record.type != "directory"]
    return ArchiveFigures(
        archive=container.path,
        archive_size=container.size,
        versions=len(manifest.versions) if manifest is not None else 0,
        files=len(held),
        content=sum(held),
        history_content=history.content,
        distinct=len(history.sizes),
        distinct_content=sum(history.sizes.values()),
        head_packed=space.head,
        history_packed=space.history,
        directory=space.directory,
        manifest=space.manifest,
        headers=space.headers,
        dead=container.size - space.head - space.history - space.directory - space.manifest - space.headers,
        methods=space.methods,
    )


@dataclasses.dataclass(slots=True)
class _Space:
    """Bytes of the file, by what they are for; see :func:`figures_of`."""

    directory: int
    head: int = 0
    history: int = 0
    manifest: int = 0
    headers: int = 0
    methods: dict[str, tuple[int, int, int]] = dataclasses.field(default_factory=dict)


def _measure(container: Container) -> _Space:
    space = _Space(container.directory.end - container.directory.directory_offset)
    head = _head_names(container)
    for entry in container.entries.values():
        header = _header_size(container.file, entry)
        if container.manifest is not None and _is_manifest(entry.name):
            space.manifest += header + entry.compressed_size
            continue
        space.headers += header
        if entry.is_directory or (entry.name == MIMETYPE_NAME and container.manifest is not None):
            space.headers += entry.compressed_size
            continue
        if entry.name in head:
            space.head += entry.compressed_size
        else:
            space.history += entry.compressed_size
        method = method_name(entry.method)
        count, size, packed = space.methods.get(method, (0, 0, 0))
        space.methods[method] = count + 1, size + entry.size, packed + entry.compressed_size
    return space


def _is_manifest(name: str) -> bool:
    return name in _MANIFEST_NAMES or name.startswith(LISTING_PREFIX)


def _head_names(container: Container) -> set[str]:
    """Return the names of the entries that hold the contents of HEAD."""
    manifest = container.manifest
    if manifest is None:
        return set(container.entries)
    names = {entry_name(path, record.type) for path, record in manifest.file_map.items()}
    # Where another writer has a path of HEAD as a blob alone, that blob is no history.
    by_hash = container.by_hash()
    for path, record in manifest.file_map.items():
        held = by_hash.get(record.current_hash)
        if held is not None and CONTENT_PREFIX + path not in container.entries:
            names.add(held.name)
    return names


def _header_size(file: ReadAccess, entry: ZipEntry) -> int:
    """Return the length of the local header of *entry*, its name and extra field included.

    Raises:
        ZipFormatError: there is none where the directory says.
    """
    if entry.header_size:
        return entry.header_size
    fixed = file.read(entry.header_offset, _LOCAL_FIXED)
    if len(fixed) < _LOCAL_FIXED or not fixed.startswith(_LOCAL_SIGNATURE):
        raise ZipFormatError(f"There is no local header of “{entry.name}” where the directory says.")
    return _LOCAL_FIXED + int.from_bytes(fixed[26:28], "little") + int.from_bytes(fixed[28:30], "little")


class _Held(msgspec.Struct, gc=False):
    """What the figures need of a :class:`~kamaros_gui.archive.manifest.FileState`."""

    type: EntryType = "file"
    hash: str = ""
    size: int = 0
    deleted: bool = False


@dataclasses.dataclass(slots=True)
class _History:
    """What all versions hold.

    Attributes:
        content: bytes, each version counted in full.
        sizes: content hash → bytes.
    """

    content: int = 0
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)


def _look_back(manifest: Manifest) -> _History:
    """Add up what the versions hold, each worked out from the one before it."""
    history = _History()
    before, total = "", 0
    sizes: dict[str, int] = {}
    for version in manifest.versions:
        listed = decode_parts(version, _Held)
        history.sizes.update((state.hash, state.size) for state in listed.values() if state.hash and not state.deleted)
        if version.snapshot or not version.parent_id:
            sizes = _sizes_of(listed)
            total = sum(sizes.values())
        else:
            if version.parent_id != before:  # a history that is no single line
                sizes = _sizes_of(states_at(manifest, version))
                total = sum(sizes.values())
            total -= sum(sizes.pop(path, 0) for path in listed)
            changed = _sizes_of(listed)
            total += sum(changed.values())
            sizes |= changed
        history.content += total
        before = version.id
    for record in manifest.file_map.values():
        if record.current_hash:
            history.sizes[record.current_hash] = record.size
    return history


def _sizes_of(states: Mapping[str, _Held | FileState]) -> dict[str, int]:
    """Return path → bytes of the files and links in *states*."""
    return {path: state.size for path, state in states.items() if not state.deleted and state.type != "directory"}
