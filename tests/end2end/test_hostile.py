"""Archives made to do harm: refused with a reason, nothing written outside, the rest restored, never a traceback."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.zipfmt import ZipEntry, encode_directory, encode_local_header, local_header_size
from tests.helpers.program import Outcome, call, strays
from tests.helpers.trees import write

GOOD = b"a good file among bad ones"
MARK = b"application/x-jcf"


def info(name: str, *, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.create_system = 3
    made.compress_type = method
    return made


@dataclasses.dataclass
class Crafted:
    """An archive put together by hand."""

    entries: list[tuple[zipfile.ZipInfo, bytes]] = dataclasses.field(default_factory=list)
    records: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def add(self, path: str, content: bytes = b"evil", *, kind: int = stat.S_IFREG | 0o644, **record: Any) -> None:
        self.entries.append((info(f"content/{path}", mode=kind), content))
        self.records[path] = {
            "inodeId": "0",
            "currentHash": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "mode": 0o644,
            "type": "symlink" if stat.S_ISLNK(kind) else "file",
        } | record

    def write(self, path: Path, manifest: bytes | None = None) -> Path:
        self.add("good", GOOD)
        document = {
            "formatVersion": "1.0.0",
            "fileMap": self.records,
            "versionHistory": [{"id": "v1", "timestamp": "2026-01-01T00:00:00Z", "message": "m", "snapshot": True}],
            "refs": {"head": "v1"},
        }
        with zipfile.ZipFile(path, "w") as container:
            container.writestr(info("mimetype"), MARK)
            for each, content in self.entries:
                container.writestr(each, content)
            container.writestr(info("manifest.json"), manifest if manifest is not None else json.dumps(document))
        return path


def restore(archive: Path, status: int, *options: str) -> Outcome:
    """Restore into ``out``; check that nothing but the good file came of it and nothing lies outside."""
    place = archive.parent
    known = set(os.listdir(place)) | {"out"}
    outcome = call("restore", archive, "-C", place / "out", *options).expect(status)
    assert "\x1b" not in outcome.err
    assert strays(place, sorted(known)) == []
    return outcome


def good_alone(archive: Path) -> None:
    out = archive.parent / "out"
    assert (out / "good").read_bytes() == GOOD
    assert strays(out, ["good"]) == []


BAD_NAMES = [
    "../escaped",
    "sub/../../escaped",
    "/tmp/kamaros-escaped",
    "C:/escaped",
    "back\\slash",
    "con\x1b[2Jtrol",
    "nul\x00byte",
    "a//b",
    "a/./dot",
    "..",
    "a/" * 1200 + "/deep",
]


def test_names_that_begin_with_the_folder_they_are_in(tmp_path: Path) -> None:
    """Some programs write nothing else, and mean nothing by it."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as container:
        for name in ("./", "./folder/", "./folder/good", "./good", "good"):
            container.writestr(info(name), b"" if name.endswith("/") else GOOD)
    listed = call("list", archive, "--json").expect(0)
    assert [entry["path"] for entry in listed.json["entries"]] == ["folder", "folder/good", "good"]
    call("restore", archive, "-C", tmp_path / "out").expect(0)
    assert (tmp_path / "out" / "folder" / "good").read_bytes() == (tmp_path / "out" / "good").read_bytes() == GOOD


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
@pytest.mark.parametrize("plain", [True, False], ids=["zip", "jcf"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str, plain: bool) -> None:
    archive = tmp_path / "a.jcf"
    if plain:
        stand_in = "n" * len(name)
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as container:
            container.writestr(info(stand_in), b"evil")
            container.writestr(info("good"), GOOD)
        archive.write_bytes(data.getvalue().replace(stand_in.encode(), name.encode()))
    else:
        crafted = Crafted()
        crafted.add(name)
        crafted.write(archive)
    outcome = call("restore", archive, "-C", tmp_path / "out")
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err
    assert outcome.status in {5, 6}, outcome
    assert "\x1b" not in outcome.err + outcome.out
    assert not os.path.exists("/tmp/kamaros-escaped")
    assert strays(tmp_path, ["a.jcf", "out"]) == []
    if outcome.status == 6:
        good_alone(archive)
    for verb in ("list", "verify", "log"):
        told = call(verb, archive)
        assert "Traceback" not in told.err
        assert "\x1b" not in told.err + told.out


def test_thousands_of_folders_deep(tmp_path: Path) -> None:
    crafted = Crafted()
    crafted.add("d/" * 1000 + "file")
    crafted.add("d/" * 20_000 + "file")
    outcome = restore(crafted.write(tmp_path / "a.jcf"), 6)
    assert "unexpected" not in outcome.err
    assert (tmp_path / "out" / "good").read_bytes() == GOOD
    import subprocess

    subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)


def test_link_and_something_below_it(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    crafted = Crafted()
    crafted.add("link", str(tmp_path / "outside").encode(), kind=stat.S_IFLNK | 0o777)
    crafted.add("link/through", b"evil")
    crafted.add("inner", b"../outside", kind=stat.S_IFLNK | 0o777)
    archive = crafted.write(tmp_path / "a.jcf")
    for options in ((), ("--outside-links",)):
        call("restore", archive, "-C", tmp_path / "out", "--on-conflict", "overwrite", *options).expect(6)
        assert os.listdir(tmp_path / "outside") == []
        assert (tmp_path / "out" / "good").read_bytes() == GOOD


def test_link_with_a_nul_or_without_a_target(tmp_path: Path) -> None:
    crafted = Crafted()
    crafted.add("nul", b"a\0b", kind=stat.S_IFLNK | 0o777)
    crafted.add("empty", b"", kind=stat.S_IFLNK | 0o777)
    crafted.add("long", b"x" * 70_000, kind=stat.S_IFLNK | 0o777)
    outcome = call("restore", crafted.write(tmp_path / "a.jcf"), "-C", tmp_path / "out")
    assert outcome.status in {5, 6}, outcome
    assert "unexpected" not in outcome.err
    good_alone(tmp_path / "a.jcf")


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("innocent", b"../escaped"),
        ("innocent", b"/tmp/kamaros-escaped"),
        ("innocent", b"other"),
        ("a%00b", b"a\0b"),
        ("a%2Fb", b"a/b"),
        ("%2E%2E", b".."),
    ],
)
def test_recorded_name_that_is_another_one(tmp_path: Path, path: str, raw: bytes) -> None:
    crafted = Crafted()
    crafted.add(path, rawName=base64.b64encode(raw).decode())
    outcome = restore(crafted.write(tmp_path / "a.jcf"), 6)
    assert "unexpected" not in outcome.err
    good_alone(tmp_path / "a.jcf")


@pytest.mark.parametrize("raw", ["%%%", "ż"])
def test_recorded_name_that_is_no_base64(tmp_path: Path, raw: str) -> None:
    crafted = Crafted()
    crafted.add("innocent", rawName=raw)
    restore(crafted.write(tmp_path / "a.jcf"), 6)
    good_alone(tmp_path / "a.jcf")


@pytest.mark.parametrize(
    "record",
    [
        {"mtimeNs": 10**30},
        {"mtimeNs": -(10**30)},
        {"mtimeNs": (1 << 63) - 1},
        {"mtimeNs": -(1 << 63)},
        {"mode": 1 << 40},
        {"mode": -1},
        {"mode": 0o7777},
        {"size": -1},
        {"size": 10**30},
        {"currentHash": "x" * 100},
        {"currentHash": "../../x"},
        {"type": "device"},
        {"inodeId": "\x1b[2J"},
        {"type": "directory"},
        {"type": "symlink"},
    ],
)
def test_records_with_values_beyond_reason(tmp_path: Path, record: dict[str, Any]) -> None:
    crafted = Crafted()
    crafted.add("odd", **record)
    archive = crafted.write(tmp_path / "a.jcf")
    for arguments in (
        ("restore", archive, "-C", tmp_path / "out"),
        ("list", archive),
        ("list", archive, "--json"),
        ("verify", archive, "--json"),
        ("log", archive),
    ):
        outcome = call(*arguments)
        assert "Traceback" not in outcome.err
        assert "unexpected" not in outcome.err, outcome.err
        assert "\x1b" not in outcome.out + outcome.err
    odd = tmp_path / "out" / "odd"
    assert not os.path.lexists(odd) or stat.S_IMODE(odd.lstat().st_mode) & 0o7000 == 0


BAD_MANIFESTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe{}",
    b'{"fileMap": [' + b"[" * 100_000,
    b'{"metadata": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"formatVersion": "2.0.0"}',
    b'{"formatVersion": 1}',
    b'{"fileMap": {"a": {}}}',
    b'{"versionHistory": [{"id": "a"}]}',
    b'{"versionHistory": [{"id": "a"}], "refs": {"head": "b"}}',
    b'{"versionHistory": [{"id": "a"}, {"id": "a"}], "refs": {"head": "a"}}',
    b'{"refs": {"head": "a"}}',
    b'{"versionHistory": [{"id": "a", "fileStates": 5}], "refs": {"head": "a"}}',
]


@pytest.mark.parametrize("manifest", BAD_MANIFESTS, ids=range(len(BAD_MANIFESTS)))
def test_bad_manifests(tmp_path: Path, manifest: bytes) -> None:
    archive = Crafted().write(tmp_path / "a.jcf", manifest)
    before = archive.read_bytes()
    write(tmp_path / "file", b"x")
    statuses = set()
    for arguments in (
        ("list", archive),
        ("log", archive),
        ("verify", archive),
        ("restore", archive, "-C", tmp_path / "out"),
        ("save", archive, tmp_path / "file"),
    ):
        outcome = call(*arguments)
        assert "Traceback" not in outcome.err
        assert "unexpected" not in outcome.err, outcome.err
        assert len(outcome.err) < 3000
        statuses.add(outcome.status)
    assert 5 in statuses
    if statuses == {5}:
        assert archive.read_bytes() == before


def test_history_that_goes_in_circles(tmp_path: Path) -> None:
    versions = [{"id": name, "parentId": other} for name, other in (("a", "b"), ("b", "a"))]
    manifest = json.dumps({"versionHistory": versions, "refs": {"head": "a"}}).encode()
    archive = Crafted().write(tmp_path / "a.jcf", manifest)
    for version in ("HEAD", "HEAD~1", "HEAD~5", "b"):
        assert call("list", archive, "--version", version).status in {0, 4, 5}


def test_text_of_a_hostile_history_is_safe_to_show(tmp_path: Path) -> None:
    evil = "\x1b]0;evil\x07\x9b2J\u202e"
    manifest = json.dumps(
        {
            "versionHistory": [
                {"id": evil, "timestamp": evil, "message": evil, "author": evil, "tags": [evil], "snapshot": True}
            ],
            "refs": {"head": evil, evil: evil},
            "fileMap": {},
        }
    ).encode()
    archive = Crafted().write(tmp_path / "a.jcf", manifest)
    for arguments in (("log", archive), ("list", archive), ("verify", archive), ("restore", archive, "-C", tmp_path)):
        outcome = call(*arguments)
        assert not set(evil) & {"\x1b", "\x07", "\x9b", "\u202e"} & set(outcome.out + outcome.err)


# ------------------------------------------------------------------------------------------ the ZIP itself


def patched_central(archive: Path, name: str, fields: dict[int, bytes]) -> None:
    """Overwrite fields of the central header of *name* (offset in the header → bytes)."""
    data = bytearray(archive.read_bytes())
    at = data.index(b"PK\x01\x02")
    while True:
        size = int.from_bytes(data[at + 28 : at + 30], "little")
        if data[at + 46 : at + 46 + size] == name.encode():
            break
        at = data.index(b"PK\x01\x02", at + 4)
    for offset, value in fields.items():
        data[at + offset : at + offset + len(value)] = value
    archive.write_bytes(data)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({8: b"\x01\x00"}, id="encrypted"),
        pytest.param({10: struct.pack("<H", 14)}, id="unknown method"),
        pytest.param({16: b"\0\0\0\0"}, id="wrong checksum"),
        pytest.param({24: struct.pack("<I", 1 << 31)}, id="claims 2 GiB"),
        pytest.param({24: struct.pack("<I", 1)}, id="claims one byte"),
        pytest.param({20: struct.pack("<I", 3), 24: struct.pack("<I", 3)}, id="cut short"),
    ],
)
def test_entry_that_lies_about_itself(tmp_path: Path, fields: dict[int, bytes]) -> None:
    archive = tmp_path / "plain.zip"
    with zipfile.ZipFile(archive, "w") as container:
        container.writestr(info("bad", method=zipfile.ZIP_DEFLATED), b"content of the bad one" * 10)
        container.writestr(info("good"), GOOD)
    patched_central(archive, "bad", fields)
    outcome = call("restore", archive, "-C", tmp_path / "out")
    assert outcome.status in {5, 6}, outcome
    assert "bad" in outcome.err
    good_alone(archive)
    call("verify", archive).expect(5)


def test_bomb_ends_where_its_claim_ends(tmp_path: Path) -> None:
    """Local and central header agree on a small size; far more comes out."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(300 << 20)) + packer.flush()
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w") as container:
        container.writestr(info("bad", method=zipfile.ZIP_STORED), packed)
        container.writestr(info("good"), GOOD)
    data = bytearray(archive.read_bytes())
    data[8:10] = struct.pack("<H", 8)
    data[22:26] = struct.pack("<I", 1000)
    archive.write_bytes(data)
    patched_central(archive, "bad", {10: struct.pack("<H", 8), 24: struct.pack("<I", 1000)})
    outcome = call("restore", archive, "-C", tmp_path / "out").expect(5)
    assert "more bytes come out" in outcome.err
    good_alone(archive)


@pytest.mark.parametrize("method", [0, 8, 93])
def test_entry_that_claims_more_than_any_disk(tmp_path: Path, method: int) -> None:
    """A size no data can unpack to is a lie about one entry, not a full disk."""
    contents = {"bad": b"x" * 1000, "good": GOOD}
    data, entries = bytearray(), []
    for name, content in contents.items():
        size = 1 << 50 if name == "bad" else len(content)
        entry = ZipEntry(
            name,
            method if name == "bad" else 0,
            zlib.crc32(content),
            len(content),
            size,
            len(data),
            local_header_size(name),
            stat.S_IFREG | 0o644,
            0,
        )
        data += encode_local_header(entry, entry.header_size) + content
        entries.append(entry)
    archive = tmp_path / "lie.zip"
    archive.write_bytes(bytes(data) + encode_directory(entries, len(data)))
    outcome = call("restore", archive, "-C", tmp_path / "out").expect(5)
    assert "bad" in outcome.err
    good_alone(archive)


def test_names_twice_and_entries_that_overlap_are_refused_whole(tmp_path: Path) -> None:
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as container:
        container.writestr(info("same \x1b[2J"), b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            container.writestr(info("same \x1b[2J"), b"2")
    overlap = tmp_path / "overlap.zip"
    with zipfile.ZipFile(overlap, "w") as container:
        container.writestr(info("one"), b"1" * 100)
        container.writestr(info("two"), b"2" * 100)
    patched_central(overlap, "two", {42: b"\0\0\0\0"})
    for archive, says in ((twice, "twice"), (overlap, "overlap")):
        for arguments in (("list", archive), ("verify", archive), ("restore", archive, "-C", tmp_path / "out")):
            outcome = call(*arguments).expect(5)
            assert says in outcome.err
            assert "\x1b" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_local_header_with_another_name(tmp_path: Path) -> None:
    archive = tmp_path / "mismatch.zip"
    with zipfile.ZipFile(archive, "w") as container:
        container.writestr(info("seen"), b"evil")
        container.writestr(info("good"), GOOD)
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"seen", b"real", 1))
    outcome = call("restore", archive, "-C", tmp_path / "out").expect(5)
    assert "seen" in outcome.err
    good_alone(archive)


def test_set_uid_bits_are_not_restored(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"x")
    os.chmod(tmp_path / "tree" / "file", 0o6755)  # noqa: S103 - the bits that must not come back
    call("save", tmp_path / "a.jcf", f"{tmp_path}/tree/.").expect(0)
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out").expect(0)
    assert stat.S_IMODE((tmp_path / "out" / "file").stat().st_mode) == 0o755


# ---------------------------------------------------------------------------------------------- plain ZIPs


@pytest.mark.parametrize("extra", [{}, {"mimetype": b"application/epub+zip", "manifest.json": b'{"name": "book"}'}])
def test_plain_zip_is_read_only(tmp_path: Path, extra: dict[str, bytes]) -> None:
    archive = tmp_path / "plain.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as container:
        for name, content in extra.items():
            container.writestr(info(name), content)
        container.writestr("sub/file.txt", b"text " * 100)
        container.writestr("sub/folder/", b"")
        container.writestr(info("link", mode=stat.S_IFLNK | 0o777), b"sub/file.txt")
    before = archive.read_bytes()
    listed = call("list", archive, "--json").expect(0).json
    assert listed["version"] == ""
    assert [entry["path"] for entry in listed["entries"]] == sorted(["link", "sub/file.txt", "sub/folder", *extra])
    assert call("log", archive, "--json").expect(0).json == {"versions": []}
    call("verify", archive).expect(0)
    call("list", archive, "--version", "HEAD~1").expect(4)
    call("restore", archive, "-C", tmp_path / "out").expect(0)
    assert (tmp_path / "out/sub/file.txt").read_bytes() == b"text " * 100
    assert os.readlink(tmp_path / "out/link") == "sub/file.txt"
    assert (tmp_path / "out/sub/folder").is_dir()
    refused = call("save", archive, tmp_path / "out").expect(1)
    assert ".jcf" in refused.err
    assert archive.read_bytes() == before
    assert strays(tmp_path, ["plain.zip", "out"]) == []
