"""FileSystemAdapter: all the archive and the pipeline know of files.

A temporary area, atomic writes and streams, built on the primitives of a place, the same for every place.
"""

from __future__ import annotations

from kamaros_gui.base.limits import DEFAULT_CHUNK_SIZE
from kamaros_gui.storage.file_streams import AtomicFileSink, FileSource
from kamaros_gui.storage.primitives import FilePrimitives
from kamaros_gui.storage.sources import Submit, in_default_threads
from kamaros_gui.storage.staging import StagingFolder

__all__ = ["FileSystemAdapter"]


class FileSystemAdapter(FilePrimitives):
    """A place for files.

    The two stream methods give *underlying* sources and sinks in the sense of the WHATWG Streams standard, sections 4.2
    and 5.2, so that this layer needs no stream class: ``ReadableStream(files.read_file_stream(path))`` is a stream.
    """

    def temporary_area(self, folder: str) -> StagingFolder:
        """Make a hidden, locked folder inside *folder*, for files that are to be renamed into it.

        Leftovers of processes that died are removed first. Blocks.

        Raises:
            StorageError: *folder* can't be written.
        """
        return StagingFolder(self, folder)

    def read_file_stream(
        self,
        path: str,
        *,
        offset: int = 0,
        length: int | None = None,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        submit: Submit = in_default_threads,
    ) -> FileSource:
        """Return the underlying source that reads *path*.

        The file is opened when the stream starts and closed when it ends, fails or is cancelled. At most two slabs of
        1 MiB are read ahead; nothing is read while the stream's queue is full.

        Args:
            path: the file.
            offset: first byte.
            length: bytes to read, ``None`` for all up to the end.
            chunk_size: bytes per chunk; the last one may be shorter.
            submit: runs the blocking calls.

        The stream errors with:
            NotFoundError, StorageError: the file can't be opened or read.
        """
        return FileSource(self, path, offset=offset, length=length, chunk_size=chunk_size, submit=submit)

    def write_file_stream(
        self,
        path: str,
        *,
        replace: bool = True,
        mode: int = 0o644,
        mtime_ns: int | None = None,
        sync: bool = True,
        submit: Submit = in_default_threads,
    ) -> AtomicFileSink:
        """Return the underlying sink that writes *path*, all of it or nothing.

        Chunks go to a temporary area beside *path*, in batches, one being written while the next is gathered; that is
        the backpressure. Closing the stream renames the file to its name. Until then *path* is as it was, and after an
        abort or an error nothing is left. Only where the folder can't be synced after the rename (*sync*) does the
        close fail although the file is there.

        Args:
            path: the file; its folder must exist.
            replace: whether a file of that name is replaced; otherwise the close fails with StorageError.
            mode: permission bits.
            mtime_ns: modification time, nanoseconds since the epoch; ``None`` for the present.
            sync: whether closing waits until file and name are safe from a power cut.
            submit: runs the blocking calls.

        The stream errors with:
            DiskFullError: the volume is full.
            StorageError: the file can't be written.
        """
        return AtomicFileSink(self, path, replace=replace, mode=mode, mtime_ns=mtime_ns, sync=sync, submit=submit)
