"""Decoders: any split of the input gives the same content, damage is found, bombs stay small."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from kamaros_gui.base.errors import IntegrityError, UnsupportedEntryError
from kamaros_gui.base.limits import KIB, MIB
from kamaros_gui.codecs import METHOD_NAMES, Decoder, decode, make_encoder, open_decoder
from kamaros_gui.codecs.inflate import ZlibDecoder
from kamaros_gui.codecs.libraries import zlib_ng

RANDOM = random.Random(2)
NOISE = RANDOM.randbytes(300_000)
TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(20_000))
CONTENT = TEXT + NOISE + bytes(400_000) + TEXT


def pack(codec: str, content: bytes = CONTENT) -> bytes:
    encoder = make_encoder(codec, 3, 1)  # type: ignore[arg-type]  # pytest gives plain strings
    parts = [
        part
        for start in range(0, len(content), encoder.block_size)
        for part in encoder.prepare(content[start : start + encoder.block_size])()
    ]
    return b"".join(parts + encoder.finish()())


DECODERS: dict[str, Callable[[], Decoder]] = {
    "store": lambda: open_decoder(0),
    "deflate": lambda: open_decoder(8),
    "deflate by zlib-ng": lambda: ZlibDecoder(zlib_ng),
    "deflate by zlib": lambda: ZlibDecoder(zlib),
    "zstd": lambda: open_decoder(93),
}
PACKED = {"store": CONTENT, "deflate": pack("deflate"), "zstd": pack("zstd")}
COMPRESSING = [name for name in DECODERS if name != "store"]


def packed(name: str) -> bytes:
    return PACKED[name.split(maxsplit=1)[0]]


def unpack(decoder: Decoder, data: bytes, step: int, max_length: int) -> bytes:
    pieces = []
    for start in range(0, len(data), step):
        for piece in decode(decoder, data[start : start + step], max_length):
            assert 0 < len(piece) <= max_length
            pieces.append(piece)
    decoder.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    ("step", "max_length"),
    [(1 << 30, 1 << 30), (64 * KIB, 64 * KIB), (10_007, 4096), (4099, 1 << 20), (1 << 30, 10_000)],
)
def test_any_split_gives_the_same_content(name: str, step: int, max_length: int) -> None:
    assert unpack(DECODERS[name](), packed(name), step, max_length) == CONTENT


@pytest.mark.parametrize("name", DECODERS)
def test_byte_by_byte(name: str) -> None:
    content = TEXT[:3000] + NOISE[:300]
    data = content if name == "store" else pack(name.split(maxsplit=1)[0], content)
    assert unpack(DECODERS[name](), data, 1, 7) == content


@pytest.mark.parametrize("name", COMPRESSING)
def test_eof_and_needs_input_tell_the_state(name: str) -> None:
    decoder = DECODERS[name]()
    assert decoder.needs_input
    assert not decoder.eof
    data = packed(name)
    first = decoder.decompress(data, 1000)
    assert first == CONTENT[:1000]
    assert not decoder.needs_input
    assert not decoder.eof
    rest = b"".join(decode(decoder, b"", 64 * KIB))
    assert first + rest == CONTENT
    assert decoder.eof
    assert decoder.unused_data == b""


@pytest.mark.parametrize("name", COMPRESSING)
@pytest.mark.parametrize("keep", [0, 1, 3, 100, -1, -2])
def test_truncated_data_is_found(name: str, keep: int) -> None:
    data = packed(name)[:keep]
    with pytest.raises(IntegrityError):
        unpack(DECODERS[name](), data, 64 * KIB, 64 * KIB)


@pytest.mark.parametrize("name", COMPRESSING)
@pytest.mark.parametrize("step", [1 << 30, 1000])
def test_bytes_after_the_end_are_found(name: str, step: int) -> None:
    with pytest.raises(IntegrityError):
        unpack(DECODERS[name](), packed(name) + b"!", step, 64 * KIB)
    with pytest.raises(IntegrityError):
        unpack(DECODERS[name](), packed(name) + NOISE[:5000], step, 64 * KIB)


@pytest.mark.parametrize("name", COMPRESSING)
def test_damaged_data_raises_or_differs(name: str) -> None:
    """Nothing but IntegrityError leaves a decoder; what a flipped bit leaves readable is the checksums' business."""
    data = packed(name)
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(RANDOM.randrange(1, 4)):
            broken[RANDOM.randrange(min(len(data), RANDOM.choice((20, 2000, len(data)))))] ^= 1 << RANDOM.randrange(8)
        total = 0
        try:
            for piece in decode(decoder := DECODERS[name](), bytes(broken), 64 * KIB):
                total += len(piece)
                if total > 8 * MIB:
                    break
            else:
                decoder.finish()
        except (IntegrityError, UnsupportedEntryError):
            continue


@pytest.mark.parametrize("name", COMPRESSING)
def test_noise_is_no_stream(name: str) -> None:
    for start in range(0, 20_000, 500):
        with pytest.raises(IntegrityError):
            unpack(DECODERS[name](), b"\x07" + NOISE[start : start + 500], 100, 1000)


def zstd_bomb(blocks: int) -> bytes:
    """A frame of RLE blocks: 4 bytes each, 128 KiB unpacked."""
    header = struct.pack("<IBB", 0xFD2FB528, 0, 7 << 3)  # a window of 128 KiB
    size = 128 * KIB
    return (
        header
        + ((size << 3) | 2).to_bytes(3, "little")
        + b"\0"
        + (((size << 3) | 2).to_bytes(3, "little") + b"\0") * (blocks - 2)
        + ((size << 3) | 3).to_bytes(3, "little")
        + b"\0"
    )


def deflate_bomb(size: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(compressor.compress(bytes(MIB)) for _ in range(size // MIB)) + compressor.flush()


@pytest.mark.parametrize("name", COMPRESSING)
def test_bomb_stays_bounded(name: str) -> None:
    bomb = zstd_bomb(4000) if name == "zstd" else deflate_bomb(100 * MIB)
    expected = 4000 * 128 * KIB if name == "zstd" else 100 * MIB
    decoder = DECODERS[name]()
    tracemalloc.start()
    try:
        total = sum(map(len, decode(decoder, bomb, 64 * KIB)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    decoder.finish()
    assert total == expected
    assert peak < 2 * MIB


def test_zstd_reads_several_frames_and_skips_skippable_ones() -> None:
    skippable = struct.pack("<II", 0x184D2A53, 70_000) + bytes(70_000)
    data = zstandard.compress(TEXT) + skippable + zstandard.compress(b"") + zstandard.compress(NOISE) + skippable
    for step in (1 << 30, 5000, 3):
        assert unpack(open_decoder(93), data, step, 100_000) == TEXT + NOISE
    for cut in (1, 69_999, 70_003, 70_007):
        with pytest.raises(IntegrityError):
            unpack(open_decoder(93), data[:-cut], 5000, 100_000)


def test_zstd_checksum_is_checked() -> None:
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT))
    assert unpack(open_decoder(93), bytes(data), 1000, 1000) == TEXT
    data[-1] ^= 1
    with pytest.raises(IntegrityError):
        unpack(open_decoder(93), bytes(data), 1000, 1000)


@pytest.mark.parametrize("level", [1, 19])
@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000, 900_000])
@pytest.mark.parametrize("content_size", [True, False])
def test_zstd_frame_headers_of_every_form(level: int, size: int, content_size: bool) -> None:
    content = (TEXT * 2)[:size]
    data = zstandard.ZstdCompressor(level=level, write_content_size=content_size).compress(content)
    assert unpack(open_decoder(93), data, 100_000, 200_000) == content


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<IBB", 0xFD2FB528, 0, 18 << 3),  # a window of 256 MiB
        struct.pack("<IBB", 0xFD2FB528, 0, 0xFF),
        struct.pack("<IBQ", 0xFD2FB528, 0xE0, 1 << 40),  # a single segment of 1 TiB
        struct.pack("<IBBB", 0xFD2FB528, 1, 0, 7),  # dictionary 7
    ],
)
def test_zstd_frames_that_want_too_much_are_refused(header: bytes) -> None:
    with pytest.raises(UnsupportedEntryError):
        open_decoder(93).decompress(header + bytes(100), 1000)


@pytest.mark.parametrize(
    ("method", "word"), [(1, "Shrink"), (9, "Deflate64"), (12, "BZIP2"), (14, "LZMA"), (99, "AES"), (7777, "7777")]
)
def test_other_methods_are_refused_by_name(method: int, word: str) -> None:
    with pytest.raises(UnsupportedEntryError, match=word) as caught:
        open_decoder(method)
    assert str(method) in caught.value.message


def test_method_names() -> None:
    assert METHOD_NAMES == {0: "store", 8: "deflate", 93: "zstd"}
