"""The pages of the settings: each shows some of the values, says what they mean, and gives them back as edited."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.config import CODECS, JCFConfig, available_cpus, format_size, parse_size
from kamaros_gui.base.errors import ConfigError
from kamaros_gui.base.limits import MAX_CHUNK_SIZE, MIN_CHUNK_SIZE
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.memory import memory_bound
from kamaros_gui.ui.preferences import Preferences
from kamaros_gui.ui.widgets import flat_button, heading, muted_label

__all__ = ["CompressionPage", "PerformancePage", "SavingPage", "SettingsPage", "WindowPage"]


class SettingsPage(QWidget):
    """A titled page of captions and fields.

    Signals:
        edited: a value is another one.

    Args:
        icon_name: picture in the list of pages.
        title: name of the page.
        text: one line about it.
    """

    edited = Signal()

    def __init__(self, icon_name: str, title: str, text: str) -> None:
        super().__init__()
        self.icon_name, self.title = icon_name, title
        # A form layout does not give wrapped text its height; a grid does.
        self._form = QGridLayout()
        self._form.setHorizontalSpacing(14)
        self._form.setVerticalSpacing(4)
        self._form.setColumnStretch(1, 1)
        self._form.setColumnMinimumWidth(0, 120)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 4, 4, 4)
        layout.setSpacing(2)
        layout.addWidget(heading(title, 1.25))
        layout.addWidget(muted_label(text))
        layout.addSpacing(16)
        layout.addLayout(self._form)
        layout.addStretch(1)

    def add_row(self, caption: str, *fields: QWidget, name: str, text: str | QLabel = "") -> None:
        """Add a caption, its fields side by side, and an explanation below; *name* is what a screen reader says."""
        row = self._form.rowCount()
        label = QLabel(caption)
        label.setBuddy(fields[0])
        fields[0].setAccessibleName(name)
        line = QHBoxLayout()
        line.setSpacing(10)
        for field in fields:
            # What has a width of its own keeps it.
            line.addWidget(field, 0 if field.maximumWidth() == field.minimumWidth() else 1)
        if fields[-1].maximumWidth() == fields[-1].minimumWidth() and len(fields) == 1:
            line.addStretch(1)
        self._form.addWidget(label, row, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._form.addLayout(line, row, 1)
        if text:
            self._form.addWidget(text if isinstance(text, QLabel) else muted_label(text, wrap=True), row + 1, 1)
        self._form.setRowMinimumHeight(self._form.rowCount(), 12)


class CompressionPage(SettingsPage):
    """Codec and level."""

    def __init__(self) -> None:
        super().__init__("archive", _tr("Compression"), _tr("How content is packed."))
        self.codec = QComboBox()
        self.codec.addItem(self.tr("Deflate – opens everywhere"), "deflate")
        self.codec.addItem(self.tr("Zstandard – smaller and faster"), "zstd")
        self.codec.addItem(self.tr("Store – no compression"), "store")
        self.codec_text = muted_label(wrap=True)
        self.level = QSlider(Qt.Orientation.Horizontal)
        self.level.setPageStep(1)
        self.level.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.level.setToolTip(self.tr("A higher level makes smaller archives and takes longer to save."))
        self.level_text = QLabel()
        self.level_text.setFixedWidth(120)
        self.add_row(self.tr("&Codec"), self.codec, name=self.tr("Codec"), text=self.codec_text)
        self.add_row(self.tr("&Level"), self.level, self.level_text, name=self.tr("Level"))
        self.codec.currentIndexChanged.connect(lambda _index: self._show_codec(None))
        self.level.valueChanged.connect(lambda _value: self._on_level())

    def show_config(self, config: JCFConfig) -> None:
        """Fill in the page's share of *config*."""
        self.codec.setCurrentIndex(self.codec.findData(config.codec))
        self._show_codec(config.level)

    def values(self) -> dict[str, Any]:
        """Return the fields of ``JCFConfig`` as edited."""
        codec = self.codec.currentData()
        level = self.level.value()
        return {"codec": codec, "level": None if codec == "store" or level == CODECS[codec][2] else level}

    def _show_codec(self, level: int | None) -> None:
        codec = self.codec.currentData()
        lowest, highest, usual = CODECS[codec]
        self.level.setEnabled(codec != "store")
        with QSignalBlocker(self.level):
            self.level.setRange(lowest, highest)
            self.level.setValue(usual if level is None else level)
        self.codec_text.setText(
            {
                "deflate": self.tr("The method every ZIP program reads, the file manager's too."),
                "zstd": self.tr("ZIP method 93. Needs Kamaros or 7-Zip to open; others list the files only."),
                "store": self.tr("Files as they are: fastest, and right for what is compressed already."),
            }[codec]
        )
        self._on_level()

    def _on_level(self) -> None:
        if self.codec.currentData() == "store":
            self.level_text.setText(self.tr("not used"))
        else:
            self.level_text.setText(f"{self.level.value()} – {self._level_word()}")
        self.edited.emit()

    def _level_word(self) -> str:
        lowest, highest, usual = CODECS[self.codec.currentData()]
        level = self.level.value()
        if level == usual:
            return self.tr("balanced")
        if level < usual:
            return self.tr("fastest") if level == lowest else self.tr("fast")
        return self.tr("smallest") if level == highest else self.tr("small, slower")


class PerformancePage(SettingsPage):
    """Chunk size and workers, and the memory that follows from them."""

    def __init__(self) -> None:
        super().__init__("transfers", _tr("Performance"), _tr("How content flows."))
        self.chunk_slider = QSlider(Qt.Orientation.Horizontal)
        self.chunk_slider.setRange(MIN_CHUNK_SIZE.bit_length() - 1, MAX_CHUNK_SIZE.bit_length() - 1)
        self.chunk_slider.setPageStep(1)
        self.chunk_slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.chunk_slider.setTickInterval(1)
        self.chunk_field = QLineEdit()
        self.chunk_field.setFixedWidth(100)
        self.chunk_field.setAccessibleName(self.tr("Chunk size in words"))
        self.chunk_field.setToolTip(self.tr("A power of two from 4 KiB to 16 MiB, for example 64K or 1M."))
        self.memory_text = muted_label(wrap=True)
        self.workers = QSpinBox()
        self.workers.setRange(0, 64)
        self.workers.setSpecialValueText(self.tr("Automatic ({})").format(available_cpus()))
        self.workers.setFixedWidth(160)
        self.workers.setToolTip(self.tr("Threads that hash and compress. More than there are processors do not help."))
        chunk = self.tr("Chunk size")
        self.add_row(self.tr("C&hunk size"), self.chunk_slider, self.chunk_field, name=chunk, text=self.memory_text)
        text = self.tr("Automatic uses one for each processor this program may use.")
        self.add_row(self.tr("&Workers"), self.workers, name=self.tr("Workers"), text=text)
        self.chunk_slider.valueChanged.connect(lambda power: self.chunk_field.setText(format_size(1 << power)))
        self.chunk_field.textChanged.connect(lambda _text: self._follow_chunk_field())
        self.workers.valueChanged.connect(lambda _value: self.edited.emit())

    def show_config(self, config: JCFConfig) -> None:
        """Fill in the page's share of *config*."""
        self.chunk_field.setText(format_size(config.chunk_size))
        self.workers.setValue(config.workers)

    def values(self) -> dict[str, Any]:
        """Return the fields of ``JCFConfig`` as edited.

        Raises:
            ConfigError: what was typed is not a size.
        """
        return {"chunk_size": parse_size(self.chunk_field.text()), "workers": self.workers.value()}

    def show_consequences(self, config: JCFConfig | None) -> None:
        """Say what *config* costs; nothing for settings that can't be used."""
        text = ""
        if config is not None:
            bound = format_size(-(-memory_bound(config.chunk_size, config.effective_workers) >> 20) << 20)
            text = self.tr(
                "A save holds at most about {} of content in memory, whatever the size of the files. The program itself"
                " comes on top."
            ).format(bound)
        self.memory_text.setText(text)

    def _follow_chunk_field(self) -> None:
        try:
            size = parse_size(self.chunk_field.text())
        except ConfigError:
            size = 0
        if size and not size & (size - 1) and MIN_CHUNK_SIZE <= size <= MAX_CHUNK_SIZE:
            # What is being typed stays as it is typed: the slider follows without writing back.
            with QSignalBlocker(self.chunk_slider):
                self.chunk_slider.setValue(size.bit_length() - 1)
        self.edited.emit()


class SavingPage(SettingsPage):
    """How careful a save is."""

    def __init__(self) -> None:
        super().__init__("verify", _tr("Saving"), _tr("How careful a save is."))
        self.verify = QComboBox()
        self.verify.addItem(self.tr("Off"), "off")
        self.verify.addItem(self.tr("Fast – directory and CRC-32 of what was written"), "fast")
        self.verify.addItem(self.tr("Full – SHA-256 of what was written"), "full")
        self.verify.setToolTip(self.tr("Reads back what was written before the save counts as done."))
        self.reread = QCheckBox(self.tr("&Read files again that look unchanged"))
        self.reread.setToolTip(
            self.tr("Off: a file with the same size, times and inode as recorded is taken for unchanged, unread.")
        )
        text = self.tr("Takes about as long as reading the new content once more.")
        self.add_row(self.tr("&Verify after save"), self.verify, name=self.tr("Verify after save"), text=text)
        text = self.tr("Finds changes that kept size and time as they were; every save then reads everything.")
        self.add_row("", self.reread, name=self.tr("Read files again that look unchanged"), text=text)
        self.auto_compact = QCheckBox(self.tr("&Compact by itself"))
        self.auto_compact.setToolTip(
            self.tr(
                "After a save, once 64 MiB and 30 % of the archive are dead space: what is in use is copied into a new"
                " file, so that save takes longer and needs room for a copy. Off: only when you ask for it."
            )
        )
        text = self.tr("Gives the space back that no version uses any more, when there is much of it.")
        self.add_row("", self.auto_compact, name=self.tr("Compact by itself"), text=text)

    def show_config(self, config: JCFConfig) -> None:
        """Fill in the page's share of *config*."""
        self.verify.setCurrentIndex(self.verify.findData(config.verify_after_save))
        self.reread.setChecked(config.reread_unchanged)
        self.auto_compact.setChecked(config.auto_compact)

    def values(self) -> dict[str, Any]:
        """Return the fields of ``JCFConfig`` as edited."""
        return {
            "verify_after_save": self.verify.currentData(),
            "reread_unchanged": self.reread.isChecked(),
            "auto_compact": self.auto_compact.isChecked(),
        }


class WindowPage(SettingsPage):
    """Theme and folders.

    Args:
        choosers: asks for a folder.
    """

    def __init__(self, choosers: Choosers) -> None:
        super().__init__("settings", _tr("Window"), _tr("How the program looks and where it begins."))
        self._choosers = choosers
        self.theme = QComboBox()
        self.theme.addItem(self.tr("As the system"), "system")
        self.theme.addItem(self.tr("Light"), "light")
        self.theme.addItem(self.tr("Dark"), "dark")
        self.default_folder = QLineEdit()
        self.default_folder.setPlaceholderText(self.tr("The folder used last"))
        self.default_folder.setClearButtonEnabled(True)
        choose = flat_button("open", self.tr("Choose a folder"))
        choose.setFixedWidth(choose.sizeHint().width())
        choose.clicked.connect(self._choose_folder)
        self.add_row(self.tr("&Theme"), self.theme, name=self.tr("Theme"))
        name = self.tr("Folder of new archives")
        self.add_row(self.tr("&New archives go to"), self.default_folder, choose, name=name)

    def show_preferences(self, preferences: Preferences) -> None:
        """Fill in *preferences*."""
        self.theme.setCurrentIndex(self.theme.findData(preferences.theme))
        self.default_folder.setText(preferences.default_folder)

    def values(self) -> dict[str, str]:
        """Return the preferences as edited, field → value."""
        return {"theme": self.theme.currentData(), "default_folder": self.default_folder.text().strip()}

    @async_slot
    async def _choose_folder(self) -> None:
        title = self.tr("Where new archives go")
        folder = await self._choosers.choose_folder(self, title, self.default_folder.text())
        if folder:
            self.default_folder.setText(folder)


def _tr(text: str) -> str:
    return QCoreApplication.translate("SettingsPages", text)
