"""When Python looks for reference cycles: on the GUI thread, often and in small helpings.

Left alone, the collector runs in whichever thread allocates, where it may destroy a Qt object outside the GUI thread.
One pass holds the interpreter for about 0.1 ms per thousand objects it visits, so what counts is that few are due: new
ones are visited before many have come together, and a full pass is taken the more seldom the longer it takes.
"""

from __future__ import annotations

import gc
import time
from typing import Final

from PySide6.QtCore import QObject, QTimer

__all__ = ["GarbageKeeper"]

_QUIET_MS: Final = 1000
_HURRY_MS: Final = 40
_YOUNG: Final = 5_000
"""So many new objects are visited at once, in well under a millisecond."""
_FULL_EVERY_SECONDS: Final = 15.0
_FULL_SHARE: Final = 1 / 20_000
"""Share of the time that full passes may take: one of 50 ms is followed by a quarter of an hour without."""


class GarbageKeeper(QObject):
    """Takes the place of Python's automatic collection until :meth:`stop`.

    Args:
        parent: owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        gc.disable()
        gc.freeze()
        self._next_full = time.monotonic() + _FULL_EVERY_SECONDS
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(_QUIET_MS)

    def hurry(self) -> None:
        """Look often until :meth:`set_aside`: a listing is on its way, with many objects for each of its rows."""
        self._timer.start(_HURRY_MS)

    def set_aside(self) -> None:
        """Exempt everything alive now from later passes: the listing is complete, or will not come.

        What is exempt still goes when its last reference goes.
        """
        self._timer.start(_QUIET_MS)
        gc.collect(1)
        gc.freeze()

    def look(self) -> None:
        """Look for cycles if many objects are new. Called while jobs run, where a second may bring 100,000 of them."""
        if gc.get_count()[0] > _YOUNG:
            gc.collect(1)

    def collect(self) -> None:
        """Look for cycles among the newer objects, and sometimes among all."""
        started = time.monotonic()
        if started < self._next_full or self._timer.interval() == _HURRY_MS:
            gc.collect(1)
            return
        gc.collect(2)
        ended = time.monotonic()
        self._next_full = ended + max(_FULL_EVERY_SECONDS, (ended - started) / _FULL_SHARE)

    def stop(self) -> None:
        """Give collection back to Python, if it had it before."""
        self._timer.stop()
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()
