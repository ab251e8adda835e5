"""Manifests found in a damaged archive: reading one, with the listings that lie beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kamaros_gui.archive.foreign import is_own_manifest
from kamaros_gui.archive.manifest import LISTING_PREFIX, Manifest, attach_listings, decode_manifest
from kamaros_gui.base.errors import IntegrityError, ManifestError
from kamaros_gui.base.limits import MAX_MANIFEST_SIZE
from kamaros_gui.pipeline import read_entry
from kamaros_gui.storage.primitives import ReadAccess
from kamaros_gui.zipfmt import Directory, ZipEntry

__all__ = ["listings_in", "read_claim"]


def listings_in(directory: Directory) -> dict[str, ZipEntry]:
    """Return SHA-256 → entry of the listings that have entries of their own."""
    return {
        entry.name.removeprefix(LISTING_PREFIX): entry
        for entry in directory.entries
        if entry.name.startswith(LISTING_PREFIX)
    }


def read_claim(file: ReadAccess, entry: ZipEntry, listings: Mapping[str, ZipEntry]) -> Manifest | None:
    """Return the manifest that *entry* holds; ``None`` where it is damaged or another program's. Blocks.

    Args:
        file: the archive.
        entry: the manifest.
        listings: SHA-256 → entry with that content, for versions whose listing has an entry of its own.
    """

    def read_listing(sha256: str) -> bytes:
        found = listings.get(sha256)
        data = b"" if found is None else read_entry(file, found, MAX_MANIFEST_SIZE)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ManifestError(f"The listing {sha256[:16]}… of a version is damaged or lost.")
        return data

    try:
        data = read_entry(file, entry, MAX_MANIFEST_SIZE)
        if not is_own_manifest(data):
            return None
        manifest = decode_manifest(data)
    except IntegrityError:
        return None
    attach_listings(manifest, read_listing)
    return manifest
