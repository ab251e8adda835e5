"""The contents of one version of another archive, as something a save can read."""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable, Iterator

from kamaros_gui.archive.container import entry_name
from kamaros_gui.archive.manifest import FileState
from kamaros_gui.archive.views import VersionView
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, NotFoundError, UnsupportedEntryError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT
from kamaros_gui.pipeline import ByteStream, SaveItem, Workers, open_entry, read_entry
from kamaros_gui.storage.primitives import FileStatus
from kamaros_gui.storage.walk import WalkItem
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["EntryContents"]

_TYPE_BITS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}


class EntryContents:
    """Reads the files of a version, checked, on any thread.

    Args:
        view: the version; its archive stays open.
        chunk_size: bytes per chunk of a large file.
        workers: threads.
    """

    def __init__(self, view: VersionView, chunk_size: int, workers: Workers) -> None:
        self._view = view
        self._chunk_size = chunk_size
        self._workers = workers
        # Whoever reads a stream aborts and pauses it, and waits for its end; it must not end by itself meanwhile.
        self._control = RunControl()

    def items(self) -> Iterator[SaveItem]:
        """Yield what is to be saved, each under its own path."""
        for path, state in self._view.states.items():
            mode = _TYPE_BITS[state.type] | state.mode
            size = state.size if state.type == "file" else 0
            found = WalkItem(path, path, state.type, size, state.mtime_ns, 0, mode, 0)
            yield SaveItem(found, path, entry_name(path, state.type))

    def is_small(self, item: SaveItem) -> bool:
        """Whether *item* can be read in one call: also packed it has no more than ``SMALL_FILE_LIMIT`` bytes."""
        if item.found.kind != "file":
            return True
        state = self._view.states[item.found.source]
        entry = self._view.entry_of(item.found.source, state)
        packed = entry.compressed_size if entry is not None else 0
        return max(item.found.size, packed) <= SMALL_FILE_LIMIT

    def read_whole(self, path: str, limit: int) -> tuple[bytes, FileStatus]:
        """Return the content of a file and its status.

        Raises:
            IntegrityError, UnsupportedEntryError: it can't be read, or is not what was saved.
        """
        state, data = self._read(path, limit)
        status = FileStatus("file", len(data), state.mtime_ns, 0, stat.S_IFREG | state.mode, 0, 0)
        return data, status

    def read_link(self, path: str) -> bytes:
        """Return the target of a link; raises as :meth:`read_whole`."""
        return self._read(path, SMALL_FILE_LIMIT)[1]

    def opening(self, path: str) -> Callable[[], Awaitable[ByteStream]]:
        """Return what opens a large file as a stream; raises as :meth:`read_whole`."""

        async def opens() -> ByteStream:
            state, entry = self._find(path)
            return await open_entry(
                self._view.container.file,
                entry,
                path,
                state.hash,
                chunk_size=self._chunk_size,
                workers=self._workers,
                control=self._control,
                tolerated=self._view.container.tolerated,
                release=_nothing,
            )

        return opens

    def _read(self, path: str, limit: int) -> tuple[FileState, bytes]:
        state, entry = self._find(path)
        container = self._view.container
        return state, read_entry(container.file, entry, limit, container.tolerated, sha256=state.hash)

    def _find(self, path: str) -> tuple[FileState, ZipEntry]:
        state = self._view.states.get(path)
        if state is None:
            raise NotFoundError(f"There is no “{path}”.", path=path)
        entry = self._view.entry_of(path, state)
        if entry is None:
            raise IntegrityError(f"{path} can't be read: the archive has lost its content.")
        if entry.encrypted or state.encrypted:
            raise UnsupportedEntryError(f"{path} is encrypted.")
        return state, entry


async def _nothing() -> None:
    pass
