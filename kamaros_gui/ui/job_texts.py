"""What the card of a job says about its progress."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.jobs.snapshots import JobSnapshot, JobState
from kamaros_gui.ui import texts

__all__ = ["activity_text", "chunk_text", "progress_text", "time_text"]


def _tr(text: str) -> str:
    return QCoreApplication.translate("JobCard", text)


def activity_text(snapshot: JobSnapshot) -> str:
    """Return what a job that has not ended does at the moment."""
    progress = snapshot.progress
    if snapshot.state is JobState.QUEUED:
        return _tr("Waiting for the jobs before it")
    if snapshot.state is JobState.CANCELLING:
        return _tr("Cancelling… removing what was written")
    words = {
        Phase.COUNTING: _tr("Counting files… {}"),
        Phase.READING_ARCHIVE: _tr("Reading the archive…"),
        Phase.COMMITTING: _tr("Finishing: writing the directory and syncing"),
        Phase.VERIFYING: _tr("Checking {}"),
        Phase.COMPACTING: _tr("Compacting: the version is saved; giving dead space back"),
        Phase.CLEANING_UP: _tr("Cleaning up…"),
    }
    return words.get(progress.phase, "{}").format(progress.current_file).rstrip() or " "


def chunk_text(progress: ProgressSnapshot) -> str:
    """Return where in its file a job is: ``chunk 17 of 6,000``; empty for a file of one chunk."""
    if progress.chunk_count <= 1 or not progress.current_file:
        return ""
    return _tr("chunk {} of {}").format(texts.count(progress.chunk_index), texts.count(progress.chunk_count))


def progress_text(progress: ProgressSnapshot, *, finished: bool = False) -> str:
    """Return bytes and files done: ``1.2 GiB of 4.0 GiB · 120 of 5,000 files``."""
    done = texts.size(progress.bytes_done)
    if finished:
        return f"{done} · {texts.files_text(progress.files_done)}"
    if progress.bytes_total is None:
        return _tr("{} · counting…").format(done)
    parts = [_tr("{} of {}").format(done, texts.size(progress.bytes_total))]
    if progress.files_total is not None:
        counts = _tr("{} of {}").format(texts.count(progress.files_done), texts.files_text(progress.files_total))
        parts.append(counts)
    return " · ".join(parts)


def time_text(snapshot: JobSnapshot) -> str:
    """Return speed and times of a job that has not ended: ``100.0 MiB/s · 41 s left · 12 s elapsed``."""
    progress = snapshot.progress
    if snapshot.state is JobState.QUEUED:
        return ""
    if snapshot.state in (JobState.PAUSED, JobState.CANCELLING):
        # Nothing moves: a speed or a time left would be a lie.
        paused = _tr("Paused") + " · " if snapshot.state is JobState.PAUSED else ""
        return paused + _tr("{} elapsed").format(texts.duration(progress.elapsed_seconds))
    parts = [texts.speed(progress.bytes_per_second)] if progress.bytes_per_second >= 1 else []
    if progress.eta_seconds is not None:
        parts.append(_tr("{} left").format(texts.duration(progress.eta_seconds)))
    parts.append(_tr("{} elapsed").format(texts.duration(progress.elapsed_seconds)))
    return " · ".join(parts)
