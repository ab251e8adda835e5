"""The program as a user runs it: as a process of its own, or called in this one where the process does not matter."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "Outcome",
    "call",
    "environment",
    "is_privileged",
    "program",
    "run",
    "start",
    "strays",
    "wait_until",
    "without_privileges",
]

PROJECT = Path(__file__).resolve().parents[2]
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_FOWNER = 1, 2, 3

Argument = str | bytes | os.PathLike[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the program left: exit status and both outputs."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output; anything beside it is an error."""
        return json.loads(self.out)

    def expect(self, status: int) -> Outcome:
        """Check the exit status, and that no traceback was shown."""
        assert "Traceback" not in self.err, self.err
        assert self.status == status, f"exit {self.status} instead of {status}\n{self.out[:2000]}\n{self.err[:2000]}"
        return self


def environment(**changes: str) -> dict[str, str]:
    """Environment for the program: this project's code, no settings of the user."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KAMAROS_")}
    return (
        inherited | {"PYTHONPATH": str(PROJECT), "KAMAROS_SETTINGS": str(PROJECT / "no-such-settings.json")} | changes
    )


def program(*arguments: Argument) -> list[Argument]:
    """Return the command line of the program."""
    return [sys.executable, "-m", "kamaros_gui", *arguments]


def run(
    *arguments: Argument,
    cwd: Argument | None = None,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Outcome:
    """Run the program as a process to its end.

    Args:
        arguments: without the program's name.
        cwd: folder to run in.
        env: variables to add.
        before: called in the new process before the program starts.
    """
    done = subprocess.run(
        program(*arguments),
        cwd=cwd,
        env=environment(**(env or {})),
        preexec_fn=before,
        capture_output=True,
        timeout=100,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def start(*arguments: Argument, cwd: Argument | None = None) -> subprocess.Popen[bytes]:
    """Start the program as a process."""
    return subprocess.Popen(
        program(*arguments), cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def call(*arguments: Argument, env: Mapping[str, str] | None = None) -> Outcome:
    """Run the program inside this process: the same code from the command line on, without the start of a process."""
    from kamaros_gui.app import main

    out, err = io.StringIO(), io.StringIO()
    saved = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(**(env or {})))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main([os.fsdecode(argument) for argument in arguments])
            except SystemExit as ending:
                status = int(ending.code or 0)
    finally:
        os.environ.clear()
        os.environ.update(saved)
    return Outcome(int(status), out.getvalue(), err.getvalue())


def is_privileged() -> bool:
    """Whether this process may read everything, whatever the permissions say."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def without_privileges() -> None:
    """Give up, before a program starts, the right of root to read everything; for ``before`` of :func:`run`."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until *condition* holds while *process* runs; fail when it ends first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"it ended first: {process.communicate()}"
        assert time.monotonic() < deadline, "it never came"
        os.sched_yield() if hasattr(os, "sched_yield") else None


def strays(folder: Argument, known: Sequence[str]) -> list[str]:
    """Return the names in *folder* that are not *known*."""
    return sorted(set(os.listdir(os.fsdecode(folder))) - set(known))
