"""pipe_to: move chunks from a readable to a writable stream (WHATWG Streams, section 4.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.streams.pipe import Pipe
from kamaros_gui.streams.promise import Promise

if TYPE_CHECKING:
    from kamaros_gui.streams.readable import ReadableStream
    from kamaros_gui.streams.writable import WritableStream

__all__ = ["is_signal", "pipe_to"]

T = TypeVar("T")


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
    pipe = Pipe(
        source.controller,
        dest.controller,
        signal,
        prevent_close=prevent_close,
        prevent_abort=prevent_abort,
        prevent_cancel=prevent_cancel,
    )
    pipe.start()
    return pipe.promise


def is_signal(signal: object) -> bool:
    """Whether something may be given as a pipe's signal."""
    return signal is None or isinstance(signal, AbortSignal)
