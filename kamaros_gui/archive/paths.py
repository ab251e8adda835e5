"""Paths inside an archive, and the bytes they have on disk."""

from __future__ import annotations

import base64
import binascii
import os

from kamaros_gui.base.errors import UnsafeNameError
from kamaros_gui.zipfmt import archive_name, unsafe_reason

__all__ = ["check_folder", "disk_path", "matches_any", "moved_raw_name", "stored_path"]


def stored_path(relative: str) -> tuple[str, str]:
    """Return how *relative*, a path on disk, is called in the archive, and its raw name.

    Each part of the path is escaped by itself, so that a folder has the same name wherever it is written.

    Args:
        relative: relative path, ``/`` between its parts, undecodable bytes as surrogates.

    Returns:
        The path in the archive, and base64 of the bytes on disk where the two differ (otherwise empty).
    """
    raw = os.fsencode(relative)
    path = "/".join(archive_name(part) for part in raw.split(b"/"))
    return path, "" if path.encode() == raw else base64.b64encode(raw).decode()


def moved_raw_name(raw_name: str, old: str, new: str) -> str:
    """Return the raw name of a path that is moved from *old* to *new*.

    The last parts that both have alike keep their bytes; the others are on disk what they are in the archive.
    """
    if not raw_name:
        return ""
    try:
        raw = base64.b64decode(raw_name, validate=True).split(b"/")
    except (binascii.Error, ValueError):
        return ""
    before, after = old.split("/"), new.split("/")
    kept = 0
    while kept < min(len(before), len(after), len(raw)) and before[-1 - kept] == after[-1 - kept]:
        kept += 1
    parts = [part.encode() for part in after[: len(after) - kept]] + (raw[len(raw) - kept :] if kept else [])
    path, moved = stored_path(os.fsdecode(b"/".join(parts)))
    return moved if path == new else ""


def disk_path(path: str, raw_name: str) -> str:
    """Return *path*, from an archive, as it is to be called on disk.

    Raises:
        UnsafeNameError: the path, or the raw name recorded with it, must not be restored here.
    """
    reason = unsafe_reason(path, windows=os.name == "nt")
    if reason is not None:
        raise UnsafeNameError(reason)
    if not raw_name or os.name == "nt":
        return path
    try:
        relative = os.fsdecode(base64.b64decode(raw_name, validate=True))
    except (binascii.Error, ValueError):
        raise UnsafeNameError("The name recorded for the disk is not readable.") from None
    if "\0" in relative:
        raise UnsafeNameError("The name recorded for the disk contains a zero byte.")
    if stored_path(relative)[0] != path:
        raise UnsafeNameError("The name recorded for the disk is another one than the archive shows.")
    return relative


def check_folder(folder: str) -> str:
    """Return *folder*, a folder inside the archive given by the user, in normal form; empty for the root.

    Raises:
        UnsafeNameError: it can't be the name of a folder in an archive.
    """
    cleaned = "/".join(part for part in folder.replace(os.sep, "/").split("/") if part not in {"", "."})
    if cleaned and (reason := unsafe_reason(cleaned, windows=False)):
        raise UnsafeNameError(f"“{folder}” can't be a folder in the archive. {reason}")
    return cleaned


def matches_any(path: str, wanted: tuple[str, ...]) -> bool:
    """Whether *path* is one of *wanted* or lies below one of them; an empty *wanted* means everything."""
    return not wanted or any(path == each or path.startswith(each + "/") for each in wanted)
