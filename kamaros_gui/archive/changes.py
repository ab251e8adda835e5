"""Changes: what is to become the next version, as it is collected."""

from __future__ import annotations

import dataclasses
import time

from kamaros_gui.pipeline import PackedEntry, ReusableContent
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["Changes"]


@dataclasses.dataclass(slots=True)
class Changes:
    """What is to become the next version.

    A path of HEAD stays where it is, is deleted, or is moved; content may be packed for any path, whatever HEAD has
    there.

    Attributes:
        reusable: contents in entries that no path of HEAD needs where they are.
        started_ns: nanoseconds since the epoch; whatever was read was read after it.
        packed: path → what was written for it, or found to be as known.
        raw_names: path → base64 of its bytes on disk, where they differ.
        deleted: paths of HEAD that leave it.
        moved: new path → path in HEAD.
        moves: the same as it was asked for, one pair (old, new) for a whole folder, in order.
        unread: paths that were to be read and could not be.
        replaced: entries written for these changes that a later one of them made useless.
    """

    reusable: ReusableContent = dataclasses.field(default_factory=ReusableContent)
    started_ns: int = dataclasses.field(default_factory=time.time_ns)
    packed: dict[str, PackedEntry] = dataclasses.field(default_factory=dict)
    raw_names: dict[str, str] = dataclasses.field(default_factory=dict)
    deleted: set[str] = dataclasses.field(default_factory=set)
    moved: dict[str, str] = dataclasses.field(default_factory=dict)
    moves: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    unread: set[str] = dataclasses.field(default_factory=set)
    replaced: list[ZipEntry] = dataclasses.field(default_factory=list)
    _away: set[str] = dataclasses.field(default_factory=set)
    _offered: set[str] = dataclasses.field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed so far."""
        return not self.packed and not self.deleted and not self.moved

    def origin_of(self, path: str) -> str | None:
        """Return the path in HEAD of what these changes leave at *path*; ``None`` where HEAD's own has left."""
        moved = self.moved.get(path)
        if moved is not None:
            return moved
        return None if path in self.deleted or path in self._away else path

    def put(self, packed: PackedEntry) -> None:
        """Note what was written for a path; it takes the place of what was noted before."""
        path = packed.item.path
        self.drop(path)
        self.packed[path] = packed
        self.unread.discard(path)
        if path not in self.moved:
            self.deleted.discard(path)  # replaced by this, which is no deletion

    def drop(self, path: str) -> None:
        """Forget what was written for *path*, if anything was."""
        before = self.packed.pop(path, None)
        if before is None:
            return
        if before.entry is not None:
            self.replaced.append(before.entry)
        if before.reused:
            self.reusable.add(before.sha256)

    def delete(self, path: str, sha256: str) -> None:
        """Let the path of HEAD that is now at *path* leave it; its content, *sha256*, can be taken by another."""
        origin = self._take_away(path)
        self.deleted.add(origin)
        if sha256 and origin not in self._offered:
            self._offered.add(origin)
            self.reusable.add(sha256)

    def was_offered(self, path: str) -> bool:
        """Whether the entry HEAD has for what is now at *path* may have been taken by another path."""
        return self.origin_of(path) in self._offered

    def note_move(self, old: str, new: str) -> None:
        """Note that *old*, with everything below it, was moved to *new*, as one step for the rename log."""
        for index in reversed(range(len(self.moves))):  # the name may have been used before
            first, last = self.moves[index]
            if last == old:
                del self.moves[index]
                old = first
                break
        if old != new:
            self.moves.append((old, new))

    def move(self, old: str, new: str) -> None:
        """Let the path of HEAD that is now at *old* be at *new*, where nothing may be."""
        origin = self._take_away(old)
        if origin == new:
            return  # back where it came from
        self.moved[new] = origin
        self._away.add(origin)

    def _take_away(self, path: str) -> str:
        """Return the path in HEAD of what is at *path*, which is nowhere for the moment."""
        origin = self.moved.pop(path, path)
        self._away.discard(origin)
        return origin
