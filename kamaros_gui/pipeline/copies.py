"""The batch path of a copy: many small entries in one worker call. Every function here runs in a worker thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container

import msgspec

from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.limits import MIB
from kamaros_gui.base.statistics import StageMeters
from kamaros_gui.codecs import DEFLATE, STORE, ContentDigest, decode, encode_whole, open_decoder
from kamaros_gui.pipeline.timing import LapTimer
from kamaros_gui.pipeline.unpacking import check_content, data_offset
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import Buffer, ReadAccess
from kamaros_gui.zipfmt import ZipEntry, encode_tight_local_header

__all__ = [
    "CopiedBytes",
    "CopyItem",
    "CopyOutcomes",
    "append_range",
    "prepare_batch",
    "repeat_batch",
    "repeated",
    "target_entry",
]


@dataclasses.dataclass(frozen=True, slots=True)
class CopyItem:
    """One entry to be copied.

    Attributes:
        path: how it is called in messages.
        name: name of the copy.
        entry: where the bytes are; ``None`` for an entry without content, such as a folder.
        mode: full ``st_mode`` of the copy.
        mtime: modification time of the copy, seconds since the epoch.
        sha256: hash the content must have; empty where the archive records none.
    """

    path: str
    name: str
    entry: ZipEntry | None
    mode: int
    mtime: int
    sha256: str = ""

    @property
    def size(self) -> int:
        """Content bytes."""
        return self.entry.size if self.entry is not None else 0


@dataclasses.dataclass(frozen=True, slots=True)
class CopiedBytes:
    """A small entry, ready to be written: its record without offset, its header and its data."""

    entry: ZipEntry
    parts: list[Buffer]


CopyOutcomes = list[tuple[CopyItem, CopiedBytes | KamarosError]]


def target_entry(item: CopyItem, method: int, crc32: int, compressed_size: int, size: int) -> ZipEntry:
    """Return the record of the copy of *item*; its offset is not known yet."""
    return ZipEntry(
        name=item.name,
        method=method,
        crc32=crc32,
        compressed_size=compressed_size,
        size=size,
        header_offset=0,
        header_size=0,
        mode=item.mode,
        mtime=item.mtime,
    )


def prepare_batch(
    archive: ReadAccess,
    batch: list[CopyItem],
    tolerated: Container[str],
    level: int,
    should_stop: Callable[[], bool],
    stages: StageMeters,
    lanes: int,
) -> CopyOutcomes:
    """Read and check every item; ends early, with fewer outcomes, when *should_stop* says so."""
    outcomes: CopyOutcomes = []
    timer = LapTimer(stages, lanes)
    for item in batch:
        if should_stop():
            break
        try:
            timer.skip()
            outcomes.append((item, _prepare(archive, item, tolerated, level, timer)))
        except KamarosError as error:
            outcomes.append((item, error))
    timer.report()
    return outcomes


def _prepare(
    archive: ReadAccess, item: CopyItem, tolerated: Container[str], level: int, timer: LapTimer
) -> CopiedBytes:
    entry = item.entry
    if entry is None:
        return _copied(target_entry(item, STORE, 0, 0, 0), [])
    packed = archive.read_exactly(data_offset(archive, entry, tolerated), entry.compressed_size)
    timer.lap("read", len(packed), len(packed))
    digest = ContentDigest()
    decoder = open_decoder(entry.method)
    raw = entry.method in {STORE, DEFLATE}
    pieces: list[Buffer] = []
    for piece in decode(decoder, packed, MIB):
        timer.lap("decode", len(packed), len(piece))
        digest.update(piece)
        timer.lap("hash", len(piece), len(piece))
        if digest.size > entry.size:
            raise IntegrityError(f"{item.path} is damaged: more bytes come out than its {entry.size}.")
        if not raw:
            pieces.append(piece)
    decoder.finish()
    check_content(entry, item.path, item.sha256, digest)
    if raw:
        return _copied(
            target_entry(item, entry.method, entry.crc32, len(packed), entry.size), [packed] if packed else []
        )
    method, parts = encode_whole(b"".join(pieces), "deflate", level)
    timer.lap("encode", entry.size, sum(map(len, parts)))
    return _copied(target_entry(item, method, entry.crc32, sum(map(len, parts)), entry.size), parts)


def _copied(target: ZipEntry, data: list[Buffer]) -> CopiedBytes:
    header = encode_tight_local_header(target)
    return CopiedBytes(msgspec.structs.replace(target, header_size=len(header)), [header, *data])


def repeated(written: ZipEntry, item: CopyItem, offset: int) -> tuple[ZipEntry, bytes]:
    """Return the record and the header of a copy of *written* that begins at *offset*."""
    target = msgspec.structs.replace(written, name=item.name, mode=item.mode, mtime=item.mtime)
    header = encode_tight_local_header(target)
    return msgspec.structs.replace(target, header_offset=offset, header_size=len(header)), header


def repeat_batch(batch: list[tuple[ZipEntry, CopyItem]], region: AppendRegion) -> list[ZipEntry]:
    """Copy entries of the file that *region* ends, and return the copies."""
    copies: list[ZipEntry] = []
    parts: list[Buffer] = []
    offset = region.position
    for written, item in batch:
        target, header = repeated(written, item, offset)
        data = region.file.read_exactly(written.header_offset + written.header_size, written.compressed_size)
        copies.append(target)
        parts += [header, data]
        offset += len(header) + len(data)
    region.append(parts)
    return copies


def append_range(region: AppendRegion, offset: int, length: int) -> None:
    """Append bytes that lie further ahead in the same file."""
    for at in range(offset, offset + length, MIB):
        region.append([region.file.read_exactly(at, min(MIB, offset + length - at))])
