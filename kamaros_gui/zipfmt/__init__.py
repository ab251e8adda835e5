"""The ZIP format: bytes in, bytes out, without input, output or threads (sans-IO)."""

from __future__ import annotations

from kamaros_gui.zipfmt.directory import KnownHeaders, encode_directory, read_known_headers
from kamaros_gui.zipfmt.extras import is_whole
from kamaros_gui.zipfmt.local import LocalHeader, check_local_header, parse_local_header, read_local_header
from kamaros_gui.zipfmt.names import archive_name, collision_key, escape_name, unsafe_reason
from kamaros_gui.zipfmt.reader import Directory, find_last_directory, read_directory
from kamaros_gui.zipfmt.reading import Reading, ReadRequest, run_reads
from kamaros_gui.zipfmt.records import ZipEntry
from kamaros_gui.zipfmt.scanning import (
    ArchiveScan,
    DirectoryPlace,
    FoundEntry,
    find_directories,
    has_growth_hint,
    scan_archive,
)
from kamaros_gui.zipfmt.writer import (
    encode_local_header,
    encode_plain_local_header,
    encode_tight_local_header,
    local_header_size,
    settled_header_size,
)

__all__ = [
    "ArchiveScan",
    "Directory",
    "DirectoryPlace",
    "FoundEntry",
    "KnownHeaders",
    "LocalHeader",
    "ReadRequest",
    "Reading",
    "ZipEntry",
    "archive_name",
    "check_local_header",
    "collision_key",
    "encode_directory",
    "encode_local_header",
    "encode_plain_local_header",
    "encode_tight_local_header",
    "escape_name",
    "find_directories",
    "find_last_directory",
    "has_growth_hint",
    "is_whole",
    "local_header_size",
    "parse_local_header",
    "read_directory",
    "read_known_headers",
    "read_local_header",
    "run_reads",
    "scan_archive",
    "settled_header_size",
    "unsafe_reason",
]
