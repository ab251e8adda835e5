"""That nothing numbered is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LAST = {"R": 15, "W": 18, "T": 12, "P": 21, "E": 7, "A": 6, "S": 3}
DEVIATIONS = {"tee", "parallel_transform", "synchronous_fast_path"}


def functions() -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def test_all_82_numbers_are_here_and_no_other() -> None:
    expected = {f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)}
    assert len(expected) == 82
    found = {found[1] for function in functions() if (found := re.match(r"test_([A-Z]\d+)_", function.name))}
    assert found == expected


def test_every_numbered_test_says_in_one_line_what_it_proves() -> None:
    for function in functions():
        if re.match(r"test_([A-Z]\d+|deviation)_", function.name):
            text = ast.get_docstring(function)
            assert text, f"{function.name} does not say what it proves"
            assert text.endswith("."), function.name
            assert "\n" not in text, function.name


def test_every_deviation_has_its_own_tests() -> None:
    names = [function.name for function in functions()]
    for deviation in DEVIATIONS:
        assert len([name for name in names if name.startswith(f"test_deviation_{deviation}_")]) >= 2, deviation
