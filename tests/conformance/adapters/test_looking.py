"""Every place for files tells the same about what is there."""

from __future__ import annotations

import os
import stat

import pytest

from kamaros_gui.base.errors import NotFoundError, StorageError
from tests.conformance.adapters.conftest import Place
from tests.helpers.adapters import names, write_file
from tests.helpers.trees import ODD_NAMES


@pytest.fixture
def filled(place: Place) -> Place:
    """A file, a folder with a file, and links to both, to nothing and to each other."""
    write_file(place.files, place / "file", b"content")
    place.files.make_folder(place / "folder")
    write_file(place.files, place / "folder/inside", b"inside")
    for name, target in (
        ("to file", b"file"),
        ("to folder", b"folder"),
        ("to nothing", b"none/at/all"),
        ("to root", place.base.encode()),
        ("circle 1", b"circle 2"),
        ("circle 2", b"circle 1"),
    ):
        place.files.make_link(place / name, target, 0)
    return place


def test_a_status_tells_kind_size_times_and_identity(filled: Place) -> None:
    files = filled.files
    file, folder, link = (files.stat(filled / name) for name in ("file", "folder", "to file"))
    assert [each.kind for each in (file, folder, link)] == ["file", "directory", "symlink"]
    assert [each.size for each in (file, folder, link)] == [7, 0, 0]
    assert [stat.S_IFMT(each.mode) for each in (file, folder, link)] == [stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK]
    assert len({each.device for each in (file, folder, link)}) == 1
    assert len({each.inode for each in (file, folder, link)}) == 3
    assert link.mtime_ns == 0
    assert files.stat(filled / "file") == file == files.find(filled / "file")
    assert 0 < file.mtime_ns <= file.ctime_ns


def test_what_is_not_there(filled: Place) -> None:
    for name in ("none", "none/below", "file/below", "to nothing/below", "to file/below"):
        assert filled.files.find(filled / name) is None, name
        assert not filled.files.exists(filled / name)
        with pytest.raises(NotFoundError) as caught:
            filled.files.stat(filled / name)
        assert caught.value.path == filled / name


def test_links_are_followed_on_the_way_and_not_at_the_end(filled: Place) -> None:
    files = filled.files
    assert files.stat(filled / "to folder/inside") == files.stat(filled / "folder/inside")
    assert files.stat(filled / "to root/to root/to folder/inside").size == 6
    assert files.exists(filled / "to nothing")
    assert files.stat(filled / "circle 1").kind == "symlink"
    with pytest.raises(StorageError):
        files.find(filled / "circle 1/below")


def test_dots_and_slashes_in_paths(filled: Place) -> None:
    files = filled.files
    for name in ("./file", "folder/../file", "folder/./../file", "folder//../file", "to folder/../file"):
        assert files.stat(filled / name) == files.stat(filled / "file"), name
    assert files.stat(filled / "folder/") == files.stat(filled / "folder") == files.stat(filled / "folder/.")
    assert files.find(filled / "file/") is None
    assert files.stat("/../..") == files.stat("/")
    assert files.find("") is None


def test_a_listing_is_sorted_and_has_every_status(filled: Place) -> None:
    files = filled.files
    listing = list(files.list(filled.base))
    assert [name for name, _ in listing] == sorted(
        ["file", "folder", "to file", "to folder", "to nothing", "to root", "circle 1", "circle 2"]
    )
    assert all(status == files.stat(filled / name) for name, status in listing)
    assert names(files, filled / "folder") == ["inside"]


def test_a_listing_has_the_error_of_what_has_gone_meanwhile(filled: Place) -> None:
    listing = filled.files.list(filled / "folder")
    filled.files.delete(filled / "folder/inside")
    [(name, error)] = listing
    assert name == "inside"
    assert isinstance(error, NotFoundError)
    assert error.path == filled / "folder/inside"


def test_only_folders_are_listed(filled: Place) -> None:
    for name, error in (("none", NotFoundError), ("file", StorageError)):
        with pytest.raises(error):
            filled.files.list(filled / name)


def test_resolving_follows_every_link_whether_or_not_it_leads_somewhere(filled: Place) -> None:
    files, base = filled.files, filled.files.resolve(filled.base)
    for name, resolved in (
        ("file", "file"),
        ("to file", "file"),
        ("to folder/inside", "folder/inside"),
        ("to root/to folder/../to file", "file"),
        ("to nothing", "none/at/all"),
        ("to nothing/more", "none/at/all/more"),
        ("none/./x/../y", "none/y"),
        ("file/below", "file/below"),
        ("to root/to root", ""),
    ):
        assert files.resolve(filled / name) == f"{base}/{resolved}".rstrip("/"), name
    assert files.resolve("/..") == "/"
    assert files.resolve(filled / "circle 1").startswith(f"{base}/circle ")


def test_folders_and_links_to_them(filled: Place) -> None:
    kinds = {name: filled.files.is_folder(filled / name) for name, _ in filled.files.list(filled.base)}
    assert {name for name, is_folder in kinds.items() if is_folder} == {"folder", "to folder", "to root"}
    assert not filled.files.is_folder(filled / "none")


def test_names_are_any_bytes_a_disk_takes(place: Place) -> None:
    odd = sorted(os.fsdecode(name) for name in ODD_NAMES)
    for number, name in enumerate(odd):
        write_file(place.files, place / name, b"%d" % number)
    assert names(place.files, place.base) == odd
    for number, name in enumerate(odd):
        assert place.files.read_whole(place / name, 10)[0] == b"%d" % number


def test_names_that_differ_by_case_differ(place: Place) -> None:
    write_file(place.files, place / "Name", b"1")
    assert not place.files.exists(place / "name")
    write_file(place.files, place / "name", b"2")
    assert names(place.files, place.base) == ["Name", "name"]


@pytest.mark.parametrize("folder", ["Letters", "123", "-"])
def test_a_folder_says_that_it_tells_cases_apart(place: Place, folder: str) -> None:
    place.files.make_folder(place / folder)
    assert not place.files.folds_case(place / folder)
    if folder.swapcase() != folder:
        place.files.make_folder(place / folder.swapcase())
        assert not place.files.folds_case(place / folder)


@pytest.mark.parametrize("name", ["n" * 256, "ż" * 128, "nul\0", "lone \ud800"], ids=["long", "utf-8", "nul", "lone"])
def test_names_no_disk_takes_are_refused(place: Place, name: str) -> None:
    for action in (
        lambda: write_file(place.files, place / name),
        lambda: place.files.create(place / name),
        lambda: place.files.make_folder(place / name),
        lambda: place.files.make_link(place / name, b"x", 0),
        lambda: place.files.find(place / name),
    ):
        with pytest.raises(StorageError):
            action()
    assert names(place.files, place.base) == []


def test_volume_and_room_are_told_for_any_path(place: Place) -> None:
    for name in ("", "none", "none/below"):
        assert place.files.free_space(place / name) > 0
        assert place.files.volume(place / name) == place.files.volume(place.base) != ""
