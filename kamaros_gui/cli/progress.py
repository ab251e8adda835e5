"""Progress of a job on a terminal: a live line where there is one to draw on, nothing otherwise."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Final, Protocol, Self

from kamaros_gui.base.config import format_size
from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.base.texts import display_path
from kamaros_gui.jobs import JobSnapshot

__all__ = ["ProgressDisplay", "make_display"]

_ACTIVITIES: Final = {
    "save": "Saving",
    "move": "Moving",
    "remove": "Removing",
    "import": "Importing",
    "restore": "Restoring",
    "export": "Exporting",
    "read": "Reading",
    "tag": "Tagging",
    "forget": "Forgetting",
    "compact": "Compacting",
    "diff": "Comparing",
    "verify": "Checking",
}
"""Kind of a job → what it does while data moves."""


class ProgressDisplay(Protocol):
    """Shows the progress of one job while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, snapshot: JobSnapshot) -> None:
        """Draw *snapshot*, at the latest when the display is entered."""


def make_display(*, silent: bool) -> ProgressDisplay:
    """Return the display that fits standard error; *silent* for none at all."""
    return _Line() if not silent and sys.stderr.isatty() else _Nothing()


class _Nothing:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, snapshot: JobSnapshot) -> None:
        pass


class _Line:
    """A rich progress bar in permille, so that sizes of any width fit."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[amount]}", markup=False),
            TextColumn("{task.fields[file]}", markup=False, style="dim"),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=10,
        )
        self._task: Any = self._progress.add_task("", total=None, amount="", file="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, snapshot: JobSnapshot) -> None:
        progress = snapshot.progress
        permille = progress.permille
        self._progress.update(
            self._task,
            description=_describe(snapshot),
            total=1000 if permille is not None else None,
            completed=permille or 0,
            amount=_amount(progress),
            file=_shorten(display_path(progress.current_file)),
        )


def _describe(snapshot: JobSnapshot) -> str:
    phase, kind = snapshot.progress.phase, snapshot.kind
    # Most verbs are over before one could read what they begin with.
    begins = phase in {Phase.READING_ARCHIVE, Phase.COUNTING} and kind not in {"save", "restore", "verify"}
    moves = phase in {Phase.WAITING, Phase.TRANSFERRING} or (kind, phase) == ("diff", Phase.VERIFYING)
    if begins or moves:
        return _ACTIVITIES.get(snapshot.kind, "Working")
    return phase.value.capitalize()


def _amount(progress: ProgressSnapshot) -> str:
    if progress.bytes_total is None:
        return f"{progress.files_total:,} files" if progress.files_total else ""
    text = f"{format_size(progress.bytes_done)} / {format_size(progress.bytes_total)}"
    if progress.bytes_per_second:
        text += f"  {format_size(progress.bytes_per_second)}/s"
    if progress.eta_seconds is not None:
        minutes, seconds = divmod(int(progress.eta_seconds), 60)
        text += f"  {minutes}:{seconds:02d} left"
    if progress.chunk_count > 1:
        text += f"  chunk {progress.chunk_index:,} of {progress.chunk_count:,}"
    return text


def _shorten(text: str, width: int = 40) -> str:
    half = width // 2 - 1
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"
