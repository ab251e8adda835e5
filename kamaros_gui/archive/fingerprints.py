"""Fingerprints: what the entries found in a damaged archive hold, whatever they are called."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT
from kamaros_gui.base.progress import Phase
from kamaros_gui.pipeline import Workers, open_entry, read_entry
from kamaros_gui.pipeline.aborting import settle
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["fingerprints"]


async def fingerprints(
    archive: ReadAccess, entries: Sequence[ZipEntry], config: JCFConfig, workers: Workers, control: RunControl
) -> list[str]:
    """Read *entries* and return the SHA-256 of each content, in lower-case hex; an empty string for damaged ones.

    What comes out was checked against size and CRC-32 first. Large entries are streamed, at most a few MiB of them are
    held; small ones travel in batches.

    Args:
        archive: open for reading.
        entries: local headers must agree with them.
        config: chunk size.
        workers: threads.
        control: abort, pause; its totals grow by what is read here.

    Raises:
        AbortError: the control's signal was aborted (or whatever its reason is).
    """
    progress = control.progress
    progress.phase = Phase.VERIFYING
    progress.files_total = progress.files_done + len(entries)
    progress.bytes_total = progress.bytes_done + sum(entry.size for entry in entries)
    found: dict[int, str] = {}
    small = [entry for entry in entries if max(entry.size, entry.compressed_size) <= SMALL_FILE_LIMIT]
    await _hash_small(archive, small, workers, control, found)
    for entry in entries:
        if entry.header_offset not in found:
            found[entry.header_offset] = await _hash_large(archive, entry, config, workers, control)
    return [found[entry.header_offset] for entry in entries]


async def _hash_small(
    archive: ReadAccess, entries: list[ZipEntry], workers: Workers, control: RunControl, found: dict[int, str]
) -> None:
    in_work: deque[asyncio.Future[dict[int, str]]] = deque()

    def should_stop() -> bool:
        return control.signal.aborted

    async def take() -> None:
        results = await in_work.popleft()
        found.update(results)

    try:
        for batch in batches(entries, lambda entry: entry.size):
            await control.checkpoint()
            in_work.append(workers.compute(_hash_batch, archive, batch, should_stop))
            control.progress.add_files(len(batch), sum(entry.size for entry in batch))
            if len(in_work) > workers.count + 1:
                await take()
        while in_work:
            await take()
        control.signal.throw_if_aborted()
    finally:
        await settle(in_work)


def _hash_batch(archive: ReadAccess, batch: list[ZipEntry], should_stop: Callable[[], bool]) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in batch:
        if should_stop():
            break
        try:
            found[entry.header_offset] = hashlib.sha256(read_entry(archive, entry, SMALL_FILE_LIMIT)).hexdigest()
        except KamarosError:  # a place of the disk that can't be read is damage too
            found[entry.header_offset] = ""
    return found


async def _hash_large(
    archive: ReadAccess, entry: ZipEntry, config: JCFConfig, workers: Workers, control: RunControl
) -> str:
    progress = control.progress
    await control.checkpoint()
    counted = progress.bytes_done
    progress.begin_file(entry.name, entry.size, config.chunk_size)
    digest = hashlib.sha256()
    try:
        content = await open_entry(
            archive,
            entry,
            entry.name,
            "",
            chunk_size=config.chunk_size,
            workers=workers,
            control=control,
            tolerated=(),
            release=_nothing,
        )
        async for chunk in content:
            digest.update(chunk)
    except KamarosError:
        control.signal.throw_if_aborted()
        return ""
    finally:
        progress.bytes_done = counted + entry.size
        progress.files_done += 1
    return digest.hexdigest()


async def _nothing() -> None:
    """The archive stays open behind the stream."""
