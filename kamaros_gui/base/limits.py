"""Every number that bounds something, with its reason. Bytes unless the name says otherwise."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

MIN_CHUNK_SIZE: Final = 4 * KIB
"""One page: below it the cost of moving a chunk exceeds the cost of its bytes."""

MAX_CHUNK_SIZE: Final = 16 * MIB
"""A few chunks are in flight per stage; above this a save would no longer be small in memory."""

DEFAULT_CHUNK_SIZE: Final = 64 * KIB
"""The size at which a hop costs well under 1 % of hashing the chunk."""

DEFLATE_BLOCK_SIZE: Final = 256 * KIB
"""Block compressed by one worker call. Large enough that the sync flush and the lost matches cost less than
0.5 % in size, small enough that a call at level 9 ends within an abort's 100 ms."""

DEFLATE_WINDOW: Final = 32 * KIB
"""How far a deflate match reaches back (RFC 1951, section 2)."""

READ_SLAB: Final = 1 * MIB
"""Read from disk in one thread call and then handed on in chunks: one hand-off per MiB, not per chunk."""

WRITE_BATCH: Final = 512 * KIB
"""Gathered before one vectored write: one hand-off per batch, not per compressed block."""

SMALL_FILE_LIMIT: Final = 1 * MIB
"""A file up to this size is read, hashed and compressed whole inside one worker call, beside others."""

BATCH_FILES: Final = 64
"""Small files in one worker call: enough to hide the hand-off, few enough to stop at once."""

BATCH_BYTES: Final = 2 * MIB
"""Content in one worker call; with two calls per worker in flight this bounds the memory of the batch path."""

STAGE_QUEUE: Final = 512 * KIB
"""What may wait between two stages. Enough to keep both busy; what a slow disk lets pile up is a few of these."""

TEE_BOUND: Final = 1 * MIB
"""How far one branch of a tee may run ahead of the other."""

MAX_PATH_BYTES: Final = 0xFFFF
"""The name field of a ZIP header has a 16-bit length (APPNOTE 4.4.10)."""

MAX_MANIFEST_SIZE: Final = 1 * GIB
"""An unpacked manifest beyond this is taken for an attack: a million files in full need about 400 MiB."""

MAX_DIRECTORY_SIZE: Final = 2 * GIB
"""A central directory beyond this is taken for an attack: ten million entries need about 1.5 GiB."""

MAX_RATIO: Final = 1100
"""Deflate can't expand beyond 1032:1. An entry that claims more is a lie or a bomb."""

LISTINGS_INLINE: Final = 1 * MIB
"""Listings of versions that the manifest holds at most; beyond that they get entries of their own, so that a save does
not write the whole history again. It deflates to less than 300 KiB."""

LISTING_FROM: Final = 1 * KIB
"""A listing below this stays in the manifest: an entry costs about 300 bytes."""

COMPACT_FROM: Final = 64 * MIB
"""Dead space below this never starts a compaction by itself."""

COMPACT_SHARE: Final = 0.3
"""Nor does dead space below this share of the archive."""

MAX_ISSUES_KEPT: Final = 10_000
"""Per-file problems a job remembers in full; beyond it they are only counted."""

JOURNAL_LIMIT: Final = 256 * MIB
"""A journal larger than this can't be ours."""

TAIL_SCAN_BLOCK: Final = 1 * MIB
"""Step of the backward search for an end record."""

CANCEL_BOUND_SECONDS: Final = 0.1
"""From a cancel request to its confirmation, on a local disk."""
