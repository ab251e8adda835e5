"""EntryReader: the content of one entry of an archive as a stream, whatever its size and its ratio.

::

    range of the archive ─▶ decode ─▶ content

The caller joins what it needs behind it: a hash, a new file, or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Container

from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE, STAGE_QUEUE
from kamaros_gui.codecs import Buffer, ContentDigest, Decoder, open_decoder
from kamaros_gui.pipeline.content import ByteStream
from kamaros_gui.pipeline.stages import DecodingSource
from kamaros_gui.pipeline.timing import metered
from kamaros_gui.pipeline.unpacking import check_content, data_offset
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import EndingLater, RangeSource, slab_size
from kamaros_gui.streams import ByteLengthQueuingStrategy, ReadableController, ReadableStream
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["EntryReader", "open_entry"]


async def open_entry(
    archive: ReadAccess,
    entry: ZipEntry,
    path: str,
    sha256: str,
    *,
    chunk_size: int,
    workers: Workers,
    control: RunControl,
    tolerated: Container[str],
    release: Callable[[], Awaitable[None]],
) -> ByteStream:
    """Return the checked content of one entry as a stream for a caller outside.

    Nothing is read before the stream is; then at most two slabs of 1 MiB, one decoding step of half a MiB and one chunk
    are held. Where the bytes turn out not to be what was saved, the stream errors with ``IntegrityError`` instead of
    ending. An abort errors it with the abort's reason at once.

    Args:
        archive: open for reading.
        entry: from the central directory.
        path: how it is called in messages.
        sha256: hash that must come out; empty where the archive records none.
        chunk_size: bytes per chunk; the last one may be shorter.
        workers: threads.
        control: pause, abort, progress.
        tolerated: names the local header may have beside the entry's own.
        release: called once the stream has ended, failed or was cancelled.

    Raises:
        IntegrityError, UnsupportedEntryError, StorageError: it can't be opened; *release* was not called.
    """
    reader = EntryReader(archive, chunk_size, workers, control, tolerated)
    source = await reader.source(entry, path, _CheckedDecoder(entry, path, sha256), queue=0)
    owning = _OwningSource(source, release, control.signal)
    return ReadableStream(owning, ByteLengthQueuingStrategy(0))


class EntryReader:
    """Makes streams over the entries of one archive.

    Args:
        archive: open for reading; stays open.
        chunk_size: bytes per chunk of content.
        workers: threads.
        control: pause, abort, progress, statistics.
        tolerated: names a local header may have beside its entry's own.
    """

    def __init__(
        self,
        archive: ReadAccess,
        chunk_size: int,
        workers: Workers,
        control: RunControl,
        tolerated: Container[str] = (),
    ) -> None:
        self._archive = archive
        self._chunk_size = chunk_size
        self._workers = workers
        self._control = control
        self._tolerated = tolerated
        self._input_chunk = max(chunk_size, DEFLATE_BLOCK_SIZE)
        self._slabs = SlabPool(slab_size(self._input_chunk))

    async def source(
        self, entry: ZipEntry, path: str, decoder: Decoder | None = None, queue: int = STAGE_QUEUE
    ) -> DecodingSource:
        """Return the underlying source of the content of *entry*.

        Args:
            entry: from the central directory.
            path: how it is called in messages.
            decoder: for the entry's method, where it is to be another one than usual.
            queue: compressed bytes to hold ready; with 0 nothing is read before content is asked for.

        Raises:
            ZipFormatError: the entry's two headers disagree.
            UnsupportedEntryError: nothing here reads its method.
            StorageError: the archive can't be read.
        """
        control, stages, workers = self._control, self._control.stages, self._workers
        decoder = decoder or open_decoder(entry.method)
        offset = await workers.io(data_offset, self._archive, entry, self._tolerated)
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
            ByteLengthQueuingStrategy(queue),
        )
        stages["read"].follow(compressed.statistics)
        seen = 0

        def on_chunk(size: int) -> None:
            nonlocal seen
            seen += size
            if seen > entry.size:
                raise IntegrityError(f"{path} is damaged: more bytes come out than its {entry.size}.")
            control.progress.add_chunk(size)
            workers.note_moved(size)

        return DecodingSource(
            compressed,
            decoder,
            submit=metered(workers.compute, stages["decode"]),
            chunk_size=self._chunk_size,
            on_chunk=on_chunk,
        )


class _CheckedDecoder:
    """A decoder that hashes what it puts out, in the same worker call, and checks it at the end.

    Args:
        entry: size and CRC-32 that must come out.
        path: how it is called in messages.
        sha256: hash that must come out; empty where the archive records none.
    """

    def __init__(self, entry: ZipEntry, path: str, sha256: str) -> None:
        self._decoder = open_decoder(entry.method)
        self._digest = ContentDigest()
        self._entry = entry
        self._path = path
        self._sha256 = sha256

    @property
    def needs_input(self) -> bool:
        """Whether more input is needed before anything can come out."""
        return self._decoder.needs_input

    @property
    def eof(self) -> bool:
        """Whether the data is at its end."""
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the data."""
        return self._decoder.unused_data

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Decode at most *max_length* bytes; see :class:`~kamaros_gui.codecs.Decoder`."""
        try:
            piece = self._decoder.decompress(data, max_length)
        except IntegrityError as error:
            raise IntegrityError(f"{self._path} is damaged: {error}") from error
        self._digest.update(piece)
        return piece

    def finish(self) -> None:
        """Check that everything came out, and that it is what was saved.

        Raises:
            IntegrityError: size, CRC-32 or SHA-256 differ, or the data ends in the middle.
        """
        try:
            self._decoder.finish()
        except IntegrityError as error:
            raise IntegrityError(f"{self._path} is damaged: {error}") from error
        check_content(self._entry, self._path, self._sha256, self._digest)


class _OwningSource:
    """Underlying source around another one that gives something back when the stream ends, fails or is cancelled.

    An abort errors the stream at once, also while nobody reads it.

    Args:
        inner: the source.
        release: gives back what the stream needed, such as an open file; called once.
        signal: aborts the stream.
    """

    def __init__(self, inner: DecodingSource, release: Callable[[], Awaitable[None]], signal: AbortSignal) -> None:
        self._inner = inner
        self._release: Callable[[], Awaitable[None]] | None = release
        self._signal = signal
        self._loop = asyncio.get_running_loop()
        self._controller: ReadableController[memoryview] | None = None
        self._stopping: asyncio.Task[None] | None = None

    def start(self, controller: ReadableController[memoryview]) -> None:
        """Listen for an abort."""
        self._controller = controller
        self._signal.add_listener(self._on_abort)
        if self._signal.aborted:
            self._on_abort(self._signal)

    async def pull(self, controller: ReadableController[memoryview]) -> None:
        """Pull the inner source. Whoever sees the end, or an error, may rely on it that everything is given back."""
        try:
            await self._inner.pull(EndingLater(controller))
        except BaseException:
            await self._end()
            raise
        if self._inner.finished:
            await self._end()
            controller.close()

    async def cancel(self, reason: object = None) -> None:
        """Cancel the inner source, then give back."""
        try:
            await self._inner.cancel(reason)
        finally:
            await self._end()

    def _on_abort(self, _signal: AbortSignal) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._controller is not None and self._release is not None and self._stopping is None:
            reason = self._signal.reason
            self._controller.error(reason)
            self._stopping = self._loop.create_task(self.cancel(reason))

    async def _end(self) -> None:
        self._signal.remove_listener(self._on_abort)
        release, self._release = self._release, None
        if release is not None:
            await release()
