"""What a repair tells: sentences for people about what was done and what is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kamaros_gui.archive.claims import needs_of
from kamaros_gui.archive.container import BLOB_PREFIX, CONTENT_PREFIX
from kamaros_gui.archive.manifest import Manifest
from kamaros_gui.archive.rebuilding import Layout
from kamaros_gui.archive.salvage import Pool
from kamaros_gui.base.reports import VerifyProblem
from kamaros_gui.base.texts import display_path

__all__ = ["blobs_in", "count", "cut_tail", "files_in", "lost_versions", "named", "rebuilt"]

_NAMED: Final = 5
"""Entries a sentence names."""


def cut_tail(pool: Pool, manifest: Manifest, end: int, size: int) -> str:
    """Say what lies behind the last complete state, from *end* to *size*, and is about to be cut off."""
    needed = needs_of(manifest)
    whole = {
        each.entry.name.removeprefix(CONTENT_PREFIX)
        for each in pool.held
        if each.entry.header_offset >= end
        and each.entry.name.startswith(CONTENT_PREFIX)
        and not each.entry.is_directory
        and each.sha256 not in needed
    }
    told = f" They held {count(len(whole), 'whole file')} that no version has: {named(whole)}." if whole else ""
    return (
        f"{size - end} bytes behind the last complete state, of a save that was not finished or whose end is lost, were"
        f" cut off.{told}"
    )


def rebuilt(layout: Layout, pool: Pool) -> str:
    """Say what a new directory holds."""
    manifest = layout.manifest
    head = manifest.refs.get("head", "")
    version = next((each for each in manifest.versions if each.id == head), None)
    called = f"version {head[:8]}" + (f", “{version.message}”" if version is not None and version.message else "")
    lacking = f"; {count(layout.losses, 'content')} could not be found" if layout.losses else ""
    copied = f" {count(len(layout.copies), 'file')} got a copy of equal content." if layout.copies else ""
    where = "The directory was rebuilt" if pool.directory is None else "The directory was written anew"
    return (
        f"{where} from what the file holds: {called}, {count(len(manifest.versions), 'version')} in all,"
        f" {files_in(layout)} and {blobs_in(layout)} of older versions{lacking}.{copied}"
    )


def lost_versions(given_up: Manifest, kept: Manifest) -> VerifyProblem:
    """Return the loss of versions of which nothing new is left."""
    known = {version.id for version in kept.versions}
    lost = [version for version in given_up.versions if version.id not in known]
    those = named(version.message or version.id[:8] for version in lost)
    head = kept.refs.get("head", "")
    message = (
        f"{count(len(lost), 'newer version')} ({those}) had lost all that was new in them; version {head[:8]} is the"
        " newest one that is whole."
    )
    return VerifyProblem("missing", "", given_up.refs.get("head", ""), "", message)


def files_in(layout: Layout) -> str:
    """Say how many files of HEAD *layout* has."""
    listed = [*layout.entries, *(target.name for _, target in layout.copies), *(blank.name for blank in layout.blanks)]
    return count(sum(name.startswith(CONTENT_PREFIX) and not name.endswith("/") for name in listed), "file")


def blobs_in(layout: Layout) -> str:
    """Say how many contents of older versions *layout* has."""
    return count(sum(name.startswith(BLOB_PREFIX) for name in layout.entries), "content")


def count(number: int, thing: str) -> str:
    """Return *number* with what it counts."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def named(names: Iterable[str]) -> str:
    """Return the first few of *names*, and how many more there are."""
    every = sorted(names)
    shown = ", ".join(display_path(name) for name in every[:_NAMED])
    return f"{shown} and {len(every) - _NAMED} more" if len(every) > _NAMED else shown
