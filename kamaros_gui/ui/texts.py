"""Numbers, sizes, times and counts as people read them, in the user's locale."""

from __future__ import annotations

import datetime as dt
import html

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale
from PySide6.QtGui import Qt

__all__ = [
    "count",
    "date_time",
    "duration",
    "entries_text",
    "files_text",
    "items_text",
    "jobs_text",
    "percent",
    "problems_text",
    "seconds",
    "shortened",
    "size",
    "speed",
    "timestamp",
    "tool_tip",
]


def size(amount: float) -> str:
    """Return *amount* bytes in powers of 1024: ``1.5 MiB``."""
    if abs(amount) < 1024:
        return QCoreApplication.translate("Units", "{} B").format(QLocale().toString(int(amount)))
    return QLocale().formattedDataSize(int(amount), 1, QLocale.DataSizeFormat.DataSizeIecFormat)


def speed(bytes_per_second: float) -> str:
    """Return a speed: ``120.4 MiB/s``."""
    return QCoreApplication.translate("Units", "{}/s").format(size(bytes_per_second))


def count(number: int) -> str:
    """Return *number* with the locale's group separators."""
    return QLocale().toString(number)


def percent(part: int, whole: int) -> str:
    """Return the share *part* has in *whole*, empty when there is no whole."""
    return f"{round(part * 100 / whole)} %" if whole > 0 else ""


def duration(seconds: float) -> str:
    """Return a length of time: ``under 1 s``, ``8 s``, ``3:07``, ``1:02:45``."""
    whole = int(seconds)
    if 0 < seconds < 1:
        return QCoreApplication.translate("Units", "under 1 s")
    if whole < 60:
        return QCoreApplication.translate("Units", "{} s").format(whole)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def seconds(amount: float) -> str:
    """Return a length of time with a fraction: ``0.04 s``, ``3.1 s``, ``1,250.0 s``."""
    digits = 2 if 0 < amount < 1 else 1
    return QCoreApplication.translate("Units", "{} s").format(QLocale().toString(float(max(0, amount)), "f", digits))


def date_time(nanoseconds: int) -> str:
    """Return a moment given in nanoseconds since the epoch, in local time; empty for 0."""
    if nanoseconds <= 0:
        return ""
    return _local(QDateTime.fromMSecsSinceEpoch(nanoseconds // 1_000_000))


def timestamp(iso: str) -> str:
    """Return a moment given as ISO 8601, in local time; *iso* itself when it is not one."""
    try:
        moment = dt.datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return _local(QDateTime.fromMSecsSinceEpoch(int(moment.timestamp() * 1000)))


def shortened(text: str, limit: int = 60) -> str:
    """Return *text* without its middle where it is longer than *limit*: no label breaks a name that has no spaces."""
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def tool_tip(text: str) -> str:
    """Return *text* so that Qt shows it as it is: a tool tip takes what begins like markup for markup."""
    return html.escape(text).replace("\n", "<br>") if Qt.mightBeRichText(text) else text


def items_text(number: int) -> str:
    """Return ``1 item``, ``2 items``."""
    return _counted(QCoreApplication.translate("Counts", "%n items", "", number), "1 item", number)


def files_text(number: int) -> str:
    """Return ``1 file``, ``2 files``."""
    return _counted(QCoreApplication.translate("Counts", "%n files", "", number), "1 file", number)


def entries_text(number: int) -> str:
    """Return ``1 entry``, ``2 entries``."""
    return _counted(QCoreApplication.translate("Counts", "%n entries", "", number), "1 entry", number)


def problems_text(number: int) -> str:
    """Return ``1 problem``, ``2 problems``."""
    return _counted(QCoreApplication.translate("Counts", "%n problems", "", number), "1 problem", number)


def jobs_text(number: int) -> str:
    """Return ``1 job``, ``2 jobs``."""
    return _counted(QCoreApplication.translate("Counts", "%n jobs", "", number), "1 job", number)


def _counted(translated: str, english_singular: str, number: int) -> str:
    # Without a loaded translation Qt fills in the number only; English needs its own singular then.
    if number == 1 and translated == english_singular + "s":
        return english_singular
    if number == 1 and translated == "1 entries":
        return english_singular
    return translated.replace(str(number), count(number), 1)


def _local(moment: QDateTime) -> str:
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)
