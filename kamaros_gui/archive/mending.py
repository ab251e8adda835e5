"""Mending: local headers that disagree with the central directory, while the data behind them is right.

An interrupted relabelling leaves a header under its old name; a flipped byte changes any field of it. The directory
says what the header must be, so it can be written again, at the same length and in the same place, once the data was
read through the new header and has the right size, CRC-32 and SHA-256. Where the header has lost its own length, the
lengths it may have had are tried.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kamaros_gui.archive.container import MIMETYPE_NAME
from kamaros_gui.archive.patched_file import Patchable, PatchedFile
from kamaros_gui.archive.recovery import HeaderPatch
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import IntegrityError, KamarosError
from kamaros_gui.pipeline import RestoreFlow, RestoreItem, Workers
from kamaros_gui.storage.primitives import FilePrimitives, ReadAccess
from kamaros_gui.zipfmt import (
    ZipEntry,
    check_local_header,
    encode_local_header,
    encode_plain_local_header,
    has_growth_hint,
    local_header_size,
    parse_local_header,
)

__all__ = ["HeaderOverlay", "Mending", "header_patch", "mend_headers"]

_FIXED: Final = 30
_HEADER_GUESS: Final = 512
_LARGEST_HEADER: Final = _FIXED + 2 * 0xFFFF

_LEAST: Final = local_header_size("")
"""Length of most of our headers: those of all but long names."""

_FEW_BYTES: Final = 4
"""A header that is right but for this many bytes is one of ours with a flaw no comparison of fields has found, such as
in its version or its time. Headers of other programs differ in far more."""

_COMPARED: Final = 26
_ALIKE: Final = 18
"""Of the first bytes of a header, up to its sizes, these many are what they must be before it is written again: a new
time changes four of them, damage a few more."""

_GROWTH_ID: Final = b"\x20\xa2"

_CONTINUATIONS: Final = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"")


@dataclasses.dataclass(slots=True)
class Mending:
    """What is to be done about the headers of a directory.

    Attributes:
        located: the entries whose header is right, or will be; each knows its length.
        patches: headers to write: offset → bytes.
        names: entries they belong to.
        failed: entries whose data could not be read through any header.
    """

    located: dict[str, ZipEntry] = dataclasses.field(default_factory=dict)
    patches: dict[int, bytes] = dataclasses.field(default_factory=dict)
    names: list[str] = dataclasses.field(default_factory=list)
    failed: list[ZipEntry] = dataclasses.field(default_factory=list)

    def seen(self, file: ReadAccess) -> ReadAccess:
        """Return *file* as it is with these headers."""
        return HeaderOverlay(file, self.patches) if self.patches else file

    def patch_list(self) -> list[HeaderPatch]:
        """Return the headers to write, in the order of the file."""
        return sorted(self.patches.items())


class HeaderOverlay(PatchedFile):
    """An archive that is only read, seen with other headers; any number of them costs a read no more than one.

    Args:
        file: the archive.
        patches: offset → bytes; they don't overlap.
    """

    def __init__(self, file: ReadAccess, patches: Mapping[int, bytes]) -> None:
        self._sorted = sorted(patches.items())
        self._starts = [start for start, _ in self._sorted]
        self._longest = max((len(data) for _, data in self._sorted), default=0)
        super().__init__(file, self._sorted)

    def _patched(self, data: Patchable, offset: int) -> Patchable:
        first = bisect_right(self._starts, offset - self._longest)
        last = bisect_left(self._starts, offset + len(data))
        for start, patch in self._sorted[first:last]:
            begin, end = max(start, offset), min(start + len(patch), offset + len(data))
            if begin < end:
                data[begin - offset : end - offset] = patch[begin - start : end - start]
        return data


async def mend_headers(
    files: FilePrimitives,
    file: ReadAccess,
    entries: Sequence[ZipEntry],
    end: int,
    hashes: Mapping[str, str],
    older_names: Callable[[str], Sequence[str]],
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> Mending:
    """Find headers that disagree with the directory, and what they must be. Nothing is written.

    Only the data behind such headers is read, as a stream.

    Args:
        files: where the archive is.
        file: the archive, open for reading.
        entries: all entries of the directory, or some.
        end: where the data of the last of them must end at the latest.
        hashes: entry name → SHA-256 its content must have, empty for a folder and where it is not known. A header that
            disagrees with a name not in it is left alone: the directory may be what is wrong.
        older_names: content hash → names its entry may have had when its header was written.
        config: chunk size.
        workers: threads.
        control: abort, pause.

    Raises:
        AbortError: the control's signal was aborted (or whatever its reason is).
    """
    mending = Mending()
    suspects = await workers.io(_inspect, file, entries, end, mending, control)
    for suspect in suspects:
        digest = hashes.get(suspect.entry.name, "")
        suspect.add_guesses(older_names(digest) if digest else ())
    mending.failed = [each.entry for each in suspects if each.entry.name not in hashes]
    suspects = [each for each in suspects if each.entry.name in hashes]
    while suspects:
        tried = {id(each): header for each in suspects if (header := each.next_header(file)) is not None}
        mending.failed += [each.entry for each in suspects if id(each) not in tried]
        suspects = [each for each in suspects if id(each) in tried]
        overlay = HeaderOverlay(file, {each.entry.header_offset: tried[id(each)] for each in suspects})
        wrong = await _read_through(files, overlay, suspects, hashes, config, workers, control)
        for each in suspects:
            if each.entry.name not in wrong:
                entry, header = each.entry, tried[id(each)]
                mending.located[entry.name] = msgspec.structs.replace(entry, header_size=len(header))
                mending.patches[entry.header_offset] = header
                mending.names.append(entry.name)
        suspects = [each for each in suspects if each.entry.name in wrong]
    return mending


def header_patch(file: ReadAccess, entry: ZipEntry) -> bytes | None:
    """Return the header that *entry*, whose ``header_size`` is known, must have; ``None`` where it has it.

    Raises:
        ValueError: there is no room for it.
    """
    header = file.read(entry.header_offset, entry.header_size)
    try:
        wanted = _encode(entry, entry.header_size)
    except ValueError:
        if _agrees(entry, header):
            return None
        raise
    return wanted if wanted != header else None


class _Suspect:
    """An entry whose header is wrong.

    Args:
        entry: as the directory lists it.
        limit: where its data must end at the latest.
        head: bytes that stand where its header does.
    """

    def __init__(self, entry: ZipEntry, limit: int, head: bytes) -> None:
        self.entry = entry
        self._limit = limit
        self._head = head[:_COMPARED]
        name_size, extra_size = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        self._sizes = [
            _FIXED + name_size + extra_size,
            len(encode_plain_local_header(entry)) if entry.name == MIMETYPE_NAME else _usual_size(entry.name),
            _FIXED + len(entry.raw_name or entry.name.encode()) + extra_size,
        ]
        if entry.compressed_size:
            self._sizes.append(limit - entry.compressed_size - entry.header_offset)
        self._untried: Iterator[int] = iter(())

    def add_guesses(self, older_names: Sequence[str]) -> None:
        """Add the lengths a header has that was written under another name, and begin."""
        sizes = self._sizes + [_usual_size(name) for name in older_names]
        self._untried = iter(dict.fromkeys(size for size in sizes if self._fits(size)))

    def next_header(self, file: ReadAccess) -> bytes | None:
        """Return the next header to try, ``None`` when there are no more."""
        for size in self._untried:
            # Any place will do for data of no bytes; then at least something must begin behind it.
            if not self.entry.compressed_size and file.read(self.entry.header_offset + size, 4) not in _CONTINUATIONS:
                continue
            try:
                header = _encode(self.entry, size)
            except ValueError:
                continue
            if self._resembles(header):
                return header
        return None

    def _resembles(self, header: bytes) -> bool:
        """Whether what stands there is this header, damaged, and not data that a damaged directory points into."""
        same = [one == other for one, other in zip(header[:_COMPARED], self._head, strict=False)]
        return sum(same[:4]) >= 3 and sum(same) >= _ALIKE

    def _fits(self, size: int) -> bool:
        room = self._limit - self.entry.header_offset - self.entry.compressed_size
        return _FIXED < size <= min(room, _LARGEST_HEADER)


def _inspect(
    file: ReadAccess, entries: Sequence[ZipEntry], end: int, mending: Mending, control: RunControl
) -> list[_Suspect]:
    """Look at the header of every entry; put the right ones into *mending*, return the others."""
    suspects = []
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    limits = [entry.header_offset for entry in ordered[1:]] + [end]
    for entry, limit in zip(ordered, limits, strict=True):
        control.signal.throw_if_aborted()
        head = file.read(entry.header_offset, _HEADER_GUESS)
        size = _FIXED + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        if size > len(head):
            head = file.read(entry.header_offset, size)
        if _agrees(entry, head[:size], head[size:], limit):
            mending.located[entry.name] = msgspec.structs.replace(entry, header_size=size)
        else:
            suspects.append(_Suspect(entry, limit, head))
    return suspects


def _agrees(entry: ZipEntry, header: bytes, following: bytes = b"", limit: int | None = None) -> bool:
    """Whether *header* is what the directory says, and what this software would have written if it is ours."""
    usual = _usual_size(entry.name)
    try:
        check_local_header(entry, parse_local_header(header), limit=limit)
        wanted = _encode(entry, len(header))
    except IntegrityError:
        return False
    except ValueError:
        # Another program's has no room for what ours have; nor has one of ours that says it is shorter than it is.
        ours = encode_local_header(entry, usual) if usual else b""
        padding = ours.rfind(_GROWTH_ID)
        return not ours or (header + following)[_FIXED : padding + 2] != ours[_FIXED : padding + 2]
    if len(header) in {usual, _LEAST} or has_growth_hint(header):
        return header == wanted
    different = sum(one != other for one, other in zip(header, wanted, strict=True))
    return not 0 < different <= _FEW_BYTES


def _usual_size(name: str) -> int:
    """Return the length this software gives the header of an entry called *name*; 0 where that can't have one."""
    try:
        return local_header_size(name)
    except ValueError:
        return 0


def _encode(entry: ZipEntry, size: int) -> bytes:
    """Return the header of *entry* at that length; raises ValueError where it does not fit."""
    if entry.name == MIMETYPE_NAME:
        header = encode_plain_local_header(entry)
        if len(header) == size:
            return header
    return encode_local_header(entry, size)


async def _read_through(
    files: FilePrimitives,
    overlay: ReadAccess,
    suspects: Sequence[_Suspect],
    hashes: Mapping[str, str],
    config: JCFConfig,
    workers: Workers,
    control: RunControl,
) -> set[str]:
    """Read what is behind the tried headers; return the names of the entries that don't come out right."""
    wrong: set[str] = set()

    def on_outcome(item: RestoreItem, error: KamarosError | None) -> None:
        if error is not None:
            wrong.add(item.entry.name)

    apart = RunControl(control.signal)  # its files are none of the operation's own
    apart.gate = control.gate
    items = [RestoreItem(each.entry.name, each.entry, hashes.get(each.entry.name, "")) for each in suspects]
    await RestoreFlow(files, overlay, config, workers, apart, on_outcome).run(items)
    return wrong
