"""What goes into an exported file: the entries of a plain ZIP, or those of an archive for other JCF writers."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, MIMETYPE, Container, entry_name
from kamaros_gui.archive.foreign import STORE_MANIFEST_NAME
from kamaros_gui.archive.history import head_states
from kamaros_gui.archive.interchange import encode_interchange_manifest, every_version
from kamaros_gui.archive.manifest import MANIFEST_NAME, FileState, Manifest
from kamaros_gui.archive.recovery import mimetype_entry
from kamaros_gui.archive.views import VersionView
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.reports import EntryType
from kamaros_gui.pipeline import CopyItem, pack_bytes
from kamaros_gui.zipfmt import ZipEntry, encode_plain_local_header, encode_tight_local_header, unsafe_reason

__all__ = ["ExportPlan", "InterchangePlan", "PlainPlan"]

_FORMATS: Final[dict[EntryType, int]] = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
}
_MANIFEST_LEVEL: Final = 3

Made = list[tuple[ZipEntry, list[bytes]]]
"""Entries that are written as they are: record, and the parts of header and data."""


class ExportPlan(Protocol):
    """What an export writes. Methods may block, and belong in a worker thread, but for :meth:`note_failure`."""

    @property
    def version(self) -> str:
        """Id of the version exported."""

    @property
    def items(self) -> Sequence[CopyItem]:
        """What is copied from the archive, in order."""

    @property
    def repeats(self) -> Sequence[CopyItem]:
        """What is copied within the new file once its original is there."""

    def original_of(self, item: CopyItem) -> str:
        """Return the name of the entry that one of :attr:`repeats` is a copy of."""

    def holders(self, sha256: str) -> Sequence[ZipEntry]:
        """Return all entries of the archive that hold a content."""

    def note_failure(self, item: CopyItem, error: KamarosError) -> None:
        """Note that an item could not be copied."""

    def first_entries(self, offset: int) -> Made:
        """Return what is written at *offset*, before everything else."""

    def last_entries(self, offset: int) -> Made:
        """Return what is written at *offset*, after everything else."""


class _Holders:
    """Finds all entries with the same content."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._by_hash: dict[str, list[ZipEntry]] | None = None

    def of(self, sha256: str) -> list[ZipEntry]:
        """Return them; those in HEAD come first."""
        if self._by_hash is None:
            self._by_hash = {}
            for digest, entry in self._all():
                self._by_hash.setdefault(digest, []).append(entry)
        return self._by_hash.get(sha256, [])

    def _all(self) -> Iterator[tuple[str, ZipEntry]]:
        container = self._container
        if container.manifest is not None:
            for path, record in container.manifest.file_map.items():
                entry = container.entries.get(entry_name(path, record.type))
                if entry is not None and record.current_hash:
                    yield record.current_hash, entry
        for name, entry in container.entries.items():
            if name.startswith(BLOB_PREFIX):
                yield name.removeprefix(BLOB_PREFIX), entry


class PlainPlan:
    """One version as a clean ZIP: its paths without a prefix, with modes and times as that version has them.

    Args:
        view: the version, or a plain ZIP.
        control: told what can't be exported.
    """

    def __init__(self, view: VersionView, control: RunControl) -> None:
        self.version = view.id
        self.items: list[CopyItem] = []
        self.repeats: list[CopyItem] = []
        self._control = control
        self._holders = _Holders(view.container)
        for path, state in view.states.items():
            reason = unsafe_reason(path, windows=False) or _below_a_file(path, view.states)
            if reason is not None:
                control.add_issue(path, reason, "blocked")
                continue
            entry = view.entry_of(path, state) if state.type != "directory" else None
            problem = _problem(path, state, entry)
            if problem:
                control.add_issue(path, problem)
            else:
                self.items.append(_item(path, entry_name(path, state.type).removeprefix(CONTENT_PREFIX), state, entry))

    def original_of(self, item: CopyItem) -> str:
        """Return the name: there are no repeats."""
        return item.name

    def holders(self, sha256: str) -> Sequence[ZipEntry]:
        """Return all entries of the archive that hold a content."""
        return self._holders.of(sha256)

    def note_failure(self, item: CopyItem, error: KamarosError) -> None:
        """Note that an item could not be copied."""
        self._control.add_issue(item.path, str(error))

    def first_entries(self, _offset: int) -> Made:
        """Return nothing."""
        return []

    def last_entries(self, _offset: int) -> Made:
        """Return nothing."""
        return []


class InterchangePlan:
    """All versions for other JCF writers.

    Every content is a blob, and HEAD lies under ``content/`` too. Whatever several names stand for is copied from the
    archive and checked once; the other copies are made within the new file.

    Args:
        container: the archive.
        manifest: of it.
        control: told what can't be exported.
    """

    def __init__(self, container: Container, manifest: Manifest, control: RunControl) -> None:
        self.version = manifest.refs.get("head", "")
        self.items: list[CopyItem] = []
        self.repeats: list[CopyItem] = []
        self._manifest = manifest
        self._control = control
        self._holders = _Holders(container)
        self._originals: dict[str, str] = {}
        self._lost: set[str] = set()
        self._refused: set[str] = set()
        head = next((version for version in manifest.versions if version.id == self.version), None)
        if head is not None:
            view = VersionView(container, head, head_states(manifest))
            for path, state in sorted(view.states.items()):
                self._add(view, path, state, entry_name(path, state.type))
        for version, states, _ in every_version(manifest):
            view = VersionView(container, version, states)
            for path, state in states.items():
                if state.hash:
                    self._add(view, path, state, BLOB_PREFIX + state.hash)

    def _add(self, view: VersionView, path: str, state: FileState, name: str) -> None:
        """Plan the entry *name*, unless its content is lost or it is planned already."""
        if path in self._refused:
            return
        reason = unsafe_reason(path, windows=False)
        if reason is not None:
            self._refused.add(path)
            self._control.add_issue(path, reason, "blocked")
            return
        if state.type == "directory":
            self.items.append(_item(path, name, state, None))
            return
        if state.hash in self._lost or name in self._originals:
            return
        original = self._originals.get(state.hash)
        if original is not None:
            self._originals[name] = original
            self.repeats.append(_item(path, name, state, view.entry_of(path, state)))
            return
        entry = view.entry_of(path, state)
        problem = _problem(path, state, entry)
        if problem:
            self._lose(path, state.hash, problem)
            return
        self._originals[name] = name
        if state.hash:
            self._originals[state.hash] = name
        self.items.append(_item(path, name, state, entry))

    def _lose(self, path: str, digest: str, reason: str) -> None:
        if digest:
            self._lost.add(digest)
        else:
            self._refused.add(path)
        self._control.add_issue(path, reason)

    def original_of(self, item: CopyItem) -> str:
        """Return the name of the entry that one of :attr:`repeats` is a copy of."""
        return self._originals[item.name]

    def holders(self, sha256: str) -> Sequence[ZipEntry]:
        """Return all entries of the archive that hold a content."""
        return self._holders.of(sha256)

    def note_failure(self, item: CopyItem, error: KamarosError) -> None:
        """Note that an item could not be copied; every version is then without that content."""
        self._lose(item.path, item.sha256, str(error))

    def first_entries(self, offset: int) -> Made:
        """Return the mark that says what the file is."""
        mark = msgspec.structs.replace(mimetype_entry(), header_offset=offset)
        return [(mark, [encode_plain_local_header(mark), MIMETYPE])]

    def last_entries(self, offset: int) -> Made:
        """Return the manifest, at both places."""
        data = encode_interchange_manifest(self._manifest, self._lost, self._refused)
        made: Made = []
        for name in (STORE_MANIFEST_NAME, MANIFEST_NAME):
            entry, parts = pack_bytes(
                name, data, mode=stat.S_IFREG | 0o644, mtime=int(time.time()), codec="deflate", level=_MANIFEST_LEVEL
            )
            header = encode_tight_local_header(entry)
            packed = b"".join(parts[1:])
            entry = msgspec.structs.replace(entry, header_offset=offset, header_size=len(header))
            made.append((entry, [header, packed]))
            offset += len(header) + len(packed)
        return made


def _problem(path: str, state: FileState, entry: ZipEntry | None) -> str:
    """Say why the content of *path* can't be exported, a sentence; nothing where it can."""
    if state.type == "directory":
        return ""
    if entry is None:
        return f"{path} can't be exported: the archive has lost its content."
    return f"{path} is encrypted." if entry.encrypted or state.encrypted else ""


def _below_a_file(path: str, states: dict[str, FileState]) -> str | None:
    """Say so where a folder above *path* is none."""
    while path := path.rpartition("/")[0]:
        above = states.get(path)
        if above is not None and above.type != "directory":
            return f"It lies below “{path}”, which is no folder."
    return None


def _item(path: str, name: str, state: FileState, entry: ZipEntry | None) -> CopyItem:
    return CopyItem(
        path=path,
        name=name,
        entry=entry,
        mode=_FORMATS[state.type] | stat.S_IMODE(state.mode),
        mtime=state.mtime_ns // 1_000_000_000,
        sha256=state.hash,
    )
