"""Composition root: the only place that knows both the terminal and the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["gui_main", "main"]

_CANCELLED = 130

_WINDOW_HINT = (
    "The window needs Qt's system libraries; packaging/run.sh installs them on Debian. Everything can also be done in"
    " the terminal: kamaros --help"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kamaros``; return the exit status."""
    try:
        from kamaros_gui.cli.main import main as run_cli

        return run_cli(arguments, open_window=open_window)
    except KeyboardInterrupt:  # before there was a job to cancel
        return _CANCELLED


def gui_main() -> int:
    """Run ``kamaros-gui [ARCHIVE | PATH…]``; return the exit status."""
    return main(["gui", *sys.argv[1:]])


def open_window(paths: list[str]) -> int:
    """Show the window with *paths*; return the exit status once it is closed."""
    try:
        from kamaros_gui.ui.application import run
    except ImportError as error:
        print(f"kamaros: The window can't be opened: {error}. {_WINDOW_HINT}", file=sys.stderr)  # noqa: T201
        return 1
    return run(paths)
