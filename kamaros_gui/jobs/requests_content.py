"""Requests about what is in an archive: save, move, remove, import; restore, export, read."""

from __future__ import annotations

import dataclasses
import os
from typing import BinaryIO, ClassVar, Literal

from kamaros_gui.base.config import JCFConfig

__all__ = [
    "ConflictPolicy",
    "ExportRequest",
    "ImportRequest",
    "MoveRequest",
    "ReadRequest",
    "RemoveRequest",
    "RestoreRequest",
    "SaveRequest",
]

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
class MoveRequest:
    """Give a file, or a folder with everything in it, another path, as one new version. No content is copied.

    Attributes:
        archive: path of the archive.
        path: what to move, as the newest version has it.
        new_path: where it is to be.
        message, author: recorded with the version.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    path: str
    new_path: str
    message: str = ""
    author: str = ""
    config: JCFConfig | None = None

    kind: ClassVar[str] = "move"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Move {self.path} to {self.new_path}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """Let files, or folders with everything in them, leave the newest state, as one new version; older ones keep them.

    Attributes:
        archive: path of the archive.
        paths: what to remove, as the newest version has it.
        message, author: recorded with the version.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    paths: tuple[str, ...]
    message: str = ""
    author: str = ""
    config: JCFConfig | None = None

    kind: ClassVar[str] = "remove"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Remove {self.paths[0] if len(self.paths) == 1 else f'{len(self.paths)} items'}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Take over what another archive, or a folder of versions, holds.

    Attributes:
        archive: path of the ``.jcf`` file to import into; made when it does not exist.
        source: a ZIP, an archive of this or another writer, or a folder whose sub-folders, in natural order, are the
            versions.
        version: the one version of *source* to take, ``None`` for all it has.
        into: folder inside the archive, empty for its root.
        message, author: recorded with the version.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    source: str
    version: str | None = None
    into: str = ""
    message: str = ""
    author: str = ""
    config: JCFConfig | None = None

    kind: ClassVar[str] = "import"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Import {os.path.basename(os.path.abspath(self.source)) or self.source}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Write a version as a clean plain ZIP, or the whole history as an archive for other writers.

    Attributes:
        archive: path of the archive.
        target: the file to write.
        version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``; not used for an interchange archive, which has all.
        interchange: write an interchange archive instead of a plain ZIP.
        overwrite: whether a file at *target* is replaced, once the new one is complete; otherwise nothing is exported.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    target: str
    version: str = "HEAD"
    interchange: bool = False
    overwrite: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "export"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Export {os.path.basename(self.archive)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """Write the content of one file, as it was in some version, into an open binary file.

    What comes out is checked against size, CRC-32 and SHA-256 while it goes through, so damage shows only after the
    part before it was written. The archive is read only as fast as *output* takes it. That nobody reads the other end
    of a pipe any more is no error: the report then says that it is not complete.

    Attributes:
        archive: path of the archive.
        path: the file inside the archive; of a link, its target is read.
        output: written from where it stands, in a thread, and neither flushed nor closed. Give the raw file, if it has
            one: bytes in a buffer can't be called back when the job is cancelled.
        version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    path: str
    output: BinaryIO
    version: str = "HEAD"
    config: JCFConfig | None = None

    kind: ClassVar[str] = "read"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Read {self.path}"
