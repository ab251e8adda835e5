"""Restore and verify: entries flow out of an archive, checked on the way.

::

    large entry ─▶ range of the archive ─▶ decode ─▶ tee ─┬▶ SHA-256, CRC-32, size
                                                          └▶ new file (left out when only checking)
    small entries ─▶ batches, each unpacked whole in a worker

An entry that fails its check leaves no file. An abort stops between two chunks and removes the file in work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container, Sequence

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import DiskFullError, IntegrityError, KamarosError
from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE, SMALL_FILE_LIMIT, STAGE_QUEUE, TEE_BOUND
from kamaros_gui.codecs import ContentDigest, open_decoder
from kamaros_gui.pipeline.aborting import settle
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.stages import DecodingSource, digest_sink
from kamaros_gui.pipeline.unpacking import RestoreItem, check_content, data_offset, unpack_batch
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.files import Buffer, RandomAccessFile
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import BatchingSink, RangeSource, slab_size
from kamaros_gui.storage.whole import FileWriter
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream, WritableStream, pipe_all

__all__ = ["RestoreFlow"]

_Outcomes = list[tuple[RestoreItem, KamarosError | None]]


class RestoreFlow:
    """One run of entries out of an archive.

    Args:
        archive: open for reading.
        config: chunk size, workers.
        workers: threads.
        control: abort, pause, progress.
        on_outcome: called on the engine thread for each entry, with the error that kept it from being right.
        tolerated: names a local header may have beside its entry's own.
    """

    def __init__(
        self,
        archive: RandomAccessFile,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
        on_outcome: Callable[[RestoreItem, KamarosError | None], None],
        tolerated: Container[str] = (),
    ) -> None:
        self._archive = archive
        self._config = config
        self._workers = workers
        self._control = control
        self._on_outcome = on_outcome
        self._tolerated = tolerated
        self._input_chunk = max(config.chunk_size, DEFLATE_BLOCK_SIZE)
        self._slabs = SlabPool(slab_size(self._input_chunk))

    async def run(self, items: Sequence[RestoreItem]) -> None:
        """Check and write *items*: the small ones in batches side by side, then the large ones.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError: the target volume is full.
        """
        await self._run_small([item for item in items if _is_small(item)])
        for item in items:
            if not _is_small(item):
                await self._run_large(item)

    async def _run_small(self, items: list[RestoreItem]) -> None:
        control = self._control
        in_work: deque[asyncio.Future[_Outcomes]] = deque()
        stopping = False

        def should_stop() -> bool:
            return stopping or control.signal.aborted

        try:
            for batch in batches(items, lambda item: item.entry.size):
                await control.checkpoint()
                in_work.append(self._workers.compute(unpack_batch, self._archive, batch, self._tolerated, should_stop))
                if len(in_work) > self._workers.count + 1:
                    self._report(await in_work.popleft())
            while in_work:
                self._report(await in_work.popleft())
            control.signal.throw_if_aborted()
        finally:
            stopping = True
            await settle(in_work)  # they write files: nobody may remove those before they are closed

    def _report(self, outcomes: _Outcomes) -> None:
        progress = self._control.progress
        for item, error in outcomes:
            if isinstance(error, DiskFullError):
                raise error
            progress.current_file = item.path
            progress.chunk_index = progress.chunk_count = 1
            progress.add_files(1, item.entry.size)
            self._workers.note_moved(item.entry.size)
            self._on_outcome(item, error)

    async def _run_large(self, item: RestoreItem) -> None:
        control, progress = self._control, self._control.progress
        await control.checkpoint()
        counted = progress.bytes_done
        progress.begin_file(item.path, item.entry.size, self._config.chunk_size)
        failure: KamarosError | None = None
        try:
            await self._stream(item)
        except KamarosError as error:
            if control.signal.aborted or isinstance(error, DiskFullError):
                raise
            failure = error
        progress.bytes_done = counted + item.entry.size
        progress.files_done += 1
        self._on_outcome(item, failure)

    async def _stream(self, item: RestoreItem) -> None:
        if not item.destination:
            await self._flow(item, None)
            return
        writer = await self._workers.io(FileWriter, item.destination)
        try:
            await self._flow(item, writer)
            await self._workers.io(writer.finish, item.mode, item.mtime_ns)
        except BaseException:
            await self._workers.io(writer.discard)
            raise

    async def _flow(self, item: RestoreItem, writer: FileWriter | None) -> None:
        config, control, workers, entry = self._config, self._control, self._workers, item.entry
        decoder = open_decoder(entry.method)
        offset = await workers.io(data_offset, self._archive, entry, self._tolerated)
        compressed: ReadableStream[memoryview] = ReadableStream(
            RangeSource(
                self._archive,
                offset,
                entry.compressed_size,
                chunk_size=self._input_chunk,
                submit=workers.io,
                slabs=self._slabs,
                checkpoint=control.checkpoint,
            ),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        seen = 0

        def on_chunk(size: int) -> None:
            nonlocal seen
            seen += size
            if seen > entry.size:
                raise IntegrityError(f"{item.path} is damaged: more bytes come out than its {entry.size}.")
            control.progress.add_chunk(size)
            workers.note_moved(size)

        content: ReadableStream[memoryview] = ReadableStream(
            DecodingSource(
                compressed,
                decoder,
                workers=workers,
                chunk_size=config.chunk_size,
                on_chunk=on_chunk,
            ),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        digest = ContentDigest()
        sinks = [digest_sink(digest, workers)]
        branches = [content]
        if writer is not None:
            sinks.append(BatchingSink(self._counting(writer), submit=workers.io))
            branches = list(content.tee(max(TEE_BOUND, 2 * config.chunk_size)))
        await pipe_all(
            *(
                branch.pipe_to(WritableStream(sink, ByteLengthQueuingStrategy(STAGE_QUEUE)), signal=control.signal)
                for branch, sink in zip(branches, sinks, strict=True)
            )
        )
        check_content(entry, item.path, item.sha256, digest)

    def _counting(self, writer: FileWriter) -> Callable[[list[Buffer]], None]:
        progress = self._control.progress
        before = progress.bytes_written

        def deliver(parts: list[Buffer]) -> None:
            writer.append(parts)
            progress.bytes_written = before + writer.size

        return deliver


def _is_small(item: RestoreItem) -> bool:
    return item.entry.size <= SMALL_FILE_LIMIT and item.entry.compressed_size <= SMALL_FILE_LIMIT
