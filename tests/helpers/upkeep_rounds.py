"""One archive with a past, every verb that changes it, and a look at all its versions before and after.

What can happen to a verb, at each of its steps, is the tests' affair; here is what they do it to.
"""

from __future__ import annotations

import asyncio
import dataclasses
import posixpath
from collections.abc import Awaitable, Callable
from typing import Any

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.views import list_version
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.history_checks import check_bytes
from tests.helpers.mortal import InlineWorkers
from tests.helpers.trees import noise, text

__all__ = ["CONFIG", "VERBS", "Past", "Seen", "check_sound", "look", "make_past", "restored"]

CONFIG = JCFConfig(level=1, workers=1, chunk_size=4096, snapshot_interval=3)
LONG = "a name that is so long that a header written for a short one has no room for it, so the entry is copied"

Verb = Callable[[JCFManager, "Past", AbortSignal | None], Awaitable[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """Where everything is.

    Attributes:
        archive: the archive; nothing else is in its folder.
        disk: folder that was saved, changed since then.
        archive_bytes: the archive as it was made; empty where it was made in place.
    """

    archive: str
    disk: str
    archive_bytes: bytes = b""

    @property
    def place(self) -> str:
        """The folder of the archive."""
        return posixpath.dirname(self.archive)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What an archive says: each version, oldest first, with its tags and everything in it."""

    versions: tuple[tuple[str, tuple[str, ...], tuple[tuple[Any, ...], ...]], ...]


async def make_past(files: FileSystemAdapter, root: str, *, scale: int = 1) -> Past:
    """Make an archive with five versions below *root*, and change the disk once more.

    Args:
        files: where.
        root: an empty folder.
        scale: how many times larger than some 20 KB it is to be.
    """
    past = Past(f"{root}/place/a.jcf", f"{root}/disk")
    for folder in (past.place, past.disk, f"{past.disk}/d", f"{past.disk}/d/e"):
        files.make_folder(folder)
    contents = {
        "changed": text(3000 * scale, 1),
        "moved": noise(2500 * scale, 2),
        "d/same": b"the same",
        "d/e/same": b"the same",
        "d/large": text(9000 * scale, 3),
        "d/e/empty": b"",
        "returns": b"first",
    }
    for path, content in contents.items():
        write_file(files, f"{past.disk}/{path}", content)
    files.make_link(f"{past.disk}/link", b"changed", 10**18)
    workers = InlineWorkers()
    manager = JCFManager(past.archive, CONFIG, workers, files)
    saved = [f"{past.disk}/."]
    await manager.save(saved, mirror=True, message="1")
    rewrite(files, f"{past.disk}/changed", text(3000 * scale, 4))
    rewrite(files, f"{past.disk}/returns", b"second")
    await manager.save(saved, mirror=True, message="2")
    files.rename(f"{past.disk}/moved", f"{past.disk}/d/renamed")
    files.delete(f"{past.disk}/d/e/same")
    await manager.save(saved, mirror=True, message="3")
    await manager.tag("HEAD", "kept")
    await manager.move("d/e", "f", message="4")
    await manager.remove(["link"], message="5")
    await manager.close()
    rewrite(files, f"{past.disk}/changed", text(3000 * scale, 5))
    rewrite(files, f"{past.disk}/returns", b"first")
    files.rename(f"{past.disk}/d/large", f"{past.disk}/large")
    write_file(files, f"{past.disk}/new", noise(1500 * scale, 6))
    return dataclasses.replace(past, archive_bytes=read_file(files, past.archive))


def rewrite(files: FileSystemAdapter, path: str, content: bytes) -> None:
    """Replace a file."""
    files.delete(path)
    write_file(files, path, content)


async def _save(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.save([f"{past.disk}/."], signal=signal)


async def _mirror(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.save([f"{past.disk}/."], mirror=True, signal=signal)


async def _move_folder(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.move("d", "elsewhere", signal=signal)


async def _move_with_copy(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.move("d/large", LONG, signal=signal)


async def _remove(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.remove(["d", "changed"], signal=signal)


async def _checkpoint(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    """Several changes of all kinds; two paths change places."""
    await manager.add_file("added", b"added", modified=1, signal=signal)
    await manager.add_file("returns", b"first", modified=2, signal=signal)
    await manager.move_file("changed", "for a moment")
    await manager.move_file("d/large", "changed")
    await manager.move_file("for a moment", "d/large")
    await manager.remove_file("f")
    await manager.save_checkpoint("checkpoint", signal=signal)


async def _tag(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.tag("HEAD~1", "new tag")


async def _untag(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.untag("kept")


async def _forget(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.forget(keep_last=2, signal=signal)


async def _forget_one(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.forget(["kept"], tagged=True, signal=signal)


async def _compact(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    await manager.compact(signal=signal)


async def _upgrade(manager: JCFManager, past: Past, signal: AbortSignal | None) -> None:
    """For an archive another program made: whoever writes first writes it anew."""
    await manager.add_file("added", b"added", modified=1, signal=signal)
    await manager.save_checkpoint("checkpoint", signal=signal)


VERBS: dict[str, Verb] = {
    "save": _save,
    "mirror": _mirror,
    "move a folder": _move_folder,
    "move with a copy": _move_with_copy,
    "remove": _remove,
    "checkpoint": _checkpoint,
    "tag": _tag,
    "untag": _untag,
    "forget": _forget,
    "forget one": _forget_one,
    "compact": _compact,
    "upgrade": _upgrade,
}


def look(files: FileSystemAdapter, archive: str) -> Seen:
    """Return what the newest committed state of an archive says."""
    container = Container.load(files, archive)
    try:
        listing = list_version(container, "HEAD")
        return Seen(
            tuple(
                (
                    info.message,
                    info.tags,
                    tuple(
                        (each.path, each.type, each.sha256, each.size, each.mode, each.modified)
                        for each in list_version(container, info.id).entries
                    ),
                )
                for info in reversed(listing.versions)
            )
        )
    finally:
        container.close()


async def check_sound(files: FileSystemAdapter, archive: str, workers: Workers, *, finished: bool) -> None:
    """Check every byte of an archive, and, where a writer has *finished*, that nothing lies beside it."""
    manager = JCFManager(archive, CONFIG, workers, files)
    verified = await manager.verify()
    assert verified.errors == ()
    container = Container.load(files, archive)
    try:
        if not container.needs_upgrade:  # other writers count no dead bytes
            check_bytes(container, tail=not finished)
    finally:
        container.close()
    if finished:
        assert verified.warnings == ()
        assert names(files, posixpath.dirname(archive)) == [posixpath.basename(archive)]


async def restored(files: FileSystemAdapter, archive: str, target: str, workers: Workers) -> list[dict[str, Any]]:
    """Restore every version, oldest first; return what :func:`tree` finds of each."""
    manager = JCFManager(archive, CONFIG, workers, files)
    found = []
    for number, version in enumerate(reversed(await manager.history())):
        folder = f"{target}/{number}"
        report = await manager.restore_version(version.id, folder)
        assert report.failed == 0, report.issues
        found.append(tree(files, folder))
        await asyncio.sleep(0)
    files.delete_tree(target)
    return found


def tree(files: FileSystemAdapter, folder: str, prefix: str = "") -> dict[str, Any]:
    """Return relative path → kind, content, mode and, but for folders, time of everything in *folder*."""
    found: dict[str, Any] = {}
    for name, status in files.list(folder):
        assert not isinstance(status, Exception)
        path = f"{folder}/{name}"
        if status.kind == "directory":
            found |= tree(files, path, f"{prefix}{name}/")
        content = files.read_link(path) if status.kind == "symlink" else b""
        if status.kind == "file":
            content = read_file(files, path)
        # A folder without an entry of its own has the time at which it was restored.
        time = 0 if status.kind == "directory" else status.mtime_ns
        found[prefix + name] = (status.kind, content, status.mode, time)
    return found
