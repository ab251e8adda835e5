"""Throughput of the codecs and the ZIP directory on one core: ``python -m tests.bench.bench_codecs [file]``.

Not part of the tests: a figure depends on the machine. Without a file, half text and half noise is used.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator

from kamaros_gui.codecs import Buffer, ContentDigest, backends, decode, encode_whole, make_encoder, open_decoder
from kamaros_gui.zipfmt import (
    ZipEntry,
    check_local_header,
    encode_directory,
    encode_local_header,
    local_header_size,
    parse_local_header,
    read_directory,
    run_reads,
)

MEGABYTE = 1_000_000
ENTRIES = 50_000
ROUNDS = 3


def best(work: Callable[[], object]) -> float:
    """Shortest of some runs, in seconds: the one least disturbed by others."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def sample(arguments: list[str]) -> bytes:
    if arguments:
        with open(arguments[0], "rb") as file:
            return file.read(64 << 20)
    chance = random.Random(1)
    words = [chance.randbytes(chance.randrange(2, 9)).hex() for _ in range(3000)]
    return " ".join(chance.choices(words, k=1_000_000)).encode() + chance.randbytes(8 << 20)


def blocks(data: Buffer, size: int) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[start : start + size] for start in range(0, len(view), size))


def bench_streams(data: bytes) -> None:
    cases = [
        *(("deflate", level) for level in range(1, 10)),
        *(("zstd", level) for level in (1, 3, 6, 9)),
        ("store", 0),
    ]
    print(f"{'':12} {'encode':>8} {'decode':>8} {'ratio':>6}   (MB/s, one core, {len(data) / MEGABYTE:.0f} MB)")
    for codec, level in cases:
        packed: list[bytes] = []

        def encode(codec: str = codec, level: int = level, packed: list[bytes] = packed) -> None:
            encoder = make_encoder(codec, level, 1)  # type: ignore[arg-type]  # a literal in a tuple is a str
            packed.clear()
            for block in blocks(data, encoder.block_size):
                packed.extend(bytes(part) for part in encoder.prepare(block)())
            packed.extend(bytes(part) for part in encoder.finish()())

        seconds = best(encode)
        method = {"deflate": 8, "zstd": 93, "store": 0}[codec]
        stream = b"".join(packed)

        def unpack(method: int = method, stream: bytes = stream) -> None:
            decoder = open_decoder(method)
            for piece in blocks(stream, 1 << 20):
                for _ in decode(decoder, piece, 1 << 20):
                    pass
            decoder.finish()

        rates = [len(data) / MEGABYTE / value for value in (seconds, best(unpack))]
        print(f"{codec:8} {level:3} {rates[0]:8.0f} {rates[1]:8.0f} {len(data) / len(stream):6.2f}")


def bench_small_files(data: bytes) -> None:
    files = [bytes(block) for block in blocks(data[: 16 << 20], 4096)]
    for codec, level in (("deflate", 1), ("deflate", 6), ("zstd", 3)):
        seconds = best(lambda codec=codec, level=level: [encode_whole(file, codec, level) for file in files])  # type: ignore[misc]  # defaults bind the loop's values
        print(f"4 KiB files, {codec} {level}: {seconds / len(files) * 1e6:.1f} µs each")


def bench_digest(data: bytes) -> None:
    def run() -> None:
        digest = ContentDigest()
        for block in blocks(data, 64 << 10):
            digest.update(block)

    print(f"SHA-256 and CRC-32: {len(data) / MEGABYTE / best(run):.0f} MB/s")


def bench_directory() -> None:
    entries = []
    offset = 0
    for number in range(ENTRIES):
        name = f"content/some/folder{number % 300}/file-{number:06d}.txt"
        size = local_header_size(name)
        entries.append(ZipEntry(name, 8, number, 1000, 3000, offset, size, 0o100644, 1_700_000_000 + number))
        offset += size + 1000
    directory = encode_directory(entries, offset)

    def read(start: int, length: int) -> bytes:
        padding = bytes(max(0, min(length, offset - start)))
        return padding + directory[max(0, start - offset) : start + length - offset]

    headers = [encode_local_header(entry, entry.header_size) for entry in entries]
    locals_ = [parse_local_header(header) for header in headers]
    cases: dict[str, Callable[[], object]] = {
        "encode_directory": lambda: encode_directory(entries, offset),
        "read_directory": lambda: run_reads(read_directory(offset + len(directory)), read),
        "encode_local_header": lambda: [encode_local_header(entry, entry.header_size) for entry in entries],
        "parse_local_header": lambda: [parse_local_header(header) for header in headers],
        "check_local_header": lambda: [check_local_header(*pair) for pair in zip(entries, locals_, strict=True)],
    }
    for name, work in cases.items():
        print(f"{name}: {best(work):.3f} s for {ENTRIES} entries")


if __name__ == "__main__":
    print(", ".join(f"{part}: {library}" for part, library in backends().items()))
    content = sample(sys.argv[1:])
    bench_streams(content)
    bench_small_files(content)
    bench_digest(content)
    bench_directory()
