"""One call for a file that is held whole: compress it, or find out that it doesn't pay."""

from __future__ import annotations

from typing import Final

from kamaros_gui.base.config import CodecName
from kamaros_gui.base.limits import KIB
from kamaros_gui.codecs.deflate import DEFLATE, deflate_all
from kamaros_gui.codecs.encoder import Buffer
from kamaros_gui.codecs.probe import looks_incompressible
from kamaros_gui.codecs.store import STORE
from kamaros_gui.codecs.zstd import ZSTD, zstd_all

__all__ = ["encode_whole"]

_PROBE_MINIMUM: Final = 8 * KIB
"""Below this, compressing costs less than asking first."""


def encode_whole(data: Buffer, codec: CodecName, level: int) -> tuple[int, list[Buffer]]:
    """Encode the whole content of a small file (up to ``SMALL_FILE_LIMIT`` bytes) in one call.

    Args:
        data: the content; must stay unchanged until the parts are written, because they may be *data* itself.
        codec: ``"deflate"``, ``"zstd"`` or ``"store"``.
        level: level of that codec; not used by store.

    Returns:
        The ZIP method and the parts to be written one after the other: method 0 and *data* when compressing
        saves nothing, for deflate and zstd a complete stream otherwise.
    """
    if codec == "store" or not data or (len(data) >= _PROBE_MINIMUM and looks_incompressible(data)):
        return STORE, [data] if data else []
    method, parts = (ZSTD, zstd_all(data, level)) if codec == "zstd" else (DEFLATE, deflate_all(data, level))
    return (method, parts) if len(parts[0]) < len(data) else (STORE, [data])
