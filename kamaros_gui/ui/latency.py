"""How long the GUI thread is away from its event loop: a 5 ms timer that notes the gaps between its ticks."""

from __future__ import annotations

import json
import os
import time

from PySide6.QtCore import QObject, Qt, QTimer

__all__ = ["LatencyProbe"]

_PERIOD_MS = 5
_LONG_GAP_SECONDS = 0.05


class LatencyProbe(QObject):
    """Records the gaps between the ticks of a 5 ms timer and writes a summary as JSON.

    Args:
        path: file that receives the summary.
        parent: owner.
    """

    def __init__(self, path: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_PERIOD_MS)

    @classmethod
    def from_environment(cls, parent: QObject | None = None) -> LatencyProbe | None:
        """Return a running probe when ``KAMAROS_LATENCY_LOG`` names a file, otherwise ``None``."""
        path = os.environ.get("KAMAROS_LATENCY_LOG")
        return cls(path, parent) if path else None

    def reset(self) -> None:
        """Forget what was measured so far."""
        self._gaps.clear()
        self._last = time.perf_counter()

    def summary(self) -> dict[str, float]:
        """Return count, p50, p99.9 and worst gap, all gaps in milliseconds."""
        gaps = sorted(self._gaps) or [0.0]
        return {
            "ticks": len(self._gaps),
            "p50_ms": round(gaps[len(gaps) // 2] * 1000, 2),
            "p99.9_ms": round(gaps[min(len(gaps) - 1, int(len(gaps) * 0.999))] * 1000, 2),
            "worst_ms": round(gaps[-1] * 1000, 2),
            "over_50_ms": sum(gap > _LONG_GAP_SECONDS for gap in gaps),
        }

    def finish(self) -> None:
        """Stop and write the summary."""
        self._timer.stop()
        with open(self._path, "w", encoding="utf-8") as file:
            json.dump(self.summary(), file)
            file.write("\n")

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.append(now - self._last)
        self._last = now
