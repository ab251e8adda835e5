"""Twenty real releases of three packages, saved one after the other: Kamaros beside borg and restic.

``python -m tests.bench.bench_releases --work DIR [--folder DIR] [--releases N] [--touch changed]``

The releases are fetched once with ``pip download`` into DIR. For each, the working tree is made what the release
holds: with ``--touch all`` (the default) everything is unpacked anew, as somebody does who deletes a folder and unpacks
the next release; with ``--touch changed`` only files with other content are written, as a version control system does.
Then every program saves the same tree as a whole process, always in the same order, on a tmpfs if there is one.
Programs that are not installed are named as missing. At the end one release from the middle comes back from each
Kamaros archive and is compared with ``diff -r``.

Beside the totals stand the plain sums: what every distinct content takes when it is compressed alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from typing import Final

from kamaros_gui.codecs import encode_whole
from tests.bench.measuring import KAMAROS, MIB, Anatomy, Run, has_verb, run, table

RELEASES: Final = {
    "Django": "3.2 3.2.5 3.2.10 3.2.15 3.2.20 4.0 4.0.5 4.0.10 4.1 4.1.5"
    " 4.1.10 4.1.13 4.2 4.2.5 4.2.10 4.2.15 5.0 5.0.8 5.1 5.2",
    "sympy": "1.4 1.5 1.5.1 1.6 1.6.1 1.6.2 1.7 1.7.1 1.8 1.9 1.10 1.10.1 1.11 1.11.1 1.12 1.12.1 1.13.0 1.13.1"
    " 1.13.2 1.13.3",
    "networkx": "2.4 2.5 2.5.1 2.6.2 2.6.3 2.7 2.7.1 2.8 2.8.1 2.8.2 2.8.3 2.8.4 2.8.5 2.8.6 2.8.7 2.8.8 3.0 3.1 3.2"
    " 3.2.1",
}
"""Package → its releases, oldest first; the n-th state of the tree holds the n-th of each."""


def releases() -> list[list[tuple[str, str]]]:
    """Return the states of the tree: (package, version) pairs each."""
    columns = [[(name, version) for version in text.split()] for name, text in RELEASES.items()]
    return [list(row) for row in zip(*columns, strict=True)]


def fetch(work: str, state: Sequence[tuple[str, str]]) -> list[str]:
    """Return the files of one state, fetched where DIR has them not yet."""
    found = []
    for name, version in state:
        folder = os.path.join(work, "releases", f"{name}-{version}")
        if not os.path.isdir(folder):
            partial = f"{folder}.part"
            shutil.rmtree(partial, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*command, "-d", partial, f"{name}=={version}"], check=True, stderr=subprocess.DEVNULL)
            os.rename(partial, folder)
        found += [os.path.join(folder, each) for each in os.listdir(folder)]
    return found


def contents_of(files: Sequence[str]) -> dict[str, tuple[bytes, float]]:
    """Return path → (content, time) of everything in the archives *files*; versions in folder names are cut off."""
    tree: dict[str, tuple[bytes, float]] = {}
    for file in files:
        package = os.path.basename(file).split("-")[0]
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                first, _, rest = info.filename.partition("/")
                if first.endswith((".dist-info", ".data")):
                    first = f"{package}{os.path.splitext(first)[1]}"
                moment = time.mktime((*info.date_time, 0, 0, -1))
                tree[f"{package}/{first}/{rest}" if rest else f"{package}/{first}"] = archive.read(info), moment
    return tree


def unpack(folder: str, tree: dict[str, tuple[bytes, float]], *, touch_all: bool) -> None:
    """Make *folder* hold *tree* and nothing else."""
    if touch_all:
        shutil.rmtree(folder, ignore_errors=True)
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = os.path.join(place, name)
            if os.path.relpath(path, folder) not in tree:
                os.unlink(path)
        if not os.listdir(place):
            os.rmdir(place)
    for path, (data, moment) in tree.items():
        target = os.path.join(folder, path)
        if os.path.exists(target):
            with open(target, "rb") as file:
                if file.read() == data:
                    continue
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
        os.utime(target, (moment, moment))


class PlainSums:
    """Sums over every distinct content that was ever seen, and over each state in full."""

    def __init__(self) -> None:
        self.contents = self.size = self.deflate = self.zstd = self.in_full = 0
        self._packed: dict[bytes, int] = {}

    def add(self, tree: dict[str, tuple[bytes, float]]) -> None:
        """Take in one state of the tree."""
        for data, _ in tree.values():
            key = hashlib.sha256(data).digest()
            if key not in self._packed:
                self._packed[key] = _packed_size(data, "deflate", 6)
                self.contents += 1
                self.size += len(data)
                self.deflate += self._packed[key]
                self.zstd += _packed_size(data, "zstd", 3)
            self.in_full += self._packed[key]


def _packed_size(data: bytes, codec: str, level: int) -> int:
    _, parts = encode_whole(data, "zstd" if codec == "zstd" else "deflate", level)
    return sum(map(len, parts))


class Program:
    """One program and its archive of the tree.

    Args:
        name: for the table.
        place: folder of its own.
        steps: what prepares it, saves the tree ({number}: which state), and what shrinks it in the end.
        environment: variables it needs.
        where: what to weigh below *place*.
    """

    def __init__(
        self,
        name: str,
        place: str,
        *,
        prepare: Sequence[str] | None,
        save: Sequence[str],
        shrink: Sequence[str] | None,
        environment: dict[str, str],
        where: str,
    ) -> None:
        self.name = name
        self.runs: list[Run] = []
        self.sizes: list[int] = []
        self.shrunk: tuple[int, float] | None = None
        self._place = place
        self._save = save
        self._shrink = shrink
        self._environment = environment
        self._where = where
        os.makedirs(place)
        if prepare is not None:
            self._run(prepare, 0)

    def _run(self, command: Sequence[str], number: int, tree: str | None = None) -> Run:
        filled = [part.format(place=self._place, number=number, tree=tree) for part in command]
        settings = {name: value.format(place=self._place) for name, value in self._environment.items()}
        return run(filled, cwd=tree or self._place, extra=settings)

    def save(self, tree: str, number: int) -> None:
        """Save the tree in its present state."""
        self.runs.append(self._run(self._save, number, tree))
        self.sizes.append(self.size())

    def shrink(self) -> None:
        """Let it give back what it can, if it can."""
        if self._shrink is not None:
            done = self._run(self._shrink, 0)
            self.shrunk = self.size(), done.seconds

    def size(self) -> int:
        """Bytes of its archive or repository; caches elsewhere are not counted."""
        place = os.path.join(self._place, self._where)
        if os.path.isfile(place):
            return os.path.getsize(place)
        return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(place) for name in names)

    def row(self, plain: int) -> tuple[str, ...]:
        """Return its line of the table."""
        seconds = [each.seconds for each in self.runs]
        after = f"{self.shrunk[0] / MIB:.2f}" if self.shrunk else "–"
        least = self.shrunk[0] if self.shrunk else self.sizes[-1]
        return (
            self.name,
            f"{seconds[0]:.2f}",
            f"{statistics.median(seconds[1:] or seconds):.2f}",
            f"{max(seconds[1:] or seconds):.2f}",
            f"{statistics.median(each.cpu for each in self.runs[1:] or self.runs):.2f}",
            f"{max(each.peak for each in self.runs) / MIB:.0f}",
            f"{self.sizes[0] / MIB:.2f}",
            f"{self.sizes[-1] / MIB:.2f}",
            after,
            f"{self.shrunk[1]:.2f}" if self.shrunk else "–",
            f"{least / plain * 100:.0f} %",
        )


def programs(place: str) -> list[Program]:
    """Return every program that is there, ready to save."""
    can_compact = has_verb("compact")

    def kamaros(name: str, *options: str) -> Program:
        archive = "{place}/tree.jcf"
        return Program(
            name,
            os.path.join(place, name.replace(" ", "-")),
            prepare=None,
            save=(*KAMAROS, "save", archive, "{tree}/.", "--mirror", "-q", "-m", "State {number}", *options),
            shrink=(*KAMAROS, "compact", archive, "-q") if can_compact else None,
            environment={},
            where="tree.jcf",
        )

    def borg() -> Program:
        return Program(
            "borg zstd,3",
            os.path.join(place, "borg"),
            prepare=("borg", "init", "-e", "none", "{place}/repo"),
            save=("borg", "create", "-C", "zstd,3", "{place}/repo::{number}", "."),
            shrink=("borg", "compact", "{place}/repo"),
            environment={"BORG_BASE_DIR": "{place}/base", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"},
            where="repo",
        )

    def restic() -> Program:
        return Program(
            "restic auto",
            os.path.join(place, "restic"),
            prepare=("restic", "init", "-q"),
            save=("restic", "backup", "-q", "--compression", "auto", "."),
            shrink=("restic", "prune", "-q"),
            environment={
                "RESTIC_PASSWORD": "bench",
                "RESTIC_REPOSITORY": "{place}/repo",
                "RESTIC_CACHE_DIR": "{place}/cache",
            },
            where="repo",
        )

    found = [kamaros("kamaros 6"), kamaros("kamaros zstd", "--codec", "zstd")]
    peers: dict[str, Callable[[], Program]] = {"borg": borg, "restic": restic}
    for name, make in peers.items():
        if shutil.which(name):
            found.append(make())
        else:
            print(f"{name}: missing")
    return found


def check_middle(place: str, states: list[list[tuple[str, str]]], work: str) -> None:
    """Restore the state in the middle from both Kamaros archives, and compare with what was saved."""
    middle, last = len(states) // 2, len(states) - 1
    expected, restored = os.path.join(place, "expected"), os.path.join(place, "restored")
    unpack(expected, contents_of(fetch(work, states[middle])), touch_all=True)
    for name in ("kamaros-6", "kamaros-zstd"):
        shutil.rmtree(restored, ignore_errors=True)
        version = f"HEAD~{last - middle}"
        done = run((*KAMAROS, "restore", f"{place}/{name}/tree.jcf", "--version", version, "-C", restored, "-q"))
        compared = subprocess.run(["diff", "-r", expected, restored], check=False, capture_output=True)
        verdict = "equal" if compared.returncode == 0 else f"NOT EQUAL: {compared.stdout[:300].decode()}"
        print(f"state {middle + 1} of {len(states)} restored from {name} in {done.seconds:.2f} s, diff -r: {verdict}")


def main() -> None:
    """Save every state with every program, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, metavar="DIR", help="keeps the releases from run to run")
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None, help="best a tmpfs")
    parser.add_argument("--releases", type=int, default=20, metavar="N", help="only the first N states")
    parser.add_argument("--touch", choices=("all", "changed"), default="all", help="which files a release writes")
    options = parser.parse_args()
    states = releases()[: options.releases]
    for state in states:
        fetch(options.work, state)
    sums, counts = PlainSums(), []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-releases-") as place:
        tree = os.path.join(place, "tree")
        os.makedirs(tree)
        everyone = programs(place)
        for number, state in enumerate(states):
            contents = contents_of(fetch(options.work, state))
            unpack(tree, contents, touch_all=options.touch == "all")
            sums.add(contents)
            counts.append((len(contents), sum(len(data) for data, _ in contents.values())))
            time.sleep(0.1)  # a file of this very moment would be read again by whoever distrusts its time
            for each in everyone:
                each.save(tree, number)
            told = ", ".join(f"{each.name} {each.runs[-1].seconds:.2f} s" for each in everyone)
            print(f"{' '.join('-'.join(each) for each in state)}: {told}", file=sys.stderr, flush=True)
        for each in everyone:
            each.shrink()
        report(options, states, counts, sums, everyone)
        for name in ("kamaros-6", "kamaros-zstd"):
            parts = Anatomy.of(f"{place}/{name}/tree.jcf")
            plain = sums.zstd if name.endswith("zstd") else sums.deflate
            table(f"Bytes of {name} in the end", ("part", "MiB", "of the plain sum"), parts.lines(plain))
        print()
        check_middle(place, states, options.work)


def report(
    options: argparse.Namespace,
    states: list[list[tuple[str, str]]],
    counts: list[tuple[int, int]],
    sums: PlainSums,
    everyone: list[Program],
) -> None:
    """Print the totals."""
    files, size = counts[-1]
    print(
        f"{len(states)} releases of {', '.join(RELEASES)}; the last has {files} files, {size / MIB:.1f} MiB;"
        f" {options.touch} files written each time"
    )
    print(
        f"Distinct contents: {sums.contents}, {sums.size / MIB:.1f} MiB; each compressed alone:"
        f" deflate 6 {sums.deflate / MIB:.2f} MiB (100 %), zstd 3 {sums.zstd / MIB:.2f} MiB;"
        f" every release as a ZIP of its own: {sums.in_full / MIB:.1f} MiB"
    )
    heads = (
        "program",
        "first s",
        "median s",
        "max s",
        "cpu s",
        "peak MiB",
        "first MiB",
        "all MiB",
        "shrunk",
        "in s",
        "of plain",
    )
    table(
        "Whole processes; first save, then median and slowest of the others",
        heads,
        [e.row(sums.deflate) for e in everyone],
    )
    note = {
        each.name: {"seconds": [r.seconds for r in each.runs], "cpu": [r.cpu for r in each.runs], "sizes": each.sizes}
        for each in everyone
    }
    with open(os.path.join(options.work, f"releases-{options.touch}.json"), "w", encoding="ascii") as file:
        json.dump(note, file, indent=1)


if __name__ == "__main__":
    main()
