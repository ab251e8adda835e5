from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from kamaros_gui.base.progress import Phase, ProgressSnapshot
from kamaros_gui.base.reports import FileIssue, VerifyReport
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
