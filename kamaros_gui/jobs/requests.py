"""What can be asked of the engine: frozen requests, made by the window or the terminal."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar, Literal

from kamaros_gui.base.config import JCFConfig

__all__ = ["ConflictPolicy", "ListRequest", "LogRequest", "Request", "RestoreRequest", "SaveRequest", "VerifyRequest"]

ConflictPolicy = Literal["fail", "skip", "overwrite", "rename"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """Add files and folders to an archive as one new version.

    Attributes:
        archive: path of the ``.jcf`` file; made when it does not exist.
        paths: files and folders on disk; each is stored under its own last name, ``folder/.`` as its children.
        into: folder inside the archive, empty for its root.
        message, author: recorded with the version.
        mirror: also remove what vanished from the folders given.
        excludes: glob patterns of paths to leave out.
        strict: whether a file that can't be read, or changes while it is read, fails the whole save and leaves the
            archive as it was; otherwise it is reported and left out.
        config: settings of this save, ``None`` for the runner's.
    """

    archive: str
    paths: tuple[str, ...]
    into: str = ""
    message: str = ""
    author: str = ""
    mirror: bool = False
    excludes: tuple[str, ...] = ()
    strict: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "save"

    @property
    def title(self) -> str:
        """A line for people."""
        names = [os.path.basename(os.path.abspath(path)) or path for path in self.paths]
        what = names[0] if len(names) == 1 else f"{len(names)} items"
        return f"Save {what}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Restore a version, whole or in part, into a folder.

    Attributes:
        archive: path of the archive.
        target: folder to restore into; made when it does not exist.
        paths: entries or folders inside the archive, empty for all.
        version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``.
        on_conflict: what to do where a different file exists (identical content is always skipped and counted):
            ``fail`` restores nothing at all, ``skip`` leaves the file on disk as it is, ``overwrite`` replaces it,
            ``rename`` restores beside it as ``name (2).ext``.
        outside_links: whether links that may lead out of the target are restored too.
        config: settings of this restore, ``None`` for the runner's.
    """

    archive: str
    target: str
    paths: tuple[str, ...] = ()
    version: str = "HEAD"
    on_conflict: ConflictPolicy = "fail"
    outside_links: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "restore"

    @property
    def title(self) -> str:
        """A line for people."""
        what = os.path.basename(self.archive) if not self.paths else f"{len(self.paths)} items"
        return f"Restore {self.paths[0] if len(self.paths) == 1 else what}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Check every stored byte against CRC-32 and SHA-256, and the history against the entries."""

    archive: str
    config: JCFConfig | None = None

    kind: ClassVar[str] = "verify"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Verify {os.path.basename(self.archive)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Read the entries of a version; a query, answered with a :class:`~kamaros_gui.base.reports.Listing`."""

    archive: str
    version: str = "HEAD"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Read the versions, newest first, of the archive or of one path; answered with a tuple of ``VersionInfo``."""

    archive: str
    path: str = ""


Request = SaveRequest | RestoreRequest | VerifyRequest
Query = ListRequest | LogRequest
