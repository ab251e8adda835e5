"""The main job in the real window: drop, watch, cancel, save, look back, restore, with the GUI thread's gaps measured.

``python -m tests.bench.bench_window [--files 5000] [--big MIB] [--shots DIR] [--dark]``

Runs on the present display, for instance ``xvfb-run -s '-screen 0 1400x900x24'``. Only the file dialogs answer by
themselves; drops are drop events, the buttons are clicked. While all that runs, a 5 ms timer notes the gaps between its
ticks. With ``--trace`` the stacks of all threads are written wherever a tick is late by more than 45 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import faulthandler
import filecmp
import hashlib
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TextIO

from PySide6.QtCore import QLocale, QObject, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.jobs import JobRunner, JobState
from kamaros_gui.ui import event_loop
from kamaros_gui.ui.application import WindowManager, make_application
from kamaros_gui.ui.dialogs import QuestionDialog
from kamaros_gui.ui.extract_dialog import ExtractDialog
from kamaros_gui.ui.job_card import JobCard
from kamaros_gui.ui.main_window import MainWindow
from kamaros_gui.ui.preferences import PreferenceStore
from kamaros_gui.ui.settings_dialog import SettingsDialog
from tests.gui.support import FixedChoosers, drop, until

PATIENCE = 300.0
"""Seconds one step may take before the run is given up."""
LATE = 0.045
WORDS = ("chunk", "stream", "archive", "version", "folder", "harbour", "letter", "summer", "window", "paper", "north")


class Recorder(QObject):
    """Notes the gaps between ticks of a 5 ms timer, phase by phase."""

    def __init__(self, trace: TextIO | None) -> None:
        super().__init__()
        self.gaps: dict[str, list[float]] = collections.defaultdict(list)
        self._phase = ""
        self._trace = trace
        self._last = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside as *name*."""
        former, self._phase, self._last = self._phase, name, time.perf_counter()
        try:
            yield
        finally:
            self._tick()
            self._phase, self._last = former, time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._phase:
            self.gaps[self._phase].append(now - self._last)
        if self._trace is not None:
            if self._phase and now - self._last > LATE:
                print(f"--- {self._phase}: {(now - self._last) * 1000:.0f} ms", file=self._trace, flush=True)
            if self._phase:
                faulthandler.dump_traceback_later(LATE, file=self._trace)
            else:
                faulthandler.cancel_dump_traceback_later()
        self._last = now

    def stop(self) -> None:
        """Record no more."""
        self._timer.stop()
        faulthandler.cancel_dump_traceback_later()

    def summary(self) -> str:
        """Return one line per phase."""
        lines = []
        everything = [gap for gaps in self.gaps.values() for gap in gaps]
        for name, gaps in [*self.gaps.items(), ("all", everything)]:
            ordered = sorted(gap * 1000 for gap in gaps)
            worst = ", ".join(f"{gap:.0f}" for gap in ordered[-5:][::-1])
            middle = ordered[len(ordered) // 2]
            lines.append(
                f"  {name:<10} {sum(ordered) / 1000:6.1f} s {len(ordered):6} ticks  p50 {middle:5.1f}"
                f"  p99.9 {ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))]:5.1f}"
                f"  worst {worst} ms, over 50 ms: {sum(gap > 50 for gap in ordered)}"
            )
        return "\n".join(lines)


def text_of(size: int, dice: random.Random) -> bytes:
    """Return *size* bytes that compress about as well as notes do."""
    return " ".join(dice.choices(WORDS, k=size // 6 + 1)).encode()[:size]


def make_tree(place: str, files: int, mebibytes: int) -> tuple[str, str]:
    """Make a folder of photographs, notes and source, and one large file; return their paths."""
    dice = random.Random(5)  # the same content each time
    folder, big = os.path.join(place, "Studio"), os.path.join(place, "Interview.mov")
    kinds = (("Photos/Lisbon 2026", "IMG_{:04}.jpg"), ("Notes", "page {}.md"), ("Source/engine", "part_{}.py"))
    for number in range(files):
        where, name = kinds[number % len(kinds)]
        path = os.path.join(folder, where, f"{number // 400 + 1:02}" if number >= 400 else "", name.format(number))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        size = dice.choice((0, 300, 4_000, 20_000, 90_000))
        with open(path, "wb") as file:
            file.write(dice.randbytes(size) if name.endswith("jpg") else text_of(size, dice))
    with open(big, "wb") as file:
        block = dice.randbytes(1 << 19) + text_of(1 << 19, dice)
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "little") + block[8:])
    return folder, big


def digest(path: str) -> str:
    """Return the SHA-256 of a file, or a word for its absence."""
    if not os.path.exists(path):
        return "absent"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(left: str, right: str) -> list[str]:
    """Return what is not the same in two trees: names, content, modes and times."""
    found: list[str] = []
    for folder, _, names in os.walk(left):
        there = os.path.join(right, os.path.relpath(folder, left))
        if sorted(os.listdir(folder)) != sorted(os.listdir(there)):
            found.append(f"names in {folder}")
        _, unlike, unread = filecmp.cmpfiles(folder, there, names, shallow=False)
        found += [os.path.join(folder, name) for name in (*unlike, *unread)]
        for name in names:
            here, other = os.lstat(os.path.join(folder, name)), os.lstat(os.path.join(there, name))
            if (here.st_mode, here.st_mtime_ns) != (other.st_mode, other.st_mtime_ns):
                found.append(f"status of {os.path.join(folder, name)}")
    return found


class Scenario:
    """One run through the window.

    Args:
        options: of the command line.
        place: folder to work in.
        recorder: measures the GUI thread.
        manager: the real windows over the real engine.
        choosers: answers file dialogs.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        place: str,
        recorder: Recorder,
        manager: WindowManager,
        choosers: FixedChoosers,
    ) -> None:
        self.options, self.recorder, self.manager, self.choosers = options, recorder, manager, choosers
        self.folder, self.big = make_tree(place, options.files, options.big)
        self.archives = os.path.join(place, "Archives")
        os.mkdir(self.archives)
        self.archive = choosers.archive_path = os.path.join(self.archives, "Studio.jcf")
        self.target = os.path.join(place, "restored")
        self.dice = random.Random()  # moments, not secrets
        self.confirmed: list[float] = []
        self.shown: list[float] = []
        self.rises = 0

    def shot(self, widget: QWidget, name: str) -> None:
        """Write a picture of *widget*; the time that takes is nobody's gap."""
        if self.options.shots:
            with self.recorder.phase(""):
                widget.grab().save(os.path.join(self.options.shots, f"{name}.png"))

    async def run(self) -> None:
        """Do everything."""
        window = self.manager.new_window()
        self.manager.warm_up()
        window.resize(1180, 760)
        await asyncio.sleep(0.5)
        self.shot(window, "welcome")
        with self.recorder.phase("cancel"):
            for _ in range(self.options.cancels):
                await self.cancel_once(window, window if window.session.path else window.welcome.drop_area)
        with self.recorder.phase("save"):
            await self.save_whole(window)
        with self.recorder.phase("listing"):
            await self.look_around(window)
        self.change()
        with self.recorder.phase("cancel"):
            for _ in range(self.options.cancels // 3):
                await self.cancel_once(window, window)
        with self.recorder.phase("save"):
            await self.save_again(window)
        with self.recorder.phase("listing"):
            await self.look_back(window)
        await self.show_settings(window)
        with self.recorder.phase("restore"):
            await self.restore(window)
        found = await asyncio.to_thread(
            lambda: [
                *differences(self.folder, os.path.join(self.target, "Studio")),
                *([] if filecmp.cmp(self.big, os.path.join(self.target, "Interview.mov"), shallow=False) else ["big"]),
            ]
        )
        assert not found, found[:10]
        print("  restored tree and original are the same: names, content, modes, times")

    async def drop_on(self, window: MainWindow, target: QWidget, *, answer: int | None = None) -> JobCard:
        """Drop folder and file on *target*; return the card of the job that begins."""
        known = set(window.transfers.cards)
        assert drop(target, [self.folder, self.big])
        if answer is not None:
            await until(lambda: window.findChild(QuestionDialog), PATIENCE)
            question = window.findChild(QuestionDialog)
            QTest.mouseClick(question.buttons[answer], Qt.MouseButton.LeftButton)
        await until(lambda: set(window.transfers.cards) - known, PATIENCE)
        return window.transfers.cards[max(set(window.transfers.cards) - known)]

    async def cancel_once(self, window: MainWindow, target: QWidget) -> None:
        """Begin a save, cancel it at a random moment with the card's button, and look at what is left."""
        with self.recorder.phase(""):
            before = await asyncio.to_thread(digest, self.archive)
        known = before != "absent"
        card = await self.drop_on(window, target, answer=0 if known else None)
        point = self.dice.randrange(1, 900)
        await until(lambda: card.bar.maximum() == 1000 and card.bar.value() >= point, PATIENCE)
        await until(lambda: card.cancel.isVisible() and window.transfers.isVisible(), PATIENCE)
        future = self.manager.workspace.engine._jobs[card.snapshot.id].future  # when it ended, exactly
        ended: list[float] = []
        future.add_done_callback(lambda _: ended.append(time.perf_counter()))
        started = time.perf_counter()
        QTest.mouseClick(card.cancel, Qt.MouseButton.LeftButton)
        await until(lambda: card.snapshot.finished, PATIENCE)
        self.shown.append(time.perf_counter() - started)
        assert card.snapshot.state is JobState.CANCELLED, card.snapshot.state
        self.confirmed.append(ended[0] - started)
        with self.recorder.phase(""):
            assert await asyncio.to_thread(digest, self.archive) == before, "the archive has changed"
        left = set(os.listdir(self.archives))
        assert left == ({"Studio.jcf"} if known else set()), left

    async def watch(self, card: JobCard, *, shot: str = "") -> None:
        """Look at the bar until the job is done: it must rise and never fall."""
        seen = [0]
        while not card.snapshot.finished:
            permille = card.snapshot.progress.permille
            if permille is not None and permille != seen[-1]:
                assert permille > seen[-1], (permille, seen[-1])
                assert card.bar.value() == permille
                seen.append(permille)
            if shot and seen[-1] > 550:
                self.shot(card.window(), shot)
                shot = ""
            await asyncio.sleep(0.02)
        assert card.snapshot.state is JobState.DONE, card.outcome.text()
        self.rises += len(seen) - 1

    async def save_whole(self, window: MainWindow) -> None:
        """Drop again and let it finish."""
        window.transfers.clear_finished()
        await self.watch(await self.drop_on(window, window))
        await until(lambda: window.session.tree is not None and window.page.rows, PATIENCE)

    async def look_around(self, window: MainWindow) -> None:
        """Walk into folders, filter, sort, read the archive again."""
        self.shot(window, "tree")
        window.page.go_to("Studio/Notes")
        await asyncio.sleep(0.2)
        self.shot(window, "notes")
        for text in ("p", "page 1", "page 12", ""):
            window.page.filter_field.setText(text)
            await asyncio.sleep(0.25)
        window.page.content_view.selectAll()
        await asyncio.sleep(0.2)
        window.page.go_to("")
        window.page.content_view.clearSelection()
        for _ in range(3):
            await window.session.load()
            await asyncio.sleep(0.1)

    def change(self) -> None:
        """Change, add and delete a little on disk."""
        with open(os.path.join(self.folder, "Notes", "page 1.md"), "ab") as file:
            file.write(b"\nThe tide table was wrong; see the new one.\n")
        with open(os.path.join(self.folder, "Notes", "Tides.md"), "wb") as file:
            file.write(b"High water 06:12\n" * 40)
        os.unlink(os.path.join(self.folder, "Notes", "page 4.md"))
        with open(self.big, "r+b") as file:
            for offset in range(0, self.options.big << 20, 1 << 20):
                file.seek(offset)
                file.write(self.dice.randbytes(8))

    async def save_again(self, window: MainWindow) -> None:
        """Drop the changed folder and mirror it."""
        window.transfers.clear_finished()
        window.history.show()
        card = await self.drop_on(window, window, answer=1)
        window.page.go_to("Studio/Notes")
        if self.options.shots:
            window.resizeDocks([window.transfers], [270], Qt.Orientation.Vertical)
            card.stages_button.setChecked(True)
        await self.watch(card, shot="transfer")
        await until(lambda: len(window.history.model.versions) == 2, PATIENCE)

    async def look_back(self, window: MainWindow) -> None:
        """Select the older version in the history, and go back to now."""
        window.transfers.hide()
        view = window.history.view
        row = view.visualRect(window.history.model.index(1))
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, row.center())
        await until(lambda: window.session.in_the_past, PATIENCE)
        window.page.go_to("Studio/Notes")
        await asyncio.sleep(0.3)
        self.shot(window, "history")
        assert "Studio/Notes/page 4.md" in window.session.tree.by_path
        window.page.back_to_now.emit()
        await until(lambda: not window.session.in_the_past, PATIENCE)
        assert "Studio/Notes/page 4.md" not in window.session.tree.by_path
        await asyncio.sleep(0.3)

    async def show_settings(self, window: MainWindow) -> None:
        """Take pictures of every page of the settings."""
        window.actions_.settings.trigger()
        await until(lambda: window.findChild(SettingsDialog), PATIENCE)
        dialog = window.findChild(SettingsDialog)
        for page in range(dialog.pages.count()):
            dialog.pages.setCurrentRow(page)
            await asyncio.sleep(0.1)
            self.shot(dialog, f"settings-{page + 1}")
        dialog.reject()
        await until(lambda: not window.findChild(SettingsDialog), PATIENCE)

    async def restore(self, window: MainWindow) -> None:
        """Extract everything into a new folder."""
        known = set(window.transfers.cards)
        window.actions_.extract_all.trigger()
        await until(lambda: window.findChild(ExtractDialog), PATIENCE)
        dialog = window.findChild(ExtractDialog)
        dialog.folder.setCurrentText(self.target)
        dialog.subfolder.setChecked(False)
        await asyncio.sleep(0.4)
        self.shot(dialog, "extract")
        click(dialog.extract)
        await until(lambda: set(window.transfers.cards) - known, PATIENCE)
        await self.watch(window.transfers.cards[max(set(window.transfers.cards) - known)], shot="restoring")
        await asyncio.sleep(0.3)
        self.shot(window, "restored")


def click(button: QPushButton) -> None:
    """Press a button with the mouse."""
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(8, 8))


async def main(options: argparse.Namespace, application: QApplication, place: str) -> int:
    """Make the program, run the scenario, print what was measured."""
    choosers = FixedChoosers()
    preferences = PreferenceStore(os.path.join(place, "window.json"))
    preferences.update(theme="dark" if options.dark else "light")
    manager = WindowManager(application, JobRunner(JCFConfig()), preferences, choosers, keep_config=lambda _: None)
    errors: list[BaseException] = []
    event_loop.set_error_handler(errors.append)
    trace = open(options.trace, "w", encoding="utf-8") if options.trace else None  # noqa: ASYNC230, SIM115  # at once
    recorder = Recorder(trace)
    scenario = Scenario(options, place, recorder, manager, choosers)
    try:
        await scenario.run()
    finally:
        recorder.stop()
        await manager.end()
        if trace is not None:
            trace.close()
    assert not errors, errors
    for name, figures in (("ended", scenario.confirmed), ("shown", scenario.shown)):
        numbers = [figure * 1000 for figure in figures]
        if numbers:
            print(
                f"  cancel, click → {name}: median {statistics.median(numbers):.0f} ms, worst {max(numbers):.0f} ms"
                f" ({len(numbers)} at random moments; archive as before, no stray file)"
            )
    print(f"  the bar rose {scenario.rises} times and never fell")
    print("gaps between two ticks of the 5 ms timer on the GUI thread:")
    print(recorder.summary())
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    print("load average: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--big", type=int, default=1024, metavar="MIB")
    parser.add_argument("--cancels", type=int, default=10)
    parser.add_argument("--shots", default="", metavar="DIR", help="where pictures go")
    parser.add_argument("--folder", help="where to work (default: a temporary folder)")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--trace", default="", metavar="FILE", help="stacks of late ticks")
    chosen = parser.parse_args()
    QLocale.setDefault(QLocale("en_GB"))
    print(f"{chosen.files} files and one of {chosen.big} MiB, load average {os.getloadavg()[0]:.1f}", flush=True)
    program = make_application()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as working:
        sys.exit(event_loop.run(lambda: main(chosen, program, working)))
