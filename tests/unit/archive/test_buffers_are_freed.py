"""Buffers are given back when an operation ends, not when the garbage collector comes by: the window puts it off."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui import AbortController, JCFConfig, JCFManager
from kamaros_gui.storage.slabs import SlabPool
from tests.helpers.trees import noise, text, write

MIB = 1 << 20


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[JCFManager]:
    write(tmp_path / "tree" / "large text", text(3 * MIB))
    write(tmp_path / "tree" / "large noise", noise(3 * MIB))
    write(tmp_path / "tree" / "small", b"small")
    async with await JCFManager.open(tmp_path / "a.jcf", JCFConfig(level=1), create=True) as made:
        yield made


def pools() -> int:
    """Number of pools of buffers that somebody holds, if only in a circle."""
    return sum(type(each) is SlabPool for each in gc.get_objects())


@pytest.mark.usefixtures("_no_collector")
async def test_after_every_operation(manager: JCFManager, tmp_path: Path) -> None:
    await manager.save([tmp_path / "tree"])
    assert pools() == 0, "save"
    await manager.add_file("x", noise(3 * MIB, 1))
    await manager.save_checkpoint()
    assert pools() == 0, "add_file"
    await manager.verify()
    assert pools() == 0, "verify"
    await manager.restore_version("HEAD", tmp_path / "out")
    assert pools() == 0, "restore"
    async for _ in await manager.open_file("tree/large text"):
        pass
    await asyncio.sleep(0)
    assert pools() == 0, "open_file"


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("operation", ["save", "restore", "verify"])
async def test_after_an_abort(manager: JCFManager, tmp_path: Path, operation: str) -> None:
    if operation != "save":
        await manager.save([tmp_path / "tree"])
    controller = AbortController()

    def on_chunk(*_: Any) -> None:
        controller.abort()

    work = {
        "save": lambda: manager.save([tmp_path / "tree"], signal=controller.signal),
        "restore": lambda: manager.restore_version("HEAD", tmp_path / "out", signal=controller.signal),
        "verify": lambda: manager.verify(signal=controller.signal),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kamaros_gui.base.progress.ProgressCounters.add_chunk", on_chunk)
        with pytest.raises(Exception, match="Cancelled") as caught:
            await work[operation]()
    assert caught.value is controller.signal.reason
    del caught
    assert pools() == 0
