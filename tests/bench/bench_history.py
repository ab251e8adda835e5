"""A history one can live in: 50,000 files, 100 versions, 500 changes each; every verb timed, every byte counted.

``python -m tests.bench.bench_history --work DIR [--quick] [--runs N] [--codec zstd] [--only VERB …]``

The history is made once, by real saves (``--mirror``) of a real tree, and kept in DIR; a build that was stopped is
taken up again. Then each verb is timed as a whole process and in process, on a copy of the archive; the median of N
runs counts, and the processor time says what a busy machine hides. Nothing compacts by itself meanwhile, as that would
hide what the saves leave behind, unless ``--auto-compact`` asks for it, which is how a new user has it.

The sizes are set beside the sum of the distinct contents, each compressed alone by the same codec at the same level:
what no ZIP of whole files could be below. A verb this Kamaros does not have is named. ``--profile VERB`` writes what a
verb did in process, function by function, instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import os
import pstats
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from kamaros_gui.archive.manager import JCFManager
from kamaros_gui.base.config import JCFConfig
from kamaros_gui.pipeline.packing import pack_bytes
from tests.bench.made_history import History, Shape, replay
from tests.bench.measuring import MIB, Anatomy, Figure, has_verb, in_process, kamaros, processes, table

QUICK = Shape(files=3000, versions=20, modified=60, added=12, removed=12, renamed=16)
LIMITS = {"open": 1.0, "save": 1.0, "log": 0.5, "diff": 0.5}
"""Seconds a verb may take at full size."""


# ------------------------------------------------------------------------------------------------- making it


def config_of(codec: str, *, auto_compact: bool) -> JCFConfig:
    """Return the settings: those of a new user, but for the codec, and for compacting where that is to be left out."""
    values: dict[str, Any] = {"codec": codec}
    if "auto_compact" in JCFConfig.__struct_fields__:
        values["auto_compact"] = auto_compact
    return msgspec.convert(values, JCFConfig)


async def build(archive: str, folder: str, shape: Shape, config: JCFConfig) -> None:
    """Save version after version until the archive has all; report how long the saves took."""
    history = History(shape)
    async with await JCFManager.open(archive, config, create=True) as manager:
        done = len(await manager.history()) if os.path.exists(archive) else 0
        if done >= shape.versions:
            return
        print(f"Making {shape.versions} versions of {shape.files} files; {done} are there.", flush=True)
        if done:
            history.write_all(folder, replay(history, done))
        seconds: list[float] = []
        while history.version < shape.versions:
            history.apply(folder, history.advance())
            # A file of this very moment has no identity on record, and is read again by the next save.
            await asyncio.sleep(0.06)
            report = await manager.save([f"{folder}/."], mirror=True, message=f"Version {history.version}")
            seconds.append(report.seconds)
            if history.version == 1 or history.version % 10 == 0:
                size = os.path.getsize(archive) / MIB
                print(f"  version {history.version}: {seconds[-1]:.2f} s, archive {size:.0f} MiB", flush=True)
    note_saves(archive, seconds[1 if not done else 0 :])


def note_saves(archive: str, seconds: list[float]) -> None:
    """Keep beside the archive how long its saves took."""
    with open(f"{archive}.saves", "a", encoding="ascii") as log:
        log.writelines(f"{each:.4f}\n" for each in seconds)


def plain_sum(work: str, shape: Shape, config: JCFConfig) -> tuple[int, int, int]:
    """Return how many distinct contents there are, their bytes, and those compressed one by one; kept in *work*."""
    note = os.path.join(work, f"plain-{config.codec}-{config.effective_level}.json")
    with contextlib.suppress(FileNotFoundError), open(note, encoding="ascii") as file:
        count, size, packed = json.load(file)
        return count, size, packed
    history = History(shape)
    replay(history, shape.versions)
    size = packed = 0
    for content in history.contents:
        data = history.data(content)
        entry, _ = pack_bytes("x", data, mode=0o100644, mtime=0, codec=config.codec, level=config.effective_level)
        size += len(data)
        packed += entry.compressed_size
    with open(note, "w", encoding="ascii") as file:
        json.dump((len(history.contents), size, packed), file)
    return len(history.contents), size, packed


# ---------------------------------------------------------------------------------------------------- verbs


class Bench:
    """The verbs, each on *archive*, which they may change.

    Args:
        archive: a copy of the history.
        folder: the tree of its newest version on disk.
        history: the model in its last state.
        config: settings.
        runs: how often each is timed.
    """

    def __init__(self, archive: str, folder: str, history: History, config: JCFConfig, runs: int) -> None:
        self.archive = archive
        self.folder = folder
        self.config = config
        self.runs = runs
        self._history = history
        self._dice = random.Random(11)
        self._paths = sorted(history.tree)
        self._edits = 0
        self.versions: list[str] = []
        in_process(archive, config, 1, self._note_versions)

    async def _note_versions(self, manager: JCFManager, _number: int) -> None:
        self.versions = [each.id for each in reversed(await manager.history())]

    def _edit(self) -> str:
        """Change one file on disk, and return its path below the folder."""
        self._edits += 1
        path = self._paths[self._edits % len(self._paths)]
        with open(os.path.join(self.folder, path), "ab") as file:
            file.write(f"\n# one more line, the {self._edits}th\n".encode())
        time.sleep(0.06)
        return path

    def prime(self) -> None:
        """Make the tree on disk known to the archive: a copied tree has other inodes and is read once."""
        self._edit()
        kamaros("save", self.archive, f"{self.folder}/.", "--mirror", "-q")

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Return which versions are compared: name → (old, new)."""
        ids, last = self.versions, len(self.versions) - 1
        found = {
            "first, last": (ids[0], ids[last]),
            "last two": (ids[max(0, last - 1)], ids[last]),
            "neighbours amid": (ids[last // 2], ids[min(last, last // 2 + 1)]),
        }
        for number in range(3):
            old, new = sorted(self._dice.sample(range(len(ids)), 2))
            found[f"random {number + 1}: {old + 1}, {new + 1}"] = (ids[old], ids[new])
        return found

    # What each verb is as a process and in process. The number of a run is -1 for the one that does not count.

    def measure(self, wanted: Sequence[str]) -> Iterator[tuple[str, str, Figure | None, Figure | None]]:
        """Yield (verb, what it did, as whole process, in process); ``None`` where it is missing."""
        archive = self.archive
        if "start" in wanted:
            yield "start", "program start alone (--version)", processes(self.runs, lambda _: ("--version",)), None
        if "open" in wanted:
            yield "open", "open alone", None, self._inside(lambda _manager: _nothing())
            yield (
                "open",
                "open + list HEAD",
                processes(self.runs, lambda _: ("list", archive)),
                self._inside(lambda m: m.list_files()),
            )
            middle = self.versions[len(self.versions) // 2]
            yield (
                "open",
                "open + list, version amid",
                processes(self.runs, lambda _: ("list", archive, "--version", middle)),
                self._inside(lambda m: m.list_files(middle)),
            )
        if "log" in wanted:
            yield (
                "log",
                "log, all versions",
                processes(self.runs, lambda _: ("log", archive)),
                self._inside(lambda m: m.history()),
            )
            path = self._often_changed()
            yield (
                "log",
                "log of one file",
                processes(self.runs, lambda _: ("log", archive, path)),
                self._inside(lambda m: m.history(path)),
            )
            yield (
                "log",
                "log of a folder",
                processes(self.runs, lambda _: ("log", archive, "src")),
                self._inside(lambda m: m.history("src")),
            )
        if "diff" in wanted:
            yield from self._diffs()
        if "save" in wanted:
            yield from self._saves()
        if "move" in wanted:
            yield from self._moves()
        if "remove" in wanted:
            yield from self._removals()

    def _inside(
        self, work: Callable[[JCFManager], Awaitable[object]], before: Callable[[], object] | None = None
    ) -> Figure:
        return in_process(self.archive, self.config, self.runs, lambda manager, _number: work(manager), before)

    def _often_changed(self) -> str:
        return max(self._paths, key=lambda path: self._history.tree[path][1])

    def _diffs(self) -> Iterator[tuple[str, str, Figure | None, Figure | None]]:
        known, inside = has_verb("diff"), hasattr(JCFManager, "diff")
        for name, pair in self.pairs().items():
            whole = self._process("diff", self.archive, *pair) if known else None
            yield "diff", f"diff {name}", whole, self._diff_inside(pair) if inside else None

    def _process(self, *arguments: str) -> Figure:
        return processes(self.runs, lambda _: arguments)

    def _diff_inside(self, pair: tuple[str, str]) -> Figure:
        return self._inside(lambda manager: manager.diff(*pair))

    def _saves(self) -> Iterator[tuple[str, str, Figure | None, Figure | None]]:
        self.prime()

        def mirrored(_number: int) -> tuple[str, ...]:
            self._edit()
            return ("save", self.archive, f"{self.folder}/.", "--mirror", "-q")

        async def mirror(manager: JCFManager) -> None:
            await manager.save([f"{self.folder}/."], mirror=True)

        yield (
            "save",
            "save the tree, one file changed",
            processes(self.runs, mirrored),
            self._inside(mirror, self._edit),
        )

        def alone(_number: int) -> tuple[str, ...]:
            path = self._edit()
            place = os.path.join(self.folder, path)
            return ("save", self.archive, place, "--into", os.path.dirname(path), "-q")

        async def one(manager: JCFManager) -> None:
            path = self._paths[self._edits % len(self._paths)]
            await manager.save([os.path.join(self.folder, path)], into=os.path.dirname(path))

        yield "save", "save one changed file alone", processes(self.runs, alone), self._inside(one, self._edit)

    def _moves(self) -> Iterator[tuple[str, str, Figure | None, Figure | None]]:
        known, inside = has_verb("move"), hasattr(JCFManager, "move")
        paths = iter(self._dice.sample(self._paths, 4 * self.runs + 4))
        names = iter(f"moved/file {number}" for number in range(1000))
        yield (
            "move",
            "move one file",
            processes(self.runs, lambda _: ("move", self.archive, next(paths), next(names), "-q")) if known else None,
            self._inside(lambda m: m.move(next(paths), next(names))) if inside else None,
        )
        folders = iter(f"{top}/part_{number:02}" for top in ("docs", "tools") for number in range(40))
        yield (
            "move",
            "move a folder (some 250 files)",
            processes(self.runs, lambda _: ("move", self.archive, next(folders), next(names), "-q")) if known else None,
            self._inside(lambda m: m.move(next(folders), next(names))) if inside else None,
        )

    def _removals(self) -> Iterator[tuple[str, str, Figure | None, Figure | None]]:
        known, inside = has_verb("remove"), hasattr(JCFManager, "remove")
        kept = sorted(path for path in self._paths if path.startswith("assets/"))
        paths = iter(self._dice.sample(kept, 2 * self.runs + 2))
        yield (
            "remove",
            "remove one file",
            processes(self.runs, lambda _: ("remove", self.archive, next(paths), "-q")) if known else None,
            self._inside(lambda m: m.remove([next(paths)])) if inside else None,
        )


async def _nothing() -> None:
    return None


# -------------------------------------------------------------------------------------------------- reports


def show_times(bench: Bench, wanted: Sequence[str]) -> None:
    """Measure and print every verb."""
    rows = []
    for verb, what, whole, inside in bench.measure(wanted):
        limit = LIMITS.get(verb)
        slowest = max((each.median for each in (whole, inside) if each is not None), default=None)
        verdict = "" if limit is None or slowest is None else "ok" if slowest <= limit else "MISSED"
        rows.append(
            (
                what,
                whole or ("missing" if inside is None else "–"),
                inside or ("missing" if whole is None else "–"),
                f"{whole.peak / MIB:.0f}" if whole else "–",
                f"{limit:.1f}" if limit else "",
                verdict,
            )
        )
        print(f"  {what}: {rows[-1][1]} / {rows[-1][2]}", file=sys.stderr, flush=True)
    heads = ("verb", "whole process, s", "in process: open, verb, close, s", "peak MiB", "at most, s", "")
    table(f"Times: median of {bench.runs} (fastest–slowest)", heads, rows)


def show_sizes(title: str, archive: str, plain: int) -> None:
    """Print where the bytes of *archive* are."""
    table(title, ("part", "MiB", "of the plain sum"), Anatomy.of(archive).lines(plain))


def profile(bench: Bench, verb: str) -> None:
    """Print the functions in which one verb spends its time; the engine's threads included."""
    work: dict[str, Callable[[JCFManager], Awaitable[Any]]] = {
        "open": lambda m: m.list_files(),
        "log": lambda m: m.history(bench._often_changed()),
        "diff": lambda m: m.diff(bench.versions[0], bench.versions[-1]),
        "save": lambda m: m.save([f"{bench.folder}/."], mirror=True),
        "move": lambda m: m.move(bench._paths[0], "moved/one"),
        "remove": lambda m: m.remove([bench._paths[1]]),
    }
    if verb == "save":
        bench.prime()
        bench._edit()
    recorder = cProfile.Profile()
    threading.setprofile(lambda *_: recorder.enable())
    recorder.enable()
    bench._inside(work[verb])
    recorder.disable()
    threading.setprofile(None)
    pstats.Stats(recorder).sort_stats("cumulative").print_stats(45)


def main() -> None:
    """Make the history where it is missing, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, metavar="DIR", help="keeps the history from run to run")
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None, help="best a tmpfs")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.files} files, {QUICK.versions} versions")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--codec", default="deflate")
    parser.add_argument(
        "--auto-compact", action="store_true", help="make and measure a history that compacts by itself"
    )
    verbs = ("start", "open", "log", "diff", "save", "move", "remove", "sizes", "compact")
    parser.add_argument("--only", nargs="+", choices=verbs, default=verbs, metavar="VERB")
    parser.add_argument("--profile", choices=("open", "log", "diff", "save", "move", "remove"))
    options = parser.parse_args()
    shape, config = QUICK if options.quick else Shape(), config_of(options.codec, auto_compact=options.auto_compact)
    os.environ["KAMAROS_AUTO_COMPACT"] = str(options.auto_compact).lower()
    work = os.path.join(options.work, shape.key())
    os.makedirs(work, exist_ok=True)
    kept = os.path.join(work, f"{options.codec}{'-auto' if options.auto_compact else ''}.jcf")
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-history-") as place:
        folder = os.path.join(place, "tree")
        os.makedirs(folder)
        asyncio.run(build(kept, folder, shape, config))
        measure(options, shape, config, work, kept, place, folder)


def measure(
    options: argparse.Namespace, shape: Shape, config: JCFConfig, work: str, kept: str, place: str, folder: str
) -> None:
    """Measure what the options ask for."""
    with contextlib.suppress(FileNotFoundError), open(f"{kept}.saves", encoding="ascii") as file:
        seconds = [float(line) for line in file]
        if seconds:
            middle, worst = statistics.median(seconds), max(seconds)
            changes = shape.modified + shape.added + shape.removed + shape.renamed
            print(f"Saves of {changes} changes while it was made: median {middle:.2f} s, slowest {worst:.2f} s")
    count, size, plain = plain_sum(work, shape, config)
    print(
        f"{shape.files} files, {shape.versions} versions: {count} distinct contents, {size / MIB:.0f} MiB;"
        f" each compressed alone ({config.codec} {config.effective_level}): {plain / MIB:.2f} MiB = 100 %"
    )
    archive = os.path.join(place, "history.jcf")
    shutil.copyfile(kept, archive)
    if "sizes" in options.only:
        show_sizes("Bytes as saved", archive, plain)
    timed = {"start", "open", "log", "diff", "save", "move", "remove"} & set(options.only)
    if timed or options.profile:
        history = History(shape)
        written = replay(history, shape.versions)
        if not os.listdir(folder) and ("save" in timed or options.profile == "save"):
            history.write_all(folder, written)
        bench = Bench(archive, folder, history, config, 1 if options.profile else options.runs)
        if options.profile:
            profile(bench, options.profile)
            return
        show_times(bench, [verb for verb in options.only if verb in timed])
    if "compact" in options.only:
        if not has_verb("compact"):
            print("\ncompact: missing")
            return
        shutil.copyfile(kept, archive)
        done = kamaros("compact", archive, "-q")
        print(f"\ncompact: {done.seconds:.2f} s as a whole process, peak {done.peak / MIB:.0f} MiB")
        show_sizes("Bytes after compact", archive, plain)


if __name__ == "__main__":
    main()
