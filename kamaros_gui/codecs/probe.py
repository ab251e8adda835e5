"""Finds out cheaply whether data is worth compressing."""

from __future__ import annotations

from typing import Final

import zstandard

from kamaros_gui.base.limits import KIB
from kamaros_gui.codecs.contexts import ContextPool
from kamaros_gui.codecs.encoder import Buffer

__all__ = ["looks_incompressible"]

_SAMPLE: Final = 16 * KIB
"""Tried first, from the middle: it settles most compressible blocks for 5 % of the time isal needs for them."""

_WORTH_IT: Final = 0.985
"""Packed to original size above which compressing isn't worth the reader's time."""

# Level 1 and not a negative level: those leave literals as they are, and would call base64 text incompressible.
_contexts: Final = ContextPool(lambda: zstandard.ZstdCompressor(level=1, write_content_size=False))


def looks_incompressible(data: Buffer) -> bool:
    """Tell whether compressing *data* would save next to nothing; random data is seen through at some 5 GB/s."""
    context = _contexts.borrow()
    size = len(data)
    if size > 2 * _SAMPLE:
        start = (size - _SAMPLE) // 2
        if len(context.compress(memoryview(data)[start : start + _SAMPLE])) < _SAMPLE * _WORTH_IT:
            _contexts.give_back(context)
            return False
    incompressible = len(context.compress(data)) >= size * _WORTH_IT
    _contexts.give_back(context)
    return incompressible
