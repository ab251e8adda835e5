"""A sample of the rounds of trouble (see :mod:`tests.helpers.rounds`); ``-m slow`` runs a thousand of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamaros_gui import JCFConfig, LocalAdapter, MemoryAdapter
from tests.helpers.rounds import Course

VERIFIED = JCFConfig(chunk_size=4096, codec="zstd", level=1, workers=2, verify_after_save="full")


@pytest.mark.parametrize(
    "rounds", [25, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=["sample", "all"]
)
@pytest.mark.parametrize("place", ["disk", "memory"])
async def test_stopped_anywhere_it_leaves_no_trace(tmp_path: Path, place: str, rounds: int) -> None:
    course = (
        Course(LocalAdapter(), str(tmp_path), f"{place} {rounds}")
        if place == "disk"
        else Course(MemoryAdapter(), "/", f"{place} {rounds}", VERIFIED)
    )
    await course.prepare()
    figures = await course.run(rounds)
    assert figures.rounds == rounds
    assert figures.count("without a trace") > rounds // 3, figures.outcomes
