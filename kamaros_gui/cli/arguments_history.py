"""Arguments of the verbs about the history and the archive as a whole."""

from __future__ import annotations

import argparse

from kamaros_gui.cli.arguments_shared import (
    Verbs,
    add_engine,
    add_output,
    add_stats,
    add_verb,
    add_version,
    days,
    positive,
)

__all__ = ["add_history_verbs"]


def add_history_verbs(verbs: Verbs) -> None:
    """Add the verbs to *verbs*."""
    _add_list(verbs)
    _add_log(verbs)
    _add_diff(verbs)
    _add_tag(verbs)
    _add_forget(verbs)
    _add_compact(verbs)
    _add_stats(verbs)
    _add_verify(verbs)


def _add_list(verbs: Verbs) -> None:
    listing = add_verb(verbs, "list", help="list the entries of a version")
    listing.add_argument("archive", metavar="ARCHIVE")
    add_version(listing)
    add_output(listing)


def _add_log(verbs: Verbs) -> None:
    log = add_verb(
        verbs,
        "log",
        more="places",
        arrange=_arrange_log,
        usage="kamaros log [-h] [--json] [-q] ARCHIVE [PATH]",
        help="list the versions, or those that touched one path",
        description="List the versions, newest first; with PATH only those that touched it, under any name it had."
        " Each with its counts: +added ~changed −deleted →renamed.",
    )
    log.add_argument("archive", metavar="ARCHIVE")
    log.add_argument("places", nargs="*", metavar="PATH", help="file or folder in the archive")
    add_output(log)


def _arrange_log(options: argparse.Namespace) -> None:
    if len(options.places) > 1:
        options.usage_error(f"unrecognized arguments: {' '.join(options.places[1:])}")
    options.path = options.places[0] if options.places else ""


def _add_diff(verbs: Verbs) -> None:
    diff = add_verb(
        verbs,
        "diff",
        more="places",
        arrange=_arrange_diff,
        usage="kamaros diff [-h] [--into FOLDER] [--exit-code] [--chunk-size SIZE]\n"
        "                    [--workers N] [--json] [-q]\n"
        "                    ARCHIVE V1 [V2 | --with DIR]",
        help="show what differs between two versions, or a version and a folder",
        description="Show what differs: A added, M changed, D removed, R renamed, T touched (mode or time alone).",
    )
    diff.add_argument("archive", metavar="ARCHIVE")
    diff.add_argument(
        "places", nargs="*", metavar="V1 [V2]", help="the older and the newer version (default for V2: HEAD)"
    )
    diff.add_argument("--with", dest="folder", metavar="DIR", help="compare V1 with this folder on disk")
    diff.add_argument("--into", metavar="FOLDER", help="folder inside the archive that DIR is compared with")
    diff.add_argument(
        "--exit-code", action="store_true", help="exit with 1 where there are differences (default: 0 either way)"
    )
    add_engine(diff)
    add_output(diff)


def _arrange_diff(options: argparse.Namespace) -> None:
    if not options.places:
        options.usage_error("V1 is missing: the version to compare")
    if len(options.places) > 2:
        options.usage_error(f"unrecognized arguments: {' '.join(options.places[2:])}")
    if len(options.places) == 2 and options.folder is not None:
        options.usage_error("V1 is compared either with V2 or with the folder of --with")
    if options.into is not None and options.folder is None:
        options.usage_error("--into goes with --with only")
    options.old = options.places[0]
    options.new = options.places[1] if len(options.places) == 2 else "HEAD"


def _add_tag(verbs: Verbs) -> None:
    tag = add_verb(
        verbs,
        "tag",
        more="places",
        arrange=_arrange_tag,
        usage="kamaros tag [-h] [--json] [-q]\n                   ARCHIVE [V NAME [--replace] | --delete NAME]",
        help="name a version, remove a name, or list the names",
        description="Give a version a name that stays with it; without more arguments, list the names there are.",
    )
    tag.add_argument("archive", metavar="ARCHIVE")
    tag.add_argument("places", nargs="*", metavar="V NAME", help="the version, and its new name")
    tag.add_argument("--replace", action="store_true", help="move NAME here if it names another version")
    tag.add_argument("--delete", metavar="NAME", help="remove the name NAME; the version stays")
    add_output(tag)


def _arrange_tag(options: argparse.Namespace) -> None:
    if len(options.places) > 2:
        options.usage_error(f"unrecognized arguments: {' '.join(options.places[2:])}")
    if len(options.places) == 1:
        options.usage_error("NAME is missing: the name that the version gets")
    if options.delete is not None and options.places:
        options.usage_error("--delete takes the name alone, without a version")
    if options.replace and not options.places:
        options.usage_error("--replace goes with V NAME only")


def _add_forget(verbs: Verbs) -> None:
    forget = add_verb(
        verbs,
        "forget",
        more="versions",
        arrange=_arrange_forget,
        usage="kamaros forget [-h] [--keep-last N] [--keep-within DAYS] [--tagged]\n"
        "                      [--dry-run] [--json] [-q]\n"
        "                      ARCHIVE [V ...]",
        help="drop versions from the history, by name or by rule",
        description="Drop versions: those named, and those that no --keep rule keeps. The newest one always stays, and"
        " so does one with a tag, unless --tagged. What only they needed is dead space then; compact gives it back.",
    )
    forget.add_argument("archive", metavar="ARCHIVE")
    forget.add_argument("versions", nargs="*", metavar="V", help="version to drop: id, unique prefix, tag or HEAD~2")
    forget.add_argument("--keep-last", type=positive, metavar="N", help="drop all but the N newest")
    forget.add_argument("--keep-within", type=days, metavar="DAYS", help="drop what is older than that many days")
    forget.add_argument("--tagged", action="store_true", help="drop versions with a tag too")
    forget.add_argument("--dry-run", action="store_true", help="only tell what would go")
    add_output(forget)


def _arrange_forget(options: argparse.Namespace) -> None:
    if not options.versions and options.keep_last is None and options.keep_within is None:
        options.usage_error("name versions to forget, or give a rule: --keep-last N, --keep-within DAYS")


def _add_compact(verbs: Verbs) -> None:
    compact = add_verb(
        verbs,
        "compact",
        help="give dead space back",
        description="Write the archive anew without its dead space. Contents are copied as they are and checked, and"
        " the new file takes the place of the old one at once; until then the old one is untouched.",
    )
    compact.add_argument("archive", metavar="ARCHIVE")
    add_engine(compact)
    add_output(compact)


def _add_stats(verbs: Verbs) -> None:
    stats = add_verb(verbs, "stats", help="show what the archive is made of")
    stats.add_argument("archive", metavar="ARCHIVE")
    add_output(stats)


def _add_verify(verbs: Verbs) -> None:
    verify = add_verb(verbs, "verify", help="check every byte and the history, and repair what can be repaired")
    verify.add_argument("archive", metavar="ARCHIVE")
    verify.add_argument(
        "--repair",
        action="store_true",
        help="also mend what can be mended: an interrupted save or relabelling, a lost directory; no content changes",
    )
    add_engine(verify)
    add_stats(verify)
    add_output(verify)
