"""Container: one committed state of a ``.jcf`` or ZIP file, read and indexed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Generator, Sequence
from typing import Any, Final, Protocol, TypeVar

from kamaros_gui.archive.foreign import (
    MANIFEST_NAMES,
    decode_foreign,
    is_own_manifest,
    looks_like_manifest,
    newest_manifest,
)
from kamaros_gui.archive.history import encrypted_hashes
from kamaros_gui.archive.manifest import (
    LISTING_PREFIX,
    MANIFEST_NAME,
    UNZIP_HINT,
    Manifest,
    attach_listings,
    decode_manifest,
)
from kamaros_gui.archive.patched_file import PatchedFile
from kamaros_gui.base.errors import (
    IntegrityError,
    KamarosError,
    ManifestError,
    NotFoundError,
    StorageError,
    ZipFormatError,
)
from kamaros_gui.base.limits import MAX_MANIFEST_SIZE, MIB
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline import read_entry
from kamaros_gui.storage.journal import read_journal
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import Directory, ReadRequest, ZipEntry, find_last_directory, read_directory

__all__ = [
    "BLOB_PREFIX",
    "CONTENT_PREFIX",
    "MIMETYPE",
    "MIMETYPE_NAME",
    "STORE_PREFIX",
    "Container",
    "NamesSince",
    "committed_end",
    "entry_name",
    "pending_patches",
    "recorded_patches",
]

MIMETYPE_NAME: Final = "mimetype"
MIMETYPE: Final = b"application/x-jcf"
_MARK: Final = (0, len(MIMETYPE), zlib.crc32(MIMETYPE))
CONTENT_PREFIX: Final = "content/"
STORE_PREFIX: Final = ".store/"
BLOB_PREFIX: Final = ".store/blobs/"

_SMALL_MANIFEST: Final = 1 * MIB
"""A manifest of this size is read to see whether it is one, whatever else is in the archive."""


T = TypeVar("T")


class NamesSince:
    """Names that local headers may have got since *file* was *size* bytes long.

    Whoever saves after an archive was opened for reading makes history of entries under the reader's eyes, moves them,
    or lets them come back. Every save makes the file longer; as long as it is not, no name but an entry's own is right.
    """

    def __init__(self, file: ReadAccess, size: int) -> None:
        self._file = file
        self._size = size

    def __contains__(self, name: object) -> bool:
        return (
            isinstance(name, str) and name.startswith((BLOB_PREFIX, CONTENT_PREFIX)) and self._file.size() > self._size
        )


def entry_name(path: str, kind: str) -> str:
    """Return the name of the ZIP entry of *path* in HEAD; folders end with ``/``."""
    return f"{CONTENT_PREFIX}{path}/" if kind == "directory" else f"{CONTENT_PREFIX}{path}"


class Container:
    """One committed state of an archive file. Reading is safe on any thread; nothing here changes the file.

    Use :meth:`load`, which blocks and belongs in a worker thread.

    Attributes:
        path: the archive.
        file: open for reading; closed with :meth:`close`.
        directory: its central directory.
        manifest: ``None`` for a plain ZIP.
        entries: entry name → entry.
        size: length of the file; more than ``directory.end`` when a tail was left by an interrupted save.
        warnings: what a user should know.
        tolerated: names local headers may have beside their own.
        needs_upgrade: why it must be rewritten before anything can be added, empty where it need not.
        manifest_names: names of the entries that are manifests.
    """

    def __init__(
        self, path: str, file: ReadAccess, directory: Directory, warnings: list[str], *, head: bool = True
    ) -> None:
        self.path = path
        self.file = file
        self.directory = directory
        self.size = file.size()
        self.warnings = warnings
        self.entries: dict[str, ZipEntry] = {entry.name: entry for entry in directory.entries}
        self.tolerated = NamesSince(file, self.size)
        self.needs_upgrade = ""
        self.manifest_names: tuple[str, ...] = ()
        self.manifest = self._read_manifest(head=head)
        self._by_hash: dict[str, ZipEntry] | None = None

    @classmethod
    def load(
        cls,
        files: FilePrimitives,
        path: str,
        file: ReadAccess | None = None,
        end: int | None = None,
        *,
        head: bool = True,
    ) -> Container:
        """Read the last committed state of the archive at *path*.

        Args:
            files: where the archive is.
            path: the archive.
            file: use this open file instead of opening *path*; it is not closed on an error.
            end: length of the committed state where the caller knows it.
            head: whether the records of HEAD are wanted; who only asks the history does well without.

        Raises:
            NotFoundError: there is no such file.
            ZipFormatError: it is no ZIP file, or damaged beyond its directory.
            ManifestError: its manifest is damaged.
        """
        opened = file
        if opened is None:
            if files.is_folder(path):
                raise ZipFormatError(f"{display_path(path)} is a folder, not an archive.")
            try:
                opened = files.open(path)
            except NotFoundError as error:
                raise NotFoundError(
                    f"There is no archive {display_path(path)}.", path=display_path(path), hint="Check the path."
                ) from error
        try:
            return cls._read(files, path, opened, end, head=head)
        except BaseException:
            if file is None:
                opened.close()
            raise

    @classmethod
    def _read(cls, files: FilePrimitives, path: str, file: ReadAccess, end: int | None, *, head: bool) -> Container:
        size = file.size()
        # The journal lies beside the file itself, not beside a link to it.
        journal = read_journal(files, files.resolve(path)) if end is None else []
        known = committed_end(journal, file) if journal else end
        if journal and tail_is_complete(journal[-1], file):
            file = PatchedFile(file, pending_patches(journal[-1]))
        warnings: list[str] = []
        try:
            directory = run_reader(file, read_directory(size if known is None else known))
        except ZipFormatError:
            try:
                directory = run_reader(file, find_last_directory(size))
            except ZipFormatError as error:
                raise ZipFormatError(
                    f"{display_path(path)} is no ZIP archive, or its directory is lost: {error}",
                    hint="Check that the file is complete; another copy of it may be.",
                ) from None
        if directory.end < size:
            warnings.append(
                f"{size - directory.end} bytes behind the last complete save belong to one that was interrupted or"
                " damaged; the state before it is shown."
            )
        return cls(path, file, directory, warnings, head=head)

    def _read_manifest(self, *, head: bool) -> Manifest | None:
        documents = self._manifest_documents()
        if not documents:
            return None
        self.manifest_names = tuple(name for name in MANIFEST_NAMES if name in self.entries)
        name = newest_manifest(documents)
        if len(set(documents.values())) > 1:
            self.warnings.append(f"Its two manifests differ; {name} is the newer one, and counts.")
        own = is_own_manifest(documents[name])
        self.needs_upgrade = self._foreign_form(own=own)
        manifest = decode_manifest(documents[name], head=head) if own else decode_foreign(documents[name])
        if self.needs_upgrade:
            manifest.dead_bytes = 0  # it was written anew since that was counted
        attach_listings(manifest, self.read_listing)
        return manifest

    def read_listing(self, sha256: str) -> bytes:
        """Return the listing of a version that has an entry of its own, checked against its CRC-32 like the manifest.

        Raises:
            IntegrityError: it is damaged or lost.
        """
        entry = self.entries.get(LISTING_PREFIX + sha256)
        if entry is None:
            raise ManifestError(f"The listing {sha256[:16]}… of a version is not in the archive.")
        return read_entry(self.file, entry, MAX_MANIFEST_SIZE, self.tolerated)

    def _manifest_documents(self) -> dict[str, bytes]:
        """Return entry name → content of what can be read of the manifests; nothing where this is no JCF archive.

        Raises:
            IntegrityError: it is one, and no manifest can be read.
        """
        mark = self.entries.get(MIMETYPE_NAME)
        marked = mark is not None and (mark.size, mark.crc32) == _MARK[1:]
        documents: dict[str, bytes] = {}
        problem: KamarosError | None = None
        for name in MANIFEST_NAMES:
            entry = self.entries.get(name)
            if entry is None or not (marked or self._may_be_manifest(entry)):
                continue
            try:
                data = read_entry(self.file, entry, MAX_MANIFEST_SIZE)
            except StorageError:
                raise
            except KamarosError as error:
                problem = problem or error
                continue
            # Other formats have a manifest.json too, and other formats begin with a mimetype.
            if marked or looks_like_manifest(data):
                documents[name] = data
        if problem is None or (not documents and not marked and not self._has_store()):
            return documents
        if not documents:
            raise IntegrityError(
                f"{display_path(self.path)}: The manifest can't be read: {problem}", hint=UNZIP_HINT
            ) from None
        self.warnings.append(f"One of its two manifests can't be read: {problem}")
        return documents

    def _may_be_manifest(self, entry: ZipEntry) -> bool:
        """Whether it is worth unpacking *entry* in an archive that does not say that it is a JCF."""
        return (
            entry.size <= _SMALL_MANIFEST
            or self._has_store()
            or any(name.startswith(CONTENT_PREFIX) for name in self.entries)
        )

    def _has_store(self) -> bool:
        return any(name.startswith(STORE_PREFIX) for name in self.entries)

    def _foreign_form(self, *, own: bool) -> str:
        """Say what keeps our own writer from appending, a sentence; nothing where nothing does."""
        mark = self.entries.get(MIMETYPE_NAME)
        if self.manifest_names != (MANIFEST_NAME,):
            return f"Another program wrote it: its manifest is at {self.manifest_names[-1]}."
        if mark is None or (mark.header_offset, mark.size, mark.crc32) != _MARK or mark.method:
            return "Another program wrote it: the mark that says what it is does not come first, as it is."
        return "" if own else "Another program wrote it: each of its versions lists all files."

    def own_entry(self, path: str, digest: str) -> ZipEntry | None:
        """Return the entry of *path* in HEAD if it holds the content *digest*.

        Where several entries hold the same bytes, damage to one of them is not to spread to the others.
        """
        record = self.manifest.file_map.get(path) if self.manifest is not None else None
        if record is None or record.current_hash != digest:
            return None
        return self.entries.get(entry_name(path, record.type))

    def by_hash(self) -> dict[str, ZipEntry]:
        """Return content hash → the entry that holds it, from HEAD and from the blobs."""
        if self._by_hash is None:
            index: dict[str, ZipEntry] = {}
            for name, entry in self.entries.items():
                if name.startswith(BLOB_PREFIX):
                    index[name.removeprefix(BLOB_PREFIX)] = entry
            if self.manifest is not None:
                for path, record in self.manifest.file_map.items():
                    found = self.entries.get(CONTENT_PREFIX + path)
                    if found is not None and record.current_hash:
                        index[record.current_hash] = found
            self._by_hash = index
        return self._by_hash

    def encrypted_hashes(self) -> frozenset[str]:
        """Return the hashes of contents that another writer has encrypted, in any version whose listing is whole."""
        return frozenset() if self.manifest is None else encrypted_hashes(self.manifest)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def committed_end(journal: list[dict[str, Any]], file: ReadAccess) -> int | None:
    """Return the length of the committed state that *journal* tells of, or ``None`` when it tells nothing useful.

    The state before the save counts until every byte of the new directory is there.
    """
    if not journal:
        return None
    commit = journal[-1]
    if commit.get("kind") == "commit" and tail_is_complete(commit, file):
        return int(commit["offset"]) + int(commit["length"])
    committed = journal[0].get("committed")
    return committed if isinstance(committed, int) and 0 < committed <= file.size() else None


def pending_patches(commit: dict[str, Any]) -> list[tuple[int, bytes]]:
    """Local headers (offset, bytes) that are to be rewritten after the *commit* announced in a journal."""
    return [(int(at), bytes.fromhex(data).ljust(int(size), b"\0")) for at, size, data in commit.get("patches", [])]


def recorded_patches(patches: Sequence[tuple[int, bytes]]) -> list[tuple[int, int, str]]:
    """Return *patches* as a journal has them: offset, length, and hex without the zeros at the end."""
    return [(at, len(data), data.rstrip(b"\0").hex()) for at, data in patches]


def tail_is_complete(commit: dict[str, Any], file: ReadAccess) -> bool:
    """Whether the directory that *commit* announces was written whole."""
    offset, length = commit.get("offset"), commit.get("length")
    if not isinstance(offset, int) or not isinstance(length, int) or not 0 < length <= file.size() - offset:
        return False
    return hashlib.sha256(file.read(offset, length)).hexdigest() == commit.get("sha256")


class Readable(Protocol):
    """What a sans-IO reader needs of a file."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*."""


def run_reader(file: Readable, reader: Generator[ReadRequest, bytes, T]) -> T:
    """Drive a sans-IO reader with the bytes of *file*."""
    try:
        request = next(reader)
        while True:
            request = reader.send(file.read(request.offset, request.length))
    except StopIteration as finished:
        result: T = finished.value
        return result
