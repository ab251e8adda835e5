"""Compression, decompression and checksums: bytes in, bytes out, without input, output or threads of its own."""

from __future__ import annotations

from kamaros_gui.base.config import CodecName
from kamaros_gui.codecs.decoder import METHOD_NAMES, Decoder, decode, open_decoder
from kamaros_gui.codecs.deflate import DEFLATE, DeflateEncoder
from kamaros_gui.codecs.digest import Checksum, ContentDigest
from kamaros_gui.codecs.encoder import Buffer, EncodeJob, Encoder
from kamaros_gui.codecs.libraries import backend_name, backends
from kamaros_gui.codecs.probe import looks_incompressible
from kamaros_gui.codecs.store import STORE, StoreEncoder
from kamaros_gui.codecs.whole import encode_whole
from kamaros_gui.codecs.zstd import ZSTD, ZstdEncoder

__all__ = [
    "DEFLATE",
    "METHOD_NAMES",
    "STORE",
    "ZSTD",
    "Buffer",
    "Checksum",
    "ContentDigest",
    "Decoder",
    "EncodeJob",
    "Encoder",
    "backend_name",
    "backends",
    "decode",
    "encode_whole",
    "looks_incompressible",
    "make_encoder",
    "open_decoder",
]


def make_encoder(codec_name: CodecName, level: int, threads: int) -> Encoder:
    """Return an encoder for one entry that is streamed in blocks.

    Args:
        codec_name: ``"deflate"``, ``"zstd"`` or ``"store"``.
        level: 1–9 for deflate, 1–19 for zstd, not used by store.
        threads: threads of zstd's own; the other codecs are parallel through their jobs.
    """
    if codec_name == "deflate":
        return DeflateEncoder(level)
    if codec_name == "zstd":
        return ZstdEncoder(level, threads)
    return StoreEncoder()
