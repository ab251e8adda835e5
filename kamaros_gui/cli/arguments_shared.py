"""What the arguments of several verbs have in common."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from kamaros_gui.base.config import parse_size
from kamaros_gui.base.errors import ConfigError

__all__ = [
    "Verbs",
    "add_author",
    "add_engine",
    "add_output",
    "add_stats",
    "add_verb",
    "add_version",
    "days",
    "positive",
    "size",
]

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - the type has no public name
"""What verbs are added to."""


def _as_they_are(_options: argparse.Namespace) -> None:
    pass


def add_verb(
    verbs: Verbs,
    name: str,
    *,
    more: str = "",
    arrange: Callable[[argparse.Namespace], None] = _as_they_are,
    **described: Any,
) -> argparse.ArgumentParser:
    """Add a verb and return its parser.

    Args:
        verbs: where to add it.
        name: the verb.
        more: the list of the options that plain arguments behind an option belong to, empty for none; argparse leaves
            those over.
        arrange: checks the options once they are complete, and gives the plain ones among them their names; calls
            ``options.usage_error`` for what does not go together.
        described: help, description and usage, as argparse takes them.
    """
    parser = verbs.add_parser(name, **described)
    parser.set_defaults(more=more, arrange=arrange, usage_error=parser.error)
    return parser


def add_version(parser: argparse.ArgumentParser, *, default: str | None = "HEAD", note: str = "") -> None:
    """Add ``--version V``."""
    parser.add_argument(
        "--version", dest="wanted", default=default, metavar="V", help=f"id, unique prefix, tag, HEAD or HEAD~2{note}"
    )


def add_author(parser: argparse.ArgumentParser) -> None:
    """Add what is recorded with a new version."""
    parser.add_argument("-m", "--message", default="", help="what this version is")
    parser.add_argument("--author", default="", metavar="NAME", help="who made it")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the engine that any verb with content has."""
    parser.add_argument(
        "--chunk-size",
        type=size,
        metavar="SIZE",
        help="bytes per chunk, a power of two from 4K to 16M (default: as in the settings, 64K)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="threads that hash and compress, 1-64, or 0 for one per CPU (default: as in the settings, 0)",
    )


def add_stats(parser: argparse.ArgumentParser) -> None:
    """Add ``--stats``."""
    parser.add_argument(
        "--stats",
        action="store_true",
        help="also show what each stage did, and which one was the bottleneck: bytes in and out, chunks, queue fill and"
        " limit, time waited for input and output, time busy, speed while busy (K, M, G: powers of 1024 bytes)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add how results are printed."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def size(text: str) -> int:
    """Read a size in bytes, for argparse."""
    try:
        return parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """Read a whole number from 1 on, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a whole number from 1 on")
    return int(text)


def days(text: str) -> float:
    """Read a number of days, whole or not, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of days, such as 30 or 0.5")
    return number
