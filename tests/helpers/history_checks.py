"""Compare an archive with a plain model of its history, and account for every byte of it."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Mapping, Sequence

from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, Container
from kamaros_gui.archive.history import states_at
from kamaros_gui.archive.manifest import FileRecord, FileState, Manifest
from kamaros_gui.archive.views import history_of, list_version
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.zipfmt import parse_local_header
from tests.helpers.adapters import read_file
from tests.helpers.history_model import Item, State, VersionModel, digest_of, expected_log

__all__ = ["check_against", "check_bytes", "check_every_version", "check_logs", "check_with_zipfile", "ids_of"]


def ids_of(files: FileSystemAdapter, archive: str) -> list[str]:
    """Return the ids of all versions, oldest first; none where there is no archive."""
    if not files.exists(archive):
        return []
    container = Container.load(files, archive)
    try:
        return [each.id for each in reversed(history_of(container))]
    finally:
        container.close()


def check_against(container: Container, history: Sequence[VersionModel], tags: Mapping[str, str]) -> None:
    """Compare the order of the versions, tags, HEAD, and which contents are kept; quick."""
    manifest = _manifest(container)
    assert [each.id for each in manifest.versions] == [each.id for each in history], "another history"
    listed = history_of(container)
    assert [each.id for each in listed] == [each.id for each in reversed(history)]
    assert [each.parent for each in listed] == [each.id for each in reversed(history)][1:] + [""] * bool(history)
    assert {tag: each.id for each in listed for tag in each.tags} == tags, "other tags"
    head = history[-1].state if history else {}
    found, wanted = {path: _item_of(record) for path, record in manifest.file_map.items()}, _plain(head)
    assert found == wanted, f"another HEAD: {sorted(map(repr, found.items() ^ wanted.items()))}"
    assert manifest.refs.get("head", "") == (history[-1].id if history else "")
    in_head = {digest_of(item) for item in head.values()} - {""}
    needed = {digest_of(item) for version in history for item in version.state.values()} - {""}
    names = [entry.name for entry in container.directory.entries]
    assert len(names) == len(set(names)), "an entry is listed twice"
    blobs = {name.removeprefix(BLOB_PREFIX) for name in names if name.startswith(BLOB_PREFIX)}
    assert blobs - needed == set(), "contents that no version needs"
    assert blobs & in_head == set(), "history has what HEAD has"
    assert needed - in_head - blobs == set(), "contents are lost"
    wanted = {f"{CONTENT_PREFIX}{path}{'/' * (item.kind == 'directory')}" for path, item in head.items()}
    assert {name for name in names if name.startswith(CONTENT_PREFIX)} == wanted, "other entries than HEAD has"


def check_bytes(container: Container, *, tail: bool = False) -> None:
    """Account for every byte: each belongs to one entry, to the directory, or is counted as dead.

    Args:
        container: the archive.
        tail: whether there may be more behind the end, which somebody is writing, or was.
    """
    places = []
    for entry in container.directory.entries:
        fixed = container.file.read_exactly(entry.header_offset, 30)
        room = int.from_bytes(fixed[26:28], "little") + int.from_bytes(fixed[28:30], "little")
        local = parse_local_header(container.file.read_exactly(entry.header_offset, 30 + room))
        assert (local.name, local.method, local.crc32) == (entry.name, entry.method, entry.crc32), (
            "another local header"
        )
        assert (local.size, local.compressed_size) == (entry.size, entry.compressed_size), f"sizes of {entry.name}"
        places.append((entry.header_offset, entry.header_offset + local.header_size + entry.compressed_size))
    places.sort()
    for (_, end), (start, _) in itertools.pairwise(places):
        assert end <= start, "entries overlap"
    directory = container.directory.end - container.directory.directory_offset
    assert not places or places[-1][1] <= container.directory.directory_offset
    used = sum(end - start for start, end in places) + directory
    dead = _manifest(container).dead_bytes
    assert dead + used == container.directory.end, f"{container.directory.end - used} bytes are dead, {dead} counted"
    assert tail or container.size == container.directory.end, "something follows the end"
    assert container.file.read(0, 38)[30:38] == b"mimetype"


def check_every_version(container: Container, history: Sequence[VersionModel]) -> None:
    """Compare each version as it is listed, and what the manifest says of it."""
    manifest = _manifest(container)
    by_id = {version.id: version for version in manifest.versions}
    for number, version in enumerate(history):
        states = states_at(manifest, by_id[version.id])
        assert {path: _item_of(each) for path, each in states.items()} == _plain(version.state), f"version {number}"
        listing = list_version(container, version.id)
        assert listing.is_head == (number == len(history) - 1)
        assert [
            (each.path, each.type, each.sha256, each.size, each.mode, each.modified) for each in listing.entries
        ] == [
            (path, each.kind, digest_of(each), len(each.content), each.mode, each.mtime)
            for path, each in sorted(version.state.items())
        ]


def check_logs(container: Container, history: Sequence[VersionModel]) -> None:
    """Compare the log of each path there ever was; of one that was a folder it has at least what the model knows."""
    everywhere = [set(version.state) for version in history]
    paths = set().union(*everywhere)
    parents = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    folders = parents | {
        path for version in history for path, item in version.state.items() if item.kind == "directory"
    }
    # Files that once had the name of a folder, or came from one, have what that folder's log has.
    kin = {path: {path} for path in paths}
    for version in history:
        for path, item in version.state.items():
            kin[path].update(each for other in history for each, was in other.state.items() if was.inode == item.inode)
    for path in sorted(paths):
        log = {each.id for each in history_of(container, path)}
        expected = expected_log(history, path)
        assert expected <= log, f"the log of {path} lacks versions {_numbers(history, expected - log)}"
        # A new file in a folder that moved at the same time may get more than its own.
        if not kin[path] & folders and not any("/" in each for each in kin[path]):
            assert log <= expected, f"the log of {path} has versions {_numbers(history, log - expected)} too many"


def check_with_zipfile(files: FileSystemAdapter, archive: str, head: State) -> None:
    """Let another reader look at the bytes."""
    with zipfile.ZipFile(io.BytesIO(read_file(files, archive))) as container:
        assert container.testzip() is None
        assert container.namelist()[0] == "mimetype"
        for path, item in head.items():
            if item.kind != "directory":
                assert container.read(f"{CONTENT_PREFIX}{path}") == item.content


def _numbers(history: Sequence[VersionModel], ids: set[str]) -> list[int]:
    return [number for number, version in enumerate(history) if version.id in ids]


def _manifest(container: Container) -> Manifest:
    assert container.manifest is not None
    return container.manifest


Said = tuple[str, str, int, int, int, str, str]


def _item_of(record: FileRecord | FileState) -> Said:
    digest = record.current_hash if isinstance(record, FileRecord) else record.hash
    return record.type, digest, record.size, record.mode, record.mtime_ns, record.raw_name, record.inode_id


def _plain(state: Mapping[str, Item]) -> dict[str, Said]:
    return {
        path: (each.kind, digest_of(each), len(each.content), each.mode, each.mtime, each.raw, each.inode)
        for path, each in state.items()
    }
