"""tee: split a readable stream in two, with a bound on what the slower branch may hold.

The standard's ``tee()`` (WHATWG Streams, ReadableStreamDefaultTee) follows the faster branch and lets the queue of the
slower one grow without limit. Here the source is read only while *both* branches hold less than the bound, so a
stalled branch holds the other one back and memory stays flat. A cancelled branch no longer counts.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kamaros_gui.streams.piping import SLICE_SECONDS
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.queuing import SizeOf, byte_length
from kamaros_gui.streams.readable_controller import ReadableController

if TYPE_CHECKING:
    from kamaros_gui.streams.readable import ReadableStream

__all__ = ["DEFAULT_BOUND", "tee"]

T = TypeVar("T")

DEFAULT_BOUND: Final = 1024 * 1024
"""Bytes one branch may be ahead of the other."""

_NOTHING: Final[Any] = object()


def tee(
    stream: ReadableStream[T], bound: int = DEFAULT_BOUND, *, size: SizeOf | None = None
) -> tuple[ReadableStream[T], ReadableStream[T]]:
    """Split ``stream``, which stays locked, in two that get the same chunk objects.

    The source is read when a branch is empty or has a reader waiting, and neither branch holds ``bound`` or more. So a
    branch holds less than ``bound`` plus one chunk. Cancelling one branch lets the other run on; its promise settles
    when the source has ended or the other one is cancelled too, which cancels the source with both reasons in a list.

    Args:
        stream: unlocked.
        bound: what one branch may be ahead, in bytes, or in the units of ``size``.
        size: size of a chunk; its bytes by default.

    Raises:
        TypeError: the stream is locked.
        ValueError: the bound is not positive.
    """
    from kamaros_gui.streams.readable import ReadableStream

    if not bound > 0:
        raise ValueError(f"the bound of a tee must be positive, not {bound}")
    splitter = _Tee(stream.controller, bound, byte_length if size is None else size)
    first, second = splitter.branches
    return ReadableStream(controller=first), ReadableStream(controller=second)


class _Branch(ReadableController[Any]):
    """One branch. With a high-water mark of the smallest size it wants a chunk when it is empty."""

    __slots__ = ("_tee",)

    def __init__(self, splitter: _Tee, index: int, size: SizeOf) -> None:
        super().__init__(_BranchSource(splitter, index), 1, size)
        self._tee = splitter

    def take(self) -> Any:
        chunk = super().take()
        # The other branch may have been waiting for this one to catch up.
        self._tee.look_again()
        return chunk


class _BranchSource:
    def __init__(self, splitter: _Tee, index: int) -> None:
        self._tee = splitter
        self._index = index

    def pull(self, controller: ReadableController[Any]) -> None:
        self._tee.serve(controller)

    def cancel(self, reason: object) -> Promise[None]:
        return self._tee.cancel(self._index, reason)


class _Tee:
    """Holds the source's lock and feeds both branches."""

    def __init__(self, source: ReadableController[Any], bound: int, size: SizeOf) -> None:
        source.acquire(self)
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._bound = bound
        self._chunk: Any = _NOTHING
        self._running = False
        self._scheduled = False
        self._starved = False
        self._live = [True, True]
        self._reasons: list[object] = [None, None]
        self._cancelled: Promise[None] = Promise()
        self.branches = (_Branch(self, 0, size), _Branch(self, 1, size))
        for branch in self.branches:
            branch.started_by(None)
        if source.state != "readable":
            self._schedule()

    # ----------------------------------------------------------------------- what the controllers call back

    def on_chunk(self, chunk: Any) -> None:
        """Take the chunk that was asked for."""
        self._chunk = chunk
        if not self._running:
            self._read(None)

    def on_source(self) -> None:
        """End both branches like the source, which has ended."""
        if not self._running:
            self._end()

    def serve(self, branch: ReadableController[Any]) -> None:
        """Read one chunk for a branch that wants one.

        One only: whoever reads the branch is further up the stack and comes back for more, while the other branch's
        reader would run on alone from here.
        """
        if self._running:
            return
        self._read(branch)
        if not self._source.wanted and any(self._wants()):
            self._schedule()

    def look_again(self) -> None:
        """Note that a branch has more room than before."""
        if self._starved:
            self._schedule()

    def cancel(self, index: int, reason: object) -> Promise[None]:
        """Let a branch go; when it is the last one, cancel the source."""
        self._live[index] = False
        self._reasons[index] = reason
        if any(self._live):
            self._schedule()
            return self._cancelled
        if self._source.state == "readable":
            outcome = self._source.cancel(self._reasons)
            outcome.add_reaction(self._cancelled.resolve, self._cancelled.reject)
        return self._cancelled

    # -------------------------------------------------------------------------------------------- internals

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if not self._running:
            self._read(None)

    def _wants(self) -> list[bool]:
        return [live and branch.should_pull() for live, branch in zip(self._live, self.branches, strict=True)]

    def _may_read(self) -> bool:
        wanted, room = False, True
        for live, branch in zip(self._live, self.branches, strict=True):
            if live:
                wanted = wanted or branch.should_pull()
                room = room and branch.queue_size < self._bound
        self._starved = wanted and not room
        return wanted and room

    def _read(self, only_for: ReadableController[Any] | None) -> None:
        source = self._source
        until = perf_counter() + SLICE_SECONDS
        self._running = True
        while True:
            if self._chunk is not _NOTHING:
                chunk, self._chunk = self._chunk, _NOTHING
                self._deliver(chunk)
                if only_for is not None:
                    break
                if perf_counter() > until:
                    self._schedule()
                    break
            if source.state != "readable" or not self._may_read():
                break
            source.disturbed = True
            if source.queue:
                self._chunk = source.take()
                continue
            if source.wanted:
                break  # asked already: the chunk will come to on_chunk
            source.wanted = True
            source.pull_if_needed()
            if self._chunk is _NOTHING:
                break
        self._running = False
        if source.state != "readable":
            self._end()

    def _deliver(self, chunk: Any) -> None:
        for live, branch in zip(self._live, self.branches, strict=True):
            if live and branch.can_enqueue():
                try:
                    branch.enqueue(chunk)
                except (TypeError, ValueError) as error:
                    # The chunk has no size: both branches fail with it, and the source is told.
                    self._fail(error)
                    return

    def _end(self) -> None:
        source = self._source
        if source.error_stored is not None:
            for branch in self.branches:
                branch.fail(source.error_stored)
            self._cancelled.resolve(None)
        elif source.state == "closed":
            for branch in self.branches:
                branch.close_if_possible()
            if any(self._live):
                self._cancelled.resolve(None)

    def _fail(self, error: BaseException) -> None:
        for branch in self.branches:
            branch.fail(error)
        outcome = self._source.cancel(error)
        outcome.add_reaction(self._cancelled.resolve, self._cancelled.reject)
