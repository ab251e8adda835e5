"""``kamaros``: from arguments to requests, from reports to an exit status."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from kamaros_gui.base.config import JCFConfig, load_config
from kamaros_gui.base.errors import AbortError, KamarosError
from kamaros_gui.cli import verbs_content, verbs_history
from kamaros_gui.cli.exit_status import ExitStatus, status_of
from kamaros_gui.cli.output import Output
from kamaros_gui.cli.parser import parse_arguments
from kamaros_gui.cli.session import Session

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, open_window: Callable[[list[str]], int]) -> int:
    """Run ``kamaros`` with *arguments* (the process's own by default); return its exit status.

    Args:
        arguments: without the program's name.
        open_window: what ``kamaros gui`` does; given from outside, because this layer knows no window.
    """
    _accept_any_text()
    options = parse_arguments(arguments)
    if options.verb == "gui":
        return open_window(options.paths)
    output = Output(json=getattr(options, "json", False), quiet=getattr(options, "quiet", False))
    try:
        with Session(output) as session:
            session.runner.config = load_config(
                overrides={name: getattr(options, name, None) for name in JCFConfig.__struct_fields__}
            )
            status = _VERBS[options.verb](session, options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever reads our output has read enough, as in ``kamaros list … | head``.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.ERROR
    except (KamarosError, KeyboardInterrupt) as error:
        output.error(error if isinstance(error, KamarosError) else AbortError())
        return status_of(error)
    except Exception as error:  # noqa: BLE001 - a fault of the program is told in one line too, not as a traceback
        output.error(
            KamarosError(
                f"An unexpected error stopped the work: {type(error).__name__}: {error}.",
                hint="This is a fault of the program; please report it.",
            )
        )
        return ExitStatus.ERROR


def _accept_any_text() -> None:
    """Let a terminal without Unicode show what it can't as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _demo(session: Session, options: argparse.Namespace) -> int:
    from kamaros_gui.cli.demo import run_demo

    return run_demo(session, options.folder)


_VERBS: Final[dict[str, Callable[[Session, argparse.Namespace], int]]] = {
    "save": verbs_content.save,
    "restore": verbs_content.restore,
    "list": verbs_content.list_,
    "cat": verbs_content.cat,
    "move": verbs_content.move,
    "remove": verbs_content.remove,
    "export": verbs_content.export,
    "import": verbs_content.import_,
    "log": verbs_history.log,
    "diff": verbs_history.diff,
    "tag": verbs_history.tag,
    "forget": verbs_history.forget,
    "compact": verbs_history.compact,
    "stats": verbs_history.stats,
    "verify": verbs_history.verify,
    "demo": _demo,
}
