"""Where icons and other data files are, in a source tree, an installed wheel and a frozen program."""

from __future__ import annotations

import functools
import os
import sys

__all__ = ["read_resource", "resource_path"]


def resource_path(name: str) -> str:
    """Return the path of the data file *name*, for instance ``icons/folder.svg``.

    Raises:
        FileNotFoundError: the installation has no such file.
    """
    for root in _roots():
        candidate = os.path.join(root, *name.split("/"))
        if os.path.exists(candidate):
            return candidate
    raise FileNotFoundError(f"The data file {name} is missing from this installation.")


@functools.cache
def read_resource(name: str) -> bytes:
    """Return the content of the data file *name*; read once, then kept."""
    with open(resource_path(name), "rb") as file:
        return file.read()


@functools.cache
def _roots() -> tuple[str, ...]:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    roots = [os.path.join(package, "resources"), os.path.join(os.path.dirname(package), "resources")]
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen:
        roots[:0] = [os.path.join(frozen, "kamaros_gui", "resources"), os.path.join(frozen, "resources")]
    return tuple(roots)
