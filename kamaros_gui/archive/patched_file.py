"""PatchedFile: an archive as it will be once the last step of an interrupted save is repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from kamaros_gui.storage.primitives import FileStatus, ReadAccess

__all__ = ["PatchedFile"]

Patchable = TypeVar("Patchable", bytearray, memoryview)


class PatchedFile:
    """An archive that is only read, seen as if the headers an unfinished save still has to rewrite were written.

    Args:
        file: the archive; closed with this.
        patches: (offset, bytes) of those headers; one of them may be half written on the disk.
    """

    def __init__(self, file: ReadAccess, patches: Sequence[tuple[int, bytes]]) -> None:
        self._file = file
        self._patches = patches
        self.status: Callable[[], FileStatus] = file.status
        self.size: Callable[[], int] = file.size
        self.close: Callable[[], None] = file.close

    @property
    def path(self) -> str:
        """The path of the file."""
        return self._file.path

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return self._file.closed

    def read(self, offset: int, length: int) -> bytes:
        """Read up to *length* bytes at *offset*; fewer only at the end of the file."""
        return bytes(self._patched(bytearray(self._file.read(offset, length)), offset))

    def read_exactly(self, offset: int, length: int) -> bytes:
        """Read *length* bytes at *offset*; raises IntegrityError where the file ends before."""
        return bytes(self._patched(bytearray(self._file.read_exactly(offset, length)), offset))

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill *buffer* from *offset*; return the number of bytes."""
        got = self._file.read_into(buffer, offset)
        self._patched(buffer[:got], offset)
        return got

    def _patched(self, data: Patchable, offset: int) -> Patchable:
        for start, patch in self._patches:
            first, last = max(start, offset), min(start + len(patch), offset + len(data))
            if first < last:
                data[first - offset : last - offset] = patch[first - start : last - start]
        return data
