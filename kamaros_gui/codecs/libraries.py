"""Which library does which part, chosen once at import.

isal is the fastest at deflate 1–3 and at inflating, but has no wheel for every machine; zlib-ng is the fastest at
deflate 4–9, and does CRC-32 as fast as isal. Python's own zlib does all of it where both are missing. The rest of the
package asks here, and About and ``--version`` show the answer.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import zstandard

# Either library may be absent, so both are handled as plain objects: a typed module can't be None.
igzip_lib: Any
isal_zlib: Any
zlib_ng: Any
try:
    import isal
    from isal import igzip_lib, isal_zlib
except ImportError:  # no wheel for this machine
    igzip_lib = isal_zlib = None
try:
    from zlib_ng import zlib_ng
except ImportError:  # no wheel for this machine
    zlib_ng = None

__all__ = ["RAW_DEFLATE", "backend_name", "backends", "crc32", "deflate_backend", "inflate_backend"]

RAW_DEFLATE: Final = -15
"""``wbits`` of a raw deflate stream with the full 32 KiB window."""

_ISAL_LEVELS: Final = range(1, 4)
"""isal's 1–3 are several times faster than any zlib and smaller than zlib-ng's; it has no higher ones."""


def deflate_backend(level: int) -> Any:
    """Return the zlib-like module that compresses at *level* (1–9)."""
    if isal_zlib is not None and level in _ISAL_LEVELS:
        return isal_zlib
    return zlib if zlib_ng is None else zlib_ng


def inflate_backend() -> Any:
    """Return the module that inflates; ``igzip_lib`` has another interface than the zlib-like ones."""
    return igzip_lib or zlib_ng or zlib


def _choose_crc32() -> Any:
    return (zlib_ng or isal_zlib or zlib).crc32


crc32: Final = _choose_crc32()
"""``crc32(data, value=0)`` of the fastest library: 20 GB/s instead of zlib's 5.

isal is as fast, but it leaves the upper halves of the vector registers in use, and hashlib's SHA-256, in older
instructions, then runs at 70 % of its speed on that thread. zlib-ng clears them.
"""


def _version_name(module: Any) -> str:
    if module is not None and module in (isal_zlib, igzip_lib):
        return f"isal {isal.__version__}"
    if module is not None and module is zlib_ng:
        return f"zlib-ng {zlib_ng.ZLIBNG_RUNTIME_VERSION}"
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"


def backend_name(level: int) -> str:
    """Name and version of what deflates at *level*, for people: ``isal 1.9.1``."""
    return _version_name(deflate_backend(level))


def backends() -> dict[str, str]:
    """Part → name and version of the library that does it, for About and ``--version``."""
    return {
        "deflate 1–3": backend_name(1),
        "deflate 4–9": backend_name(6),
        "inflate": _version_name(inflate_backend()),
        "zstd": f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))} (zstandard {zstandard.__version__})",
        "crc-32": _version_name(zlib_ng or isal_zlib or zlib),
        "sha-256": "hashlib",
    }
