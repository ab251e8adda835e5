"""Add single files, from the disk or from anywhere, to a checkpoint."""

from __future__ import annotations

import bisect
import dataclasses
import os
import stat
import time
from collections.abc import Container, Iterable
from typing import Final

from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.container import entry_name
from kamaros_gui.archive.paths import check_folder
from kamaros_gui.archive.places import Place, parents_of
from kamaros_gui.archive.views import method_name
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError, NotFoundError, StorageError, UnsafeNameError
from kamaros_gui.base.limits import MAX_PATH_BYTES
from kamaros_gui.base.progress import Phase
from kamaros_gui.base.reports import Entry
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import Content, PackedEntry, SaveItem, Workers, content_stream
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.walk import WalkItem

__all__ = ["Added", "add_content", "add_disk_file", "check_path", "paths_below", "stored_name"]

_LATEST: Final = 9_223_372_036
"""Seconds from the epoch whose nanoseconds are a number of 64 bits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Added:
    """How content that has no file on disk is to be recorded.

    Attributes:
        path: path inside the archive.
        modified: seconds since the epoch; ``None`` for the present.
        mode: permission bits.
        size: bytes it will have, ``None`` where that is not known.

    Raises:
        ValueError: a number is outside its range.
    """

    path: str
    modified: float | None = None
    mode: int = 0o644
    size: int | None = None

    def __post_init__(self) -> None:
        if self.modified is not None and not abs(self.modified) <= _LATEST:
            raise ValueError(f"modified is {self.modified}; it must be seconds between the years 1677 and 2262")
        if not 0 <= self.mode <= 0o177777:
            raise ValueError(f"mode is {self.mode}; it must be permission bits")
        if self.size is not None and self.size < 0:
            raise ValueError(f"size is {self.size}; no content has so few bytes")


async def add_disk_file(
    files: FileSystemAdapter,
    workers: Workers,
    checkpoint: Checkpoint,
    path: str,
    source: str | os.PathLike[str],
    control: RunControl,
) -> Entry:
    """Add the file *source*, links followed, as *path*; see ``JCFManager.add_file`` for the errors."""
    name = _checked(checkpoint, path)
    place = await workers.io(files.resolve, os.fspath(source))
    status = await workers.io(files.stat, place)
    if status.kind != "file":
        shown = display_path(place)
        raise StorageError(f"{shown} is not a file.", path=shown, hint="Use save() for folders.")
    found = WalkItem(place, name, "file", status.size, status.mtime_ns, status.ctime_ns, status.mode, status.inode)
    control.progress.files_total, control.progress.bytes_total = 1, status.size
    control.progress.phase = Phase.TRANSFERRING
    return _entry(checkpoint, await checkpoint.add_file(_item(checkpoint, name, found), control))


async def add_content(checkpoint: Checkpoint, added: Added, content: Content, control: RunControl) -> Entry:
    """Add *content* from anywhere; see ``JCFManager.add_file`` for the errors."""
    name = _checked(checkpoint, added.path)
    stream = content_stream(content)
    size = added.size
    if isinstance(content, bytes | bytearray | memoryview):
        size = memoryview(content).nbytes
    mtime_ns = time.time_ns() if added.modified is None else int(added.modified * 1_000_000_000)
    mode = stat.S_IFREG | stat.S_IMODE(added.mode)
    found = WalkItem(name, name, "file", size or 0, mtime_ns, 0, mode, 0)
    control.progress.files_total, control.progress.bytes_total = 1, size
    control.progress.phase = Phase.TRANSFERRING
    packed = await checkpoint.add_content(
        _item(checkpoint, name, found), stream, control, size=added.size, keep_time=added.modified is None
    )
    return _entry(checkpoint, packed)


def paths_below(checkpoint: Checkpoint, paths: Iterable[str]) -> set[str]:
    """Return *paths* and what lies below them, in HEAD and in the changes so far.

    Raises:
        NotFoundError: there is nothing at one of them.
    """
    held = checkpoint.paths()
    in_order = sorted(held)
    found: set[str] = set()
    for path in paths:
        wanted = stored_name(held, path)
        first = bisect.bisect_left(in_order, wanted + "/")
        last = bisect.bisect_left(in_order, wanted + "0")  # the character behind the slash
        below = in_order[first:last] if wanted else []
        if wanted in held:
            below.append(wanted)
        if not below:
            raise NotFoundError(
                f"There is no “{path}” in the archive.", path=path, hint="The listing shows what it holds."
            )
        found.update(below)
    return found


def stored_name(held: Container[str], path: str) -> str:
    """Return *path* in normal form; as it is, where that is what the archive has: an old name need not be a good one.

    Raises:
        UnsafeNameError: it can't be a name in an archive.
    """
    return path if path in held else check_folder(path)


def _checked(checkpoint: Checkpoint, path: str) -> str:
    """Return *path* in normal form.

    Raises:
        UnsafeNameError: it can't be a name in an archive.
        ArchiveError: it is a folder there, or lies below a file.
    """
    name = check_folder(path)
    if not name or path.endswith("/"):
        raise ArchiveError(f"“{path}” is not the name of a file.", hint="Give the whole path inside the archive.")
    if checkpoint.kind_of(name) == "directory":
        raise ArchiveError(f"“{name}” is a folder in the archive.", hint="Remove it first, or use another name.")
    check_path(checkpoint, name)
    return name


def check_path(checkpoint: Checkpoint, path: str) -> None:
    """Check that an entry can be called *path*, which is in normal form.

    Raises:
        UnsafeNameError: the name is too long.
        ArchiveError: it lies below a file.
    """
    if len(entry_name(path, "directory").encode()) > MAX_PATH_BYTES:
        raise UnsafeNameError(f"“{path[:64]}…” is too long: no name in a ZIP has more than {MAX_PATH_BYTES} bytes.")
    for parent in parents_of(path):
        if checkpoint.kind_of(parent) not in {None, "directory"}:
            raise ArchiveError(f"“{parent}” is a file in the archive; nothing can be put below it.")


def _item(checkpoint: Checkpoint, name: str, found: WalkItem) -> SaveItem:
    folder, _, last = name.rpartition("/")
    raw_name = Place(folder, checkpoint.base.file_map).raw_name_of(last)
    if raw_name:
        checkpoint.changes.raw_names[name] = raw_name
    return SaveItem(found, name, entry_name(name, "file"), checkpoint.known_hash(name, "file"))


def _entry(checkpoint: Checkpoint, packed: PackedEntry) -> Entry:
    name = packed.item.entry_name
    held = packed.entry or checkpoint.table.entries.get(name)
    return Entry(
        path=packed.item.path,
        type="file",
        size=packed.size,
        packed=held.compressed_size if held is not None else 0,
        sha256=packed.sha256,
        modified=packed.mtime_ns,
        mode=stat.S_IMODE(packed.mode),
        method=method_name(held.method) if held is not None else "",
    )
