"""Cancel and kill a save at random moments: how long it takes, and what is left.

``python -m tests.bench.bench_cancel [--size MIB] [--rounds N] [--folder DIR] [--new]``

Each round starts ``kamaros save`` of one file of *size* MiB, waits until the archive has grown past a random point,
sends SIGINT and measures the time until the process has gone. Then the archive's SHA-256 and the folder's content must
be what they were. The same with SIGKILL, where the next ``list`` must show the last committed state and the next
``save`` must succeed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = [sys.executable, "-m", "kamaros_gui"]


def digest(path: str) -> str:
    """Return the SHA-256 of a file, or a word for its absence."""
    if not os.path.exists(path):
        return "absent"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kamaros(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)


def make_content(path: str, mebibytes: int) -> None:
    """Write a file that compresses about as well as source code does."""
    seed = b"".join(os.urandom(24) + b"the quick brown fox jumps over the lazy dog\n" for _ in range(1 << 14))
    with open(path, "wb") as file:
        while file.tell() < mebibytes << 20:
            file.write(seed)
        file.truncate(mebibytes << 20)


def interrupted_save(archive: str, source: str, number: int, limit: int, committed: int) -> tuple[float, int]:
    """Start a save, send signal *number* at a random point; return the seconds until it ended, and its status."""
    growing = archive if os.path.exists(archive) else f"{archive}.part"
    if os.path.exists(archive):
        os.truncate(archive, committed)  # what a kill left behind would look like progress
    point = committed + random.randrange(1 << 20, limit)
    process = subprocess.Popen(
        [*PROGRAM, "save", archive, source], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        try:
            if os.path.getsize(growing) > point:
                break
        except FileNotFoundError:
            pass
        time.sleep(0.002)
    started = time.perf_counter()
    process.send_signal(number)
    status = process.wait()
    return time.perf_counter() - started, status


def main() -> None:
    """Run both series and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="MiB of the saved file")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--folder", help="where to work (default: a temporary folder)")
    parser.add_argument("--new", action="store_true", help="cancel the making of a new archive, not an addition")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, small = os.path.join(folder, "source.bin"), os.path.join(folder, "small.txt")
        make_content(source, options.size)
        with open(small, "w", encoding="utf-8") as file:
            file.write("committed before\n")
        place = os.path.join(folder, "archives")
        os.mkdir(place)
        archive = os.path.join(place, "a.jcf")
        if not options.new:
            kamaros("save", archive, small)
        committed = os.path.getsize(archive) if os.path.exists(archive) else 0
        limit = options.size << 18  # a quarter: the packed size is below half
        seconds = []
        for _ in range(options.rounds):
            before = digest(archive)
            took, status = interrupted_save(archive, source, signal.SIGINT, limit, committed)
            assert status == 130, status
            assert digest(archive) == before, "the archive has changed"
            assert set(os.listdir(place)) <= {"a.jcf"}, os.listdir(place)
            seconds.append(took)
        print(
            f"SIGINT, {options.rounds} rounds: median {statistics.median(seconds) * 1000:.0f} ms,"
            f" worst {max(seconds) * 1000:.0f} ms until the process has ended; archive unchanged, no stray file"
        )
        for _ in range(options.rounds):
            interrupted_save(archive, source, signal.SIGKILL, limit, committed)
            listed = kamaros("list", archive, "--json")
            if options.new:
                assert listed.returncode == 3, listed
            else:
                assert [entry["path"] for entry in json.loads(listed.stdout)["entries"]] == ["small.txt"], listed
        saved = kamaros("save", archive, small, "--reread", "--json")
        assert saved.returncode == 0, saved
        assert json.loads(kamaros("verify", archive, "--json").stdout)["valid"]
        assert set(os.listdir(place)) == {"a.jcf"}, os.listdir(place)
        print(f"SIGKILL, {options.rounds} rounds: last committed state each time; the next save works, no stray file")


if __name__ == "__main__":
    main()
