"""How the sans-IO readers ask for bytes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

from kamaros_gui.base.errors import ZipFormatError

__all__ = ["ReadRequest", "Reading", "fetch", "run_reads"]

_Result = TypeVar("_Result")


class ReadRequest(NamedTuple):
    """Bytes a reader wants next.

    Attributes:
        offset: first byte, from the start of the file.
        length: number of bytes, at least 1; fewer may be sent back at the end of the file only.
    """

    offset: int
    length: int


Reading = Generator[ReadRequest, bytes, _Result]
"""A reader: yields requests, is sent the bytes, returns its result."""


def fetch(offset: int, length: int) -> Reading[bytes]:
    """Ask for exactly *length* bytes.

    Raises:
        ZipFormatError: the file has fewer.
    """
    if length == 0:
        return b""
    data = yield ReadRequest(offset, length)
    if len(data) != length:
        raise ZipFormatError(f"The file ends at {offset + len(data)}; {length} bytes at {offset} were expected.")
    return data


def run_reads(reading: Reading[_Result], read: Callable[[int, int], bytes]) -> _Result:
    """Run *reading* to its end with ``read(offset, length)`` as the source of bytes, and return its result."""
    try:
        request = next(reading)
        while True:
            request = reading.send(read(*request))
    except StopIteration as stop:
        result: _Result = stop.value
        return result
