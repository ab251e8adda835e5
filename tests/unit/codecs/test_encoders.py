"""Encoders: what they write is what the reference library reads back, block by block and in parallel."""

from __future__ import annotations

import base64
import random
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from kamaros_gui.base.limits import DEFLATE_BLOCK_SIZE, KIB, MIB
from kamaros_gui.codecs import (
    Buffer,
    Encoder,
    backend_name,
    backends,
    encode_whole,
    libraries,
    looks_incompressible,
    make_encoder,
)
from kamaros_gui.codecs.deflate import DeflateEncoder

RANDOM = random.Random(1)
NOISE = RANDOM.randbytes(3 * DEFLATE_BLOCK_SIZE)
TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(40_000))
MIXED = TEXT + NOISE + TEXT[:1000]
LEVELS = range(1, 10)


def encode(encoder: Encoder, data: Buffer, *, pool: ThreadPoolExecutor | None = None) -> bytes:
    blocks = [data[start : start + encoder.block_size] for start in range(0, len(data), encoder.block_size)]
    jobs = [*(encoder.prepare(block) for block in blocks), encoder.finish()]
    results = pool.map(lambda job: job(), jobs) if pool else [job() for job in jobs]
    return b"".join(part for parts in results for part in parts)


def inflate(packed: bytes) -> bytes:
    decoder = zlib.decompressobj(-15)
    content = decoder.decompress(packed) + decoder.flush()
    assert decoder.eof
    assert not decoder.unused_data
    return content


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "data",
    [b"", b"x", TEXT, NOISE, MIXED, NOISE + TEXT, TEXT[: DEFLATE_BLOCK_SIZE + 1], bytes(700_000)],
    ids=["empty", "one", "text", "noise", "mixed", "noise first", "one byte over", "zeros"],
)
def test_deflate_is_one_stream_any_zlib_reads(level: int, data: bytes) -> None:
    assert inflate(encode(make_encoder("deflate", level, 1), data)) == data


@pytest.mark.parametrize("size", [1, 100, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 65_535, 65_536, 131_071])
def test_blocks_of_any_size_keep_the_dictionary_right(size: int) -> None:
    data = TEXT[: 6 * size]
    for level in (1, 6):
        encoder = DeflateEncoder(level)
        parts = [part for start in range(0, len(data), size) for part in encoder.prepare(data[start : start + size])()]
        parts += encoder.finish()()
        assert inflate(b"".join(parts)) == data


def test_dictionary_spans_short_blocks() -> None:
    """A repetition 20 KiB back is found although the block before is shorter than that."""
    unique = RANDOM.randbytes(3000)
    encoder = DeflateEncoder(6)
    for block in (unique, TEXT[:1000], TEXT[:500]):
        encoder.prepare(block)()
    assert sum(map(len, encoder.prepare(unique)())) < 200


def test_blocks_may_be_encoded_in_any_order_on_any_thread() -> None:
    encoder = make_encoder("deflate", 6, 1)
    assert encoder.max_parallel is None
    with ThreadPoolExecutor(4) as pool:
        assert inflate(encode(make_encoder("deflate", 6, 1), MIXED, pool=pool)) == MIXED
    blocks = [MIXED[start : start + encoder.block_size] for start in range(0, len(MIXED), encoder.block_size)]
    jobs = [encoder.prepare(block) for block in blocks]
    results = {index: jobs[index]() for index in reversed(range(len(jobs)))}
    packed = b"".join(part for index in range(len(jobs)) for part in results[index])
    assert inflate(packed + b"".join(encoder.finish()())) == MIXED


@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_stored_inside_the_stream(level: int) -> None:
    packed = encode(make_encoder("deflate", level, 1), NOISE)
    pieces = len(NOISE) // DEFLATE_BLOCK_SIZE * -(-DEFLATE_BLOCK_SIZE // 0xFFFF)
    assert len(packed) == len(NOISE) + 5 * pieces + 2


def test_stored_parts_are_views_of_the_block() -> None:
    block = bytearray(NOISE[:DEFLATE_BLOCK_SIZE])
    parts = make_encoder("deflate", 6, 1).prepare(block)()
    views = [part for part in parts if isinstance(part, memoryview)]
    assert sum(map(len, views)) == len(block)
    assert all(view.obj is block for view in views)


def test_parallel_blocks_cost_next_to_nothing() -> None:
    for level in (1, 6):
        whole = sum(map(len, encode_whole(TEXT, "deflate", level)[1]))
        assert len(encode(make_encoder("deflate", level, 1), TEXT)) < 1.01 * whole


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
def test_any_buffer_is_taken(buffer: type, codec: str) -> None:
    encoder = make_encoder(codec, 1, 1)  # type: ignore[arg-type]  # pytest gives plain strings
    packed = encode(encoder, buffer(TEXT))
    unpacked = {"deflate": inflate, "zstd": lambda data: zstandard.decompress(data, len(TEXT)), "store": bytes}[codec]
    assert unpacked(packed) == TEXT


@pytest.mark.parametrize("level", [1, 3, 7, 19])
@pytest.mark.parametrize("threads", [1, 2])
def test_zstd_is_exactly_one_frame(level: int, threads: int) -> None:
    data = MIXED if level < 19 else MIXED[:600_000]
    encoder = make_encoder("zstd", level, threads)
    assert encoder.max_parallel == 1
    packed = encode(encoder, data)
    decoder = zstandard.ZstdDecompressor().decompressobj()
    assert decoder.decompress(packed) == data
    assert decoder.eof
    assert decoder.unused_data == b""


def test_empty_zstd_entry_is_a_frame() -> None:
    packed = encode(make_encoder("zstd", 3, 2), b"")
    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == b""
    assert packed


def test_store_passes_blocks_on() -> None:
    encoder = make_encoder("store", 0, 1)
    assert encoder.prepare(NOISE)()[0] is NOISE
    assert encoder.finish()() == []


@pytest.mark.parametrize(("codec", "level"), [("deflate", 0), ("deflate", 10), ("zstd", 0), ("zstd", 20)])
def test_levels_outside_the_codec_are_refused(codec: str, level: int) -> None:
    with pytest.raises(ValueError, match="levels 1 to"):
        make_encoder(codec, level, 1)  # type: ignore[arg-type]  # pytest gives plain strings


@pytest.mark.parametrize("size", [0, 1, 50, 5000, MIB])
def test_whole_content_is_packed_when_that_pays(size: int) -> None:
    data = TEXT[:size] if size < 50_000 else (TEXT * 2)[:size]
    for codec, level in (("deflate", 1), ("deflate", 6), ("zstd", 3)):
        method, parts = encode_whole(data, codec, level)  # type: ignore[arg-type]  # a literal in a tuple is a str
        packed = b"".join(parts)
        if method == 0:
            assert packed == data
            assert size <= 50
        else:
            assert len(packed) < len(data)
            assert method == {"deflate": 8, "zstd": 93}[codec]
            assert (inflate(packed) if method == 8 else zstandard.decompress(packed)) == data


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
@pytest.mark.parametrize("size", [0, 10, 7000, 500_000])
def test_whole_noise_is_stored(codec: str, size: int) -> None:
    method, parts = encode_whole(NOISE[:size], codec, 1)  # type: ignore[arg-type]  # pytest gives plain strings
    assert method == 0
    assert b"".join(parts) == NOISE[:size]


def test_whole_zstd_frames_record_their_size() -> None:
    _, parts = encode_whole(TEXT, "zstd", 3)
    assert zstandard.frame_content_size(b"".join(parts)) == len(TEXT)


@pytest.mark.parametrize("size", [5000, 200_000])
def test_probe_tells_noise_from_text(size: int) -> None:
    assert looks_incompressible(NOISE[:size])
    assert not looks_incompressible(TEXT[:size])
    # Nothing repeats in base64, only its alphabet is small; a match finder alone would call it noise.
    assert not looks_incompressible(base64.b64encode(NOISE)[:size])
    assert looks_incompressible(NOISE[: size // 2] + b"\0" * 10 + NOISE[size // 2 : size])


def test_probe_sees_text_around_a_noisy_middle() -> None:
    assert not looks_incompressible(TEXT[:100_000] + NOISE[:40_000] + TEXT[:100_000])


def test_without_isal_and_zlib_ng_python_zlib_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend_name(1).startswith("isal ")
    assert backend_name(6).startswith("zlib-ng ")
    monkeypatch.setattr(libraries, "isal_zlib", None)
    assert backend_name(3).startswith("zlib-ng ")
    monkeypatch.setattr(libraries, "zlib_ng", None)
    assert backend_name(1) == backend_name(9) == f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
    for level in (1, 9):
        assert inflate(encode(make_encoder("deflate", level, 1), MIXED)) == MIXED
        method, parts = encode_whole(TEXT, "deflate", level)
        assert method == 8
        assert inflate(b"".join(parts)) == TEXT


def test_backends_are_named() -> None:
    named = backends()
    assert {"deflate 1–3", "deflate 4–9", "inflate", "zstd", "crc-32", "sha-256"} == set(named)
    assert all(named.values())
