"""The places that are tested, all by the same tests."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from kamaros_gui.storage.adapter import FileSystemAdapter
from kamaros_gui.storage.local import LocalAdapter
from kamaros_gui.storage.memory import MemoryAdapter


class Place(NamedTuple):
    """A place for files with an empty folder in it."""

    files: FileSystemAdapter
    base: str

    def __truediv__(self, name: str) -> str:
        """Path of *name* in the folder."""
        return f"{self.base}/{name}"


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    files: FileSystemAdapter = LocalAdapter() if request.param == "local" else MemoryAdapter()
    base = f"{tmp_path}/base" if request.param == "local" else "/base"
    files.make_folder(base)
    return Place(files, base)
