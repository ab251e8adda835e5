"""The command line: which arguments become which options, wherever they stand."""

from __future__ import annotations

import pytest

from kamaros_gui.base.config import JCFConfig
from kamaros_gui.cli.main import _VERBS
from kamaros_gui.cli.parser import make_parser, parse_arguments

FLAGS = {"--mirror", "--json", "-q", "--replace", "--tagged", "--dry-run", "--exit-code", "--overwrite", "--stats"}


def parts_of(arguments: list[str]) -> tuple[list[str], list[list[str]]]:
    """Split a command line into its plain arguments and its options, each with its value."""
    plain: list[str] = []
    options: list[list[str]] = []
    rest = list(arguments)
    while rest:
        each = rest.pop(0)
        if not each.startswith("-"):
            plain.append(each)
        else:
            options.append([each] if each in FLAGS else [each, rest.pop(0)])
    return plain, options


def orders_of(arguments: list[str]) -> list[list[str]]:
    """Return the same command line with its options at every place between the plain arguments."""
    plain, options = parts_of(arguments)
    flat = [part for option in options for part in option]
    verb, words = plain[0], plain[1:]
    return [[verb, *words[:at], *flat, *words[at:]] for at in range(len(words) + 1)]


def test_options_of_a_save() -> None:
    options = parse_arguments(
        ["save", "a.jcf", "-m", "message", "x", "y", "--into", "f", "--mirror", "--exclude", "a", "--exclude", "b",
         "--codec", "zstd", "--level", "3", "--chunk-size", "64K", "--workers", "2", "--author", "me"]
    )  # fmt: skip
    assert (options.archive, options.paths, options.message, options.author) == ("a.jcf", ["x", "y"], "message", "me")
    assert (options.into, options.mirror, options.exclude) == ("f", True, ["a", "b"])
    assert (options.codec, options.level, options.chunk_size, options.workers) == ("zstd", 3, 65536, 2)


def test_settings_are_left_alone_until_they_are_asked_for() -> None:
    """An option with the name of a setting overrides it, so it must be None unless it was given."""
    for arguments in (
        ["save", "a", "x"],
        ["verify", "a"],
        ["import", "x", "a"],
        ["forget", "a", "V"],
        ["cat", "a", "x"],
    ):
        options = parse_arguments(arguments)
        assert {name: getattr(options, name, None) for name in JCFConfig.__struct_fields__} == dict.fromkeys(
            JCFConfig.__struct_fields__
        )
    options = parse_arguments(["save", "a", "x", "--no-compact", "--reread", "--verify", "full"])
    assert (options.auto_compact, options.reread_unchanged, options.verify_after_save) == (False, True, "full")


def test_paths_that_begin_with_a_dash() -> None:
    options = parse_arguments(["save", "a.jcf", "--", "-x", "--json"])
    assert options.paths == ["-x", "--json"]
    options = parse_arguments(["restore", "a.jcf", "-C", "out", "--", "-x"])
    assert (options.paths, options.directory) == (["-x"], "out")
    options = parse_arguments(["remove", "a.jcf", "-m", "message", "--", "-x", "-y"])
    assert (options.paths, options.message) == (["-x", "-y"], "message")
    assert parse_arguments(["log", "a.jcf", "--", "-x"]).path == "-x"
    options = parse_arguments(["move", "a.jcf", "--", "-x", "-y"])
    assert (options.old, options.new) == ("-x", "-y")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["log", "a.jcf"], {"archive": "a.jcf", "path": ""}),
        (["log", "a.jcf", "p", "--json"], {"archive": "a.jcf", "path": "p", "json": True}),
        (["diff", "a.jcf", "V1"], {"archive": "a.jcf", "old": "V1", "new": "HEAD", "folder": None}),
        (["diff", "a.jcf", "V1", "V2", "--json"], {"archive": "a.jcf", "old": "V1", "new": "V2", "json": True}),
        (
            ["diff", "a.jcf", "V1", "--with", "DIR", "--into", "F", "--exit-code"],
            {"archive": "a.jcf", "old": "V1", "folder": "DIR", "into": "F", "exit_code": True},
        ),
        (["cat", "a.jcf", "p"], {"archive": "a.jcf", "path": "p", "wanted": "HEAD"}),
        (["cat", "a.jcf", "p", "--version", "V"], {"archive": "a.jcf", "path": "p", "wanted": "V"}),
        (["tag", "a.jcf"], {"archive": "a.jcf", "places": [], "delete": None, "replace": False}),
        (["tag", "a.jcf", "--delete", "x"], {"archive": "a.jcf", "places": [], "delete": "x"}),
        (["tag", "a.jcf", "V", "x", "--replace"], {"archive": "a.jcf", "places": ["V", "x"], "replace": True}),
        (
            ["move", "a.jcf", "old", "new", "-m", "why", "--author", "me"],
            {"archive": "a.jcf", "old": "old", "new": "new", "message": "why", "author": "me"},
        ),
        (["remove", "a.jcf", "x", "y", "-m", "why"], {"archive": "a.jcf", "paths": ["x", "y"], "message": "why"}),
        (["save", "a.jcf", "x", "y", "-m", "why"], {"archive": "a.jcf", "paths": ["x", "y"], "message": "why"}),
        (["forget", "a.jcf", "V", "W"], {"versions": ["V", "W"], "keep_last": None, "keep_within": None}),
        (["forget", "a.jcf", "--keep-last", "3"], {"archive": "a.jcf", "versions": [], "keep_last": 3}),
        (
            ["forget", "a.jcf", "V", "--keep-last", "3", "--keep-within", "0.5", "--tagged", "--dry-run"],
            {"versions": ["V"], "keep_last": 3, "keep_within": 0.5, "tagged": True, "dry_run": True},
        ),
        (["compact", "a.jcf", "-q"], {"archive": "a.jcf", "quiet": True}),
        (["stats", "a.jcf", "--json"], {"archive": "a.jcf", "json": True}),
        (
            ["export", "a.jcf", "o.zip", "--version", "V", "--overwrite"],
            {"archive": "a.jcf", "target": "o.zip", "wanted": "V", "interchange": False, "overwrite": True},
        ),
        (
            ["import", "f.zip", "a.jcf", "--version", "V", "--into", "F", "-m", "why", "--author", "me"],
            {"source": "f.zip", "archive": "a.jcf", "wanted": "V", "into": "F", "message": "why", "author": "me"},
        ),
        (["import", "f.zip", "a.jcf"], {"source": "f.zip", "archive": "a.jcf", "wanted": None, "into": ""}),
        (["verify", "a.jcf"], {"archive": "a.jcf", "repair": False}),
    ],
)
def test_options_may_stand_anywhere(arguments: list[str], expected: dict[str, object]) -> None:
    for order in orders_of(arguments):
        options = parse_arguments(order)
        assert {name: getattr(options, name) for name in expected} == expected, order


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["log", "a.jcf", "one", "two"], "two"),
        (["diff", "a.jcf"], "V1"),
        (["diff", "a.jcf", "--with", "DIR"], "V1"),
        (["diff", "a.jcf", "V1", "V2", "V3"], "V3"),
        (["diff", "a.jcf", "V1", "V2", "--with", "DIR"], "--with"),
        (["diff", "a.jcf", "V1", "--into", "F"], "--into"),
        (["diff", "a.jcf", "V1", "--nonsense"], "--nonsense"),
        (["cat", "a.jcf"], "PATH"),
        (["cat", "a.jcf", "p", "--json"], "--json"),
        (["tag", "a.jcf", "V"], "NAME"),
        (["tag", "a.jcf", "V", "x", "y"], "y"),
        (["tag", "a.jcf", "V", "x", "--delete", "x"], "--delete"),
        (["tag", "a.jcf", "--replace"], "--replace"),
        (["tag", "a.jcf", "--delete", "x", "--replace"], "--replace"),
        (["move", "a.jcf", "old"], "NEW"),
        (["move", "a.jcf", "old", "new", "more"], "more"),
        (["remove", "a.jcf"], "PATH"),
        (["forget", "a.jcf"], "--keep-last"),
        (["forget", "a.jcf", "--tagged", "--dry-run"], "--keep-last"),
        (["forget", "a.jcf", "--keep-last", "0"], "from 1 on"),
        (["forget", "a.jcf", "--keep-last", "-1"], "--keep-last"),
        (["forget", "a.jcf", "--keep-last", "many"], "many"),
        (["forget", "a.jcf", "--keep-within", "0"], "number of days"),
        (["forget", "a.jcf", "--keep-within", "nan"], "number of days"),
        (["forget", "a.jcf", "--keep-within", "inf"], "number of days"),
        (["forget", "a.jcf", "--keep-within", "soon"], "soon"),
        (["compact", "a.jcf", "more"], "more"),
        (["stats"], "ARCHIVE"),
        (["export", "a.jcf"], "OUT"),
        (["export", "a.jcf", "o", "--interchange", "--version", "V"], "--interchange"),
        (["import", "f.zip"], "ARCHIVE"),
        (["import", "f.zip", "a.jcf", "more"], "more"),
    ],
)
def test_what_does_not_go_together_is_told_with_the_usage_of_the_verb(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_arguments(arguments)
    told = capsys.readouterr().err
    assert ending.value.code == 2
    assert f"usage: kamaros {arguments[0]}" in told
    assert says in told.splitlines()[-1]


def test_every_verb_has_help_and_is_carried_out(capsys: pytest.CaptureFixture[str]) -> None:
    [verbs] = [action.choices for action in make_parser()._actions if action.dest == "verb"]
    assert verbs is not None
    assert set(verbs) == {*_VERBS, "gui"}
    for verb in verbs:
        with pytest.raises(SystemExit) as ending:
            parse_arguments([verb, "--help"])
        assert ending.value.code == 0
        told = capsys.readouterr().out
        assert told.startswith(f"usage: kamaros {verb} ")
        assert max(map(len, told.splitlines())) <= 80


def test_the_usage_that_is_written_by_hand_names_every_option() -> None:
    [verbs] = [action.choices for action in make_parser()._actions if action.dest == "verb"]
    assert verbs is not None
    for parser in verbs.values():
        if parser.usage is not None:
            for action in parser._actions:
                assert not action.option_strings or any(each in parser.usage for each in action.option_strings)
