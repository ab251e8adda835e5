"""The asyncio loop that runs on Qt's event loop: the only file that knows qasync.

Modal loops (``exec()``) would kill waiting tasks, so dialogs are opened with ``open()`` and awaited; a closed
window does not stop the loop, the end of ``main`` does.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
import socket
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

# PySide6 must be imported before qasync, which otherwise picks whichever Qt binding it finds first.
from PySide6.QtCore import QSocketNotifier, qWarning
from PySide6.QtWidgets import QApplication

os.environ["QT_API"] = "pyside6"

import qasync  # the order is the point, see above

__all__ = ["async_slot", "new_event_loop", "on_signals", "run", "set_error_handler", "spawn"]

_P = ParamSpec("_P")
_Self = TypeVar("_Self")

_tasks: set[asyncio.Task[Any]] = set()
_error_handlers: list[Callable[[BaseException], None]] = []


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an asyncio loop on the running :class:`QApplication`, with plain threads as its executor."""
    application = QApplication.instance()
    if application is None:
        raise RuntimeError("A QApplication must exist before its event loop.")
    QApplication.setQuitOnLastWindowClosed(False)
    loop: asyncio.AbstractEventLoop = qasync.QEventLoop(application)
    # The executor that qasync brings leaves a future pending for ever when its worker raises a BaseException.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=4, thread_name_prefix="kamaros-ui"))
    return loop


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run *main* on Qt's event loop and return its result once it is over."""
    # asyncio.run takes a loop_factory only from Python 3.12 on.
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())


def set_error_handler(handler: Callable[[BaseException], None] | None) -> None:
    """Choose who is told about an exception that ends a spawned task; ``None`` goes back to Qt's log."""
    _error_handlers.clear()
    if handler is not None:
        _error_handlers.append(handler)


def spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start *work* as a task that is kept alive until it ends and whose exception reaches the user."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_finished)
    return task


def async_slot(
    function: Callable[Concatenate[_Self, _P], Coroutine[Any, Any, Any]],
) -> Callable[..., None]:
    """Make a coroutine method usable as a Qt slot.

    The slot takes as many arguments of the signal as the method has parameters, drops the others (such as the
    ``checked`` of ``triggered``), and returns at once.
    """
    parameters = list(inspect.signature(function).parameters.values())[1:]
    variadic = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    positional = sum(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)

    @functools.wraps(function)
    def start(self: Any, *arguments: Any, **keywords: Any) -> None:
        spawn(function(self, *(arguments if variadic else arguments[:positional]), **keywords))

    return start


def on_signals(callback: Callable[[], None]) -> Callable[[], None]:
    """Call *callback* on the GUI thread when the process is asked to end (SIGINT, SIGTERM).

    Python runs a signal handler only between two of its own instructions, and an idle Qt loop executes none: the
    wake-up descriptor ends that sleep.

    Returns:
        a function that puts the former handlers back.
    """
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.settimeout(0)  # never block
    former_descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    notifier = QSocketNotifier(reading.fileno(), QSocketNotifier.Type.Read)

    def awake(*_: object) -> None:
        try:
            numbers = reading.recv(64)
        except BlockingIOError:
            return
        if signal.SIGINT in numbers or signal.SIGTERM in numbers:
            callback()

    notifier.activated.connect(awake)

    def undo() -> None:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(former_descriptor)
        for number, handler in former.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()

    return undo


def _finished(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is None:
        return
    if _error_handlers:
        _error_handlers[0](error)
    else:
        qWarning("".join(traceback.format_exception(error)))
