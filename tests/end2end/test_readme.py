"""The Python in the README runs as it stands there."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, JCFManager, LocalAdapter
from tests.helpers.program import PROJECT
from tests.helpers.trees import noise, text, write

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(PROJECT) / "README.md").read_text(), re.DOTALL)


class Response:
    """Looks like what an HTTP client hands out."""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for number in range(3):
            yield text(1000, number)


async def run(block: str, names: dict[str, Any]) -> None:
    """Run *block* as a notebook does: with ``await`` at its top level."""
    outcome = eval(compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)  # noqa: S307 - our own README
    if inspect.isawaitable(outcome):
        await outcome


async def test_every_python_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "video.mp4", noise(2 << 20))
    write(tmp_path / "photos" / "one.jpg", noise(1000))
    write(tmp_path / "big.iso", noise(3 << 20))
    names: dict[str, Any] = {"response": Response(), "controller": AbortController()}
    manager, streams = BLOCKS
    await run(manager.replace("/media/", ""), names)
    async with await JCFManager.open("project.jcf") as opened:
        paths = {entry.path for entry in (await opened.list_files()).entries}
    assert {"video.mp4", "notes.txt", "page.html", "photos 2026/one.jpg"} <= paths
    assert (tmp_path / "out" / "video.mp4").read_bytes() == noise(2 << 20)
    await run(streams, names)
    assert LocalAdapter().read_whole("copy.iso", 4 << 20)[0] == noise(3 << 20)
    assert f"bytes_out={3 << 20}" in capsys.readouterr().out
