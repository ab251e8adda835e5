"""Stop saves, added files and restores at random steps: nothing of them may remain.

``python -m tests.bench.bench_aborts [--rounds N] [--seed N] [--folder DIR]``

Half of the rounds run on the disk, half on a file system in memory, with a small chunk size and with the usual one. See
:mod:`tests.helpers.rounds` for what happens in a round, and what is looked at after it: no task is left, no descriptor
is open, no file lies beside the archive or in the target, the archive has the same bytes, time and inode, and the next
save works.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import tempfile
import time

from kamaros_gui import FileSystemAdapter, JCFConfig, LocalAdapter, MemoryAdapter
from tests.helpers.rounds import OPERATIONS, TROUBLES, Course, Figures


async def course(files: FileSystemAdapter, root: str, rounds: int, seed: str, config: JCFConfig) -> Figures:
    """Run *rounds* rounds on one place."""
    runner = Course(files, root, seed, config)
    await runner.prepare()
    return await runner.run(rounds)


def show(name: str, figures: Figures, seconds: float) -> None:
    """Print what came of the rounds on one place."""
    print(f"{name}: {figures.rounds} rounds in {seconds:.0f} s")
    for operation in OPERATIONS:
        for trouble in TROUBLES:
            found = collections.Counter(
                {each[2]: count for each, count in figures.outcomes.items() if each[:2] == (operation, trouble)}
            )
            if found:
                print(f"  {operation:<10} {trouble:<22} {', '.join(f'{n} {what}' for what, n in found.most_common())}")


def main() -> None:
    """Run all courses and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    share = -(-options.rounds // 4)
    total, without_trace = 0, 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for number, (name, config) in enumerate(
            {
                "usual": JCFConfig(level=1, workers=2),
                "4 KiB chunks, zstd, verified": JCFConfig(
                    chunk_size=4096, codec="zstd", level=1, workers=2, verify_after_save="full"
                ),
            }.items()
        ):
            for place, files in (("disk", LocalAdapter()), ("memory", MemoryAdapter())):
                root = os.path.join(folder, f"{place} {number}") if place == "disk" else "/root"
                files.make_folder(root)
                started = time.perf_counter()
                figures = asyncio.run(course(files, root, share, f"{options.seed} {place} {number}", config))
                show(f"{place}, {name}", figures, time.perf_counter() - started)
                total += figures.rounds
                without_trace += figures.count("without a trace")
    print(
        f"{total} rounds, {without_trace} stopped without a trace: 0 tasks, 0 open files, 0 stray files;"
        " archive the same in bytes and time; the next save worked each time"
    )


if __name__ == "__main__":
    main()
