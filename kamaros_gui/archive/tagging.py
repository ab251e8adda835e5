"""Tags: names for versions, kept in the manifest's ``refs``."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kamaros_gui.archive.history import describe, find_version, tags_of
from kamaros_gui.archive.manifest import Manifest, amended
from kamaros_gui.base.errors import ArchiveError, NotFoundError
from kamaros_gui.base.reports import VersionInfo

__all__ = ["set_tag", "unset_tag"]

_LONGEST: Final = 200
_RESERVED: Final = re.compile(r"HEAD(~\d*)?", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def set_tag(manifest: Manifest, version: str, name: str, *, replace: bool) -> tuple[Manifest, VersionInfo]:
    """Let *name* mean a version, and spare that version from being forgotten.

    Args:
        manifest: stays as it is.
        version: id, unique prefix, tag, ``HEAD`` or ``HEAD~n``.
        name: of one to 200 characters.
        replace: whether a tag of that name may be taken from another version.

    Returns:
        The manifest to go on with, and the version with its tags.

    Raises:
        VersionNotFoundError: there is no such version.
        ArchiveError: the name can't be a tag, or belongs to another version.
    """
    _check_name(manifest, name)
    found = find_version(manifest, version)
    holder = next((each for each in manifest.versions if name in tags_of(manifest, each)), found)
    if holder is not found and not replace:
        raise ArchiveError(
            f"The tag “{name}” belongs to version {holder.id[:8]}.", hint="Use another name, or replace that tag."
        )
    if manifest.refs.get(name) == found.id and name not in found.tags:
        return manifest, describe(manifest, found)
    changed = _without(manifest, name)
    changed.refs[name] = found.id
    return changed, describe(changed, found)


def unset_tag(manifest: Manifest, name: str) -> tuple[Manifest, VersionInfo]:
    """Take the tag *name* away.

    Returns:
        The manifest to go on with, and the version it named.

    Raises:
        NotFoundError: there is no such tag.
    """
    found = next((each for each in manifest.versions if name in tags_of(manifest, each)), None)
    if found is None:
        raise NotFoundError(f"There is no tag “{name}”.", path=name, hint="The log shows all tags.")
    changed = _without(manifest, name)
    return changed, describe(changed, next(each for each in changed.versions if each.id == found.id))


def _without(manifest: Manifest, name: str) -> Manifest:
    """Return *manifest* without the tag *name*, wherever its writer keeps it."""
    versions = [
        amended(each, tags=[tag for tag in each.tags if tag != name]) if name in each.tags else each
        for each in manifest.versions
    ]
    refs = {tag: version for tag, version in manifest.refs.items() if tag != name}
    return msgspec.structs.replace(manifest, versions=versions, refs=refs)


def _check_name(manifest: Manifest, name: str) -> None:
    reason = ""
    if not name.strip() or name != name.strip():
        reason = "it must have characters, and no space before or behind them"
    elif len(name) > _LONGEST:
        reason = f"it has {len(name)} characters; {_LONGEST} are the limit"
    elif _CONTROL.search(name):
        reason = "it has characters that can't be shown"
    elif _RESERVED.fullmatch(name):
        reason = "HEAD means the newest version"
    elif any(version.id == name for version in manifest.versions):
        reason = "it is the id of a version"
    if reason:
        raise ArchiveError(f"“{name[:64]}” can't be a tag: {reason}.", hint="Use another name.")
