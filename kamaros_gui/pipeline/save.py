"""Save: files and streams flow into the end of an archive.

Small files travel in batches, each packed whole in a worker; large ones and streams flow through an
:class:`~kamaros_gui.pipeline.entry_writer.EntryWriter`. The bytes of an entry depend on its content alone: not on where
it came from, and not on how it was cut into chunks.

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
from kamaros_gui.base.errors import DiskFullError, KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT
from kamaros_gui.base.texts import display_path
from kamaros_gui.pipeline.aborting import abortable
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.entry_writer import EntryWriter
from kamaros_gui.pipeline.intake import Intake
from kamaros_gui.pipeline.packing import (
    PackedEntry,
    ReusableContent,
    SaveItem,
    WholeContents,
    pack_batch,
    pack_content,
)
from kamaros_gui.pipeline.timing import metered
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.primitives import Buffer, FilePrimitives, RandomAccess, changed, disk_full
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream

__all__ = ["SaveFlow"]

OnPacked = Callable[[PackedEntry], None]
OnFailed = Callable[[SaveItem, KamarosError], None]


class SaveFlow:
    """One run of content into an append region.

    Args:
        files: where files are read.
        region: where entries go.
        config: chunk size, codec, level, workers.
        workers: threads.
        control: abort, pause, progress, statistics, issues.
        on_packed: called on the engine thread for each entry that was written, with its final offset, and for each
            one whose content turned out to be as known.
        on_failed: called there for each file that can't be read or changes meanwhile; by default it becomes an issue of
            the control.
        reusable: contents the archive holds already, which need not be written again.
    """

    def __init__(
        self,
        files: FilePrimitives,
        region: AppendRegion,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
        on_packed: OnPacked,
        on_failed: OnFailed | None = None,
        reusable: ReusableContent | None = None,
    ) -> None:
        self._files = files
        self._region = region
        self._config = config
        self._workers = workers
        self._control = control
        self._on_packed = on_packed
        self._on_failed = on_failed
        self._reusable = reusable or ReusableContent()
        self._slabs = SlabPool(slab_size(config.chunk_size))
        self._writer = EntryWriter(region, config, workers, control)

    async def run(self, items: Sequence[SaveItem]) -> None:
        """Save files: the small ones in batches side by side, then the large ones one after the other.

        A file that can't be read, or that changes meanwhile, is told to ``on_failed``; the others go on.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError: the archive's volume is full.
            StorageError: the archive can't be written.
        """
        try:
            await self.run_small([item for item in items if item.found.size <= SMALL_FILE_LIMIT], self._files)
            for item in items:
                if item.found.size > SMALL_FILE_LIMIT:
                    await self._run_large(item)
        except DiskFullError as error:
            raise self._with_remaining(error) from error

    async def run_small(self, items: Sequence[SaveItem], contents: WholeContents) -> None:
        """Save files of at most ``SMALL_FILE_LIMIT`` bytes, in batches side by side.

        Args:
            items: what to save.
            contents: where their ``found.source`` is read.

        Raises:
            AbortError, DiskFullError, StorageError: as :meth:`run`.
        """
        config, control = self._config, self._control
        in_work: deque[asyncio.Future[list[PackedEntry]]] = deque()
        stopping = False

        def should_stop() -> bool:
            return stopping or control.signal.aborted

        try:
            for batch in batches(items, lambda item: item.found.size):
                await control.checkpoint()
                in_work.append(
                    self._workers.compute(
                        pack_batch,
                        contents,
                        batch,
                        config.codec,
                        config.effective_level,
                        self._reusable,
                        should_stop,
                        control.stages,
                        self._workers.count,
                    )
                )
                if len(in_work) > self._workers.count + 1:
                    await self._deliver(await abortable(in_work.popleft(), control.signal))
            while in_work:
                await self._deliver(await abortable(in_work.popleft(), control.signal))
        finally:
            stopping = True
            for future in in_work:
                future.cancel()

    async def add(self, item: SaveItem, content: ReadableStream[Buffer], size: int | None = None) -> None:
        """Save the content of a stream.

        Backpressure reaches *content*: while the archive is written more slowly, at most about 2 MiB beside its own
        queue are read. It is locked by this, and cancelled when this fails.

        Args:
            item: what it is to be called; its ``found.size`` only matters for the progress.
            content: buffers of any length.
            size: bytes that must come, ``None`` for any number.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is); the region is as it was.
            DiskFullError, StorageError: the archive can't be written; the region is as it was.
            SourceChangedError: more or fewer than *size* bytes came; the region is as it was.
            TypeError: a chunk is no buffer, or *content* is locked.
            Exception: what *content* failed with; the region is as it was.
        """
        start = self._region.position
        self._control.progress.begin_file(item.path, item.found.size, self._config.chunk_size)
        intake = Intake(
            content, item.path, size, chunk_size=self._config.chunk_size, control=self._control, on_chunk=self._on_chunk
        )
        try:
            whole = await intake.gather(SMALL_FILE_LIMIT)
            if whole is not None:
                await self._add_whole(item, whole)
                return
            written = await self._writer.write(
                item.entry_name,
                ReadableStream(intake, ByteLengthQueuingStrategy(self._config.chunk_size)),
                mode=item.found.mode,
                mtime=item.found.mtime_ns // 1_000_000_000,
            )
            await self._settle_large(
                PackedEntry.of(item, size=written.entry.size, entry=written.entry, sha256=written.sha256), start
            )
        except BaseException as error:
            await intake.cancel(error)
            await self._workers.io(self._region.rewind, start)
            if isinstance(error, DiskFullError):
                raise self._with_remaining(error) from error
            raise

    # -------------------------------------------------------------------------------------------- small files

    async def _deliver(self, packed: list[PackedEntry]) -> None:
        progress = self._control.progress
        offset = self._region.position
        parts = [part for each in packed for part in each.parts]
        if parts:
            writing = self._control.stages["write"]
            size = await metered(self._workers.io, writing)(self._region.append, parts)
            writing.worked(0, bytes_in=size, bytes_out=size, chunks=len(parts))
            progress.bytes_written += size
        for each in packed:
            progress.current_file = each.item.path
            progress.chunk_index = progress.chunk_count = 1
            progress.add_files(1, each.item.found.size)
            self._workers.note_moved(each.item.found.size)
            if each.error is not None:
                self._note_failure(each.item, each.error)
                continue
            if each.entry is not None:
                self._writer.count(each.size, each.entry.compressed_size)
                each.entry = msgspec.structs.replace(each.entry, header_offset=offset)
                offset += each.entry.header_size + each.entry.compressed_size
            self._on_packed(each)

    async def _add_whole(self, item: SaveItem, data: Buffer) -> None:
        config = self._config
        packed = await abortable(
            self._workers.compute(
                pack_content,
                item,
                data,
                config.codec,
                config.effective_level,
                self._reusable,
                self._control.stages,
                self._workers.count,
            ),
            self._control.signal,
        )
        bytes_done = self._control.progress.bytes_done  # its chunks were counted on their way in
        await self._deliver([packed])
        self._control.progress.bytes_done = bytes_done

    # -------------------------------------------------------------------------------------------- large files

    async def _run_large(self, item: SaveItem) -> None:
        control, progress = self._control, self._control.progress
        await control.checkpoint()
        start = self._region.position
        counted = progress.bytes_done
        try:
            packed = await self._read_large(item)
        except KamarosError as error:
            await self._workers.io(self._region.rewind, start)
            if control.signal.aborted or not _concerns(error, item.found.source):
                raise
            self._note_failure(item, error)
            progress.bytes_done = counted + item.found.size
            progress.files_done += 1
            return
        await self._settle_large(packed, start)

    async def _read_large(self, item: SaveItem) -> PackedEntry:
        """Let one file flow into the region; return its entry, header unwritten, with the status of what was read."""
        workers, source = self._workers, item.found.source
        file: RandomAccess = await workers.io(self._files.open, source)
        try:
            before = await workers.io(file.status)
            if before.kind != "file":
                raise changed(source)
            self._control.progress.begin_file(item.path, before.size, self._config.chunk_size)
            content: ReadableStream[Buffer] = ReadableStream(
                RangeSource(
                    file,
                    0,
                    before.size,
                    chunk_size=self._config.chunk_size,
                    submit=metered(workers.io, self._control.stages["read"]),
                    slabs=self._slabs,
                    checkpoint=self._control.checkpoint,
                    on_chunk=self._on_chunk,
                ),
                ByteLengthQueuingStrategy(self._config.chunk_size),
            )
            written = await self._writer.write(
                item.entry_name, content, mode=item.found.mode, mtime=item.found.mtime_ns // 1_000_000_000
            )
            after = await workers.io(file.status)
        finally:
            await workers.io(file.close)
        if (after.size, after.mtime_ns) != (written.entry.size, before.mtime_ns):
            raise changed(source)
        packed = PackedEntry.of(item, size=written.entry.size, entry=written.entry, sha256=written.sha256)
        packed.take_status(after)
        return packed

    async def _settle_large(self, packed: PackedEntry, start: int) -> None:
        """Give the content that begins at *start* its header, or drop it where the archive has it already."""
        self._control.progress.files_done += 1
        written = packed.entry
        if packed.settle(self._reusable):
            await self._workers.io(self._region.rewind, start)
        elif written is not None:
            mode = stat.S_IFREG | stat.S_IMODE(packed.mode)
            packed.entry = await self._writer.seal(written, mode=mode, mtime=packed.mtime_ns // 1_000_000_000)
        self._on_packed(packed)

    def _note_failure(self, item: SaveItem, error: KamarosError) -> None:
        if self._on_failed is not None:
            self._on_failed(item, error)
        else:
            self._control.add_issue(item.found.source, str(error))

    def _on_chunk(self, size: int) -> None:
        self._control.progress.add_chunk(size)
        self._workers.note_moved(size)

    def _with_remaining(self, error: DiskFullError) -> DiskFullError:
        """Return *error* with what the whole save would still need, judged by the ratio so far."""
        total = self._control.progress.bytes_total or 0
        ratio = self._writer.ratio
        # What lies in the file still occupies the volume, although the region may have stepped back from it.
        occupied = self._region.file.size() - self._region.start
        wanted = max(int(total * (1.0 if ratio is None else ratio)) - occupied, error.missing or 0)
        return disk_full(error.path, error.volume, wanted, self._files.free_space(error.path))


def _concerns(error: KamarosError, source: str) -> bool:
    """Whether *error* is about the file that is read, and not about the archive that is written."""
    return getattr(error, "path", "") == display_path(source)
