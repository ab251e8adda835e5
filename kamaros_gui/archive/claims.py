"""Claims: the manifests of a damaged archive, which of them speak of it, and what they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from kamaros_gui.archive.manifest import MANIFEST_NAME, Manifest, decode_states
from kamaros_gui.archive.manifests_found import read_claim
from kamaros_gui.archive.salvage import Pool
from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.zipfmt import ZipEntry

__all__ = ["Claim", "claims", "needs_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A manifest that was found: what it says of the archive.

    Attributes:
        entry: where it is.
        manifest: what it says.
        listed: whether the last complete directory ends with it.
    """

    entry: ZipEntry
    manifest: Manifest
    listed: bool


def claims(pool: Pool) -> Iterable[Claim]:
    """Yield the manifests of this archive in *pool*, newest first. Blocks; decoding one takes a while.

    An archive stored inside this one has a manifest too. So has, perhaps, an older copy of this very archive.
    """
    found = [each for each in reversed(pool.held) if each.entry.name == MANIFEST_NAME]
    anchor = next((each for each in found if each.listed), None)
    by_hash = {each.sha256: each.entry for each in pool.held}
    known = read_claim(pool.file, anchor.entry, by_hash) if anchor is not None else None
    for each in found:
        if known is not None and each is anchor:
            yield Claim(each.entry, known, listed=True)
            continue
        if known is None and not each.reached:
            continue
        manifest = read_claim(pool.file, each.entry, by_hash)
        if manifest is None:
            continue
        if known is not None and anchor is not None:
            newer = each.entry.header_offset > anchor.entry.header_offset
            if not (_continues(manifest, known) if newer else _continues(known, manifest)):
                continue
            if newer and _state_of(manifest) == _state_of(known):
                continue  # a copy of this archive that was being saved into it
        yield Claim(each.entry, manifest, listed=False)
        if known is None:
            known, anchor = manifest, each


def _continues(newer: Manifest, older: Manifest) -> bool:
    """Whether *newer* may be what became of *older*: the same archive, and at least as far."""
    if newer.metadata.get("created") != older.metadata.get("created"):
        return False
    older_head = older.refs.get("head", "")
    if any(version.id == older_head for version in newer.versions):
        return True
    return _head_time(newer) > _head_time(older)


def _state_of(manifest: Manifest) -> tuple[dict[str, str], list[str]]:
    return manifest.refs, [version.id for version in manifest.versions]


def _head_time(manifest: Manifest) -> str:
    head = manifest.refs.get("head", "")
    return next((version.timestamp for version in manifest.versions if version.id == head), "")


def needs_of(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Return content hash → (path, version id) of all a manifest needs, as far as its listings are whole."""
    needs: dict[str, tuple[str, str]] = {}
    for version in manifest.versions:
        try:
            states = decode_states(version)
        except IntegrityError:
            continue
        for path, state in states.items():
            if state.hash and not state.deleted:
                needs[state.hash] = (path, version.id)
    head = manifest.refs.get("head", "")
    for path, record in manifest.file_map.items():
        if record.current_hash:
            needs[record.current_hash] = (path, head)
    return needs
