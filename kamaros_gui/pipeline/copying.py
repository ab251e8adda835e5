"""Copies of entries into another archive: their compressed bytes as they are, and their content checked on the way.

::

    small   batch of items ─▶ read, decode, hash, compare, in one worker call ─▶ append
    large   range of the archive ─▶ tee ─┬▶ append
                                         └▶ decode ─▶ SHA-256, CRC-32

Deflated and stored data is copied as it is. What few programs read (zstd) is compressed again with deflate. An entry
whose bytes are not what was saved leaves nothing in the copy, and the others go on.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Container, Sequence
from typing import Final

import msgspec

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE, MIB, SMALL_FILE_LIMIT, STAGE_QUEUE, TEE_BOUND
from kamaros_gui.codecs import DEFLATE, STORE, ContentDigest, open_decoder
from kamaros_gui.pipeline.aborting import settle
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.copies import (
    CopyItem,
    CopyOutcomes,
    append_range,
    prepare_batch,
    repeat_batch,
    repeated,
    target_entry,
)
from kamaros_gui.pipeline.entry_reader import EntryReader
from kamaros_gui.pipeline.entry_writer import EntryWriter
from kamaros_gui.pipeline.stages import DecodingSource, digest_sink
from kamaros_gui.pipeline.timing import metered, timed
from kamaros_gui.pipeline.unpacking import check_content, data_offset
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.primitives import Buffer, ReadAccess
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream, WritableStream, pipe_all
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, encode_tight_local_header
from kamaros_gui.zipfmt.records import MASK32

__all__ = ["CopyFlow", "CopyItem", "TargetRegion"]

_COPY_STEP: Final = 8 * MIB
"""Bytes copied in one worker call within the target; an abort or a pause takes hold between two."""

_LARGEST_GROWTH: Final = 16 * MIB
"""What deflate can add to 4 GiB that do not compress is far below this."""

_ZIP64_ROOM: Final = 28
"""A ZIP64 field with both sizes, and the smallest growth hint, which fills what is not needed."""


class TargetRegion(AppendRegion):
    """A region that remembers its failure: where the target can't be written the run ends, damage of an entry does not.

    Attributes:
        failure: what a write failed with.
    """

    failure: KamarosError | None = None

    def append(self, parts: Sequence[Buffer]) -> int:
        """Write *parts* at the end; see :meth:`AppendRegion.append`."""
        try:
            return super().append(parts)
        except KamarosError as error:
            self.failure = error
            raise


class CopyFlow:
    """One run of entries from an archive to the end of another file. One caller at a time.

    Args:
        archive: open for reading.
        region: where the copies go.
        config: chunk size, level.
        workers: threads.
        control: abort, pause, progress.
        on_outcome: called on the engine thread for each item, in order, with its copy, or with the error that kept it
            from being one.
        tolerated: names a local header of *archive* may have beside its entry's own.
    """

    def __init__(
        self,
        archive: ReadAccess,
        region: TargetRegion,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
        on_outcome: Callable[[CopyItem, ZipEntry | KamarosError], None],
        tolerated: Container[str] = (),
    ) -> None:
        self._archive = archive
        self._region = region
        self._config = config.replace(codec="deflate", level=config.level if config.codec == "deflate" else None)
        self._workers = workers
        self._control = control
        self._on_outcome = on_outcome
        self._tolerated = tolerated
        self._input_chunk = max(config.chunk_size, DEFLATE_BLOCK_SIZE)
        self._slabs = SlabPool(slab_size(self._input_chunk))

    async def run(self, items: Sequence[CopyItem]) -> None:
        """Copy *items*, in their order: small ones in batches side by side, large ones one after the other.

        At most a few batches of 2 MiB, or a few queues of half a MiB, are held. After an abort or an error no thread
        works for this any more; the region holds what was copied by then.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError, StorageError: the target can't be written.
        """
        small: list[CopyItem] = []
        for item in items:
            if _is_small(item):
                small.append(item)
                continue
            await self._copy_small(small)
            small = []
            await self._copy_large(item)
        await self._copy_small(small)

    async def repeat(self, pairs: Sequence[tuple[ZipEntry, CopyItem]]) -> list[ZipEntry]:
        """Copy entries of the target, which were checked when they came there, under other names.

        Args:
            pairs: an entry of the target, and what its copy is to be.

        Returns:
            The copies, in the same order.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError, StorageError: the target can't be written.
        """
        control, region, workers = self._control, self._region, self._workers
        copies: list[ZipEntry] = []
        for batch in batches(pairs, lambda pair: pair[0].compressed_size):
            await control.checkpoint()
            start = region.position
            if len(batch) == 1 and batch[0][0].compressed_size > _COPY_STEP:
                copies.append(await self._repeat_large(*batch[0]))
            else:
                copies += await workers.io(repeat_batch, batch, region)
            control.progress.bytes_written += region.position - start
            control.progress.add_files(len(batch), sum(written.size for written, _ in batch))
        return copies

    async def _repeat_large(self, written: ZipEntry, item: CopyItem) -> ZipEntry:
        region, workers = self._region, self._workers
        target, header = repeated(written, item, region.position)
        await workers.io(region.append, [header])
        at = written.header_offset + written.header_size
        end = at + written.compressed_size
        while at < end:
            await self._control.checkpoint()
            step = min(_COPY_STEP, end - at)
            await workers.io(append_range, region, at, step)
            at += step
        return target

    # -------------------------------------------------------------------------------------------- small ones

    async def _copy_small(self, items: list[CopyItem]) -> None:
        control = self._control
        in_work: deque[asyncio.Future[CopyOutcomes]] = deque()
        stopping = False

        def should_stop() -> bool:
            return stopping or control.signal.aborted

        try:
            for batch in batches(items, lambda item: item.size):
                await control.checkpoint()
                in_work.append(
                    self._workers.compute(
                        prepare_batch,
                        self._archive,
                        batch,
                        self._tolerated,
                        self._config.effective_level,
                        should_stop,
                        control.stages,
                        self._workers.count,
                    )
                )
                if len(in_work) > self._workers.count + 1:
                    await self._append(await in_work.popleft())
            while in_work:
                await self._append(await in_work.popleft())
            control.signal.throw_if_aborted()
        finally:
            stopping = True
            await settle(in_work)  # they read a file that is about to be closed

    async def _append(self, outcomes: CopyOutcomes) -> None:
        control, progress = self._control, self._control.progress
        control.signal.throw_if_aborted()
        parts: list[Buffer] = []
        offset = self._region.position
        results: list[tuple[CopyItem, ZipEntry | KamarosError]] = []
        for item, outcome in outcomes:
            if isinstance(outcome, KamarosError):
                results.append((item, outcome))
                continue
            results.append((item, msgspec.structs.replace(outcome.entry, header_offset=offset)))
            parts += outcome.parts
            offset += sum(map(len, outcome.parts))
        if parts:
            await self._workers.io(timed(self._region.append, control.stages["write"]), parts)
            progress.bytes_written += sum(map(len, parts))
        for item, result in results:
            progress.current_file = item.path
            progress.chunk_index = progress.chunk_count = 1
            progress.add_files(1, item.size)
            self._workers.note_moved(item.size)
            self._on_outcome(item, result)

    # -------------------------------------------------------------------------------------------- large ones

    async def _copy_large(self, item: CopyItem) -> None:
        control, progress, region = self._control, self._control.progress, self._region
        entry = item.entry
        if entry is None:
            raise ValueError("an entry without content is a small one")
        await control.checkpoint()
        start, counted, written = region.position, progress.bytes_done, progress.bytes_written
        progress.begin_file(item.path, entry.size, self._config.chunk_size)
        outcome: ZipEntry | KamarosError
        try:
            outcome = await (self._copy_raw if entry.method in {STORE, DEFLATE} else self._transcode)(item, entry)
        except KamarosError as error:
            if control.signal.aborted or region.failure is not None:
                raise
            region.rewind(start)
            outcome = error
        progress.bytes_done, progress.bytes_written = counted + entry.size, written + region.position - start
        progress.files_done += 1
        self._on_outcome(item, outcome)

    async def _copy_raw(self, item: CopyItem, entry: ZipEntry) -> ZipEntry:
        control, workers, stages, region = self._control, self._workers, self._control.stages, self._region
        offset = await workers.io(data_offset, self._archive, entry, self._tolerated)
        target = target_entry(item, entry.method, entry.crc32, entry.compressed_size, entry.size)
        header = encode_tight_local_header(target)
        target = msgspec.structs.replace(target, header_offset=region.position, header_size=len(header))
        await workers.io(region.append, [header])
        compressed: ReadableStream[memoryview] = ReadableStream(
            RangeSource(
                self._archive,
                offset,
                entry.compressed_size,
                chunk_size=self._input_chunk,
                submit=metered(workers.io, stages["read"]),
                slabs=self._slabs,
                checkpoint=control.checkpoint,
            ),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        stages["read"].follow(compressed.statistics)
        to_file, to_decoder = compressed.tee(max(TEE_BOUND, 2 * self._input_chunk))
        seen = 0

        def on_chunk(size: int) -> None:
            nonlocal seen
            seen += size
            if seen > entry.size:
                raise IntegrityError(f"{item.path} is damaged: more bytes come out than its {entry.size}.")
            control.progress.add_chunk(size)
            workers.note_moved(size)

        source = DecodingSource(
            to_decoder,
            open_decoder(entry.method),
            submit=metered(workers.compute, stages["decode"]),
            chunk_size=self._config.chunk_size,
            on_chunk=on_chunk,
        )
        content: ReadableStream[memoryview] = ReadableStream(source, ByteLengthQueuingStrategy(STAGE_QUEUE))
        stages["decode"].follow(
            lambda: dataclasses.replace(content.statistics(), bytes_in=source.bytes_in, chunks_in=source.chunks_in)
        )
        digest = ContentDigest()
        hashed: WritableStream[memoryview] = WritableStream(
            digest_sink(digest, workers.compute, stages["hash"]), ByteLengthQueuingStrategy(STAGE_QUEUE)
        )
        written: WritableStream[memoryview] = WritableStream(
            BatchingSink(timed(region.append, stages["write"]), submit=workers.io),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        stages["hash"].follow(hashed.statistics)
        stages["write"].follow(written.statistics)
        try:
            await pipe_all(
                to_file.pipe_to(written, signal=control.signal), content.pipe_to(hashed, signal=control.signal)
            )
        finally:
            stages.settle()
        check_content(entry, item.path, item.sha256, digest)
        if region.position - target.header_offset - len(header) != entry.compressed_size:
            raise IntegrityError(f"{item.path} is cut short in the archive.")
        return target

    async def _transcode(self, item: CopyItem, entry: ZipEntry) -> ZipEntry:
        control, region = self._control, self._region
        reader = EntryReader(self._archive, self._config.chunk_size, self._workers, control, self._tolerated)
        source = await reader.source(entry, item.path)
        content: ReadableStream[Buffer] = ReadableStream(source, ByteLengthQueuingStrategy(STAGE_QUEUE))
        writer = EntryWriter(region, self._config, self._workers, control)
        size = len(encode_tight_local_header(target_entry(item, DEFLATE, 0, 0, entry.size)))
        if MASK32 - _LARGEST_GROWTH < entry.size < MASK32:
            size += _ZIP64_ROOM  # whether the packed size needs ZIP64 shows only in the end
        written = await writer.write(item.name, content, mode=item.mode, mtime=item.mtime, header_size=size)
        found = written.entry
        if (found.size, found.crc32) != (entry.size, entry.crc32) or item.sha256 not in {"", written.sha256}:
            raise IntegrityError(f"{item.path} is damaged: its content is not what was saved.")
        header = encode_tight_local_header(found)
        if len(header) != size:
            header = encode_local_header(found, size)
        await self._workers.io(region.patch, found.header_offset, header)
        return found


def _is_small(item: CopyItem) -> bool:
    entry = item.entry
    return entry is None or max(entry.size, entry.compressed_size) <= SMALL_FILE_LIMIT
