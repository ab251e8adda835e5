"""Asks where to extract, what, and what to do about files that are there already."""

from __future__ import annotations

import asyncio
import os
import shutil

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from kamaros_gui.jobs.requests import ConflictPolicy, RestoreRequest
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import ArchiveTree, Node
from kamaros_gui.ui.dialogs import Choosers
from kamaros_gui.ui.dropping import absolute
from kamaros_gui.ui.event_loop import async_slot, spawn
from kamaros_gui.ui.icons import icon
from kamaros_gui.ui.preferences import Preferences
from kamaros_gui.ui.widgets import IconLabel, flat_button, heading, muted_label, plain_buttons

__all__ = ["ExtractDialog", "free_bytes"]

_LOOK_DELAY_MS = 200


def free_bytes(folder: str) -> int | None:
    """Return the free bytes of the volume *folder* is on, or will be on once it exists; ``None`` if unknown."""
    while not os.path.exists(folder):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


class ExtractDialog(QDialog):
    """Makes a ``RestoreRequest``.

    Args:
        archive: path of the archive.
        tree: the version that is shown.
        selection: what is selected in it.
        preferences: recent folders.
        choosers: asks for a folder.
        parent: window it belongs to.
    """

    def __init__(
        self,
        archive: str,
        tree: ArchiveTree,
        selection: list[Node],
        preferences: Preferences,
        choosers: Choosers,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._archive, self._tree, self._selection, self._choosers = archive, tree, selection, choosers
        self.setWindowTitle(self.tr("Extract"))
        self.folder = QComboBox()
        self.folder.setEditable(True)
        self.folder.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.folder.setAccessibleName(self.tr("Folder to extract into"))
        self.folder.setMinimumContentsLength(40)
        beside = os.path.dirname(archive)
        recents = [folder for folder in preferences.recent_targets if folder != beside]
        self.folder.addItem(icon("archive", "accent"), beside)
        for recent in recents:
            self.folder.addItem(icon("clock", "muted"), recent)
        self.folder.setCurrentText(preferences.recent_targets[0] if preferences.recent_targets else beside)
        self.everything = QRadioButton()
        self.selected = QRadioButton()
        self.subfolder = QCheckBox()
        self.subfolder.setChecked(preferences.make_subfolder)
        self.subfolder.setToolTip(self.tr("Keeps several items together instead of spreading them over the folder."))
        self.policy = QComboBox()
        self.policy.addItem(self.tr("Skip – leave the file on disk as it is"), "skip")
        self.policy.addItem(self.tr("Replace – the archive's file takes its place"), "overwrite")
        self.policy.addItem(self.tr("Keep both – extract as “name (2)”"), "rename")
        self.policy.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.policy.setAccessibleName(self.tr("When a different file exists"))
        self.outside_links = QCheckBox(self.tr("Restore &links that point outside the folder"))
        self.outside_links.setToolTip(
            self.tr(
                "Off: such links are left out and named in the report. On: whatever opens one of them later reads and"
                " writes files elsewhere on this computer. Leave it off for an archive from somebody else."
            )
        )
        self.space = muted_label()
        self.space_icon = IconLabel("info", 16, "muted")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.extract = self.buttons.addButton(self.tr("Extract"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.extract.setIcon(icon("extract"))
        self._free: int | None = None
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_DELAY_MS)
        self._fill_in_choices()
        self._lay_out()
        self._connect()
        self._update()
        self._timer.start(0)

    def _fill_in_choices(self) -> None:
        root = self._tree.root
        self.everything.setText(
            self.tr("&Everything – {}, {}").format(texts.files_text(root.file_count), texts.size(root.size))
        )
        files = sum(node.file_count for node in self._selection)
        size = sum(node.size for node in self._selection)
        one = self._selection[0].name if len(self._selection) == 1 else ""
        what = f"“{one}”" if one else self.tr("Selected {}").format(texts.items_text(len(self._selection)))
        self.selected.setText(self.tr("{} – {}, {}").format(what, texts.files_text(files), texts.size(size)))
        self.selected.setVisible(bool(self._selection))
        (self.selected if self._selection else self.everything).setChecked(True)

    def _lay_out(self) -> None:
        room = QHBoxLayout()
        room.setSpacing(8)
        room.addWidget(self.space_icon)
        room.addWidget(self.space, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 14)
        layout.setSpacing(14)
        layout.addWidget(heading(self.tr("Extract from {}").format(os.path.basename(self._archive)), 1.2))
        layout.addLayout(self._form())
        layout.addLayout(room)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        plain_buttons(self.buttons)
        self.extract.setDefault(True)
        self.setMinimumWidth(600)

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(14)
        caption = QLabel(self.tr("&Into"))
        caption.setBuddy(self.folder)
        form.addRow(caption, self._where())
        form.addRow(QLabel(self.tr("What")), self._what())
        form.addRow(QLabel(self.tr("Version")), muted_label(self._version_text()))
        policy = QLabel(self.tr("I&f a file differs"))
        policy.setBuddy(self.policy)
        form.addRow(policy, self.policy)
        form.addRow("", self.outside_links)
        return form

    def _where(self) -> QVBoxLayout:
        browse = flat_button("open", self.tr("Choose a folder"))
        browse.clicked.connect(self._browse)
        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        place.addWidget(browse)
        where = QVBoxLayout()
        where.setSpacing(6)
        where.addLayout(place)
        where.addWidget(self.subfolder)
        return where

    def _what(self) -> QVBoxLayout:
        what = QVBoxLayout()
        what.setSpacing(4)
        what.addWidget(self.selected)
        what.addWidget(self.everything)
        if not self._selection:
            # One choice is none: it is told, not offered.
            self.everything.hide()
            what.addWidget(QLabel(self.everything.text().replace("&", "")))
        return what

    def _version_text(self) -> str:
        listing = self._tree.listing
        if listing.is_head:
            return self.tr("The newest version")
        version = next((known for known in listing.versions if known.id == listing.version), None)
        return self.tr("As of {}").format(texts.timestamp(version.timestamp) if version is not None else "")

    def _connect(self) -> None:
        self.folder.currentTextChanged.connect(lambda _text: self._timer.start())
        self.folder.currentTextChanged.connect(lambda _text: self._update())
        self.everything.toggled.connect(lambda _on: self._update())
        self.subfolder.toggled.connect(lambda _on: self._update())
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._timer.timeout.connect(self._look)
        self.finished.connect(self._timer.stop)
        self.finished.connect(self._close)

    def request(self) -> RestoreRequest:
        """Return what was asked for."""
        nodes = [] if self.everything.isChecked() else self._selection
        policy: ConflictPolicy = self.policy.currentData()
        return RestoreRequest(
            archive=self._archive,
            target=self.target(),
            paths=tuple(node.path for node in nodes),
            version=self._tree.listing.version or "HEAD",
            on_conflict=policy,
            outside_links=self.outside_links.isChecked(),
        )

    def target(self) -> str:
        """Return the folder that is extracted into, the sub-folder included."""
        folder = absolute(self.folder.currentText().strip() or ".")
        if self._top_level_items() > 1 and self.subfolder.isChecked():
            return os.path.join(folder, self._subfolder_name())
        return folder

    def _nodes(self) -> list[Node]:
        return list(self._tree.root.children) if self.everything.isChecked() else self._selection

    def _top_level_items(self) -> int:
        # A selection below one folder still comes out under that folder: paths are kept.
        return len({node.path.partition("/")[0] for node in self._nodes()})

    def _subfolder_name(self) -> str:
        return os.path.splitext(os.path.basename(self._archive))[0] or "archive"

    def _needed(self) -> int:
        return sum(node.size for node in self._nodes())

    def _update(self) -> None:
        several = self._top_level_items() > 1
        self.subfolder.setText(self.tr("&Make a folder “{}” for it").format(self._subfolder_name()))
        self.subfolder.setVisible(several)
        needed = self._needed()
        short = self._free is not None and needed > self._free
        if self._free is None:
            self.space.setText(self.tr("Needs {}").format(texts.size(needed)))
        elif short:
            missing = texts.size(needed - self._free)
            self.space.setText(
                self.tr("Needs {}, but only {} are free: {} are missing").format(
                    texts.size(needed), texts.size(self._free), missing
                )
            )
        else:
            self.space.setText(self.tr("Needs {}, {} are free").format(texts.size(needed), texts.size(self._free)))
        self.space_icon.set_icon("warning" if short else "info", "warning" if short else "muted")
        self.extract.setEnabled(bool(self.folder.currentText().strip()) and bool(self._nodes()))

    def _close(self) -> None:
        self._closed = True

    def _look(self) -> None:
        spawn(self._measure(self.target()))

    async def _measure(self, folder: str) -> None:
        free = await asyncio.to_thread(free_bytes, folder)
        # The dialog may be gone by the time a slow volume answers.
        if not self._closed and folder == self.target():
            self._free = free
            self._update()

    @async_slot
    async def _browse(self) -> None:
        title = self.tr("Extract into")
        folder = await self._choosers.choose_folder(self, title, self.folder.currentText())
        if folder:
            self.folder.setCurrentText(folder)
