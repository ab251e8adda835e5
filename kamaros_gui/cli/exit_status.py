"""Exit status of ``kamaros``, and which error leads to which."""

from __future__ import annotations

import enum

from kamaros_gui.base.errors import (
    AbortError,
    ConfigError,
    IntegrityError,
    NotFoundError,
    VersionNotFoundError,
)

__all__ = ["ExitStatus", "status_of"]


class ExitStatus(enum.IntEnum):
    """What the shell sees."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    NO_VERSION = 4
    DAMAGED = 5
    SKIPPED = 6
    CANCELLED = 130


def status_of(error: BaseException) -> ExitStatus:
    """Return the exit status for *error*."""
    for kind, status in (
        (AbortError, ExitStatus.CANCELLED),
        (KeyboardInterrupt, ExitStatus.CANCELLED),
        (ConfigError, ExitStatus.USAGE),
        (NotFoundError, ExitStatus.NOT_FOUND),
        (VersionNotFoundError, ExitStatus.NO_VERSION),
        (IntegrityError, ExitStatus.DAMAGED),
    ):
        if isinstance(error, kind):
            return status
    return ExitStatus.ERROR
