"""A tree goes in, the same tree comes out: names, bytes, modes, times, links, for every version."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.helpers.program import call, is_privileged, run, strays, without_privileges
from tests.helpers.trees import build_odd_tree, differences, file_hash, noise, scan, text, write


@pytest.fixture(scope="module")
def odd_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("odd") / "tree"
    build_odd_tree(tree)
    return tree


def test_odd_tree_comes_back_exactly(odd_tree: Path, tmp_path: Path) -> None:
    saved = run("save", "a.jcf", odd_tree, "-m", "first", "--json", cwd=tmp_path).expect(0).json
    tree = scan(odd_tree)
    assert saved["files"] == {
        "added": sum(found.kind != "directory" for found in tree.values()),
        "modified": 0,
        "unchanged": 0,
        "deleted": 0,
        "failed": 0,
        "renamed": 0,
    }
    assert saved["bytes_out"] == os.path.getsize(tmp_path / "a.jcf")
    assert strays(tmp_path, ["a.jcf"]) == []
    run("restore", "a.jcf", "-C", "out", cwd=tmp_path).expect(0)
    assert differences(odd_tree, tmp_path / "out" / "tree") == []
    assert strays(tmp_path / "out", ["tree"]) == []
    assert call("verify", tmp_path / "a.jcf", "--json").expect(0).json["valid"] is True


def test_children_of_a_folder_go_to_the_root_and_into_names_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a", b"1")
    call("save", tmp_path / "a.jcf", f"{tmp_path}/tree/.").expect(0)
    call("save", tmp_path / "a.jcf", tmp_path / "tree", "--into", "deep/er").expect(0)
    listed = call("list", tmp_path / "a.jcf", "--json").expect(0).json
    assert [entry["path"] for entry in listed["entries"] if entry["type"] == "file"] == ["a", "deep/er/tree/a"]


DEPTH = 1100


def build_deep_tree(folder: Path) -> None:
    os.mkdir(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    file = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor)
    os.write(file, b"one")
    os.close(file)
    os.close(descriptor)


def test_deep_tree_comes_back(deep_place: Path) -> None:
    archive, tree, out = deep_place / "a.jcf", deep_place / "tree", deep_place / "out"
    build_deep_tree(tree)
    call("save", archive, tree).expect(0)
    call("restore", archive, "-C", out).expect(0)
    file = "tree/" + "d/" * DEPTH + "file"
    assert (out / file).read_bytes() == b"one"
    assert strays(out, ["tree"]) == []
    # Into the tree that is there: every folder is merged.
    call("restore", archive, "-C", out).expect(0)
    (out / file).write_bytes(b"two")
    call("restore", archive, "-C", out, "--on-conflict", "overwrite").expect(0)
    assert (out / file).read_bytes() == b"one"
    assert strays(out, ["tree"]) == []
    # One file alone, without the folders above it.
    call("restore", archive, "-C", deep_place / "part", file).expect(0)
    assert (deep_place / "part" / file).read_bytes() == b"one"
    call("verify", archive).expect(0)


@pytest.mark.parametrize(
    ("codec", "level", "methods"),
    [
        ("deflate", 1, {0, 8}),
        ("deflate", 6, {0, 8}),
        ("deflate", 9, {0, 8}),
        ("zstd", 3, {0, 8, 93}),
        ("store", None, {0, 8}),
    ],
)
def test_every_codec_brings_every_byte_back(
    odd_tree: Path, tmp_path: Path, codec: str, level: int | None, methods: set[int]
) -> None:
    levels = [] if level is None else ["--level", str(level)]
    call("save", tmp_path / "a.jcf", odd_tree, "--codec", codec, *levels).expect(0)
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out").expect(0)
    assert differences(odd_tree, tmp_path / "out" / "tree") == []
    with zipfile.ZipFile(tmp_path / "a.jcf") as archive:
        used = {info.compress_type for info in archive.infolist() if info.filename.startswith("content/")}
    assert used <= methods
    if codec != "store":
        assert max(methods) in used
    else:
        assert used == {0}


def test_chunk_size_and_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for size in (0, 1, 4096, 65_537, 262_145, 1_048_577, 5_000_000):
        write(tree / f"text-{size}", text(size, size), mtime_ns=10**18)
        write(tree / f"noise-{size}", noise(size, size), mtime_ns=10**18)
    held: dict[str, dict[str, bytes]] = {}
    for label, options in {
        "4K": ["--chunk-size", "4K"],
        "64K": ["--chunk-size", "64K", "--workers", "1"],
        "16M": ["--chunk-size", "16M", "--workers", "4"],
    }.items():
        archive = tmp_path / f"{label}.jcf"
        call("save", archive, tree, *options).expect(0)
        held[label] = entry_data(archive)
        out = tmp_path / f"out-{label}"
        call("restore", archive, "-C", out, *options).expect(0)
        assert differences(tree, out / "tree") == []
    assert held["4K"] == held["64K"] == held["16M"]


def entry_data(archive: Path) -> dict[str, bytes]:
    """Return name → compressed bytes of every content entry."""
    found = {}
    with zipfile.ZipFile(archive) as container, open(archive, "rb") as file:
        for info in container.infolist():
            if info.filename.startswith("content/") and not info.is_dir():
                file.seek(info.header_offset + 26)
                name_size, extra_size = (int.from_bytes(file.read(2), "little") for _ in range(2))
                file.seek(info.header_offset + 30 + name_size + extra_size)
                found[info.filename] = file.read(info.compress_size)
    return found


def test_what_cannot_be_read_is_named_and_the_rest_is_saved(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree / "open", b"may be read")
    write(tree / "secret", b"may not", mode=0)
    write(tree / "large secret", noise(2 << 20), mode=0)
    write(tree / "closed" / "inside", b"unseen")
    os.chmod(tree / "closed", 0)
    before = without_privileges if is_privileged() else None
    try:
        outcome = run("save", "a.jcf", tree, "--json", cwd=tmp_path, before=before).expect(6)
        assert outcome.json["files"]["added"] == 1
        assert outcome.json["files"]["failed"] == 3
        for name in ("secret", "large secret", "closed"):
            assert f"{tree / name}: " in outcome.err
        assert "Permission denied" in outcome.err
        listed = call("list", tmp_path / "a.jcf", "--json").json["entries"]
        assert [entry["path"] for entry in listed] == ["tree", "tree/closed", "tree/open"]
        # What was saved once stays as it was when it can't be read any more, also under --mirror.
        os.chmod(tree / "secret", 0o600)
        os.chmod(tree / "closed", 0o700)
        os.chmod(tree / "large secret", 0o644)
        run("save", "a.jcf", tree, cwd=tmp_path, before=before).expect(0)
        os.chmod(tree / "secret", 0)
        os.chmod(tree / "closed", 0)
        os.utime(tree / "secret", ns=(5, 5))
        run("save", "a.jcf", tree, "--mirror", cwd=tmp_path, before=before).expect(6)
        call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out").expect(0)
        assert (tmp_path / "out/tree/closed/inside").read_bytes() == b"unseen"
        assert (tmp_path / "out/tree/secret").read_bytes() == b"may not"
    finally:
        os.chmod(tree / "closed", 0o700)


def test_unreadable_file_in_place_of_a_folder_does_not_remove_what_the_folder_held(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree / "d" / "inside", b"kept")
    call("save", tmp_path / "a.jcf", tree).expect(0)
    os.unlink(tree / "d" / "inside")
    os.rmdir(tree / "d")
    write(tree / "d", b"can't be read", mode=0)
    before = without_privileges if is_privileged() else None
    run("save", tmp_path / "a.jcf", tree, before=before).expect(6)
    listed = call("list", tmp_path / "a.jcf", "--json").expect(0).json["entries"]
    assert "tree/d/inside" in [entry["path"] for entry in listed]
    assert call("verify", tmp_path / "a.jcf", "--json").json["valid"] is True


def test_sockets_and_pipes_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"x")
    os.mkfifo(tmp_path / "tree" / "pipe")
    outcome = call("save", tmp_path / "a.jcf", tmp_path / "tree", "--json").expect(6)
    assert outcome.json["files"]["failed"] == 0
    assert "pipe" in outcome.err
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out").expect(0)
    assert os.listdir(tmp_path / "out" / "tree") == ["file"]


def test_archive_inside_the_saved_folder_is_not_saved_into_itself(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write(tree / "file", b"x")
    for _ in range(2):
        call("save", tree / "a.jcf", tree).expect(0)
        listed = call("list", tree / "a.jcf", "--json").expect(0).json["entries"]
        assert [entry["path"] for entry in listed] == ["tree", "tree/file"]
    assert strays(tree, ["a.jcf", "file"]) == []


def test_excludes_leave_out_and_mirror_does_not_remove_what_is_excluded(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("keep.txt", "drop.tmp", "cache/x", "cache/y.tmp"):
        write(tree / name, name.encode())
    archive = tmp_path / "a.jcf"
    call("save", archive, tree).expect(0)
    (tree / "keep.txt").unlink()
    call("save", archive, tree, "--mirror", "--exclude", "*.tmp", "--exclude", "cache").expect(0)
    listed = call("list", archive, "--json").expect(0).json["entries"]
    assert [entry["path"] for entry in listed] == [
        "tree",
        "tree/cache",
        "tree/cache/x",
        "tree/cache/y.tmp",
        "tree/drop.tmp",
    ]
    fresh = tmp_path / "b.jcf"
    call("save", fresh, tree, "--exclude", "*.tmp", "--exclude", "cache").expect(0)
    assert [entry["path"] for entry in call("list", fresh, "--json").json["entries"]] == ["tree"]


def test_names_of_archive_target_and_message_that_are_no_utf8(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", b"x")
    archive = os.fsencode(tmp_path) + b"/caf\xe9.jcf"
    target = os.fsencode(tmp_path) + b"/out\xff"
    saved = call("save", archive, tmp_path / "tree", "-m", b"caf\xe9 \x1b[31m", "--author", b"\xff", "--json").expect(0)
    assert saved.json["files"]["added"] == 1
    for arguments in (("verify", archive), ("list", archive), ("log", archive), ("restore", archive, "-C", target)):
        assert "\x1b" not in call(*arguments).expect(0).out
        assert isinstance(call(*arguments, "--json").expect(0).json, dict)
    assert differences(tmp_path / "tree", os.fsdecode(target + b"/tree")) == []


def test_two_paths_with_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "one" / "same", b"1")
    write(tmp_path / "two" / "same", b"2")
    outcome = call("save", tmp_path / "a.jcf", tmp_path / "one/same", tmp_path / "two/same").expect(1)
    assert "--into" in outcome.err
    assert strays(tmp_path, ["one", "two"]) == []


def test_verify_after_save_reads_back(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "large", noise(2 << 20))
    write(tmp_path / "tree" / "small", b"x")
    for mode in ("fast", "full"):
        call("save", tmp_path / f"{mode}.jcf", tmp_path / "tree", "--verify", mode).expect(0)
        assert call("verify", tmp_path / f"{mode}.jcf", "--json").json["valid"]


def test_restoring_one_path_of_many(tmp_path: Path) -> None:
    for name in ("a/x", "a/y/z", "b/x"):
        write(tmp_path / "tree" / name, name.encode())
    call("save", tmp_path / "a.jcf", f"{tmp_path}/tree/.").expect(0)
    call("restore", tmp_path / "a.jcf", "a/y", "b/x", "-C", tmp_path / "out").expect(0)
    assert sorted(scan(tmp_path / "out")) == [b"a", b"a/y", b"a/y/z", b"b", b"b/x"]
    assert "nowhere" in call("restore", tmp_path / "a.jcf", "nowhere", "-C", tmp_path / "no").expect(3).err
    assert not (tmp_path / "no").exists()


def test_content_changing_behind_an_unchanged_size_and_time_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "tree" / "file"
    write(path, b"one", mtime_ns=10**18)
    call("save", tmp_path / "a.jcf", tmp_path / "tree").expect(0)
    write(path, b"two", mtime_ns=10**18)
    assert call("save", tmp_path / "a.jcf", tmp_path / "tree", "--json").expect(0).json["files"]["modified"] == 1
    call("restore", tmp_path / "a.jcf", "-C", tmp_path / "out").expect(0)
    assert (tmp_path / "out/tree/file").read_bytes() == b"two"
    assert file_hash(path) == file_hash(tmp_path / "out/tree/file")
