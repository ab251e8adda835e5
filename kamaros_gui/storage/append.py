"""AppendRegion: the uncommitted end of a file, where a save writes and from which it can always step back."""

from __future__ import annotations

from collections.abc import Sequence

from kamaros_gui.storage.primitives import Buffer, RandomAccess

__all__ = ["AppendRegion"]


class AppendRegion:
    """Bytes behind the committed length of a file.

    One caller at a time; calls block and belong in a worker thread. Nothing before *start* can be touched.

    Args:
        file: open for reading and writing.
        start: committed length in bytes; the region begins here.

    Attributes:
        file: as given.
        start: where the region begins.
        position: where the next bytes go.
    """

    def __init__(self, file: RandomAccess, start: int) -> None:
        self.file = file
        self.start = start
        self.position = start

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self.position - self.start

    def append(self, parts: Sequence[Buffer]) -> int:
        """Write *parts* at the end; return the number of bytes. On an error the position stays where it was."""
        written = self.file.write(self.position, parts)
        self.position += written
        return written

    def patch(self, offset: int, data: Buffer) -> None:
        """Overwrite bytes inside the region, for instance a header whose sizes have become known."""
        if not self.start <= offset <= self.position - len(data):
            raise ValueError(f"bytes {offset}–{offset + len(data)} are outside {self.start}–{self.position}")
        self.file.write(offset, [data])

    def rewind(self, position: int) -> None:
        """Forget everything from *position* on; the next bytes overwrite it."""
        if not self.start <= position <= self.position:
            raise ValueError(f"{position} is outside {self.start}–{self.position}")
        self.position = position
