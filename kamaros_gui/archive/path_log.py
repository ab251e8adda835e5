"""The log of one path: which versions touched it, under whatever name it had then.

The versions are walked from the newest to the oldest. Most of them never mention the path, and a look at their bytes
shows that without decoding them.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kamaros_gui.archive.history import Trace, decode_parts
from kamaros_gui.archive.manifest import Manifest, Version, listing_of
from kamaros_gui.base.limits import KIB

__all__ = ["versions_touching"]

_Move = tuple[str, str]
"""An old path and the new one."""

_STATE: Final = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*(\{[^{}]*\})', re.DOTALL)
"""A path and its state, in JSON."""

_LONG: Final = 256 * KIB
"""A listing from which on looking for a path is quicker than decoding all of it."""

_FEW: Final = 200
"""States up to which decoding them one by one is."""


def versions_touching(manifest: Manifest, path: str) -> list[Version]:
    """Return the versions that touched *path* or something below it, newest first.

    The log begins where *path* was last, and covers every file or folder that ever had this name. From each of them it
    goes on under the name it had before it was renamed or moved, with a folder above it perhaps, back to where that one
    came into being; whatever had the old name before or after does not belong to it.

    Args:
        manifest: with the history.
        path: a file or folder of any version.

    Raises:
        IntegrityError: a listing that is needed is damaged or lost.
    """
    if not _is_text(path):
        return []
    moves: defaultdict[str, list[_Move]] = defaultdict(list)
    for step in manifest.rename_log:
        if all(isinstance(step.get(field), str) for field in ("versionId", "from", "to")):
            moves[step["versionId"]].append((step["from"], step["to"]))
    first = manifest.versions[0].id if manifest.versions else ""
    names = [_Name(path)]
    log: list[Version] = []
    for version in reversed(manifest.versions):
        listing = bytes(listing_of(version))
        if not any(name.may_occur(listing) for name in names):
            continue
        traces = None if moves[version.id] else _pick_out(listing, names)
        if traces is None:
            traces = decode_parts(version, Trace, listing)
        touched = {
            each: trace for each, trace in traces.items() if trace.change_type != "unchanged" or version.id == first
        }
        concerned = [(name, below) for name in names if (below := dict(name.of(touched)))]
        if not concerned:
            continue
        log.append(version)
        for name, below in concerned:
            name.step_back(below, touched)
        before = [_name_before(name.path, below, touched, moves[version.id]) for name, below in concerned]
        names = [name for name in names if name.goes_on] + [name for name in before if name is not None]
    return log


def _is_text(path: str) -> bool:
    """Whether *path* can stand in a manifest at all; one that was typed may have bytes that are no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclasses.dataclass(slots=True)
class _Name:
    """A name whose versions are looked for, on the way back.

    Attributes:
        path: the name.
        alive: paths with this name, or below it, that exist at the point the way back has come to; when none is left
            their life began there. ``None`` for the path that was asked for, which counts in all its lives.
    """

    path: str
    alive: set[str] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether older versions may belong to it."""
        return self.alive is None or bool(self.alive)

    def may_occur(self, listing: bytes) -> bool:
        """Whether *listing*, as JSON, may have the path or something below it; ``False`` is certain."""
        return any(key in listing for key in self.beginnings()) or _is_escaped(listing)

    def beginnings(self) -> tuple[bytes, bytes]:
        """Return how a key of JSON begins that is the path, and one that is a path below it."""
        text = msgspec.json.encode(self.path)[:-1]
        return text + b'"', text + b"/"

    def of(self, touched: dict[str, Trace]) -> Iterator[tuple[str, Trace]]:
        """Return what *touched* has of the path and of what is below it."""
        inside = self.path + "/"
        return ((each, trace) for each, trace in touched.items() if each == self.path or each.startswith(inside))

    def step_back(self, below: dict[str, Trace], touched: dict[str, Trace]) -> None:
        """Go behind a version that did *below* to the path: what it deleted exists there, what it brought does not."""
        if self.alive is None:
            return
        sources = {trace.renamed_from for trace in touched.values()}
        if self.path in sources:
            self.alive.clear()  # what had the name before got another one: this life began here
            return
        for each, trace in below.items():
            if trace.deleted:
                self.alive.add(each)
            elif trace.change_type in {"added", "renamed"}:
                self.alive.discard(each)
        inside = self.path + "/"
        self.alive.update(each for each in sources if each.startswith(inside))


def _is_escaped(listing: bytes) -> bool:
    """Whether text in *listing* may be written in another way than we do (RFC 8259, section 7)."""
    return b"\\" in listing and (b"\\u" in listing or b"\\/" in listing)


def _pick_out(listing: bytes, names: list[_Name]) -> dict[str, Trace] | None:
    """Return what a long *listing* says of *names* and of what is below them, without decoding the rest.

    Returns:
        ``None`` where it is short, says too much of them, or speaks of renames, for which other paths matter too.
    """
    if len(listing) < _LONG or _is_escaped(listing) or b'"renamedFrom"' in listing:
        return None
    found: dict[str, Trace] = {}
    for key in (key for name in names for key in name.beginnings()):
        at = listing.find(key)
        while at >= 0:
            state = _STATE.match(listing, at)
            if state is None or len(found) >= _FEW:
                return None
            try:
                found[msgspec.json.decode(state[1], type=str)] = msgspec.json.decode(state[2], type=Trace)
            except msgspec.DecodeError:
                return None  # decoding all of it tells what is wrong
            at = listing.find(key, state.end())
    return found


def _name_before(path: str, below: dict[str, Trace], touched: dict[str, Trace], moves: list[_Move]) -> _Name | None:
    """Return the name that *path* had before a version that renamed it; ``None`` where the version did not.

    Args:
        path: its name since then.
        below: what the version did to it and to what is below it.
        touched: what the version did to any path.
        moves: what it says of renames.
    """
    if all(trace.deleted for trace in below.values()):
        return None
    for origin in _origins(path, below, touched, moves):
        inside = origin + "/"
        sources = {trace.renamed_from for trace in below.values() if not trace.deleted}
        sources |= {each for each, trace in touched.items() if trace.deleted}
        alive = {each for each in sources if each == origin or each.startswith(inside)}
        if alive:
            return _Name(origin, alive)
    return None


def _origins(path: str, below: dict[str, Trace], touched: dict[str, Trace], moves: list[_Move]) -> Iterator[str]:
    """Return what *path* may have been called before, the most certain first."""
    own = below.get(path)
    if own is not None and own.change_type == "renamed" and own.renamed_from:
        yield own.renamed_from
        return
    if own is not None and own.change_type not in {"added", "renamed"}:
        return  # it was there before
    # A folder that has no entry of its own, or another writer's log. Two folders may have changed places, so the steps
    # are first taken as made at once, and then as made one after the other.
    for old, new in moves:
        if path == new or path.startswith(new + "/"):
            yield old + path[len(new) :]
    earlier = path
    for old, new in reversed(moves):
        if earlier == new or earlier.startswith(new + "/"):
            earlier = old + earlier[len(new) :]
    if earlier != path:
        yield earlier
    yield from _folder_before(path, own, below, touched)


def _folder_before(path: str, own: Trace | None, below: dict[str, Trace], touched: dict[str, Trace]) -> Iterable[str]:
    """Return the folder that a new folder was on disk, where each file in it was found to be one of that folder."""
    if own is None:
        return ()
    origins = {
        trace.renamed_from.removesuffix(each[len(path) :])
        for each, trace in below.items()
        if trace.renamed_from.endswith(each[len(path) :]) and not trace.deleted and each != path
    }
    return [each for each in origins if len(origins) == 1 and each in touched and touched[each].deleted]
