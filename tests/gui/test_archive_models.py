from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from kamaros_gui.base.reports import Entry, Listing
from kamaros_gui.ui.archive_model import ContentModel, FolderModel
from kamaros_gui.ui.archive_tree import ArchiveTree, Column, build_tree, find_nodes, sort_nodes


def entry(path: str, size: int = 100, kind: str = "file", packed: int | None = None) -> Entry:
    stored = size // 2 if packed is None else packed
    method = "deflate" if kind == "file" else ""
    return Entry(path, kind, size, stored, "ab" * 32, 1_700_000_000 * 10**9, 0o644, method)  # type: ignore[arg-type]


def tree_of(*entries: Entry) -> ArchiveTree:
    ordered = tuple(sorted(entries, key=lambda one: one.path))
    return build_tree(
        Listing(
            archive="/a.jcf",
            version="v1",
            is_head=True,
            read_only="",
            entries=ordered,
            versions=(),
            archive_size=1000,
            dead_bytes=0,
            warnings=(),
        )
    )


@pytest.fixture
def tree() -> ArchiveTree:
    return tree_of(
        entry("docs", 0, "directory", 0),
        entry("docs/page 10.txt", 10),
        entry("docs/page 9.txt", 20),
        entry("docs/deep/er/note.md", 40),
        entry("Zebra.png", 1000, packed=900),
        entry("apple.py", 5),
        entry("link", 3, "symlink", 3),
    )


def names(nodes: list) -> list[str]:
    return [node.name for node in nodes]


def test_folders_hold_the_totals_of_what_is_inside(tree: ArchiveTree) -> None:
    docs = tree.by_path["docs"]
    assert (docs.size, docs.packed, docs.file_count) == (70, 35, 3)
    assert tree.root.file_count == 6
    assert tree.root.size == 1078


def test_a_folder_without_an_entry_of_its_own_is_shown(tree: ArchiveTree) -> None:
    deep = tree.by_path["docs/deep"]
    assert deep.is_folder
    assert deep.entry is None
    assert names(deep.children) == ["er"]
    assert deep.modified == 1_700_000_000 * 10**9


def test_names_sort_as_people_count_and_folders_come_first(tree: ArchiveTree) -> None:
    assert names(sort_nodes(tree.root.children, Column.NAME, descending=False)) == [
        "docs",
        "apple.py",
        "link",
        "Zebra.png",
    ]
    inside = tree.by_path["docs"].children
    assert names(sort_nodes(inside, Column.NAME, descending=False)) == ["deep", "page 9.txt", "page 10.txt"]
    assert names(sort_nodes(inside, Column.NAME, descending=True)) == ["deep", "page 10.txt", "page 9.txt"]
    assert names(sort_nodes(tree.root.children, Column.SIZE, descending=True))[:2] == ["docs", "Zebra.png"]


def test_a_filter_wants_every_word_and_searches_below_the_folder_only(tree: ArchiveTree) -> None:
    assert names(find_nodes(tree, "PAGE txt", tree.root)) == ["page 10.txt", "page 9.txt"]
    assert names(find_nodes(tree, "docs", tree.by_path["docs"])) == []
    assert names(find_nodes(tree, "note", tree.by_path["docs"])) == ["note.md"]
    assert find_nodes(tree, "nothing like it", tree.root) == []
    assert names(find_nodes(tree, "  ", tree.by_path["docs"])) == names(tree.by_path["docs"].children)


def test_a_folder_that_is_gone_leads_to_the_nearest_one_above(tree: ArchiveTree) -> None:
    assert tree.folder("docs/deep/gone/too").path == "docs/deep"
    assert tree.folder("apple.py") is tree.root


def test_the_content_list_keeps_qt_s_contract_and_shows_every_column(tree: ArchiveTree) -> None:
    model = ContentModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_nodes(sort_nodes(tree.root.children, Column.NAME, descending=False))
    assert tester.model() is model
    row = {column: model.index(3, column).data() for column in Column}
    assert row[Column.NAME] == "Zebra.png"
    assert row[Column.SIZE] == "1000 B"
    assert row[Column.RATIO] == "90 %"
    assert row[Column.TYPE] == "Image (PNG)"
    assert row[Column.METHOD] == "Deflate"
    assert row[Column.SHA256] == "ab" * 32
    assert model.index(0, Column.TYPE).data() == "Folder"
    assert model.index(2, Column.TYPE).data() == "Link"
    assert not model.index(3, 0).data(Qt.ItemDataRole.DecorationRole).isNull()
    assert "SHA-256" in model.index(3, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_typing_finds_the_next_row_and_wraps_around(tree: ArchiveTree) -> None:
    model = ContentModel()
    model.set_nodes(sort_nodes(tree.root.children, Column.NAME, descending=False))
    assert model.find_by_prefix("z", 0) == 3
    assert model.find_by_prefix("a", 3) == 1
    assert model.find_by_prefix("q", 0) == -1


def test_the_folder_tree_keeps_qt_s_contract(tree: ArchiveTree) -> None:
    model = FolderModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_tree(tree, "a.jcf")
    assert tester.model() is model
    top = model.index(0, 0)
    assert top.data() == "a.jcf"
    assert model.rowCount(top) == 1
    deep = model.index_of(tree.by_path["docs/deep"])
    assert deep.parent() == model.index(0, 0, top)
    assert model.parent(top) == QModelIndex()
    model.set_tree(None, "")
    assert model.rowCount() == 0


def test_fifty_thousand_entries_are_listed_filtered_and_sorted() -> None:
    tree = tree_of(*(entry(f"r/d{number % 100}/f{number}.txt", number) for number in range(50_000)))
    assert tree.root.file_count == 50_000
    found = find_nodes(tree, "d7/ txt", tree.root)
    assert len(found) == 500
    model = ContentModel()
    model.set_nodes(sort_nodes([node for _, node in tree.nodes], Column.SIZE, descending=True))
    assert model.rowCount() == 50_000 + 101
    assert model.index(101, Column.NAME).data() == "f49999.txt"
