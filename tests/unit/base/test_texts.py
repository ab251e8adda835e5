from __future__ import annotations

import pytest

from kamaros_gui.base.texts import display_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("plain/path with space", "plain/path with space"),
        ("zażółć/日本語 🙂", "zażółć/日本語 🙂"),
        (b"bytes \xc5\xbc", "bytes ż"),
        (b"not utf-8 \xff\x80", r"not utf-8 \xff\x80"),
        ("\x1b[31mred\x7f", r"\x1b[31mred\x7f"),
        ("new\nline\ttab\r\0", r"new\x0aline\x09tab\x0d\x00"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("\u202eevil\u2066\u200f", r"\u202eevil\u2066\u200f"),
        ("lone \ud800 surrogate", r"lone \ud800 surrogate"),
        ("back\\slash", "back\\slash"),
        ("", ""),
    ],
)
def test_controls_become_escapes_and_everything_else_stays(path: str | bytes, shown: str) -> None:
    assert display_path(path) == shown
    display_path(path).encode("utf-8")  # can be printed
    assert display_path(display_path(path)) == shown
