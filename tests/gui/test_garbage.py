from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from kamaros_gui.ui.garbage import GarbageKeeper


class Ring:
    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def keeper(qapp: QApplication) -> Iterator[GarbageKeeper]:
    gc.enable()
    made = GarbageKeeper()
    yield made
    made.stop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_cycles_go_in_time_though_nothing_collects_by_itself(keeper: GarbageKeeper) -> None:
    assert not gc.isenabled()
    ring = weakref.ref(Ring())
    assert ring() is not None
    keeper.collect()
    assert ring() is None


def test_while_jobs_run_only_a_crowd_is_looked_at(keeper: GarbageKeeper) -> None:
    keeper.collect()
    ring = weakref.ref(Ring())
    keeper.look()
    assert ring() is not None
    crowd = [[] for _ in range(6_000)]  # type: ignore[var-annotated]
    keeper.look()
    assert ring() is None
    assert gc.get_count()[0] < 1_000
    assert crowd


def test_what_was_set_aside_costs_no_pass_any_more(keeper: GarbageKeeper) -> None:
    listing = [[number] for number in range(50_000)]
    keeper.hurry()
    keeper.set_aside()
    assert len(gc.get_objects()) < 1_000
    assert gc.get_freeze_count() > 50_000
    # … and still goes with its last reference.
    before = gc.get_freeze_count()
    del listing
    assert gc.get_freeze_count() < before - 49_000
