"""A plain model of an archive with a history: dictionaries in a list, and the rules of each verb in a few lines.

It knows nothing of ZIP files, entries, blobs and commits. What a verb is to do is written down here once more, from its
description; the engine's own code is used for nothing but how a name on disk is spelt in an archive.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kamaros_gui.archive.paths import moved_raw_name, stored_path

__all__ = [
    "Draft",
    "Item",
    "Refused",
    "State",
    "VersionModel",
    "counts",
    "digest_of",
    "expected_log",
    "is_another",
    "saved_path",
    "settle",
]


class Refused(Exception):  # noqa: N818 - it is no error of the tests
    """The archive must refuse this."""


class Item(NamedTuple):
    """What is at one path.

    Attributes:
        kind: file, directory or symlink.
        content: of a file; the target of a link; nothing for a folder.
        mode: permission bits.
        mtime: nanoseconds since the epoch.
        raw: its name on disk, as the manifest has it.
        inode: the identity it keeps across renames; empty as long as it has none.
    """

    kind: str
    content: bytes
    mode: int
    mtime: int
    raw: str = ""
    inode: str = ""


State = dict[str, Item]


@dataclasses.dataclass(frozen=True, slots=True)
class VersionModel:
    """One version: its id, and everything in it."""

    id: str
    state: State


def digest_of(item: Item) -> str:
    """Return the hash the manifest has for *item*."""
    return "" if item.kind == "directory" else hashlib.sha256(item.content).hexdigest()


def is_another(before: Mapping[str, Item], after: Mapping[str, Item]) -> bool:
    """Whether *after* is worth a version: the time of a folder alone is not."""
    return _settled(before) != _settled(after)


def _settled(state: Mapping[str, Item]) -> dict[str, Item]:
    return {path: each._replace(mtime=0, raw="") if each.kind == "directory" else each for path, each in state.items()}


class Draft:
    """HEAD with changes that are no version yet.

    Args:
        head: what they begin with; stays as it is.

    Attributes:
        state: what there would be.
    """

    def __init__(self, head: State) -> None:
        self.head = head
        self.state = dict(head)

    def kind_of(self, path: str) -> str | None:
        """Return what is at *path*; a folder need not have an entry of its own."""
        if path in self.state:
            return self.state[path].kind
        return "directory" if any(each.startswith(path + "/") for each in self.state) else None

    def below(self, path: str) -> list[str]:
        """Return *path* and what is in it.

        Raises:
            Refused: there is nothing.
        """
        found = [each for each in self.state if each == path or each.startswith(path + "/")]
        if not found:
            raise Refused(f"no {path}")
        return found

    def check_parents(self, path: str) -> None:
        """Raise Refused where a file is above *path*."""
        while path := path.rpartition("/")[0]:
            if self.kind_of(path) not in {None, "directory"}:
                raise Refused(f"{path} is a file")

    def put(self, path: str, item: Item) -> None:
        """Let *item* be at *path*; it goes on with the identity and the name on disk of what is there.

        Raises:
            Refused: a folder is there, or a file is in the way.
        """
        if self.kind_of(path) == "directory":
            raise Refused(f"{path} is a folder")
        self.check_parents(path)
        there = self.state.get(path)
        folder, _, last = path.rpartition("/")
        spelt, raw = saved_path(folder, self.head, last)
        item = item._replace(raw=raw if spelt == path else "")
        if there is not None:
            item = item._replace(inode=there.inode, raw=item.raw or there.raw)
        elif path in self.head and self.head[path].inode not in {each.inode for each in self.state.values()}:
            item = item._replace(inode=self.head[path].inode)  # removed and put anew: replaced
        self.state[path] = item

    def remove(self, paths: Iterable[str]) -> None:
        """Let *paths* leave, with everything in them."""
        gone: set[str] = set()
        for path in paths:
            gone.update(self.below(path))
        for path in gone:
            del self.state[path]

    def move(self, old: str, new: str) -> int:
        """Give *old* the path *new*; return how many entries moved."""
        found = self.below(old)
        name, goal = old.rpartition("/")[2], new.strip("/")
        if new.endswith("/") or not goal or (goal != old and self.kind_of(goal) == "directory"):
            goal = f"{goal}/{name}".strip("/")
        if goal == old:
            return 0
        if goal.startswith(old + "/"):
            raise Refused("into itself")
        self.check_parents(goal)
        if self.kind_of(goal) is not None:
            raise Refused(f"there is a {goal}")
        for path in sorted(found):
            item = self.state.pop(path)
            target = goal + path[len(old) :]
            self.state[target] = item._replace(raw=moved_raw_name(item.raw, path, target))
        return len(found)

    def save(self, found: Mapping[str, Item], folders: Sequence[str], *, mirror: bool) -> None:
        """Take in what was *found* on disk.

        Args:
            found: path in the archive → what is there.
            folders: those that were saved whole, as paths in the archive; empty for the root.
            mirror: whether what is not in them any more leaves.
        """
        files = [path for path, item in found.items() if item.kind != "directory"]
        gone = {
            path
            for path in self.state
            if any(path.startswith(each + "/") for each in files)
            or (mirror and path not in found and any(not each or path.startswith(each + "/") for each in folders))
        }
        for path in gone:
            del self.state[path]
        for path, item in found.items():
            there = self.state.get(path)
            self.state[path] = item if there is None else item._replace(inode=there.inode, raw=item.raw or there.raw)

    def end(self) -> State:
        """Return the new HEAD: a path whose own content left and came back is what it was before.

        What moved keeps the names on disk of the last parts its paths have in common, whatever it was called between.
        """
        used = {item.inode for item in self.state.values()}
        origins = {item.inode: path for path, item in self.head.items()}
        ended = {}
        for path, item in self.state.items():
            inode = item.inode
            if not inode and path in self.head and self.head[path].inode not in used:
                inode = self.head[path].inode
            raw, origin = item.raw, origins.get(inode, path)
            if inode:
                raw = (item.raw if origin == path else "") or moved_raw_name(self.head[origin].raw, origin, path)
            ended[path] = item._replace(inode=inode, raw=raw)
        return ended


def saved_path(into: str, head: State, relative: str) -> tuple[str, str]:
    """Return how *relative*, saved into a folder of the archive, is called there, and its raw name.

    That folder, or the nearest one above it that has another name on disk, keeps that name.
    """
    stored, raw = stored_path(relative)
    if not into:
        return stored, raw
    known, rest = into, ""
    while known and not (known in head and head[known].raw):
        known, _, last = known.rpartition("/")
        rest = f"{last}/{rest}"
    above = [base64.b64decode(head[known].raw)] if known else []
    whole = b"/".join([*above, *([rest.strip("/").encode()] if rest else []), os.fsencode(relative)])
    path = f"{into}/{stored}"
    spelt, raw = stored_path(os.fsdecode(whole))
    return path, raw if spelt == path else ""


def settle(before: State, after: State, inodes: Mapping[str, str], known: set[str]) -> tuple[State, list[str]]:
    """Fill in the identities an archive gave to new paths, and say which of them it must not have given.

    A new path whose content is that of a path that left is that path renamed, as often as there are such pairs; and
    where a pair has one last name, one with it is taken. Empty content says nothing.

    Args:
        before: HEAD.
        after: the new one.
        inodes: path → identity, as the archive has it.
        known: identities of all versions.
    """
    wrong: list[str] = []
    staying = {item.inode for item in after.values()}
    left = {item.inode: (path, item) for path, item in before.items() if item.inode not in staying}
    gone = Counter((item.kind, item.content) for _, item in left.values() if item.content)
    gone_names = Counter((item.kind, item.content, _name(path)) for path, item in left.values() if item.content)
    came: Counter[tuple[str, bytes]] = Counter()
    came_names: Counter[tuple[str, bytes, str]] = Counter()
    renamed: Counter[tuple[str, bytes]] = Counter()
    renamed_names: Counter[tuple[str, bytes, str]] = Counter()
    settled = dict(after)
    for path, item in after.items():
        if item.inode:
            continue
        inode = inodes.get(path, "")
        settled[path] = item._replace(inode=inode)
        kind = (item.kind, item.content)
        came[kind] += 1
        came_names[*kind, _name(path)] += 1
        if inode in left:
            old, origin = left.pop(inode)
            renamed[kind] += 1
            renamed_names[*kind, _name(path)] += _name(old) == _name(path)
            if (origin.kind, origin.content) != kind or not item.content:
                wrong.append(f"{path} is no renamed {old}")
        elif not inode or inode in known:
            wrong.append(f"{path} has the identity “{inode}” of something else")
        known.add(inode)
    wrong += [f"renames of {kind}: {renamed[kind]}" for kind in came if renamed[kind] != min(came[kind], gone[kind])]
    wrong += [
        f"renames of {kind} that keep the name: {renamed_names[kind]}"
        for kind in came_names
        if renamed_names[kind] != min(came_names[kind], gone_names[kind])
    ]
    return settled, wrong


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def counts(before: State, after: State) -> tuple[int, int, int, int]:
    """Return how many files and links were added, modified and deleted, and how many got another path."""
    origins = {item.inode: path for path, item in before.items()}
    added = modified = renamed = 0
    for path, item in after.items():
        if item.kind == "directory":
            continue
        if item.inode not in origins:
            added += 1
        elif origins[item.inode] != path:
            renamed += before[origins[item.inode]].kind != "directory"  # by what it was
        else:
            modified += before[path] != item
    staying = {item.inode for item in after.values()}
    deleted = sum(item.inode not in staying for item in before.values() if item.kind != "directory")
    return added, modified, deleted, renamed


def expected_log(history: Sequence[VersionModel], path: str) -> set[str]:
    """Return the ids of the versions that touched *path*, or what was to be *path* under the name it had before."""
    log: set[str] = set()
    touches: dict[str, list[int]] = {}  # inode → numbers of the versions that touched it
    before: State = {}
    for number, version in enumerate(history):
        now = version.state
        was = {item.inode: (each, item) for each, item in before.items()}
        places = {item.inode: (each, item) for each, item in now.items()}
        for inode in was.keys() | places.keys():
            if was.get(inode) != places.get(inode):
                touches.setdefault(inode, []).append(number)
        if before.get(path) != now.get(path):
            log.add(version.id)
        arrived = now.get(path)
        if arrived is not None and arrived.inode in was and was[arrived.inode][0] != path:
            log.update(history[each].id for each in touches[arrived.inode])
        before = now
    return log
