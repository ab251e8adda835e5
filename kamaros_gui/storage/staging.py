"""Staging: a hidden folder inside the target of a restore, where everything is written before it gets its final name.

It lies on the target's own volume, so giving the final names is a rename. It holds a lock while its owner lives; one
without is the leftover of a crash and is removed by the next restore into the same target.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from typing import Final

import filelock

from kamaros_gui.storage.failures import storage_errors

__all__ = ["StagingFolder", "move"]

_PREFIX: Final = ".kamaros-restore-"
_SUFFIX: Final = ".part"
_LOCK: Final = "lock"
_FILES: Final = "files"
_ATTEMPTS: Final = 16


class StagingFolder:
    """A staging folder of this process. All methods block and belong in a worker thread.

    Args:
        target: folder that is restored into; made when it does not exist.

    Raises:
        StorageError: the target can't be written.

    Attributes:
        root: where files are staged.
        target: as given, absolute.
    """

    def __init__(self, target: str) -> None:
        self.target = os.path.abspath(target)
        self._made = _make_folders(self.target)
        try:
            remove_leftovers(self.target)
            with storage_errors(self.target, "written"):
                self._folder, self._lock = _make_locked_folder(self.target)
            self.root = os.path.join(self._folder, _FILES)
        except BaseException:
            self._remove_made_folders()
            raise

    def remove(self, *, keep_target: bool) -> None:
        """Remove the staging folder with everything in it.

        Args:
            keep_target: whether folders that were made for the target stay.
        """
        _remove_locked(self._folder, self._lock)
        if not keep_target:
            self._remove_made_folders()

    def _remove_made_folders(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def remove_leftovers(target: str) -> int:
    """Remove staging folders in *target* whose owner is gone; return how many there were."""
    removed = 0
    with contextlib.suppress(OSError), os.scandir(target) as entries:
        for entry in list(entries):
            if not (entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX)):
                continue
            if entry.is_dir(follow_symlinks=False):
                removed += _remove_abandoned(entry.path)
    return removed


def move(source: str, destination: str) -> None:
    """Give *source* its final name *destination*, replacing a file that is there, across a mount point if need be.

    Raises:
        StorageError: it can't be moved; *source* then is still there.
    """
    with storage_errors(destination, "written"):
        try:
            os.replace(source, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_across(source, destination)


def _move_across(source: str, destination: str) -> None:
    """Copy beside *destination* first: the final name never shows half a file."""
    staged = f"{destination}{_PREFIX}{os.getpid()}{_SUFFIX}"
    try:
        shutil.copy2(source, staged, follow_symlinks=False)
        os.replace(staged, destination)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)
        raise
    os.unlink(source)


def _make_folders(path: str) -> list[str]:
    """Make *path* and its parents; return those that were made, outermost first."""
    missing: list[str] = []
    current = path
    while not os.path.lexists(current):
        missing.append(current)
        current = os.path.dirname(current)
    missing.reverse()
    made: list[str] = []
    try:
        for folder in missing:
            with storage_errors(folder, "made"):
                os.mkdir(folder)
            made.append(folder)
        with storage_errors(path, "written"):
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise
    return made


def _make_locked_folder(target: str) -> tuple[str, int]:
    """Make a staging folder in *target*; return it and the descriptor that holds its lock.

    Until it is locked, somebody else's search for leftovers may take the folder for one; then a new one is made.
    """
    for _ in range(_ATTEMPTS):
        folder = tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target)
        lock = -1
        try:
            with contextlib.suppress(FileNotFoundError):
                lock = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
                ours = filelock.lock_descriptor(lock, blocking=False)
                if ours and os.path.samestat(os.fstat(lock), os.stat(os.path.join(folder, _LOCK))):
                    os.mkdir(os.path.join(folder, _FILES), 0o700)
                    return folder, lock
        except BaseException:
            _remove_locked(folder, lock)
            raise
        _remove_locked(folder, lock)
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _remove_abandoned(folder: str) -> bool:
    """Remove a staging folder whose owner is gone; return whether it was one."""
    lock_path = os.path.join(folder, _LOCK)
    try:
        lock = os.open(lock_path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        # Just made, and not locked yet, or what a killed removal left. The lock is made first, so what holds
        # anything but has no lock is a leftover; an empty one can be removed only as long as it is empty.
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        if os.path.lexists(folder) and not os.path.lexists(lock_path):
            _remove_tree(folder)
        return not os.path.lexists(folder)
    except OSError:
        return False
    try:
        abandoned = filelock.lock_descriptor(lock, blocking=False)
    except OSError:
        abandoned = False
    if not abandoned:
        os.close(lock)
        return False
    _remove_locked(folder, lock)
    return True


def _remove_locked(folder: str, lock: int) -> None:
    """Remove *folder*, holding its lock meanwhile, so that nobody takes it for theirs."""
    _remove_tree(folder)
    if lock >= 0:
        with contextlib.suppress(OSError):
            os.close(lock)
    if os.path.lexists(folder):  # Windows does not remove a file that is open
        _remove_tree(folder)


def _remove_tree(folder: str) -> None:
    """Remove *folder* even where restored permissions forbid to look into it; whatever can't be removed stays.

    With an own stack: trees are deeper than Python's. Nobody else can put a link in the place of a folder meanwhile,
    because a staging folder is open to its owner alone.
    """
    pending, found = [folder], []
    while pending:
        current = pending.pop()
        found.append(current)
        with contextlib.suppress(OSError):
            os.chmod(current, 0o700)
            with os.scandir(current) as entries:
                for entry in list(entries):
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        _unlink(entry.path)
    for each in reversed(found):
        with contextlib.suppress(OSError):
            os.rmdir(each)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        try:
            os.unlink(path)
        except PermissionError:
            if os.name != "nt":
                raise
            os.chmod(path, 0o600)  # Windows does not delete what is read-only
            os.unlink(path)
