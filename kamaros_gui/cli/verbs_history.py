"""The verbs about the history and the archive as a whole: log, diff, tag, forget; compact, stats, verify."""

from __future__ import annotations

import argparse

from kamaros_gui.base.differences import DiffReport
from kamaros_gui.base.reports import VerifyReport, VersionInfo
from kamaros_gui.base.upkeep import CompactReport, ForgetReport
from kamaros_gui.cli.exit_status import ExitStatus
from kamaros_gui.cli.session import Session
from kamaros_gui.cli.show_history import show_differences, show_forgotten, show_history, show_tagged, show_tags
from kamaros_gui.cli.show_upkeep import show_compacted, show_figures, show_verified
from kamaros_gui.jobs import (
    CompactRequest,
    DiffRequest,
    ForgetRequest,
    LogRequest,
    StatsRequest,
    TagRequest,
    VerifyRequest,
)

__all__ = ["compact", "diff", "forget", "log", "stats", "tag", "verify"]


def log(session: Session, options: argparse.Namespace) -> int:
    """``kamaros log``."""
    query = LogRequest(archive=options.archive, path=options.path)
    show_history(session.output, session.runner.query(query).result())
    return ExitStatus.DONE


def diff(session: Session, options: argparse.Namespace) -> int:
    """``kamaros diff``."""
    request = DiffRequest(
        archive=options.archive,
        old=options.old,
        new=options.new,
        folder=options.folder,
        into=options.into or "",
    )
    report, snapshot = session.report(request, DiffReport)
    session.output.issues(report.issues, max(snapshot.issue_count, len(report.issues)))
    show_differences(session.output, report, snapshot.outcome)
    if report.entries and options.exit_code:
        return ExitStatus.ERROR
    return ExitStatus.SKIPPED if report.issues else ExitStatus.DONE


def tag(session: Session, options: argparse.Namespace) -> int:
    """``kamaros tag``: without a name, list the tags there are."""
    if options.delete is not None:
        request = TagRequest(archive=options.archive, name=options.delete, version=None)
    elif options.places:
        version, name = options.places
        request = TagRequest(archive=options.archive, name=name, version=version, replace=options.replace)
    else:
        show_tags(session.output, session.runner.query(LogRequest(archive=options.archive)).result())
        return ExitStatus.DONE
    named, snapshot = session.report(request, VersionInfo)
    show_tagged(session.output, request.name, named, snapshot.outcome)
    return ExitStatus.DONE


def forget(session: Session, options: argparse.Namespace) -> int:
    """``kamaros forget``."""
    request = ForgetRequest(
        archive=options.archive,
        versions=tuple(options.versions),
        keep_last=options.keep_last,
        keep_within=options.keep_within,
        tagged=options.tagged,
        dry_run=options.dry_run,
    )
    report, snapshot = session.report(request, ForgetReport)
    show_forgotten(session.output, report, snapshot.outcome)
    return ExitStatus.DONE


def compact(session: Session, options: argparse.Namespace) -> int:
    """``kamaros compact``."""
    report, snapshot = session.report(CompactRequest(archive=options.archive), CompactReport)
    show_compacted(session.output, report, snapshot.outcome)
    return ExitStatus.DONE


def stats(session: Session, options: argparse.Namespace) -> int:
    """``kamaros stats``."""
    show_figures(session.output, session.runner.query(StatsRequest(archive=options.archive)).result())
    return ExitStatus.DONE


def verify(session: Session, options: argparse.Namespace) -> int:
    """``kamaros verify``."""
    report, snapshot = session.report(VerifyRequest(archive=options.archive, repair=options.repair), VerifyReport)
    stages = snapshot.stages if options.stats else None
    show_verified(session.output, report, snapshot.outcome, stages, repair=options.repair)
    return ExitStatus.DONE if report.valid else ExitStatus.DAMAGED
