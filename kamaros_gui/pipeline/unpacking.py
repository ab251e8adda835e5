"""The batch path of a restore: many small entries in one worker call. Every function here runs in a worker thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterator
from typing import Final

from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.limits import MIB
from kamaros_gui.base.statistics import StageMeters
from kamaros_gui.codecs import Checksum, ContentDigest, decode, open_decoder
from kamaros_gui.pipeline.timing import LapTimer
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import ZipEntry, check_local_header, parse_local_header

__all__ = ["RestoreItem", "check_content", "data_offset", "read_entry", "unpack_batch"]

_HEADER_GUESS: Final = 512
"""Bytes read together with the data of a small entry, in the hope that the whole local header is in them."""

_LARGEST_HEADER: Final = 30 + 2 * 0xFFFF


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreItem:
    """One entry to be checked and, if it has a destination, written.

    Attributes:
        path: path in the version, for messages.
        entry: where the bytes are.
        sha256: hash they must have; empty where the archive records none.
        destination: file to create on disk; empty to check only.
        mode: permission bits to set.
        mtime_ns: modification time to set, nanoseconds.
    """

    path: str
    entry: ZipEntry
    sha256: str = ""
    destination: str = ""
    mode: int = 0o644
    mtime_ns: int = 0


def unpack_batch(
    files: FilePrimitives,
    archive: ReadAccess,
    batch: list[RestoreItem],
    tolerated: Container[str],
    should_stop: Callable[[], bool],
    stages: StageMeters,
    lanes: int,
) -> list[tuple[RestoreItem, KamarosError | None]]:
    """Check and write every item; ends early, with fewer outcomes, when *should_stop* says so.

    A full or broken target volume is an outcome of the item like damage is; the caller tells them apart by type.

    Args:
        files: where new files are made.
        archive: open for reading.
        batch: what is to be unpacked.
        tolerated: names a local header may have beside its entry's own.
        should_stop: asked before each item.
        stages: told how long reading, decoding, hashing and writing took.
        lanes: batches that are unpacked side by side.
    """
    outcomes: list[tuple[RestoreItem, KamarosError | None]] = []
    timer = LapTimer(stages, lanes)
    for item in batch:
        if should_stop():
            break
        try:
            timer.skip()
            _unpack(files, archive, item, tolerated, timer)
        except KamarosError as error:
            outcomes.append((item, error))
        else:
            outcomes.append((item, None))
    timer.report()
    return outcomes


def data_offset(archive: ReadAccess, entry: ZipEntry, tolerated: Container[str]) -> int:
    """Return where the data of *entry* begins, after checking its local header against the directory.

    Args:
        archive: the archive.
        entry: from the central directory.
        tolerated: names the local header may have instead, after an interrupted relabelling.

    Raises:
        ZipFormatError: the two headers disagree; the message names entry and field.
    """
    _, header_size = _read_local(archive, entry, tolerated, 0)
    return entry.header_offset + header_size


def read_entry(
    archive: ReadAccess, entry: ZipEntry, limit: int, tolerated: Container[str] = (), *, sha256: str = ""
) -> bytes:
    """Return the content of *entry*, held whole, checked against its CRC-32, and its SHA-256 where that is given.

    Raises:
        IntegrityError: it is damaged, or larger than *limit* bytes.
    """
    if max(entry.size, entry.compressed_size) > limit:
        raise IntegrityError(f"{entry.name} claims {entry.size} bytes; at most {limit} are read.")
    digest = ContentDigest() if sha256 else Checksum()
    content = b"".join(_content(archive, entry, tolerated, digest))
    check_content(entry, entry.name, sha256, digest)
    return content


def check_content(entry: ZipEntry, path: str, sha256: str, digest: Checksum) -> None:
    """Compare what was read with what was saved; its SHA-256 where *digest* has one.

    Raises:
        IntegrityError: size, CRC-32 or SHA-256 differ; the message names the file.
    """
    if digest.size != entry.size:
        raise IntegrityError(f"{path} is damaged: {digest.size} bytes came out, {entry.size} were saved.")
    if digest.crc32 != entry.crc32:
        raise IntegrityError(f"{path} is damaged: its CRC-32 is {digest.crc32:08x}, saved was {entry.crc32:08x}.")
    if sha256 and isinstance(digest, ContentDigest) and digest.sha256 != sha256:
        raise IntegrityError(f"{path} is damaged: its SHA-256 is {digest.sha256[:16]}…, saved was {sha256[:16]}….")


def _unpack(
    files: FilePrimitives, archive: ReadAccess, item: RestoreItem, tolerated: Container[str], timer: LapTimer
) -> None:
    digest = ContentDigest()
    pieces = _content(archive, item.entry, tolerated, digest, timer)
    if not item.destination:
        for _ in pieces:
            pass
        check_content(item.entry, item.path, item.sha256, digest)
        return
    writer = files.create(item.destination)
    try:
        for piece in pieces:
            writer.append([piece])
            timer.lap("write", len(piece), len(piece))
        check_content(item.entry, item.path, item.sha256, digest)
        writer.finish(item.mode, item.mtime_ns)
        timer.lap("write", 0, 0)
    except BaseException:
        writer.discard()
        raise


def _content(
    archive: ReadAccess,
    entry: ZipEntry,
    tolerated: Container[str],
    digest: Checksum,
    timer: LapTimer | None = None,
) -> Iterator[bytes]:
    """Yield the content of a small entry and add it to *digest*; stops as soon as it exceeds the size it claims."""
    block, header_size = _read_local(archive, entry, tolerated, entry.compressed_size)
    end = header_size + entry.compressed_size
    if len(block) < end:
        block = archive.read_exactly(entry.header_offset, end)
    decoder = open_decoder(entry.method)
    if timer is not None:
        timer.lap("read", end, end)
        timer.took("decode", entry.compressed_size)
    for piece in decode(decoder, memoryview(block)[header_size:end], 1 * MIB):
        if timer is not None:
            timer.lap("decode", 0, len(piece))
        digest.update(piece)
        if timer is not None:
            timer.lap("hash", len(piece), len(piece))
        if digest.size > entry.size:
            raise IntegrityError(f"{entry.name} is damaged: more bytes come out than its {entry.size}.")
        yield piece
    decoder.finish()


def _read_local(archive: ReadAccess, entry: ZipEntry, tolerated: Container[str], behind: int) -> tuple[bytes, int]:
    """Return bytes from the local header of *entry* on, *behind* more than it has, and its checked length."""
    block = archive.read(entry.header_offset, _HEADER_GUESS + behind)
    try:
        local = parse_local_header(block)
    except IntegrityError:
        block = archive.read(entry.header_offset, _LARGEST_HEADER + behind)
        local = parse_local_header(block)
    check_local_header(entry, local, names=tolerated)
    return block, local.header_size
