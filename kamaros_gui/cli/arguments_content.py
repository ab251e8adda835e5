"""Arguments of the verbs about content: save, move, remove, import; restore, export, cat."""

from __future__ import annotations

import argparse

from kamaros_gui.base.config import CODECS
from kamaros_gui.cli.arguments_shared import (
    Verbs,
    add_author,
    add_engine,
    add_output,
    add_stats,
    add_verb,
    add_version,
)

__all__ = ["add_content_verbs"]


def add_content_verbs(verbs: Verbs) -> None:
    """Add the verbs to *verbs*."""
    _add_save(verbs)
    _add_restore(verbs)
    _add_move(verbs)
    _add_remove(verbs)
    _add_cat(verbs)
    _add_export(verbs)
    _add_import(verbs)


def _add_save(verbs: Verbs) -> None:
    save = add_verb(
        verbs,
        "save",
        more="paths",
        help="add files and folders as one new version",
        description="Save files and folders as one new version. PATH is stored under its own last name; photos/. stands"
        " for what is in photos.",
    )
    save.add_argument("archive", metavar="ARCHIVE", help="the .jcf file; made when it does not exist")
    save.add_argument("paths", nargs="+", metavar="PATH", help="files and folders to save")
    add_author(save)
    save.add_argument("--into", default="", metavar="FOLDER", help="folder inside the archive to save into")
    save.add_argument("--mirror", action="store_true", help="also remove what vanished from the folders given")
    save.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="leave out matching names or paths (repeatable)"
    )
    save.add_argument(
        "--reread",
        dest="reread_unchanged",
        action="store_true",
        default=None,
        help="read files again although they look unchanged",
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
        dest="verify_after_save",
        choices=["off", "fast", "full"],
        help="read back what was written before committing it: not at all, directory and CRC-32, or every SHA-256"
        " (default: as in the settings, off)",
    )
    save.add_argument(
        "--no-compact",
        dest="auto_compact",
        action="store_const",
        const=False,
        help="leave dead space in the archive, however much it is (default: as in the settings, compact by itself)",
    )
    add_engine(save)
    add_stats(save)
    add_output(save)


def _add_restore(verbs: Verbs) -> None:
    restore = add_verb(verbs, "restore", more="paths", help="restore a version, whole or in part")
    restore.add_argument("archive", metavar="ARCHIVE")
    restore.add_argument("paths", nargs="*", metavar="PATH", help="files or folders in the archive (default: all)")
    restore.add_argument("-C", "--directory", default=".", metavar="DIR", help="folder to restore into (default: here)")
    add_version(restore)
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
    add_engine(restore)
    add_stats(restore)
    add_output(restore)


def _add_move(verbs: Verbs) -> None:
    move = add_verb(
        verbs,
        "move",
        help="give a file or folder in the archive another path, as one new version",
        description="Move or rename a file, or a folder with everything in it, as one new version. No content is"
        " copied, and the history of a file goes on under its new path.",
    )
    move.add_argument("archive", metavar="ARCHIVE")
    move.add_argument("old", metavar="OLD", help="path in the archive")
    move.add_argument("new", metavar="NEW", help="the path it gets")
    add_author(move)
    add_output(move)


def _add_remove(verbs: Verbs) -> None:
    remove = add_verb(
        verbs,
        "remove",
        more="paths",
        help="remove files and folders, as one new version; older versions keep them",
    )
    remove.add_argument("archive", metavar="ARCHIVE")
    remove.add_argument("paths", nargs="+", metavar="PATH", help="files or folders in the archive")
    add_author(remove)
    add_output(remove)


def _add_cat(verbs: Verbs) -> None:
    cat = add_verb(
        verbs,
        "cat",
        help="write the content of one file to standard output",
        description="Write the content of one file, as it was in any version, to standard output, and nothing else."
        " Every byte is checked while it goes through: with exit status 5, do not trust what came out.",
    )
    cat.add_argument("archive", metavar="ARCHIVE")
    cat.add_argument("path", metavar="PATH", help="file in the archive")
    add_version(cat)


def _add_export(verbs: Verbs) -> None:
    export = add_verb(
        verbs,
        "export",
        arrange=_arrange_export,
        help="write a version as a plain ZIP, or the whole history for other programs",
        description="Write one version as a clean plain ZIP without any history; or, with --interchange, all versions"
        " as an archive for other programs that read this format.",
    )
    export.add_argument("archive", metavar="ARCHIVE")
    export.add_argument("target", metavar="OUT", help="the file to write")
    add_version(export, default=None, note=" (default: HEAD)")
    export.add_argument("--interchange", action="store_true", help="write all versions, for other programs")
    export.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    add_engine(export)
    add_output(export)


def _arrange_export(options: argparse.Namespace) -> None:
    if options.interchange and options.wanted is not None:
        options.usage_error("--interchange writes all versions; it goes without --version")


def _add_import(verbs: Verbs) -> None:
    bring = add_verb(
        verbs,
        "import",
        help="take over a ZIP, another archive, or a folder of versions",
        description="Import a ZIP, an archive of this or another program, or a folder in which each sub-folder, in"
        " natural order, is one version.",
    )
    bring.add_argument("source", metavar="FILE", help="ZIP, archive, or folder of versions")
    bring.add_argument("archive", metavar="ARCHIVE", help="the .jcf file; made when it does not exist")
    add_version(bring, default=None, note=": import this version only (default: all that FILE has)")
    bring.add_argument("--into", default="", metavar="FOLDER", help="folder inside the archive to import into")
    add_author(bring)
    add_engine(bring)
    add_output(bring)
