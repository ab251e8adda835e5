from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from kamaros_gui.base.reports import Entry, Listing
from kamaros_gui.ui.archive_model import ContentModel
from kamaros_gui.ui.archive_tree import Column, build_tree
from kamaros_gui.ui.content_view import ContentView


@pytest.fixture
def view(qtbot: QtBot) -> ContentView:
    entries = tuple(Entry(f"a long name {number}.txt", "file", 5, 4, "", 1, 0o644, "deflate") for number in range(3))
    model = ContentModel()
    made = ContentView(model)
    model.setParent(made)
    model.set_nodes(build_tree(Listing("/a.jcf", "v1", True, "", entries, (), 0, 0, ())).root.children)  # noqa: FBT003
    qtbot.addWidget(made)
    made.show()
    return made


def shown(view: ContentView) -> list[str]:
    return [column.name for column in Column if not view.isColumnHidden(column)]


def resize(view: ContentView, width: int) -> None:
    view.resize(width, 300)
    assert view.viewport().width() == width


def test_with_room_every_usual_column_is_shown_and_the_name_takes_the_rest(view: ContentView) -> None:
    resize(view, 1200)
    assert shown(view) == ["NAME", "SIZE", "PACKED", "RATIO", "MODIFIED", "TYPE", "METHOD"]
    assert view.horizontalHeader().length() == 1200
    before = view.columnWidth(Column.NAME)
    resize(view, 1300)
    assert view.columnWidth(Column.NAME) == before + 100


def test_minor_columns_give_way_and_come_back(view: ContentView) -> None:
    seen = set()
    for width in range(1000, 320, -20):
        resize(view, width)
        seen.add(" ".join(shown(view)[1:]))
        assert view.horizontalHeader().length() == width, "nothing to scroll to"
        assert view.columnWidth(Column.NAME) >= 220
    assert sorted(seen, key=len, reverse=True) == [
        "SIZE PACKED RATIO MODIFIED TYPE METHOD",
        "SIZE PACKED RATIO MODIFIED TYPE",
        "SIZE PACKED RATIO MODIFIED",
        "SIZE PACKED MODIFIED",
        "SIZE MODIFIED",
        "SIZE",
    ]
    resize(view, 1200)
    assert len(shown(view)) == 7


def test_a_column_the_user_chose_stays(view: ContentView) -> None:
    view.columns.choose(Column.METHOD, True)  # noqa: FBT003  # a signal's value
    view.columns.choose(Column.MODIFIED, False)  # noqa: FBT003  # a signal's value
    resize(view, 540)
    assert shown(view) == ["NAME", "SIZE", "PACKED", "METHOD"]
    resize(view, 300)
    assert shown(view) == ["NAME", "SIZE", "METHOD"]
    assert view.horizontalHeader().length() > 300
    resize(view, 1200)
    assert "MODIFIED" not in shown(view)


def test_a_width_the_user_dragged_is_kept(view: ContentView) -> None:
    resize(view, 1000)
    view.horizontalHeader().resizeSection(Column.SIZE, 150)
    assert view.horizontalHeader().length() == 1000
    view.columns.show_folder(True)  # noqa: FBT003  # a state
    assert "FOLDER" in shown(view)
    assert view.columnWidth(Column.SIZE) == 150
    assert view.horizontalHeader().length() == 1000
    view.columns.show_folder(False)  # noqa: FBT003  # a state
    assert "FOLDER" not in shown(view)
