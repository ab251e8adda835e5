"""One large file in a larger archive: replaced, renamed, removed; what is written, touched, and who still reads it.

``python -m tests.bench.bench_big_file [--folder DIR] [--mebibytes 1024] [--runs N]``

The archive holds three files of that size and a hundred small ones. For every step, as a whole process and in process:
wall time, bytes the file grew by, bytes given to write calls (all of the process, journal and terminal included), and
the 4 KiB blocks of the former archive that have other content than before: no content may be among them. Bytes beyond
the new entry are split into manifest, directory and the rest. After every step unzip, 7zz, bsdtar, Python's zipfile and
zipdetails must accept the archive; one that is not installed is named. zipdetails reads a file from its beginning to
its end, so it remarks on dead bytes, such as an old directory: this remark alone is counted apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile

from kamaros_gui.base.config import JCFConfig
from tests.bench.measuring import MIB, Anatomy, Run, has_verb, in_process, kamaros, processes, table

BLOCK = 4096
STEP = 16 * MIB
_DEAD = "Expected Zip header not found at"
ALLOWED = 64 * 1024
"""Bytes a step may write beyond the new entry, the manifest and the directory."""
READERS: dict[str, list[str]] = {
    "unzip -t": ["unzip", "-tqq", "{archive}"],
    "7zz t": ["7zz", "t", "-bd", "-bso0", "{archive}"],
    "bsdtar -t": ["bsdtar", "-tf", "{archive}"],
    "zipdetails": ["zipdetails", "{archive}"],
}


def write_noise(path: str, mebibytes: int, seed: int) -> None:
    """Write a file that nobody can compress, as film and photographs are."""
    dice = random.Random(seed)
    with open(path, "wb") as file:
        file.writelines(dice.randbytes(MIB) for _ in range(mebibytes))


def block_hashes(path: str, end: int) -> list[bytes]:
    """Return the hash of each block of the first *end* bytes, the last one perhaps shorter."""
    hashes: list[bytes] = []
    with open(path, "rb") as file:
        position = 0
        while position < end:
            data = memoryview(file.read(min(STEP, end - position)))
            blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
            hashes.extend(hashlib.blake2b(block, digest_size=8).digest() for block in blocks)
            position += len(data)
    return hashes


def problems_of_readers(archive: str) -> str:
    """Let every reader test the archive; return what they complain about, or that they don't."""
    told = []
    for name, command in READERS.items():
        if shutil.which(command[0]) is None:
            told.append(f"{name} missing")
            continue
        filled = [part.format(archive=archive) for part in command]
        done = subprocess.run(filled, check=False, capture_output=True, errors="replace")
        lines = (done.stdout + done.stderr).splitlines()
        complaint = [line for line in lines if _complains(name, line)]
        if done.returncode or complaint:
            told.append(f"{name}: status {done.returncode} {complaint[:2]}")
        elif name == "zipdetails":
            dead = any(_DEAD in line for line in lines)
            told.append("zipdetails clean, with its remark on dead bytes" if dead else "zipdetails clean")
    with zipfile.ZipFile(archive) as opened:
        damaged = opened.testzip()
    if damaged is not None:
        told.append(f"zipfile: {damaged}")
    return "; ".join(told) + "; otherwise clean"


def _complains(name: str, line: str) -> bool:
    """Whether *line* of a reader's output is a remark. zipdetails dumps fields, so only its own words count."""
    if name == "bsdtar -t":
        return line.startswith("bsdtar:")
    if name == "zipdetails":
        return line.startswith(("* ", "ERROR", "Error")) and _DEAD not in line
    return bool(line.strip())


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one step did to the archive. Bytes.

    Attributes:
        run: the process.
        grown: how much longer the file is.
        entry: compressed data and local header of the new entry; 0 where there is none.
        manifest, directory: of the new state.
        touched: blocks of the former archive that differ now.
        readers: what other programs say.
    """

    run: Run
    grown: int
    entry: int
    manifest: int
    directory: int
    touched: int
    readers: str

    @property
    def beyond(self) -> int:
        """Bytes written beyond entry, manifest and directory."""
        return self.run.written - self.entry - self.manifest - self.directory


def step(archive: str, arguments: tuple[str, ...], new: str = "") -> Outcome:
    """Run one verb on *archive*; *new* is the path whose content it wrote, if any."""
    before = os.path.getsize(archive)
    hashes = block_hashes(archive, before)
    done = kamaros(*arguments)
    after = os.path.getsize(archive)
    changed = sum(old != present for old, present in zip(hashes, block_hashes(archive, before), strict=False))
    parts = Anatomy.of(archive)
    entry = 0
    if new:
        with zipfile.ZipFile(archive) as opened:
            info = opened.getinfo(f"content/{new}")
            entry = info.compress_size + _header_size(archive, info.header_offset)
    return Outcome(done, after - before, entry, parts.manifest, parts.directory, changed, problems_of_readers(archive))


def _header_size(archive: str, offset: int) -> int:
    with open(archive, "rb") as file:
        file.seek(offset + 26)
        return 30 + sum(int.from_bytes(file.read(2), "little") for _ in range(2))


def make(place: str, archive: str, mebibytes: int) -> str:
    """Make the archive; return the folder with what was saved last, which holds but one of the large files."""
    folder = os.path.join(place, "film")
    os.makedirs(os.path.join(folder, "notes"))
    for number in range(100):
        with open(os.path.join(folder, "notes", f"note {number}.txt"), "w", encoding="utf-8") as file:
            file.write(f"Take {number}: harbour, evening.\n" * (number + 1))
    kamaros("save", archive, os.path.join(folder, "notes"), "--into", "film", "-q")
    for seed, name in enumerate(("first.mov", "second.mov", "third.mov")):
        path = os.path.join(folder, name)
        write_noise(path, mebibytes, seed)
        done = kamaros("save", archive, path, "--into", "film", "-q")
        print(f"  {name} saved in {done.seconds:.2f} s, peak {done.peak / MIB:.0f} MiB", file=sys.stderr, flush=True)
        os.unlink(path)
    return folder


def steps(archive: str, folder: str, mebibytes: int) -> dict[str, Outcome | None]:
    """Carry out every step as a whole process; ``None`` where the verb is missing."""
    found: dict[str, Outcome | None] = {}
    path = os.path.join(folder, "second.mov")
    write_noise(path, mebibytes, 99)
    found["replace"] = step(archive, ("save", archive, path, "--into", "film", "-q"), "film/second.mov")
    os.unlink(path)
    verbs = {
        "rename": ("move", archive, "film/second.mov", "film/second cut.mov", "-q"),
        "move to another folder": ("move", archive, "film/second cut.mov", "archive/2026/second.mov", "-q"),
        "move the folder of 101": ("move", archive, "film", "pictures", "-q"),
        "delete": ("remove", archive, "archive/2026/second.mov", "-q"),
    }
    for name, arguments in verbs.items():
        found[name] = step(archive, arguments) if has_verb(arguments[0]) else None
    return found


def timed(archive: str, runs: int) -> list[tuple[str, str, str]]:
    """Time renaming and deleting again and again: (what, whole process, in process)."""
    rows = [("program start alone", str(processes(runs, lambda _: ("--version",))), "–")]
    if not has_verb("move") or not has_verb("remove"):
        return [*rows, ("rename, delete", "missing", "missing")]
    names = ["pictures/first.mov", "pictures/first take.mov"]
    rename = processes(runs * 2, lambda number: ("move", archive, *names[:: 1 if number % 2 == 0 else -1], "-q"))
    inside = in_process(
        archive, JCFConfig(), runs * 2, lambda m, number: m.move(*names[:: 1 if number % 2 == 0 else -1])
    )
    rows.append(("rename", str(rename), str(inside)))
    # There are two large files left, one for each way of deleting.
    delete = processes(1, lambda _: ("remove", archive, "pictures/first.mov", "-q"))
    gone = in_process(archive, JCFConfig(), 1, lambda m, _number: m.remove(["pictures/third.mov"]))
    rows.append(("delete, once", str(delete), str(gone)))
    return rows


def main() -> None:
    """Make the archive, carry out the steps, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None, help="needs 6 × the size"
    )
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of each of the three files")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-big-") as place:
        archive = os.path.join(place, "film.jcf")
        folder = make(place, archive, options.mebibytes)
        print(f"Archive of {os.path.getsize(archive) / MIB:.1f} MiB; readers: {problems_of_readers(archive)}")
        rows, remarks = [], []
        for name, outcome in steps(archive, folder, options.mebibytes).items():
            if outcome is None:
                rows.append((name, *["missing"] * 8))
                continue
            verdict = "ok" if 0 <= outcome.beyond <= ALLOWED else "MISSED"
            rows.append(
                (
                    name,
                    f"{outcome.run.seconds:.3f}",
                    f"{outcome.grown:,}",
                    f"{outcome.run.written:,}",
                    f"{outcome.entry:,}",
                    f"{outcome.manifest:,}",
                    f"{outcome.directory:,}",
                    f"{outcome.beyond:,} {verdict}",
                    f"{outcome.touched}",
                )
            )
            remarks.append(f"{name}: {outcome.readers}")
        heads = ("step", "s", "grown", "written", "new entry", "manifest", "directory", "beyond", "old blocks touched")
        table(f"Whole processes; bytes; beyond: at most {ALLOWED:,}", heads, rows)
        print("\nReaders after each step\n  " + "\n  ".join(remarks))
        times = timed(archive, options.runs)
        table(
            f"Again, median of {options.runs * 2} (fastest–slowest), s; at most 0.2",
            ("verb", "process", "in process"),
            times,
        )
        print(f"Readers at the end: {problems_of_readers(archive)}")


if __name__ == "__main__":
    main()
