"""A version as a caller sees it: its paths, and for each the entry that holds its bytes."""

from __future__ import annotations

import dataclasses
import stat
from typing import Final

from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX, Container, entry_name
from kamaros_gui.archive.history import describe, find_version, states_at
from kamaros_gui.archive.manifest import FileState, Version
from kamaros_gui.archive.path_log import versions_touching
from kamaros_gui.archive.paths import matches_any
from kamaros_gui.base.errors import NotFoundError, VersionNotFoundError
from kamaros_gui.base.reports import Entry, EntryType, Listing, VersionInfo
from kamaros_gui.base.texts import display_path
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["VersionView", "history_of", "list_version", "method_name", "view_version"]

_HERE: Final = "./"
_METHODS: Final = {0: "store", 8: "deflate", 93: "zstd"}


@dataclasses.dataclass(frozen=True, slots=True)
class VersionView:
    """The paths of one version.

    Attributes:
        container: the archive.
        version: the version, ``None`` for a plain ZIP.
        states: path → state, sorted by path.
    """

    container: Container
    version: Version | None
    states: dict[str, FileState]

    @property
    def id(self) -> str:
        """Id of the version, empty for a plain ZIP."""
        return self.version.id if self.version else ""

    def entry_of(self, path: str, state: FileState) -> ZipEntry | None:
        """Return the entry that holds the bytes of *path*; ``None`` when the archive has them no more."""
        if state.hash:
            return self.container.own_entry(path, state.hash) or self.container.by_hash().get(state.hash)
        entries = self.container.entries
        if self.version:
            return entries.get(CONTENT_PREFIX + path)
        return entries.get(path) or entries.get(_HERE + path)

    def select(self, wanted: tuple[str, ...]) -> dict[str, FileState]:
        """Return the states of *wanted* paths and of what is below them; of everything when *wanted* is empty.

        Raises:
            NotFoundError: the version has no such path.
        """
        cleaned = tuple(path.strip("/") for path in wanted)
        for path in cleaned:
            if path not in self.states and not any(each.startswith(path + "/") for each in self.states):
                raise NotFoundError(
                    f"There is no “{path}” in this version of {display_path(self.container.path)}.",
                    path=path,
                    hint="The listing shows what it holds.",
                )
        return {path: state for path, state in self.states.items() if matches_any(path, cleaned)}


def method_name(method: int) -> str:
    """Return what a ZIP compression method is called; its number where that has no name here."""
    return _METHODS.get(method, str(method))


def view_version(container: Container, name: str) -> VersionView:
    """Return the version that *name* means. Blocks; belongs in a worker thread.

    Raises:
        VersionNotFoundError: there is none, or several.
        ManifestError: the history is damaged.
    """
    manifest = container.manifest
    if manifest is None:
        if name.upper() != "HEAD":
            raise VersionNotFoundError(f"{display_path(container.path)} is a plain ZIP; it has no versions.")
        return VersionView(container, None, dict(sorted(_plain_states(container).items())))
    if not manifest.versions and name.upper() == "HEAD":
        return VersionView(container, None, {})
    version = find_version(manifest, name)
    return VersionView(container, version, dict(sorted(states_at(manifest, version).items())))


def list_version(container: Container, name: str) -> Listing:
    """Return the entries of a version and the history. Blocks; belongs in a worker thread.

    Raises:
        VersionNotFoundError: there is no such version.
    """
    view = view_version(container, name)
    manifest = container.manifest
    head = manifest.refs.get("head", "") if manifest else ""
    return Listing(
        archive=container.path,
        version=view.id,
        is_head=view.id == head,
        read_only=""
        if manifest
        else "It is a plain ZIP without a history; save into a new .jcf archive to keep versions.",
        entries=tuple(_entry(view, path, state) for path, state in view.states.items()),
        versions=history_of(container),
        archive_size=container.size,
        dead_bytes=(manifest.dead_bytes if manifest else 0) + container.size - container.directory.end,
        warnings=tuple(container.warnings),
    )


def history_of(container: Container, path: str = "") -> tuple[VersionInfo, ...]:
    """Return the versions, newest first: all of them, or those that touched *path* or something below it.

    Renames are followed backwards; see :func:`kamaros_gui.archive.path_log.versions_touching`.

    Args:
        container: the archive.
        path: a file or folder of any version, empty for everything.

    Raises:
        ManifestError: the history is damaged.
        NotFoundError: no version ever had that path.
    """
    manifest = container.manifest
    if manifest is None:
        return ()
    wanted = path.strip("/")
    versions = versions_touching(manifest, wanted) if wanted else manifest.versions[::-1]
    if wanted and not versions:
        raise NotFoundError(
            f"No version of {display_path(container.path)} has “{display_path(wanted)}”.", path=display_path(wanted)
        )
    return tuple(describe(manifest, version) for version in versions)


def _entry(view: VersionView, path: str, state: FileState) -> Entry:
    held = view.entry_of(path, state) if state.type != "directory" else None
    in_place = held is not None and held.name in {entry_name(path, state.type), path, _HERE + path}
    shared = held is not None and not in_place and not held.name.startswith(BLOB_PREFIX)
    return Entry(
        path=path,
        type=state.type,
        size=state.size,
        packed=held.compressed_size if held is not None and not shared else 0,
        sha256=state.hash,
        modified=state.mtime_ns,
        mode=state.mode,
        method=method_name(held.method) if held is not None else "",
    )


def _plain_states(container: Container) -> dict[str, FileState]:
    """Return what a plain ZIP holds. Some programs begin every name with ``./``, which means nothing."""
    states: dict[str, FileState] = {}
    for name, entry in container.entries.items():
        path = name.removesuffix("/").removeprefix(_HERE)
        if path in {"", "."}:
            continue
        if path in states:
            container.warnings.append(f"“{name}” is left out: another entry is called “{path}” too.")
            continue
        kind: EntryType = "directory" if name.endswith("/") else "symlink" if stat.S_ISLNK(entry.mode) else "file"
        fallback = 0o755 if kind == "directory" else 0o644
        states[path] = FileState(
            type=kind,
            size=entry.size,
            mode=stat.S_IMODE(entry.mode) or fallback,
            mtime_ns=entry.mtime * 1_000_000_000,
        )
    return states
