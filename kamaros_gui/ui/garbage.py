"""When Python looks for reference cycles: on the GUI thread, in quiet moments, and never inside a large archive.

Left alone, the collector runs in whichever thread allocates. There it may destroy a Qt object outside the GUI thread,
and with 50,000 entries in memory one full pass holds the interpreter for 100 ms.
"""

from __future__ import annotations

import gc
from typing import Final

from PySide6.QtCore import QObject, QTimer

__all__ = ["GarbageKeeper"]

_PERIOD_MS: Final = 1000
_FULL_EVERY: Final = 15
"""Every so many rounds the oldest generation is looked at too."""
_BULK: Final = 30_000
"""More new objects than this are a listing or a manifest on its way; it will be set aside once it is complete."""
_PATIENCE: Final = 20
"""Rounds a bulk is waited for."""


class GarbageKeeper(QObject):
    """Takes the place of Python's automatic collection until :meth:`stop`.

    Args:
        parent: owner.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._round = 0
        self._waited = 0
        gc.disable()
        gc.freeze()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(_PERIOD_MS)

    def set_aside(self) -> None:
        """Exempt everything alive now from later passes. It still goes when its last reference goes."""
        gc.freeze()
        self._waited = 0

    def collect(self) -> None:
        """Look for cycles, unless something large is being built."""
        if gc.get_count()[0] > _BULK and self._waited < _PATIENCE:
            self._waited += 1
            return
        self._waited = 0
        self._round += 1
        gc.collect(2 if self._round % _FULL_EVERY == 0 else 1)

    def stop(self) -> None:
        """Give collection back to Python."""
        self._timer.stop()
        gc.unfreeze()
        gc.enable()
