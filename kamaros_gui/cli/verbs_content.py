"""The verbs about content: save, move, remove, import; list, restore, export, cat."""

from __future__ import annotations

import argparse
import sys

from kamaros_gui.base.reports import RestoreReport, SaveReport
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.cli.exit_status import ExitStatus
from kamaros_gui.cli.session import Session
from kamaros_gui.cli.show_content import show_exported, show_listing, show_restored, show_saved
from kamaros_gui.jobs import (
    ExportRequest,
    ImportRequest,
    ListRequest,
    MoveRequest,
    ReadRequest,
    RemoveRequest,
    Request,
    RestoreRequest,
    SaveRequest,
)

__all__ = ["cat", "export", "import_", "list_", "move", "remove", "restore", "save"]


def save(session: Session, options: argparse.Namespace) -> int:
    """``kamaros save``."""
    request = SaveRequest(
        archive=options.archive,
        paths=tuple(options.paths),
        into=options.into,
        message=options.message,
        author=options.author,
        mirror=options.mirror,
        excludes=tuple(options.exclude),
        strict=options.strict,
    )
    return _make_version(session, request, stats=options.stats)


def move(session: Session, options: argparse.Namespace) -> int:
    """``kamaros move``."""
    return _make_version(
        session,
        MoveRequest(
            archive=options.archive,
            path=options.old,
            new_path=options.new,
            message=options.message,
            author=options.author,
        ),
    )


def remove(session: Session, options: argparse.Namespace) -> int:
    """``kamaros remove``."""
    return _make_version(
        session,
        RemoveRequest(
            archive=options.archive,
            paths=tuple(options.paths),
            message=options.message,
            author=options.author,
        ),
    )


def import_(session: Session, options: argparse.Namespace) -> int:
    """``kamaros import``."""
    return _make_version(
        session,
        ImportRequest(
            archive=options.archive,
            source=options.source,
            version=options.wanted,
            into=options.into,
            message=options.message,
            author=options.author,
        ),
    )


def restore(session: Session, options: argparse.Namespace) -> int:
    """``kamaros restore``."""
    request = RestoreRequest(
        archive=options.archive,
        target=options.directory,
        paths=tuple(options.paths),
        version=options.wanted,
        on_conflict=options.on_conflict,
        outside_links=options.outside_links,
    )
    report, snapshot = session.report(request, RestoreReport)
    session.output.issues(report.issues, snapshot.issue_count)
    show_restored(session.output, report, snapshot.outcome, snapshot.stages if options.stats else None)
    if report.damaged:
        return ExitStatus.DAMAGED
    # What was skipped on the user's own word is no surprise.
    return ExitStatus.SKIPPED if report.failed else ExitStatus.DONE


def export(session: Session, options: argparse.Namespace) -> int:
    """``kamaros export``."""
    request = ExportRequest(
        archive=options.archive,
        target=options.target,
        version=options.wanted or "HEAD",
        interchange=options.interchange,
        overwrite=options.overwrite,
    )
    report, snapshot = session.report(request, ExportReport)
    session.output.issues(report.issues, max(snapshot.issue_count, len(report.issues)))
    show_exported(session.output, report, snapshot.outcome)
    return ExitStatus.SKIPPED if report.failed else ExitStatus.DONE


def cat(session: Session, options: argparse.Namespace) -> int:
    """``kamaros cat``."""
    sys.stdout.flush()
    # The raw file: what lies in a buffer would still have to go out after a cancel, and could wait for ever.
    output = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    request = ReadRequest(archive=options.archive, path=options.path, output=output, version=options.wanted)
    # No progress: content and bar would mix on a terminal, and a pager draws on it as well.
    session.finish(request, silent=True)
    return ExitStatus.DONE


def list_(session: Session, options: argparse.Namespace) -> int:
    """``kamaros list``."""
    query = ListRequest(archive=options.archive, version=options.wanted)
    show_listing(session.output, session.runner.query(query).result())
    return ExitStatus.DONE


def _make_version(session: Session, request: Request, *, stats: bool = False) -> int:
    report, snapshot = session.report(request, SaveReport)
    session.output.issues(report.issues, snapshot.issue_count)
    show_saved(session.output, report, snapshot.outcome, snapshot.stages if stats else None)
    return ExitStatus.SKIPPED if snapshot.issue_count else ExitStatus.DONE
