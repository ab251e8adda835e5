"""A container with everything the format allows is accepted by other programs, without warnings."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kamaros_gui.codecs import make_encoder, open_decoder
from kamaros_gui.zipfmt import (
    ZipEntry,
    check_local_header,
    encode_directory,
    encode_local_header,
    encode_plain_local_header,
    local_header_size,
    read_directory,
    read_local_header,
    run_reads,
)

pytestmark = pytest.mark.interop

MTIME = 1_700_000_001
TEXT = b"".join(b"line %d of a text that packs well\n" % number for number in range(30_000))
NOISE = random.Random(7).randbytes(700_000)


@dataclasses.dataclass
class Container:
    """Bytes of an archive in the making, its entries and their contents."""

    data: bytearray = dataclasses.field(default_factory=bytearray)
    entries: list[ZipEntry] = dataclasses.field(default_factory=list)
    contents: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def add(
        self, name: str, content: bytes, *, codec: str = "deflate", mode: int = 0o100644, plain: bool = False
    ) -> None:
        encoder = make_encoder(codec, {"deflate": 6, "zstd": 3, "store": 0}[codec], 1)
        parts: list[bytes | bytearray | memoryview] = []
        for start in range(0, len(content), encoder.block_size):
            parts += encoder.prepare(content[start : start + encoder.block_size])()
        parts += encoder.finish()()
        packed = b"".join(parts)
        header_size = 30 + len(name.encode()) if plain else local_header_size(name)
        entry = ZipEntry(
            name,
            encoder.method,
            zlib.crc32(content),
            len(packed),
            len(content),
            len(self.data),
            header_size,
            mode,
            MTIME,
        )
        self.data += encode_plain_local_header(entry) if plain else encode_local_header(entry, header_size)
        self.data += packed
        self.entries.append(entry)
        self.contents[name] = content

    def relabel(self, name: str, new_name: str) -> None:
        index = next(index for index, entry in enumerate(self.entries) if entry.name == name)
        entry = self.entries[index] = msgspec.structs.replace(self.entries[index], name=new_name)
        header = encode_local_header(entry, entry.header_size)
        self.data[entry.header_offset : entry.header_offset + entry.header_size] = header
        self.contents[new_name] = self.contents.pop(name)

    def close(self) -> None:
        self.data += encode_directory(self.entries, len(self.data))


def make_container(*, zstd: bool = False) -> Container:
    container = Container()
    container.add("mimetype", b"application/x-jcf", codec="store", plain=True)
    container.add("content/mixed.bin", TEXT + NOISE + TEXT)
    container.add("content/folder/", b"", codec="store", mode=0o040755)
    container.add("content/folder/empty", b"", codec="store")
    container.add("content/folder/Ärger, 資料 & 😀.txt", "größer".encode() * 900)
    container.add("content/link", b"folder/empty", codec="store", mode=0o120777)
    container.add("content/old.txt", TEXT[:100_000])
    container.close()  # this directory stays in the middle, as after a second save
    container.relabel("content/old.txt", f".store/blobs/{hashlib.sha256(TEXT[:100_000]).hexdigest()}")
    container.add("content/old.txt", TEXT[:50_000])
    container.add("content/script.sh", b"#!/bin/sh\n", codec="store", mode=0o100755)
    if zstd:
        container.add("content/packed.zst", TEXT + NOISE, codec="zstd")
    container.add("manifest.json", b"{}", codec="store")
    container.close()
    return container


@pytest.fixture(scope="module")
def container() -> Container:
    return make_container()


@pytest.fixture(scope="module")
def path(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "container.jcf"
    path.write_bytes(container.data)
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_unzip_finds_no_fault(path: Path) -> None:
    result = run("unzip", "-tq", path)
    assert (result.returncode, result.stderr) == (0, ""), result
    assert "No errors detected" in result.stdout
    assert "warning" not in result.stdout.lower()


def test_7zz_finds_no_fault(path: Path) -> None:
    result = run("7zz", "t", path)
    assert result.returncode == 0, result
    assert "Everything is Ok" in result.stdout
    assert "warning" not in result.stdout.lower()


def test_bsdtar_lists_every_name(container: Container, path: Path) -> None:
    result = run("bsdtar", "-tf", path)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(result.stdout.splitlines()) == sorted(container.contents)


def test_python_zipfile_finds_no_fault(path: Path) -> None:
    result = run(sys.executable, "-m", "zipfile", "-t", path)
    assert result.returncode == 0, result
    assert result.stdout == "Done testing\n"


def test_python_zipfile_reads_contents_modes_and_times(container: Container, path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == container.contents
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert modes == {entry.name: entry.mode for entry in container.entries}


def test_zipdetails_understands_every_byte(path: Path) -> None:
    # The old directory in the middle is no part of the archive; a container without one has no unknown bytes.
    container = Container()
    container.add("mimetype", b"application/x-jcf", codec="store", plain=True)
    container.add("content/ä", TEXT)
    container.close()
    simple = path.with_name("simple.jcf")
    simple.write_bytes(container.data)
    result = run("zipdetails", simple)
    report = result.stdout + result.stderr
    assert result.returncode == 0, report
    for complaint in ("WARNING", "ERROR", "Unexpected"):
        assert complaint not in report, report


@pytest.mark.parametrize("tool", ["unzip", "7zz", "bsdtar"])
def test_extracted_tree_has_contents_modes_and_times(
    container: Container, path: Path, tmp_path: Path, tool: str
) -> None:
    command = {
        "unzip": ("unzip", "-qq", path, "-d", tmp_path),
        "7zz": ("7zz", "x", "-bd", "-y", f"-o{tmp_path}", path),
        "bsdtar": ("bsdtar", "-xf", path, "-C", tmp_path),
    }[tool]
    result = run(*command)
    assert result.returncode == 0, result
    for entry in container.entries:
        extracted = tmp_path / entry.name
        status = extracted.lstat()
        assert stat.S_IFMT(status.st_mode) == stat.S_IFMT(entry.mode), entry.name
        if stat.S_ISREG(entry.mode):
            assert extracted.read_bytes() == container.contents[entry.name]
            assert status.st_mode & 0o700 == entry.mode & 0o700
            # The local header of mimetype has only the DOS time, in steps of two seconds.
            tolerance = 1 if entry.name == "mimetype" else 0
            assert abs(int(status.st_mtime) - MTIME) <= tolerance, entry.name
    assert (tmp_path / "content/link").readlink() == Path("folder/empty")


def test_7zz_reads_zstd_entries(tmp_path: Path) -> None:
    container = make_container(zstd=True)
    path = tmp_path / "zstd.jcf"
    path.write_bytes(container.data)
    result = run("7zz", "t", path)
    assert result.returncode == 0, result
    assert run("bsdtar", "-xf", path, "-C", tmp_path, "content/packed.zst").returncode == 0
    assert (tmp_path / "content/packed.zst").read_bytes() == container.contents["content/packed.zst"]


def test_own_reader_agrees(container: Container) -> None:
    data = bytes(container.data)

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    directory = run_reads(read_directory(len(data)), read)
    assert [msgspec.structs.replace(entry, header_size=0, flags=0) for entry in container.entries] == [
        msgspec.structs.replace(entry, flags=0) for entry in directory.entries
    ]
    for entry in directory.entries:
        start = check_local_header(entry, run_reads(read_local_header(entry), read))
        decoder = open_decoder(entry.method)
        packed = data[start : start + entry.compressed_size]
        assert decoder.decompress(packed, entry.size + 1) == container.contents[entry.name]
        decoder.finish()


@pytest.mark.parametrize("writer", ["zip", "7zz", "bsdtar", "python"])
def test_archives_of_other_programs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    source = tmp_path / "tree"
    (source / "sub").mkdir(parents=True)
    contents = {"tree/a.txt": TEXT, "tree/sub/noise": NOISE, "tree/empty": b"", "tree/sub/größe.txt": b"x"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "peer.zip"
    monkeypatch.chdir(tmp_path)
    commands: dict[str, tuple[str, ...]] = {
        "zip": ("zip", "-q", "-r", "-y", "peer.zip", "tree"),
        "7zz": ("7zz", "a", "-bd", "-tzip", "peer.zip", "tree"),
        "bsdtar": ("bsdtar", "--format", "zip", "-cf", "peer.zip", "tree"),
        "python": (sys.executable, "-m", "zipfile", "-c", "peer.zip", "tree"),
    }
    result = run(*commands[writer])
    assert result.returncode == 0, result
    data = path.read_bytes()

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    directory = run_reads(read_directory(len(data)), read)
    found = {}
    for entry in directory.entries:
        start = check_local_header(entry, run_reads(read_local_header(entry), read), limit=directory.directory_offset)
        decoder = open_decoder(entry.method)
        found[entry.name] = decoder.decompress(data[start : start + entry.compressed_size], entry.size + 1)
        decoder.finish()
        assert (entry.name[-1] == "/") == stat.S_ISDIR(entry.mode)
    assert {name: content for name, content in found.items() if name[-1] != "/"} == contents


def test_container_beyond_4_gib_is_listed_alike(tmp_path: Path) -> None:
    """A hole inside a stored entry makes the file large without taking room."""
    path = tmp_path / "large.jcf"
    size = 0x1_0000_0000
    entries = []
    with path.open("wb") as file:
        for name, length in (("content/huge", size), ("content/after", 3)):
            header_size = local_header_size(name)
            crc32 = zlib.crc32(b"end") if length == 3 else 0
            entry = ZipEntry(name, 0, crc32, length, length, file.tell(), header_size, 0o100644, MTIME)
            entries.append(entry)
            file.write(encode_local_header(entry, header_size))
            if length == 3:
                file.write(b"end")
            else:
                file.seek(length, os.SEEK_CUR)
        file.write(encode_directory(entries, file.tell()))
        end = file.tell()

    expected = [("content/huge", size), ("content/after", 3)]
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        directory = run_reads(read_directory(end), read)
        assert [(entry.name, entry.size) for entry in directory.entries] == expected
        for entry in directory.entries:
            check_local_header(entry, run_reads(read_local_header(entry), read))
    with zipfile.ZipFile(path) as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()] == expected
        assert archive.read("content/after") == b"end"
    listings: dict[str, Callable[[str], bool]] = {
        "unzip": lambda text: f"{size}" in text and "content/after" in text,
        "7zz": lambda text: f"Size = {size}" in text and "Size = 3\n" in text,
    }
    for command in (("unzip", "-l", path), ("7zz", "l", "-slt", path)):
        result = run(*command)
        assert result.returncode == 0, result
        assert listings[command[0]](result.stdout), result.stdout
    assert run("bsdtar", "-tf", path).stdout.split() == ["content/huge", "content/after"]
