"""Where the files of a version of one archive go in another: safe names, and room for what comes."""

from __future__ import annotations

import stat
import time
from collections.abc import Mapping

from kamaros_gui.archive.adding import check_path
from kamaros_gui.archive.building import is_below_any
from kamaros_gui.archive.checkpoint import Checkpoint
from kamaros_gui.archive.container import entry_name
from kamaros_gui.archive.entry_contents import EntryContents
from kamaros_gui.archive.places import Place, raw_bytes
from kamaros_gui.archive.views import VersionView
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError
from kamaros_gui.base.limits import MAX_PATH_BYTES
from kamaros_gui.pipeline import SaveItem
from kamaros_gui.storage.walk import WalkItem
from kamaros_gui.zipfmt import unsafe_reason

__all__ = ["place_items"]


def place_items(
    checkpoint: Checkpoint, view: VersionView, contents: EntryContents, into: str, control: RunControl
) -> list[SaveItem]:
    """Return what of a version can be added, with its path in the archive, and make room for it there. Blocks.

    Where the archive has a file and a folder comes, or the other way round, what comes takes the place, as in a save.

    Args:
        checkpoint: where it is to be added.
        view: the version.
        contents: of it.
        into: folder inside the archive, in normal form, empty for its root.
        control: is told of what can't be added.

    Raises:
        ArchiveError: *into* is a file, or lies below one.
    """
    _check_into(checkpoint, into)
    coming = _acceptable(contents, into, control)
    files = {path for path, item in coming.items() if item.found.kind != "directory"}
    replaced = {path for path in _folders(coming) if checkpoint.kind_of(path) in {"file", "symlink"}}
    checkpoint.remove(replaced)
    placed = [
        SaveItem(_folder_found(path), path, entry_name(path, "directory")) for path in sorted(replaced - coming.keys())
    ]
    # A file may turn out to be damaged; the folder that the archive has in its place stays then.
    unsure = {path for path in files if checkpoint.kind_of(path) == "directory"}
    checkpoint.changes.unread |= unsure
    place = Place(into, checkpoint.base.file_map)
    for path, item in coming.items():
        known = checkpoint.known_hash(path, item.found.kind)
        raw_name = place.raw_name_of(item.path, raw_bytes(item.path, view.states[item.path].raw_name))
        if raw_name:
            checkpoint.changes.raw_names[path] = raw_name
        placed.append(SaveItem(item.found, path, entry_name(path, item.found.kind), known))
    if unsure:
        checkpoint.remove([path for path in checkpoint.paths() if is_below_any(path, unsure)], keep=lambda _path: True)
    return placed


def _acceptable(contents: EntryContents, into: str, control: RunControl) -> dict[str, SaveItem]:
    """Return path in the archive → item for what may be there; the others become issues."""
    safe: dict[str, SaveItem] = {}
    for item in contents.items():
        path = f"{into}/{item.path}" if into else item.path
        reason = unsafe_reason(item.path, windows=False)
        if reason is not None:
            control.add_issue(item.path, reason, "blocked")
        elif len(entry_name(path, "directory").encode()) > MAX_PATH_BYTES:
            control.add_issue(item.path, f"The name is too long: none in a ZIP has more than {MAX_PATH_BYTES} bytes.")
        else:
            safe[path] = item
    files = {path for path, item in safe.items() if item.found.kind != "directory"}
    for path in [path for path in safe if is_below_any(path, files)]:
        control.add_issue(safe.pop(path).path, "It lies below what is a file there.")
    return safe


def _folders(coming: Mapping[str, SaveItem]) -> set[str]:
    """Return the folders that come, also those that only have something in them."""
    folders = {path for path, item in coming.items() if item.found.kind == "directory"}
    for path in coming:
        above = path
        while (above := above.rpartition("/")[0]) and above not in folders:
            folders.add(above)
    return folders


def _folder_found(path: str) -> WalkItem:
    """Return a folder the source does not list, as if it had just been found."""
    return WalkItem(path, path, "directory", 0, time.time_ns(), 0, stat.S_IFDIR | 0o755, 0)


def _check_into(checkpoint: Checkpoint, into: str) -> None:
    if into:
        check_path(checkpoint, into)
        if checkpoint.kind_of(into) not in {None, "directory"}:
            raise ArchiveError(f"“{into}” is a file in the archive; nothing can be put below it.")
