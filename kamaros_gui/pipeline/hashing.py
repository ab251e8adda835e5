"""Hash files on disk: their content flows past a digest and is kept nowhere.

::

    large file ─▶ read slabs, cut into chunks ─▶ SHA-256
    small files ─▶ batches, each read and hashed whole in a worker

An abort stops between two chunks, or between two files of a batch.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.limits import SMALL_FILE_LIMIT, STAGE_QUEUE
from kamaros_gui.base.statistics import StageMeters
from kamaros_gui.codecs import ContentDigest
from kamaros_gui.pipeline.aborting import settle
from kamaros_gui.pipeline.batching import batches
from kamaros_gui.pipeline.stages import digest_sink
from kamaros_gui.pipeline.timing import LapTimer, metered
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.primitives import Buffer, FilePrimitives, RandomAccess, changed
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import RangeSource, slab_size
from kamaros_gui.storage.walk import WalkItem
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableStream, WritableStream

__all__ = ["HashFlow"]

_Outcomes = list[tuple[WalkItem, str, KamarosError | None]]


class HashFlow:
    """One run of files past a digest.

    Args:
        files: where they are.
        config: chunk size.
        workers: threads.
        control: abort, pause, progress.
        on_outcome: called on the engine thread for each file with its SHA-256, or with the error that kept it
            from being read as it was found.
    """

    def __init__(
        self,
        files: FilePrimitives,
        config: JCFConfig,
        workers: Workers,
        control: RunControl,
        on_outcome: Callable[[WalkItem, str, KamarosError | None], None],
    ) -> None:
        self._files = files
        self._config = config
        self._workers = workers
        self._control = control
        self._on_outcome = on_outcome
        self._slabs = SlabPool(slab_size(config.chunk_size))

    async def run(self, found: Sequence[WalkItem]) -> None:
        """Hash files: the small ones in batches side by side, then the large ones one after the other.

        No file is open any more when this ends, however it ends.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
        """
        await self._run_small([item for item in found if item.size <= SMALL_FILE_LIMIT])
        for item in found:
            if item.size > SMALL_FILE_LIMIT:
                await self._run_large(item)

    async def _run_small(self, found: list[WalkItem]) -> None:
        control, workers = self._control, self._workers
        in_work: deque[asyncio.Future[_Outcomes]] = deque()
        stopping = False

        def should_stop() -> bool:
            return stopping or control.signal.aborted

        try:
            for batch in batches(found, lambda item: item.size):
                await control.checkpoint()
                in_work.append(
                    workers.compute(_hash_batch, self._files, batch, should_stop, control.stages, workers.count)
                )
                if len(in_work) > workers.count + 1:
                    self._report(await in_work.popleft())
            while in_work:
                self._report(await in_work.popleft())
            control.signal.throw_if_aborted()
        finally:
            stopping = True
            await settle(in_work)

    def _report(self, outcomes: _Outcomes) -> None:
        progress = self._control.progress
        for item, sha256, error in outcomes:
            progress.current_file = item.source
            progress.chunk_index = progress.chunk_count = 1
            progress.add_files(1, item.size)
            self._workers.note_moved(item.size)
            self._on_outcome(item, sha256, error)

    async def _run_large(self, item: WalkItem) -> None:
        control, progress = self._control, self._control.progress
        await control.checkpoint()
        counted = progress.bytes_done
        progress.begin_file(item.source, item.size, self._config.chunk_size)
        sha256, failure = "", None
        try:
            sha256 = await self._stream(item)
        except KamarosError as error:
            if control.signal.aborted:
                raise
            failure = error
        progress.bytes_done = counted + item.size
        progress.files_done += 1
        self._on_outcome(item, sha256, failure)

    async def _stream(self, item: WalkItem) -> str:
        workers = self._workers
        file: RandomAccess = await workers.io(self._files.open, item.source)
        try:
            before = await workers.io(file.status)
            if before.kind != "file" or before.inode != item.inode:
                raise changed(item.source)  # a link that took its place would be followed
            digest = ContentDigest()
            await self._flow(file, before.size, digest)
            after = await workers.io(file.status)
        finally:
            await workers.io(file.close)
        if (after.size, after.mtime_ns) != (item.size, item.mtime_ns) or digest.size != item.size:
            raise changed(item.source)
        return digest.sha256

    async def _flow(self, file: RandomAccess, size: int, digest: ContentDigest) -> None:
        control, workers, stages = self._control, self._workers, self._control.stages
        source = RangeSource(
            file,
            0,
            size,
            chunk_size=self._config.chunk_size,
            submit=metered(workers.io, stages["read"]),
            slabs=self._slabs,
            checkpoint=control.checkpoint,
            on_chunk=self._on_chunk,
        )
        content: ReadableStream[Buffer] = ReadableStream(source, ByteLengthQueuingStrategy(STAGE_QUEUE))
        sink: WritableStream[Buffer] = WritableStream(
            digest_sink(digest, workers.compute, stages["hash"]), ByteLengthQueuingStrategy(STAGE_QUEUE)
        )
        stages["read"].follow(content.statistics)
        stages["hash"].follow(sink.statistics)
        try:
            await content.pipe_to(sink, signal=control.signal)
        finally:
            stages.settle()

    def _on_chunk(self, size: int) -> None:
        self._control.progress.add_chunk(size)
        self._workers.note_moved(size)


def _hash_batch(
    files: FilePrimitives, batch: list[WalkItem], should_stop: Callable[[], bool], stages: StageMeters, lanes: int
) -> _Outcomes:
    """Read and hash every file of *batch*; ends early, with fewer outcomes, when *should_stop* says so."""
    outcomes: _Outcomes = []
    timer = LapTimer(stages, lanes)
    for item in batch:
        if should_stop():
            break
        timer.skip()
        try:
            data, status = files.read_whole(item.source, SMALL_FILE_LIMIT)
            if (status.size, status.mtime_ns) != (item.size, item.mtime_ns):
                raise changed(item.source)
        except KamarosError as error:
            outcomes.append((item, "", error))
            continue
        timer.lap("read", len(data), len(data))
        sha256 = hashlib.sha256(data).hexdigest()
        timer.lap("hash", len(data), len(data))
        outcomes.append((item, sha256, None))
    timer.report()
    return outcomes
