"""Archives in memory, made in a line, and what must be true of them after whatever was done to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

import msgspec

from kamaros_gui import JCFConfig, JCFManager, MemoryAdapter
from kamaros_gui.archive.amending import amend
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.rawcopy import header_size_of
from kamaros_gui.base.control import RunControl
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from tests.helpers.adapters import names, read_file, write_file
from tests.helpers.archives import content_of

__all__ = [
    "ARCHIVE",
    "CONFIG",
    "Archives",
    "alter",
    "check",
    "dead_bytes",
    "entry_names",
    "manifest_of",
    "offsets",
    "past",
    "put_tree",
    "renames",
    "save_trees",
    "size_of",
]

ARCHIVE = "/archives/a.jcf"
CONFIG = JCFConfig(level=1, workers=2)

Tree = Mapping[str, bytes | None]
"""Path → content; ``None`` for a folder."""


class Archives:
    """Makes managers of :data:`ARCHIVE`, and closes them.

    Attributes:
        files: where the archive is, and what is saved.
    """

    def __init__(self, files: FileSystemAdapter | None = None) -> None:
        self.files = files or MemoryAdapter()
        self.files.make_folder(os.path.dirname(ARCHIVE))
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def open(self, config: JCFConfig = CONFIG, files: FileSystemAdapter | None = None) -> JCFManager:
        """Return one more manager of the archive."""
        opening = JCFManager.open(ARCHIVE, config, create=True, files=files or self.files)
        return await self._stack.enter_async_context(await opening)

    async def make(self, *versions: Tree, config: JCFConfig = CONFIG) -> JCFManager:
        """Return a manager of an archive with *versions*, each of which adds files."""
        manager = await self.open(config)
        for number, contents in enumerate(versions):
            for path, content in contents.items():
                await manager.add_file(path, content or b"", modified=1000 + number)
            await manager.save_checkpoint(f"version {number}")
        return manager


def put_tree(files: FileSystemAdapter, tree: Tree, root: str = "/source") -> None:
    """Let *root* hold *tree* and nothing else; what is as it was keeps its times."""
    if not files.exists(root):
        files.make_folder(root)
    wanted: dict[str, bytes | None] = {}
    for path, content in tree.items():
        parent = path
        while parent := os.path.dirname(parent):
            wanted.setdefault(parent, None)
        wanted[path] = content
    _prune(files, root, "", wanted)
    for path, content in sorted(wanted.items()):
        place = f"{root}/{path}"
        if content is None:
            if not files.exists(place):
                files.make_folder(place)
        elif not files.exists(place) or read_file(files, place) != content:
            if files.exists(place):
                files.delete(place)
            write_file(files, place, content)


def _prune(files: FileSystemAdapter, root: str, folder: str, wanted: Tree) -> None:
    for name in names(files, f"{root}/{folder}"):
        path = f"{folder}/{name}".lstrip("/")
        is_folder = files.is_folder(f"{root}/{path}")
        if path not in wanted or (wanted[path] is None) != is_folder:
            files.delete_tree(f"{root}/{path}")
        elif is_folder:
            _prune(files, root, path, wanted)


async def save_trees(manager: JCFManager, files: FileSystemAdapter, *trees: Tree) -> None:
    """Save one tree after the other as a mirror."""
    for tree in trees:
        put_tree(files, tree)
        await manager.save(["/source/."], mirror=True)


async def past(manager: JCFManager) -> dict[str, dict[str, bytes | None]]:
    """Return everything every version holds: id → path → content, ``None`` for a folder; newest first."""
    held: dict[str, dict[str, bytes | None]] = {}
    for version in (await manager.list_files()).versions:
        entries = (await manager.list_files(version)).entries
        held[version.id] = {
            entry.path: None if entry.type == "directory" else await content_of(manager, entry.path, version)
            for entry in entries
        }
    return held


@contextlib.contextmanager
def _loaded(files: FileSystemAdapter, archive: str = ARCHIVE) -> Iterator[Container]:
    container = Container.load(files, archive)
    try:
        yield container
    finally:
        container.close()


def manifest_of(files: FileSystemAdapter) -> Manifest:
    """Return the manifest of the archive."""
    with _loaded(files) as container:
        assert container.manifest is not None
        return container.manifest


def renames(files: FileSystemAdapter) -> list[tuple[str, str]]:
    """Return (from, to) of the rename log."""
    return [(each["from"], each["to"]) for each in manifest_of(files).rename_log]


def entry_names(files: FileSystemAdapter) -> list[str]:
    """Return the names of the entries, sorted, without mark and manifest."""
    with _loaded(files) as container:
        return sorted(container.entries.keys() - {"mimetype", "manifest.json"})


def offsets(files: FileSystemAdapter) -> dict[str, int]:
    """Return entry name → where its local header begins."""
    with _loaded(files) as container:
        return {name: entry.header_offset for name, entry in container.entries.items()}


def size_of(files: FileSystemAdapter) -> int:
    """Return the bytes of the archive."""
    return files.stat(ARCHIVE).size


def dead_bytes(files: FileSystemAdapter) -> tuple[int, int]:
    """Return how many bytes of the archive no entry uses, and how many the manifest counts."""
    with _loaded(files) as container:
        live = sum(header_size_of(container.file, each) + each.compressed_size for each in container.entries.values())
        directory = container.directory.end - container.directory.directory_offset
        assert container.manifest is not None
        return container.size - live - directory, container.manifest.dead_bytes


async def check(manager: JCFManager, files: FileSystemAdapter) -> None:
    """Check that the archive is whole, counts its dead bytes exactly, holds no content twice, and lies alone."""
    report = await manager.verify()
    assert report.errors == ()
    assert report.warnings == ()
    real, counted = dead_bytes(files)
    assert real == counted
    with _loaded(files) as container:
        assert container.manifest is not None
        head = {record.current_hash for record in container.manifest.file_map.values()}
        blobs = {name.removeprefix(".store/blobs/") for name in container.entries if name.startswith(".store/blobs/")}
        assert not head & blobs
    assert names(files, os.path.dirname(ARCHIVE)) == [os.path.basename(ARCHIVE)]


async def alter(files: FileSystemAdapter, change: Callable[[Manifest], None]) -> None:
    """Let *change* do to the manifest of the archive what no program should."""

    def apply(manifest: Manifest, _table: object) -> tuple[Manifest, None]:
        changed = msgspec.structs.replace(
            manifest,
            file_map={path: msgspec.structs.replace(record) for path, record in manifest.file_map.items()},
            versions=[msgspec.structs.replace(version) for version in manifest.versions],
            refs=dict(manifest.refs),
        )
        change(changed)
        return changed, None

    workers = Workers(1)
    try:
        await amend(files, ARCHIVE, apply, workers, RunControl())
    finally:
        workers.close()
