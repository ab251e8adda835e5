"""Folders inside an archive, and what paths in them are called on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kamaros_gui.archive.manifest import FileRecord
from kamaros_gui.archive.paths import disk_path, stored_path
from kamaros_gui.base.errors import UnsafeNameError

__all__ = ["Place", "parents_of", "raw_bytes"]


class Place:
    """A folder inside an archive, and what its path is in bytes on disk.

    Args:
        folder: in normal form, empty for the root.
        head: tells how it, or one above it, is called on disk where that had to be escaped.
    """

    def __init__(self, folder: str, head: dict[str, FileRecord]) -> None:
        self._prefix = f"{folder}/" if folder else ""
        above, raw = _spelt_above(folder, head)
        self._raw_prefix = raw + self._prefix[len(above) :].encode()

    def of(self, relative: str) -> tuple[str, str]:
        """Return the path in the archive of *relative*, a path on disk, and its raw name; see :func:`stored_path`."""
        path, raw_name = stored_path(relative)
        path = self._prefix + path
        if not raw_name and self._raw_prefix == self._prefix.encode():
            return path, ""
        return path, self._spelling(path, os.fsencode(relative))

    def raw_name_of(self, name: str, raw: bytes = b"") -> str:
        """Return the raw name of *name*, a path below this folder as the archive has it.

        Args:
            name: relative path in the archive.
            raw: its bytes on disk, where those are known to differ.
        """
        if not raw and self._raw_prefix == self._prefix.encode():
            return ""
        return self._spelling(self._prefix + name, raw or name.encode())

    def _spelling(self, path: str, raw: bytes) -> str:
        whole, raw_name = stored_path(os.fsdecode(self._raw_prefix + raw))
        return raw_name if whole == path else ""


def parents_of(path: str) -> Iterator[str]:
    """Yield the folders above *path*, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def raw_bytes(path: str, raw_name: str) -> bytes:
    """Return what *path* is in bytes on disk, where *raw_name* says so and may be believed; otherwise nothing."""
    if not raw_name:
        return b""
    try:
        return os.fsencode(disk_path(path, raw_name))
    except UnsafeNameError:  # a manifest may say anything
        return b""


def _spelt_above(folder: str, head: dict[str, FileRecord]) -> tuple[str, bytes]:
    """Return the nearest of *folder* and those above it whose name on disk is recorded, and that name."""
    for path in (folder, *parents_of(folder)):
        record = head.get(path)
        if record is not None and record.raw_name:
            raw = raw_bytes(path, record.raw_name)
            return (path, raw) if raw else ("", b"")
    return "", b""
