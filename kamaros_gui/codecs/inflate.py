"""Raw deflate (RFC 1951) back to content, with bounded output."""

from __future__ import annotations

from typing import Any

from kamaros_gui.base.errors import IntegrityError
from kamaros_gui.codecs.encoder import Buffer
from kamaros_gui.codecs.libraries import RAW_DEFLATE, igzip_lib, inflate_backend

__all__ = ["IgzipDecoder", "ZlibDecoder", "open_inflater"]


def open_inflater() -> IgzipDecoder | ZlibDecoder:
    """Return a decoder of the fastest library at hand."""
    library = inflate_backend()
    return IgzipDecoder() if library is igzip_lib else ZlibDecoder(library)


def _truncated() -> IntegrityError:
    return IntegrityError("The compressed data ends too early.")


def _trailing(size: int) -> IntegrityError:
    return IntegrityError(f"{size} bytes follow the end of the compressed data.")


class IgzipDecoder:
    """Inflates with isal."""

    def __init__(self) -> None:
        self._inner = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)

    @property
    def needs_input(self) -> bool:
        """Whether more input is needed to go on."""
        return bool(self._inner.needs_input)

    @property
    def eof(self) -> bool:
        """Whether the final block has ended."""
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        """Input after the final block."""
        return bytes(self._inner.unused_data)

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Inflate; see :class:`Decoder`."""
        if self._inner.eof:
            if data:
                raise _trailing(len(data))
            return b""
        try:
            return bytes(self._inner.decompress(data, max_length))
        except igzip_lib.error as error:
            raise IntegrityError(f"The compressed data is damaged ({error}).") from None

    def finish(self) -> None:
        """Check that the stream is complete and nothing follows it."""
        if not self._inner.eof:
            raise _truncated()
        if self._inner.unused_data:
            raise _trailing(len(self._inner.unused_data))


class ZlibDecoder:
    """Inflates with zlib-ng or zlib, where isal is missing.

    Args:
        library: the module.
    """

    def __init__(self, library: Any) -> None:
        self._error = library.error
        self._inner = library.decompressobj(RAW_DEFLATE)
        self._full = False

    @property
    def needs_input(self) -> bool:
        """Whether more input is needed to go on."""
        return not (self._inner.eof or self._full or self._inner.unconsumed_tail)

    @property
    def eof(self) -> bool:
        """Whether the final block has ended."""
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        """Input after the final block."""
        return bytes(self._inner.unused_data)

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Inflate; see :class:`Decoder`."""
        if self._inner.eof:
            if data:
                raise _trailing(len(data))
            return b""
        tail = self._inner.unconsumed_tail
        try:
            piece = bytes(self._inner.decompress(tail + bytes(data) if tail else data, max_length))
        except self._error as error:
            raise IntegrityError(f"The compressed data is damaged ({error}).") from None
        # A full output may leave more inside the library although all input was taken in.
        self._full = len(piece) == max_length
        return piece

    def finish(self) -> None:
        """Check that the stream is complete and nothing follows it."""
        if not self._inner.eof:
            raise _truncated()
        if self._inner.unused_data:
            raise _trailing(len(self._inner.unused_data))
