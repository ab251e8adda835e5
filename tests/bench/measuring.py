"""What the history benchmarks share: whole processes measured, medians, what an archive's bytes are, tables."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import statistics
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import kamaros_gui
from kamaros_gui.archive import JCFManager
from kamaros_gui.base.config import JCFConfig

KAMAROS: Final = (sys.executable, "-m", "kamaros_gui")
MIB: Final = 1 << 20


_LAUNCHER: Final = """
import json, os, sys, time
def counters(pid):
    try:
        with open(f"/proc/{pid}/io") as file:
            return {name: int(value) for name, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}
report = int(sys.argv[1])
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, report)])
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended but not yet reaped, it still has its counters
seconds = time.perf_counter() - started
found = counters(pid)
_, status, usage = os.wait4(pid, 0)
cpu = usage.ru_utime + usage.ru_stime
os.write(report, json.dumps((os.waitstatus_to_exitcode(status), seconds, cpu, usage.ru_maxrss, found)).encode())
"""
"""Starts and measures a program. A process of its own, and a small one, because the peak of memory that the system
tells of a process begins with that of the one it was forked from."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One process that has ended.

    Attributes:
        status: exit status.
        seconds: wall time, from before its start to its end.
        cpu: seconds of processor time, its threads' included; on a busy machine these say more.
        peak: peak resident bytes of it (not of processes it started itself).
        written: bytes it gave to write calls, files and pipes alike; -1 where the system does not tell.
        read: bytes it took from read calls; likewise.
        output: what it wrote on standard output and error, decoded; empty where that was not kept.
    """

    status: int
    seconds: float
    cpu: float
    peak: int
    written: int
    read: int
    output: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of child processes: this Kamaros can be imported, and no user's settings file counts."""
    place = os.path.dirname(os.path.dirname(os.path.abspath(kamaros_gui.__file__)))
    return {**os.environ, "PYTHONPATH": place, "KAMAROS_SETTINGS": f"{os.devnull}.none", **(extra or {})}


def run(
    command: Sequence[str],
    *,
    cwd: str | None = None,
    extra: Mapping[str, str] | None = None,
    keep: bool = False,
    accept: tuple[int, ...] = (0,),
) -> Run:
    """Run a whole process and measure it.

    Args:
        command: program and arguments.
        cwd: folder to run it in.
        extra: more environment variables.
        keep: whether its output is returned; otherwise it goes nowhere.
        accept: exit statuses that are no failure.

    Raises:
        RuntimeError: it ended with another status; the message holds the end of its output.
    """
    report, told = os.pipe()
    process = subprocess.Popen(
        (sys.executable, "-I", "-S", "-c", _LAUNCHER, str(told), *command),
        cwd=cwd,
        env=environment(extra),
        pass_fds=(told,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if keep else subprocess.PIPE,
    )
    os.close(told)
    output = b"".join(each for each in process.communicate() if each)
    with open(report, "rb") as file:
        told_line = file.read()
    text = output.decode("utf-8", "replace")
    status, seconds, cpu, peak, counters = json.loads(told_line)
    if status not in accept:
        raise RuntimeError(f"{' '.join(command[:8])} … ended with {status}: {text[-600:].strip()}")
    return Run(status, seconds, cpu, peak * 1024, counters.get("wchar", -1), counters.get("rchar", -1), text)


def kamaros(*arguments: str, keep: bool = False, accept: tuple[int, ...] = (0,)) -> Run:
    """Run ``kamaros`` with *arguments* as a process of its own."""
    return run((*KAMAROS, *arguments), keep=keep, accept=accept)


def has_verb(verb: str) -> bool:
    """Whether this Kamaros knows *verb*."""
    return kamaros(verb, "--help", accept=(0, 2)).status == 0


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """What several runs of one thing took.

    Attributes:
        seconds: wall time of each.
        cpu: processor time of each.
        peak: highest peak of memory in bytes; 0 where that was not measured.
    """

    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    peak: int = 0

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        spread = f"{self.median:.3f} ({min(self.seconds):.3f}–{max(self.seconds):.3f})"
        return f"{spread}, cpu {statistics.median(self.cpu):.3f}"


def processes(runs: int, make: Callable[[int], Sequence[str]], accept: tuple[int, ...] = (0,)) -> Figure:
    """Run ``kamaros`` *runs* times with the arguments that *make* returns for the number of the run."""
    done = [kamaros(*make(number), accept=accept) for number in range(runs)]
    return Figure(
        tuple(each.seconds for each in done), tuple(each.cpu for each in done), max(each.peak for each in done)
    )


def in_process(
    archive: str,
    config: JCFConfig,
    runs: int,
    work: Callable[[JCFManager, int], Awaitable[object]],
    before: Callable[[], object] | None = None,
) -> Figure:
    """Open *archive*, await *work* and close it, *runs* times; every run has a manager and a loop of its own.

    Args:
        archive: the archive.
        config: settings.
        runs: how many runs count.
        work: given the manager and the number of the run.
        before: called before each run, its time not counted.
    """

    async def one(number: int) -> None:
        # Nothing is returned: asyncio.run would write the result of its task out as text, 50,000 entries and all.
        async with await JCFManager.open(archive, config) as manager:
            await work(manager, number)

    seconds, cpu = [], []
    for number in range(runs):
        if before is not None:
            before()
        started, burnt = time.perf_counter(), time.process_time()
        asyncio.run(one(number))
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - burnt)
    return Figure(tuple(seconds), tuple(cpu))


@dataclasses.dataclass(slots=True)
class Anatomy:
    """Where the bytes of an archive are, seen with Python's own ``zipfile``. Bytes, but for the counts.

    Attributes:
        size: the file.
        head, blobs: compressed data of ``content/`` and of ``.store/blobs/``.
        repeated: what of *head* and *blobs* holds content that another entry holds too (same CRC-32 and size).
        headers: local headers of all listed entries, of which *padding* is not name, time or fixed fields.
        directory: central directory and end records.
        manifest, manifest_json: the manifest, compressed and not.
        listings: compressed data of ``.store/versions/``: what versions changed, where that is not in the manifest.
        dead: everything else.
        entries: number of entries.
    """

    size: int = 0
    head: int = 0
    blobs: int = 0
    repeated: int = 0
    headers: int = 0
    padding: int = 0
    directory: int = 0
    manifest: int = 0
    manifest_json: int = 0
    listings: int = 0
    dead: int = 0
    entries: int = 0

    @classmethod
    def of(cls, path: str) -> Anatomy:
        """Measure the archive at *path*."""
        found = cls(size=os.path.getsize(path))
        seen: set[tuple[int, int]] = set()
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            found.directory = found.size - archive.start_dir
            for info in sorted(archive.infolist(), key=lambda each: each.header_offset):
                file.seek(info.header_offset + 26)
                name, extra = struct.unpack("<HH", file.read(4))
                found.entries += 1
                found.headers += 30 + name + extra
                found.padding += max(0, extra - 9)
                packed = info.compress_size
                if info.filename == "manifest.json":
                    found.manifest, found.manifest_json = packed, info.file_size
                elif info.filename.startswith(".store/versions/"):
                    found.listings += packed
                elif info.filename.startswith((".store/", "content/")):
                    if info.filename.startswith("content/"):
                        found.head += packed
                    else:
                        found.blobs += packed
                    if packed and (info.CRC, info.file_size) in seen:
                        found.repeated += packed
                    seen.add((info.CRC, info.file_size))
                else:
                    found.head += packed
        used = found.head + found.blobs + found.headers + found.directory + found.manifest + found.listings
        found.dead = found.size - used
        return found

    def lines(self, plain: int) -> list[tuple[str, str, str]]:
        """Return rows (what, MiB, per cent of *plain*, which is the sum of the compressed distinct contents)."""
        rows = (
            ("archive", self.size),
            ("· contents of HEAD", self.head),
            ("· contents of older versions", self.blobs),
            ("·   of these, repeated", self.repeated),
            ("· local headers", self.headers),
            ("·   of these, spare room", self.padding),
            ("· central directory", self.directory),
            ("· manifest", self.manifest),
            ("·   unpacked", self.manifest_json),
            ("· listings of versions", self.listings),
            ("· dead", self.dead),
            ("overhead", self.size - plain),
        )
        return [(name, f"{value / MIB:.2f}", f"{value / plain * 100:.2f} %") for name, value in rows]


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* below *heads*; the first column to the left, the others to the right."""
    cells = [tuple(heads), *(tuple(str(each) for each in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    print(f"\n{title}")
    for row in cells:
        first, rest = (
            row[0].ljust(widths[0]),
            (each.rjust(width) for each, width in zip(row[1:], widths[1:], strict=True)),
        )
        print("  ".join((first, *rest)).rstrip())
    sys.stdout.flush()
