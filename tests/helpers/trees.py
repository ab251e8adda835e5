"""Real trees with everything a disk can hold, and their comparison byte for byte."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import stat
from collections.abc import Callable

__all__ = ["Found", "build_odd_tree", "differences", "file_hash", "noise", "scan", "text", "write"]

_BASE_NS = 1_600_000_000_123_456_789
SIZES = (0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20)

ODD_NAMES: tuple[bytes, ...] = (
    b"with some  spaces ",
    "zażółć gęślą jaźń – 日本語 🙂".encode(),
    "e\u0301 decomposed".encode(),
    "\u00e9 composed".encode(),
    b"control \x01\x1b[31m\x7f",
    b"new\nline",
    b"tab\there",
    b"back\\slash",
    b"not utf-8 \xff\xfe\x80",
    b"100%",
    b"%41 %5C %0A %FF",
    b"-leading dash",
    b"--json",
    b"a:b",
    b"C:",
    b"...",
    b".hidden",
    b"~",
    b"CON",
    b"trailing dot.",
    b"quote\"'`$(x)",
    b"star*?[a]",
    b"#",
    "\u202eevil".encode(),
    b"n" * 250,
    "ż".encode() * 125,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One thing in a tree: kind, content or link target, permission bits, modification time in nanoseconds."""

    kind: str
    content: str
    mode: int
    mtime_ns: int


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that do not compress; the same for the same arguments."""
    return random.Random(seed).randbytes(size)


def text(size: int, seed: int = 1) -> bytes:
    """Return bytes that compress about two to one in every block; the same for the same arguments."""
    return noise((size + 1) // 2, seed).hex().encode()[:size]


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(
    path: str | bytes | os.PathLike[str], content: bytes = b"", *, mode: int = 0o644, mtime_ns: int | None = None
) -> None:
    """Write a file, folders above it included."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def build_odd_tree(root: str | os.PathLike[str], *, small_files: int = 200, largest: int = 3 << 20) -> None:
    """Make a tree of odd names, sizes, modes, times, links and empty folders at *root*."""
    top = os.fsencode(root)
    for number, name in enumerate(ODD_NAMES):
        write(os.path.join(top, b"names", name), b"content of %d" % number, mtime_ns=_BASE_NS + number)
        write(os.path.join(top, b"folders", name, b"inside"), b"", mtime_ns=_BASE_NS - number)
    for size in SIZES:
        if size <= largest:
            write(os.path.join(top, b"sizes", b"noise-%d" % size), noise(size, size), mode=0o600, mtime_ns=_BASE_NS)
            write(os.path.join(top, b"sizes", b"text-%d" % size), text(size, size), mode=0o755, mtime_ns=1)
            write(os.path.join(top, b"sizes", b"zeros-%d" % size), bytes(size), mode=0o444, mtime_ns=_BASE_NS * 2)
    for number in range(small_files):
        content = (b"file %d\n" % number) * (number % 97)
        write(os.path.join(top, b"many", b"%d" % (number % 7), b"file-%d.txt" % number), content)
    for folder in (b"empty", b"modes/closed", b"modes/deep/er/still"):
        os.makedirs(os.path.join(top, folder))
    links = os.path.join(top, b"links")
    write(os.path.join(links, b"folder", b"target"), b"target of links")
    os.symlink(b"folder/target", os.path.join(links, b"to a file"))
    os.symlink(b"folder", os.path.join(links, b"to a folder"))
    os.symlink(b"not there", os.path.join(links, b"dangling"))
    os.symlink(b"../sizes/noise-1", os.path.join(links, b"over the parent"))
    os.symlink(b"not utf-8 \xff", os.path.join(links, b"odd target"))
    os.symlink(b"../to a file", os.path.join(links, b"folder", b"up"))
    for mode in (0o400, 0o444, 0o600, 0o640, 0o755, 0o777):
        write(os.path.join(top, b"modes", b"%o" % mode), b"mode", mode=mode)
    write(os.path.join(top, b"modes", b"readonly", b"file"), b"in a folder nobody may write")
    os.chmod(os.path.join(top, b"modes", b"readonly"), 0o555)  # noqa: S103 - a mode worth restoring
    os.chmod(os.path.join(top, b"modes", b"closed"), 0o700)
    for current, folders, _ in os.walk(top, topdown=False):
        for number, name in enumerate(folders):
            path = os.path.join(current, name)
            if not os.path.islink(path):
                moment = _BASE_NS + number * 1_000_003
                os.utime(path, ns=(moment, moment))


def scan(root: str | os.PathLike[str]) -> dict[bytes, Found]:
    """Return relative path (bytes) → what is there, of everything below *root*."""
    found: dict[bytes, Found] = {}
    top = os.fsencode(root)
    stack = [b""]
    while stack:
        folder = stack.pop()
        for name in os.listdir(os.path.join(top, folder)):
            relative = os.path.join(folder, name)
            path = os.path.join(top, relative)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                kind, content = "symlink", repr(os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                kind, content = "directory", ""
                stack.append(relative)
            elif stat.S_ISREG(info.st_mode):
                kind, content = "file", file_hash(os.fsdecode(path))
            else:
                kind, content = "other", ""
            found[relative] = Found(kind, content, stat.S_IMODE(info.st_mode), info.st_mtime_ns)
    return found


def differences(
    left: str | os.PathLike[str] | dict[bytes, Found],
    right: str | os.PathLike[str] | dict[bytes, Found],
    *,
    ignore: Callable[[bytes, Found], bool] = lambda _path, _found: False,
) -> list[str]:
    """Say in what two trees (or scans of them) differ: content, link targets, modes, times in nanoseconds."""
    first = left if isinstance(left, dict) else scan(left)
    second = right if isinstance(right, dict) else scan(right)
    said = []
    for path in sorted(first.keys() | second.keys()):
        one, two = first.get(path), second.get(path)
        present = one or two
        if one != two and present is not None and not ignore(path, present):
            said.append(f"{path!r}: {one} / {two}")
    return said
