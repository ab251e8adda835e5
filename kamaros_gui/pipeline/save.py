"""Save: files flow into the end of an archive.

::

    large file ─▶ source ─▶ tee ─┬▶ SHA-256, CRC-32
                                 └▶ encode in blocks ─▶ append region
    small files ─▶ batches, each packed whole in a worker ─▶ append region

Whatever goes wrong with one file leaves the region as it was before that file. An abort stops between two chunks; the
caller then drops the whole region.
"""

from __future__ import annotations

import asyncio
import stat
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import DiskFullError, IntegrityError, KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT, STAGE_QUEUE, TEE_BOUND
from kamaros_gui.base.texts import display_path
from kamaros_gui.codecs import ContentDigest, make_encoder
from kamaros_gui.pipeline.aborting import abortable
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.packing import PackedEntry, SaveItem, pack_batch
from kamaros_gui.pipeline.stages import BlockTransformer, digest_sink
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.failures import disk_full
from kamaros_gui.storage.files import RandomAccessFile
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import BatchingSink, RangeSource, slab_size
from kamaros_gui.storage.whole import changed
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    WritableStream,
    pipe_all,
)
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size

__all__ = ["SaveFlow"]

OnPacked = Callable[[PackedEntry], None]


class SaveFlow:
    """One run of files into an append region.

    Args:
        region: where entries go.
        config: chunk size, codec, level, workers.
        workers: threads.
        control: abort, pause, progress, issues.
        on_packed: called on the engine thread for each entry that was written, with its final offset, and for each
            one whose content turned out to be as known.
    """

    def __init__(
        self, region: AppendRegion, config: JCFConfig, workers: Workers, control: RunControl, on_packed: OnPacked
    ) -> None:
        self._region = region
        self._config = config
        self._workers = workers
        self._control = control
        self._on_packed = on_packed
        self._slabs = SlabPool(slab_size(config.chunk_size))
        self._blocks: SlabPool | None = None
        self._transformer: BlockTransformer | None = None
        self._encoded = (0, 0)

    async def run(self, items: Sequence[SaveItem]) -> None:
        """Save *items*: the small ones in batches side by side, then the large ones one after the other.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError: the archive's volume is full.
            StorageError: the archive can't be written.
        """
        try:
            await self._run_small([item for item in items if item.found.size <= SMALL_FILE_LIMIT])
            for item in items:
                if item.found.size > SMALL_FILE_LIMIT:
                    await self._run_large(item)
        except DiskFullError as error:
            raise self._with_remaining(error) from error

    # -------------------------------------------------------------------------------------------- small files

    async def _run_small(self, items: list[SaveItem]) -> None:
        config, control = self._config, self._control
        in_work: deque[asyncio.Future[list[PackedEntry]]] = deque()
        stopping = False

        def should_stop() -> bool:
            return stopping or control.signal.aborted

        try:
            for batch in batches(items, lambda item: item.found.size):
                await control.checkpoint()
                in_work.append(
                    self._workers.compute(pack_batch, batch, config.codec, config.effective_level, should_stop)
                )
                if len(in_work) > self._workers.count + 1:
                    await self._deliver(await abortable(in_work.popleft(), control.signal))
            while in_work:
                await self._deliver(await abortable(in_work.popleft(), control.signal))
        finally:
            stopping = True
            for future in in_work:
                future.cancel()

    async def _deliver(self, packed: list[PackedEntry]) -> None:
        progress = self._control.progress
        offset = self._region.position
        parts = [part for each in packed for part in each.parts]
        if parts:
            progress.bytes_written += await self._workers.io(self._region.append, parts)
        for each in packed:
            progress.current_file = each.item.path
            progress.chunk_index = progress.chunk_count = 1
            progress.add_files(1, each.item.found.size)
            self._workers.note_moved(each.item.found.size)
            if each.error is not None:
                self._control.add_issue(each.item.found.source, str(each.error))
                continue
            if each.entry is not None:
                self._encoded = (self._encoded[0] + each.size, self._encoded[1] + each.entry.compressed_size)
                each.entry = msgspec.structs.replace(each.entry, header_offset=offset)
                offset += each.entry.header_size + each.entry.compressed_size
            self._on_packed(each)

    # -------------------------------------------------------------------------------------------- large files

    async def _run_large(self, item: SaveItem) -> None:
        control, progress = self._control, self._control.progress
        await control.checkpoint()
        start = self._region.position
        counted = progress.bytes_done
        try:
            file = await self._workers.io(RandomAccessFile, item.found.source)
            try:
                info = await self._workers.io(file.status)
                if not stat.S_ISREG(info.st_mode):
                    raise changed(item.found.source)
                progress.begin_file(item.path, info.st_size, self._config.chunk_size)
                packed = await self._stream(item, file, info.st_size)
                after = await self._workers.io(file.status)
            finally:
                await self._workers.io(file.close)
            if (after.st_size, after.st_mtime_ns) != (packed.size, info.st_mtime_ns):
                raise changed(item.found.source)
        except KamarosError as error:
            await self._workers.io(self._region.rewind, start)
            if control.signal.aborted or not _concerns(error, item.found.source):
                raise
            control.add_issue(item.found.source, str(error))
            progress.bytes_done = counted + item.found.size
            progress.files_done += 1
            return
        packed.mtime_ns, packed.ctime_ns, packed.inode = after.st_mtime_ns, after.st_ctime_ns, after.st_ino
        packed.mode = stat.S_IFREG | stat.S_IMODE(after.st_mode)
        progress.files_done += 1
        if packed.sha256 == item.known_hash:
            self._region.rewind(start)
            packed.entry = None
        else:
            await self._workers.io(self._write_header, packed, start)
        self._on_packed(packed)

    async def _stream(self, item: SaveItem, file: RandomAccessFile, size: int) -> PackedEntry:
        """Let one file flow through tee, digest and encoder into the region; return its entry, header unwritten."""
        config, control, workers, region = self._config, self._control, self._workers, self._region
        header_size = local_header_size(item.entry_name)
        offset = region.position
        await workers.io(region.append, [bytes(header_size)])
        data_offset = region.position
        source = RangeSource(
            file,
            0,
            size,
            chunk_size=config.chunk_size,
            submit=workers.io,
            slabs=self._slabs,
            checkpoint=control.checkpoint,
            on_chunk=self._on_chunk,
        )
        digest = ContentDigest()
        encoder = make_encoder(config.codec, config.effective_level, workers.count)
        written_before = control.progress.bytes_written

        def deliver(parts: list[bytes | bytearray | memoryview]) -> None:
            region.append(parts)
            control.progress.bytes_written = written_before + region.position - data_offset

        bound = max(TEE_BOUND, 2 * config.chunk_size)
        content: ReadableStream[memoryview] = ReadableStream(source, ByteLengthQueuingStrategy(config.chunk_size))
        to_digest, to_encoder = content.tee(bound)
        self._transformer = transformer = BlockTransformer(encoder, self._blocks_of(encoder.block_size))
        in_flight = encoder.max_parallel or workers.count + 1
        encoded = ParallelTransformStream(
            transformer,
            workers.compute,
            in_flight,
            ByteLengthQueuingStrategy((in_flight + 1) * max(encoder.block_size, config.chunk_size)),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        await pipe_all(
            to_digest.pipe_to(
                WritableStream(digest_sink(digest, workers), ByteLengthQueuingStrategy(STAGE_QUEUE)),
                signal=control.signal,
            ),
            to_encoder.pipe_to(encoded.writable, signal=control.signal),
            encoded.readable.pipe_to(
                WritableStream(BatchingSink(deliver, submit=workers.io), ByteLengthQueuingStrategy(STAGE_QUEUE)),
                signal=control.signal,
            ),
        )
        self._transformer = None
        self._encoded = (self._encoded[0] + transformer.taken_in, self._encoded[1] + transformer.put_out)
        entry = ZipEntry(
            name=item.entry_name,
            method=encoder.method,
            crc32=digest.crc32,
            compressed_size=region.position - data_offset,
            size=digest.size,
            header_offset=offset,
            header_size=header_size,
            mode=item.found.mode,
            mtime=item.found.mtime_ns // 1_000_000_000,
        )
        if entry.method == 0 and entry.compressed_size != digest.size:
            raise IntegrityError(f"{item.path}: {digest.size} bytes were hashed, {entry.compressed_size} written.")
        return PackedEntry(item, entry=entry, sha256=digest.sha256, size=digest.size)

    def _blocks_of(self, size: int) -> SlabPool:
        if self._blocks is None or self._blocks.size != size:
            self._blocks = SlabPool(size)
        return self._blocks

    def _on_chunk(self, size: int) -> None:
        self._control.progress.add_chunk(size)
        self._workers.note_moved(size)

    def _write_header(self, packed: PackedEntry, offset: int) -> None:
        if packed.entry is not None:
            packed.entry = msgspec.structs.replace(
                packed.entry, mode=packed.mode, mtime=packed.mtime_ns // 1_000_000_000
            )
            self._region.patch(offset, encode_local_header(packed.entry, packed.entry.header_size))

    def _with_remaining(self, error: DiskFullError) -> DiskFullError:
        """Return *error* with what the whole save would still need, judged by the ratio so far."""
        total = self._control.progress.bytes_total or 0
        taken_in, put_out = self._encoded
        if self._transformer is not None:
            taken_in, put_out = taken_in + self._transformer.taken_in, put_out + self._transformer.put_out
        ratio = min(1.0, put_out / taken_in) if taken_in else 1.0
        # What lies in the file still occupies the volume, although the region may have stepped back from it.
        occupied = self._region.file.size() - self._region.start
        return disk_full(error.path, max(int(total * ratio) - occupied, error.missing or 0))


def _concerns(error: KamarosError, source: str) -> bool:
    """Whether *error* is about the file that is read, and not about the archive that is written."""
    return getattr(error, "path", "") == display_path(source)
