"""What a drop or a paste means: which files it names, and whether they are opened or added."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Literal

from PySide6.QtCore import QMimeData

__all__ = ["ARCHIVE_ENDINGS", "DropPlan", "absolute", "is_archive_name", "local_paths", "plan_drop"]

ARCHIVE_ENDINGS = (".jcf", ".zip")


@dataclasses.dataclass(frozen=True, slots=True)
class DropPlan:
    """What to do with what was dropped.

    Attributes:
        action: ``open`` the archives in ``paths``, or ``add`` the files and folders in ``paths``.
        paths: absolute paths.
        missing: paths that do not exist (any more).
    """

    action: Literal["open", "add"]
    paths: tuple[str, ...]
    missing: tuple[str, ...] = ()


def absolute(path: str) -> str:
    """Return *path* from the root on, ``~`` resolved; looks at nothing on disk."""
    return os.path.abspath(os.path.expanduser(path))


def local_paths(mime: QMimeData) -> list[str]:
    """Return the local files and folders *mime* names, each once."""
    found = [os.path.abspath(url.toLocalFile()) for url in mime.urls() if url.isLocalFile() and url.toLocalFile()]
    return list(dict.fromkeys(found))


def is_archive_name(path: str) -> bool:
    """Return whether *path* is called like an archive the window opens."""
    return path.lower().endswith(ARCHIVE_ENDINGS)


def plan_drop(paths: Sequence[str], *, as_files: bool) -> DropPlan:
    """Decide what a drop of *paths* means; looks at the disk, so it belongs in a worker thread.

    Archives open when nothing else was dropped with them; *as_files* (Shift) adds them like any file.
    """
    missing = tuple(path for path in paths if not os.path.lexists(path))
    present = tuple(path for path in paths if path not in missing)
    archives = [path for path in present if is_archive_name(path) and os.path.isfile(path)]
    if archives and len(archives) == len(present) and not as_files:
        return DropPlan("open", present, missing)
    return DropPlan("add", present, missing)
