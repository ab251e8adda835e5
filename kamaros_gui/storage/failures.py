"""Turn what the operating system says into errors that name the path, the volume and the way out."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from typing import Final

from kamaros_gui.base.errors import NotFoundError, StorageError
from kamaros_gui.base.texts import display_path
from kamaros_gui.storage.primitives import disk_full, not_found

__all__ = ["free_space", "mount_point", "storage_errors", "translate"]

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def mount_point(path: str) -> str:
    """Return the mount point of the volume that holds *path* or its nearest existing parent."""
    current = os.path.realpath(path)
    while not os.path.lexists(current) and os.path.dirname(current) != current:
        current = os.path.dirname(current)
    while not os.path.ismount(current) and os.path.dirname(current) != current:
        current = os.path.dirname(current)
    return current


def free_space(path: str) -> int:
    """Bytes this user may still write on the volume of *path*; a very large number where that can't be told."""
    try:
        return shutil.disk_usage(mount_point(path)).free
    except OSError:
        return 1 << 62


def translate(error: OSError, path: str | bytes, action: str, wanted: int = 0) -> StorageError | NotFoundError:
    """Return the Kamaros error for *error*.

    Args:
        error: what the operating system raised.
        path: file concerned.
        action: what was tried, to follow “can't be”: ``read``, ``written``.
        wanted: bytes that were to be written, for a full disk.
    """
    shown = display_path(path)
    if error.errno in _NO_ROOM:
        place = os.fsdecode(path)
        return disk_full(place, mount_point(place), wanted, free_space(place))
    if isinstance(error, FileNotFoundError):
        return not_found(os.fsdecode(path))
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = "Check the permissions of the file and of its folder." if isinstance(error, PermissionError) else ""
    if error.errno == errno.EROFS:
        hint = "The volume is mounted read-only; choose another place."
    return StorageError(f"{shown} can't be {action}: {reason}.", path=shown, hint=hint)


@contextlib.contextmanager
def storage_errors(path: str | bytes, action: str, wanted: int = 0) -> Iterator[None]:
    """Translate every ``OSError`` raised inside (see :func:`translate`)."""
    try:
        yield
    except OSError as error:
        raise translate(error, path, action, wanted) from error
    except UnicodeEncodeError as error:
        raise _impossible(path, action, "no file here can have that name") from error
    except ValueError as error:
        if "null" not in str(error):  # what os functions say of a zero byte in a path
            raise
        raise _impossible(path, action, "its name has a zero byte in it") from error


def _impossible(path: str | bytes, action: str, reason: str) -> StorageError:
    shown = display_path(path)
    return StorageError(f"{shown} can't be {action}: {reason}.", path=shown, hint="Use another name.")
