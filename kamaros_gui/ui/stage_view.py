"""The stages of a job: how busy each one is, how fast, and which one holds up the others."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from kamaros_gui.base.statistics import StageStatistics, bottleneck
from kamaros_gui.ui import texts
from kamaros_gui.ui.icons import tint_colour
from kamaros_gui.ui.theme import blend
from kamaros_gui.ui.widgets import muted_elided_label, muted_label, set_text

__all__ = ["ShareBar", "StageView", "bottleneck_text", "stage_details", "stage_figures"]

_BAR_HEIGHT = 6
_BAR_WIDTH = 160


def _tr(text: str) -> str:
    return QCoreApplication.translate("StageView", text)


def _stage_name(stage: StageStatistics) -> str:
    names = {
        "read": _tr("Reading"),
        "decode": _tr("Decompression"),
        "hash": _tr("Hashing"),
        "encode": _tr("Compression"),
        "write": _tr("Writing"),
    }
    return names.get(stage.name, stage.name)


def bottleneck_text(stages: Sequence[StageStatistics]) -> str:
    """Return ``Bottleneck: compression``, empty while no stage was busy."""
    slowest = bottleneck(stages)
    if slowest is None:
        return ""
    # Whole sentences, because a name in the middle of one takes another form in other languages.
    sentences = {
        "read": _tr("Bottleneck: reading"),
        "decode": _tr("Bottleneck: decompression"),
        "hash": _tr("Bottleneck: hashing"),
        "encode": _tr("Bottleneck: compression"),
        "write": _tr("Bottleneck: writing"),
    }
    return sentences.get(slowest.name, _tr("Bottleneck: {}").format(slowest.name))


def stage_figures(stage: StageStatistics) -> str:
    """Return what went through *stage* and how fast: ``50.0 MiB → 21.0 MiB · 16.1 MiB/s · busy 3.1 s``."""
    amount = texts.size(stage.bytes_in)
    if stage.bytes_out != stage.bytes_in:
        amount = f"{amount} → {texts.size(stage.bytes_out)}"
    parts = [amount]
    if stage.busy > 0:
        parts += [texts.speed(stage.bytes_per_second), _tr("busy {}").format(texts.seconds(stage.busy))]
    return " · ".join(parts)


def stage_details(stage: StageStatistics) -> str:
    """Return the rest of the figures of *stage*, one to a line: chunks, queue, waiting."""
    lines = [_tr("{} chunks in, {} out").format(texts.count(stage.chunks_in), texts.count(stage.chunks_out))]
    if stage.high_water_mark:
        fill, limit = texts.size(stage.queued), texts.size(stage.high_water_mark)
        lines.append(_tr("{} of at most {} queued").format(fill, limit))
    lines.append(_tr("waited {} for input").format(texts.seconds(stage.waited_for_input)))
    lines.append(_tr("waited {} for the next stage").format(texts.seconds(stage.waited_for_output)))
    return "\n".join(lines)


class ShareBar(QWidget):
    """A thin bar that shows a share.

    Args:
        parent: owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._permille = 0
        self._marked = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def permille(self) -> int:
        """The share, 0-1000."""
        return self._permille

    @property
    def marked(self) -> bool:
        """Whether it stands out among its like."""
        return self._marked

    def show_share(self, permille: int, *, marked: bool) -> None:
        """Show a share of 1000, in the accent colour when *marked*."""
        if (permille, marked) != (self._permille, self._marked):
            self._permille, self._marked = permille, marked
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(_BAR_WIDTH, _BAR_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(_BAR_WIDTH // 3, _BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        groove = blend(palette.color(QPalette.ColorRole.Mid), palette.color(QPalette.ColorRole.Base), 0.5)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        area = QRectF(self.rect())
        radius = area.height() / 2
        painter.setBrush(groove)
        painter.drawRoundedRect(area, radius, radius)
        if self._permille:
            # Never narrower than its rounded ends: a little is not nothing.
            width = max(area.height(), area.width() * self._permille / 1000)
            left = area.right() - width if self.isRightToLeft() else area.left()
            painter.setBrush(tint_colour("accent" if self._marked else "muted", palette))
            painter.drawRoundedRect(QRectF(left, area.top(), width, area.height()), radius, radius)


class StageView(QWidget):
    """One row per stage: its name, how busy it was, its figures. The bottleneck is in the accent colour.

    Args:
        parent: owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[_StageRow] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(22, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(2, 1)
        self.setAccessibleName(_tr("Stages of the job"))

    def show_stages(self, stages: Sequence[StageStatistics], elapsed_seconds: float) -> None:
        """Show *stages* of a job that runs for *elapsed_seconds*, touching only what is different."""
        while len(self.rows) < len(stages):
            self.rows.append(_StageRow(self._grid, len(self.rows), self))
        slowest = bottleneck(stages)
        for row, stage in zip(self.rows, stages, strict=False):  # a job never has fewer stages than a moment ago
            permille = min(1000, round(stage.busy * 1000 / elapsed_seconds)) if elapsed_seconds > 0 else 0
            row.show_stage(stage, permille, marked=stage is slowest)


class _StageRow:
    """The widgets of one row; the grid owns them."""

    def __init__(self, grid: QGridLayout, number: int, parent: QWidget) -> None:
        self.name = muted_label()
        self.bar = ShareBar(parent)
        self.figures = muted_elided_label()
        for column, widget in enumerate((self.name, self.bar, self.figures)):
            grid.addWidget(widget, number, column)

    def show_stage(self, stage: StageStatistics, permille: int, *, marked: bool) -> None:
        name = _stage_name(stage)
        set_text(self.name, name)
        set_text(self.figures, stage_figures(stage))
        self.bar.show_share(permille, marked=marked)
        role = QPalette.ColorRole.WindowText if marked else QPalette.ColorRole.PlaceholderText
        if self.name.foregroundRole() != role:
            self.name.setForegroundRole(role)
        share = _tr("{}: busy {} of the time").format(name, texts.percent(permille, 1000))
        details = stage_details(stage)
        tool_tip = f"{share}\n{details}"
        if self.bar.toolTip() != tool_tip:
            # Figures a pointer shows are told to a screen reader as well.
            self.bar.setAccessibleName(share)
            self.bar.setAccessibleDescription(details)
            for widget in (self.name, self.bar):  # the figures show what does not fit as their own
                widget.setToolTip(tool_tip)
