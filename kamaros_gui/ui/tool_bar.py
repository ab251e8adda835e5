"""The tool bar: what is done often on the left, panels and the rest on the right."""

from __future__ import annotations

import os

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from kamaros_gui.ui.actions import WindowActions
from kamaros_gui.ui.icons import icon

__all__ = ["MainToolBar"]


class MainToolBar(QToolBar):
    """The tool bar of a window.

    Signals:
        recent_chosen: an archive was chosen in the menu of Open; carries its path.

    Args:
        actions: what can be done.
        history, transfers: show and hide those panels.
        parent: owner.
    """

    recent_chosen = Signal(str)

    def __init__(
        self, actions: WindowActions, history: QAction, transfers: QAction, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Tool bar"))
        self.setObjectName("toolbar")
        self.setMovable(False)
        self.setFloatable(False)
        self.setIconSize(QSize(20, 20))
        self.setContentsMargins(4, 3, 4, 3)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self._recent_menu = QMenu(self)
        self._recent_menu.setToolTipsVisible(True)
        add_menu = QMenu(self)
        add_menu.addActions([actions.add_files, actions.add_folder])
        add_menu.addSeparator()
        add_menu.addAction(actions.paste)
        self.add_button = self._button(icon("add"), self.tr("Add"), add_menu)
        self.add_button.setToolTip(self.tr("Save files into the archive; the menu has folders"))
        self.add_button.clicked.connect(actions.add_files.trigger)
        self._words(actions.new)
        open_button = self._button(actions.open.icon(), actions.open.text(), self._recent_menu)
        open_button.setToolTip(actions.open.toolTip())
        open_button.clicked.connect(actions.open.trigger)
        self.addWidget(open_button)
        self.addSeparator()
        self.addWidget(self.add_button)
        self._words(actions.extract)
        self._words(actions.verify)
        space = QWidget()
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(space)
        self._panel(history, "history", self.tr("History"), "Ctrl+H")
        self._panel(transfers, "transfers", self.tr("Transfers"), "Ctrl+J")
        self.addAction(actions.settings)
        self.addWidget(self._overflow(actions))
        for button in self.findChildren(QToolButton):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if not button.accessibleName():
                button.setAccessibleName(button.text().strip().rstrip("…"))

    def show_recents(self, paths: tuple[str, ...]) -> None:
        """List archives that were open lately."""
        self._recent_menu.clear()
        for path in paths:
            name = os.path.basename(path).replace("&", "&&")
            action = self._recent_menu.addAction(icon("archive", "accent"), name)
            action.setToolTip(path)
            action.triggered.connect(lambda _checked=False, path=path: self.recent_chosen.emit(path))
        if not paths:
            self._recent_menu.addAction(self.tr("No recent archives")).setEnabled(False)  # Qt's way

    def enable_add(self, enabled: bool) -> None:  # mirrors QWidget.setEnabled
        """Allow or refuse adding."""
        self.add_button.setEnabled(enabled)

    def _words(self, action: QAction) -> None:
        action.setIconText(_apart(action.text()))
        self.addAction(action)
        button = self.widgetForAction(action)
        if isinstance(button, QToolButton):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)

    def _button(self, picture: QIcon, text: str, menu: QMenu) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(picture)
        button.setText(_apart(text))
        button.setAccessibleName(text)
        button.setMenu(menu)
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        return button

    def _panel(self, action: QAction, icon_name: str, text: str, keys: str) -> None:
        action.setIcon(icon(icon_name))
        action.setText(text)
        action.setShortcut(keys)
        action.setToolTip(self.tr("Show or hide: {} ({})").format(text, keys))
        self.addAction(action)

    def _overflow(self, actions: WindowActions) -> QToolButton:
        menu = QMenu(self)
        menu.addActions([actions.find, actions.reload, actions.extract_all])
        menu.addSeparator()
        menu.addAction(actions.about)
        menu.addSeparator()
        menu.addActions([actions.close, actions.quit])
        button = QToolButton(self)
        button.setIcon(icon("more"))
        button.setText(self.tr("More"))
        button.setToolTip(self.tr("More"))
        button.setAutoRaise(True)
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        return button


def _apart(text: str) -> str:
    # Styles leave two pixels between icon and text; a thin space is the only room a tool button offers.
    return f" {text}"
