"""The settings of the engine and of the window, checked while they are edited."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.errors import ConfigError
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.preferences import Preferences
from kamaros_gui.ui.row_delegate import RowDelegate
from kamaros_gui.ui.settings_pages import CompressionPage, PerformancePage, SavingPage, SettingsPage, WindowPage
from kamaros_gui.ui.widgets import plain_buttons

__all__ = ["SettingsDialog"]


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
        self.setWindowTitle(self.tr("Settings"))
        self.compression = CompressionPage()
        self.performance = PerformancePage()
        self.saving = SavingPage()
        self.looks = WindowPage(choosers)
        self.pages = QListWidget()
        self._stack = QStackedWidget()
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
        self.compression.show_config(config)
        self.performance.show_config(config)
        self.saving.show_config(config)
        self.looks.show_preferences(preferences)
        self._connect()
        self._check()

    def _lay_out(self) -> None:
        self.pages.setAccessibleName(self.tr("Pages"))
        self.pages.setIconSize(QSize(18, 18))
        self.pages.setFixedWidth(170)
        self.pages.setSpacing(2)
        self.pages.setItemDelegate(RowDelegate(self.pages))
        pages: tuple[SettingsPage, ...] = (self.compression, self.performance, self.saving, self.looks)
        for page in pages:
            self.pages.addItem(QListWidgetItem(icon(page.icon_name), page.title))
            self._stack.addWidget(page)
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

    def _connect(self) -> None:
        self.pages.currentRowChanged.connect(self._stack.setCurrentIndex)
        self.compression.edited.connect(self._check)
        self.performance.edited.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        defaults = self.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        defaults.setToolTip(self.tr("Puts the values of this page back to what they were at first"))
        defaults.clicked.connect(self.restore_defaults)

    def config(self) -> JCFConfig:
        """Return the settings as edited.

        Raises:
            ConfigError: a value is not acceptable.
        """
        values = self.compression.values() | self.performance.values() | self.saving.values()
        return self._initial.replace(**values)

    def preference_changes(self) -> dict[str, str]:
        """Return the preferences as edited, field → value."""
        return self.looks.values()

    def restore_defaults(self) -> None:
        """Put the fields of the shown page back to their defaults."""
        page = self._stack.currentWidget()
        if isinstance(page, CompressionPage | PerformancePage | SavingPage):
            page.show_config(JCFConfig())
        else:
            self.looks.show_preferences(Preferences())

    def _check(self) -> None:
        config: JCFConfig | None = None
        try:
            config = self.config()
            self.problem.setText("")
        except ConfigError as error:
            self.problem.setText(str(error))
        self.performance.show_consequences(config)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(config is not None)
