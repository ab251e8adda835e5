"""What a file system in memory is made of: files, folders and links on one volume.

Whoever calls anything here holds :attr:`Volume.lock`, and raises and catches plain ``OSError`` as with a real disk.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat
import threading
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from kamaros_gui.storage.primitives import Buffer, FileKind, FileStatus

__all__ = ["FileNode", "FolderNode", "LinkNode", "Node", "Volume", "os_error"]


def os_error(number: int) -> OSError:
    """Return the error the operating system would raise; Python chooses its class by *number*."""
    return OSError(number, os.strerror(number))


class Volume:
    """Identity, clock and room that all nodes of one file system share.

    Args:
        capacity: bytes of content over all files, ``None`` for as much as there is memory.

    Attributes:
        lock: held by whoever looks at nodes or changes them, and never while anything else is called.
        name: how the volume is called in messages.
        device: number that no real device has (those are not negative, or fit into 32 bits) and no other volume.
        used: bytes of content, deleted files that are still open included.
    """

    name: Final = "memory"

    def __init__(self, capacity: int | None) -> None:
        if capacity is not None and capacity < 0:
            raise ValueError(f"a capacity of {capacity} bytes is negative")
        self.lock = threading.Lock()
        self.device = -(1 << 32) - secrets.randbits(62)
        self.used = 0
        self._capacity = capacity
        self._inodes = itertools.count(1)
        self._now = 0

    @property
    def free(self) -> int:
        """Bytes that may still be written; a very large number where the capacity is not limited."""
        return 1 << 62 if self._capacity is None else max(0, self._capacity - self.used)

    def new_inode(self) -> int:
        """Return a number no node had before."""
        return next(self._inodes)

    def now(self) -> int:
        """Return the time, never the same twice: every change of a file can be told by its times."""
        self._now = max(time.time_ns(), self._now + 1)
        return self._now


class Node:
    """What a name stands for."""

    __slots__ = ("ctime_ns", "inode", "mode", "mtime_ns", "named", "volume")

    kind: ClassVar[FileKind] = "other"

    def __init__(self, volume: Volume, mode: int) -> None:
        self.volume = volume
        self.mode = mode
        self.inode = volume.new_inode()
        self.mtime_ns = self.ctime_ns = volume.now()
        self.named = True

    @property
    def size(self) -> int:
        """Bytes of a file, 0 otherwise."""
        return 0

    def status(self) -> FileStatus:
        """Return what is known of it."""
        return FileStatus(self.kind, self.size, self.mtime_ns, self.ctime_ns, self.mode, self.volume.device, self.inode)

    def changed(self) -> None:
        """Note that the content changed."""
        self.mtime_ns = self.ctime_ns = self.volume.now()

    def set_attributes(self, mode: int | None, mtime_ns: int) -> None:
        """Set permission bits, where given, and modification time."""
        if mode is not None:
            self.mode = stat.S_IFMT(self.mode) | mode & 0o777
        self.ctime_ns = self.volume.now()
        self.mtime_ns = mtime_ns

    def unnamed(self) -> None:
        """Note that it has no name any more."""
        self.named = False
        self.ctime_ns = self.volume.now()


class LinkNode(Node):
    """A symbolic link."""

    __slots__ = ("target",)

    kind: ClassVar[FileKind] = "symlink"

    def __init__(self, volume: Volume, target: bytes) -> None:
        super().__init__(volume, stat.S_IFLNK | 0o777)
        self.target = target


class FolderNode(Node):
    """A folder."""

    __slots__ = ("children",)

    kind: ClassVar[FileKind] = "directory"

    def __init__(self, volume: Volume, mode: int) -> None:
        super().__init__(volume, stat.S_IFDIR | mode & 0o777)
        self.children: dict[str, Node] = {}

    def add(self, name: str, node: Node) -> None:
        """Give *node* a name here that is free, or takes the place of another node."""
        if (former := self.children.get(name)) is not None:
            former.unnamed()
        self.children[name] = node
        self.changed()

    def remove(self, name: str) -> Node:
        """Take a name away; return what had it."""
        node = self.children.pop(name)
        node.unnamed()
        self.changed()
        return node


class FileNode(Node):
    """A file.

    Its content lasts as long as it has a name or is open. A ``bytearray`` grows at its end without being copied each
    time, and no view of it outlives a call, so its length can always be changed.

    Attributes:
        content: as it is.
        opened: how often it is open.
        locked: whether one of those who opened it holds its lock.
    """

    __slots__ = ("content", "locked", "opened")

    kind: ClassVar[FileKind] = "file"

    def __init__(self, volume: Volume, mode: int) -> None:
        super().__init__(volume, stat.S_IFREG | mode & 0o777)
        self.content = bytearray()
        self.opened = 0
        self.locked = False

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.content)

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        """Write *parts* at *offset* as far as there is room; return the number of bytes."""
        end = self.size + self.volume.free
        done = 0
        with contextlib.suppress(MemoryError, OverflowError):  # memory is what this volume is full of then
            for part in parts:
                fits = min(len(part), end - offset - done)
                if fits <= 0 < len(part):
                    break
                self._put(offset + done, memoryview(part).cast("B")[:fits])
                done += fits
                if fits < len(part):
                    break
        if done:
            self.changed()
        return done

    def resize(self, size: int) -> bool:
        """Cut it, or add zeros; return whether there is room for that."""
        if size - self.size > self.volume.free:
            return False
        before = self.size
        try:
            if size > before:
                self.content += bytes(size - before)
            else:
                del self.content[size:]
        except (MemoryError, OverflowError):
            return False
        self.volume.used += self.size - before
        self.changed()
        return True

    def unnamed(self) -> None:
        """Note that it has no name any more."""
        super().unnamed()
        self.forget_unreachable()

    def forget_unreachable(self) -> None:
        """Give the room back when nobody can reach the content any more."""
        if not self.named and not self.opened:
            self.volume.used -= self.size
            self.content = bytearray()

    def _put(self, offset: int, data: memoryview) -> None:
        before = self.size
        if offset > before and len(data):
            self.content += bytes(offset - before)
        inside = min(len(data), max(0, self.size - offset))
        # Through a view: a bytearray would first copy what is assigned to a slice of it.
        memoryview(self.content)[offset : offset + inside] = data[:inside]
        self.content += data[inside:]
        self.volume.used += self.size - before
