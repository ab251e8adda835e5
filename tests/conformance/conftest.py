"""Marks the tests named after a behaviour of the standard: ``pytest -k behaviour`` and ``-m behaviour`` list them."""

from __future__ import annotations

import re

import pytest

_BEHAVIOUR = re.compile(r"test_[RWTPEAS]\d+_")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "behaviour: proves one of the 82 numbered behaviours of the stream standard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _BEHAVIOUR.match(item.name):
            item.add_marker("behaviour")
