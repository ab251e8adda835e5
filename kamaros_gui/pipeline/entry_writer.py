"""EntryWriter: content of any length flows into one entry at the end of an archive.

::

    content ─▶ tee ─┬▶ SHA-256, CRC-32
                    └▶ encode in blocks ─▶ append region

Both branches must have seen the same bytes, or the entry is not made.
"""

from __future__ import annotations

import dataclasses

import msgspec

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.base.limits import STAGE_QUEUE, TEE_BOUND
from kamaros_gui.codecs import ContentDigest, make_encoder
from kamaros_gui.pipeline.stages import BlockTransformer, digest_sink
from kamaros_gui.pipeline.timing import metered, timed
from kamaros_gui.pipeline.workers import Workers
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.batch_sink import BatchingSink
from kamaros_gui.storage.primitives import Buffer
from kamaros_gui.storage.slabs import SlabPool
from kamaros_gui.streams import (
    ByteLengthQueuingStrategy,
    ParallelTransformStream,
    ReadableStream,
    WritableStream,
    pipe_all,
)
from kamaros_gui.zipfmt import ZipEntry, encode_local_header, local_header_size

__all__ = ["EntryWriter", "WrittenContent"]


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenContent:
    """Content that lies in the region; its local header is still blank.

    Attributes:
        entry: its directory record.
        sha256: hash of the content.
    """

    entry: ZipEntry
    sha256: str


class EntryWriter:
    """Writes one entry after the other. One caller at a time.

    Args:
        region: where entries go.
        config: chunk size, codec, level, workers.
        workers: threads.
        control: abort, progress, statistics.

    Attributes:
        taken_in, put_out: content bytes encoded so far, and what they became.
    """

    def __init__(self, region: AppendRegion, config: JCFConfig, workers: Workers, control: RunControl) -> None:
        self._region = region
        self._config = config
        self._workers = workers
        self._control = control
        self._blocks: SlabPool | None = None
        self._transformer: BlockTransformer | None = None
        self._encoded = (0, 0)

    @property
    def ratio(self) -> float | None:
        """Bytes put out for each byte taken in, at most 1, the entry in work included; ``None`` at the beginning."""
        taken_in, put_out = self._encoded
        if self._transformer is not None:
            taken_in, put_out = taken_in + self._transformer.taken_in, put_out + self._transformer.put_out
        return min(1.0, put_out / taken_in) if taken_in else None

    def count(self, taken_in: int, put_out: int) -> None:
        """Take content that was encoded elsewhere into account for :attr:`ratio`."""
        self._encoded = (self._encoded[0] + taken_in, self._encoded[1] + put_out)

    async def write(
        self, name: str, content: ReadableStream[Buffer], *, mode: int, mtime: int, header_size: int = 0
    ) -> WrittenContent:
        """Let *content* flow through tee, digest and encoder into the region.

        At most a few blocks per worker and a few queues of half a MiB are held. An abort stops between two chunks.
        After an abort or an error *content* is cancelled, no thread works on it any more, and the caller rewinds the
        region.

        Args:
            name: name of the entry.
            content: chunks that nobody changes any more; locked by this.
            mode: ``st_mode`` for the entry.
            mtime: modification time, seconds since the epoch.
            header_size: bytes to keep for the local header; 0 for as many as let the entry get another name later.

        Raises:
            AbortError: the control's signal was aborted (or whatever its reason is).
            DiskFullError, StorageError: the archive can't be written.
            IntegrityError: the branches have not seen the same bytes.
            Exception: what *content* failed with.
        """
        region, workers = self._region, self._workers
        header_size = header_size or local_header_size(name)
        offset = region.position
        try:
            await workers.io(region.append, [bytes(header_size)])
        except BaseException as error:
            await content.cancel(error)  # it reads ahead already, in a file its owner is about to close
            raise
        data_offset = region.position
        digest = ContentDigest()
        encoder = make_encoder(self._config.codec, self._config.effective_level, workers.count)
        self._transformer = transformer = BlockTransformer(encoder, self._blocks_of(encoder.block_size))
        try:
            await self._flow(content, digest, transformer, encoder.max_parallel)
        finally:
            self._control.stages.settle()
            self._transformer = None
        self.count(transformer.taken_in, transformer.put_out)
        stored = region.position - data_offset
        if transformer.received != digest.size or (encoder.method == 0 and stored != digest.size):
            raise IntegrityError(
                f"{name}: {digest.size} bytes were hashed, but {transformer.received} were encoded.",
                hint="This should never happen; check the memory of this machine.",
            )
        entry = ZipEntry(
            name=name,
            method=encoder.method,
            crc32=digest.crc32,
            compressed_size=stored,
            size=digest.size,
            header_offset=offset,
            header_size=header_size,
            mode=mode,
            mtime=mtime,
        )
        return WrittenContent(entry, digest.sha256)

    async def seal(self, entry: ZipEntry, *, mode: int, mtime: int) -> ZipEntry:
        """Write the local header of *entry*, with its final attributes, over the blank; return the entry."""
        sealed = msgspec.structs.replace(entry, mode=mode, mtime=mtime)
        header = encode_local_header(sealed, sealed.header_size)
        await self._workers.io(self._region.patch, sealed.header_offset, header)
        return sealed

    async def _flow(
        self, content: ReadableStream[Buffer], digest: ContentDigest, transformer: BlockTransformer, most: int | None
    ) -> None:
        config, control, workers, region = self._config, self._control, self._workers, self._region
        stages, signal = control.stages, control.signal
        in_flight, lanes = most or workers.count + 1, min(workers.count, most or workers.count)
        start, written_before = region.position, control.progress.bytes_written

        def deliver(parts: list[Buffer]) -> None:
            region.append(parts)
            control.progress.bytes_written = written_before + region.position - start

        encoded = ParallelTransformStream(
            transformer,
            metered(workers.compute, stages["encode"], lanes),
            in_flight,
            ByteLengthQueuingStrategy((in_flight + 1) * max(transformer.block_size, config.chunk_size)),
            ByteLengthQueuingStrategy(STAGE_QUEUE),
        )
        hashed: WritableStream[Buffer] = WritableStream(
            digest_sink(digest, workers.compute, stages["hash"]), ByteLengthQueuingStrategy(STAGE_QUEUE)
        )
        written: WritableStream[Buffer] = WritableStream(
            BatchingSink(timed(deliver, stages["write"]), submit=workers.io), ByteLengthQueuingStrategy(STAGE_QUEUE)
        )
        stages["read"].follow(content.statistics)
        stages["hash"].follow(hashed.statistics)
        stages["encode"].follow(encoded.statistics)
        stages["write"].follow(written.statistics)
        to_digest, to_encoder = content.tee(max(TEE_BOUND, 2 * config.chunk_size))
        await pipe_all(
            to_digest.pipe_to(hashed, signal=signal),
            to_encoder.pipe_to(encoded.writable, signal=signal),
            encoded.readable.pipe_to(written, signal=signal),
        )

    def _blocks_of(self, size: int) -> SlabPool:
        if self._blocks is None or self._blocks.size != size:
            self._blocks = SlabPool(size)
        return self._blocks
