"""Forget: let versions leave the history, and drop the content no other version needs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time

import msgspec

from kamaros_gui.archive.amending import amend
from kamaros_gui.archive.blobs import EntryTable
from kamaros_gui.archive.container import BLOB_PREFIX, Container
from kamaros_gui.archive.folding import fold_versions
from kamaros_gui.archive.history import describe, find_version, tags_of
from kamaros_gui.archive.manifest import LISTING_PREFIX, Manifest, Version
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import ArchiveError
from kamaros_gui.base.reports import VersionInfo
from kamaros_gui.base.upkeep import ForgetReport
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.append import AppendRegion

__all__ = ["ForgetOptions", "forget"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ForgetOptions:
    """Which versions are to be forgotten.

    Attributes:
        versions: these: ids, unique prefixes, tags, ``HEAD~n``.
        keep_last: all but the newest so many, at least 1; ``None`` for no such rule.
        keep_within: all but those of the last so many days; ``None`` for no such rule. A version that one of the two
            rules keeps stays.
        tagged: whether a version goes although it has a tag.
        dry_run: only tell what would happen.
    """

    versions: tuple[str, ...] = ()
    keep_last: int | None = None
    keep_within: float | None = None
    tagged: bool = False
    dry_run: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Forgotten:
    manifest: Manifest
    gone: tuple[VersionInfo, ...]
    spared: tuple[VersionInfo, ...]
    dropped: int
    freed: int


async def forget(
    files: FileSystemAdapter, archive: str, options: ForgetOptions, workers: Workers, control: RunControl
) -> ForgetReport:
    """Let versions leave the history of *archive*. What the others hold stays the same.

    The newest version always stays. Content that no version needs any more becomes dead space, which a compaction
    gives back. After an abort or an error the archive is byte for byte as it was.

    Args:
        files: where the archive is.
        archive: path of the ``.jcf`` file.
        options: which versions.
        workers: threads.
        control: abort.

    Raises:
        AbortError: ``control.signal`` was aborted (or whatever its reason is).
        VersionNotFoundError: there is no such version.
        ArchiveError: no rule was given, or the newest version was named; or as for the others.
        KamarosError: see :func:`kamaros_gui.archive.amending.amend`.
    """
    _check(options)
    started = time.monotonic()
    if options.dry_run:
        found, size, dead = await workers.io(_preview, files, archive, options)
    else:

        def apply(manifest: Manifest, table: EntryTable) -> tuple[Manifest, _Forgotten]:
            result = _forget(manifest, table, options)
            return result.manifest, result

        amended = await amend(files, archive, apply, workers, control)
        found, size, dead = amended.result, amended.size, amended.dead_bytes
    return ForgetReport(
        forgotten=found.gone[::-1],
        spared=found.spared[::-1],
        kept=len(found.manifest.versions),
        dropped=found.dropped,
        freed=found.freed,
        archive_size=size,
        dead_bytes=dead,
        done=not options.dry_run,
        seconds=time.monotonic() - started,
    )


def _check(options: ForgetOptions) -> None:
    if not options.versions and options.keep_last is None and options.keep_within is None:
        raise ArchiveError("Nothing says which versions are to be forgotten.", hint="Name some, or give a rule.")
    if options.keep_last is not None and options.keep_last < 1:
        raise ArchiveError(f"{options.keep_last} versions can't be kept; the newest one always stays.")
    if options.keep_within is not None and not options.keep_within >= 0:
        raise ArchiveError(f"{options.keep_within} is no number of days.")


def _preview(files: FileSystemAdapter, archive: str, options: ForgetOptions) -> tuple[_Forgotten, int, int]:
    container = Container.load(files, archive)
    try:
        if container.manifest is None:
            raise ArchiveError(f"{archive} is a plain ZIP; it has no versions.")
        # The region is never written to: nothing gets another name here.
        table = EntryTable(container.file, AppendRegion(container.file, container.size), dict(container.entries))  # type: ignore[arg-type]
        found = _forget(container.manifest, table, options)
        return found, container.size, container.manifest.dead_bytes
    finally:
        container.close()


def _forget(manifest: Manifest, table: EntryTable, options: ForgetOptions) -> _Forgotten:
    _check_line(manifest)
    wanted = _selected(manifest, options)
    spared = {each.id for each in wanted if not options.tagged and tags_of(manifest, each)}
    gone = [each for each in wanted if each.id not in spared]
    ids = {each.id for each in gone}
    # Told as they are now: once they are gone, so are their tags.
    told = {each.id: describe(manifest, each) for each in wanted}
    kept = tuple(told[each.id] for each in wanted if each.id in spared)
    if not ids:
        return _Forgotten(manifest, (), kept, 0, 0)
    folded = fold_versions(manifest, ids)
    log = [
        entry | {"versionId": folded.successors.get(version, version)}
        for entry in manifest.rename_log
        if (version := str(entry.get("versionId", ""))) not in ids or version in folded.successors
    ]
    refs = {name: version for name, version in manifest.refs.items() if version not in ids}
    # A rename that only versions before the first one left knew of says nothing any more.
    first = folded.versions[0].id
    log = [entry for entry in log if entry["versionId"] != first]
    after = msgspec.structs.replace(manifest, versions=folded.versions, refs=refs, rename_log=log)
    needed = folded.hashes | {record.current_hash for record in manifest.file_map.values()}
    listings = {version.listing for version in folded.versions}
    before = table.dead_bytes
    dropped = [name for name in table.entries if _is_unneeded(name, BLOB_PREFIX, needed)]
    unlisted = [name for name in table.entries if _is_unneeded(name, LISTING_PREFIX, listings)]
    for name in (*dropped, *unlisted):
        table.drop_called(name)
    return _Forgotten(after, tuple(told[each.id] for each in gone), kept, len(dropped), table.dead_bytes - before)


def _is_unneeded(name: str, prefix: str, needed: set[str]) -> bool:
    return name.startswith(prefix) and name.removeprefix(prefix) not in needed


def _check_line(manifest: Manifest) -> None:
    """Refuse a history with branches, as this program never writes one."""
    parent: str | None = None
    for version in manifest.versions:
        if (version.parent_id or None) != parent:
            raise ArchiveError(
                f"Version {version.id[:8]} does not follow the one before it; such a history can't be shortened.",
                hint="Export the versions you need.",
            )
        parent = version.id
    if manifest.versions and manifest.refs.get("head") != parent:
        raise ArchiveError("The newest version is not the last one; such a history can't be shortened.")


def _selected(manifest: Manifest, options: ForgetOptions) -> list[Version]:
    """Return the versions that are to go, tagged ones among them, oldest first."""
    head = manifest.refs.get("head", "")
    chosen = {find_version(manifest, name).id for name in options.versions}
    if head in chosen:
        raise ArchiveError("The newest version can't be forgotten.", hint="Go back to an older one by saving it anew.")
    if options.keep_last is not None or options.keep_within is not None:
        kept = {each.id for each in manifest.versions[-options.keep_last :]} if options.keep_last is not None else set()
        if options.keep_within is not None:
            oldest = time.time() - options.keep_within * 86_400
            kept |= {each.id for each in manifest.versions if _moment(each) >= oldest}
        chosen |= {each.id for each in manifest.versions} - kept
    return [each for each in manifest.versions if each.id in chosen and each.id != head]


def _moment(version: Version) -> float:
    """Seconds since the epoch; the far future where the version does not tell, so that no rule of time drops it."""
    try:
        moment = dt.datetime.fromisoformat(version.timestamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("inf")
