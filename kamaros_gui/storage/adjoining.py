"""Join chunks that lie side by side in memory, without copying them.

A slab of 1 MiB is cut into chunks for the streams; whoever takes a batch of them to a thread wants them whole again.
For each call into a C library a thread gives the interpreter's lock away and has to get it back from the engine loop,
and with 64 KiB chunks that costs more than handing the chunk through all streams.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Final

from kamaros_gui.storage.primitives import Buffer

__all__ = ["join_adjoining"]


class _PyBuffer(ctypes.Structure):
    """``Py_buffer`` of the stable C API, since Python 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_KNOWS_ADDRESSES: Final = sys.implementation.name == "cpython"


def join_adjoining(parts: Sequence[Buffer]) -> Sequence[Buffer]:
    """Return the same bytes as *parts*, those that lie side by side in one buffer joined into one view of it.

    Args:
        parts: chunks, in order; only plain views of ``bytes`` and ``bytearray`` are ever joined.
    """
    if not _KNOWS_ADDRESSES or len(parts) < 2:
        return parts
    joined: list[Buffer] = []
    at = 0
    while at < len(parts):
        first = parts[at]
        at += 1
        if not isinstance(first, memoryview) or not _is_plain(first):
            joined.append(first)
            continue
        owner: Any = first.obj
        start = _address(first)
        end = start + first.nbytes
        while at < len(parts) and _follows(parts[at], owner, end):
            end += len(parts[at])
            at += 1
        if end - start == first.nbytes:
            joined.append(first)
        else:
            base = _address(owner)
            joined.append(memoryview(owner)[start - base : end - base])
    return joined


def _is_plain(view: memoryview) -> bool:
    return type(view.obj) in {bytes, bytearray} and view.format == "B" and view.c_contiguous and view.ndim == 1


def _follows(part: Buffer, owner: object, end: int) -> bool:
    return isinstance(part, memoryview) and part.obj is owner and _is_plain(part) and _address(part) == end


def _address(buffer: Buffer) -> int:
    """Return where the bytes of *buffer* are in memory; they stay there as long as it is referenced."""
    view = _PyBuffer()
    place = ctypes.byref(view)
    _get_buffer(buffer, place, 0)
    try:
        return int(view.buf or 0)
    finally:
        _release_buffer(place)


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.c_void_p]
_release_buffer.restype = None
