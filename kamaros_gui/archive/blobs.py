"""Superseded content becomes history without being copied: entries are relabelled, or dropped where not needed.

When a path gets new content or leaves HEAD, its old entry is still the only place of bytes an older version needs. It
is given the name ``.store/blobs/<sha256>`` in the new directory; its local header, written with room to spare, is
rewritten in place after the commit. Content that HEAD or another blob holds already is not kept twice: that entry is
dropped.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Container, Sequence

import msgspec

from kamaros_gui.archive.container import BLOB_PREFIX
from kamaros_gui.archive.copying import Copying
from kamaros_gui.archive.manifest import UNZIP_HINT
from kamaros_gui.archive.rawcopy import checked_header_size, copy_entry, header_size_of, without_descriptor
from kamaros_gui.archive.recovery import HeaderPatch
from kamaros_gui.base.errors import ManifestError, ZipFormatError
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size

__all__ = ["EntryTable", "Placed", "header_size_of"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Placed:
    """Where the entries lie that a file had to begin with.

    Args:
        entries: of the directory.
        end: where they end at the latest: the directory's offset.
    """

    def __init__(self, entries: Sequence[ZipEntry] = (), end: int = 0) -> None:
        self._entries = entries
        self._end = end
        self._starts: list[int] | None = None

    def limit_of(self, entry: ZipEntry) -> int:
        """Return where what follows *entry* begins."""
        if self._starts is None:  # most saves give no entry another name
            self._starts = sorted(each.header_offset for each in self._entries)
        index = bisect.bisect_right(self._starts, entry.header_offset)
        return self._starts[index] if index < len(self._starts) else self._end


@dataclasses.dataclass(slots=True)
class EntryTable:
    """The directory of the next state, as it takes shape. Blocking; belongs in a worker thread.

    Attributes:
        file: the archive, open for reading.
        region: where an entry without room in its header is copied to.
        entries: name → entry.
        placed: where the entries it began with lie.
        patches: local headers to rewrite after the commit.
        dead_bytes: bytes of entries that were dropped.
        copying: what goes on beside a copy.
    """

    file: ReadAccess
    region: AppendRegion
    entries: dict[str, ZipEntry]
    placed: Placed = dataclasses.field(default_factory=Placed)
    patches: list[HeaderPatch] = dataclasses.field(default_factory=list)
    dead_bytes: int = 0
    copying: Copying = dataclasses.field(default_factory=Copying)

    def copy(self) -> EntryTable:
        """Return a table that takes shape without changing this one."""
        return dataclasses.replace(self, entries=dict(self.entries), patches=list(self.patches))

    def add(self, entry: ZipEntry) -> None:
        """List a new entry."""
        self.entries[entry.name] = entry

    def take(self, name: str) -> ZipEntry | None:
        """Remove the entry called *name* from the directory and return it."""
        return self.entries.pop(name, None)

    def drop(self, entry: ZipEntry) -> None:
        """Count *entry*, already taken out, as dead space."""
        try:
            header_size = header_size_of(self.file, entry)
        except ZipFormatError:  # as long as it must have been; what is damaged can be dropped, too
            header_size = local_header_size(entry.name)
        self.dead_bytes += header_size + entry.compressed_size

    def keep_as_history(self, superseded: Sequence[tuple[str, ZipEntry]], head_hashes: Container[str]) -> None:
        """Relabel or drop entries whose content has left its path.

        Args:
            superseded: (content hash, entry already taken out of the directory).
            head_hashes: hashes that the new HEAD holds under ``content/``.
        """
        for digest, entry in superseded:
            name = BLOB_PREFIX + digest
            if digest and not _SHA256.fullmatch(digest):
                raise ManifestError(f"The manifest is damaged: “{digest[:64]}” is no SHA-256.", hint=UNZIP_HINT)
            if not digest or digest in head_hashes or name in self.entries:
                self.drop(entry)
            else:
                self.rewrite(entry, msgspec.structs.replace(entry, name=name))

    def drop_called(self, name: str) -> None:
        """Drop the entry called *name*, if there is one."""
        entry = self.take(name)
        if entry is not None:
            self.drop(entry)

    def drop_blobs(self, head_hashes: Sequence[str]) -> None:
        """Drop blobs whose content is (again) in HEAD."""
        for digest in head_hashes:
            self.drop_called(BLOB_PREFIX + digest)

    def rewrite(self, entry: ZipEntry, changed: ZipEntry) -> None:
        """List *changed*, which differs from *entry* in name, mode or time, and plan its new local header.

        Raises:
            ZipFormatError: its header is damaged; nothing may be written over it then.
        """
        size = entry.header_size or checked_header_size(self.file, entry, self.placed.limit_of(entry), own=True)
        entry = msgspec.structs.replace(entry, header_size=size)
        try:
            header = encode_local_header(changed, size)
        except ValueError:
            changed = self._copy(entry, changed)
        else:
            self.patches.append((entry.header_offset, header))
        self.add(changed)

    def _copy(self, entry: ZipEntry, changed: ZipEntry) -> ZipEntry:
        """Copy the compressed bytes of an entry whose header, written elsewhere, has no room for the new name."""
        changed = without_descriptor(changed)
        header = encode_local_header(changed, local_header_size(changed.name))
        copy = copy_entry(self.file, entry, self.region, changed, header, check_abort=self.copying.check_abort)
        self.drop(entry)
        return copy
