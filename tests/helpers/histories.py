"""Histories made by hand, for what takes long to bring about with saves, or comes from other writers."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from kamaros_gui.archive.container import MIMETYPE, MIMETYPE_NAME, Container
from kamaros_gui.archive.history import state_of
from kamaros_gui.archive.manifest import (
    MANIFEST_NAME,
    FileRecord,
    FileState,
    Manifest,
    Version,
    encode_manifest,
    encode_states,
)
from kamaros_gui.storage.local import LocalAdapter

__all__ = ["MadeHistory", "hash_of"]

NOW = "2026-01-01T00:00:00.000000Z"


def hash_of(content: str) -> str:
    """Return the SHA-256 of *content* as a manifest has it."""
    return hashlib.sha256(content.encode()).hexdigest()


class MadeHistory:
    """A manifest that grows by versions.

    Content is a string; ``None`` stands for a folder, a string that begins with ``->`` for a link.

    Attributes:
        manifest: as it is so far.
    """

    def __init__(self) -> None:
        self.manifest = Manifest.empty("made", NOW)
        self._inodes = 0

    def commit(
        self,
        put: Mapping[str, str | None] | None = None,
        *,
        remove: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
        moves: Iterable[tuple[str, str]] = (),
        modes: Mapping[str, int] | None = None,
        times: Mapping[str, int] | None = None,
        snapshot: bool = False,
        tags: Iterable[str] = (),
    ) -> str:
        """Add a version.

        Args:
            put: path → content.
            remove: paths that leave.
            rename: old path → new path, all at once.
            moves: what the rename log says, (old, new); without any it has the renames one by one.
            modes: path → permission bits it gets.
            times: path → modification time it gets, nanoseconds since the epoch.
            snapshot: whether the version lists everything.
            tags: kept with the version, as other writers do.

        Returns:
            Its id.
        """
        head = self.manifest.file_map
        number = len(self.manifest.versions) + 1
        version = f"{number:08x}-0000-4000-8000-000000000000"
        states: dict[str, FileState] = {}
        taken = {new: head.pop(old) for old, new in (rename or {}).items()}
        for path in (*(rename or {}), *remove):
            states[path] = FileState(change_type="deleted", deleted=True)
        for path in remove:
            del head[path]
        for old, new in (rename or {}).items():
            head[new] = taken[new]
            states[new] = self._state(head[new], "renamed")
            states[new].renamed_from = old
        for path, content in (put or {}).items():
            before = head.get(path)
            head[path] = self._record(content, before)
            change = "added" if before is None else "modified"
            origin = states[path].renamed_from if path in states else ""
            states[path] = self._state(head[path], "renamed" if origin else change)
            states[path].renamed_from = origin
        for path in {**(modes or {}), **(times or {})}:
            before = head[path]
            head[path] = msgspec.structs.replace(
                before,
                mode=(modes or {}).get(path, before.mode),
                mtime_ns=(times or {}).get(path, before.mtime_ns),
            )
            states[path] = self._state(head[path], "metadata")
        listed = {path: state_of(record) for path, record in head.items()} | states if snapshot else states
        self.manifest.versions.append(
            Version(
                id=version,
                parent_id=self.manifest.refs.get("head"),
                timestamp=NOW,
                file_states=encode_states(listed),
                snapshot=snapshot,
                tags=list(tags),
            )
        )
        self.manifest.refs["head"] = version
        for old, new in tuple(moves) or (rename or {}).items():
            self.manifest.rename_log.append({"from": old, "to": new, "versionId": version, "timestamp": NOW})
        return version

    def load(self, folder: Path) -> Container:
        """Write the history into an archive without content, and return that as it is read; close it afterwards."""
        archive = folder / f"made-{len(self.manifest.versions)}.jcf"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(MIMETYPE_NAME, MIMETYPE)
            file.writestr(MANIFEST_NAME, encode_manifest(self.manifest))
        return Container.load(LocalAdapter(), str(archive))

    def _record(self, content: str | None, before: FileRecord | None) -> FileRecord:
        self._inodes += 1
        inode_id = before.inode_id if before is not None else f"inode-{self._inodes}"
        if content is None:
            return FileRecord(inode_id=inode_id, type="directory", mode=0o755)
        kind, text = ("symlink", content[2:]) if content.startswith("->") else ("file", content)
        return FileRecord(
            inode_id=inode_id,
            type="symlink" if kind == "symlink" else "file",
            current_hash=hash_of(text),
            size=len(text.encode()),
            mode=0o644,
            mtime_ns=1_000_000_000,
        )

    def _state(self, record: FileRecord, change: str) -> FileState:
        state = state_of(record)
        state.change_type = change  # type: ignore[assignment] # one of the literals
        return state
