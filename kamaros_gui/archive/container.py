"""Container: one committed state of a ``.jcf`` or ZIP file, read and indexed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Generator
from typing import Any, Final, Protocol, TypeVar

from kamaros_gui.archive.manifest import MANIFEST_NAME, Manifest, decode_manifest
from kamaros_gui.archive.patched_file import PatchedFile
from kamaros_gui.base.errors import IntegrityError, NotFoundError, ZipFormatError
from kamaros_gui.base.limits import MAX_MANIFEST_SIZE
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
    "Container",
    "NamesSince",
    "committed_end",
    "entry_name",
    "pending_patches",
]

MIMETYPE_NAME: Final = "mimetype"
MIMETYPE: Final = b"application/x-jcf"
_MARK: Final = (0, len(MIMETYPE), zlib.crc32(MIMETYPE))
CONTENT_PREFIX: Final = "content/"
BLOB_PREFIX: Final = ".store/blobs/"

T = TypeVar("T")


class NamesSince:
    """Names that local headers may have got since *file* was *size* bytes long.

    Whoever saves after an archive was opened for reading makes history of entries under the reader's eyes. Every save
    makes the file longer; as long as it is not, no name but an entry's own is right.
    """

    def __init__(self, file: ReadAccess, size: int) -> None:
        self._file = file
        self._size = size

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(BLOB_PREFIX) and self._file.size() > self._size


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
    """

    def __init__(self, path: str, file: ReadAccess, directory: Directory, warnings: list[str]) -> None:
        self.path = path
        self.file = file
        self.directory = directory
        self.size = file.size()
        self.warnings = warnings
        self.entries: dict[str, ZipEntry] = {entry.name: entry for entry in directory.entries}
        self.tolerated = NamesSince(file, self.size)
        self.manifest = self._read_manifest()
        self._by_hash: dict[str, ZipEntry] | None = None

    @classmethod
    def load(
        cls, files: FilePrimitives, path: str, file: ReadAccess | None = None, end: int | None = None
    ) -> Container:
        """Read the last committed state of the archive at *path*.

        Args:
            files: where the archive is.
            path: the archive.
            file: use this open file instead of opening *path*; it is not closed on an error.
            end: length of the committed state where the caller knows it.

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
            return cls._read(files, path, opened, end)
        except BaseException:
            if file is None:
                opened.close()
            raise

    @classmethod
    def _read(cls, files: FilePrimitives, path: str, file: ReadAccess, end: int | None) -> Container:
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
        return cls(path, file, directory, warnings)

    def _read_manifest(self) -> Manifest | None:
        entry = self.entries.get(MANIFEST_NAME)
        mark = self.entries.get(MIMETYPE_NAME)
        # Other formats begin with a mimetype entry too, with another content.
        if entry is None or mark is None or (mark.header_offset, mark.size, mark.crc32) != _MARK:
            return None
        try:
            data = read_entry(self.file, entry, MAX_MANIFEST_SIZE)
        except IntegrityError as error:
            raise type(error)(
                f"{display_path(self.path)}: The manifest can't be read: {error}",
                hint="The files themselves can still be taken out with any unzip.",
            ) from None
        return decode_manifest(data)

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
    return [(int(at), bytes.fromhex(data)) for at, data in commit.get("patches", [])]


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
