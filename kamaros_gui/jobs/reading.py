"""Read one file of an archive into an open binary file, as fast as that takes it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import stat
import time
from collections.abc import Callable
from typing import BinaryIO, Final

from kamaros_gui.archive import JCFManager, Workers
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import DiskFullError, StorageError
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.jobs.reports import ReadReport
from kamaros_gui.jobs.requests import ReadRequest

__all__ = ["read_into"]

Buffer = bytes | bytearray | memoryview

_STEP: Final = 4096
"""Bytes a pipe that says it is writable takes without waiting (PIPE_BUF of Linux)."""

_PATIENCE_MS: Final = 50
"""How long a writer waits for its reader before it looks whether the job was cancelled."""


async def read_into(manager: JCFManager, request: ReadRequest, workers: Workers, control: RunControl) -> ReadReport:
    """Write the file that *request* names into its output; see :class:`ReadRequest`.

    Backpressure: the next chunk is asked for when the one before was written; about 3 MiB are held at most. An abort
    stops within 100 ms, also where the reader of a pipe takes nothing; what was written before stays written.

    Raises:
        AbortError: *control* was aborted (or whatever its reason is).
        NotFoundError, VersionNotFoundError, ArchiveError: there is no such file.
        IntegrityError: the content is not what was saved; what was written up to then is not to be trusted.
        DiskFullError, StorageError: the output can't be written.
    """
    started, progress = time.monotonic(), control.progress
    output = _Output(request.output, control.signal)
    progress.start()

    def adopt_totals(snapshot: ProgressSnapshot) -> None:
        progress.bytes_total, progress.files_total = snapshot.bytes_total, snapshot.files_total

    try:
        stream = await manager.open_file(request.path, request.version, signal=control.signal, on_progress=adopt_totals)
        progress.phase, progress.current_file = Phase.TRANSFERRING, request.path
        complete = True
        async with contextlib.aclosing(stream.values()) as chunks:
            async for chunk in chunks:
                await control.checkpoint()
                complete = await workers.io(output.take, chunk)
                control.signal.throw_if_aborted()  # of a chunk that an abort cut short, nothing counts
                if not complete:
                    break
                progress.add_chunk(memoryview(chunk).nbytes)
    finally:
        # A stream that was aborted errors at once, and a thread may still read the archive for it.
        await manager.close()
        progress.finish()
    progress.files_done = int(complete)
    return ReadReport(request.path, output.written, complete, time.monotonic() - started)


class _Output:
    """Writes into a binary file, in worker threads, one call at a time.

    A call that waits for the reader of a pipe can't be taken back. What may have to wait is therefore written in pieces
    that the system is known to have room for, and the abort is looked at in between.

    Args:
        output: the file.
        signal: ends the waiting.

    Attributes:
        written: bytes the file has taken.
    """

    def __init__(self, output: BinaryIO, signal: AbortSignal) -> None:
        # A raw file that never waits returns None where it has no room; the stubs know only files that wait.
        self._write: Callable[[memoryview], int | None] = output.write
        self._signal = signal
        self._poll = _poll_of(output)
        self.written = 0

    def take(self, chunk: Buffer) -> bool:
        """Write *chunk*, unless the abort comes first; false when nobody reads the other end any more. Blocks.

        Raises:
            DiskFullError, StorageError: the file can't be written.
        """
        rest = memoryview(chunk).cast("B")
        try:
            while rest and not self._signal.aborted:
                rest = rest[self._write_some(rest) :]
        except BrokenPipeError:
            return False
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            kind = DiskFullError if error.errno in {errno.ENOSPC, errno.EDQUOT} else StorageError
            raise kind(f"The output can't be written: {reason}.", hint="Write it to another place.") from error
        return True

    def _write_some(self, rest: memoryview) -> int:
        if self._poll is None:
            count = self._write(rest)
            taken = len(rest) if count is None else count  # not every object that takes everything says so
        elif self._poll.poll(_PATIENCE_MS):
            taken = self._write(rest[:_STEP]) or 0
        else:
            taken = 0
        self.written += taken
        return taken


def _poll_of(output: BinaryIO) -> select.poll | None:
    """Return what tells when *output* has room; ``None`` where nothing can, or needs to, tell."""
    try:
        number = output.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            return None
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None
    if not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return poll
