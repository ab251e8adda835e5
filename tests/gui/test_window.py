"""The window from end to end: real files, the real engine, real drop events; only file dialogs answer by themselves."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QMenu, QScrollBar, QWidget

from kamaros_gui.base.config import JCFConfig, load_config
from kamaros_gui.base.differences import DiffEntry, DiffReport
from kamaros_gui.jobs import JobState
from kamaros_gui.ui.about_dialog import AboutDialog
from kamaros_gui.ui.application import WindowManager
from kamaros_gui.ui.archive_tree import Column
from kamaros_gui.ui.closing import CancellingOverlay
from kamaros_gui.ui.dialogs import QuestionDialog
from kamaros_gui.ui.diff_dialog import DiffDialog
from kamaros_gui.ui.error_dialog import ErrorDialog
from kamaros_gui.ui.extract_dialog import ExtractDialog
from kamaros_gui.ui.name_dialog import NameDialog
from kamaros_gui.ui.preferences import PreferenceStore
from kamaros_gui.ui.settings_dialog import SettingsDialog
from kamaros_gui.ui.verify_dialog import VerifyDialog
from tests.gui.fake_runner import FakeRunner
from tests.gui.support import FixedChoosers, drop, names, opened, save, until


async def test_a_folder_dropped_on_the_welcome_page_becomes_an_archive(
    manager: WindowManager, choosers: FixedChoosers, folder: Path, archive: Path
) -> None:
    choosers.archive_path = str(archive)
    window = manager.new_window()
    assert window.welcome.isVisible()
    assert drop(window.welcome.drop_area, [str(folder)])
    await until(lambda: window.session.tree is not None and names(window) == ["photos"])
    assert choosers.proposals[0].endswith("photos.jcf")
    with zipfile.ZipFile(archive) as peer:
        assert peer.testzip() is None
        assert "content/photos/list.txt" in peer.namelist()
    window.page.go_to("photos")
    await until(lambda: names(window) == ["2026", "empty", "list.txt"])
    assert window.windowTitle() == "holiday.jcf – Kamaros"
    assert "3 files" in window.status.counts.text()
    assert [version.message for version in window.history.model.versions] == ["Add photos"]
    assert manager.workspace.preferences.current.recent_archives == (str(archive),)
    assert manager.workspace.preferences.current.last_folder == str(archive.parent)


async def test_thinking_better_of_the_name_changes_nothing(
    manager: WindowManager, choosers: FixedChoosers, folder: Path
) -> None:
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(folder)])
    await until(lambda: choosers.proposals)
    await until(lambda: manager.workspace.engine.idle)
    assert window.welcome.isVisible()
    assert manager.workspace.engine.snapshots() == ()


async def test_enter_on_the_drop_area_and_ctrl_v_do_what_a_drop_does(
    manager: WindowManager, choosers: FixedChoosers, folder: Path, archive: Path
) -> None:
    choosers.archive_path = str(archive)
    choosers.files = [str(folder / "list.txt")]
    window = manager.new_window()
    QTest.keyClick(window.welcome.drop_area, Qt.Key.Key_Return)
    await until(lambda: window.session.tree is not None and names(window) == ["list.txt"])
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder / "2026" / "a.jpg"))])
    QGuiApplication.clipboard().setMimeData(mime)
    window.actions_.paste.trigger()
    await until(lambda: names(window) == ["a.jpg", "list.txt"])
    # The clipboard outlives the interpreter, and an object made here must not.
    QGuiApplication.clipboard().clear()


async def test_what_is_dropped_on_a_folder_goes_into_it(
    manager: WindowManager, folder: Path, archive: Path, tmp_path: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    extra = tmp_path / "extra.txt"
    extra.write_text("extra")
    view = window.page.content_view
    row = view.visualRect(view.model().index(0, 0)).center()
    assert drop(view.viewport(), [str(extra)], QPointF(row))
    await until(lambda: window.session.tree and "photos/extra.txt" in window.session.tree.by_path)
    below = QPointF(view.viewport().rect().bottomLeft() - QPoint(-20, 20))
    other = tmp_path / "other.txt"
    other.write_text("other")
    assert drop(view.viewport(), [str(other)], below)
    await until(lambda: window.session.tree and "other.txt" in window.session.tree.by_path)


async def test_a_dropped_archive_opens_and_with_shift_it_is_added(
    manager: WindowManager, choosers: FixedChoosers, folder: Path, archive: Path, tmp_path: Path
) -> None:
    await save(manager, archive, folder)
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(archive)])
    await until(lambda: window.session.path == str(archive) and names(window) == ["photos"])
    second = manager.new_window()
    choosers.archive_path = str(tmp_path / "second.jcf")
    drop(second.welcome.drop_area, [str(archive)], shift=True)
    await until(lambda: names(second) == ["holiday.jcf"])


async def test_a_second_open_raises_the_first_window(manager: WindowManager, folder: Path, archive: Path) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    link = archive.parent / "same.jcf"
    link.symlink_to(archive)
    await manager.open_archive(str(link))
    assert manager.windows == [window]


async def test_a_folder_that_is_inside_already_asks_update_or_mirror(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    (folder / "list.txt").unlink()
    (folder / "new.txt").write_text("new")
    window.page.paths_dropped.emit([str(folder)], "", False)  # noqa: FBT003  # a signal takes values by position
    await until(lambda: window.findChild(QuestionDialog))
    question = window.findChild(QuestionDialog)
    assert question is not None
    question.buttons[1].click()
    await until(lambda: window.session.tree and "photos/new.txt" in window.session.tree.by_path)
    assert window.session.tree is not None
    assert "photos/list.txt" not in window.session.tree.by_path
    assert window.session.tree.listing.versions[0].message == "Mirror photos"


async def test_the_message_typed_with_an_update_is_in_the_history(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    (folder / "new.txt").write_text("new")
    assert drop(window, [str(folder)])
    await until(lambda: window.findChild(QuestionDialog))
    question = window.findChild(QuestionDialog)
    assert question is not None
    QTest.keyClicks(question.field, " after the flood ")
    QTest.keyClick(question.field, Qt.Key.Key_Return)
    await until(lambda: len(window.history.model.versions) == 2)
    assert window.history.model.versions[0].message == "after the flood"


async def test_with_the_history_open_nothing_has_to_be_scrolled_sideways(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    window.resize(1120, 720)
    window.history.show()
    view = window.page.content_view
    await until(lambda: view.isColumnHidden(Column.METHOD))
    assert view.horizontalScrollBar().maximum() == 0
    assert not view.isColumnHidden(Column.MODIFIED)
    window.history.hide()
    await until(lambda: not view.isColumnHidden(Column.TYPE))
    assert view.horizontalScrollBar().maximum() == 0


async def test_history_shows_the_past_and_the_past_can_t_be_changed(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    await save(manager, archive, folder, message="first")
    (folder / "new.txt").write_text("new")
    await save(manager, archive, folder, message="second")
    window = await opened(manager, archive)
    window.history.show()
    messages = [version.message for version in window.history.model.versions]
    assert messages == ["second", "first"]
    window.history.view.setCurrentIndex(window.history.model.index(1))
    await until(lambda: window.session.in_the_past)
    assert "first" in window.page.past_banner.text
    assert not window.page.past_banner.isHidden()
    assert window.session.tree is not None
    assert "photos/new.txt" not in window.session.tree.by_path
    assert not window.actions_.add_files.isEnabled()
    jobs = len(manager.workspace.engine.snapshots())
    drop(window, [str(folder / "new.txt")])
    await until(lambda: window.findChild(ErrorDialog))
    dialog = window.findChild(ErrorDialog)
    assert dialog is not None
    assert "past" in dialog._error.message
    dialog.reject()
    assert len(manager.workspace.engine.snapshots()) == jobs
    window.page.past_banner.button.click()
    await until(lambda: not window.session.in_the_past)
    assert window.page.past_banner.isHidden()
    assert "photos/new.txt" in window.session.tree.by_path


async def test_extract_restores_what_was_selected(
    manager: WindowManager, folder: Path, archive: Path, tmp_path: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    window.page.go_to("photos/2026")
    await until(lambda: len(names(window)) == 2)
    window.page.content_view.selectRow(1)
    assert [node.name for node in window.page.selected_nodes()] == ["b żółw.jpg"]
    window.actions_.extract.trigger()
    await until(lambda: window.findChild(ExtractDialog))
    dialog = window.findChild(ExtractDialog)
    assert dialog is not None
    out = tmp_path / "out"
    dialog.folder.setCurrentText(str(out))
    assert dialog.subfolder.isHidden()
    await until(lambda: "are free" in dialog.space.text())
    dialog.extract.click()
    restored = out / "photos" / "2026" / "b żółw.jpg"
    await until(restored.exists)
    await until(lambda: manager.workspace.engine.idle)
    assert restored.read_bytes() == (folder / "2026" / "b żółw.jpg").read_bytes()
    assert not (out / "photos" / "list.txt").exists()
    assert manager.workspace.preferences.current.recent_targets[0] == str(out)


async def test_several_items_get_a_folder_of_their_own(
    manager: WindowManager, folder: Path, archive: Path, tmp_path: Path
) -> None:
    await save(manager, archive, folder / "list.txt", folder / "2026")
    window = await opened(manager, archive)
    window.actions_.extract_all.trigger()
    await until(lambda: window.findChild(ExtractDialog))
    dialog = window.findChild(ExtractDialog)
    assert dialog is not None
    dialog.folder.setCurrentText(str(tmp_path))
    assert dialog.target() == str(tmp_path / "holiday")
    dialog.subfolder.setChecked(False)
    assert dialog.request().target == str(tmp_path)
    dialog.policy.setCurrentIndex(dialog.policy.findData("rename"))
    assert dialog.request().on_conflict == "rename"
    assert not dialog.request().outside_links
    dialog.outside_links.setChecked(True)
    assert dialog.request().outside_links
    dialog.reject()
    await until(lambda: not window.findChild(ExtractDialog))


async def test_the_filter_searches_every_folder_and_escape_leaves_it(
    manager: WindowManager, folder: Path, archive: Path
) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    window.page.filter_field.setText("jpg 2026")
    await until(lambda: names(window) == ["a.jpg", "b żółw.jpg"])
    assert not window.page.content_view.isColumnHidden(Column.FOLDER)
    window.page.filter_field.setText("no such thing")
    await until(lambda: names(window) == [])
    assert "no such thing" in window.page.empty_state.title
    window.actions_.leave.trigger()
    await until(lambda: names(window) == ["photos"])
    assert window.page.content_view.isColumnHidden(Column.FOLDER)


async def test_enter_and_backspace_walk_through_folders(manager: WindowManager, folder: Path, archive: Path) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    view = window.page.content_view
    view.setCurrentIndex(view.model().index(0, 0))
    QTest.keyClick(view, Qt.Key.Key_Return)
    await until(lambda: names(window) == ["2026", "empty", "list.txt"])
    QApplication.sendEvent(view, QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_L, Qt.KeyboardModifier.NoModifier, "l"))
    assert view.currentIndex().row() == 2
    flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    view.selectionModel().select(view.model().index(0, 0), flags)
    assert [node.name for node in window.page.selected_nodes()] == ["2026", "list.txt"]
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    await until(lambda: names(window) == ["photos"])
    assert [node.name for node in window.page.selected_nodes()] == ["photos"]


async def test_verify_tells_what_it_found(manager: WindowManager, folder: Path, archive: Path) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    window.actions_.verify.trigger()
    await until(lambda: window.findChild(VerifyDialog))
    dialog = window.findChild(VerifyDialog)
    assert dialog is not None
    assert dialog._report.valid
    dialog.reject()


async def test_the_card_of_a_save_names_its_bottleneck_and_shows_every_stage(
    manager: WindowManager, choosers: FixedChoosers, folder: Path, archive: Path
) -> None:
    (folder / "large.txt").write_bytes(os.urandom(600_000).hex().encode())
    choosers.archive_path = str(archive)
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(folder)])
    await until(lambda: window.session.tree is not None and names(window) == ["photos"])
    await until(lambda: all(card.snapshot.finished for card in window.transfers.cards.values()))
    [card] = window.transfers.cards.values()
    assert card.stages_button.text().startswith("Bottleneck: ")
    card.stages_button.click()
    assert [row.name.text() for row in card.stages.rows] == ["Reading", "Hashing", "Compression", "Writing"]
    assert sum(row.bar.marked for row in card.stages.rows) == 1


async def test_settings_are_kept_and_used_by_the_next_save(manager: WindowManager, folder: Path, archive: Path) -> None:
    window = manager.new_window()
    window.actions_.settings.trigger()
    await until(lambda: window.findChild(SettingsDialog))
    dialog = window.findChild(SettingsDialog)
    assert dialog is not None
    dialog.compression.codec.setCurrentIndex(dialog.compression.codec.findData("store"))
    dialog.looks.theme.setCurrentIndex(dialog.looks.theme.findData("dark"))
    dialog.accept()
    await until(lambda: load_config(environment={}) == JCFConfig(codec="store"))
    assert manager.workspace.engine.config.codec == "store"
    assert manager.workspace.preferences.current.theme == "dark"
    assert window.status.codec.text() == "Store"
    await save(manager, archive, folder / "list.txt")
    with zipfile.ZipFile(archive) as peer:
        assert peer.getinfo("content/list.txt").compress_type == zipfile.ZIP_STORED
    manager.workspace.themes.apply("system")


async def test_an_archive_that_is_gone_is_explained_and_leaves_the_recents(
    manager: WindowManager, tmp_path: Path
) -> None:
    path = str(tmp_path / "gone.jcf")
    manager.workspace.preferences.note_archive(path)
    window = manager.new_window()
    window.welcome.recent_chosen.emit(path)
    await until(lambda: window.findChild(ErrorDialog))
    assert window.welcome.isVisible()
    assert manager.workspace.preferences.current.recent_archives == ()


async def test_something_that_is_no_archive_is_explained(manager: WindowManager, tmp_path: Path) -> None:
    path = tmp_path / "broken.jcf"
    path.write_bytes(b"this is not a zip file" * 100)
    await manager.open_archive(str(path))
    window = manager.windows[0]
    await until(lambda: window.findChild(ErrorDialog))
    assert window.welcome.isVisible()


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that takes minutes to save, and no room on the disk."""
    path = tmp_path / "endless.bin"
    with path.open("wb") as file:
        file.truncate(200 * 1024**3)
    return path


async def test_closing_while_a_job_runs_asks_and_keeps_it_running(
    manager: WindowManager, choosers: FixedChoosers, endless: Path, archive: Path
) -> None:
    choosers.archive_path = str(archive)
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(endless)])
    await until(lambda: window.running_jobs() and window.running_jobs()[0].progress.bytes_done > 0)
    window.close()
    await until(lambda: window.findChild(QuestionDialog))
    question = window.findChild(QuestionDialog)
    assert question is not None
    assert [button.text() for button in question.buttons] == ["Keep running", "Cancel jobs and quit"]
    question.reject()
    await until(lambda: not window.findChild(QuestionDialog))
    assert window.isVisible()
    assert window.running_jobs()[0].state is JobState.RUNNING
    assert not manager.ended.is_set()


async def test_closing_can_cancel_the_jobs_and_waits_until_nothing_is_left(
    manager: WindowManager, choosers: FixedChoosers, endless: Path, archive: Path
) -> None:
    choosers.archive_path = str(archive)
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(endless)])
    await until(lambda: window.running_jobs() and window.running_jobs()[0].progress.bytes_done > 0)
    window.close()
    await until(lambda: window.findChild(QuestionDialog))
    question = window.findChild(QuestionDialog)
    assert question is not None
    question.buttons[1].click()
    await until(manager.ended.is_set)
    assert manager.workspace.engine.idle
    assert manager.workspace.engine.snapshots()[0].state is JobState.CANCELLED
    assert list(archive.parent.iterdir()) == []
    assert manager.windows == []


async def test_a_cancelled_first_save_leaves_a_new_archive_to_try_again(
    manager: WindowManager, choosers: FixedChoosers, endless: Path, folder: Path, archive: Path
) -> None:
    choosers.archive_path = str(archive)
    window = manager.new_window()
    drop(window.welcome.drop_area, [str(endless)])
    await until(lambda: window.transfers.isVisible() and window.transfers.cards)
    card = next(iter(window.transfers.cards.values()))
    card.cancel.click()
    await until(lambda: card.snapshot.state is JobState.CANCELLED)
    assert card.outcome.text()
    assert list(archive.parent.iterdir()) == []
    await until(lambda: "new and empty" in window.page.empty_state.title)
    drop(window, [str(folder)])
    await until(lambda: names(window) == ["photos"])


async def test_waiting_for_clean_up_is_seen_and_the_window_stays_until_it_is_over(
    qapp: QApplication, tmp_path: Path
) -> None:
    runner = FakeRunner()
    manager = WindowManager(qapp, runner, PreferenceStore(str(tmp_path / "window.json")))
    window = manager.new_window()
    window.show_new_archive("/a.jcf")
    runner.add()
    window.close()
    await until(lambda: window.findChild(QuestionDialog))
    question = window.findChild(QuestionDialog)
    assert question is not None
    question.buttons[1].click()
    await until(lambda: window.findChild(CancellingOverlay))
    assert runner.calls == [("cancel", 1)]
    assert window.isVisible()
    window.close()  # asking again changes nothing
    assert not manager.ended.is_set()
    runner.change(1, state=JobState.CANCELLED, outcome="Cancelled; the archive is unchanged.")
    await until(manager.ended.is_set)
    await manager.end()


def _nameless(root: QWidget) -> list[str]:
    found = []
    for widget in root.findChildren(QWidget):
        if widget.window() is not root:
            continue  # the list of a combo box is a window of its own
        inner = widget.objectName().startswith("qt_") or widget.parent().__class__.__name__ in {"QSpinBox", "QComboBox"}
        if (
            widget.isHidden()
            or widget.focusPolicy() is Qt.FocusPolicy.NoFocus
            or inner
            or isinstance(widget, QScrollBar | QMenu)
        ):
            continue
        text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
        if not (widget.accessibleName() or text.strip()):
            found.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    return found


async def accept_any(_name: str) -> str:
    return ""


async def test_everything_that_takes_the_focus_has_a_name(manager: WindowManager, folder: Path, archive: Path) -> None:
    await save(manager, archive, folder)
    window = await opened(manager, archive)
    manager.workspace.watch.wake()
    assert window.transfers.cards
    assert _nameless(window) == []
    dialogs = [
        SettingsDialog(JCFConfig(), manager.workspace.preferences.current, FixedChoosers(), window),
        ExtractDialog(
            str(archive), window.session.tree, [], manager.workspace.preferences.current, FixedChoosers(), window
        ),
        AboutDialog([("Kamaros", "1")], window),
        NameDialog("Tag", "a name", "Tag", accept_any, window),
        DiffDialog("old", "new", DiffReport("1", "2", "", (DiffEntry("a", "added", "file"),), 0), window),
    ]
    for dialog in dialogs:
        assert _nameless(dialog) == []
        dialog.done(0)
