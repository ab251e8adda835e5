"""Raw copies of entries: bytes as they are, under a header of their own, until somebody stops them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamaros_gui.archive.container import Container
from kamaros_gui.archive.rawcopy import copy_entry, header_size_of, without_descriptor
from kamaros_gui.base.errors import AbortError, IntegrityError
from kamaros_gui.pipeline import read_entry
from kamaros_gui.storage.append import AppendRegion
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.zipfmt import ZipEntry, encode_directory, encode_local_header, local_header_size
from tests.helpers.trees import noise, text

CONTENTS = {"text": text(50_000), "noise": noise(3_500_000), "empty": b"", "zażółć": b"x"}


class _Stream(io.RawIOBase):
    """Takes bytes and has no way back, so that sizes come behind the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


@pytest.fixture
def source(tmp_path: Path) -> Container:
    stream = _Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as container:
        for name, content in CONTENTS.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.extra = b"\xfe\xca\x58\x02" + bytes(600)  # longer than any guess
            container.writestr(info, content)
    (tmp_path / "a.zip").write_bytes(bytes(stream.data))
    return Container.load(LocalAdapter(), str(tmp_path / "a.zip"))


def copied(source: Container, region: AppendRegion, entry: ZipEntry, **options: Any) -> ZipEntry:
    changed = without_descriptor(msgspec.structs.replace(entry, name=f"copy of {entry.name}"))
    header = encode_local_header(changed, local_header_size(changed.name))
    return copy_entry(source.file, entry, region, changed, header, **options)


def test_copies_are_whole_and_need_no_descriptor(tmp_path: Path, source: Container) -> None:
    file = LocalAdapter().open(str(tmp_path / "b.zip"), "x")
    region = AppendRegion(file, 0)
    counted: list[int] = []
    copies = [copied(source, region, entry, on_bytes=counted.append) for entry in source.directory.entries]
    assert all(entry.flags & 8 for entry in source.directory.entries)
    assert not any(entry.flags & 8 for entry in copies)
    assert sum(counted) == sum(entry.compressed_size for entry in copies)
    assert max(counted) <= 1 << 20
    region.append([encode_directory(copies, region.position)])
    file.close()
    source.close()
    with zipfile.ZipFile(tmp_path / "b.zip") as container:
        assert container.testzip() is None
        assert {name.removeprefix("copy of "): container.read(name) for name in container.namelist()} == CONTENTS


def test_what_follows_an_encrypted_entry_goes_with_it(tmp_path: Path, source: Container) -> None:
    entry = msgspec.structs.replace(source.entries["text"], flags=source.entries["text"].flags | 1)
    assert without_descriptor(entry) == entry
    file = LocalAdapter().open(str(tmp_path / "b.zip"), "x")
    region = AppendRegion(file, 0)
    copy = copied(source, region, entry)
    end = copy.header_size + copy.compressed_size
    descriptor = file.read(end, 100)
    assert descriptor[:4] == b"PK\x07\x08"
    assert [int.from_bytes(descriptor[at : at + 4], "little") for at in (4, 8, 12)] == [
        entry.crc32,
        entry.compressed_size,
        entry.size,
    ]
    assert len(descriptor) == 16
    file.close()
    source.close()


def test_an_abort_ends_a_copy_between_two_steps(tmp_path: Path, source: Container) -> None:
    file = LocalAdapter().open(str(tmp_path / "b.zip"), "x")
    region = AppendRegion(file, 0)
    steps: list[int] = []

    def stop() -> None:
        if len(steps) == 2:
            raise AbortError

    with pytest.raises(AbortError):
        copied(source, region, source.entries["noise"], check_abort=stop, on_bytes=steps.append)
    assert steps == [1 << 20, 1 << 20]
    region.rewind(0)
    file.close()
    source.close()


def test_a_file_that_ends_early_is_no_copy(tmp_path: Path, source: Container) -> None:
    entry = source.entries["noise"]
    source.close()
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "short.zip").write_bytes(data[: entry.header_offset + 1_000_000])
    short = LocalAdapter().open(str(tmp_path / "short.zip"))
    file = LocalAdapter().open(str(tmp_path / "b.zip"), "x")
    with pytest.raises(IntegrityError):
        copy_entry(short, entry, AppendRegion(file, 0), entry, b"header")
    short.close()
    file.close()


def test_the_length_of_any_header_is_found(source: Container) -> None:
    for entry in source.directory.entries:
        assert header_size_of(source.file, entry) == 30 + len(entry.name.encode()) + 604
        assert read_entry(source.file, entry, 1 << 24) == CONTENTS[entry.name]
    source.close()
