"""Every error Kamaros raises on purpose, as one tree.

::

    KamarosError
    ├── AbortError                the work was cancelled; also the default abort reason
    │   └── AbortTimeoutError     the reason of ``AbortSignal.timeout``
    ├── ConfigError               a setting is outside its range; names its source
    ├── StorageError              the file system refused something; names the path
    │   ├── DiskFullError         names the volume and how many bytes are missing
    │   └── SourceChangedError    a file changed or shrank while it was read
    ├── NotFoundError             no such archive, entry or path to save
    ├── VersionNotFoundError      no such version in the archive
    ├── ArchiveError              the archive can't be used that way
    │   ├── ArchiveInUseError     another process or job is writing it
    │   ├── UnsafeNameError       an entry's name must not be restored here
    │   └── UnsupportedEntryError a method or feature Kamaros does not read
    └── IntegrityError            bytes are not what was saved
        ├── ZipFormatError        the ZIP structure is damaged or contradicts itself
        └── ManifestError         the manifest is damaged; names the JSON path

All derive from :class:`Exception`, the abort errors too: a ``BaseException`` raised in an executor
thread never reaches the waiting coroutine. The message of an error is the text the user reads; ``hint``
is the way out, where there is one.
"""

from __future__ import annotations

__all__ = [
    "AbortError",
    "AbortTimeoutError",
    "ArchiveError",
    "ArchiveInUseError",
    "ConfigError",
    "DiskFullError",
    "IntegrityError",
    "KamarosError",
    "ManifestError",
    "NotFoundError",
    "SourceChangedError",
    "StorageError",
    "UnsafeNameError",
    "UnsupportedEntryError",
    "VersionNotFoundError",
    "ZipFormatError",
]


class KamarosError(Exception):
    """Something Kamaros can explain.

    Args:
        message: what went wrong, naming the thing; shown to the user as it is.
        hint: what the user can do about it; empty when there is nothing to add.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class AbortError(KamarosError):
    """The work was cancelled before it was finished; nothing of it remains."""

    def __init__(self, message: str = "Cancelled.", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)


class AbortTimeoutError(AbortError):
    """The work did not finish within the time it was given."""

    def __init__(self, message: str = "The time limit was reached.", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)


class ConfigError(KamarosError):
    """A setting has a value outside its range."""


class StorageError(KamarosError):
    """The file system refused an operation.

    Args:
        message: what went wrong.
        path: the file or folder concerned, as shown to the user.
        hint: the way out.
    """

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class DiskFullError(StorageError):
    """The volume has no room for what is to be written.

    Args:
        message: what went wrong.
        path: the file that was written.
        volume: the mount point that is full.
        missing: bytes that are missing at the least, or ``None`` where they can't be known.
        hint: the way out.
    """

    def __init__(
        self, message: str, *, path: str = "", volume: str = "", missing: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.volume = volume
        self.missing = missing


class SourceChangedError(StorageError):
    """A file changed, grew or shrank while it was read."""


class NotFoundError(KamarosError):
    """There is no such archive, entry or file.

    Args:
        message: what is missing.
        path: the path that was looked for, as shown to the user.
        hint: the way out.
    """

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class VersionNotFoundError(KamarosError):
    """The archive has no such version, or the name fits several."""


class ArchiveError(KamarosError):
    """The archive can't be used that way."""


class ArchiveInUseError(ArchiveError):
    """Another process or job is writing this archive."""


class UnsafeNameError(ArchiveError):
    """An entry's name must not be restored at this place."""


class UnsupportedEntryError(ArchiveError):
    """An entry uses a method or feature that Kamaros does not read."""


class IntegrityError(KamarosError):
    """Bytes are not what was saved."""


class ZipFormatError(IntegrityError):
    """The ZIP structure is damaged or contradicts itself."""


class ManifestError(IntegrityError):
    """The manifest is damaged or does not follow the format."""
