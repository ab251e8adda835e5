"""The command line: verbs, arguments, help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from kamaros_gui import __version__
from kamaros_gui.cli.arguments_content import add_content_verbs
from kamaros_gui.cli.arguments_history import add_history_verbs
from kamaros_gui.cli.arguments_shared import add_verb

__all__ = ["make_parser", "parse_arguments"]

_EPILOG: Final = """\
exit status: 0 done, 1 error, 2 usage, 3 no such file, 4 no such version, 5 integrity failure,
6 finished but some files were skipped, 130 cancelled (the archive is unchanged)
"""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; paths may also stand behind the options, as in ``restore a.jcf -C out photos``.

    By itself argparse takes an optional path for missing as soon as an option comes first. So a verb has one list for
    all its optional paths, what argparse leaves over joins that list, and then the verb names what is in it.

    Args:
        arguments: without the program's name, ``None`` for the process's own.
    """
    options, rest = make_parser().parse_known_args(arguments)
    if rest[:1] == ["--"]:
        rest, unknown = rest[1:], False  # everything behind it is a path, whatever it looks like
    else:
        unknown = any(each.startswith("-") for each in rest)
    if rest and (unknown or not options.more):
        options.usage_error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        getattr(options, options.more).extend(rest)
    options.arrange(options)
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``kamaros``."""
    parser = argparse.ArgumentParser(
        prog="kamaros",
        description="An archiver with a memory: a .jcf file is a ZIP any unzip opens, with versions to go back to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kamaros {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_content_verbs(verbs)
    add_history_verbs(verbs)
    demo = add_verb(verbs, "demo", help="save, change, save again and restore a small tree, and show what happens")
    demo.add_argument("folder", nargs="?", metavar="DIR", help="folder to work in (default: a new temporary one)")
    gui = add_verb(verbs, "gui", help="open the window")
    gui.add_argument("paths", nargs="*", metavar="ARCHIVE | PATH", help="archive to open, or files to save")
    return parser
