"""tee: split a readable stream in two, with a bound on what the slower branch may hold.

The standard's ``tee()`` (WHATWG Streams, ReadableStreamDefaultTee) follows the faster branch and lets the queue of the
slower one grow without limit. Here the source is read only while *both* branches hold less than the bound, so a
stalled branch holds the other one back and memory stays flat. A cancelled branch no longer counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.pumping import Pump
from kamaros_gui.streams.queuing import SizeOf, byte_length
from kamaros_gui.streams.readable_controller import ReadableController

if TYPE_CHECKING:
    from kamaros_gui.streams.readable import ReadableStream

__all__ = ["DEFAULT_BOUND", "tee"]

T = TypeVar("T")

DEFAULT_BOUND: Final = 1024 * 1024
"""Bytes one branch may be ahead of the other."""


def tee(
    stream: ReadableStream[T], bound: int = DEFAULT_BOUND, *, size: SizeOf | None = None
) -> tuple[ReadableStream[T], ReadableStream[T]]:
    """Split ``stream``, which stays locked, in two that get the same chunk objects.

    The source is read when a branch is empty or has a reader waiting, and neither branch holds ``bound`` or more. So a
    branch holds less than ``bound`` plus one chunk. Cancelling one branch lets the other run on; its promise settles
    when the source has ended or the other one is cancelled too, which cancels the source with both reasons in a list.

    A source that does not read ahead is asked for its end like for a chunk, so a branch sees the end only when the
    other one holds less than the bound.

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

    def pull(self, _controller: object) -> None:
        self._tee.serve()

    def cancel(self, reason: object) -> Promise[None]:
        return self._tee.cancel(self._index, reason)


class _Tee(Pump):
    """Holds the source's lock and feeds both branches."""

    __slots__ = ("_bound", "_cancelled", "_live", "_reasons", "_starved", "branches")

    def __init__(self, source: ReadableController[Any], bound: int, size: SizeOf) -> None:
        super().__init__(source, self._feed)
        source.acquire(self)
        self._bound = bound
        self._starved = False
        self._reasons: list[object] = [None, None]
        self._cancelled: Promise[None] = Promise()
        self.branches = (_Branch(self, 0, size), _Branch(self, 1, size))
        self._live: tuple[_Branch, ...] = self.branches  # those not cancelled
        for branch in self.branches:
            branch.started_by(None)
        if source.state != "readable":
            self._schedule()

    # ----------------------------------------------------------------------- what the controllers call back

    def on_source(self) -> None:
        """End both branches like the source, which has ended."""
        if self._running:
            self._schedule()
        else:
            self._end()

    def serve(self) -> None:
        """Read one chunk for a branch that wants one.

        One only: whoever reads the branch is further up the stack and comes back for more, while the other branch's
        reader would run on alone from here.
        """
        if self._running:
            return
        self._pump(one_chunk=True)
        if not self._source.wanted and self._wanted():
            self._schedule()

    def look_again(self) -> None:
        """Note that a branch has more room than before."""
        if self._starved:
            self._schedule()

    def cancel(self, index: int, reason: object) -> Promise[None]:
        """Let a branch go; when it is the last one, cancel the source."""
        cancelled = self.branches[index]
        self._live = tuple(branch for branch in self._live if branch is not cancelled)
        self._reasons[index] = reason
        if self._live:
            self._schedule()
        else:
            outcome = self._source.cancel(self._reasons)
            outcome.add_reaction(self._cancelled.resolve, self._cancelled.reject)
        return self._cancelled

    # -------------------------------------------------------------------------------------------- internals

    def _run(self) -> None:
        super()._run()
        if self._source.state != "readable":
            self._end()

    def _wanted(self) -> bool:
        for branch in self._live:  # noqa: SIM110 - half the time of any(), for every chunk
            if branch.should_pull():
                return True
        return False

    def _may_read(self) -> bool:
        source = self._source
        if source.state != "readable":
            return False
        bound = self._bound
        room = True
        for branch in self._live:
            if branch.queue_size >= bound:
                room = False
        wanted = self._wanted()
        self._starved = wanted and not room
        if wanted and room:
            source.disturbed = True
            return True
        return False

    def _feed(self, chunk: Any) -> None:
        for branch in self._live:
            if branch.can_enqueue():
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
        else:
            for branch in self.branches:
                branch.close_if_possible()
        if self._live:  # else the outcome of the source's cancel is what both cancels get
            self._cancelled.resolve(None)

    def _fail(self, error: BaseException) -> None:
        for branch in self.branches:
            branch.fail(error)
        outcome = self._source.cancel(error)
        outcome.add_reaction(self._cancelled.resolve, self._cancelled.reject)
