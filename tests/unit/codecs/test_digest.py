from __future__ import annotations

import hashlib
import zlib

import pytest

from kamaros_gui.codecs import ContentDigest


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_digest_of_pieces_is_digest_of_the_whole(buffer: type) -> None:
    data = bytes(range(256)) * 1000
    digest = ContentDigest()
    for start in range(0, len(data), 7001):
        digest.update(buffer(data[start : start + 7001]))
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.crc32 == zlib.crc32(data)
    assert digest.size == len(data)


def test_digest_of_nothing() -> None:
    digest = ContentDigest()
    assert (digest.sha256, digest.crc32, digest.size) == (hashlib.sha256().hexdigest(), 0, 0)


def test_digest_can_be_read_while_it_grows() -> None:
    digest = ContentDigest()
    digest.update(b"abc")
    assert digest.sha256 == hashlib.sha256(b"abc").hexdigest()
    digest.update(b"def")
    assert digest.sha256 == hashlib.sha256(b"abcdef").hexdigest()
