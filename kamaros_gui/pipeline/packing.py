"""The batch path of a save: many small files in one worker call, without a stream for each.

Opening, hashing and compressing a small file costs less than creating a stream for it, so tens of them travel
together, and several batches are in work at once. Every function here runs in a worker thread.
"""

from __future__ import annotations

import dataclasses
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from kamaros_gui.base.config import CodecName
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT
from kamaros_gui.base.statistics import StageMeters
from kamaros_gui.codecs import ContentDigest, encode_whole
from kamaros_gui.pipeline.timing import LapTimer
from kamaros_gui.storage.primitives import Buffer, FileStatus
from kamaros_gui.storage.walk import WalkItem
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size

__all__ = ["PackedEntry", "ReusableContent", "SaveItem", "WholeContents", "pack_batch", "pack_bytes", "pack_content"]


@dataclasses.dataclass(frozen=True, slots=True)
class SaveItem:
    """One thing to save.

    Attributes:
        found: what the walk found on disk.
        path: path inside the archive.
        entry_name: name of its ZIP entry.
        known_hash: SHA-256 the archive has for this path, empty when it has none.
    """

    found: WalkItem
    path: str
    entry_name: str
    known_hash: str = ""


class WholeContents(Protocol):
    """Where small files are read, each in one call: the disk, or another archive. Blocks, in any thread."""

    def read_whole(self, path: str, limit: int, /) -> tuple[bytes, FileStatus]:
        """Return the content of a file of at most *limit* bytes, and the status it had then."""

    def read_link(self, path: str, /) -> bytes:
        """Return the target of a link."""


class ReusableContent:
    """Contents an archive holds in entries that may get another name, each of which a save can take once.

    Content that returns, or that was moved, is then neither compressed nor written again. Safe in any thread.

    Args:
        hashes: SHA-256 of each such entry's content; one that several entries hold comes several times.
    """

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        self._free = Counter(hashes)
        self._lock = threading.Lock()

    def add(self, sha256: str) -> None:
        """Offer one more entry with this content."""
        with self._lock:
            self._free[sha256] += 1

    def claim(self, sha256: str) -> bool:
        """Take an entry with this content, if there is one left."""
        with self._lock:
            taken = self._free.get(sha256, 0) > 0
            if taken:
                self._free[sha256] -= 1
            return taken


@dataclasses.dataclass(slots=True)
class PackedEntry:
    """One small file, hashed and compressed.

    Attributes:
        item: what it was made from.
        entry: its directory record; the header offset is not known yet. ``None`` when nothing is to be written.
        parts: local header and data, to be written one after the other; empty when the content is as known.
        sha256: hash of the content, empty for a folder.
        size: content bytes.
        mtime_ns, ctime_ns, mode, inode: status that belongs to the content.
        reused: whether the content was claimed from :class:`ReusableContent`; there is no ``entry`` then.
        error: why it could not be saved; the other fields then mean nothing.
    """

    item: SaveItem
    entry: ZipEntry | None = None
    parts: list[Buffer] = dataclasses.field(default_factory=list)
    sha256: str = ""
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    mode: int = 0
    inode: int = 0
    reused: bool = False
    error: KamarosError | None = None

    @classmethod
    def of(cls, item: SaveItem, *, size: int, entry: ZipEntry | None = None, sha256: str = "") -> PackedEntry:
        """Return an entry with the status *item* was found with."""
        found = item.found
        return cls(
            item,
            entry=entry,
            sha256=sha256,
            size=size,
            mtime_ns=found.mtime_ns,
            ctime_ns=found.ctime_ns,
            mode=found.mode,
            inode=found.inode,
        )

    def take_status(self, status: FileStatus) -> None:
        """Take over the status of the file at the moment its content was read."""
        self.mtime_ns, self.ctime_ns = status.mtime_ns, status.ctime_ns
        self.mode = stat.S_IFREG | stat.S_IMODE(status.mode)
        self.inode = status.inode

    def settle(self, reusable: ReusableContent) -> bool:
        """Whether the archive has the content already, at this path or where it can be claimed; then there is no entry.

        The hash must be known.
        """
        if self.sha256 == self.item.known_hash:
            self.entry = None
            return True
        if reusable.claim(self.sha256):
            self.entry, self.reused = None, True
            return True
        return False


def pack_batch(
    contents: WholeContents,
    batch: list[SaveItem],
    codec: CodecName,
    level: int,
    reusable: ReusableContent,
    should_stop: Callable[[], bool],
    stages: StageMeters,
    lanes: int,
) -> list[PackedEntry]:
    """Read, hash and compress every item of *batch*; ends early, with fewer results, when *should_stop* says so.

    Args:
        contents: where the items are.
        batch: what is to be packed.
        codec: how.
        level: of the codec.
        reusable: contents that need not be written again.
        should_stop: asked before each item.
        stages: told how long reading, hashing and encoding took.
        lanes: batches that are packed side by side.
    """
    packed = []
    timer = LapTimer(stages, lanes)
    for item in batch:
        if should_stop():
            break
        try:
            packed.append(_pack(contents, item, codec, level, reusable, timer))
        except KamarosError as error:
            packed.append(PackedEntry(item, error=error))
    timer.report()
    return packed


def pack_content(
    item: SaveItem,
    data: Buffer,
    codec: CodecName,
    level: int,
    reusable: ReusableContent,
    stages: StageMeters,
    lanes: int,
) -> PackedEntry:
    """Hash and compress *data*, the content of *item*; see :func:`pack_batch`."""
    timer = LapTimer(stages, lanes)
    packed = PackedEntry.of(item, size=len(data))
    _encode(packed, data, codec, level, reusable, timer)
    timer.report()
    return packed


def pack_bytes(
    name: str, data: Buffer, *, mode: int, mtime: int, codec: CodecName, level: int
) -> tuple[ZipEntry, list[Buffer]]:
    """Make the entry for content that is held in memory.

    Returns:
        Its directory record without offset, and local header and data.
    """
    digest = ContentDigest()
    digest.update(data)
    method, parts = encode_whole(data, codec, level)
    entry = ZipEntry(
        name=name,
        method=method,
        crc32=digest.crc32,
        compressed_size=sum(map(len, parts)),
        size=len(data),
        header_offset=0,
        header_size=local_header_size(name),
        mode=mode,
        mtime=mtime,
    )
    return entry, [encode_local_header(entry, entry.header_size), *parts]


def _pack(
    contents: WholeContents,
    item: SaveItem,
    codec: CodecName,
    level: int,
    reusable: ReusableContent,
    timer: LapTimer,
) -> PackedEntry:
    found = item.found
    packed = PackedEntry.of(item, size=found.size)
    data: bytes = b""
    timer.skip()
    if found.kind == "file":
        data, status = contents.read_whole(found.source, SMALL_FILE_LIMIT)
        packed.take_status(status)
    elif found.kind == "symlink":
        data = contents.read_link(found.source)
        codec = "store"
    timer.lap("read", len(data), len(data))
    packed.size = len(data)
    _encode(packed, data, codec, level, reusable, timer)
    return packed


def _encode(
    packed: PackedEntry,
    data: Buffer,
    codec: CodecName,
    level: int,
    reusable: ReusableContent,
    timer: LapTimer,
) -> None:
    """Give *packed* its hash and, unless the archive has the content already, its entry."""
    item = packed.item
    digest = ContentDigest()
    digest.update(data)
    if item.found.kind != "directory":
        packed.sha256 = digest.sha256
    timer.lap("hash", len(data), len(data))
    if packed.sha256 and packed.settle(reusable):
        return
    method, parts = encode_whole(data, codec, level)
    packed.entry = ZipEntry(
        name=item.entry_name,
        method=method,
        crc32=digest.crc32,
        compressed_size=sum(map(len, parts)),
        size=len(data),
        header_offset=0,
        header_size=local_header_size(item.entry_name),
        mode=packed.mode,
        mtime=packed.mtime_ns // 1_000_000_000,
    )
    packed.parts = [encode_local_header(packed.entry, packed.entry.header_size), *parts]
    timer.lap("encode", len(data), packed.entry.compressed_size)
