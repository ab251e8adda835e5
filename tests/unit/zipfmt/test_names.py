from __future__ import annotations

import pytest

from kamaros_gui.zipfmt import archive_name, collision_key, escape_name, unsafe_reason


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("//server/share", "absolute"),
        ("C:/Windows", "drive"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a/..", "leads out"),
        ("../", "leads out"),
        ("a//b", "empty component"),
        ("a//", "empty component"),
        ("./a", "“.”"),
        ("a/.", "“.”"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("a\x85", "control"),
        ("a\\b", "backslash"),
        ("..\\..\\x", "backslash"),
        ("a\udc80", "Unicode"),
    ],
)
def test_unsafe_names_are_refused_everywhere(name: str, word: str) -> None:
    for windows in (False, True):
        reason = unsafe_reason(name, windows=windows)
        assert reason is not None
        assert word in reason
        assert reason.endswith(".")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("con", "device"),
        ("a/NUL.txt", "device"),
        ("Com1", "device"),
        ("lpt9.tar.gz/x", "device"),
        ("COM¹", "device"),
        ("aux .txt", "device"),
        ("CONIN$", "device"),
        ("a./b", "dot or a space"),
        ("a /b", "dot or a space"),
        ("...", "dot or a space"),
        ("a:b", "“:”"),
        ("what?", "“?”"),
        ("a|b", "“|”"),
        ('"', '“"”'),
        ("<", "“<”"),
        ("*", "“*”"),
    ],
)
def test_windows_refuses_more(name: str, word: str) -> None:
    assert unsafe_reason(name, windows=False) is None
    reason = unsafe_reason(name, windows=True)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "folder/",
        "content/Ärger/資料.txt",
        "..a",
        "a..",
        "...a/b",
        "console",
        "com10",
        "nully.txt",
        ".hidden",
        "a b",
        "~",
    ],
)
def test_ordinary_names_are_safe(name: str) -> None:
    assert unsafe_reason(name, windows=False) is None
    if name != "a..":
        assert unsafe_reason(name, windows=True) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("README", "readme"), ("é", "e\u0301"), ("É", "e\u0301"), ("straße", "STRASSE"), ("ﬁ", "FI"), ("K", "k")],
)
def test_names_that_may_collide_have_one_key(one: str, other: str) -> None:
    assert collision_key(one) == collision_key(other)


def test_different_names_have_different_keys() -> None:
    assert len({collision_key(name) for name in ("a", "b", "ä", "a/b", "ab")}) == 5


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"plain.txt", "plain.txt"),
        ("größe/資料".encode(), "größe/資料"),
        (b"100%", "100%"),
        (b"a%20b", "a%20b"),
        (b"a\nb", "a%0Ab"),
        (b"back\\slash", "back%5Cslash"),
        (b"latin-\xe9", "latin-%E9"),
        (b"50%\xff", "50%25%FF"),
        (b"\x7f", "%7F"),
        ("\x85".encode(), "%C2%85"),
        ("ä\n".encode(), "ä%0A"),
        (b"\xed\xa0\x80", "%ED%A0%80"),
        (b"a%5Cb", "a%255Cb"),
        (b"a%0Ab", "a%250Ab"),
        (b"a%7F%25%FF", "a%257F%2525%25FF"),
        ("\u202etxt.exe".encode(), "\u202etxt.exe"),
    ],
)
def test_every_file_name_becomes_an_entry_name(raw: bytes, name: str) -> None:
    assert archive_name(raw) == name
    assert unsafe_reason(name, windows=False) is None
    if name != raw.decode("utf-8", "replace"):
        assert escape_name(raw) == name
