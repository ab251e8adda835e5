"""Archives as other JCF writers make them, with Python's zipfile and json alone, in every form that is known of."""

from __future__ import annotations

import base64
import dataclasses
import difflib
import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any, Literal

__all__ = ["FORMS", "HISTORY", "Foreign", "Form", "Step", "sha256"]

MIMETYPE = b"application/x-jcf"
_EPOCH_2024 = 1_704_067_200


def sha256(content: bytes) -> str:
    """Return the SHA-256 of *content* as a manifest has it."""
    return hashlib.sha256(content).hexdigest()


@dataclasses.dataclass(frozen=True)
class Form:
    """How a writer goes about it.

    Attributes:
        manifest: where the manifest is.
        mimetype: whether there is a mimetype entry, and how.
        head_blobs: whether the contents of HEAD are blobs too.
        deltas: whether ``contentRef`` names a unified diff that is in the archive; otherwise it is ``null``.
        times: spelling of times.
        descriptors: whether sizes come behind the data, as when a ZIP is streamed.
        bare: whether everything that can be left out is: ids, types, ``refs.head``, parents, change types.
        nulls: whether what has no value is ``null``.
        modes: whether records have modes and times of their own.
    """

    manifest: Literal["root", "store", "both"] = "store"
    mimetype: Literal["first", "none", "compressed", "last"] = "first"
    head_blobs: bool = True
    deltas: bool = False
    times: Literal["z", "fraction", "offset", "naive"] = "z"
    descriptors: bool = False
    bare: bool = False
    nulls: bool = False
    modes: bool = True


FORMS: dict[str, Form] = {
    "store": Form(),
    "root": Form(manifest="root"),
    "both": Form(manifest="both", times="fraction"),
    "no mimetype": Form(mimetype="none"),
    "no mimetype, root": Form(manifest="root", mimetype="none", times="offset"),
    "compressed mimetype": Form(mimetype="compressed"),
    "mimetype last": Form(mimetype="last", manifest="root"),
    "head only in content": Form(head_blobs=False),
    "deltas": Form(deltas=True, times="fraction"),
    "descriptors": Form(descriptors=True, deltas=True),
    "bare": Form(bare=True, mimetype="none", modes=False),
    "nulls": Form(nulls=True, times="naive", modes=False),
    "everything": Form(
        manifest="both", mimetype="compressed", deltas=True, times="offset", descriptors=True, nulls=True
    ),
}


@dataclasses.dataclass(frozen=True)
class Step:
    """A version: all its files, and what it did.

    Attributes:
        files: path → content.
        links: path → target.
        renamed: new path → old path.
        message, author: of the version.
    """

    files: dict[str, bytes]
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    renamed: dict[str, str] = dataclasses.field(default_factory=dict)
    message: str = ""
    author: str = ""

    @property
    def contents(self) -> dict[str, bytes]:
        """Path → content, links included."""
        return self.files | {path: target.encode() for path, target in self.links.items()}


def _text(lines: int, odd: str = "") -> bytes:
    return "".join(f"line {number} {odd if number % 5 == 0 else ''}\n" for number in range(lines)).encode()


_BINARY = bytes(range(256)) * 300

HISTORY: tuple[Step, ...] = (
    Step(
        {"read me.txt": _text(40), "docs/guide.txt": _text(200), "empty": b"", "gone.bin": _BINARY, "twin": _text(40)},
        {"docs/link": "../read me.txt"},
        message="first",
        author="Ada",
    ),
    Step(
        {
            "read me.txt": _text(40, "changed"),
            "docs/guide.txt": _text(200),
            "empty": b"",
            "twin": _text(40),
            "zażółć/gęślą.txt": "jaźń\n".encode(),
        },
        {"docs/link": "../read me.txt"},
        message="second – with “marks”",
        author="Grace",
    ),
    Step(
        {
            "read me.txt": _text(40, "changed"),
            "manual/guide.txt": _text(200),
            "empty": b"",
            "twin": _text(41),
            "zażółć/gęślą.txt": "jaźń\n".encode(),
        },
        {"docs/link": "../manual/guide.txt"},
        {"manual/guide.txt": "docs/guide.txt"},
        message="third",
    ),
    Step(
        {
            "read me.txt": _text(40),
            "manual/guide.txt": _text(200, "new"),
            "empty": b"",
            "twin": _text(41),
            "gone.bin": _BINARY,
        },
        message="fourth",
        author="Ada",
    ),
)


class Foreign:
    """One archive of another writer, in the making.

    Args:
        form: how it is written.
        steps: its history.
        encrypted: paths whose contents the writer has encrypted; their hashes are those of the plain contents.

    Attributes:
        steps, form: as given.
        ids: ids of the versions.
        document: the manifest; may be changed before :meth:`write`.
    """

    def __init__(self, form: Form, steps: tuple[Step, ...] = HISTORY, encrypted: frozenset[str] = frozenset()) -> None:
        self.form = form
        self.steps = steps
        self.encrypted = encrypted
        self.ids = [f"{number + 1:08x}-1111-4222-8333-{number + 0xABC:012x}" for number in range(len(steps))]
        self._inodes: dict[str, str] = {}
        self._born: dict[str, int] = {}
        self.deltas: dict[str, bytes] = {}
        self.document = self._document()

    def time(self, number: int) -> str:
        """Return a time, *number* hours into 2024."""
        day, hour = divmod(number, 24)
        text = f"2024-01-{day + 1:02d}T{hour:02d}:00:00"
        return text + {"z": "Z", "fraction": ".250Z", "offset": ".000+00:00", "naive": ""}[self.form.times]

    def nanoseconds(self, number: int) -> int:
        """Return the same time in nanoseconds since the epoch."""
        fraction = 250_000_000 if self.form.times == "fraction" else 0
        return (_EPOCH_2024 + number * 3600) * 1_000_000_000 + fraction

    def mtime_ns(self, path: str, number: int) -> int:
        """Return the modification time *path* has in the version *number*, as far as the archive tells it."""
        content = self.steps[number].contents[path]
        while number and self.steps[number - 1].contents.get(path) == content:
            number -= 1
        return self.nanoseconds(number)

    # ------------------------------------------------------------------------------------------ manifest

    def _document(self) -> dict[str, Any]:
        form, last = self.form, len(self.steps) - 1
        history = []
        for number, step in enumerate(self.steps):
            self._settle_inodes(number, step)
            version: dict[str, Any] = {
                "id": self.ids[number],
                "timestamp": self.time(number),
                "message": step.message,
                "author": step.author or None,
                "email": None,
                "fileStates": {path: self._state(number, path) for path in step.contents}
                | {path: self._deletion(number, path) for path in self._deleted(number)},
            }
            if not form.bare:
                version["parentId"] = self.ids[number - 1] if number else None
                version["tags"] = ["odd"] if number == 1 else []
            history.append(self._strip(version))
        head = self.steps[last]
        document: dict[str, Any] = {
            "formatVersion": "1.0.0",
            "metadata": {"name": "made elsewhere", "created": self.time(0), "lastModified": self.time(last)},
            "fileMap": {path: self._record(last, path) for path in head.contents},
            "versionHistory": history,
            "refs": {} if form.bare else {"head": self.ids[last], "v1.0": self.ids[0]},
            "renameLog": [],
            "config": {"autoGC": False},
            "vendor": {"kept": [1, 2, 3]},
        }
        return self._strip(document)

    def _strip(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Leave out what has no value, where this writer does not say ``null``."""
        return fields if self.form.nulls else {name: value for name, value in fields.items() if value is not None}

    def _settle_inodes(self, number: int, step: Step) -> None:
        before = dict(self._inodes)
        for path in step.contents:
            origin = step.renamed.get(path)
            self._inodes[path] = before[origin] if origin else before.get(path, f"inode-{number}-{path}")
        for path in set(self._inodes) - set(step.contents):
            del self._inodes[path]

    def _deleted(self, number: int) -> list[str]:
        return sorted(set(self.steps[number - 1].contents) - set(self.steps[number].contents)) if number else []

    def _deletion(self, number: int, path: str) -> dict[str, Any]:
        return self._strip({"inodeId": None, "hash": "", "size": 0, "changeType": "deleted", "deleted": True})

    def _state(self, number: int, path: str) -> dict[str, Any]:
        step, form = self.steps[number], self.form
        content = step.contents[path]
        before = self.steps[number - 1].contents.get(path) if number else None
        change = "added" if before is None else "modified" if before != content else "unchanged"
        state: dict[str, Any] = {"hash": sha256(content), "size": len(content), "contentRef": None}
        if form.deltas and before is not None and before != content and path in step.files and b"\0" not in content:
            state["contentRef"] = self._delta(number, path, content, before)
        if not form.bare or path in step.links:
            state["type"] = "symlink" if path in step.links else "file"
        if not form.bare:
            state |= {"inodeId": self._inodes[path], "changeType": change, "deleted": False}
        if form.modes:
            state |= {"mode": self.mode(path), "modified": self.time(self._changed_at(number, path))}
        if path in self.encrypted:
            state["encrypted"] = True
        return self._strip(state)

    def _changed_at(self, number: int, path: str) -> int:
        content = self.steps[number].contents[path]
        while number and self.steps[number - 1].contents.get(path) == content:
            number -= 1
        return number

    def _record(self, number: int, path: str) -> dict[str, Any]:
        step, form = self.steps[number], self.form
        content = step.contents[path]
        record: dict[str, Any] = {
            "currentHash": sha256(content),
            "size": len(content),
            "created": self.time(0),
            "modified": self.time(self._changed_at(number, path)),
            "mime": None,
        }
        if not form.bare or path in step.links:
            record["type"] = "symlink" if path in step.links else "file"
        if not form.bare:
            record["inodeId"] = self._inodes[path]
        if form.modes:
            record["mode"] = self.mode(path)
        if path in self.encrypted:
            record["encrypted"] = True
        return self._strip(record)

    def mode(self, path: str) -> int:
        """Return the permissions *path* is recorded with, or has by default."""
        if any(path in step.links for step in self.steps):
            return 0o777
        return 0o640 if self.form.modes and path.endswith(".txt") else 0o644

    def _delta(self, number: int, path: str, new: bytes, old: bytes) -> str:
        """Make the reverse delta that gives the older content, and return where it is."""
        name = f".store/deltas/{self.ids[number]}_{sha256(path.encode())[:16]}.patch"
        lines = [each.decode("latin-1").splitlines(keepends=True) for each in (new, old)]
        self.deltas[name] = "".join(difflib.unified_diff(*lines, path, path)).encode("latin-1")
        return name

    # ------------------------------------------------------------------------------------------ the archive

    def stored(self, path: str, content: bytes) -> bytes:
        """Return what lies in the archive for *content*."""
        return base64.b64encode(bytes(byte ^ 0x5A for byte in content)) if path in self.encrypted else content

    def write(self, path: Path, *, leave_out: str = "") -> Path:
        """Write the archive, without entries whose names begin with *leave_out*; return *path*."""
        target: Any = io.BytesIO()
        if self.form.descriptors:
            target = _Unseekable()
        manifest = json.dumps(self.document, indent=2, ensure_ascii=False).encode()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as container:
            if self.form.mimetype in {"first", "compressed"}:
                method = zipfile.ZIP_STORED if self.form.mimetype == "first" else zipfile.ZIP_DEFLATED
                container.writestr(zipfile.ZipInfo("mimetype", (2024, 1, 1, 0, 0, 0)), MIMETYPE, method)
            for name, content, mode in self._entries():
                if leave_out and name.startswith(leave_out):
                    continue
                info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
                info.external_attr = mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                container.writestr(info, content)
            if self.form.manifest in {"store", "both"}:
                container.writestr(".store/manifest.json", manifest)
            if self.form.manifest in {"root", "both"}:
                container.writestr("manifest.json", manifest)
            if self.form.mimetype == "last":
                container.writestr("mimetype", MIMETYPE, zipfile.ZIP_STORED)
        path.write_bytes(target.getvalue())
        return path

    def _entries(self) -> list[tuple[str, bytes, int]]:
        head = self.steps[-1]
        entries = []
        for path, content in head.contents.items():
            kind = stat.S_IFLNK if path in head.links else stat.S_IFREG
            entries.append((f"content/{path}", self.stored(path, content), kind | self.mode(path)))
        blobs: dict[str, bytes] = {}
        in_head = {sha256(content) for content in head.contents.values()}
        for step in self.steps:
            for path, content in step.contents.items():
                if self.form.head_blobs or sha256(content) not in in_head:
                    blobs[sha256(content)] = self.stored(path, content)
        entries += [(f".store/blobs/{digest}", content, 0o100644) for digest, content in sorted(blobs.items())]
        entries += [(name, data, 0o100644) for name, data in sorted(self.deltas.items())]
        return entries


class _Unseekable:
    """A stream without a way back: zipfile then puts the sizes behind the data."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: it is all in memory."""

    def getvalue(self) -> bytes:
        return bytes(self._data)
