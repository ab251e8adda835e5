"""Decoders: stored, deflate and zstd behind one interface with bounded output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from kamaros_gui.base.errors import UnsupportedEntryError
from kamaros_gui.codecs.deflate import DEFLATE
from kamaros_gui.codecs.encoder import Buffer
from kamaros_gui.codecs.inflate import open_inflater
from kamaros_gui.codecs.store import STORE
from kamaros_gui.codecs.zstd import ZSTD
from kamaros_gui.codecs.zstd_decoder import ZstdDecoder

__all__ = ["METHOD_NAMES", "Decoder", "decode", "open_decoder"]

METHOD_NAMES: Final[dict[int, str]] = {STORE: "store", DEFLATE: "deflate", ZSTD: "zstd"}
"""ZIP method → name of the codec."""

_OTHER_METHODS: Final[dict[int, str]] = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "BZIP2", 14: "LZMA", 95: "XZ", 96: "JPEG", 97: "WavPack",
    98: "PPMd", 99: "AES encryption",
}  # fmt: skip
"""Methods of other programs (APPNOTE 4.4.5), to name them in the refusal."""


class Decoder(Protocol):
    """Turns compressed bytes back into content; the shape of :class:`bz2.BZ2Decompressor`.

    After the last input, :meth:`finish` tells a complete entry from a truncated one.
    """

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can come out before more goes in."""

    @property
    def eof(self) -> bool:
        """Whether the stream may end here; always for stored data, for zstd at the end of every frame."""

    @property
    def unused_data(self) -> bytes:
        """Input found after the end of the stream."""

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Take in *data* and return at most *max_length* bytes of content (``max_length`` > 0).

        Call again with ``b""`` while :attr:`needs_input` is false and the end isn't reached. What one call holds
        in memory is bounded by ``len(data)``, *max_length* and the window of the stream, whatever the input.

        Raises:
            IntegrityError: the compressed data is damaged.
        """

    def finish(self) -> None:
        """Declare that all input was given.

        Raises:
            IntegrityError: the stream isn't complete, or bytes follow its end.
        """


def open_decoder(method: int) -> Decoder:
    """Return a decoder for ZIP *method* (0, 8 or 93).

    Raises:
        UnsupportedEntryError: any other method; the message names it.
    """
    if method == STORE:
        return StoredDecoder()
    if method == DEFLATE:
        return open_inflater()
    if method == ZSTD:
        return ZstdDecoder()
    name = _OTHER_METHODS.get(method)
    raise UnsupportedEntryError(
        f"The entry uses compression method {method}{f' ({name})' if name else ''}, which Kamaros does not read.",
        hint="Unpack it with 7-Zip.",
    )


def decode(decoder: Decoder, data: Buffer, max_length: int) -> Iterator[bytes]:
    """Yield the content that *data* adds, in pieces of 1 to *max_length* bytes.

    Raises:
        IntegrityError: the compressed data is damaged, or goes on after the end of its stream.
    """
    while True:
        piece = decoder.decompress(data, max_length)
        if piece:
            yield piece
        if decoder.unused_data:
            decoder.finish()
        if decoder.needs_input or (decoder.eof and not piece):
            return
        data = b""


class StoredDecoder:
    """Hands stored data on, cut to the length asked for."""

    unused_data: Final = b""
    eof: Final = True

    def __init__(self) -> None:
        self._left = memoryview(b"")

    @property
    def needs_input(self) -> bool:
        """Whether everything taken in was handed out."""
        return not self._left

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Return the next *max_length* bytes at most."""
        if not self._left and len(data) <= max_length:
            return bytes(data)
        if data:
            self._left = memoryview(bytes(self._left) + bytes(data))
        piece, self._left = bytes(self._left[:max_length]), self._left[max_length:]
        return piece

    def finish(self) -> None:
        """Accept any length: only the directory knows how long a stored entry is."""
