"""SHA-256, CRC-32 and size of a stream of bytes, in one place."""

from __future__ import annotations

import hashlib

from kamaros_gui.codecs.encoder import Buffer
from kamaros_gui.codecs.libraries import crc32

__all__ = ["Checksum", "ContentDigest"]


class Checksum:
    """Running CRC-32 (APPNOTE 4.4.7) and size of the content seen so far, for content whose hash nobody asks for.

    Lets go of the GIL for anything above a few KiB. Not to be shared by two threads at once.

    Attributes:
        crc32: CRC-32 so far.
        size: bytes so far.
    """

    __slots__ = ("crc32", "size")

    def __init__(self) -> None:
        self.crc32 = 0
        self.size = 0

    def update(self, data: Buffer) -> None:
        """Add *data* to the content; it must not change until the call returns."""
        self.crc32 = crc32(data, self.crc32)
        self.size += len(data)


class ContentDigest(Checksum):
    """Running SHA-256 (FIPS 180-4), CRC-32 and size of the content seen so far; else as :class:`Checksum`."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()

    def update(self, data: Buffer) -> None:
        """Add *data* to the content; it must not change until the call returns."""
        # In this order: the CRC-32 clears vector registers that an isal call before it may have left in use, and that
        # would slow the SHA-256 down by a third.
        self.crc32 = crc32(data, self.crc32)
        self._hash.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Lower-case hex of the SHA-256 of what was added so far."""
        return self._hash.hexdigest()
