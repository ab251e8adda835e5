"""Times as the terminal shows them."""

from __future__ import annotations

import datetime as dt
from typing import Final

__all__ = ["iso_of", "local_moment", "local_of"]

_WIDTH: Final = len("2000-01-01 12:00")


def iso_of(nanoseconds: int) -> str:
    """Return a time given in nanoseconds since the epoch as ISO 8601, UTC; empty where the calendar ends before it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def local_of(nanoseconds: int) -> str:
    """Return a time given in nanoseconds since the epoch as local time to the minute; blank where there is none."""
    try:
        return f"{dt.datetime.fromtimestamp(nanoseconds / 1e9).astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        return " " * _WIDTH


def local_moment(timestamp: str) -> str:
    """Return an ISO 8601 time as local time to the second; as it is where it is no time."""
    try:
        return f"{dt.datetime.fromisoformat(timestamp).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return timestamp
