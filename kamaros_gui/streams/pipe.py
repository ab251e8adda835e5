"""Pipe: one running pipe, the holder of both locks.

WHATWG Streams, ReadableStreamPipeTo (section 4.9.1). The pipe sits in the reader's and the writer's place of the two
controllers: it takes a chunk from one queue and puts it into the other. See :func:`kamaros_gui.streams.piping.pipe_to`
for what it promises.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from kamaros_gui.base.abort import AbortSignal, reason_from
from kamaros_gui.base.errors import AbortError
from kamaros_gui.streams.calling import settle_after
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.pumping import Pump
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["Pipe", "PipePromise"]


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


class Pipe(Pump):
    """One running pipe.

    Args:
        source: state machine of an unlocked readable stream.
        dest: state machine of an unlocked writable stream.
        signal: ends the pipe from outside.
        prevent_close, prevent_abort, prevent_cancel: leave a side alone at the end; see ``pipe_to``.
    """

    __slots__ = (
        "_aborted_with",
        "_action",
        "_dest",
        "_error",
        "_prevent_abort",
        "_prevent_cancel",
        "_prevent_close",
        "_shutting_down",
        "_signal",
        "_thread",
        "promise",
    )

    def __init__(
        self,
        source: ReadableController[Any],
        dest: WritableController[Any],
        signal: AbortSignal | None,
        *,
        prevent_close: bool,
        prevent_abort: bool,
        prevent_cancel: bool,
    ) -> None:
        super().__init__(source, dest.write)
        self._thread = threading.get_ident()
        self._dest = dest
        self._signal = signal
        self._prevent_close = prevent_close
        self._prevent_abort = prevent_abort
        self._prevent_cancel = prevent_cancel
        self._shutting_down = False
        self._aborted_with: BaseException | None = None
        self._error: BaseException | None = None
        # What to do with the two sides once all writes are over; taken once.
        self._action: Callable[[], list[Awaitable[Any]]] | None = None
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
        self._end_if_reached()
        if not self._shutting_down:
            self._schedule()

    def abort(self, error: BaseException) -> None:
        """End the pipe with ``error``; a no-op when it is ending already."""
        if self._aborted_with is None:
            self._aborted_with = error
        if self._running:
            self._schedule_end()
        else:
            self._end_if_reached()

    # ----------------------------------------------------------------------- what the controllers call back

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

    def _run(self) -> None:
        if self._shutting_down:
            self._scheduled = False
            self._act_when_written()
        else:
            super()._run()

    def _may_read(self) -> bool:
        source, dest, signal = self._source, self._dest, self._signal
        if signal is not None and signal.aborted and self._aborted_with is None:
            self._aborted_with = signal.error
        if (
            self._aborted_with is not None
            or source.state != "readable"
            or dest.state != "writable"
            or dest.close_request is not None
        ):
            # Not from here: this may be running inside a call of the source or of another pipe.
            self._schedule_end()
            return False
        return not dest.backpressure

    # ---------------------------------------------------------------------------------------------- ending

    def _schedule_end(self) -> None:
        self._loop.call_soon(self._end_if_reached)

    def _end_if_reached(self) -> None:
        """Begin the shutdown if one of the conditions holds; their order is the standard's."""
        source, dest = self._source, self._dest
        if self._shutting_down:
            return
        if self._aborted_with is not None:
            self._shutdown(self._abort_both, self._aborted_with)
        elif source.state == "errored":
            self._shutdown(None if self._prevent_abort else self._abort_dest, source.error_stored)
        elif dest.state == "errored":
            self._shutdown(None if self._prevent_cancel else self._cancel_source, dest.error_stored)
        elif source.state == "closed":
            self._shutdown(None if self._prevent_close else self._close_dest, None)
        elif dest.close_request is not None or dest.state == "closed":
            self._shutdown(
                None if self._prevent_cancel else self._cancel_source,
                TypeError("the destination of the pipe is closed or closing"),
            )

    def _shutdown(self, action: Callable[[], list[Awaitable[Any]]] | None, error: BaseException | None) -> None:
        self._shutting_down = True
        self._source.wanted = False
        self._action = _nothing if action is None else action
        self._error = error
        self._act_when_written()

    def _act_when_written(self) -> None:
        dest = self._dest
        if dest.state == "writable" and dest.close_request is None and not dest.writes_settled:
            return  # on_dest comes with each write
        action, self._action = self._action, None
        if action is not None:
            settle_after(action(), self._finish, self._finish)

    def _abort_dest(self) -> list[Awaitable[Any]]:
        assert self._error is not None  # noqa: S101 - set with the action; for the type checker
        return [self._dest.abort(self._error)]

    def _cancel_source(self) -> list[Awaitable[Any]]:
        assert self._error is not None  # noqa: S101 - set with the action; for the type checker
        return [self._source.cancel(reason_from(self._error))]

    def _close_dest(self) -> list[Awaitable[Any]]:
        dest = self._dest
        if dest.close_request is not None or dest.state == "closed":
            return []
        if dest.state == "errored" and dest.error_stored is not None:
            return [Promise.rejected(dest.error_stored)]
        return [dest.close()]

    def _abort_both(self) -> list[Awaitable[Any]]:
        actions: list[Awaitable[Any]] = []
        if not self._prevent_abort and self._dest.state == "writable":
            actions += self._abort_dest()
        if not self._prevent_cancel and self._source.state == "readable":
            actions += self._cancel_source()
        return actions

    def _finish(self, failure: BaseException | None = None) -> None:
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
        # A loop that is closed has taken the pipe along.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.abort, signal.error)


def _nothing() -> list[Awaitable[Any]]:
    """Leave both sides alone."""
    return []
