from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QLocale

from kamaros_gui.ui import texts
from kamaros_gui.ui.file_types import icon_for, type_text


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    former = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedStates))
    yield
    QLocale.setDefault(former)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (5 * 1024**4, "5.0 TiB")],
)
def test_sizes(amount: int, shown: str) -> None:
    assert texts.size(amount) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.4, "under 1 s"), (59.9, "59 s"), (187, "3:07"), (3765, "1:02:45")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert texts.duration(seconds) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "0.0 s"), (-1, "0.0 s"), (0.042, "0.04 s"), (3.14, "3.1 s"), (1250, "1,250.0 s")]
)
def test_seconds_with_a_fraction(amount: float, shown: str) -> None:
    assert texts.seconds(amount) == shown


def test_counts_have_a_singular_and_group_their_digits() -> None:
    assert [texts.files_text(number) for number in (0, 1, 2, 50_000)] == [
        "0 files",
        "1 file",
        "2 files",
        "50,000 files",
    ]
    assert texts.entries_text(1) == "1 entry"
    assert texts.items_text(1) == "1 item"
    assert texts.problems_text(3) == "3 problems"
    assert texts.jobs_text(1) == "1 job"


def test_shares_and_moments() -> None:
    assert texts.percent(1, 3) == "33 %"
    assert texts.percent(1, 0) == ""
    assert texts.date_time(0) == ""
    assert texts.timestamp("2026-11-22T14:26:15.901782Z")
    assert texts.timestamp("no moment") == "no moment"


def test_kinds_of_files() -> None:
    assert icon_for("a.PNG", "file")[0] == "file-image"
    assert icon_for("a", "directory")[0] == "folder"
    assert icon_for(".bashrc", "file")[0] == "file"
    assert type_text("a.tar", "file") == "Archive (TAR)"
    assert type_text("x.unheardof", "file") == "File"
    assert type_text("x.abc", "file") == "ABC file"


def test_a_long_name_gives_up_its_middle() -> None:
    assert texts.shortened("short") == "short"
    assert texts.shortened("a" * 100 + ".txt", 21) == "aaaaaaaaaa…aaaaaa.txt"


def test_a_tool_tip_shows_markup_as_it_is() -> None:
    assert texts.tool_tip("a < b\nc") == "a < b\nc"
    assert texts.tool_tip("<b>x</b>\ny") == "&lt;b&gt;x&lt;/b&gt;<br>y"
