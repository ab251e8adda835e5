"""pipe_to: move chunks from a readable to a writable stream, without a task and without a future per chunk.

WHATWG Streams, ReadableStreamPipeTo. The pipe sits in the reader's and the writer's place of the two controllers: it
takes a chunk from one queue and puts it into the other in a plain loop. It stops when the source has nothing, when
the destination has no room, and after a time slice, so that aborts and other pipes get their turn. Whoever it waits
for calls it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kamaros_gui.base.abort import AbortSignal, reason_from
from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams.promise import Promise, settle_after
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.writable_controller import WritableController

if TYPE_CHECKING:
    from kamaros_gui.streams.readable import ReadableStream
    from kamaros_gui.streams.writable import WritableStream

__all__ = ["SLICE_SECONDS", "Pipe", "PipePromise", "pipe_to"]

T = TypeVar("T")

SLICE_SECONDS: Final = 0.001
"""How long a pipe may run in one go before the event loop gets its turn."""

_NOTHING: Final[Any] = object()


class PipePromise(Promise[None]):
    """The outcome of a pipe. Unlike other promises it takes its work along: a cancelled waiter aborts the pipe."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe: Pipe | None = pipe

    def abort(self, error: BaseException) -> None:
        """End the pipe with ``error``, as its signal would; a no-op when it is ending already."""
        if self._pipe is not None:
            self._pipe.abort(error)

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield from super().__await__()
        except asyncio.CancelledError:
            if self.pending:
                self.abort(AbortError())
                # The streams are let go only when both sides have settled: the waiter must not go on before.
                with contextlib.suppress(AbortError):
                    yield from super().__await__()
            raise

    def _wake(self) -> None:
        # The pipe holds this promise: without the cycle, sinks and buffers are freed as soon as the last user goes.
        self._pipe = None
        super()._wake()


def pipe_to(
    source: ReadableStream[T],
    dest: WritableStream[T],
    *,
    prevent_close: bool = False,
    prevent_abort: bool = False,
    prevent_cancel: bool = False,
    signal: AbortSignal | None = None,
) -> Promise[None]:
    """Move every chunk of ``source`` into ``dest``; both are locked until the promise settles.

    The pipe starts at once, awaited or not. Nothing is read while ``dest`` has no room. Shutting down waits for the
    chunks already read to be written. Then, in this order of precedence:

    - source failed: ``dest`` is aborted with its error, the promise fails with it;
    - dest failed: ``source`` is cancelled with its error, the promise fails with it;
    - source ended: ``dest`` is closed, the promise is fulfilled;
    - dest closed: ``source`` is cancelled with a ``TypeError``, the promise fails with it;
    - ``signal`` aborted, before any of these: ``dest`` is aborted, then ``source`` cancelled, with the signal's reason,
      and the promise fails with it.

    A task that is cancelled while it awaits the promise aborts the pipe and waits for it to settle.

    Args:
        source: unlocked, or the promise fails with ``TypeError``.
        dest: unlocked, or the promise fails with ``TypeError``.
        prevent_close: leave ``dest`` open when the source ends.
        prevent_abort: leave ``dest`` usable when the source fails or the signal is aborted.
        prevent_cancel: leave ``source`` usable when the destination fails or closes or the signal is aborted.
        signal: ends the pipe from outside, from any thread.
    """
    if not is_signal(signal):
        return Promise.rejected(TypeError("signal must be an AbortSignal"))
    if source.locked or dest.locked:
        return Promise.rejected(TypeError("pipe_to needs two unlocked streams"))
    pipe = Pipe(source.controller, dest.controller, signal)
    pipe.prevent_close = prevent_close
    pipe.prevent_abort = prevent_abort
    pipe.prevent_cancel = prevent_cancel
    pipe.start()
    return pipe.promise


def is_signal(signal: object) -> bool:
    """Whether something may be given as a pipe's signal."""
    return signal is None or isinstance(signal, AbortSignal)


class Pipe:
    """One running pipe: the holder of both locks."""

    __slots__ = (
        "_aborted_with",
        "_action",
        "_chunk",
        "_dest",
        "_error",
        "_loop",
        "_running",
        "_scheduled",
        "_shutting_down",
        "_signal",
        "_source",
        "_thread",
        "prevent_abort",
        "prevent_cancel",
        "prevent_close",
        "promise",
    )

    def __init__(
        self, source: ReadableController[Any], dest: WritableController[Any], signal: AbortSignal | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._source = source
        self._dest = dest
        self._signal = signal
        self._chunk: Any = _NOTHING
        self._running = False
        self._scheduled = False
        self._shutting_down = False
        self._aborted_with: BaseException | None = None
        self._error: BaseException | None = None
        self._action: Callable[[], list[Awaitable[Any]]] | None = None
        self.prevent_close = False
        self.prevent_abort = False
        self.prevent_cancel = False
        self.promise = PipePromise(self)

    def start(self) -> None:
        """Lock both streams and begin."""
        self._source.acquire(self)
        self._dest.acquire(self)
        self._source.disturbed = True
        if self._signal is not None:
            self._signal.add_listener(self._on_signal)
            if self._signal.aborted:
                self._aborted_with = self._signal.error
        if not self._end_reached():
            self._schedule()

    def abort(self, error: BaseException) -> None:
        """End the pipe with ``error``; a no-op when it is ending already."""
        if self._aborted_with is None:
            self._aborted_with = error
        if self._running:
            self._schedule_end()
        else:
            self._end_reached()

    # ----------------------------------------------------------------------- what the controllers call back

    def on_chunk(self, chunk: Any) -> None:
        """Take the chunk that was asked for, and move on, unless the loop below is what asked."""
        self._chunk = chunk
        if not self._running:
            self._pump()

    def on_source(self) -> None:
        """Note that the source ended. What follows comes from the event loop, not from inside the source's call."""
        self._schedule()

    def on_backpressure(self, backpressure: bool) -> None:
        """Go on when there is room again."""
        if not backpressure:
            self._schedule()

    def on_dest(self) -> None:
        """Note that the destination wrote a chunk, failed or closed."""
        if self._shutting_down or self._dest.state != "writable" or self._source.state != "readable":
            self._schedule()

    # ----------------------------------------------------------------------------------------------- moving

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._shutting_down:
            self._act_when_written()
        elif not self._running:
            self._pump()

    def _pump(self) -> None:
        source, dest, signal = self._source, self._dest, self._signal
        queue = source.queue
        until = perf_counter() + SLICE_SECONDS
        self._running = True
        while True:
            # A chunk that was read is written, whatever happened meanwhile.
            if self._chunk is not _NOTHING:
                chunk, self._chunk = self._chunk, _NOTHING
                dest.write(chunk, None)
                if perf_counter() > until:
                    self._schedule()
                    break
            if signal is not None and signal.aborted and self._aborted_with is None:
                self._aborted_with = signal.error
            if self._aborted_with is not None or source.state != "readable" or dest.state != "writable" or dest.closing:
                # Not from here: this may be running inside a call of the source or of another pipe.
                self._schedule_end()
                break
            if dest.backpressure:
                break
            if queue:
                self._chunk = source.take()
                continue
            if source.wanted:
                break  # asked already: the chunk will come to on_chunk
            source.wanted = True
            source.pull_if_needed()
            if self._chunk is _NOTHING:
                # If the source has just ended, on_source has scheduled the next look.
                break
        self._running = False

    def _schedule_end(self) -> None:
        if not self._shutting_down:
            self._loop.call_soon(self._end_reached)

    # ---------------------------------------------------------------------------------------------- ending

    def _end_reached(self) -> bool:
        """Begin the shutdown if one of the conditions holds; their order is the standard's."""
        source, dest = self._source, self._dest
        if self._shutting_down:
            return True
        if self._aborted_with is not None:
            self._shutdown(self._abort_both, self._aborted_with)
        elif source.state == "errored":
            self._shutdown(None if self.prevent_abort else self._abort_dest, source.error_stored)
        elif dest.state == "errored":
            self._shutdown(None if self.prevent_cancel else self._cancel_source, dest.error_stored)
        elif source.state == "closed":
            self._shutdown(None if self.prevent_close else self._close_dest, None)
        elif dest.closing or dest.state == "closed":
            self._shutdown(
                None if self.prevent_cancel else self._cancel_source,
                TypeError("the destination of the pipe is closed or closing"),
            )
        return self._shutting_down

    def _shutdown(self, action: Callable[[], list[Awaitable[Any]]] | None, error: BaseException | None) -> None:
        self._shutting_down = True
        self._source.wanted = False
        self._action = action
        self._error = error
        self._act_when_written()

    def _act_when_written(self) -> None:
        dest = self._dest
        if dest.state == "writable" and not dest.closing and not dest.writes_settled:
            return  # on_dest comes with each write
        if self.promise.pending and self._shutting_down:
            action, self._action = self._action, _none_left
            if action is _none_left:
                return
            settle_after([] if action is None else action(), self._finish, self._finish_failed)

    def _abort_dest(self) -> list[Awaitable[Any]]:
        assert self._error is not None  # noqa: S101 - set with the action; for the type checker
        return [self._dest.abort(self._error)]

    def _cancel_source(self) -> list[Awaitable[Any]]:
        assert self._error is not None  # noqa: S101 - set with the action; for the type checker
        return [self._source.cancel(reason_from(self._error))]

    def _close_dest(self) -> list[Awaitable[Any]]:
        dest = self._dest
        if dest.closing or dest.state == "closed":
            return []
        if dest.state == "errored" and dest.error_stored is not None:
            return [Promise.rejected(dest.error_stored)]
        return [dest.close()]

    def _abort_both(self) -> list[Awaitable[Any]]:
        actions: list[Awaitable[Any]] = []
        if not self.prevent_abort and self._dest.state == "writable":
            actions += self._abort_dest()
        if not self.prevent_cancel and self._source.state == "readable":
            actions += self._cancel_source()
        return actions

    def _finish(self) -> None:
        self._finish_failed(None)

    def _finish_failed(self, failure: BaseException | None) -> None:
        self._source.release()
        self._dest.release()
        if self._signal is not None:
            self._signal.remove_listener(self._on_signal)
        error = self._error if failure is None else failure
        if error is None:
            self.promise.resolve(None)
        else:
            self.promise.reject(error)

    def _on_signal(self, signal: AbortSignal) -> None:
        if threading.get_ident() == self._thread:
            self.abort(signal.error)
            return
        try:
            self._loop.call_soon_threadsafe(self.abort, signal.error)
        except RuntimeError:
            # The loop is closed, and the pipe with it.
            return


def _none_left() -> list[Awaitable[Any]]:
    """Mark that the action of the shutdown has been taken."""
    return []
