"""The stages a flow is joined from: encoding, decoding and hashing as transforms, sources and sinks of streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from kamaros_gui.base.limits import KIB
from kamaros_gui.base.statistics import StageMeter
from kamaros_gui.codecs import Buffer, ContentDigest, Decoder, EncodeJob, Encoder
from kamaros_gui.pipeline.timing import timed
from kamaros_gui.storage.adjoining import join_adjoining
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.storage.sources import Controller, Submit
from kamaros_gui.streams import ReadableStream

__all__ = ["BlockTransformer", "DecodingSource", "digest_sink"]

_DECODE_STEP = 512 * KIB


class BlockTransformer:
    """Cuts chunks of any size into the blocks an encoder wants, and prepares one job for each.

    The cuts depend on the content alone, so any chunk size gives the same compressed bytes.

    Args:
        encoder: what the jobs come from.
        blocks: where blocks are gathered; its buffers have the encoder's block size.

    Attributes:
        block_size: bytes per block.
        received: content bytes taken so far, exactly.
        taken_in, put_out: content bytes of the blocks that are encoded, and what they became. Jobs on several threads
            add to them without a lock: good for an estimate, not for a count.
    """

    def __init__(self, encoder: Encoder, blocks: SlabPool) -> None:
        self._encoder = encoder
        self._blocks: SlabPool | None = blocks
        self._block: memoryview | None = None
        self._gathered = 0
        self.block_size = encoder.block_size
        self.received = 0
        self.taken_in = 0
        self.put_out = 0

    def transform(self, chunk: Buffer) -> list[EncodeJob]:
        """Take *chunk*; return the jobs of the blocks it completes."""
        jobs: list[EncodeJob] = []
        rest = memoryview(chunk)
        block_size = self.block_size
        self.received += len(rest)
        while rest:
            if self._block is None:
                self._block = self._borrowed()
            taken = min(block_size - self._gathered, len(rest))
            self._block[self._gathered : self._gathered + taken] = rest[:taken]
            self._gathered += taken
            rest = rest[taken:]
            if self._gathered == block_size:
                jobs.append(self._job())
        return jobs

    def flush(self) -> list[EncodeJob]:
        """Return the jobs of the last block and of the end."""
        jobs = [self._job()] if self._gathered else []
        self._blocks = None
        return [*jobs, self._encoder.finish()]

    def cancel(self, _reason: object) -> None:
        """Drop what was gathered."""
        self._take()
        self._blocks = None

    def _borrowed(self) -> memoryview:
        # The pool is let go at the end: the streams around this refer to each other in circles, and the buffers must
        # not wait for the collector.
        if self._blocks is None:
            raise RuntimeError("a transformer that has ended takes no chunks")
        return self._blocks.borrow()

    def _job(self) -> EncodeJob:
        block = self._take()
        encode = self._encoder.prepare(block)

        def job() -> list[Buffer]:
            parts = encode()
            self.taken_in += len(block)
            self.put_out += sum(map(len, parts))
            return parts

        return job

    def _take(self) -> memoryview:
        block, self._block = self._block, None
        gathered, self._gathered = self._gathered, 0
        return block[:gathered] if block is not None else memoryview(b"")


class DecodingSource:
    """Underlying source that decodes another stream: ``ReadableStream(DecodingSource(compressed, …))``.

    A few compressed bytes can stand for a great many, and a transform has no way to stop in the middle of a chunk.
    So decoding is pulled: each pull decodes one step, at most 512 KiB, in a worker, and reads more input only when the
    decoder has nothing left. Memory stays flat whatever the ratio.

    A cancel cancels the compressed stream; damaged data errors the stream with ``IntegrityError``, and cancels the
    compressed stream too.

    Args:
        compressed: stream of the entry's data; locked by this source.
        decoder: for the entry's method.
        submit: runs the decoding in a thread.
        chunk_size: bytes per chunk handed on.
        on_chunk: called with the size of each chunk, for progress.

    Attributes:
        finished: whether all of the content was handed on.
        bytes_in, chunks_in: compressed bytes taken so far, and the pieces they came in.
    """

    def __init__(
        self,
        compressed: ReadableStream[memoryview],
        decoder: Decoder,
        *,
        submit: Submit,
        chunk_size: int,
        on_chunk: Callable[[int], None] | None = None,
    ) -> None:
        self._reader = compressed.get_reader()
        self._decoder = decoder
        self._submit = submit
        self.finished = False
        self.bytes_in = 0
        self.chunks_in = 0
        self._step = max(_DECODE_STEP // chunk_size, 1) * chunk_size
        self._chunk_size = chunk_size
        self._on_chunk = on_chunk
        self._cancelled = False
        self._pulling: asyncio.Future[None] | None = None

    async def pull(self, controller: Controller) -> None:
        """Decode until something comes out, or the input ends."""
        self._pulling = pulling = asyncio.get_running_loop().create_future()
        try:
            await self._decode(controller)
        except BaseException as error:
            # Nobody else can tell the compressed stream, and it may be reading ahead in a file about to be closed.
            with contextlib.suppress(Exception):  # it is the failure that counts; often the stream's own
                await self._reader.cancel(error)
            raise
        finally:
            pulling.set_result(None)

    async def _decode(self, controller: Controller) -> None:
        at_end = False
        while True:
            data: Buffer = b""
            if self._decoder.needs_input or at_end:
                result = await self._reader.read()
                if self._cancelled:
                    return
                if result.value is None:
                    self._decoder.finish()
                    self.finished = True
                    controller.close()
                    return
                data = result.value
                self.bytes_in += len(data)
                self.chunks_in += 1
            piece = await self._submit(self._decoder.decompress, data, self._step)
            if self._cancelled:
                return
            if piece:
                break
            at_end = self._decoder.eof
        view = memoryview(piece)
        for at in range(0, len(view), self._chunk_size):
            chunk = view[at : at + self._chunk_size]
            if self._on_chunk is not None:
                self._on_chunk(len(chunk))
            controller.enqueue(chunk)

    async def cancel(self, reason: object = None) -> None:
        """Cancel the compressed stream, and wait for the pull under way: nothing of it outlives the cancel."""
        self._cancelled = True
        try:
            await self._reader.cancel(reason)
        finally:
            if self._pulling is not None:
                await self._pulling


def digest_sink(digest: ContentDigest, submit: Submit, meter: StageMeter | None = None) -> BatchingSink:
    """Return an underlying sink that adds every chunk to *digest*, in batches, in a worker.

    Args:
        digest: nobody else uses it meanwhile.
        submit: runs the hashing.
        meter: told how long it took.
    """

    def deliver(parts: list[Buffer]) -> None:
        for part in join_adjoining(parts):
            digest.update(part)

    return BatchingSink(deliver if meter is None else timed(deliver, meter), submit=submit)
