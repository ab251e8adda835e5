"""MS-DOS date and time fields (APPNOTE 4.4.6): local time in steps of two seconds, 1980 to 2107."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["from_dos", "to_dos"]

_EARLIEST: Final = 0x00210000
"""1980-01-01 00:00:00 with the date in the upper half."""

_LATEST: Final = 0xFF9FBF7D
"""2107-12-31 23:59:58."""

_LOWEST_SECONDS: Final = 315_446_400
"""1979-12-31 in UTC: anything before is clamped without asking ``localtime``, which fails far from the epoch."""

_HIGHEST_SECONDS: Final = 4_354_905_600
"""2108-01-02 in UTC."""


def to_dos(mtime: int) -> int:
    """Return date << 16 | time of *mtime* (seconds since the epoch) in local time, clamped to the format's range."""
    if not _LOWEST_SECONDS < mtime < _HIGHEST_SECONDS:
        return _EARLIEST if mtime < _HIGHEST_SECONDS else _LATEST
    moment = time.localtime(mtime)
    year = moment[0]
    if not 1980 <= year <= 2107:
        return _EARLIEST if year < 1980 else _LATEST
    # A leap second would not fit the field.
    seconds = min(moment[5], 59)
    return (year - 1980) << 25 | moment[1] << 21 | moment[2] << 16 | moment[3] << 11 | moment[4] << 5 | seconds >> 1


def from_dos(stamp: int) -> int:
    """Return seconds since the epoch of date << 16 | time in local time; impossible dates give the earliest."""
    month, day = stamp >> 21 & 15, stamp >> 16 & 31
    hour, minute, second = stamp >> 11 & 31, stamp >> 5 & 63, (stamp & 31) * 2
    if not (1 <= month <= 12 and day and hour < 24 and minute < 60 and second < 60):
        return from_dos(_EARLIEST)
    try:
        return int(time.mktime(((stamp >> 25) + 1980, month, day, hour, minute, second, 0, 0, -1)))
    except OverflowError:
        return _LOWEST_SECONDS
