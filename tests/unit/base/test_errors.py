from __future__ import annotations

import inspect
import re

from kamaros_gui.base import errors
from kamaros_gui.base.errors import AbortError, AbortTimeoutError, DiskFullError, KamarosError, StorageError


def test_all_names_everything_public() -> None:
    public = [name for name, value in vars(errors).items() if inspect.isclass(value) and not name.startswith("_")]
    assert sorted(public) == sorted(errors.__all__) == errors.__all__


def test_the_tree_in_the_documentation_is_the_real_one() -> None:
    drawn: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^ {4}([│├└─ ]*)(\w+Error)\b", line):
            depth, name = len(found[1]), found[2]
            while above and above[-1][0] >= depth:
                above.pop()
            drawn[name] = above[-1][1] if above else None
            above.append((depth, name))
    real = {name: getattr(errors, name).__base__.__name__ for name in errors.__all__}
    assert drawn == real | {"KamarosError": None}
    assert KamarosError.__base__ is Exception


def test_messages_and_hints() -> None:
    error = DiskFullError("full", path="p", volume="/v", missing=3, hint="free some")
    assert (str(error), error.message, error.hint) == ("full", "full", "free some")
    assert (error.path, error.volume, error.missing) == ("p", "/v", 3)
    assert isinstance(error, StorageError)
    assert str(AbortError()) == "Cancelled."
    assert "time limit" in str(AbortTimeoutError())


def test_every_error_is_made_from_a_message_alone() -> None:
    for name in errors.__all__:
        error = getattr(errors, name)("message")
        assert (str(error), error.hint) == ("message", "")
