"""AbortController and AbortSignal: how one part of a program tells others to stop, from any thread.

Follows the DOM standard (section 3, "Aborting ongoing activities") in Python names. Three things differ from
asyncio's own cancellation, and are why it exists: a signal carries a *reason* that everybody sees as the same
object, it can be watched by many parties, and it may be fired from a thread that runs no event loop.

Rules:

- The first ``abort()`` wins; later ones are ignored and leave the reason alone.
- Listeners run once, synchronously, in the aborting thread, in the order they were added. A listener that has to
  reach an event loop uses ``loop.call_soon_threadsafe``. One that raises is logged and does not stop the others.
- A listener added after the abort is not called: look at ``aborted`` after adding one.
- The reason may be any object, ``None`` too. Nothing here tests it for truth.
"""

# ruff: noqa: SLF001 - signals see into each other: an abort passes from the signals to those derived from them.
from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final, final
from weakref import WeakValueDictionary, ref

from kamaros_gui.base.errors import AbortError, AbortTimeoutError

__all__ = ["AbortController", "AbortListener", "AbortReasonError", "AbortSignal", "exception_from", "reason_from"]

logger = logging.getLogger(__name__)


class AbortReasonError(AbortError):
    """Stands for an abort reason that is no exception and therefore can't be raised itself.

    Args:
        reason: the object given to ``abort()``.
    """

    def __init__(self, reason: object) -> None:
        super().__init__(f"Cancelled: {reason!r}.")
        self.reason = reason


def exception_from(reason: object) -> BaseException:
    """Return ``reason`` itself if it can be raised, else an :class:`AbortReasonError` that carries it.

    ``StopIteration`` is wrapped too: raised inside a coroutine or set on a future it turns into another error.
    """
    if isinstance(reason, BaseException) and not isinstance(reason, StopIteration):
        return reason
    return AbortReasonError(reason)


def reason_from(error: BaseException) -> object:
    """Return the reason that :func:`exception_from` was given."""
    return error.reason if isinstance(error, AbortReasonError) else error


class _Default:
    """Type of the marker for "no reason given"; ``None`` is a reason like any other."""


_DEFAULT: Final = _Default()

# One lock for all signals: firing one signal marks its dependents too, and a lock for each would need an order.
# It is never held while a listener runs. Re-entrant, because the garbage collector may run anything inside it.
_lock = threading.RLock()
_numbers = itertools.count()


@final
class AbortSignal:
    """Tells whether, and why, something is to stop.

    A signal made by calling the class never aborts; one that does comes from a controller, :meth:`abort`,
    :meth:`any` or :meth:`timeout`.
    """

    __slots__ = (
        "__weakref__",
        "_aborted",
        "_dependents",
        "_error",
        "_listeners",
        "_number",
        "_pinned",
        "_reason",
        "_sources",
        "_timer",
    )

    def __init__(self) -> None:
        self._aborted = False
        self._reason: object = None
        self._error: BaseException | None = None
        self._listeners: dict[AbortListener, None] = {}
        self._number = next(_numbers)
        # A signal made by any() holds its sources; they hold it weakly, so that a long-lived signal does not
        # collect every short-lived one derived from it, and strongly only while somebody listens to it.
        self._sources: tuple[AbortSignal, ...] = ()
        self._dependents: WeakValueDictionary[int, AbortSignal] | None = None
        self._pinned: dict[int, AbortSignal] | None = None
        self._timer: _Timer | None = None

    @property
    def aborted(self) -> bool:
        """Whether the abort has happened. Once true it stays true."""
        return self._aborted

    @property
    def reason(self) -> object:
        """What was given to ``abort()``; ``None`` while not aborted (ask :attr:`aborted`, not this)."""
        return self._reason

    def add_listener(self, callback: AbortListener) -> None:
        """Have ``callback(signal)`` called at the abort.

        Adding it twice counts once. After the abort this does nothing: the callback is not called.
        """
        with _lock:
            if self._aborted:
                return
            self._listeners[callback] = None
            for source in self._sources:
                if source._pinned is None:
                    source._pinned = {}
                source._pinned[self._number] = self
                source._keep_if_needed()
            self._keep_if_needed()

    def remove_listener(self, callback: AbortListener) -> None:
        """Take a listener back; one that is not there is ignored."""
        with _lock:
            self._listeners.pop(callback, None)
            if not self._listeners:
                self._unpin()
            self._keep_if_needed()

    def throw_if_aborted(self) -> None:
        """Raise the reason, or an :class:`AbortReasonError` carrying it, if the abort has happened.

        Every call raises the same exception object.
        """
        if self._aborted:
            raise self.error

    @property
    def error(self) -> BaseException:
        """The reason as something that can be raised: always the same object for one signal.

        Raises:
            RuntimeError: the signal is not aborted.
        """
        if self._error is None:
            raise RuntimeError("the signal is not aborted")
        return self._error

    @staticmethod
    def abort(reason: object = _DEFAULT) -> AbortSignal:
        """Return a signal that is already aborted."""
        signal = AbortSignal()
        signal._fire(reason)
        return signal

    @staticmethod
    def any(signals: Iterable[AbortSignal]) -> AbortSignal:
        """Return a new signal that aborts with the first of ``signals`` that does, and with its reason.

        If some are aborted already, the first of them in the given order lends its reason. Without signals it
        never aborts. Dropping the returned signal leaves nothing behind in the others.
        """
        signals = list(signals)
        combined = AbortSignal()
        with _lock:
            sources: dict[int, AbortSignal] = {}
            for signal in signals:
                if signal._aborted:
                    combined._mark(signal._reason, signal.error)
                    return combined
                # A derived signal stands for its sources, so that chains stay one level deep and fire in order.
                for source in signal._sources or (signal,):
                    sources[source._number] = source
            combined._sources = tuple(sources.values())
            for source in combined._sources:
                if source._dependents is None:
                    source._dependents = WeakValueDictionary()
                source._dependents[combined._number] = combined
        return combined

    @staticmethod
    def timeout(seconds: float) -> AbortSignal:
        """Return a signal that aborts with an ``AbortTimeoutError`` after ``seconds``.

        The listeners run on the event loop running now, or, where none is running, in a thread of their own. A signal
        that nobody holds or listens to any more takes its timer and thread along.

        Raises:
            ValueError: ``seconds`` is negative or NaN.
        """
        if not seconds >= 0:
            raise ValueError(f"a timeout can't be {seconds} seconds")
        signal = AbortSignal()
        signal._timer = _Timer(signal, seconds)
        return signal

    def _fire(self, reason: object) -> None:
        with _lock:
            if self._aborted:
                return
            error = exception_from(AbortError() if reason is _DEFAULT else reason)
            given = reason_from(error)
            dependents = list(self._dependents.values()) if self._dependents is not None else []
            self._mark(given, error)
            # All of them are marked before the first listener runs, so that nobody sees half an abort.
            fired = [signal for signal in dependents if not signal._aborted]
            for signal in fired:
                signal._mark(given, error)
            self._dependents = self._pinned = None
        self._call_listeners()
        for signal in fired:
            signal._call_listeners()

    def _mark(self, reason: object, error: BaseException) -> None:
        # In this order: other threads look at the flag without the lock, and then expect the rest.
        self._reason = reason
        self._error = error
        self._aborted = True
        for source in self._sources:
            assert source._dependents is not None  # noqa: S101 - any() has put this signal there; for the type checker
            source._dependents.pop(self._number, None)
        self._unpin()
        self._sources = ()

    def _unpin(self) -> None:
        for source in self._sources:
            if source._pinned is not None:
                source._pinned.pop(self._number, None)
                source._keep_if_needed()

    def _keep_if_needed(self) -> None:
        """Live until the timeout while somebody listens, here or to a signal derived from this one."""
        if self._timer is not None:
            self._timer.kept = self if self._listeners or self._pinned else None

    def _call_listeners(self) -> None:
        # Taken one by one, so that a listener removed by an earlier one is not called any more.
        while True:
            with _lock:
                if not self._listeners:
                    return
                callback = next(iter(self._listeners))
                del self._listeners[callback]
            try:
                callback(self)
            except Exception:
                logger.exception("An abort listener failed")


AbortListener = Callable[[AbortSignal], object]


class _Timer:
    """Fires a signal after a time, unless the signal is gone by then.

    It knows the signal weakly, so a signal that is dropped before its time ends the timer at once. This may happen in
    the garbage collection of any thread, in the midst of anything: nothing it calls takes a lock that could be held.
    """

    __slots__ = ("kept", "signal")

    def __init__(self, signal: AbortSignal, seconds: float) -> None:
        self.kept: AbortSignal | None = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            gate = threading.Lock()
            gate.acquire()
            self.signal = ref(signal, lambda _gone: gate.release())
            threading.Thread(target=self._wait, args=(gate, seconds), name="kamaros-timeout", daemon=True).start()
        else:
            handle = loop.call_later(seconds, self._fire)
            self.signal = ref(signal, lambda _gone: _cancel(loop, handle))

    def _wait(self, gate: threading.Lock, seconds: float) -> None:
        if not gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            self._fire()

    def _fire(self) -> None:
        signal = self.signal()
        self.kept = None
        if signal is not None:
            signal._fire(AbortTimeoutError())


def _cancel(loop: asyncio.AbstractEventLoop, handle: asyncio.TimerHandle) -> None:
    with contextlib.suppress(RuntimeError):  # a closed loop has dropped its timers
        loop.call_soon_threadsafe(handle.cancel)


@final
class AbortController:
    """Owns one signal and may fire it."""

    __slots__ = ("_signal",)

    def __init__(self) -> None:
        self._signal = AbortSignal()

    @property
    def signal(self) -> AbortSignal:
        """The signal to hand out; always the same object."""
        return self._signal

    def abort(self, reason: object = _DEFAULT) -> None:
        """Fire the signal with ``reason``, an ``AbortError`` if none is given. Only the first call counts.

        Returns when all listeners have run. Callable from any thread; if two call at once, the one that comes
        second may return before the listeners have run.
        """
        self._signal._fire(reason)
