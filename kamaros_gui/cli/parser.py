"""The command line: verbs, arguments, help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from kamaros_gui import __version__
from kamaros_gui.base.config import CODECS, parse_size
from kamaros_gui.base.errors import ConfigError

__all__ = ["make_parser", "parse_arguments"]

_EPILOG: Final = """\
exit status: 0 done, 1 error, 2 usage, 3 no such file, 4 no such version, 5 integrity failure,
6 finished but some files were skipped, 130 cancelled (the archive is unchanged)
"""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; paths may also stand behind the options, as in ``restore a.jcf -C out photos``.

    By itself argparse takes an optional path for missing as soon as an option comes first.

    Args:
        arguments: without the program's name, ``None`` for the process's own.
    """
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest[:1] == ["--"]:
        rest, unknown = rest[1:], False  # everything behind it is a path, whatever it looks like
    else:
        unknown = any(each.startswith("-") for each in rest)
    if rest and not unknown and options.verb == "restore":
        options.paths += rest
    elif len(rest) == 1 and not unknown and options.verb == "log" and not options.path:
        options.path = rest[0]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
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
    _add_save(verbs)
    _add_restore(verbs)
    _add_readers(verbs)
    demo = verbs.add_parser("demo", help="save, change, save again and restore a small tree, and show what happens")
    demo.add_argument("folder", nargs="?", metavar="DIR", help="folder to work in (default: a new temporary one)")
    gui = verbs.add_parser("gui", help="open the window")
    gui.add_argument("paths", nargs="*", metavar="ARCHIVE | PATH", help="archive to open, or files to save")
    return parser


_Verbs = argparse._SubParsersAction  # noqa: SLF001 - argparse gives the type no public name


def _add_save(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    save = verbs.add_parser(
        "save",
        help="add files and folders as one new version",
        description="Save files and folders as one new version. PATH is stored under its own last name; photos/. stands"
        " for what is in photos.",
    )
    save.add_argument("archive", metavar="ARCHIVE", help="the .jcf file; made when it does not exist")
    save.add_argument("paths", nargs="+", metavar="PATH", help="files and folders to save")
    save.add_argument("-m", "--message", default="", help="what this version is")
    save.add_argument("--author", default="", metavar="NAME", help="who made it")
    save.add_argument("--into", default="", metavar="FOLDER", help="folder inside the archive to save into")
    save.add_argument("--mirror", action="store_true", help="also remove what vanished from the folders given")
    save.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="leave out matching names or paths (repeatable)"
    )
    save.add_argument(
        "--reread", action="store_true", default=None, help="read files again although they look unchanged"
    )
    save.add_argument(
        "--strict",
        action="store_true",
        help="fail the whole save, and leave the archive unchanged, when a file can't be read or changes while it is"
        " read (default: report the file and save the rest)",
    )
    save.add_argument(
        "--codec",
        choices=list(CODECS),
        help="deflate opens everywhere; zstd needs Kamaros or 7-Zip (default: as in the settings, deflate)",
    )
    save.add_argument("--level", type=int, metavar="N", help="1-9 for deflate (default: 6), 1-19 for zstd (default: 3)")
    save.add_argument(
        "--verify",
        choices=["off", "fast", "full"],
        help="read back what was written before committing it: not at all, directory and CRC-32, or every SHA-256"
        " (default: as in the settings, off)",
    )
    _add_common(save)


def _add_restore(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    restore = verbs.add_parser("restore", help="restore a version, whole or in part")
    restore.add_argument("archive", metavar="ARCHIVE")
    restore.add_argument("paths", nargs="*", metavar="PATH", help="files or folders in the archive (default: all)")
    restore.add_argument("-C", "--directory", default=".", metavar="DIR", help="folder to restore into (default: here)")
    _add_version(restore)
    restore.add_argument(
        "--on-conflict",
        choices=["fail", "skip", "overwrite", "rename"],
        default="fail",
        help="where a file with other content exists: restore nothing (default), leave it, replace it, or restore"
        " beside it",
    )
    restore.add_argument(
        "--outside-links", action="store_true", help="also restore links that point outside the restored folder"
    )
    _add_common(restore)


def _add_readers(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    listing = verbs.add_parser("list", help="list the entries of a version")
    listing.add_argument("archive", metavar="ARCHIVE")
    _add_version(listing)
    _add_output(listing)
    log = verbs.add_parser("log", help="list the versions, or those that touched one path")
    log.add_argument("archive", metavar="ARCHIVE")
    log.add_argument("path", nargs="?", default="", metavar="PATH")
    _add_output(log)
    verify = verbs.add_parser("verify", help="check every byte and the history")
    verify.add_argument("archive", metavar="ARCHIVE")
    _add_common(verify)


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--version", dest="wanted", default="HEAD", metavar="V", help="id, unique prefix, tag, HEAD or HEAD~2"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chunk-size",
        type=_size,
        metavar="SIZE",
        help="bytes per chunk, a power of two from 4K to 16M (default: as in the settings, 64K)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="threads that hash and compress, 1-64, or 0 for one per CPU (default: as in the settings, 0)",
    )
    parser.add_argument(
        "--stats",
        action="store_true",
        help="also show what each stage did, and which one was the bottleneck: bytes in and out, chunks, queue fill and"
        " limit, time waited for input and output, time busy, speed while busy (K, M, G: powers of 1024 bytes)",
    )
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
