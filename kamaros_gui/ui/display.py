"""Whether there is a display a window can be opened on. Qt ends the process where there is none, without a way out."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

__all__ = ["missing_display"]


def missing_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """Return why no window can be opened, empty where one can. Windows and macOS always have a display.

    Args:
        environment: variables of the process.
        platform: as ``sys.platform``.
    """
    if not platform.startswith(("linux", "freebsd", "openbsd", "netbsd")) or environment.get("QT_QPA_PLATFORM"):
        return ""
    if environment.get("WAYLAND_DISPLAY"):
        return ""
    if not environment.get("DISPLAY"):
        return "There is no display: DISPLAY and WAYLAND_DISPLAY are not set."
    return _missing_x11(environment["DISPLAY"])


def _missing_x11(display: str) -> str:
    """Return what keeps Qt from showing a window on an X11 display."""
    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError:
        return "Qt needs the system library libxcb-cursor0 to show a window on X11, and it is not installed."
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return ""  # Qt itself needs it to be imported; here is nothing to add
    xlib.XOpenDisplay.argtypes = [ctypes.c_char_p]
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XCloseDisplay.argtypes = [ctypes.c_void_p]
    connection = xlib.XOpenDisplay(display.encode())
    if not connection:
        return f"The display {display} can't be reached."
    xlib.XCloseDisplay(connection)
    return ""
