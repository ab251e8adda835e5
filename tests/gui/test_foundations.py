from __future__ import annotations

import asyncio
import gc
import re
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QProgressBar
from pytestqt.qtbot import QtBot

from kamaros_gui.ui import event_loop
from kamaros_gui.ui.dialogs import ButtonRole, QuestionDialog, accepted, ask
from kamaros_gui.ui.event_loop import async_slot, spawn
from kamaros_gui.ui.icons import icon, pixmap
from kamaros_gui.ui.latency import LatencyProbe
from kamaros_gui.ui.preferences import PreferenceStore
from kamaros_gui.ui.resources import resource_path
from kamaros_gui.ui.theme import ThemeManager, is_dark
from tests.gui.support import until

RESOURCES = Path(resource_path("icons")).parent


class Button(QObject):
    clicked = Signal(bool)
    sized = Signal(object)


class Receiver(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.got: list[object] = []

    @async_slot
    async def on_click(self) -> None:
        await asyncio.sleep(0)
        self.got.append("click")

    @async_slot
    async def on_size(self, size: int) -> None:
        self.got.append(size)

    @async_slot
    async def on_failure(self) -> None:
        raise ValueError("on purpose")


async def test_async_slots_take_what_they_can_use_of_a_signal() -> None:
    button, receiver = Button(), Receiver()
    button.clicked.connect(receiver.on_click)
    button.sized.connect(receiver.on_size)
    button.clicked.emit(True)  # noqa: FBT003  # a signal takes values by position
    button.sized.emit(5 * 1024**4)
    gc.collect()  # a task nobody holds would be collected here
    await until(lambda: len(receiver.got) == 2)
    assert sorted(map(str, receiver.got)) == [str(5 * 1024**4), "click"]


async def test_what_goes_wrong_in_a_slot_reaches_the_handler() -> None:
    seen: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    event_loop.set_error_handler(seen.set_result)
    try:
        Receiver().on_failure()
        async with asyncio.timeout(5):
            assert str(await seen) == "on purpose"
    finally:
        event_loop.set_error_handler(None)


async def test_a_dialog_is_awaited_while_other_tasks_go_on(qtbot: QtBot) -> None:
    dialog = QDialog()
    qtbot.addWidget(dialog)
    ticks: list[int] = []

    async def tick() -> None:
        for number in range(20):
            ticks.append(number)
            await asyncio.sleep(0.001)
        dialog.accept()

    ticking = spawn(tick())
    async with asyncio.timeout(5):
        assert await accepted(dialog)
        await ticking
    assert len(ticks) == 20


async def test_a_dialog_that_is_cancelled_does_not_stay_behind(qtbot: QtBot) -> None:
    dialog = QDialog()
    qtbot.addWidget(dialog)
    task = spawn(accepted(dialog))
    await asyncio.sleep(0.01)
    assert dialog.isVisible()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not dialog.isVisible()


@pytest.mark.parametrize(("act", "answer"), [("first", 0), ("second", 1), ("escape", 2)])
async def test_a_question_gives_the_answer_that_was_pressed(qtbot: QtBot, act: str, answer: int) -> None:
    parent = QLabel()
    qtbot.addWidget(parent)
    parent.show()
    roles = [("A", ButtonRole.AcceptRole), ("B", ButtonRole.AcceptRole), ("C", ButtonRole.RejectRole)]
    asking = spawn(ask(parent, "Which?", "This or that.", roles))
    await until(lambda: parent.findChild(QuestionDialog))
    dialog = parent.findChild(QuestionDialog)
    assert dialog is not None
    if act == "escape":
        dialog.reject()
    else:
        dialog.buttons[answer].click()
    async with asyncio.timeout(5):
        assert await asking == answer


def test_widget_calls_lose_no_references_to_none(qtbot: QtBot) -> None:
    bar, label = QProgressBar(), QLabel()
    qtbot.addWidget(bar)
    qtbot.addWidget(label)
    before = sys.getrefcount(None)
    for number in range(1000):
        bar.setValue(number % 100)
        label.setText("text")
        label.setVisible(False)
    assert abs(sys.getrefcount(None) - before) < 500


def test_every_line_icon_takes_the_colour_it_is_given() -> None:
    files = sorted((RESOURCES / "icons").glob("*.svg"))
    assert len(files) > 30
    for file in files:
        if file.stem == "kamaros":
            continue
        text = file.read_text()
        assert 'stroke="currentColor"' in text, file
        assert 'viewBox="0 0 24 24"' in text, file
        image = pixmap(file.stem, 24, QColor("#ff0000"), 2.0).toImage()
        assert image.size() == QSize(48, 48)
        pixels = [image.pixelColor(x, y) for x in range(48) for y in range(48)]
        painted = {colour.name() for colour in pixels if colour.alpha() > 250}
        assert painted == {"#ff0000"}, file
        twice = icon(file.stem).pixmap(QSize(20, 20), 2.0)
        assert (twice.size(), twice.devicePixelRatio()) == (QSize(40, 40), 2.0), file


def test_every_icon_named_in_the_source_exists() -> None:
    source = "".join(file.read_text() for file in (Path(event_loop.__file__).parent).glob("*.py"))
    names = set(re.findall(r'\bicon\("([a-z-]+)"', source)) | set(re.findall(r'IconLabel\("([a-z-]+)"', source))
    names |= set(re.findall(r'flat_button\("([a-z-]+)"', source))
    assert len(names) > 15
    for name in names:
        assert not icon(name).isNull()


def test_light_and_dark_change_every_window_at_once(qapp: QApplication) -> None:
    themes = ThemeManager(qapp)
    try:
        themes.apply("dark")
        assert is_dark(qapp.palette())
        dark = icon("archive").pixmap(24, 24).toImage()
        themes.apply("light")
        assert not is_dark(qapp.palette())
        assert icon("archive").pixmap(24, 24).toImage() != dark
    finally:
        themes.apply("system")
        themes.deleteLater()


def test_preferences_survive_a_restart_and_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "window.json"
    store = PreferenceStore(str(path))
    store.update(theme="dark")
    for number in range(15):
        store.note_archive(f"/x/{number}.jcf")
    store.note_archive("/x/12.jcf")
    store.close()
    again = PreferenceStore(str(path))
    assert again.current.theme == "dark"
    assert again.current.recent_archives[:2] == ("/x/12.jcf", "/x/14.jcf")
    assert len(again.current.recent_archives) == 10
    again.forget_archive("/x/12.jcf")
    again.close()
    path.write_text('{"theme": "plaid"')
    damaged = PreferenceStore(str(path))
    assert damaged.current.theme == "system"
    damaged.close()


def test_desktop_and_mime_files_are_well_formed() -> None:
    desktop = (RESOURCES / "org.kamaros.Kamaros.desktop").read_text()
    assert "Exec=kamaros-gui %F" in desktop
    assert "application/x-jcf" in desktop
    root = ET.fromstring((RESOURCES / "org.kamaros.Kamaros.xml").read_text())  # noqa: S314  # our own file
    namespace = "{http://www.freedesktop.org/standards/shared-mime-info}"
    assert [pattern.get("pattern") for pattern in root.iter(f"{namespace}glob")] == ["*.jcf"]


async def test_the_latency_probe_sees_a_stall(tmp_path: Path) -> None:
    probe = LatencyProbe(str(tmp_path / "latency.json"))
    await asyncio.sleep(0.05)
    time.sleep(0.08)  # noqa: ASYNC251  # the stall itself
    await asyncio.sleep(0.02)
    assert probe.summary()["worst_ms"] >= 75
    assert probe.summary()["over_50_ms"] >= 1
    probe.finish()
    assert "p99.9_ms" in (tmp_path / "latency.json").read_text()
