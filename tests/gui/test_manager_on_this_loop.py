"""The Python interface on the loop of a window: slower, and otherwise the same."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kamaros_gui import AbortController, AbortError, JCFConfig, JCFManager
from tests.helpers.archives import content_of, open_files
from tests.helpers.trees import noise, text, write


async def test_manager_works_on_this_loop(tmp_path: Path) -> None:
    assert "qasync" in {each.__module__.partition(".")[0] for each in type(asyncio.get_running_loop()).__mro__}
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield noise(2 << 20)
        waiting.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    write(tmp_path / "source", text(1_500_000))
    async with await JCFManager.open(tmp_path / "a.jcf", JCFConfig(level=1), create=True) as manager:
        await asyncio.gather(
            manager.add_file("file", tmp_path / "source"), manager.add_file("list", [text(700_000)] * 2)
        )
        controller = AbortController()
        adding = asyncio.ensure_future(manager.add_file("stalling", stalling(), signal=controller.signal))
        await waiting.wait()
        controller.abort()
        with pytest.raises(AbortError):
            await adding
        assert ended.is_set()
        await manager.save_checkpoint("on this loop")
        assert await content_of(manager, "file") == text(1_500_000)
        assert await content_of(manager, "list") == text(700_000) * 2
        assert (await manager.verify()).valid
    assert sorted(os.listdir(tmp_path)) == ["a.jcf", "source"]
    assert open_files(tmp_path) == []
