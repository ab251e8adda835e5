"""The program as a process: it opens what it is given, ends when told to, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kamaros_gui.jobs import JobRunner, SaveRequest

PROGRAM = "import sys; from kamaros_gui.ui.application import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "KAMAROS_SETTINGS": str(tmp_path / "settings" / "settings.json"),
        "KAMAROS_LATENCY_LOG": str(tmp_path / "latency.json"),
    }


@pytest.mark.skipif(os.name == "nt", reason="ends the program with a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_opens_an_archive_and_ends_on_a_signal(
    tmp_path: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    archive = tmp_path / "a.jcf"
    (tmp_path / "note.txt").write_text("note")
    runner = JobRunner()
    runner.submit(SaveRequest(archive=str(archive), paths=(str(tmp_path / "note.txt"),))).future.result(20)
    runner.close()
    preferences = tmp_path / "settings" / "window.json"
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", PROGRAM, str(archive)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (preferences.exists() and str(archive) in preferences.read_text()):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "deleted" not in errors
    assert json.loads((tmp_path / "latency.json").read_text())["ticks"] > 0


def test_a_bad_setting_does_not_keep_it_from_starting(tmp_path: Path, environment: dict[str, str]) -> None:
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "settings.json").write_text('{"chunk_size": 5}')
    watching = PROGRAM.replace("sys.exit", "import kamaros_gui.ui.application as a; m = a.WindowManager.open_paths\n"
    "async def opened(self, paths):\n"
    "    await m(self, paths)\n"
    "    self.ended.set()\n"
    "a.WindowManager.open_paths = opened\n"
    "sys.exit")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", watching], env=environment, timeout=40, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (settings / "settings.json").read_text() == '{"chunk_size": 5}'


def test_it_ends_by_itself_when_told_how_soon(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", PROGRAM],
        env=environment | {"KAMAROS_GUI_EXIT_AFTER": "0.3"},
        timeout=40,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads((tmp_path / "latency.json").read_text())["ticks"] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there always is a display")
@pytest.mark.parametrize(("display", "reason"), [("", "not set"), (":4711", "can't be reached")])
def test_without_a_display_it_says_so(environment: dict[str, str], display: str, reason: str) -> None:
    bare = {name: value for name, value in environment.items() if name not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "kamaros_gui", "gui"],
        env=bare | {"DISPLAY": display},
        timeout=40,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "kamaros --help" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr or "libxcb-cursor0" in done.stderr
