"""The manifest: typed records of ``manifest.json``, decoded strictly, encoded compactly.

Field names are those of the published JCF description (camelCase in JSON). Unknown fields at the top level and in
``metadata`` and ``config`` are kept and written back. The changes of a version stay undecoded until somebody asks for
them: a history of a hundred versions opens as fast as one.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec

from kamaros_gui.base.errors import ManifestError
from kamaros_gui.base.reports import EntryType

__all__ = [
    "LISTING_PREFIX",
    "MANIFEST_NAME",
    "SECTIONS",
    "UNZIP_HINT",
    "ChangeType",
    "FileRecord",
    "FileState",
    "Manifest",
    "Version",
    "amended",
    "attach_listings",
    "check_references",
    "decode_manifest",
    "decode_sections",
    "decode_states",
    "encodable",
    "encode_manifest",
    "encode_states",
    "iso_time",
    "listing_of",
]

MANIFEST_NAME: Final = "manifest.json"
FORMAT_VERSION: Final = "1.1.0"
_MAJOR: Final = "1."
_READ: Final = "read_listing"

LISTING_PREFIX: Final = ".store/versions/"
"""Where listings are that have entries of their own, each named by the SHA-256 of its content."""

ChangeType = Literal["added", "modified", "metadata", "deleted", "unchanged", "renamed"]

UNZIP_HINT: Final = "The files themselves can still be taken out with any unzip."

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
        encrypted: whether another writer encrypted the content; it can't be restored then.
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
    encrypted: bool = False


class FileState(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """What a version says of one path, in ``versionHistory[].fileStates``.

    Attributes:
        inode_id, type, hash, size, mode, mtime_ns, raw_name, encrypted: as in :class:`FileRecord`.
        change_type: what the version did to the path.
        deleted: whether the path is gone with this version.
        content_ref: where another writer keeps the content; Kamaros finds it by hash.
        renamed_from: the path it had in the version before, where this version renamed it.
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
    encrypted: bool = False
    renamed_from: str = ""


class Version(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, dict=True):
    """One version in ``versionHistory``, oldest first.

    A long history would make the manifest long, which every save writes anew. So listings may lie in entries of their
    own, which are written once and never again; see :data:`LISTING_PREFIX`. :func:`listing_of` finds them either way.

    Attributes:
        id: UUID.
        parent_id: the version before, ``None`` for the first.
        timestamp: ISO 8601 UTC.
        message, author, email, tags: as given.
        file_states: path → :class:`FileState`, undecoded; see :func:`decode_states`.
        snapshot: whether ``file_states`` lists every path and not only the changes.
        counts: added, modified, deleted.
        renames: how many files and links got another path; they are in none of the counts.
        listing: SHA-256 of the JSON that stands for ``file_states`` where that has an entry of its own.
        listing_size: its bytes.
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
    renames: int = 0
    listing: str = ""
    listing_size: Size = 0


class Manifest(msgspec.Struct, kw_only=True):
    """The whole manifest.

    Attributes:
        metadata: name, description, author, created, lastModified, application, tags, extra.
        file_map: path → record of HEAD.
        versions: the history, oldest first.
        refs: ``head`` and tag names → version id.
        rename_log: renames, oldest first: ``{from, to, versionId, timestamp}``. A folder that was moved is one entry,
            which stands for everything below it.
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


SECTIONS: Final[dict[str, tuple[str, Any]]] = {
    "metadata": ("metadata", dict[str, Any]),
    "fileMap": ("file_map", dict[str, FileRecord]),
    "versionHistory": ("versions", list[Version]),
    "refs": ("refs", dict[str, str]),
    "renameLog": ("rename_log", list[dict[str, Any]]),
    "config": ("config", dict[str, Any]),
}
"""Top-level field → attribute of :class:`Manifest`, and its shape in a manifest of our own."""


def decode_manifest(data: bytes, *, head: bool = True) -> Manifest:
    """Read a ``manifest.json`` of our own; see :mod:`kamaros_gui.archive.foreign` for those of other writers.

    Args:
        data: JSON.
        head: whether the records of HEAD are wanted, most of a large manifest; ``file_map`` is empty otherwise, and the
            result can be read, but not written.

    Raises:
        ManifestError: it is not valid; the message names the JSON path.
    """
    sections = {name: shape for name, (_, shape) in SECTIONS.items()}
    if not head:
        sections["fileMap"] = msgspec.Raw
    values, unknown = decode_sections(data, sections | {"kamaros": _Kamaros})
    own = values.pop("kamaros", _Kamaros())
    if not head:
        values.pop("fileMap", None)
    named = {attribute: values[name] for name, (attribute, _) in SECTIONS.items() if name in values}
    manifest = Manifest(
        **({"metadata": {}, "file_map": {}, "versions": [], "refs": {}} | named),
        dead_bytes=own.dead_bytes,
        unknown=unknown,
    )
    check_references(manifest)
    return manifest


def decode_sections(data: bytes, sections: dict[str, Any]) -> tuple[dict[str, Any], dict[str, msgspec.Raw]]:
    """Read the top level of a manifest.

    Args:
        data: JSON.
        sections: field → the shape it must have.

    Returns:
        The fields of *sections* that are there, decoded, and all others as they are.

    Raises:
        ManifestError: one of them is damaged or has another shape, and the message names the JSON path; or the format
            has a version this program does not read.
    """
    path = "$"
    values: dict[str, Any] = {}
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        path = "$.formatVersion"
        version = msgspec.json.decode(raw.pop("formatVersion", msgspec.Raw(b'"1.0.0"')), type=str)
        for name, shape in sections.items():
            path = f"$.{name}"
            if name in raw:
                values[name] = msgspec.json.decode(raw.pop(name), type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        message = str(error).replace("$", path, 1) if "$" in str(error) else f"{error} - at `{path}`"
        raise ManifestError(f"The manifest is damaged: {message}.", hint=UNZIP_HINT) from None
    if not version.startswith(_MAJOR):
        raise ManifestError(
            f"The archive has format version {version[:20]}; this program reads versions {_MAJOR}x.",
            hint="Open it with a newer Kamaros. The files can be taken out with any unzip.",
        )
    return values, raw


def check_references(manifest: Manifest) -> None:
    """Check that versions can be told apart, and that ``refs.head`` names one of them.

    Raises:
        ManifestError: otherwise.
    """
    known = {version.id for version in manifest.versions}
    if len(known) != len(manifest.versions):
        raise ManifestError(
            "The manifest is damaged: two versions share an id - at `$.versionHistory`.", hint=UNZIP_HINT
        )
    head = manifest.refs.get("head", "")
    if (head or manifest.versions) and head not in known:
        raise ManifestError("The manifest is damaged: refs.head names no version - at `$.refs.head`.", hint=UNZIP_HINT)


def encodable(text: str) -> str:
    """Return *text*, from a command line or a file name, as Unicode that JSON can hold: other bytes become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def encode_manifest(manifest: Manifest) -> bytes:
    """Return *manifest* as UTF-8 JSON, without needless white space."""
    document: dict[str, Any] = {"formatVersion": FORMAT_VERSION}
    for name, (attribute, _) in SECTIONS.items():
        document[name] = getattr(manifest, attribute)
    document["kamaros"] = _Kamaros(dead_bytes=manifest.dead_bytes)
    return msgspec.json.encode(document | manifest.unknown)


def attach_listings(manifest: Manifest, read: Callable[[str], bytes]) -> None:
    """Let :func:`listing_of` find the listings that have entries of their own.

    Args:
        manifest: its versions are told.
        read: returns the content of the listing with the SHA-256 given.
    """
    for version in manifest.versions:
        if version.listing:
            version.__dict__[_READ] = read


def amended(version: Version, **changes: Any) -> Version:
    """Return a copy of *version* with *changes*, which still finds its listing."""
    copy = msgspec.structs.replace(version, **changes)
    copy.__dict__.update(version.__dict__)
    return copy


def listing_of(version: Version) -> bytes | msgspec.Raw:
    """Return the JSON of the listing of *version*, from wherever it is. May read the archive, which must be open.

    Raises:
        IntegrityError: it is damaged or lost.
    """
    if not version.listing:
        return version.file_states
    read = version.__dict__.get(_READ)
    if read is None:
        raise ManifestError(f"The listing of version {version.id[:8]} is not at hand.")
    listing: bytes = read(version.listing)
    return listing


def decode_states(version: Version) -> dict[str, FileState]:
    """Return what *version* says of the paths it lists.

    Raises:
        ManifestError: the listing is damaged.
    """
    try:
        return msgspec.json.decode(listing_of(version), type=dict[str, FileState])
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
