"""The line at the bottom: what the archive holds, what of it is no longer used, and how the next save is packed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStatusBar, QWidget

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import ArchiveTree, Node
from kamaros_gui.ui.widgets import muted_label, set_text

__all__ = ["ArchiveStatusBar"]

_CODEC_NAMES = {"deflate": "Deflate", "zstd": "Zstandard", "store": "Store"}


class ArchiveStatusBar(QStatusBar):
    """Counts, sizes and codec.

    Args:
        parent: owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.counts = QLabel()
        self.dead = muted_label()
        self.dead.setToolTip(self.tr("Bytes in the file that no version uses"))
        self.codec = muted_label()
        self.codec.setToolTip(self.tr("How the next save is packed; see the settings"))
        for label in (self.counts, self.dead, self.codec):
            label.setContentsMargins(6, 2, 6, 3)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.addWidget(self.counts, 1)
        self.addPermanentWidget(self.dead)
        self.addPermanentWidget(self.codec)

    def show_archive(self, tree: ArchiveTree | None, selection: list[Node], matches: int | None = None) -> None:
        """Describe what is shown, or what is selected in it; *matches* is the number of rows a filter found."""
        if tree is None:
            set_text(self.counts, "")
            set_text(self.dead, "")
            return
        if selection:
            files = sum(node.file_count for node in selection)
            size = sum(node.size for node in selection)
            parts = [
                self.tr("{} selected").format(texts.items_text(len(selection))),
                texts.files_text(files),
                texts.size(size),
            ]
        elif matches is not None:
            parts = [self.tr("{} found").format(texts.items_text(matches))]
        else:
            root, listing = tree.root, tree.listing
            parts = [texts.files_text(root.file_count), texts.size(root.size)]
            if listing.archive_size:
                parts.append(self.tr("archive {}").format(texts.size(listing.archive_size)))
            share = texts.percent(root.packed, root.size)
            if share:
                parts.append(self.tr("packed to {}").format(share))
        set_text(self.counts, "  ·  ".join(parts))
        dead = tree.listing.dead_bytes
        set_text(self.dead, self.tr("unused {}").format(texts.size(dead)) if dead else "")

    def show_config(self, config: JCFConfig) -> None:
        """Name the codec in force."""
        name = _CODEC_NAMES[config.codec]
        level = f" {config.effective_level}" if config.codec != "store" else ""
        set_text(self.codec, f"{name}{level}")
