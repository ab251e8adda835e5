"""Entry names: which are safe, which would collide, and how any file name becomes one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["archive_name", "collision_key", "escape_name", "unsafe_reason"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""C0 controls, DEL and C1 controls. What is only confusing to look at is left to whoever displays it."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_DRIVE: Final = re.compile(r"\A[A-Za-z]:/")
"""An absolute path of Windows. A colon elsewhere is an ordinary character outside Windows."""

_WINDOWS_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')

_WINDOWS_DEVICES: Final = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])[ ]*(?:[.:].*)?", re.IGNORECASE | re.DOTALL
)
"""Names that Windows opens as devices, whatever extension follows."""

_ESCAPED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\%\udc80-\udcff]")
"""What an escaped name does not contain; the surrogates stand for bytes that are not UTF-8 (PEP 383)."""

_MUST_ESCAPE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|%(?:[01][0-9A-F]|25|5C|7F|[89A-F][0-9A-F])")
"""What makes a name be escaped: offending characters, and text that reads like one escaped. The second makes sure
that no two raw names share an entry name; a common ``%20`` is not concerned."""


def unsafe_reason(name: str, *, windows: bool) -> str | None:
    """Say why an entry called *name* must not be restored, or ``None`` when it may.

    Args:
        name: name from an archive; the ``/`` that ends a directory's name is not part of the check.
        windows: also refuse what Windows can't store or takes for a device.
    """
    reason = _unsafe_as_a_whole(name)
    if reason is not None:
        return reason
    for part in name.removesuffix("/").split("/"):
        reason = _unsafe_part(part) or (_unsafe_on_windows(part) if windows else None)
        if reason is not None:
            return reason
    return None


_UNSAFE_PATTERNS: Final = (
    (re.compile(r"\A\Z"), "The name is empty."),
    (re.compile(r"\A/"), "The name is an absolute path."),
    (_CONTROL, "The name contains a control character."),
    (re.compile(r"\\"), "The name contains a backslash, which is a separator on Windows."),
    (_DRIVE, "The name begins with a drive letter."),
    (_SURROGATE, "The name is not valid Unicode."),
)
"""What no part of a name may contain, with the sentence that says so."""


def _unsafe_as_a_whole(name: str) -> str | None:
    return next((reason for pattern, reason in _UNSAFE_PATTERNS if pattern.search(name)), None)


def _unsafe_part(part: str) -> str | None:
    if not part:
        return "The name has an empty component."
    if part == "..":
        return "The name leads out of the folder (“..”)."
    if part == ".":
        return "The name has a “.” component."
    return None


def _unsafe_on_windows(part: str) -> str | None:
    forbidden = _WINDOWS_FORBIDDEN.search(part)
    if forbidden:
        return f"The name contains “{forbidden[0]}”, which Windows does not allow."
    if part[-1] in ". ":
        return "The name has a component that ends with a dot or a space, which Windows does not keep."
    if _WINDOWS_DEVICES.fullmatch(part):
        return f"“{part}” is the name of a device on Windows."
    return None


def collision_key(name: str) -> str:
    """Return a key that is equal for names which a file system may take for the same.

    Some file systems fold case, some normalise Unicode, some do both: the key does both, by full case folding
    between two normalisations to NFC (folding can undo the first).
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def archive_name(raw: bytes) -> str:
    """Return the entry name for *raw*, a relative POSIX path as the file system has it.

    Valid UTF-8 without control characters and backslashes stays as it is. Otherwise :func:`escape_name` applies,
    and also where a name happens to look as if it had been: different raw names have different entry names.
    """
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return escape_name(raw)
    return escape_name(raw) if _MUST_ESCAPE.search(name) else name


def escape_name(raw: bytes) -> str:
    """Return *raw* with each offending byte and each ``%`` as ``%`` and two upper-case hex digits.

    An archive that records the raw name of an entry beside its escaped one is honest only if
    ``escape_name(raw) == name``.
    """
    return _ESCAPED.sub(_percent, raw.decode("utf-8", "surrogateescape"))


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))
