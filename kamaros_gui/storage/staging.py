"""Staging: a hidden folder inside a target, where files are written before they get their final names.

It lies on the target's own volume, so giving the final names is a rename. It holds a lock while its owner lives; one
without is the leftover of a crash and is removed by the next owner of one in the same target.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import Final

from kamaros_gui.base.errors import DiskFullError, NotFoundError, StorageError
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.primitives import FilePrimitives, RandomAccess

__all__ = ["StagingFolder", "remove_leftovers"]

_PREFIX: Final = ".kamaros-restore-"
_SUFFIX: Final = ".part"
_LOCK: Final = "lock"
_FILES: Final = "files"
_ATTEMPTS: Final = 16


class StagingFolder:
    """A staging folder of this process. All methods block and belong in a worker thread.

    Args:
        files: where the target is.
        target: folder that is to be written into.
        make: whether it is made, with its parents, where it does not exist.

    Raises:
        StorageError: the target can't be written, or is no folder.

    Attributes:
        root: where files are staged.
        target: as given, absolute, links followed only below it.
    """

    def __init__(self, files: FilePrimitives, target: str, *, make: bool = True) -> None:
        self._files = files
        self.target = files.absolute(target)
        self._made = _make_folders(files, self.target) if make else []
        try:
            remove_leftovers(files, self.target)
            self._folder, self._lock = _make_locked_folder(files, self.target)
            self.root = os.path.join(self._folder, _FILES)
        except BaseException:
            self._remove_made_folders()
            raise

    def remove(self, *, keep_target: bool) -> None:
        """Remove the staging folder with everything in it.

        Args:
            keep_target: whether folders that were made for the target stay.
        """
        _remove_locked(self._files, self._folder, self._lock)
        if not keep_target:
            self._remove_made_folders()

    def _remove_made_folders(self) -> None:
        _remove_folders(self._files, self._made)


def remove_leftovers(files: FilePrimitives, target: str) -> int:
    """Remove staging folders in *target* whose owner is gone; return how many there were."""
    removed = 0
    with contextlib.suppress(StorageError, NotFoundError):
        for name, status in files.list(target):
            if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)) or isinstance(status, Exception):
                continue
            if status.kind == "directory":
                removed += _remove_abandoned(files, os.path.join(target, name))
    return removed


def _make_folders(files: FilePrimitives, path: str) -> list[str]:
    """Make *path* and its parents; return those that were made, outermost first."""
    missing: list[str] = []
    current = path
    while not files.exists(current):
        missing.append(current)
        current = os.path.dirname(current)
    made: list[str] = []
    try:
        for folder in reversed(missing):
            files.make_folder(folder)
            made.append(folder)
        if not files.is_folder(path):
            shown = display_path(path)
            raise StorageError(f"{shown} can't be written: Not a directory.", path=shown, hint="Choose a folder.")
    except BaseException:
        _remove_folders(files, made)
        raise
    return made


def _remove_folders(files: FilePrimitives, made: list[str]) -> None:
    for folder in reversed(made):
        with contextlib.suppress(StorageError, NotFoundError):
            files.delete(folder)


def _make_locked_folder(files: FilePrimitives, target: str) -> tuple[str, RandomAccess]:
    """Make a staging folder in *target*; return it and the open file that holds its lock.

    Until it is locked, somebody else's search for leftovers may take the folder for one; then a new one is made.
    """
    for _ in range(_ATTEMPTS):
        folder = os.path.join(target, f"{_PREFIX}{secrets.token_hex(4)}{_SUFFIX}")
        try:
            files.make_folder(folder, 0o700)
        except (StorageError, NotFoundError) as error:
            if isinstance(error.__cause__, FileExistsError):
                continue
            raise _about(target, folder, error) from error
        lock: RandomAccess | None = None
        try:
            with contextlib.suppress(NotFoundError):
                lock = files.lock(os.path.join(folder, _LOCK))
                if lock is not None:
                    files.make_folder(os.path.join(folder, _FILES), 0o700)
                    return folder, lock
        except BaseException:
            _remove_locked(files, folder, lock)
            raise
        _remove_locked(files, folder, lock)
    shown = display_path(target)
    raise StorageError(f"{shown} is written by several programs at once.", path=shown, hint="Try again.")


def _about(target: str, folder: str, error: StorageError | NotFoundError) -> StorageError | NotFoundError:
    """Return *error* for the folder the user knows; the hidden one means nothing to them."""
    shown = display_path(target)
    message = error.message.replace(display_path(folder), shown)
    if isinstance(error, DiskFullError):
        return DiskFullError(message, path=shown, volume=error.volume, missing=error.missing, hint=error.hint)
    kind = NotFoundError if isinstance(error, NotFoundError) else StorageError
    return kind(message, path=shown, hint=error.hint)


def _remove_abandoned(files: FilePrimitives, folder: str) -> bool:
    """Remove a staging folder whose owner is gone; return whether it was one."""
    lock_path = os.path.join(folder, _LOCK)
    try:
        lock = files.lock(lock_path, create=False)
    except NotFoundError:
        # Just made, and not locked yet, or what a killed removal left. The lock is made first, so what holds
        # anything but has no lock is a leftover; an empty one can be removed only as long as it is empty.
        with contextlib.suppress(StorageError, NotFoundError):
            files.delete(folder)
        if files.exists(folder) and not files.exists(lock_path):
            files.delete_tree(folder)
        return not files.exists(folder)
    except StorageError:
        return False
    if lock is None:
        return False
    _remove_locked(files, folder, lock)
    return True


def _remove_locked(files: FilePrimitives, folder: str, lock: RandomAccess | None) -> None:
    """Remove *folder*, holding its lock meanwhile, so that nobody takes it for theirs."""
    files.delete_tree(folder)
    if lock is not None:
        lock.close()
    if files.exists(folder):  # Windows does not remove a file that is open
        files.delete_tree(folder)
