"""GUI tests: one QApplication, coroutines on the qasync loop, a window manager over the real engine."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = os.environ.get("KAMAROS_TEST_PLATFORM", "offscreen")

import pytest
from PySide6.QtWidgets import QApplication

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.jobs import JobRunner
from kamaros_gui.ui import event_loop
from kamaros_gui.ui.application import WindowManager, make_application
from kamaros_gui.ui.preferences import PreferenceStore
from tests.gui.support import FixedChoosers


def _qasync_loop() -> asyncio.AbstractEventLoop:
    make_application()
    return event_loop.new_event_loop()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], object]]:
    return {"qasync": _qasync_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gui)
            # The platform without a screen says so whenever a window asks for something of a screen.
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support", extend=True))


@pytest.fixture(scope="session")
def qapp_cls() -> type[QApplication]:
    make_application()
    return QApplication


@pytest.fixture(autouse=True)
def _garbage_on_this_thread() -> Iterator[None]:
    """Collect what a test leaves here and now: any other thread that allocates might destroy a widget otherwise."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: QApplication) -> None:
    monkeypatch.setenv("KAMAROS_SETTINGS", str(tmp_path / "settings" / "settings.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    (made / "2026").mkdir(parents=True)
    (made / "empty").mkdir()
    (made / "list.txt").write_text("one two three\n" * 50)
    (made / "2026" / "a.jpg").write_bytes(os.urandom(2000))
    (made / "2026" / "b żółw.jpg").write_bytes(os.urandom(3000))
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "holiday.jcf"


@pytest.fixture
def choosers() -> FixedChoosers:
    return FixedChoosers()


@pytest.fixture
async def manager(qapp: QApplication, tmp_path: Path, choosers: FixedChoosers) -> AsyncIterator[WindowManager]:
    made = WindowManager(qapp, JobRunner(JCFConfig()), PreferenceStore(str(tmp_path / "window.json")), choosers)
    errors: list[BaseException] = []
    event_loop.set_error_handler(errors.append)
    yield made
    await made.end()
    event_loop.set_error_handler(None)
    assert errors == []
