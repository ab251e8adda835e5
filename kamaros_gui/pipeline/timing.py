"""Measure how long each stage of a flow is busy, without touching the work itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from kamaros_gui.base.statistics import StageMeter, StageMeters
from kamaros_gui.storage.sources import Submit

__all__ = ["LapTimer", "metered", "timed"]

P = ParamSpec("P")
T = TypeVar("T")


def metered(submit: Submit, meter: StageMeter, lanes: int = 1) -> Submit:
    """Return *submit*, with the time every call takes in its thread noted as work of a stage.

    Args:
        submit: runs functions in threads.
        meter: the stage.
        lanes: threads that do this work side by side.
    """

    def run(function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        return submit(timed(function, meter, lanes), *arguments)

    return run


def timed(function: Callable[P, T], meter: StageMeter, lanes: int = 1) -> Callable[P, T]:
    """Return *function*, with the time every call takes noted as work of a stage; see :func:`metered`."""

    def run(*arguments: P.args, **named: P.kwargs) -> T:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            meter.worked(time.perf_counter() - started, lanes=lanes)

    return run


class LapTimer:
    """Splits the time one thread spends on many small files among the stages. One caller at a time.

    Args:
        stages: where the sums go, with :meth:`report`.
        lanes: threads that do this work side by side.
    """

    def __init__(self, stages: StageMeters, lanes: int) -> None:
        self._stages = stages
        self._lanes = lanes
        self._seconds: dict[str, float] = {}
        self._moved: dict[str, tuple[int, int, int]] = {}
        self._last = time.perf_counter()

    def skip(self) -> None:
        """Let the time since the last lap belong to no stage."""
        self._last = time.perf_counter()

    def lap(self, stage: str, bytes_in: int, bytes_out: int) -> None:
        """Give the time since the last lap to *stage*, which took and gave so many bytes in one piece."""
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now
        pieces, taken, given = self._moved.get(stage, (0, 0, 0))
        self._moved[stage] = pieces + 1, taken + bytes_in, given + bytes_out

    def took(self, stage: str, bytes_in: int) -> None:
        """Note that *stage* took so many bytes more than its laps say."""
        pieces, taken, given = self._moved.get(stage, (0, 0, 0))
        self._moved[stage] = pieces, taken + bytes_in, given

    def report(self) -> None:
        """Add what was measured to the stages."""
        for stage, (pieces, taken, given) in self._moved.items():
            seconds = self._seconds.get(stage, 0.0)
            self._stages[stage].worked(seconds, lanes=self._lanes, bytes_in=taken, bytes_out=given, chunks=pieces)
        self._seconds.clear()
        self._moved.clear()
