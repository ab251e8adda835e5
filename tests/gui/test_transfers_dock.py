from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QLabel, QToolButton
from pytestqt.qtbot import QtBot

from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.base.reports import FileIssue, VerifyReport
from kamaros_gui.base.statistics import StageStatistics
from kamaros_gui.base.upkeep import ExportReport
from kamaros_gui.jobs import ErrorDetails, JobState
from kamaros_gui.ui.error_dialog import ErrorDialog
from kamaros_gui.ui.job_card import JobCard
from kamaros_gui.ui.jobs_watch import JobsWatch
from kamaros_gui.ui.transfers_dock import TransfersDock
from tests.gui.fake_runner import FakeRunner

TIB = 1024**4
MOVING = ProgressSnapshot(
    phase=Phase.TRANSFERRING,
    current_file="photos/2026/a very long name indeed.raw",
    bytes_done=TIB,
    bytes_total=5 * TIB,
    files_done=3,
    files_total=5000,
    chunk_index=17,
    chunk_count=6000,
    bytes_per_second=100 * 1024**2,
    eta_seconds=41.0,
    elapsed_seconds=12.0,
)
MIB = 1024**2
STAGES = (
    StageStatistics("read", 800, 800, 50 * MIB, 50 * MIB, busy=3.0),
    StageStatistics("encode", 800, 90, 50 * MIB, 21 * MIB, 3 * MIB, 8 * MIB, 0.25, 1.5, busy=6.0),
    StageStatistics("write", 90, 90, 21 * MIB, 21 * MIB, busy=0.04),
)


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def watch(runner: FakeRunner) -> JobsWatch:
    return JobsWatch(runner)


@pytest.fixture
def dock(qtbot: QtBot, runner: FakeRunner, watch: JobsWatch) -> TransfersDock:
    made = TransfersDock(runner)
    made.set_archive("/a.jcf")
    watch.updated.connect(made.show_jobs)
    made.steered.connect(watch.wake)
    qtbot.addWidget(made)
    made.show()
    return made


def card_of(dock: TransfersDock, watch: JobsWatch, number: int = 1) -> JobCard:
    watch.poll()
    return dock.cards[number]


def test_a_running_job_shows_bytes_chunks_speed_and_time(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(progress=MOVING)
    card = card_of(dock, watch)
    assert card.bar.maximum() == 1000
    assert card.bar.value() == 200
    assert card.current_file.text() == MOVING.current_file
    assert "17" in card.chunk.text()
    assert "of" in card.chunk.text()
    assert card.numbers.text().startswith("1.0 TiB of 5.0 TiB")
    assert "41 s left" in card.times.text()
    assert "100.0 MiB/s" in card.times.text()
    assert dock.summary == "1 job running"


def test_while_counting_the_bar_has_no_end_and_no_time_is_promised(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    counting = dataclasses.replace(MOVING, phase=Phase.COUNTING, bytes_total=None, files_total=None, eta_seconds=None)
    runner.add(progress=counting)
    card = card_of(dock, watch)
    assert card.bar.maximum() == 0
    assert "counting…" in card.numbers.text()
    assert "left" not in card.times.text()


def test_cancel_says_so_until_it_is_confirmed_and_then_what_became_of_it(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(progress=MOVING)
    card = card_of(dock, watch)
    card.cancel.click()
    assert runner.calls == [("cancel", 1)]
    assert card.cancel.text() == "Cancelling…"
    assert not card.cancel.isEnabled()
    assert not card.pause.isEnabled()
    runner.change(1, state=JobState.CANCELLED, outcome="Cancelled; the archive is unchanged.")
    watch.poll()
    assert card.outcome.text() == "Cancelled; the archive is unchanged."
    assert card.bar.isHidden()
    assert not card.dismiss.isHidden()


def test_pause_and_resume(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    runner.add(progress=MOVING)
    card = card_of(dock, watch)
    card.pause.click()
    assert card.pause.text() == "Resume"
    assert card.times.text() == "Paused · 12 s elapsed"
    card.pause.click()
    assert card.pause.text() == "Pause"
    assert runner.calls == [("pause", 1), ("resume", 1)]


def test_files_left_out_are_listed_and_copied(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    issues = tuple(FileIssue(f"dir/{number}", "Permission denied.") for number in range(10_000))
    runner.add(progress=MOVING, issues=issues[:1], issue_count=1)
    card = card_of(dock, watch)
    assert card.issues_button.text() == "1 file left out"
    runner.change(1, issues=issues, issue_count=20_000)
    watch.poll()
    assert card.issues.rowCount() == 10_000
    assert card.issues_button.text() == "20,000 files left out" or "20000" in card.issues_button.text()
    card.issues_button.click()
    assert not card.issue_view.isHidden()
    card.copy_issues.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 10_000
    assert lines[0] == "dir/0\tPermission denied."


def test_a_failure_offers_its_details(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, qtbot: QtBot) -> None:
    error = ErrorDetails("The volume /data is full.", "Free 12 MiB and try again.", "DiskFullError: …")
    runner.add(state=JobState.FAILED, error=error, outcome="Failed; the archive is unchanged.")
    with qtbot.waitSignal(dock.wanted):
        card = card_of(dock, watch)
    assert not card.details.isHidden()
    card.details.click()
    dialog = dock.window().findChild(ErrorDialog)
    assert dialog is not None
    dialog.copy()
    copied = QGuiApplication.clipboard().text()
    assert "Free 12 MiB" in copied
    assert "DiskFullError" in copied
    dialog.reject()


def test_done_is_not_green_when_a_verification_found_damage(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    report = VerifyReport(valid=False, checked=3, errors=(), warnings=(), bytes_read=100, seconds=1.0)
    runner.add(kind="verify", state=JobState.DONE, report=report, outcome="1 problem found.")
    card = card_of(dock, watch)
    assert card._state_icon._name == "error"
    assert not card.details.isHidden()


def test_a_restore_offers_its_folder(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    runner.add(kind="restore", target="/out", state=JobState.DONE, outcome="Restored 3 files.")
    assert not card_of(dock, watch).open_folder.isHidden()


def test_the_panel_opens_for_a_job_of_600_ms_once(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    asked: list[None] = []
    dock.wanted.connect(lambda: asked.append(None))
    runner.add(progress=dataclasses.replace(MOVING, elapsed_seconds=0.5))
    watch.poll()
    assert asked == []
    runner.change(1, progress=dataclasses.replace(MOVING, elapsed_seconds=0.7))
    watch.poll()
    watch.poll()
    assert len(asked) == 1


def test_jobs_of_other_archives_stay_out(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    runner.add(archive="/other.jcf")
    watch.poll()
    assert dock.cards == {}


def test_clear_finished_keeps_what_runs(dock: TransfersDock, watch: JobsWatch, runner: FakeRunner) -> None:
    runner.add(progress=MOVING)
    runner.add(state=JobState.DONE, outcome="Saved.")
    watch.poll()
    assert dock.clear_button.isEnabled()
    dock.clear_button.click()
    assert list(dock.cards) == [1]
    assert not dock.clear_button.isEnabled()


def test_the_timer_rests_when_nothing_runs(watch: JobsWatch, runner: FakeRunner) -> None:
    runner.add(progress=MOVING)
    watch.wake()
    assert watch.active
    runner.change(1, state=JobState.DONE, outcome="Saved.")
    watch.poll()
    assert not watch.active


def test_only_what_changed_is_touched(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.add(progress=MOVING)
    card = card_of(dock, watch)
    touched: list[str] = []
    monkeypatch.setattr(type(card.bar), "setValue", lambda _self, value: touched.append(f"bar {value}"))
    monkeypatch.setattr(type(card.chunk), "setText", lambda _self, text: touched.append(text))
    runner.change(1, progress=dataclasses.replace(MOVING, bytes_done=MOVING.bytes_done + 1))
    watch.poll()
    assert touched == []


def test_the_bottleneck_is_named_and_unfolds_into_the_stages(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(progress=MOVING)
    card = card_of(dock, watch)
    assert card.stages_button.isHidden()
    assert card.stages.isHidden()
    runner.change(1, stages=STAGES)
    watch.poll()
    assert card.stages_button.text() == card.stages_button.accessibleName() == "Bottleneck: compression"
    assert not card.stages_button.isHidden()
    card.stages_button.click()
    assert not card.stages.isHidden()
    assert [row.name.text() for row in card.stages.rows] == ["Reading", "Compression", "Writing"]
    assert [row.bar.permille for row in card.stages.rows] == [250, 500, 3]
    assert [row.bar.marked for row in card.stages.rows] == [False, True, False]
    compression = card.stages.rows[1]
    assert compression.figures.text() == "50.0 MiB → 21.0 MiB · 8.3 MiB/s · busy 6.0 s"
    assert compression.bar.accessibleName() == "Compression: busy 50 % of the time"
    for told in (compression.bar.toolTip(), compression.bar.accessibleDescription()):
        for figure in ("800 chunks in, 90 out", "3.0 MiB of at most 8.0 MiB queued", "0.25 s for input", "1.5 s for"):
            assert figure in told
    card.stages_button.click()
    assert card.stages.isHidden()


def test_the_stages_follow_the_job_and_stay_after_its_end(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(progress=MOVING, stages=STAGES[:1])
    card = card_of(dock, watch)
    card.stages_button.click()
    assert card.stages_button.text() == "Bottleneck: reading"
    runner.change(1, stages=STAGES)
    watch.poll()
    assert card.stages_button.text() == "Bottleneck: compression"
    assert [row.bar.marked for row in card.stages.rows] == [False, True, False]
    runner.change(1, state=JobState.DONE, outcome="Saved.")
    watch.poll()
    assert not card.stages_button.isHidden()
    assert not card.stages.isHidden()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("read", "Bottleneck: reading"),
        ("decode", "Bottleneck: decompression"),
        ("hash", "Bottleneck: hashing"),
        ("encode", "Bottleneck: compression"),
        ("write", "Bottleneck: writing"),
        ("another", "Bottleneck: another"),
    ],
)
def test_every_stage_has_a_name_for_people(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, name: str, shown: str
) -> None:
    runner.add(progress=MOVING, stages=(StageStatistics(name, busy=1.0),))
    assert card_of(dock, watch).stages_button.text() == shown


def test_folded_stages_cost_nothing_and_unfolded_ones_only_what_changed(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.add(progress=MOVING, stages=STAGES)
    card = card_of(dock, watch)
    assert card.stages.rows == []
    card.stages_button.click()
    touched: list[str] = []
    monkeypatch.setattr(QLabel, "setText", lambda _self, text: touched.append(text))
    monkeypatch.setattr(QToolButton, "setText", lambda _self, text: touched.append(text))
    monkeypatch.setattr(type(card.stages.rows[0].bar), "update", lambda _self: touched.append("bar"))
    faster = dataclasses.replace(STAGES[2], bytes_in=22 * MIB)
    runner.change(1, stages=(*STAGES[:2], faster))
    watch.poll()
    assert len(touched) == 1
    assert touched[0].startswith("22.0 MiB")


def test_the_button_keeps_its_place_while_the_numbers_beside_it_change(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    dock.resize(900, 300)
    places = set()
    runner.add(progress=MOVING, stages=STAGES)
    for done, rate in ((5, 7.0), (TIB, 123456789.0), (TIB // 3, 1e9)):
        runner.change(1, progress=dataclasses.replace(MOVING, bytes_done=done, bytes_per_second=rate))
        card = card_of(dock, watch)
        QGuiApplication.processEvents()
        places.add(card.stages_button.x())
    assert len(places) == 1


def test_a_card_with_the_largest_numbers_fits_a_narrow_window(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(progress=dataclasses.replace(MOVING, bytes_done=4 * TIB, eta_seconds=40_000, files_done=4999))
    card = card_of(dock, watch)
    before = card.minimumSizeHint().width()
    runner.change(1, stages=STAGES)
    watch.poll()
    card.stages_button.click()
    assert card.minimumSizeHint().width() < max(before, 560)


def test_an_export_offers_the_folder_it_is_in(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    runner.add(kind="export", target="/out/plain.zip", state=JobState.DONE)
    card = card_of(dock, watch)
    assert not card.open_folder.isHidden()
    card.open_folder.click()
    runner.add(kind="restore", target="/out/tree", state=JobState.DONE)
    watch.wake()
    dock.cards[2].open_folder.click()
    assert opened == ["/out", "/out/tree"]


@pytest.mark.parametrize("failed", [0, 2])
def test_a_partial_export_is_shown_as_gone_wrong(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner, failed: int
) -> None:
    calls: list[int] = []
    dock.wanted.connect(lambda: calls.append(1))
    report = ExportReport(
        "1", "/out/plain.zip", interchange=False, entries=5, failed=failed, issues=(), bytes_out=9, seconds=1.0
    )
    runner.add(kind="export", target="/out/plain.zip", state=JobState.DONE, report=report)
    card = card_of(dock, watch)
    assert card._state_icon._name == ("error" if failed else "success")
    assert card._tint == ("danger" if failed else "")
    assert card.details.isHidden()
    assert bool(calls) == bool(failed)


def test_a_name_in_title_or_outcome_can_t_play_tricks(
    dock: TransfersDock, watch: JobsWatch, runner: FakeRunner
) -> None:
    runner.add(kind="tag", title="Tag HEAD as \u202egpj", state=JobState.DONE, outcome="“\u202egpj\n” names it.")
    card = card_of(dock, watch)
    assert card.title.text() == "Tag HEAD as \\u202egpj"
    assert card.outcome.text() == "“\\u202egpj\\x0a” names it."
