"""Restore and verify: entries flow out of an archive, checked on the way.

::

    large entry ─▶ range of the archive ─▶ decode ─▶ tee ─┬▶ SHA-256, CRC-32, size
                                                          └▶ new file (left out when only checking)
    small entries ─▶ batches, each unpacked whole in a worker

An entry that fails its check leaves no file. An abort stops between two chunks and removes the file in work.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Container, Sequence

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import DiskFullError, KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT, STAGE_QUEUE, TEE_BOUND
from kamaros_gui.codecs import ContentDigest
from kamaros_gui.pipeline.aborting import settle
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.entry_reader import EntryReader
from kamaros_gui.pipeline.stages import digest_sink
from kamaros_gui.pipeline.timing import timed
from kamaros_gui.pipeline.unpacking import RestoreItem, check_content, unpack_batch
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.primitives import Buffer, FilePrimitives, NewFile, ReadAccess
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream, WritableStream, pipe_all

__all__ = ["RestoreFlow"]

_Outcomes = list[tuple[RestoreItem, KamarosError | None]]


class RestoreFlow:
    """One run of entries out of an archive.

    Args:
        files: where new files are made.
        archive: open for reading.
        config: chunk size, workers.
        workers: threads.
        control: abort, pause, progress.
        on_outcome: called on the engine thread for each entry, with the error that kept it from being right.
        tolerated: names a local header may have beside its entry's own.
    """

    def __init__(
        self,
        files: FilePrimitives,
        archive: ReadAccess,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
        on_outcome: Callable[[RestoreItem, KamarosError | None], None],
        tolerated: Container[str] = (),
    ) -> None:
        self._files = files
        self._archive = archive
        self._config = config
        self._workers = workers
        self._control = control
        self._on_outcome = on_outcome
        self._tolerated = tolerated
        self._reader = EntryReader(archive, config.chunk_size, workers, control, tolerated)

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
                in_work.append(
                    self._workers.compute(
                        unpack_batch,
                        self._files,
                        self._archive,
                        batch,
                        self._tolerated,
                        should_stop,
                        control.stages,
                        self._workers.count,
                    )
                )
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
        writer = await self._workers.io(self._files.create, item.destination)
        try:
            await self._flow(item, writer)
            await self._workers.io(writer.finish, item.mode, item.mtime_ns)
        except BaseException:
            await self._workers.io(writer.discard)
            raise

    async def _flow(self, item: RestoreItem, writer: NewFile | None) -> None:
        control, workers, stages = self._control, self._workers, self._control.stages
        source = await self._reader.source(item.entry, item.path)
        content: ReadableStream[memoryview] = ReadableStream(source, ByteLengthQueuingStrategy(STAGE_QUEUE))
        stages["decode"].follow(
            lambda: dataclasses.replace(content.statistics(), bytes_in=source.bytes_in, chunks_in=source.chunks_in)
        )
        digest = ContentDigest()
        sinks = {"hash": digest_sink(digest, workers.compute, stages["hash"])}
        branches = [content]
        if writer is not None:
            sinks["write"] = BatchingSink(timed(self._counting(writer), stages["write"]), submit=workers.io)
            branches = list(content.tee(max(TEE_BOUND, 2 * self._config.chunk_size)))
        flows = []
        for branch, (name, sink) in zip(branches, sinks.items(), strict=True):
            stream: WritableStream[memoryview] = WritableStream(sink, ByteLengthQueuingStrategy(STAGE_QUEUE))
            stages[name].follow(stream.statistics)
            flows.append(branch.pipe_to(stream, signal=control.signal))
        try:
            await pipe_all(*flows)
        finally:
            stages.settle()
        check_content(item.entry, item.path, item.sha256, digest)

    def _counting(self, writer: NewFile) -> Callable[[list[Buffer]], None]:
        progress = self._control.progress
        before = progress.bytes_written

        def deliver(parts: list[Buffer]) -> None:
            writer.append(parts)
            progress.bytes_written = before + writer.size

        return deliver


def _is_small(item: RestoreItem) -> bool:
    return item.entry.size <= SMALL_FILE_LIMIT and item.entry.compressed_size <= SMALL_FILE_LIMIT
