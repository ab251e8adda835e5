"""Requests about an archive and its history as a whole: tag, forget, compact, compare, verify."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

from kamaros_gui.base.config import JCFConfig

__all__ = ["CompactRequest", "DiffRequest", "ForgetRequest", "TagRequest", "VerifyRequest"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TagRequest:
    """Give a version a name that stays with it, or take a name away.

    Attributes:
        archive: path of the archive.
        name: the tag.
        version: what it is to name: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``; ``None`` removes the tag.
        replace: whether a tag that names another version moves to this one; otherwise that is an error.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    name: str
    version: str | None = "HEAD"
    replace: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "tag"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Remove the tag {self.name}" if self.version is None else f"Tag {self.version} as {self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """Let versions leave the history. What only they needed is dead space then, until a compaction.

    The newest version always stays. One with a tag does too, unless *tagged*. With *keep_last* and *keep_within*, a
    version that either of them keeps stays.

    Attributes:
        archive: path of the archive.
        versions: versions to forget by name: ids, unique prefixes, tags, ``HEAD~n``.
        keep_last: forget all but that many of the newest; ``None`` for no such rule.
        keep_within: forget what is older than that many days; ``None`` for no such rule.
        tagged: forget versions with tags too.
        dry_run: only tell what would go.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    versions: tuple[str, ...] = ()
    keep_last: int | None = None
    keep_within: float | None = None
    tagged: bool = False
    dry_run: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "forget"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Forget versions of {os.path.basename(self.archive)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompactRequest:
    """Give the dead space of an archive back: its live bytes are copied as they are, checked, and take its place.

    Attributes:
        archive: path of the archive.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    config: JCFConfig | None = None

    kind: ClassVar[str] = "compact"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Compact {os.path.basename(self.archive)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """Compare two versions, or a version with a folder on disk. Changes nothing.

    Attributes:
        archive: path of the archive.
        old: the older version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``.
        new: the newer one; not used with a folder.
        folder: folder on disk that stands for the newer state, ``None`` to compare two versions.
        into: the folder inside the archive that *folder* is compared with, empty for its root.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    old: str
    new: str = "HEAD"
    folder: str | None = None
    into: str = ""
    config: JCFConfig | None = None

    kind: ClassVar[str] = "diff"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"Compare {self.old} with {self.new if self.folder is None else self.folder}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Check every stored byte against CRC-32 and SHA-256, and the history against the entries.

    Attributes:
        archive: path of the archive.
        repair: also mend what can be mended; contents never change.
        config: settings of this job, ``None`` for the runner's.
    """

    archive: str
    repair: bool = False
    config: JCFConfig | None = None

    kind: ClassVar[str] = "verify"

    @property
    def title(self) -> str:
        """A line for people."""
        return f"{'Repair' if self.repair else 'Verify'} {os.path.basename(self.archive)}"
