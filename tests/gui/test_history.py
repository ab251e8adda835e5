"""Versions in the window: tags, forgetting, comparing, the versions of one file; on real archives."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.base.reports import Entry, FileIssue, Listing
from kamaros_gui.jobs import JobState, MoveRequest, RemoveRequest, TagRequest
from kamaros_gui.ui.application import WindowManager
from kamaros_gui.ui.archive_tree import build_tree
from kamaros_gui.ui.dialogs import QuestionDialog
from kamaros_gui.ui.diff_dialog import DiffDialog
from kamaros_gui.ui.diff_model import DiffColumn, DiffModel
from kamaros_gui.ui.history_commands import counterpart
from kamaros_gui.ui.main_window import MainWindow
from kamaros_gui.ui.name_dialog import NameDialog
from tests.gui.support import FixedChoosers, choose, context_menu, dialog_of, gone, menu_texts, opened, save, until


@pytest.fixture
async def window(manager: WindowManager, folder: Path, archive: Path) -> MainWindow:
    """A window on an archive of three versions: all of it; one more and one changed; one moved and one removed."""
    await save(manager, archive, folder, message="first")
    (folder / "new.txt").write_text("new")
    (folder / "list.txt").write_text("four")
    await save(manager, archive, folder, message="second")
    engine = manager.workspace.engine
    requests = (
        MoveRequest(archive=str(archive), path="photos/new.txt", new_path="photos/old.txt", message="third"),
        RemoveRequest(archive=str(archive), paths=("photos/2026/a.jpg",), message="fourth"),
    )
    for request in requests:
        job = engine.submit(request)
        await until(job.future.done)
        job.future.result()
    made = await opened(manager, archive)
    made.history.show()
    return made


def messages(window: MainWindow) -> list[str]:
    return [version.message for version in window.history.model.versions]


def select(window: MainWindow, *rows: int) -> None:
    view = window.history.view
    view.setCurrentIndex(view.model().index(rows[0], 0))
    for row in rows[1:]:
        view.selectionModel().select(view.model().index(row, 0), QItemSelectionModel.SelectionFlag.Select)


def words(dialog: DiffDialog) -> list[tuple[str, str]]:
    return [(entry.change, entry.path) for entry in dialog.model.entries]


async def test_a_tag_is_given_shown_and_taken_away(window: MainWindow) -> None:
    assert messages(window) == ["fourth", "third", "second", "first"]
    select(window, 1)
    await until(lambda: window.session.in_the_past)
    choose(await context_menu(window.history.view, 1), "Tag…")
    dialog = await dialog_of(window, NameDialog)
    assert not dialog.ok.isEnabled()
    QTest.keyClicks(dialog.field, "R&D 1.0")
    QTest.keyClick(dialog.field, Qt.Key.Key_Return)
    await until(lambda: window.history.model.versions[1].tags == ("R&D 1.0",))
    await gone(window, NameDialog)
    assert "R&D 1.0" in window.history.model.index(1).data(Qt.ItemDataRole.ToolTipRole)
    # The version that was looked at stays in view.
    assert window.session.in_the_past
    assert [version.message for version in window.history.selected()] == ["third"]
    await until(lambda: "names version" in window.statusBar().currentMessage())
    menu = await context_menu(window.history.view, 1)
    choose(menu, "Remove tag “R&&D 1.0”")
    await until(lambda: window.history.model.versions[1].tags == ())


@pytest.mark.parametrize(("name", "why"), [("HEAD", "newest"), ("x" * 300, "limit")])
async def test_a_tag_that_can_t_be_is_explained_in_the_dialog(
    manager: WindowManager, window: MainWindow, name: str, why: str
) -> None:
    window.versions.tag(window.history.model.versions[2])
    dialog = await dialog_of(window, NameDialog)
    dialog.field.setText(name)
    dialog.ok.click()
    await until(lambda: why in dialog.problem.text())
    assert dialog.isVisible()
    # Said here, so not a second time on a card.
    assert {each.state for each in manager.workspace.engine.snapshots()} == {JobState.DONE}
    dialog.field.setText("free")
    assert not dialog.problem.isVisible()
    dialog.ok.click()
    await gone(window, NameDialog)
    await until(lambda: window.history.model.versions[2].tags == ("free",))


async def test_a_tag_is_taken_from_another_version_only_when_told_twice(
    manager: WindowManager, window: MainWindow
) -> None:
    job = manager.workspace.engine.submit(TagRequest(archive=window.session.path, name="taken"))
    await until(job.future.done)
    await window.session.load()
    window.versions.tag(window.history.model.versions[2])
    dialog = await dialog_of(window, NameDialog)
    dialog.field.setText("taken")
    dialog.ok.click()
    await until(lambda: "fourth" in dialog.problem.text())
    assert window.history.model.versions[0].tags == ("taken",)
    dialog.ok.click()
    await gone(window, NameDialog)
    await until(lambda: window.history.model.versions[2].tags == ("taken",))
    assert window.history.model.versions[0].tags == ()


async def test_forgetting_asks_names_the_tags_and_lets_versions_go(manager: WindowManager, window: MainWindow) -> None:
    second = window.history.model.versions[2]
    job = manager.workspace.engine.submit(TagRequest(archive=window.session.path, name="keep me", version=second.id))
    await until(job.future.done)
    await window.session.load()
    select(window, 2, 3)
    menu = await context_menu(window.history.view, 2)
    assert menu_texts(menu) == ["Compare these two", "Forget…"]
    choose(menu, "Forget…")
    question = await dialog_of(window, QuestionDialog)
    said = " ".join(label.text() for label in question.findChildren(QLabel))
    assert "2 versions" in said
    assert "keep me" in said
    assert "second" in said
    QTest.keyClick(question, Qt.Key.Key_Return)  # the default keeps them
    await gone(window, QuestionDialog)
    assert len(messages(window)) == 4
    choose(await context_menu(window.history.view, 2), "Forget…")
    question = await dialog_of(window, QuestionDialog)
    question.buttons[1].click()
    await until(lambda: messages(window) == ["fourth", "third"])
    await until(lambda: "Forgot 2 versions" in window.statusBar().currentMessage())
    await until(lambda: not window.session.in_the_past)


async def test_the_newest_version_is_never_offered_to_be_forgotten(window: MainWindow) -> None:
    menu = await context_menu(window.history.view, 0)
    enabled = {action.text(): action.isEnabled() for action in menu.actions()}
    menu.close()
    assert not enabled["Forget…"]
    assert not enabled["Compare with now"]
    assert enabled["Compare with the version before"]
    select(window, 0, 1)
    menu = await context_menu(window.history.view, 0)
    enabled = {action.text(): action.isEnabled() for action in menu.actions()}
    menu.close()
    assert not enabled["Forget…"]


async def test_a_version_is_compared_with_the_one_before_and_with_now(window: MainWindow) -> None:
    select(window, 2)
    choose(await context_menu(window.history.view, 2), "Compare with the version before")
    dialog = await dialog_of(window, DiffDialog)
    assert ("added", "photos/new.txt") in words(dialog)
    assert ("changed", "photos/list.txt") in words(dialog)
    assert "first" in dialog.findChild(QLabel, "old").text()
    assert "second" in dialog.findChild(QLabel, "new").text()
    dialog.reject()
    await gone(window, DiffDialog)
    choose(await context_menu(window.history.view, 2), "Compare with now")
    dialog = await dialog_of(window, DiffDialog)
    assert ("renamed", "photos/old.txt") in words(dialog)
    assert ("removed", "photos/2026/a.jpg") in words(dialog)
    row = words(dialog).index(("renamed", "photos/old.txt"))
    assert dialog.model.index(row, DiffColumn.PATH).data() == "photos/old.txt ← new.txt"
    dialog.reject()
    await gone(window, DiffDialog)


async def test_two_selected_versions_are_compared_and_no_other_one_is_looked_at(window: MainWindow) -> None:
    assert not window.history.compare_button.isVisible()
    select(window, 0, 3)
    assert window.history.compare_button.isVisible()
    assert not window.history.restore_button.isVisible()
    assert not window.session.in_the_past
    window.history.compare_button.click()
    dialog = await dialog_of(window, DiffDialog)
    assert {change for change, _ in words(dialog)} >= {"added", "changed", "removed"}
    assert "first" in dialog.findChild(QLabel, "old").text()
    dialog.reject()
    await gone(window, DiffDialog)
    await window.session.load()
    assert len(window.history.selected()) == 2  # reading again takes no selection away


async def test_a_version_is_compared_with_the_folder_it_came_from(
    window: MainWindow, choosers: FixedChoosers, folder: Path
) -> None:
    choosers.folder = str(folder)
    (folder / "list.txt").write_text("changed on disk, and longer")
    (folder / "disk only.txt").write_text("1")
    select(window, 2)
    choose(await context_menu(window.history.view, 2), "Compare with folder…")
    dialog = await dialog_of(window, DiffDialog)
    found = words(dialog)
    assert any(change == "added" and path.endswith("disk only.txt") for change, path in found)
    assert any(change == "changed" and path.endswith("list.txt") for change, path in found)
    assert not any(change == "removed" for change, _ in found)
    assert str(folder) in dialog.findChild(QLabel, "new").text()
    assert "“photos” in" in dialog.findChild(QLabel, "old").text()
    dialog.reject()
    await gone(window, DiffDialog)


async def test_thinking_better_of_the_folder_compares_nothing(
    manager: WindowManager, window: MainWindow, choosers: FixedChoosers
) -> None:
    jobs = len(manager.workspace.engine.snapshots())
    choosers.folder = ""
    window.versions.compare_with_folder(window.history.model.versions[0])
    await until(lambda: manager.workspace.engine.idle)
    assert len(manager.workspace.engine.snapshots()) == jobs


@pytest.mark.parametrize(
    ("shown", "folder", "expected"),
    [
        ("", "/home/me/photos", "photos"),
        ("photos", "/home/me/2026", "photos/2026"),
        ("photos", "/home/me/photos", "photos"),
        ("photos/2026", "/home/me/photos", "photos"),
        ("", "/home/me/music", ""),
        ("photos", "/home/me/music", ""),
        ("", "/home/me/list.txt", ""),
        ("", "/", ""),
    ],
)
def test_a_folder_on_disk_is_compared_with_the_one_of_its_name(shown: str, folder: str, expected: str) -> None:
    paths = ("list.txt", "photos/2026/a.jpg")
    entries = tuple(Entry(path, "file", 1, 1, "", 0, 0o644, "store") for path in paths)
    tree = build_tree(Listing("/a.jcf", "1", True, "", entries, (), 0, 0, ()))  # noqa: FBT003  # a record
    assert counterpart(tree, shown, folder) == expected


async def test_the_versions_of_one_file_are_shown_and_there_is_a_way_back(
    manager: WindowManager, window: MainWindow, folder: Path, archive: Path
) -> None:
    window.page.go_to("photos")
    await until(lambda: [node.name for node in window.page.rows] == ["2026", "empty", "list.txt", "old.txt"])
    window.page.content_view.selectRow(3)
    choose(await context_menu(window.page.content_view, 3), "Versions of this file")
    await until(lambda: messages(window) == ["third", "second"])  # across its rename
    assert window.history.file_banner.text == "Versions of old.txt"
    assert window.history.selected() == []
    select(window, 1)
    await until(lambda: window.session.in_the_past)
    assert messages(window) == ["third", "second"]
    window.page.back_to_now.emit()
    await until(lambda: not window.session.in_the_past)
    (folder / "new.txt").unlink()
    (folder / "old.txt").write_text("changed")
    await save(manager, archive, folder, message="fifth")
    await window.session.load()
    await until(lambda: messages(window) == ["fifth", "third", "second"])
    window.history.file_banner.button.click()
    assert messages(window) == ["fifth", "fourth", "third", "second", "first"]
    assert window.history.file_banner.isHidden()
    assert [version.message for version in window.history.selected()] == ["fifth"]


async def test_a_file_that_is_gone_now_has_its_versions_too(window: MainWindow) -> None:
    select(window, 3)
    await until(lambda: window.session.in_the_past)
    window.page.versions_requested.emit("photos/2026/a.jpg")
    await until(lambda: messages(window) == ["fourth", "first"])


def report(*entries: DiffEntry, **fields: object) -> DiffReport:
    return DiffReport(old="1", new="2", folder="", entries=entries, unchanged=7, **fields)  # type: ignore[arg-type]  # fields of the record


MANY = (
    DiffEntry("a/added.txt", "added", "file", new_size=2048, new_hash="a" * 64),
    DiffEntry("a/changed.txt", "changed", "file", old_size=4096, new_size=1024, old_hash="b" * 64, new_hash="c" * 64),
    DiffEntry("b/gone.txt", "removed", "file", old_size=10, old_hash="d" * 64),
    DiffEntry("b/to.txt", "renamed", "file", "b/from.txt", 5, 6, "e" * 64, "f" * 64),
    DiffEntry("c\n/\u202etime", "metadata", "file", "", 3, 3, "0" * 64, "0" * 64),
)


async def test_differences_are_filtered_by_kind_and_by_path(window: MainWindow) -> None:
    dialog = DiffDialog("old", "new", report(*MANY), window)
    dialog.show()
    assert [kind for kind, _ in words(dialog)] == ["added", "changed", "removed", "renamed", "metadata"]
    assert set(dialog.kinds) == {"added", "changed", "removed", "renamed", "metadata"}
    assert "7 files the same" in dialog.summary.text()
    dialog.kinds["metadata"].click()
    dialog.kinds["removed"].click()
    assert [kind for kind, _ in words(dialog)] == ["added", "changed", "renamed"]
    assert "−1023 B in all" in dialog.summary.text()
    dialog.filter_field.setText("FROM b/")
    assert [kind for kind, _ in words(dialog)] == ["renamed"]
    dialog.filter_field.setText("no such thing")
    assert dialog.nothing.isVisible()
    dialog.filter_field.clear()
    dialog.activateWindow()
    await until(dialog.isActiveWindow)
    dialog.view.setFocus()
    dialog.view.selectAll()
    QTest.keySequence(dialog.view, "Ctrl+C")
    # Qt believes Ctrl to be held until a key comes without it, and would add to the selections of later tests.
    QTest.keyClick(dialog.view, Qt.Key.Key_Shift)
    assert QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.NoModifier
    assert QGuiApplication.clipboard().text() == "a/added.txt\na/changed.txt\nb/to.txt"
    dialog.copy_list()
    assert QGuiApplication.clipboard().text().splitlines()[2] == "renamed\t5\t6\tb/to.txt\tb/from.txt"
    dialog.reject()
    await gone(window, DiffDialog)


def test_each_kind_says_what_it_is_and_no_name_breaks_the_line() -> None:
    model = DiffModel()
    model.set_entries(list(MANY))
    rows = [[model.index(row, column).data() for column in DiffColumn] for row in range(len(MANY))]
    assert rows == [
        ["a/added.txt", "Added", "", "2.0 KiB", "+2.0 KiB"],
        ["a/changed.txt", "Changed", "4.0 KiB", "1.0 KiB", "−3.0 KiB"],
        ["b/gone.txt", "Removed", "10 B", "", "−10 B"],
        ["b/to.txt ← from.txt", "Renamed and changed", "5 B", "6 B", "+1 B"],
        ["c\\x0a/\\u202etime", "Time or mode", "3 B", "3 B", ""],
    ]


async def test_a_long_list_of_differences_is_shown_and_filtered_at_once(window: MainWindow) -> None:
    many = tuple(DiffEntry(f"folder {n % 500}/file {n}.txt", "changed", "file", "", n, n + 1) for n in range(50_000))
    started = time.process_time()
    dialog = DiffDialog("old", "new", report(*many), window)
    dialog.show()
    dialog.filter_field.setText("file 4999")
    assert len(dialog.model.entries) == 15
    dialog.filter_field.clear()
    dialog.view.selectAll()
    assert len(dialog.selected()) == 50_000
    assert time.process_time() - started < 1.5
    dialog.reject()
    await gone(window, DiffDialog)


async def test_no_difference_is_said_and_what_was_not_compared_is_named(window: MainWindow) -> None:
    issues = tuple(FileIssue(f"/x/{number}", "can't be read") for number in range(7))
    dialog = DiffDialog("old", "new", report(issues=issues), window)
    dialog.show()
    said = "\n".join(label.text() for label in dialog.findChildren(QLabel))
    assert "Nothing differs" in said
    assert "/x/4: can't be read" in said
    assert "… and 2 more" in said
    assert dialog.kinds == {}
    dialog.reject()
    await gone(window, DiffDialog)


async def test_a_comparison_that_fails_is_said(window: MainWindow) -> None:
    os.unlink(window.session.path)
    versions = window.history.model.versions
    window.versions.compare(versions[1], versions[0])
    await until(lambda: "failed" in window.statusBar().currentMessage())
    assert not window.findChildren(DiffDialog)
