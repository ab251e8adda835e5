"""Time of reading and writing central directories: ``python -m tests.bench.bench_directory [entries …]``.

Not part of the tests: a figure depends on the machine. Wall time and time of the process, each the shortest of some
runs, which is the one least disturbed by others; "again" writes a directory of which ten entries have changed, as a
save does, the bytes read again included. Memory is what the entries keep, and the most there was meanwhile.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

import msgspec

from kamaros_gui.zipfmt import (
    Directory,
    ZipEntry,
    encode_directory,
    local_header_size,
    read_directory,
    read_known_headers,
    run_reads,
)
from tests.bench.measuring import table

COUNTS: Final = (10_000, 100_000, 500_000)
CHANGED: Final = 10
ROUNDS: Final = 5


def made_entries(count: int) -> list[ZipEntry]:
    """Return entries such as a history has: half of them files of HEAD, half older contents; all times differ."""
    chance = random.Random(count)
    entries = []
    offset = 0
    for number in range(count):
        packed = chance.randrange(50_000)
        if number % 2:
            folders = f"content/folder {chance.randrange(400)}/part {chance.randrange(10)}/"
            name = folders + f"file {number:07d}".ljust(chance.randrange(30, 45), "x") + ".txt"
        else:
            name = f".store/blobs/{chance.getrandbits(256):064x}"
        mtime = 1_600_000_000 + chance.randrange(100_000_000)
        entries.append(ZipEntry(name, 8, chance.getrandbits(32), packed, packed * 3, offset, 0, 0o100644, mtime))
        offset += local_header_size(name) + packed
    return entries


class File:
    """An archive of which there is the directory alone."""

    def __init__(self, entries: list[ZipEntry]) -> None:
        last = entries[-1]
        self.start = last.header_offset + local_header_size(last.name) + last.compressed_size
        self.directory = encode_directory(entries, self.start)

    def read(self, offset: int, length: int) -> bytes:
        """Return *length* bytes at *offset*; zeros where the contents would be."""
        gap = max(0, min(length, self.start - offset))
        at = max(0, offset - self.start)
        return bytes(gap) + self.directory[at : at + length - gap]

    def entries(self) -> Directory:
        """Read the directory."""
        return run_reads(read_directory(self.start + len(self.directory)), self.read)


def changed(entries: list[ZipEntry]) -> list[ZipEntry]:
    """Return *entries* after a save: some got new content, and what they had goes by another name at the end."""
    chance = random.Random(1)
    listed = {entry.name: entry for entry in entries}
    for name in chance.sample(sorted(listed), CHANGED):
        old = listed.pop(name)
        listed[name] = msgspec.structs.replace(old, crc32=0)
        blob = f".store/blobs/{chance.getrandbits(256):064x}"
        listed[blob] = msgspec.structs.replace(old, name=blob)
    return list(listed.values())


def shortest(work: Callable[[], object]) -> str:
    """Run *work* some times; return wall time and time of the process of the shortest run, in milliseconds."""
    walls, own = [], []
    for _ in range(ROUNDS):
        wall, mine = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        own.append(time.process_time() - mine)
    return f"{min(walls) * 1000:.1f} ({min(own) * 1000:.1f})"


def memory(work: Callable[[], object], count: int) -> str:
    """Return bytes for each of *count* entries that the result of *work* keeps, and the most there were meanwhile."""
    tracemalloc.start()
    result = work()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return f"{kept / count:.0f}, {peak / count:.0f}"


def main() -> None:
    """Measure and print."""
    rows = []
    for count in [int(argument) for argument in sys.argv[1:]] or COUNTS:
        entries = made_entries(count)
        file = File(entries)
        found = file.entries()
        if found.entries != entries:
            raise SystemExit("What was read is not what was written.")
        after = changed(found.entries)

        def write_again(found: Directory = found, after: list[ZipEntry] = after, file: File = file) -> bytes:
            return encode_directory(after, file.start, run_reads(read_known_headers(found), file.read))

        if write_again() != encode_directory(after, file.start):
            raise SystemExit("What is written again is not what would be written.")
        read, again = shortest(file.entries), shortest(write_again)
        write = shortest(lambda entries=entries, file=file: encode_directory(entries, file.start))
        del found, after
        rows.append((f"{count:,}", f"{len(file.directory):,}", read, write, again, memory(file.entries, count)))
    heads = ("entries", "bytes", "read", "write", f"again, {CHANGED} changed", "B/entry kept, peak")
    table("Central directory, milliseconds of wall time (of the process)", heads, rows)


if __name__ == "__main__":
    main()
