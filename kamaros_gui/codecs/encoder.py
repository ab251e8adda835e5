"""What every encoder offers to the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Buffer", "EncodeJob", "Encoder"]

Buffer = bytes | bytearray | memoryview

EncodeJob = Callable[[], list[Buffer]]
"""Work for any thread. Its parts, job after job in the order they were prepared, are the compressed entry. A part
may be a view of the block that was given, so a block must stay unchanged until its parts are written."""


class Encoder(Protocol):
    """Turns the content of one entry into its compressed bytes, block by block.

    ``prepare`` is called in order on one thread and is cheap; the job it returns does the work on any thread, lets
    go of the GIL meanwhile, and stays short enough that a cancel between two jobs is prompt. Dropping an encoder
    and its jobs half-way leaves nothing behind.
    """

    @property
    def method(self) -> int:
        """ZIP method of the entry (APPNOTE 4.4.5)."""

    @property
    def block_size(self) -> int:
        """Bytes to gather for one job; only the last block of an entry may be smaller."""

    @property
    def max_parallel(self) -> int | None:
        """How many jobs may run at once; ``None`` when any number may."""

    def prepare(self, block: Buffer) -> EncodeJob:
        """Return the job that encodes *block*, which must not change until the job's parts are written."""

    def finish(self) -> EncodeJob:
        """Return the job that ends the entry; called once, after the last block."""
