"""Rename, delete and compact from the window, on real archives."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from kamaros_gui.jobs import ForgetRequest, JobState, RemoveRequest, SaveRequest
from kamaros_gui.ui.application import WindowManager
from kamaros_gui.ui.archive_tree import Node
from kamaros_gui.ui.content_commands import outermost
from kamaros_gui.ui.dialogs import QuestionDialog
from kamaros_gui.ui.main_window import MainWindow
from kamaros_gui.ui.name_dialog import NameDialog
from tests.gui.support import choose, context_menu, dialog_of, gone, menu_texts, names, opened, save, until


async def at_files(manager: WindowManager, archive: Path, folder: Path) -> MainWindow:
    (folder / "notes.txt").write_text("notes")
    await save(manager, archive, folder, message="first")
    window = await opened(manager, archive)
    window.page.go_to("photos")
    await until(lambda: names(window) == ["2026", "empty", "list.txt", "notes.txt"])
    return window


def selected(window: MainWindow) -> list[str]:
    return [node.name for node in window.page.selected_nodes()]


async def test_delete_asks_makes_a_version_and_goes_on_at_the_next_row(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    window = await at_files(manager, archive, folder)
    view = window.page.content_view
    view.selectRow(2)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Delete)
    question = await dialog_of(window, QuestionDialog)
    said = " ".join(label.text() for label in question.findChildren(QLabel))
    assert "photos/list.txt" in said
    assert "Older versions keep it" in said
    question.buttons[0].click()
    await until(lambda: names(window) == ["2026", "empty", "notes.txt"])
    assert selected(window) == ["notes.txt"]
    assert window.history.model.versions[0].message == "Delete list.txt"
    with zipfile.ZipFile(archive) as peer:
        assert "content/photos/list.txt" not in peer.namelist()
    window.history.view.setCurrentIndex(window.history.model.index(1))
    await until(lambda: "list.txt" in names(window))


async def test_thinking_better_of_deleting_changes_nothing(manager: WindowManager, folder: Path, archive: Path) -> None:
    window = await at_files(manager, archive, folder)
    jobs = len(manager.workspace.engine.snapshots())
    window.page.content_view.selectRow(2)
    window.page.delete_action.trigger()
    (await dialog_of(window, QuestionDialog)).reject()
    await gone(window, QuestionDialog)
    assert len(manager.workspace.engine.snapshots()) == jobs


async def test_deleting_the_last_row_selects_the_one_before(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    window = await at_files(manager, archive, folder)
    window.page.content_view.selectRow(3)
    window.page.delete_action.trigger()
    (await dialog_of(window, QuestionDialog)).buttons[0].click()
    await until(lambda: names(window) == ["2026", "empty", "list.txt"])
    assert selected(window) == ["list.txt"]


async def test_a_folder_and_what_a_filter_found_inside_are_deleted_as_one(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    window = await at_files(manager, archive, folder)
    window.page.filter_field.setText("2026")
    await until(lambda: names(window) == ["2026", "a.jpg", "b żółw.jpg"])
    window.page.content_view.selectAll()
    window.page.delete_action.trigger()
    question = await dialog_of(window, QuestionDialog)
    assert question.windowTitle() == "Delete “2026”?"  # its files are not counted twice
    question.buttons[0].click()
    await until(lambda: names(window) == [])
    assert window.session.tree is not None
    assert "photos/2026" not in window.session.tree.by_path
    assert window.history.model.versions[0].deleted >= 2


def test_what_is_inside_another_selected_one_goes_with_it() -> None:
    nodes = [Node(path.rpartition("/")[2], path, None) for path in ("a/b/c", "a", "ab/c", "d")]
    assert [node.path for node in outermost(nodes)] == ["a", "ab/c", "d"]


async def test_f2_renames_and_keeps_the_history(manager: WindowManager, folder: Path, archive: Path) -> None:
    window = await at_files(manager, archive, folder)
    view = window.page.content_view
    view.selectRow(2)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_F2)
    dialog = await dialog_of(window, NameDialog)
    assert dialog.field.text() == "list.txt"
    assert dialog.field.selectedText() == "list"
    QTest.keyClicks(dialog.field, "poem")
    assert dialog.field.text() == "poem.txt"
    QTest.keyClick(dialog.field, Qt.Key.Key_Return)
    await until(lambda: names(window) == ["2026", "empty", "notes.txt", "poem.txt"])
    await gone(window, NameDialog)
    assert selected(window) == ["poem.txt"]
    newest = window.history.model.versions[0]
    assert (newest.renamed, newest.added, newest.deleted) == (1, 0, 0)
    assert newest.message == "Rename list.txt to poem.txt"


@pytest.mark.parametrize(
    ("name", "why"), [("notes.txt", "already"), ("2026", "already"), ("a/b", "no “/”"), ("..", "neither"), (".", "nor")]
)
async def test_a_name_that_can_t_be_is_refused_in_the_dialog(
    manager: WindowManager, folder: Path, archive: Path, name: str, why: str
) -> None:
    window = await at_files(manager, archive, folder)
    jobs = len(manager.workspace.engine.snapshots())
    window.page.content_view.selectRow(2)
    window.page.rename_action.trigger()
    dialog = await dialog_of(window, NameDialog)
    dialog.field.setText(name)
    dialog.ok.click()
    await until(lambda: why in dialog.problem.text())
    assert dialog.isVisible()
    assert dialog.ok.isEnabled()
    assert len(manager.workspace.engine.snapshots()) == jobs
    dialog.field.setText("")
    assert not dialog.ok.isEnabled()
    assert not dialog.problem.text()
    dialog.reject()
    await gone(window, NameDialog)


async def test_what_the_engine_refuses_is_said_in_the_dialog(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    window = await at_files(manager, archive, folder)
    window.page.content_view.selectRow(2)
    window.page.rename_action.trigger()
    dialog = await dialog_of(window, NameDialog)
    request = RemoveRequest(archive=str(archive), paths=("photos/list.txt",))  # as another program would
    await until(manager.workspace.engine.submit(request).future.done)
    dialog.field.setText("poem.txt")
    dialog.ok.click()
    await until(lambda: "photos/list.txt" in dialog.problem.text())
    dialog.reject()
    await gone(window, NameDialog)


async def test_closing_the_dialog_cancels_a_rename_that_waits(
    manager: WindowManager, folder: Path, archive: Path, tmp_path: Path
) -> None:
    window = await at_files(manager, archive, folder)
    endless = tmp_path / "endless.bin"
    with endless.open("wb") as file:
        file.truncate(200 * 1024**3)
    engine = manager.workspace.engine
    running = engine.submit(SaveRequest(archive=str(archive), paths=(str(endless),)))
    window.page.content_view.selectRow(2)
    window.page.rename_action.trigger()
    dialog = await dialog_of(window, NameDialog)
    dialog.field.setText("poem.txt")
    dialog.ok.click()
    await until(lambda: engine.snapshots()[-1].kind == "move")
    dialog.reject()
    await until(lambda: engine.snapshots()[-1].state is JobState.CANCELLED)
    engine.cancel(running.id)
    await until(lambda: engine.idle)
    await gone(window, NameDialog)
    await until(lambda: "Cancelled" in window.statusBar().currentMessage())
    assert "list.txt" in names(window)


async def test_the_past_offers_neither(manager: WindowManager, folder: Path, archive: Path) -> None:
    window = await at_files(manager, archive, folder)
    (folder / "notes.txt").write_text("other notes")
    await save(manager, archive, folder)
    await window.session.load()
    window.page.content_view.selectRow(2)
    menu = await context_menu(window.page.content_view, 2)
    assert {"Rename…", "Delete…"} <= set(menu_texts(menu))
    choose(menu, "Rename…")
    (await dialog_of(window, NameDialog)).reject()
    window.history.view.setCurrentIndex(window.history.model.index(1))
    await until(lambda: window.session.in_the_past)
    assert not window.page.rename_action.isEnabled()
    assert not window.page.delete_action.isEnabled()
    window.content.remove()
    window.content.rename()
    await gone(window, NameDialog)
    assert not window.findChildren(QuestionDialog)


async def test_dead_space_is_offered_to_be_compacted_and_given_back(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    (folder / "large.bin").write_bytes(os.urandom(400_000))
    await save(manager, archive, folder, message="with it")
    window = await opened(manager, archive)
    assert window.status.compact.isHidden()
    engine = manager.workspace.engine
    for request in (
        RemoveRequest(archive=str(archive), paths=("photos/large.bin",)),
        ForgetRequest(archive=str(archive), keep_last=1),
    ):
        await until(engine.submit(request).future.done)
    await window.session.load()
    assert not window.status.compact.isHidden()
    before = archive.stat().st_size
    window.status.compact.click()
    question = await dialog_of(window, QuestionDialog)
    question.buttons[0].click()
    await until(lambda: archive.stat().st_size < before - 390_000)
    await until(window.status.compact.isHidden)
    await until(lambda: "given back" in window.statusBar().currentMessage())
    assert engine.snapshots()[-1].kind == "compact"
    assert engine.snapshots()[-1].id in window.transfers.cards


async def test_a_name_that_looks_like_markup_is_shown_as_it_is(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    (folder / "<h1>big<h1>.txt").write_text("x")
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    window.page.go_to("photos")
    await until(lambda: len(names(window)) == 4)
    window.page.content_view.selectRow(names(window).index("<h1>big<h1>.txt"))
    window.page.delete_action.trigger()
    question = await dialog_of(window, QuestionDialog)
    formats = {label.textFormat() for label in question.findChildren(QLabel) if "<h1>" in label.text()}
    assert formats == {Qt.TextFormat.PlainText}
    question.reject()
    await gone(window, QuestionDialog)


async def test_a_plain_zip_can_be_looked_at_only(manager: WindowManager, tmp_path: Path) -> None:
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as peer:
        peer.writestr("a.txt", "a")
    window = await opened(manager, plain)
    window.page.content_view.selectRow(0)
    assert not window.page.rename_action.isEnabled()
    assert not window.page.delete_action.isEnabled()
    assert window.status.compact.isHidden()
    menu = await context_menu(window.page.content_view, 0)
    offered = menu_texts(menu)
    menu.close()
    assert "Versions of this file" not in offered
