"""The line at the bottom: what the archive holds, what of it is no longer used, and how the next save is packed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QStatusBar, QWidget

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.base.reports import Listing
from kamaros_gui.ui import texts
from kamaros_gui.ui.archive_tree import ArchiveTree, Node
from kamaros_gui.ui.widgets import flat_button, muted_label, set_text

__all__ = ["ArchiveStatusBar"]

_MUCH_DEAD = 1 << 20
"""Bytes."""
_DEAD_SHARE = 20
"""One byte in that many, of a file that is not tiny."""
_TINY = 1 << 16
_CODEC_NAMES = {"deflate": "Deflate", "zstd": "Zstandard", "store": "Store"}


class ArchiveStatusBar(QStatusBar):
    """Counts, sizes and codec.

    Signals:
        compact_requested: the dead space is to be given back.

    Args:
        parent: owner.
    """

    compact_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.counts = QLabel()
        self.dead = muted_label()
        self.dead.setToolTip(self.tr("Bytes in the file that no version uses"))
        self.compact = flat_button("clear", self.tr("Compact…"), show_text=True)
        self.compact.setToolTip(self.tr("Gives the space that no version uses back to the disk"))
        self.compact.clicked.connect(self.compact_requested)
        self.compact.hide()
        self.codec = muted_label()
        self.codec.setToolTip(self.tr("How the next save is packed; see the settings"))
        for label in (self.counts, self.dead, self.codec):
            label.setContentsMargins(6, 2, 6, 3)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.addWidget(self.counts, 1)
        self.addPermanentWidget(self.dead)
        self.addPermanentWidget(self.compact)
        # Adding a widget shows it.
        self.compact.hide()
        self.addPermanentWidget(self.codec)

    def show_archive(self, tree: ArchiveTree | None, selection: list[Node], matches: int | None = None) -> None:
        """Describe what is shown, or what is selected in it; *matches* is the number of rows a filter found."""
        self.compact.setVisible(tree is not None and _worth_compacting(tree.listing))
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


def _worth_compacting(listing: Listing) -> bool:
    dead, size = listing.dead_bytes, listing.archive_size
    return not listing.read_only and (dead >= _MUCH_DEAD or (dead >= _TINY and dead * _DEAD_SHARE >= size))
