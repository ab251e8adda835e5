"""Watches the jobs of the engine: one timer, ten times a second, and only while there is something to see."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from kamaros_gui.jobs.snapshots import JobSnapshot
from kamaros_gui.ui.engine import Engine

__all__ = ["JobsWatch"]

_PERIOD_MS = 100


class JobsWatch(QObject):
    """Polls the engine and hands its snapshots on.

    Signals:
        updated: new snapshots of all jobs, oldest first.

    Args:
        engine: what to poll.
        parent: owner.
    """

    updated = Signal(object)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._snapshots: tuple[JobSnapshot, ...] = ()
        self._stopped = False
        self._timer = QTimer(self)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """What the last poll saw."""
        return self._snapshots

    @property
    def active(self) -> bool:
        """Whether the timer runs."""
        return self._timer.isActive()

    def wake(self) -> None:
        """Look now, and go on looking until every job has ended; does nothing after :meth:`stop`."""
        if self._stopped:  # a job that ends while the program does is nobody's news, and the timer may be gone
            return
        if not self._timer.isActive():
            self._timer.start()
        self.poll()

    def poll(self) -> None:
        """Look once; stop the timer when nothing will change any more."""
        self._snapshots = self._engine.snapshots()
        if all(snapshot.finished for snapshot in self._snapshots):
            self._timer.stop()
        self.updated.emit(self._snapshots)

    def stop(self) -> None:
        """Look no more, for good."""
        self._stopped = True
        self._timer.stop()
