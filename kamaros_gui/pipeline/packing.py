"""The batch path of a save: many small files in one worker call, without a stream for each.

Opening, hashing and compressing a small file costs less than creating a stream for it, so tens of them travel
together, and several batches are in work at once. Every function here runs in a worker thread.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable

from kamaros_gui.base.config import CodecName
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT
from kamaros_gui.codecs import ContentDigest, encode_whole
from kamaros_gui.storage.files import Buffer
from kamaros_gui.storage.walk import WalkItem
from kamaros_gui.storage.whole import read_link, read_whole
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size

__all__ = ["PackedEntry", "SaveItem", "pack_batch", "pack_bytes"]


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
    error: KamarosError | None = None


def pack_batch(
    batch: list[SaveItem], codec: CodecName, level: int, should_stop: Callable[[], bool]
) -> list[PackedEntry]:
    """Read, hash and compress every item of *batch*; ends early, with fewer results, when *should_stop* says so."""
    packed = []
    for item in batch:
        if should_stop():
            break
        try:
            packed.append(_pack(item, codec, level))
        except KamarosError as error:
            packed.append(PackedEntry(item, error=error))
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


def _pack(item: SaveItem, codec: CodecName, level: int) -> PackedEntry:
    found = item.found
    packed = PackedEntry(
        item, mtime_ns=found.mtime_ns, ctime_ns=found.ctime_ns, mode=found.mode, inode=found.inode, size=found.size
    )
    data: bytes = b""
    if found.kind == "file":
        data, info = read_whole(found.source, SMALL_FILE_LIMIT)
        _take_status(packed, info)
    elif found.kind == "symlink":
        data = read_link(found.source)
        codec = "store"
    packed.size = len(data)
    digest = ContentDigest()
    digest.update(data)
    if found.kind != "directory":
        packed.sha256 = digest.sha256
        if packed.sha256 == item.known_hash:
            return packed
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
    return packed


def _take_status(packed: PackedEntry, info: os.stat_result) -> None:
    packed.mtime_ns, packed.ctime_ns = info.st_mtime_ns, info.st_ctime_ns
    packed.mode = stat.S_IFREG | stat.S_IMODE(info.st_mode)
    packed.inode = info.st_ino
