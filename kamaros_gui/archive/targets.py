"""Plan of a restore: what goes where on disk, what is there already, and what must not be restored.

Every name is hostile until checked. Nothing is ever written through a link: not through one that lies in the target,
and links of the archive itself are made last.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Container, Iterator
from typing import Final, Literal

from kamaros_gui.archive.manifest import FileState
from kamaros_gui.archive.paths import disk_path
from kamaros_gui.base.errors import KamarosError, StorageError, UnsafeNameError
from kamaros_gui.base.limits import MIB
from kamaros_gui.base.reports import IssueKind
from kamaros_gui.storage.primitives import FilePrimitives, FileStatus
from kamaros_gui.zipfmt import collision_key

__all__ = ["ConflictPolicy", "Placement", "Refusal", "TargetPlan", "link_leaves", "plan_targets"]

ConflictPolicy = Literal["fail", "skip", "overwrite", "rename"]

_MAX_COPIES: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """Where one path goes.

    Attributes:
        path: path in the archive.
        state: what the version says of it.
        relative: path below the target, as it is called on disk.
    """

    path: str
    state: FileState
    relative: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A path that is not restored, and why."""

    path: str
    reason: str
    kind: IssueKind


@dataclasses.dataclass(slots=True)
class TargetPlan:
    """What a restore has to do.

    Attributes:
        folders, files, links: placements, in path order.
        identical: number of files that are there already with the same content.
        conflicts: paths where something different exists and the policy is to fail.
        refusals: what is left out.
    """

    folders: list[Placement] = dataclasses.field(default_factory=list)
    files: list[Placement] = dataclasses.field(default_factory=list)
    links: list[Placement] = dataclasses.field(default_factory=list)
    identical: int = 0
    conflicts: list[str] = dataclasses.field(default_factory=list)
    refusals: list[Refusal] = dataclasses.field(default_factory=list)


def plan_targets(
    files: FilePrimitives,
    states: dict[str, FileState],
    target: str,
    policy: ConflictPolicy,
    *,
    folds_case: bool,
    link_target: Callable[[str, FileState], bytes],
    should_stop: Callable[[], bool],
) -> TargetPlan:
    """Decide for each path where it goes. Blocks; belongs in a worker thread.

    Args:
        files: where the target is.
        states: path → state, sorted by path.
        target: existing folder to restore into.
        policy: what to do where something different exists.
        folds_case: whether the target takes names that differ only by case or Unicode form for the same.
        link_target: reads where a link of the archive points to.
        should_stop: ends early.
    """
    planner = _Planner(
        files, states, target, policy, folds_case=folds_case, link_target=link_target, should_stop=should_stop
    )
    for path, state in states.items():
        if should_stop():
            break
        try:
            planner.place(path, state)
        except UnsafeNameError as error:
            planner.refuse(path, str(error), "blocked")
        except KamarosError as error:
            planner.refuse(path, str(error), "failed")
    return planner.plan


def link_leaves(relative: str, target: bytes) -> bool:
    """Whether a link at *relative* that points to *target* may lead out of the restored folder.

    Only ``..`` parts at the beginning are followed by reason alone; one behind a name could climb out of a folder that
    is itself a link, so it counts as leaving.
    """
    text = os.fsdecode(target).replace("\\", "/") if os.name == "nt" else os.fsdecode(target)
    if text.startswith("/") or (os.name == "nt" and os.path.splitdrive(text)[0]):
        return True
    depth = relative.count("/")
    named = False
    for part in text.split("/"):
        if part == "..":
            depth -= 1
            if named or depth < 0:
                return True
        elif part not in {"", "."}:
            named = True
    return False


class _Planner:
    def __init__(
        self,
        files: FilePrimitives,
        states: Container[str],
        target: str,
        policy: ConflictPolicy,
        *,
        folds_case: bool,
        link_target: Callable[[str, FileState], bytes],
        should_stop: Callable[[], bool],
    ) -> None:
        self.plan = TargetPlan()
        self._files = files
        self._target = target
        self._policy = policy
        self._folds_case = folds_case
        self._link_target = link_target
        self._should_stop = should_stop
        self._real_folders: dict[str, bool] = {"": True}
        self._taken: dict[str, str] = {}
        self._states = states
        self._chosen: set[str] = set()

    def refuse(self, path: str, reason: str, kind: IssueKind) -> None:
        """Leave *path* out."""
        self.plan.refusals.append(Refusal(path, reason, kind))

    def place(self, path: str, state: FileState) -> None:
        """Decide about one path.

        Raises:
            UnsafeNameError: it must not be restored.
            StorageError: what is in its place can't be read.
        """
        relative = disk_path(path, state.raw_name)
        self._check_parents(relative)
        if self._folds_case:
            self._check_collision(relative)
        existing = self._find(relative)
        placement = Placement(path, state, relative)
        if state.type == "directory":
            if existing is not None and existing.kind != "directory":
                raise StorageError(f"A file named “{path}” is in the way of the folder.")
            self.plan.folders.append(placement)
            return
        if existing is not None:
            if self._is_identical(placement, existing):
                self.plan.identical += 1
                return
            resolved = self._resolve(placement, existing)
            if resolved is None:
                return
            placement = resolved
        (self.plan.links if state.type == "symlink" else self.plan.files).append(placement)
        self._chosen.add(placement.relative)

    def _check_parents(self, relative: str) -> None:
        """Raise UnsafeNameError when a parent of *relative* is a link in the target."""
        unknown: list[str] = []
        parent = relative.rpartition("/")[0]
        while parent not in self._real_folders:
            unknown.append(parent)
            parent = parent.rpartition("/")[0]
        passable = self._real_folders[parent]
        for below in reversed(unknown):
            if passable:
                status = self._find(below)
                passable = status is None or status.kind == "directory"
            self._real_folders[below] = passable
        if not passable:
            parent = relative.rpartition("/")[0]
            raise UnsafeNameError(
                f"“{parent}” is, or lies below, a link or a file in the target; nothing is written through it."
            )

    def _check_collision(self, relative: str) -> None:
        key = collision_key(relative)
        other = self._taken.setdefault(key, relative)
        if other != relative:
            raise UnsafeNameError(f"On this volume its name is the same as “{other}”.")

    def _find(self, relative: str) -> FileStatus | None:
        return self._files.find(os.path.join(self._target, relative))

    def _is_identical(self, placement: Placement, existing: FileStatus) -> bool:
        path, state = os.path.join(self._target, placement.relative), placement.state
        if existing.kind != state.type:
            return False
        if state.type == "symlink":
            return self._files.read_link(path) == self._link_target(placement.path, state)
        if existing.size != state.size or not state.hash:
            return False
        digest = hashlib.sha256()
        for piece in _pieces(self._files, path):
            digest.update(piece)
            if self._should_stop():
                return False
        return digest.hexdigest() == state.hash

    def _resolve(self, placement: Placement, existing: FileStatus) -> Placement | None:
        """Apply the conflict policy; return the placement to use, or ``None`` when the path is left out."""
        path = placement.path
        if self._policy == "skip":
            self.refuse(path, "A different file of that name exists.", "skipped")
            return None
        if self._policy == "rename":
            return dataclasses.replace(placement, relative=self._free_name(placement.relative))
        if self._policy == "overwrite" and existing.kind != "directory":
            return placement
        if self._policy == "fail":
            self.plan.conflicts.append(path)
        else:
            self.refuse(path, "A folder of that name is in the way.", "failed")
        return None

    def _free_name(self, relative: str) -> str:
        folder, _, name = relative.rpartition("/")
        stem, extension = os.path.splitext(name)
        for number in range(2, _MAX_COPIES):
            candidate = f"{folder}/{stem} ({number}){extension}" if folder else f"{stem} ({number}){extension}"
            taken = candidate in self._chosen or candidate in self._states
            if not taken and self._find(candidate) is None:
                return candidate
        raise StorageError(f"There are too many copies of “{relative}” already.")


def _pieces(files: FilePrimitives, path: str) -> Iterator[bytes]:
    file = files.open(path)
    try:
        at = 0
        while piece := file.read(at, MIB):
            yield piece
            at += len(piece)
    finally:
        file.close()
