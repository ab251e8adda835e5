"""Fixtures for every layer's tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def deep_place(tmp_path: Path) -> Iterator[Path]:
    """A folder for trees that are deeper than Python's own removal of trees, and pytest's, can follow."""
    place = tmp_path / "deep"
    place.mkdir()
    yield place
    subprocess.run(["rm", "-rf", place], check=True)
