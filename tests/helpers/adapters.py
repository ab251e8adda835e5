"""Places for files that fail, stall or die where a test wants it, around a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from kamaros_gui.base.errors import KamarosError, NotFoundError, StorageError
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.primitives import Buffer, FileStatus, NewFile, OpenMode, RandomAccess

__all__ = [
    "CLEANING_UP",
    "FailingAdapter",
    "SlowAdapter",
    "Step",
    "WrappingAdapter",
    "names",
    "read_file",
    "write_file",
]

T = TypeVar("T")

CLEANING_UP = frozenset({"file.close", "new.close", "new.discard", "delete", "delete_tree"})
"""Steps after whose failure something may have to be left."""

READS = frozenset({"file.read", "file.read_into", "file.read_exactly", "read_whole"})
WRITES = frozenset({"file.write", "new.append"})


class Step(NamedTuple):
    """One primitive that was called: its name, with ``file.`` or ``new.`` before those of open files, and a path."""

    name: str
    path: str


class WrappingAdapter(FileSystemAdapter):
    """Hands everything on to another place, through :meth:`_call`; so do the files it opens.

    Attributes:
        inner: the other place.
    """

    def __init__(self, inner: FileSystemAdapter) -> None:
        self.inner = inner
        self._open: dict[int, WrappedFile | WrappedNewFile] = {}

    @property
    def open_files(self) -> list[str]:
        """Paths of the files that are open now, sorted."""
        return sorted(file.path for file in list(self._open.values()))

    def _call(self, step: Step, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return function(*arguments, **named)

    def _do(self, name: str, path: str, *arguments: Any, **named: Any) -> Any:
        return self._call(Step(name, path), getattr(self.inner, name), path, *arguments, **named)

    def _opened(self, file: RandomAccess) -> RandomAccess:
        wrapped = WrappedFile(self, file)
        self._open[id(wrapped)] = wrapped
        return wrapped

    def find(self, path: str) -> FileStatus | None:
        return self._do("find", path)

    def stat(self, path: str) -> FileStatus:
        return self._do("stat", path)

    def exists(self, path: str) -> bool:
        return self._do("exists", path)

    def list(self, folder: str) -> Iterator[tuple[str, FileStatus | StorageError | NotFoundError]]:
        return self._do("list", folder)

    def absolute(self, path: str) -> str:
        return self.inner.absolute(path)

    def resolve(self, path: str) -> str:
        return self._do("resolve", path)

    def open(self, path: str, mode: OpenMode = "r") -> RandomAccess:
        return self._opened(self._do("open", path, mode))

    def read_whole(self, path: str, limit: int) -> tuple[bytes, FileStatus]:
        return self._do("read_whole", path, limit)

    def read_link(self, path: str) -> bytes:
        return self._do("read_link", path)

    def create(self, path: str) -> NewFile:
        wrapped = WrappedNewFile(self, self._do("create", path))
        self._open[id(wrapped)] = wrapped
        return wrapped

    def make_link(self, path: str, target: bytes, mtime_ns: int) -> None:
        self._do("make_link", path, target, mtime_ns)

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        self._do("make_folder", path, mode)

    def set_attributes(self, path: str, mode: int, mtime_ns: int) -> None:
        self._do("set_attributes", path, mode, mtime_ns)

    def rename(self, source: str, destination: str, *, replace: bool = True) -> None:
        self._do("rename", source, destination, replace=replace)

    def delete(self, path: str) -> None:
        self._do("delete", path)

    def delete_tree(self, path: str) -> None:
        self._do("delete_tree", path)

    def sync_folder(self, path: str) -> None:
        self._do("sync_folder", path)

    def lock(self, path: str, *, create: bool = True) -> RandomAccess | None:
        file = self._do("lock", path, create=create)
        return None if file is None else self._opened(file)

    def free_space(self, path: str) -> int:
        return self._do("free_space", path)

    def volume(self, path: str) -> str:
        return self._do("volume", path)

    def folds_case(self, folder: str) -> bool:
        return self._do("folds_case", folder)


class _Wrapped:
    kind = ""

    def __init__(self, adapter: WrappingAdapter, file: Any) -> None:
        self._adapter = adapter
        self.inner = file

    @property
    def path(self) -> str:
        return self.inner.path

    def _do(self, name: str, *arguments: Any, **named: Any) -> Any:
        step = Step(f"{self.kind}.{name}", self.path)
        return self._adapter._call(step, getattr(self.inner, name), *arguments, **named)

    def close(self) -> None:
        try:
            self._do("close")
        finally:
            self._gone()

    def _gone(self) -> None:
        """A file is closed even where closing it fails, as with a system call."""
        self.inner.close()
        self._adapter._open.pop(id(self), None)


class WrappedFile(_Wrapped):
    kind = "file"

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def status(self) -> FileStatus:
        return self._do("status")

    def size(self) -> int:
        return self._do("size")

    def read(self, offset: int, length: int) -> bytes:
        return self._do("read", offset, length)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        return self._do("read_into", buffer, offset)

    def read_exactly(self, offset: int, length: int) -> bytes:
        return self._do("read_exactly", offset, length)

    def write(self, offset: int, parts: Sequence[Buffer]) -> int:
        return self._do("write", offset, parts)

    def truncate(self, size: int) -> None:
        self._do("truncate", size)

    def sync(self, *, data_only: bool = False) -> None:
        self._do("sync", data_only=data_only)

    def set_modified(self, mtime_ns: int) -> None:
        self._do("set_modified", mtime_ns)


class WrappedNewFile(_Wrapped):
    kind = "new"

    @property
    def size(self) -> int:
        return self.inner.size

    def append(self, parts: Sequence[Buffer]) -> None:
        self._do("append", parts)

    def finish(self, mode: int, mtime_ns: int, *, sync: bool = False) -> None:
        self._do("finish", mode, mtime_ns, sync=sync)
        self._gone()

    def discard(self) -> None:
        try:
            self._do("discard")
        finally:
            self._gone()


class FailingAdapter(WrappingAdapter):
    """Counts the steps, from 0, and fails at one of them, before it happens.

    A step is a call of a primitive, on the place or on an open file. A write that fails has written half of its bytes.
    To try every step: count them with ``fail_at=-1``, then run again for each number below :attr:`count`.

    Args:
        inner: a real place.
        fail_at: number of the step that fails; -1 for none.
        error: what it raises; by default a StorageError that names step and path.
        forever: whether all later steps fail too, cleaning up included.
        counted: names of the steps that are counted and may fail; all by default.
        left_out: names of steps that are neither counted nor fail, such as :data:`CLEANING_UP`.
        on_step: called with the number of every counted step, on the thread it happens on, before it happens.

    Attributes:
        steps: what was counted, in order.
        failed: the step that failed first.
    """

    def __init__(
        self,
        inner: FileSystemAdapter,
        fail_at: int = -1,
        error: KamarosError | None = None,
        *,
        forever: bool = False,
        counted: Collection[str] | None = None,
        left_out: Collection[str] = (),
        on_step: Callable[[int], object] | None = None,
    ) -> None:
        super().__init__(inner)
        self.steps: list[Step] = []
        self.failed: Step | None = None
        self._fail_at = fail_at
        self._error = error
        self._forever = forever
        self._counted = counted
        self._left_out = left_out
        self._on_step = on_step
        self._lock = threading.Lock()
        self._dead = False

    @property
    def count(self) -> int:
        """Steps so far."""
        return len(self.steps)

    def die(self) -> None:
        """End like the process that owns it: its files are closed, its locks given back, nothing is cleaned up.

        Whatever still runs gets errors.
        """
        self._dead = True
        for file in list(self._open.values()):
            file._gone()

    def _call(self, step: Step, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if self._dead:
            raise StorageError(f"The owner died before {step.name} of {step.path}.", path=step.path)
        if (self._counted is not None and step.name not in self._counted) or step.name in self._left_out:
            return function(*arguments, **named)
        with self._lock:
            number = len(self.steps)
            self.steps.append(step)
            fails = number == self._fail_at or (self._forever and 0 <= self._fail_at <= number)
            if fails and self.failed is None:
                self.failed = step
        if self._on_step is not None:
            self._on_step(number)
        if fails:
            if step.name in WRITES:
                *place, parts = arguments
                data = b"".join(parts)
                function(*place, [data[: len(data) // 2]])
            raise self._error or StorageError(f"Step {number}, {step.name}, of {step.path} fails.", path=step.path)
        return function(*arguments, **named)


class SlowAdapter(WrappingAdapter):
    """Holds reads and writes of content, before they happen, while the gate of their kind is shut.

    Args:
        inner: a real place.
        timeout: seconds after which a held call gives up and fails the test.

    Attributes:
        read_gate, write_gate: open at first; ``clear()`` shuts, ``set()`` opens.
        stalled: calls that are held now.
        bytes_read, bytes_written: content that went through.
        largest_read: bytes of the largest read.
    """

    def __init__(self, inner: FileSystemAdapter, *, timeout: float = 30) -> None:
        super().__init__(inner)
        self.read_gate = threading.Event()
        self.write_gate = threading.Event()
        self.read_gate.set()
        self.write_gate.set()
        self.stalled = 0
        self.bytes_read = 0
        self.bytes_written = 0
        self.largest_read = 0
        self._timeout = timeout
        self._lock = threading.Lock()

    def _call(self, step: Step, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if step.name in READS:
            self._pass(self.read_gate)
            result = function(*arguments, **named)
            got = result if isinstance(result, int) else len(result[0] if isinstance(result, tuple) else result)
            with self._lock:
                self.bytes_read += got
                self.largest_read = max(self.largest_read, got)
            return result
        if step.name in WRITES:
            self._pass(self.write_gate)
            result = function(*arguments, **named)
            with self._lock:
                self.bytes_written += sum(map(len, arguments[-1]))
            return result
        return function(*arguments, **named)

    def _pass(self, gate: threading.Event) -> None:
        with self._lock:
            self.stalled += 1
        try:
            assert gate.wait(self._timeout), "nobody opened the gate"
        finally:
            with self._lock:
                self.stalled -= 1


def write_file(files: FileSystemAdapter, path: str, content: bytes = b"") -> None:
    """Make a file."""
    file = files.open(path, "x")
    try:
        file.write(0, [content])
    finally:
        file.close()


def read_file(files: FileSystemAdapter, path: str) -> bytes:
    """Return the content of a file."""
    file = files.open(path)
    try:
        return file.read(0, file.size())
    finally:
        file.close()


def names(files: FileSystemAdapter, folder: str) -> list[str]:
    """Return the names in a folder, sorted."""
    return [name for name, _status in files.list(folder)]
