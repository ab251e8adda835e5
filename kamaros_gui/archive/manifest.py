"""The manifest: typed records of ``manifest.json``, decoded strictly, encoded compactly.

Field names are those of the published JCF description (camelCase in JSON). Unknown fields at the top level and in
``metadata`` and ``config`` are kept and written back. The changes of a version stay undecoded until somebody asks for
them: a history of a hundred versions opens as fast as one.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Annotated, Any, Final, Literal

import msgspec

from kamaros_gui.base.errors import ManifestError
from kamaros_gui.base.reports import EntryType

__all__ = [
    "MANIFEST_NAME",
    "ChangeType",
    "FileRecord",
    "FileState",
    "Manifest",
    "Version",
    "decode_manifest",
    "decode_states",
    "encodable",
    "encode_manifest",
    "encode_states",
    "iso_time",
]

MANIFEST_NAME: Final = "manifest.json"
FORMAT_VERSION: Final = "1.1.0"
_MAJOR: Final = "1."

ChangeType = Literal["added", "modified", "metadata", "deleted", "unchanged", "renamed"]

Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Mode = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
# What the operating system takes; a number beyond it would only fail when a file is restored.


class FileRecord(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """One entry of HEAD in ``fileMap``.

    Attributes:
        inode_id: UUID that the file keeps across renames.
        type: file, directory or symlink.
        current_hash: SHA-256 of the content (of a link: of its target), lower-case hex; empty for a directory.
        size: content bytes.
        created: when the path entered the archive, ISO 8601 UTC.
        modified: modification time on disk, ISO 8601 UTC, whole seconds; for other readers.
        mtime_ns: the same in nanoseconds since the epoch.
        mime: media type guessed from the name, may be empty.
        mode: Unix permission bits.
        raw_name: base64 of the path's bytes on disk where the path had to be escaped, otherwise empty.
        inode, ctime_ns: identity of the file on disk when it was read; 0 where that would not be reliable.
    """

    inode_id: str
    type: EntryType = "file"
    current_hash: str = ""
    size: Size = 0
    created: str = ""
    modified: str = ""
    mtime_ns: Nanoseconds = 0
    mime: str = ""
    mode: Mode = 0
    raw_name: str = ""
    inode: int = 0
    ctime_ns: int = 0


class FileState(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """What a version says of one path, in ``versionHistory[].fileStates``.

    Attributes:
        inode_id, type, hash, size, mode, mtime_ns, raw_name: as in :class:`FileRecord`.
        change_type: what the version did to the path.
        deleted: whether the path is gone with this version.
        content_ref: where another writer keeps the content; Kamaros finds it by hash.
    """

    inode_id: str = ""
    type: EntryType = "file"
    hash: str = ""
    size: Size = 0
    change_type: ChangeType = "added"
    deleted: bool = False
    content_ref: str | None = None
    mode: Mode = 0
    mtime_ns: Nanoseconds = 0
    raw_name: str = ""


class Version(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One version in ``versionHistory``, oldest first.

    Attributes:
        id: UUID.
        parent_id: the version before, ``None`` for the first.
        timestamp: ISO 8601 UTC.
        message, author, email, tags: as given.
        file_states: path → :class:`FileState`, undecoded; see :func:`decode_states`.
        snapshot: whether ``file_states`` lists every path and not only the changes.
        counts: added, modified, deleted.
    """

    id: str
    parent_id: str | None = None
    timestamp: str = ""
    message: str = ""
    author: str = ""
    email: str = ""
    tags: list[str] = []
    file_states: msgspec.Raw = msgspec.Raw(b"{}")
    snapshot: bool = False
    counts: tuple[int, int, int] | None = None


class Manifest(msgspec.Struct, kw_only=True):
    """The whole manifest.

    Attributes:
        metadata: name, description, author, created, lastModified, application, tags, extra.
        file_map: path → record of HEAD.
        versions: the history, oldest first.
        refs: ``head`` and tag names → version id.
        rename_log: renames, oldest first.
        config: settings that belong to the archive.
        dead_bytes: bytes of the file that no entry uses, the last directory and manifest not counted.
        unknown: top-level fields of other writers, as they were.
    """

    metadata: dict[str, Any]
    file_map: dict[str, FileRecord]
    versions: list[Version]
    refs: dict[str, str]
    rename_log: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    dead_bytes: int = 0
    unknown: dict[str, msgspec.Raw] = {}

    @classmethod
    def empty(cls, name: str, now: str) -> Manifest:
        """Return the manifest of a new archive."""
        metadata = {"name": encodable(name), "created": now, "lastModified": now, "application": "Kamaros"}
        return cls(metadata=metadata, file_map={}, versions=[], refs={})


class _Kamaros(msgspec.Struct, rename="camel", omit_defaults=True):
    """Our own section of the manifest."""

    dead_bytes: int = 0


_SECTIONS: Final[dict[str, tuple[str, Any]]] = {
    "metadata": ("metadata", dict[str, Any]),
    "fileMap": ("file_map", dict[str, FileRecord]),
    "versionHistory": ("versions", list[Version]),
    "refs": ("refs", dict[str, str]),
    "renameLog": ("rename_log", list[dict[str, Any]]),
    "config": ("config", dict[str, Any]),
}


def decode_manifest(data: bytes) -> Manifest:
    """Read ``manifest.json``.

    Raises:
        ManifestError: it is not valid; the message names the JSON path.
    """
    path = "$"
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        version = msgspec.json.decode(raw.pop("formatVersion", msgspec.Raw(b'"1.0.0"')), type=str)
        values: dict[str, Any] = {}
        for name, (attribute, shape) in _SECTIONS.items():
            path = f"$.{name}"
            if name in raw:
                values[attribute] = msgspec.json.decode(raw.pop(name), type=shape)
        path = "$.kamaros"
        own = msgspec.json.decode(raw.pop("kamaros", msgspec.Raw(b"{}")), type=_Kamaros)
    except (msgspec.DecodeError, RecursionError) as error:
        message = str(error).replace("$", path, 1) if "$" in str(error) else f"{error} - at `{path}`"
        raise ManifestError(
            f"The manifest is damaged: {message}.", hint="The files themselves can still be taken out with any unzip."
        ) from None
    if not version.startswith(_MAJOR):
        raise ManifestError(
            f"The archive has format version {version[:20]}; this program reads versions {_MAJOR}x.",
            hint="Open it with a newer Kamaros. The files can be taken out with any unzip.",
        )
    manifest = Manifest(
        **({"metadata": {}, "file_map": {}, "versions": [], "refs": {}} | values),
        dead_bytes=own.dead_bytes,
        unknown=raw,
    )
    _check_references(manifest)
    return manifest


def _check_references(manifest: Manifest) -> None:
    known = {version.id for version in manifest.versions}
    if len(known) != len(manifest.versions):
        raise ManifestError("The manifest is damaged: two versions share an id - at `$.versionHistory`.")
    head = manifest.refs.get("head", "")
    if (head or manifest.versions) and head not in known:
        raise ManifestError("The manifest is damaged: refs.head names no version - at `$.refs.head`.")


def encodable(text: str) -> str:
    """Return *text*, from a command line or a file name, as Unicode that JSON can hold: other bytes become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def encode_manifest(manifest: Manifest) -> bytes:
    """Return *manifest* as UTF-8 JSON, without needless white space."""
    document: dict[str, Any] = {"formatVersion": FORMAT_VERSION}
    for name, (attribute, _) in _SECTIONS.items():
        document[name] = getattr(manifest, attribute)
    document["kamaros"] = _Kamaros(dead_bytes=manifest.dead_bytes)
    return msgspec.json.encode(document | manifest.unknown)


def decode_states(version: Version) -> dict[str, FileState]:
    """Return what *version* says of the paths it lists.

    Raises:
        ManifestError: the listing is damaged.
    """
    try:
        return msgspec.json.decode(version.file_states, type=dict[str, FileState])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ManifestError(f"The manifest is damaged in version {version.id[:8]}: {error}.") from None


def encode_states(states: dict[str, FileState]) -> msgspec.Raw:
    """Return *states* ready to be kept in a :class:`Version`."""
    return msgspec.Raw(msgspec.json.encode(states))


@functools.lru_cache(maxsize=4096)
def iso_time(seconds: int) -> str:
    """Return *seconds* since the epoch as ISO 8601 in UTC, clamped to the years that format has."""
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        moment = dt.datetime(1 if seconds < 0 else 9999, 1, 1, tzinfo=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year >= 1000 else f"{moment.year:04d}-01-01T00:00:00Z"
