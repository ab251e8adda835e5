"""Random edits and saves against a plain model: every version restores exactly, every byte is accounted for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive import Workers
from tests.helpers.trees import Found, differences, noise, scan, text, write

NAMES = st.sampled_from(["a", "b", "ż\n%41" + "long" * 20])
PATHS = st.lists(NAMES, min_size=1, max_size=2).map("/".join)
CONTENTS = st.sampled_from(
    [b"", b"one", b"two", b"a", text(3000, 1), noise(2000, 1), text(300_000, 2), noise(1_100_000, 3)]
)
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o444])
TIMES = st.integers(0, 2**61)
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("write"), PATHS, st.sampled_from([b"one", b"two"])),
    st.tuples(st.just("folder"), PATHS, st.none()),
    st.tuples(st.just("link"), PATHS, st.sampled_from(["a", "one", "two"])),
    st.tuples(st.just("remove"), PATHS, st.none()),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("chmod"), PATHS, MODES),
    st.tuples(st.just("touch"), PATHS, TIMES),
)
ROUNDS = st.lists(
    st.tuples(
        st.lists(EDITS, max_size=6),
        st.sampled_from(["deflate", "store"]),
    ),
    min_size=2,
    max_size=6,
)


def clear(path: Path) -> None:
    """Remove whatever is at *path*, and a file that stands where one of its parents must be."""
    for parent in list(path.parents):
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def edit(tree: Path, kind: str, name: str, value: object) -> None:
    path = tree / name
    if kind in {"write", "folder", "link"}:
        clear(path)
        if kind == "write":
            assert isinstance(value, bytes)
            write(path, value)
        elif kind == "folder":
            os.makedirs(path)
        else:
            os.makedirs(path.parent, exist_ok=True)
            os.symlink(str(value), path)
        return
    if not os.path.lexists(path) or any(parent.is_symlink() for parent in path.parents if parent != tree):
        return
    if kind == "remove":
        clear(path)
    elif kind == "rename":
        target = tree / str(value)
        if target != path and path not in target.parents and target not in path.parents:
            clear(target)
            if os.path.lexists(path):
                os.makedirs(target.parent, exist_ok=True)
                path.rename(target)
    elif path.is_symlink():
        return
    elif kind == "chmod":
        assert isinstance(value, int)
        os.chmod(path, value | (0o700 if path.is_dir() else 0))
    elif kind == "touch":
        assert isinstance(value, int)
        os.utime(path, ns=(value, value))


def folder_time(_path: bytes, found: Found) -> bool:
    return found.kind == "directory"


def model(found: dict[bytes, Found]) -> dict[bytes, tuple[object, ...]]:
    """A scan as far as it makes a version: the time of a folder alone does not."""
    return {
        path: (each.kind, each.content, each.mode, each.mtime_ns if each.kind != "directory" else 0)
        for path, each in found.items()
    }


async def play(place: Path, rounds: list[tuple[list[tuple[str, str, object]], str]], interval: int) -> None:
    tree, archive = place / "tree", place / "a.jcf"
    tree.mkdir()
    write(tree / "always", b"always")
    history: list[tuple[str, dict[bytes, Found]]] = []
    workers = Workers(2)
    try:
        for edits, codec in rounds:
            for kind, name, value in edits:
                edit(tree, kind, name, value)
            config = JCFConfig(codec=codec, snapshot_interval=interval)  # type: ignore[arg-type] # from a fixed list
            async with await JCFManager.open(archive, config, create=True, workers=workers) as manager:
                report = await manager.save([tree], mirror=True)
            assert report.failed == 0
            now = scan(tree)
            changed = not history or model(now) != model(history[-1][1])
            assert report.created == changed
            if changed:
                history.append((report.version, now))
            else:
                assert report.version == history[-1][0]
        manager = JCFManager(archive, JCFConfig(), workers)
        verified = await manager.verify()
        assert verified.errors == ()
        assert verified.warnings == ()
        for number, (version, saved) in enumerate(history):
            out = place / f"out-{number}"
            restored = await manager.restore_version(version, out)
            assert restored.failed == 0
            assert differences(saved, out / "tree") == []
            shutil.rmtree(out)
        versions = await manager.history()
        assert [each.id for each in versions] == [version for version, _ in reversed(history)]
        listing = await manager.list_files()
    finally:
        workers.close()
    assert listing.dead_bytes == unused_bytes(archive)
    assert sorted(os.listdir(place)) == ["a.jcf", "tree"]


def unused_bytes(archive: Path) -> int:
    """Bytes of the file that belong to no entry of its directory, nor to the directory and what follows."""
    with zipfile.ZipFile(archive) as container, open(archive, "rb") as file:
        kept = {name.removeprefix(".store/blobs/") for name in container.namelist() if name.startswith(".store/")}
        held = {hashlib.sha256(container.read(name)).hexdigest() for name in container.namelist() if is_file(name)}
        assert not kept & held, "content that HEAD has is no history"
        used = os.path.getsize(archive) - container.start_dir
        for info in container.infolist():
            file.seek(info.header_offset + 26)
            name_size, extra_size = (int.from_bytes(file.read(2), "little") for _ in range(2))
            assert file.read(name_size) == info.filename.encode()
            used += 30 + name_size + extra_size + info.compress_size
    return os.path.getsize(archive) - used


def is_file(name: str) -> bool:
    return name.startswith("content/") and not name.endswith("/")


def run_model(rounds: list[tuple[list[tuple[str, str, object]], str]], interval: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(play(Path(place), rounds, interval))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=ROUNDS, interval=st.sampled_from([1, 2, 20]))
def test_every_version_restores_exactly(rounds: list[tuple[list[tuple[str, str, object]], str]], interval: int) -> None:
    run_model(rounds, interval)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=ROUNDS, interval=st.sampled_from([1, 2, 20]))
def test_every_version_restores_exactly_at_length(
    rounds: list[tuple[list[tuple[str, str, object]], str]], interval: int
) -> None:
    run_model(rounds, interval)
