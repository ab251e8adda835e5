"""The settings of the engine and of the window, checked while they are edited."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.config import CODECS, JCFConfig, available_cpus, format_size, parse_size
from kamaros_gui.base.errors import ConfigError
from kamaros_gui.base.limits import (
    DEFLATE_BLOCK_SIZE,
    MAX_CHUNK_SIZE,
    MIN_CHUNK_SIZE,
    READ_SLAB,
    TEE_BOUND,
    WRITE_BATCH,
)
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.event_loop import async_slot
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.preferences import Preferences
from kamaros_gui.ui.row_delegate import RowDelegate
from kamaros_gui.ui.widgets import flat_button, heading, muted_label, plain_buttons

__all__ = ["SettingsDialog", "memory_bound"]

_BLOCKS_PER_WORKER = 4
"""A block being read, one being compressed, its result, and one waiting."""
_CHUNKS_IN_FLIGHT = 8
"""Two per stage: source, tee, codec, writer."""


def memory_bound(chunk_size: int, workers: int) -> int:
    """Return the bytes of content a save holds at most with these settings."""
    block = max(chunk_size, DEFLATE_BLOCK_SIZE)
    return READ_SLAB + WRITE_BATCH + TEE_BOUND + _CHUNKS_IN_FLIGHT * chunk_size + _BLOCKS_PER_WORKER * block * workers


class SettingsDialog(QDialog):
    """Edits a ``JCFConfig`` and the preferences. Nothing takes effect before OK.

    Args:
        config: settings of the engine to begin with.
        preferences: preferences to begin with.
        choosers: asks for a folder.
        parent: window it belongs to.
    """

    def __init__(
        self, config: JCFConfig, preferences: Preferences, choosers: Choosers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._initial = config
        self._choosers = choosers
        self.setWindowTitle(self.tr("Settings"))
        self.pages = QListWidget()
        self.pages.setAccessibleName(self.tr("Pages"))
        self.pages.setIconSize(QSize(18, 18))
        self.pages.setFixedWidth(170)
        self.pages.setSpacing(2)
        self.pages.setItemDelegate(RowDelegate(self.pages))
        self._stack = QStackedWidget()
        self._make_compression_page()
        self._make_performance_page()
        self._make_saving_page()
        self._make_window_page()
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setAccessibleName(self.tr("What is not acceptable"))
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.RestoreDefaults
        )
        self._lay_out()
        self.show_config(config)
        self.show_preferences(preferences)
        self._connect()

    # ------------------------------------------------------------------------------------------- pages

    def _make_compression_page(self) -> None:
        self.codec = QComboBox()
        self.codec.addItem(self.tr("Deflate – opens everywhere"), "deflate")
        self.codec.addItem(self.tr("Zstandard – smaller and faster"), "zstd")
        self.codec.addItem(self.tr("Store – no compression"), "store")
        self.codec_text = muted_label(wrap=True)
        self.level = QSlider(Qt.Orientation.Horizontal)
        self.level.setPageStep(1)
        self.level.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.level_text = QLabel()
        self.level_text.setMinimumWidth(120)
        self.level.setToolTip(self.tr("A higher level makes smaller archives and takes longer to save."))
        form = self._add_page("archive", self.tr("Compression"), self.tr("How content is packed."))
        _row(form, self.tr("&Codec"), self.codec, self.codec_text)
        _row(form, self.tr("&Level"), _beside(self.level, self.level_text))

    def _make_performance_page(self) -> None:
        self.chunk_slider = QSlider(Qt.Orientation.Horizontal)
        self.chunk_slider.setRange(MIN_CHUNK_SIZE.bit_length() - 1, MAX_CHUNK_SIZE.bit_length() - 1)
        self.chunk_slider.setPageStep(1)
        self.chunk_slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.chunk_slider.setTickInterval(1)
        self.chunk_field = QLineEdit()
        self.chunk_field.setFixedWidth(100)
        self.chunk_field.setToolTip(self.tr("A power of two from 4 KiB to 16 MiB, for example 64K or 1M."))
        self.memory_text = muted_label(wrap=True)
        self.workers = QSpinBox()
        self.workers.setRange(0, 64)
        self.workers.setSpecialValueText(self.tr("Automatic ({})").format(available_cpus()))
        self.workers.setFixedWidth(160)
        self.workers.setToolTip(self.tr("Threads that hash and compress. More than there are processors do not help."))
        form = self._add_page("transfers", self.tr("Performance"), self.tr("How content flows."))
        _row(form, self.tr("C&hunk size"), _beside(self.chunk_slider, self.chunk_field), self.memory_text)
        _row(
            form,
            self.tr("&Workers"),
            self.workers,
            muted_label(self.tr("Automatic uses one for each processor this program may use."), wrap=True),
        )

    def _make_saving_page(self) -> None:
        self.verify = QComboBox()
        self.verify.addItem(self.tr("Off"), "off")
        self.verify.addItem(self.tr("Fast – directory and CRC-32 of what was written"), "fast")
        self.verify.addItem(self.tr("Full – SHA-256 of what was written"), "full")
        self.verify.setToolTip(self.tr("Reads back what was written before the save counts as done."))
        self.reread = QCheckBox(self.tr("&Read files again that look unchanged"))
        self.reread.setToolTip(
            self.tr("Off: a file with the same size, times and inode as recorded is taken for unchanged, unread.")
        )
        form = self._add_page("verify", self.tr("Saving"), self.tr("How careful a save is."))
        _row(
            form,
            self.tr("&Verify after save"),
            self.verify,
            muted_label(self.tr("Takes about as long as reading the new content once more."), wrap=True),
        )
        _row(
            form,
            "",
            self.reread,
            muted_label(
                self.tr("Finds changes that kept size and time as they were; every save then reads everything."),
                wrap=True,
            ),
        )

    def _make_window_page(self) -> None:
        self.theme = QComboBox()
        self.theme.addItem(self.tr("As the system"), "system")
        self.theme.addItem(self.tr("Light"), "light")
        self.theme.addItem(self.tr("Dark"), "dark")
        self.default_folder = QLineEdit()
        self.default_folder.setPlaceholderText(self.tr("The folder used last"))
        self.default_folder.setClearButtonEnabled(True)
        choose = flat_button("open", self.tr("Choose a folder"))
        choose.clicked.connect(self._choose_folder)
        form = self._add_page("settings", self.tr("Window"), self.tr("How the program looks and where it begins."))
        _row(form, self.tr("&Theme"), self.theme)
        _row(form, self.tr("&New archives go to"), _beside(self.default_folder, choose))

    def _add_page(self, icon_name: str, title: str, text: str) -> QGridLayout:
        self.pages.addItem(QListWidgetItem(icon(icon_name), title))
        # A form layout does not give wrapped text its height; a grid does.
        form = QGridLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(4)
        form.setColumnStretch(1, 1)
        form.setColumnMinimumWidth(0, 120)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(18, 4, 4, 4)
        layout.setSpacing(2)
        layout.addWidget(heading(title, 1.25))
        layout.addWidget(muted_label(text))
        layout.addSpacing(16)
        layout.addLayout(form)
        layout.addStretch(1)
        self._stack.addWidget(page)
        return form

    def _lay_out(self) -> None:
        self.pages.setCurrentRow(0)
        middle = QHBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(self.pages)
        middle.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        layout.addLayout(middle, 1)
        layout.addWidget(self.problem)
        layout.addWidget(self.buttons)
        self.setMinimumSize(720, 420)
        plain_buttons(self.buttons)
        names = (
            (self.codec, self.tr("Codec")),
            (self.level, self.tr("Level")),
            (self.chunk_slider, self.tr("Chunk size")),
            (self.chunk_field, self.tr("Chunk size in words")),
            (self.workers, self.tr("Workers")),
            (self.verify, self.tr("Verify after save")),
            (self.reread, self.tr("Read files again that look unchanged")),
            (self.theme, self.tr("Theme")),
            (self.default_folder, self.tr("Folder of new archives")),
        )
        for widget, name in names:
            widget.setAccessibleName(name)

    def _connect(self) -> None:
        self.pages.currentRowChanged.connect(self._stack.setCurrentIndex)
        self.codec.currentIndexChanged.connect(lambda _index: self._show_codec(None))
        self.level.valueChanged.connect(lambda _value: self._check())
        self.chunk_slider.valueChanged.connect(lambda power: self.chunk_field.setText(format_size(1 << power)))
        self.chunk_field.textChanged.connect(lambda _text: self._follow_chunk_field())
        self.workers.valueChanged.connect(lambda _value: self._check())
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        defaults = self.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        defaults.setToolTip(self.tr("Puts the values of this page back to what they were at first"))
        defaults.clicked.connect(self.restore_defaults)

    # ------------------------------------------------------------------------------------------ values

    def show_config(self, config: JCFConfig) -> None:
        """Fill in *config*."""
        self.codec.setCurrentIndex(self.codec.findData(config.codec))
        self._show_codec(config.level)
        self.chunk_field.setText(format_size(config.chunk_size))
        self._follow_chunk_field()
        self.workers.setValue(config.workers)
        self.verify.setCurrentIndex(self.verify.findData(config.verify_after_save))
        self.reread.setChecked(config.reread_unchanged)
        self._check()

    def show_preferences(self, preferences: Preferences) -> None:
        """Fill in *preferences*."""
        self.theme.setCurrentIndex(self.theme.findData(preferences.theme))
        self.default_folder.setText(preferences.default_folder)

    def config(self) -> JCFConfig:
        """Return the settings as edited.

        Raises:
            ConfigError: a value is not acceptable.
        """
        codec = self.codec.currentData()
        level = self.level.value() if codec != "store" else None
        return self._initial.replace(
            chunk_size=parse_size(self.chunk_field.text()),
            codec=codec,
            level=None if level == CODECS[codec][2] else level,
            workers=self.workers.value(),
            verify_after_save=self.verify.currentData(),
            reread_unchanged=self.reread.isChecked(),
        )

    def preference_changes(self) -> dict[str, str]:
        """Return the preferences as edited, field → value."""
        return {"theme": self.theme.currentData(), "default_folder": self.default_folder.text().strip()}

    def restore_defaults(self) -> None:
        """Put the fields of the shown page back to their defaults."""
        usual = JCFConfig()
        match self.pages.currentRow():
            case 0:
                self.codec.setCurrentIndex(self.codec.findData(usual.codec))
                self._show_codec(usual.level)
            case 1:
                self.chunk_field.setText(format_size(usual.chunk_size))
                self.workers.setValue(usual.workers)
            case 2:
                self.verify.setCurrentIndex(self.verify.findData(usual.verify_after_save))
                self.reread.setChecked(usual.reread_unchanged)
            case _:
                self.show_preferences(Preferences())
        self._check()

    # ------------------------------------------------------------------------------------- consequences

    def _show_codec(self, level: int | None) -> None:
        codec = self.codec.currentData()
        lowest, highest, usual = CODECS[codec]
        self.level.setEnabled(codec != "store")
        self.level.setRange(lowest, highest)
        self.level.setValue(usual if level is None else level)
        self.codec_text.setText(
            {
                "deflate": self.tr("The method every ZIP program reads, the file manager's too."),
                "zstd": self.tr("ZIP method 93. Needs Kamaros or 7-Zip to open; others list the files only."),
                "store": self.tr("Files as they are: fastest, and right for what is compressed already."),
            }[codec]
        )
        self._check()

    def _follow_chunk_field(self) -> None:
        try:
            size = parse_size(self.chunk_field.text())
        except ConfigError:
            size = 0
        if size and not size & (size - 1) and MIN_CHUNK_SIZE <= size <= MAX_CHUNK_SIZE:
            # What is being typed stays as it is typed: the slider follows without writing back.
            with QSignalBlocker(self.chunk_slider):
                self.chunk_slider.setValue(size.bit_length() - 1)
        self._check()

    def _check(self) -> None:
        codec = self.codec.currentData()
        if codec == "store":
            self.level_text.setText(self.tr("not used"))
        else:
            self.level_text.setText(f"{self.level.value()} – {self._level_word()}")
        try:
            config = self.config()
        except ConfigError as error:
            self.problem.setText(str(error))
            self.memory_text.setText("")
        else:
            self.problem.setText("")
            bound = memory_bound(config.chunk_size, config.effective_workers)
            self.memory_text.setText(
                self.tr("A save holds at most about {} of content in memory, whatever the size of the files.").format(
                    format_size(round(bound, -5) if bound < 1 << 20 else bound)
                )
            )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not self.problem.text())

    def _level_word(self) -> str:
        lowest, highest, usual = CODECS[self.codec.currentData()]
        level = self.level.value()
        if level == usual:
            return self.tr("balanced")
        if level < usual:
            return self.tr("fastest") if level == lowest else self.tr("fast")
        return self.tr("smallest") if level == highest else self.tr("small, slower")

    @async_slot
    async def _choose_folder(self) -> None:
        title = self.tr("Where new archives go")
        folder = await self._choosers.choose_folder(self, title, self.default_folder.text())
        if folder:
            self.default_folder.setText(folder)


def _row(form: QGridLayout, label: str, field: QWidget | QHBoxLayout, text: QLabel | None = None) -> None:
    row = form.rowCount()
    caption = QLabel(label)
    form.addWidget(caption, row, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if isinstance(field, QWidget):
        caption.setBuddy(field)
        form.addWidget(
            field, row, 1, Qt.AlignmentFlag.AlignLeft if isinstance(field, QSpinBox) else Qt.AlignmentFlag(0)
        )
    else:
        first = field.itemAt(0)
        widget = first.widget() if first is not None else None
        if widget is not None:
            caption.setBuddy(widget)
        form.addLayout(field, row, 1)
    if text is not None:
        form.addWidget(text, row + 1, 1)
    form.setRowMinimumHeight(form.rowCount(), 12)


def _beside(first: QWidget, second: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(10)
    line.addWidget(first, 1)
    line.addWidget(second)
    return line
