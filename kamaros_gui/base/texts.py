"""Text for people: names from disks and archives made safe to show."""

from __future__ import annotations

import os
import re
from typing import Final

__all__ = ["display_path"]

_UNSHOWABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, which a terminal obeys; bidirectional controls, which make a name look like another; surrogates,
which stand for bytes that are no text and can't be printed."""


def display_path(path: str | bytes) -> str:
    """Return *path* as text that is safe to show: controls become hexadecimal escapes."""
    text = os.fsdecode(path)
    return text if text.isascii() and text.isprintable() else _UNSHOWABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
