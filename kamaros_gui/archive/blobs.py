"""Superseded content becomes history without being copied: entries are relabelled, or dropped where not needed.

When a path gets new content or leaves HEAD, its old entry is still the only place of bytes an older version needs. It
is given the name ``.store/blobs/<sha256>`` in the new directory; its local header, written with room to spare, is
rewritten in place after the commit. Content that HEAD or another blob holds already is not kept twice: that entry is
dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Sequence

import msgspec

from kamaros_gui.archive.container import BLOB_PREFIX
from kamaros_gui.archive.recovery import HeaderPatch
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size, parse_local_header

__all__ = ["EntryTable", "header_size_of"]

_LOCAL_FIXED = 30
_COPY_STEP = 1 << 20


@dataclasses.dataclass(slots=True)
class EntryTable:
    """The directory of the next state, as it takes shape. Blocking; belongs in a worker thread.

    Attributes:
        file: the archive, open for reading.
        region: where an entry without room in its header is copied to.
        entries: name → entry.
        patches: local headers to rewrite after the commit.
        dead_bytes: bytes of entries that were dropped.
    """

    file: ReadAccess
    region: AppendRegion
    entries: dict[str, ZipEntry]
    patches: list[HeaderPatch] = dataclasses.field(default_factory=list)
    dead_bytes: int = 0

    def add(self, entry: ZipEntry) -> None:
        """List a new entry."""
        self.entries[entry.name] = entry

    def take(self, name: str) -> ZipEntry | None:
        """Remove the entry called *name* from the directory and return it."""
        return self.entries.pop(name, None)

    def drop(self, entry: ZipEntry) -> None:
        """Count *entry*, already taken out, as dead space."""
        self.dead_bytes += header_size_of(self.file, entry) + entry.compressed_size

    def keep_as_history(self, superseded: Sequence[tuple[str, ZipEntry]], head_hashes: Container[str]) -> None:
        """Relabel or drop entries whose content has left its path.

        Args:
            superseded: (content hash, entry already taken out of the directory).
            head_hashes: hashes that the new HEAD holds under ``content/``.
        """
        for digest, entry in superseded:
            name = BLOB_PREFIX + digest
            if not digest or digest in head_hashes or name in self.entries:
                self.drop(entry)
            else:
                self.rewrite(entry, msgspec.structs.replace(entry, name=name))

    def drop_blobs(self, head_hashes: Sequence[str]) -> None:
        """Drop blobs whose content is (again) in HEAD."""
        for digest in head_hashes:
            blob = self.take(BLOB_PREFIX + digest)
            if blob is not None:
                self.drop(blob)

    def rewrite(self, entry: ZipEntry, changed: ZipEntry) -> None:
        """List *changed*, which differs from *entry* in name, mode or time, and plan its new local header."""
        size = header_size_of(self.file, entry)
        try:
            header = encode_local_header(changed, size)
        except ValueError:
            changed = self._copy(entry, changed)
        else:
            self.patches.append((entry.header_offset, header))
        self.add(changed)

    def _copy(self, entry: ZipEntry, changed: ZipEntry) -> ZipEntry:
        """Copy the compressed bytes of an entry whose header, written elsewhere, has no room for the new name."""
        old_size = header_size_of(self.file, entry)
        new_size = local_header_size(changed.name)
        offset = self.region.position
        self.region.append([encode_local_header(changed, new_size)])
        at, end = entry.header_offset + old_size, entry.header_offset + old_size + entry.compressed_size
        while at < end:
            data = self.file.read_exactly(at, min(_COPY_STEP, end - at))
            self.region.append([data])
            at += len(data)
        self.drop(entry)
        return msgspec.structs.replace(changed, header_offset=offset, header_size=new_size)


def header_size_of(file: ReadAccess, entry: ZipEntry) -> int:
    """Return the length of the local header of *entry*, read from the file where the entry does not know it.

    Raises:
        ZipFormatError: there is no local header.
    """
    if entry.header_size:
        return entry.header_size
    name_and_extra = 2 * len(entry.name) + 512
    return parse_local_header(file.read(entry.header_offset, _LOCAL_FIXED + name_and_extra)).header_size
