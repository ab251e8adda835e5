from __future__ import annotations

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.limits import KIB, MIB
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.memory import memory_bound
from kamaros_gui.ui.preferences import Preferences
from kamaros_gui.ui.settings_dialog import SettingsDialog


def make(qtbot: QtBot, config: JCFConfig | None = None, preferences: Preferences | None = None) -> SettingsDialog:
    dialog = SettingsDialog(config or JCFConfig(), preferences or Preferences(), Choosers())
    qtbot.addWidget(dialog)
    return dialog


def ok_enabled(dialog: SettingsDialog) -> bool:
    return dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()


def test_what_goes_in_comes_out(qtbot: QtBot) -> None:
    config = JCFConfig(
        chunk_size=2 * MIB,
        codec="zstd",
        level=11,
        workers=3,
        verify_after_save="full",
        reread_unchanged=True,
        auto_compact=False,
    )
    assert make(qtbot, config).config() == config
    assert make(qtbot).config() == JCFConfig()


def test_settings_it_does_not_show_are_kept(qtbot: QtBot) -> None:
    assert make(qtbot, JCFConfig(snapshot_interval=7)).config().snapshot_interval == 7


def test_what_compacting_by_itself_costs_is_said(qtbot: QtBot) -> None:
    dialog = make(qtbot)
    box = dialog.saving.auto_compact
    assert box.isChecked()
    assert "64 MiB" in box.toolTip()
    assert "30 %" in box.toolTip()


def test_the_range_of_levels_follows_the_codec(qtbot: QtBot) -> None:
    dialog = make(qtbot)
    level = dialog.compression.level
    assert (level.minimum(), level.maximum(), level.value()) == (1, 9, 6)
    dialog.compression.codec.setCurrentIndex(dialog.compression.codec.findData("zstd"))
    assert (level.minimum(), level.maximum(), level.value()) == (1, 19, 3)
    assert "7-Zip" in dialog.compression.codec_text.text()
    level.setValue(19)
    assert "smallest" in dialog.compression.level_text.text()
    dialog.compression.codec.setCurrentIndex(dialog.compression.codec.findData("store"))
    assert not level.isEnabled()
    assert dialog.config().level is None


@pytest.mark.parametrize(
    ("text", "word"),
    [("100", "power of two"), ("3K", "power of two"), ("32M", "16 MiB"), ("x", "not a size"), ("", "not a size")],
)
def test_a_bad_chunk_size_is_named_and_ok_is_refused(qtbot: QtBot, text: str, word: str) -> None:
    dialog = make(qtbot)
    dialog.performance.chunk_field.setText(text)
    assert word in dialog.problem.text()
    assert not ok_enabled(dialog)
    dialog.performance.chunk_field.setText("1M")
    assert dialog.problem.text() == ""
    assert ok_enabled(dialog)
    assert dialog.config().chunk_size == MIB


def test_slider_and_field_go_together_and_memory_follows(qtbot: QtBot) -> None:
    dialog = make(qtbot)
    before = dialog.performance.memory_text.text()
    dialog.performance.chunk_slider.setValue(dialog.performance.chunk_slider.maximum())
    assert dialog.performance.chunk_field.text() == "16 MiB"
    assert dialog.performance.memory_text.text() != before
    dialog.performance.chunk_field.setText("4K")
    assert dialog.performance.chunk_slider.value() == dialog.performance.chunk_slider.minimum()
    assert dialog.performance.chunk_field.text() == "4K"
    assert memory_bound(16 * MIB, 2) > memory_bound(4 * KIB, 2)


def test_defaults_are_restored_for_the_shown_page_only(qtbot: QtBot) -> None:
    dialog = make(qtbot, JCFConfig(chunk_size=MIB, codec="zstd", level=7, workers=5), Preferences(theme="dark"))
    dialog.pages.setCurrentRow(0)
    dialog.restore_defaults()
    assert dialog.config() == JCFConfig(chunk_size=MIB, workers=5)
    dialog.pages.setCurrentRow(1)
    dialog.restore_defaults()
    assert dialog.config() == JCFConfig()
    assert dialog.preference_changes()["theme"] == "dark"
    dialog.pages.setCurrentRow(3)
    dialog.restore_defaults()
    assert dialog.preference_changes() == {"theme": "system", "default_folder": ""}
