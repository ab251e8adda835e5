"""Figures of an archive: every byte of the file is in exactly one of them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import BLOB_PREFIX, Container
from kamaros_gui.archive.figures import figures_of
from kamaros_gui.archive.history import states_at
from kamaros_gui.base.errors import ManifestError, ZipFormatError
from kamaros_gui.base.upkeep import ArchiveFigures
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.histories import MadeHistory
from tests.helpers.trees import build_odd_tree, noise, text, write


def figures(archive: Path) -> ArchiveFigures:
    """Return the figures of *archive*, which add up to its size, and agree with what the writer counted as dead."""
    container = Container.load(LocalAdapter(), str(archive))
    try:
        found = figures_of(container)
        manifest = container.manifest
    finally:
        container.close()
    assert found.archive_size == os.path.getsize(archive)
    parts = (found.head_packed, found.history_packed, found.headers, found.manifest, found.directory, found.dead)
    assert sum(parts) == found.archive_size
    assert all(part >= 0 for part in parts)
    assert sum(packed for _, _, packed in found.methods.values()) == found.head_packed + found.history_packed
    if manifest is not None:
        assert found.dead == manifest.dead_bytes + container.size - container.directory.end
        held = [states_at(manifest, version) for version in manifest.versions]
        sizes = {state.hash: state.size for states in held for state in states.values() if state.hash}
        assert found.history_content == sum(
            state.size for states in held for state in states.values() if state.type != "directory"
        )
        assert (found.distinct, found.distinct_content) == (len(sizes), sum(sizes.values()))
        assert found.versions == len(held)
    return found


@pytest.mark.parametrize("codec", ["deflate", "zstd", "store"])
async def test_every_byte_has_its_place(tmp_path: Path, codec: Any) -> None:
    """Versions that change, delete, bring back, copy, and leave folders, links and odd names."""
    tree, archive = tmp_path / "t", tmp_path / "a.jcf"
    build_odd_tree(tree, small_files=30, largest=70_000)
    write(tree / "large", text(2 << 20))
    config = JCFConfig(codec=codec, level=None if codec == "store" else 1, workers=2, snapshot_interval=3)
    async with await JCFManager.open(archive, config, create=True) as manager:

        async def save() -> ArchiveFigures:
            assert (await manager.save([f"{tree}/."], mirror=True)).created
            return figures(archive)

        first = await save()
        assert first.history_packed == first.dead == 0
        assert first.content == first.history_content
        os.rename(tree / "large", tmp_path / "kept")
        write(tree / "sizes" / "text-65535", text(65_535, 99))
        gone = await save()
        assert gone.history_packed > 0
        assert gone.dead > 0
        assert gone.distinct == first.distinct + 1
        write(tree / "copy of noise", noise(65_535, 65_535))
        await save()
        os.rename(tmp_path / "kept", tree / "large")
        back = await save()
        assert back.history_packed < gone.history_packed
        write(tree / "large", b"another")
        (tree / "links" / "dangling").unlink()
        last = await save()
    assert last.versions == 5
    assert last.content < last.distinct_content < last.history_content
    assert set(last.methods) <= {codec, "store"}


async def test_numbers_that_are_known(tmp_path: Path) -> None:
    archive = tmp_path / "a.jcf"
    async with await JCFManager.open(archive, JCFConfig(codec="store", workers=2), create=True) as manager:
        for contents in ({"a": b"1234567", "b": b"89"}, {"a": b"12345", "d/c": b"89"}, {"d/c": b""}):
            for path, content in contents.items():
                await manager.add_file(path, content)
            await manager.save_checkpoint()
        await manager.remove_file("b")
        await manager.save_checkpoint()
    found = figures(archive)
    assert found.archive == str(archive)
    assert (found.versions, found.files, found.content) == (4, 2, 5)
    assert found.history_content == 9 + (5 + 2 + 2) + (5 + 2) + 5
    assert (found.distinct, found.distinct_content) == (4, 7 + 2 + 5)
    assert (found.head_packed, found.history_packed) == (5, 7 + 2)
    assert found.methods == {"store": (4, 14, 14)}


async def test_tail_of_an_interrupted_save_is_dead(tmp_path: Path) -> None:
    archive = tmp_path / "a.jcf"
    async with await JCFManager.open(archive, create=True) as manager:
        await manager.add_file("a", text(5000))
        await manager.save_checkpoint()
    before = figures(archive)
    archive.write_bytes(archive.read_bytes() + b"torn" * 1000)
    after = figures(archive)
    assert after.dead == before.dead + 4000
    assert after.archive_size == before.archive_size + 4000


def test_plain_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as plain:
        plain.writestr("a", text(5000))
        plain.writestr("d/", b"")
        plain.writestr("manifest.json", b"{}", zipfile.ZIP_STORED)
        plain.comment = b"a comment"
    found = figures(tmp_path / "p.zip")
    assert (found.versions, found.files, found.content) == (0, 2, 5002)
    assert (found.history_content, found.distinct, found.distinct_content, found.manifest) == (0, 0, 0, 0)
    assert found.history_packed == found.dead == 0
    assert found.methods.keys() == {"deflate", "store"}


def test_entries_of_another_writer(tmp_path: Path) -> None:
    """HEAD as blobs beside its files or instead of them, a second manifest, a delta, a file nobody lists."""
    made = MadeHistory()
    made.commit({"a": "one", "b": "two", "d": None})
    made.commit({"a": "three"})
    made.load(tmp_path).close()
    archive = tmp_path / "made-2.jcf"
    records = made.manifest.file_map
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("content/a", b"three")
        file.writestr("content/d/", b"")
        file.writestr(BLOB_PREFIX + records["b"].current_hash, b"two")
        file.writestr(BLOB_PREFIX + records["a"].current_hash, b"three")
        file.writestr(".store/manifest.json", b"{}")
        file.writestr(".store/deltas/x.patch", b"delta")
        file.writestr("README", b"read")
    container = Container.load(LocalAdapter(), str(archive))
    found = figures_of(container)
    container.close()
    assert (found.head_packed, found.history_packed) == (5 + 3, 5 + 5 + 4)
    rest = found.manifest + found.headers + found.directory + found.dead
    assert found.archive_size == found.head_packed + found.history_packed + rest
    assert found.dead == 0


def test_history_that_branches(tmp_path: Path) -> None:
    made = MadeHistory()
    first = made.commit({"a": "1", "b": "22"}, snapshot=True)
    made.commit({"a": "333"})
    made.commit({"b": "4444"})
    made.manifest.versions[2].parent_id = first
    made.commit({"a": "z"})
    container = made.load(tmp_path)
    found = figures_of(container)
    container.close()
    assert found.history_content == 3 + 5 + 5 + 5


def test_damage_is_told(tmp_path: Path) -> None:
    made = MadeHistory()
    made.commit({"a": "1"})
    made.manifest.versions[0].file_states = made.manifest.versions[0].file_states.__class__(b'{"a":{"size":"x"}}')
    container = made.load(tmp_path)
    with pytest.raises(ManifestError, match="version 00000001"):
        figures_of(container)
    container.close()
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as plain:
        plain.writestr("a", b"1")
        plain.writestr("b", b"1")
    data = (tmp_path / "p.zip").read_bytes()
    at = data.index(b"PK\x03\x04", 10)
    (tmp_path / "p.zip").write_bytes(data[:at] + b"XX" + data[at + 2 :])
    container = Container.load(LocalAdapter(), str(tmp_path / "p.zip"))
    with pytest.raises(ZipFormatError, match="“b”"):
        figures_of(container)
    container.close()
