"""No compression."""

from __future__ import annotations

from typing import Final

from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE
from kamaros_gui.codecs.encoder import Buffer, EncodeJob

__all__ = ["STORE", "StoreEncoder"]

STORE: Final = 0
"""ZIP method number (APPNOTE 4.4.5)."""


class StoreEncoder:
    """Passes blocks on as they are; parts are the blocks given, which must stay unchanged until written."""

    method: Final = STORE
    block_size: Final = DEFLATE_BLOCK_SIZE
    max_parallel: Final = None

    def prepare(self, block: Buffer) -> EncodeJob:
        """Return a job that hands *block* back."""
        return lambda: [block]

    def finish(self) -> EncodeJob:
        """Return a job with no parts: stored data has no end mark."""
        return list
