"""Compare whole programs on the same input: Kamaros, and whichever peers are installed.

``python -m tests.bench.bench_peers [--source FOLDER] [--runs N] [--folder DIR]``

The input is a folder (by default the standard library of the running Python), once as a tree and once as one tar file.
Every program runs as a whole process, in turn, after a warm-up that also brings the input into the page cache; the
median wall time counts. Output goes to DIR, best a tmpfs. A peer that is not installed is named as missing.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time

KAMAROS = [sys.executable, "-m", "kamaros_gui"]

PROGRAMS: dict[str, list[str]] = {
    "kamaros 6": [*KAMAROS, "save", "{out}.jcf", "{source}", "-q", "--level", "6"],
    "kamaros 1": [*KAMAROS, "save", "{out}.jcf", "{source}", "-q", "--level", "1"],
    "kamaros zstd 3": [*KAMAROS, "save", "{out}.jcf", "{source}", "-q", "--codec", "zstd"],
    "zip -6": ["zip", "-q", "-r", "-6", "{out}.zip", "{source}"],
    "zip -1": ["zip", "-q", "-r", "-1", "{out}.zip", "{source}"],
    "7zz -tzip -mx5": ["7zz", "a", "-bd", "-bso0", "-tzip", "-mx5", "{out}.zip", "{source}"],
    "pigz -6": ["pigz", "-6", "-k", "-c", "{source}"],
    "pigz -1": ["pigz", "-1", "-k", "-c", "{source}"],
}


def run(command: list[str], folder: str, source: str) -> tuple[float, int, int]:
    """Run one program; return seconds, bytes of output and peak KiB of the largest child so far."""
    out = os.path.join(folder, "out")
    arguments = [part.format(out=out, source=source) for part in command]
    target = os.path.join(folder, "stdout")
    started = time.perf_counter()
    with open(target, "wb") as sink:
        subprocess.run(arguments, check=True, stdout=sink, cwd=folder)
    seconds = time.perf_counter() - started
    size = sum(
        os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name.startswith(("out", "std"))
    )
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    return seconds, size, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def compare(title: str, source: str, runs: int, base: str | None) -> None:
    """Run every program *runs* times on *source* and print a table."""
    print(f"\n{title}: {source}")
    print(f"{'program':<18}{'seconds':>9}{'MiB out':>10}{'times zip -6':>14}")
    reference = 0.0
    rows = []
    for name, command in PROGRAMS.items():
        if name.startswith("pigz") and os.path.isdir(source):
            continue
        if shutil.which(command[0]) is None:
            rows.append((name, None, 0))
            continue
        with tempfile.TemporaryDirectory(dir=base) as folder:
            run(command, folder, source)
            results = [run(command, folder, source) for _ in range(runs)]
        seconds = statistics.median(result[0] for result in results)
        rows.append((name, seconds, results[0][1]))
        if name == "zip -6":
            reference = seconds
    for name, seconds, size in rows:
        if seconds is None:
            print(f"{name:<18}{'missing':>9}")
        else:
            speed = f"{reference / seconds:.2f}" if reference else ""
            print(f"{name:<18}{seconds:>9.2f}{size / 2**20:>10.1f}{speed:>14}")


def main() -> None:
    """Compare on a tree and on one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default=sysconfig.get_path("stdlib"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    options = parser.parse_args()
    compare("Tree", options.source, options.runs, options.folder)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        packed = os.path.join(folder, "tree.tar")
        with tarfile.open(packed, "w") as archive:
            archive.add(options.source, arcname="tree")
        compare("One file", packed, options.runs, options.folder)


if __name__ == "__main__":
    main()
