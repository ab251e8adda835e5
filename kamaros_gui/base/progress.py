"""Progress: counters that the engine adds to, frozen snapshots that everybody else reads.

The counters have one writer, the engine thread; readers on any thread take a :class:`ProgressSnapshot`.
Nothing is signalled per chunk: who wants to show progress polls, ten times a second is plenty.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
import time
from collections import deque

__all__ = ["Phase", "ProgressCounters", "ProgressSnapshot", "RateMeter"]


class Phase(enum.StrEnum):
    """What a job is doing at the moment."""

    WAITING = "waiting"
    COUNTING = "counting"
    READING_ARCHIVE = "reading archive"
    TRANSFERRING = "transferring"
    COMMITTING = "committing"
    VERIFYING = "verifying"
    COMPACTING = "compacting"
    CLEANING_UP = "cleaning up"
    FINISHED = "finished"


@dataclasses.dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """Progress of one job at one moment.

    Attributes:
        phase: what is going on.
        current_file: path of the file in work, empty when there is none.
        bytes_done: content bytes moved so far; equal to ``bytes_total`` before the commit, so only the job's state
            DONE means finished.
        bytes_total: content bytes to move, ``None`` while they are being counted.
        files_done: files finished.
        files_total: files to do, ``None`` while they are being counted.
        chunk_index: chunks of the current file moved so far.
        chunk_count: chunks the current file has.
        bytes_written: bytes written to the target so far.
        bytes_per_second: speed over the last seconds.
        eta_seconds: time left, ``None`` until it is stable.
        elapsed_seconds: time since the job started, pauses included.
    """

    phase: Phase = Phase.WAITING
    current_file: str = ""
    bytes_done: int = 0
    bytes_total: int | None = None
    files_done: int = 0
    files_total: int | None = None
    chunk_index: int = 0
    chunk_count: int = 0
    bytes_written: int = 0
    bytes_per_second: float = 0.0
    eta_seconds: float | None = None
    elapsed_seconds: float = 0.0

    @property
    def permille(self) -> int | None:
        """Share done, 0–1000, or ``None`` while the total is not known. Fits a 32-bit progress bar at any size."""
        if self.bytes_total is None:
            return None
        if self.bytes_total == 0:
            return 1000 if self.phase is Phase.FINISHED else 0
        return min(1000, self.bytes_done * 1000 // self.bytes_total)


class RateMeter:
    """Speed over a sliding window, and the time left once the speed is stable. Safe on any thread.

    Args:
        window: length of the window in seconds.
        settle: seconds that must have been observed before a time left is told.
    """

    def __init__(self, window: float = 4.0, settle: float = 1.5) -> None:
        self._window = window
        self._settle = settle
        self._samples: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def observe(self, now: float, amount: int) -> float:
        """Note that *amount* bytes were done at *now* (seconds); return the speed in bytes per second."""
        with self._lock:
            samples = self._samples
            samples.append((now, amount))
            while len(samples) > 2 and now - samples[1][0] > self._window:
                samples.popleft()
            started, before = samples[0]
            return max(0.0, (amount - before) / (now - started)) if now > started else 0.0

    def eta(self, rate: float, remaining: int) -> float | None:
        """Seconds left for *remaining* bytes at *rate*, ``None`` while that would be a guess."""
        with self._lock:
            observed = self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0
        return remaining / rate if rate > 0 and observed >= self._settle else None


class ProgressCounters:
    """What one job has done so far. Written by the engine thread only, read through :meth:`snapshot`."""

    def __init__(self) -> None:
        self.phase = Phase.WAITING
        self.current_file = ""
        self.bytes_done = 0
        self.bytes_total: int | None = None
        self.files_done = 0
        self.files_total: int | None = None
        self.chunk_index = 0
        self.chunk_count = 0
        self.bytes_written = 0
        self._started: float | None = None
        self._ended: float | None = None
        self._meter = RateMeter()

    def start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def finish(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()
        self.phase = Phase.FINISHED

    def begin_file(self, path: str, size: int, chunk_size: int) -> None:
        """Note that *path* of *size* bytes is now in work."""
        self.current_file = path
        self.chunk_index = 0
        self.chunk_count = max(1, -(-size // chunk_size))

    def add_chunk(self, size: int) -> None:
        """Count one chunk of *size* bytes of the current file."""
        self.bytes_done += size
        self.chunk_index += 1
        self.chunk_count = max(self.chunk_count, self.chunk_index)

    def add_files(self, files: int, size: int) -> None:
        """Count *files* finished files with *size* bytes that were moved outside the chunk path."""
        self.files_done += files
        self.bytes_done += size

    def snapshot(self) -> ProgressSnapshot:
        """Return a frozen picture of the counters; callable from any thread."""
        now = self._ended or time.monotonic()
        done, total = self.bytes_done, self.bytes_total
        rate = self._meter.observe(now, done) if self._started is not None and self._ended is None else 0.0
        elapsed = now - self._started if self._started is not None else 0.0
        if self._ended is not None and elapsed > 0:
            rate = done / elapsed
        return ProgressSnapshot(
            phase=self.phase,
            current_file=self.current_file,
            bytes_done=done,
            bytes_total=total,
            files_done=self.files_done,
            files_total=self.files_total,
            chunk_index=self.chunk_index,
            chunk_count=self.chunk_count,
            bytes_written=self.bytes_written,
            bytes_per_second=rate,
            eta_seconds=self._meter.eta(rate, max(0, total - done)) if total is not None and rate else None,
            elapsed_seconds=elapsed,
        )
