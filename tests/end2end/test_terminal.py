"""The terminal: exit statuses, JSON shapes, errors without tracebacks, settings and their sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.program import call, environment, is_privileged, program, run, strays, without_privileges
from tests.helpers.trees import noise, text, write

HEX64 = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    write(tree / "file.txt", text(5000))
    write(tree / "empty", b"")
    os.symlink("file.txt", tree / "link")
    call("save", tmp_path / "a.jcf", tree, "-m", "first", "--author", "Ana").expect(0)
    write(tree / "file.txt", b"changed")
    write(tree / "new", b"new")
    os.unlink(tree / "empty")
    call("save", tmp_path / "a.jcf", tree, "--mirror").expect(0)
    return tmp_path


def test_json_of_save(saved: Path) -> None:
    write(saved / "tree" / "another", noise(1234))
    answer = run("save", saved / "a.jcf", saved / "tree", "--json").expect(0).json
    assert list(answer) == ["version", "archive", "files", "bytes_in", "bytes_out", "reclaimed", "seconds"]
    assert list(answer["files"]) == ["added", "modified", "unchanged", "deleted", "failed", "renamed"]
    assert UUID.fullmatch(answer["version"])
    assert answer["archive"] == str(saved / "a.jcf")
    assert answer["files"]["added"] == 1
    assert answer["bytes_in"] >= 1234
    assert answer["bytes_out"] > 1234
    assert isinstance(answer["seconds"], float)


def test_json_of_list(saved: Path) -> None:
    answer = run("list", saved / "a.jcf", "--json").expect(0).json
    assert list(answer) == ["version", "entries"]
    assert [entry["path"] for entry in answer["entries"]] == ["tree", "tree/file.txt", "tree/link", "tree/new"]
    for entry in answer["entries"]:
        assert {"path", "size", "packed", "sha256", "modified", "method"} <= set(entry)
        assert set(entry) <= {"path", "type", "size", "packed", "sha256", "modified", "mode", "method"}
    file = answer["entries"][1]
    assert (file["size"], file["method"], file["mode"]) == (7, "store", "0644")
    assert HEX64.fullmatch(file["sha256"])
    stamp = os.stat(saved / "tree" / "file.txt").st_mtime_ns
    assert file["modified"].endswith(f".{stamp % 10**9:09d}Z")
    old = run("list", saved / "a.jcf", "--json", "--version", "HEAD~1").expect(0).json
    assert [entry["path"] for entry in old["entries"]] == ["tree", "tree/empty", "tree/file.txt", "tree/link"]
    assert old["entries"][2]["size"] == 5000


def test_json_of_log(saved: Path) -> None:
    answer = run("log", saved / "a.jcf", "--json").expect(0).json
    assert list(answer) == ["versions"]
    second, first = answer["versions"]
    fields = ["id", "parent", "timestamp", "message", "author", "tags", "added", "modified", "deleted", "renamed"]
    assert list(first) == list(second) == fields
    assert (first["message"], first["author"], first["parent"], first["tags"]) == ("first", "Ana", "", [])
    assert (first["added"], first["modified"], first["deleted"]) == (3, 0, 0)
    assert (second["added"], second["modified"], second["deleted"]) == (1, 1, 1)
    assert second["parent"] == first["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["timestamp"])


def test_json_of_verify(saved: Path) -> None:
    answer = run("verify", saved / "a.jcf", "--json").expect(0).json
    assert list(answer)[:4] == ["valid", "checked", "errors", "warnings"]
    assert set(answer) <= {"valid", "checked", "errors", "warnings", "seconds"}
    assert (answer["valid"], answer["errors"], answer["warnings"]) == (True, [], [])
    data = (saved / "a.jcf").read_bytes()
    at = data.index(b"changed")
    (saved / "a.jcf").write_bytes(data[:at] + b"C" + data[at + 1 :])
    answer = run("verify", saved / "a.jcf", "--json").expect(5).json
    assert [list(error) for error in answer["errors"]] == [["type", "path", "version", "hash", "message"]]


def test_json_of_restore(saved: Path) -> None:
    answer = run("restore", saved / "a.jcf", "-C", saved / "out", "--json").expect(0).json
    assert answer["restored"] == 4
    assert answer["failed"] == answer["identical"] == answer["damaged"] == 0
    again = run("restore", saved / "a.jcf", "-C", saved / "out", "--json").expect(0).json
    assert again["identical"] == 3


# -------------------------------------------------------------------------------------------------- --stats

LARGE = text(3_000_000)
SMALL = [text(1000 + number, number) for number in range(20)]
CONTENT = len(LARGE) + sum(map(len, SMALL))
FIGURES = ["name", "bytes_in", "bytes_out", "chunks_in", "chunks_out", "queued", "high_water_mark"]
FIGURES += ["waited_for_input", "waited_for_output", "busy", "bytes_per_second"]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of one file that streams and some that are packed at once."""
    write(tmp_path / "mixed" / "large", LARGE)
    for number, content in enumerate(SMALL):
        write(tmp_path / "mixed" / f"small {number}", content)
    return tmp_path


def stages_of(answer: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    """Check what holds for the stages of any job; return them by name."""
    stages = {stage["name"]: stage for stage in answer["stages"]}
    assert list(stages) == names
    for stage in stages.values():
        assert list(stage) == FIGURES
        assert stage["busy"] > 0
        assert stage["chunks_in"] > 0
        assert stage["queued"] == 0
    slowest = max(stages.values(), key=lambda stage: float(stage["busy"]))
    assert answer["bottleneck"] == slowest["name"]
    return stages


def test_stats_of_a_save_tell_what_every_stage_did(mixed: Path) -> None:
    answer = run("save", mixed / "a.jcf", mixed / "mixed", "--stats", "--json").expect(0).json
    stages = stages_of(answer, ["read", "hash", "encode", "write"])
    for name in ("read", "hash", "encode"):
        assert stages[name]["bytes_in"] == CONTENT, name
        assert stages[name]["busy"] <= answer["seconds"], name
    assert stages["read"]["bytes_out"] == CONTENT
    assert 0 < stages["encode"]["bytes_out"] < CONTENT
    # The small files go out with their headers, the large one without.
    assert stages["encode"]["bytes_out"] <= stages["write"]["bytes_in"] <= answer["bytes_out"]
    assert stages["read"]["chunks_in"] >= len(LARGE) // 65536 + len(SMALL)
    assert stages["encode"]["high_water_mark"] > 0


def test_stats_of_a_save_without_large_or_without_small_files(mixed: Path) -> None:
    os.rename(mixed / "mixed" / "large", mixed / "large")
    for name, size in (("mixed", CONTENT - len(LARGE)), ("large", len(LARGE))):
        answer = run("save", mixed / f"{name}.jcf", mixed / name, "--stats", "--json").expect(0).json
        assert stages_of(answer, ["read", "hash", "encode", "write"])["read"]["bytes_in"] == size


def test_stats_of_restore_and_verify_tell_what_every_stage_did(mixed: Path) -> None:
    call("save", mixed / "a.jcf", mixed / "mixed").expect(0)
    restored = run("restore", mixed / "a.jcf", "-C", mixed / "out", "--stats", "--json").expect(0).json
    stages = stages_of(restored, ["read", "decode", "hash", "write"])
    assert 0 < stages["read"]["bytes_in"] < CONTENT
    assert stages["decode"]["bytes_out"] == stages["hash"]["bytes_in"] == stages["write"]["bytes_in"] == CONTENT
    verified = run("verify", mixed / "a.jcf", "--stats", "--json").expect(0).json
    stages = stages_of(verified, ["read", "decode", "hash"])
    assert stages["decode"]["bytes_out"] == stages["hash"]["bytes_in"] >= CONTENT


def test_stats_for_people_are_a_table_and_a_sentence(mixed: Path) -> None:
    archive = mixed / "a.jcf"
    for arguments in (
        ["save", archive, mixed / "mixed"],
        ["restore", archive, "-C", mixed / "out"],
        ["verify", archive],
    ):
        lines = run(*arguments, "--stats").expect(0).out.splitlines()
        [at] = [number for number, line in enumerate(lines) if line.startswith("Stage ")]
        assert {"In", "Out", "Chunks", "Queue", "Busy", "Speed"} <= set(lines[at].split())
        assert lines[at + 1].startswith("read ")
        assert len({len(line) for line in lines[at:-1]}) == 1
        told = re.fullmatch(r"(\w+) was the slowest stage: busy (<?[\d.]+) s of (<?[\d.]+) s\.", lines[-1])
        assert told
        assert told[1] in {line.split()[0] for line in lines[at + 1 : -1]}


def test_stats_are_told_only_where_they_are_asked_for(mixed: Path) -> None:
    plain = call("save", mixed / "a.jcf", mixed / "mixed").expect(0)
    assert "slowest" not in plain.out
    assert call("save", mixed / "a.jcf", mixed / "mixed" / "large", "--stats", "-q").expect(0).out == ""
    assert "stages" not in call("verify", mixed / "a.jcf", "--json").expect(0).json


# -------------------------------------------------------------------------------------- --strict and --verify


def test_a_strict_save_fails_whole_over_a_file_that_can_not_be_read(saved: Path) -> None:
    before = without_privileges if is_privileged() else None
    write(saved / "tree" / "another", b"another")
    secret = saved / "tree" / "secret"
    write(secret, b"secret")
    secret.chmod(0)
    archive = (saved / "a.jcf").read_bytes()
    for arguments in ([], ["--json"]):
        refused = run("save", saved / "a.jcf", saved / "tree", "--strict", *arguments, before=before).expect(1)
        assert "secret" in refused.err
        assert (saved / "a.jcf").read_bytes() == archive
    assert "secret" in refused.json["error"]["message"]
    assert "secret" in run("save", saved / "new.jcf", saved / "tree", "--strict", before=before).expect(1).err
    assert strays(saved, ["a.jcf", "tree"]) == []
    lenient = run("save", saved / "a.jcf", saved / "tree", "--json", before=before).expect(6).json
    assert (lenient["files"]["added"], lenient["files"]["failed"]) == (1, 1)
    secret.chmod(0o600)
    run("save", saved / "a.jcf", saved / "tree", "--strict").expect(0)


@pytest.mark.parametrize("mode", ["off", "fast", "full"])
def test_a_save_may_be_verified_before_it_counts(saved: Path, mode: str) -> None:
    write(saved / "tree" / "another", text(2_000_000))
    call("save", saved / "a.jcf", saved / "tree", "--verify", mode).expect(0)
    assert call("verify", saved / "a.jcf", "--json").expect(0).json["valid"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["list", "none.jcf"], 3, "none.jcf"),
        (["verify", "none.jcf"], 3, "none.jcf"),
        (["restore", "none.jcf", "-C", "out"], 3, "none.jcf"),
        (["log", "none.jcf"], 3, "none.jcf"),
        (["save", "b.jcf", "none"], 3, "none"),
        (["save", "no/folder/b.jcf", "tree"], 1, "no/folder"),
        (["save", "tree", "tree/new"], 1, "tree"),
        (["list", "tree"], 5, "folder"),
        (["list", "a.jcf", "--version", "nope"], 4, "nope"),
        (["restore", "a.jcf", "-C", "out", "--version", "HEAD~2"], 4, "HEAD~2"),
        (["restore", "a.jcf", "tree/none", "-C", "out"], 3, "tree/none"),
        (["restore", "a.jcf", "-C", "a.jcf"], 1, "a.jcf"),
        (["restore", "a.jcf", "-C", "a.jcf/below"], 1, "a.jcf"),
        (["log", "a.jcf", "tree/none"], 3, "tree/none"),
        (["save", "b.jcf", "tree", "--into", "../out"], 1, "../out"),
        (["save", "a.jcf", "tree", "--into", "tree/new"], 1, "tree/new"),
        (["save", "b.jcf", "tree", "--level", "11"], 2, "from 1 to 9"),
        (["save", "b.jcf", "tree", "--chunk-size", "3K"], 2, "power of two"),
        (["save", "b.jcf", "tree", "--workers", "999"], 2, "from 1 to 64"),
    ],
)
def test_errors_are_told_with_their_status(saved: Path, arguments: list[str], status: int, says: str) -> None:
    """Each error has its exit status, one line for people, one object for machines, and leaves nothing behind."""
    places = [
        str(saved / each) if number and not arguments[number - 1].startswith("--") and each[0] != "-" else each
        for number, each in enumerate(arguments)
    ]
    places = [each.removeprefix(f"{saved}/") if each.endswith(("HEAD~2", "nope")) else each for each in places]
    plain = call(*places).expect(status)
    assert plain.out == ""
    assert says in plain.err
    assert plain.err.startswith("kamaros: ")
    assert plain.err.count("\n") == 1
    told = call(*places, "--json").expect(status)
    assert set(told.json) == {"error"}
    assert set(told.json["error"]) == {"type", "message", "hint"}
    assert strays(saved, ["a.jcf", "tree"]) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["save"],
        ["save", "a.jcf"],
        ["save", "a.jcf", "x", "--codec", "rar"],
        ["save", "a.jcf", "x", "--chunk-size", "many"],
        ["save", "a.jcf", "x", "--verify", "perhaps"],
        ["list", "a.jcf", "--stats"],
        ["restore", "a.jcf", "--on-conflict", "perhaps"],
        ["restore", "a.jcf", "-C", "out", "x", "--nonsense"],
        ["log", "a.jcf", "one", "two"],
        ["list", "a.jcf", "more"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    outcome = call(*arguments).expect(2)
    assert "usage: kamaros" in outcome.err


def test_paths_may_stand_before_and_behind_options(saved: Path) -> None:
    for number, arguments in enumerate(
        (
            ["restore", saved / "a.jcf", "tree/new", "-C", "OUT"],
            ["restore", saved / "a.jcf", "-C", "OUT", "tree/new"],
            ["restore", "-C", "OUT", saved / "a.jcf", "tree/new"],
        )
    ):
        out = saved / f"out{number}"
        call(*[out if each == "OUT" else each for each in arguments]).expect(0)
        assert os.listdir(out / "tree") == ["new"]
    assert len(call("log", saved / "a.jcf", "--json", "tree/new").expect(0).json["versions"]) == 1
    call("save", saved / "b.jcf", "-m", "message", saved / "tree").expect(0)


def test_quiet_prints_nothing_and_version_and_help_work(saved: Path) -> None:
    write(saved / "tree" / "more", b"more")
    assert call("save", saved / "a.jcf", saved / "tree", "-q").expect(0).out == ""
    assert call("restore", saved / "a.jcf", "-C", saved / "o", "-q").expect(0).out == ""
    assert re.fullmatch(r"kamaros \d+\.\d+\.\d+\n", run("--version").expect(0).out)
    assert "exit status" in run("--help").expect(0).out


def test_output_that_nobody_reads_is_no_error_to_shout_about(saved: Path) -> None:
    process = subprocess.Popen(
        program("list", saved / "a.jcf"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert told == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_terminal_without_unicode(saved: Path, encoding: str) -> None:
    write(saved / "tree" / "zażółć", b"x")
    for arguments in (("save", saved / "a.jcf", saved / "tree"), ("log", saved / "a.jcf"), ("list", saved / "a.jcf")):
        run(*arguments, env={"PYTHONIOENCODING": encoding}).expect(0)


def test_demo_shows_the_whole_job(tmp_path: Path) -> None:
    outcome = run("demo", tmp_path / "demo").expect(0)
    assert "as it was saved" in outcome.out
    assert (tmp_path / "demo" / "demo.jcf").exists()
    assert "not empty" in run("demo", tmp_path / "demo").expect(1).err


def test_nothing_of_qt_is_loaded_for_the_terminal(saved: Path) -> None:
    code = (
        "import sys\nfrom kamaros_gui.app import main\n"
        f"status = main(['verify', {str(saved / 'a.jcf')!r}])\n"
        "assert not [name for name in sys.modules if 'PySide' in name or 'qasync' in name]\nsys.exit(status)"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------- settings


def method_of(archive: Path) -> str:
    [entry] = [each for each in call("list", archive, "--json").expect(0).json["entries"] if each["type"] == "file"]
    return str(entry["method"])


def test_settings_file_then_environment_then_arguments(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "file", text(400_000))
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"codec": "zstd", "level": 19, "language": "pl"}))
    for number, (env, options, method) in enumerate(
        (
            ({}, [], "deflate"),
            ({"KAMAROS_SETTINGS": str(settings)}, [], "zstd"),
            ({"KAMAROS_SETTINGS": str(settings), "KAMAROS_CODEC": "store"}, [], "store"),
            ({"KAMAROS_SETTINGS": str(settings), "KAMAROS_CODEC": "store"}, ["--codec", "deflate"], "deflate"),
        )
    ):
        archive = tmp_path / f"{number}.jcf"
        call("save", archive, tmp_path / "tree", *options, env=env).expect(0)
        assert method_of(archive) == method


BAD_SETTINGS: list[tuple[dict[str, Any], dict[str, str], list[str], list[str]]] = [
    ({"chunk_size": 5000}, {}, [], ["settings.json", "chunk_size", "4 KiB", "16 MiB"]),
    ({"codec": "rar"}, {}, [], ["settings.json", "codec", "deflate"]),
    ({"level": "high"}, {}, [], ["settings.json", "level"]),
    ({}, {"KAMAROS_LEVEL": "12"}, [], ["KAMAROS_LEVEL", "from 1 to 9"]),
    ({}, {"KAMAROS_CHUNK_SIZE": "many"}, [], ["KAMAROS_CHUNK_SIZE", "many"]),
    ({}, {"KAMAROS_CHUNK_SIZE": "1K"}, [], ["KAMAROS_CHUNK_SIZE", "4 KiB"]),
    ({}, {"KAMAROS_WORKERS": "-1"}, [], ["KAMAROS_WORKERS", "from 1 to 64"]),
    ({}, {"KAMAROS_REREAD_UNCHANGED": "maybe"}, [], ["KAMAROS_REREAD_UNCHANGED"]),
    ({}, {}, ["--level", "0"], ["command line", "from 1 to 9"]),
    ({"codec": "zstd"}, {}, ["--level", "20"], ["command line", "from 1 to 19"]),
]


@pytest.mark.parametrize(("file", "env", "options", "says"), BAD_SETTINGS)
def test_bad_settings_name_their_source_and_range(
    tmp_path: Path, file: dict[str, Any], env: dict[str, str], options: list[str], says: list[str]
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(file))
    write(tmp_path / "file", b"x")
    env = {"KAMAROS_SETTINGS": str(settings)} | env
    outcome = call("save", tmp_path / "a.jcf", tmp_path / "file", *options, env=env).expect(2)
    for each in says:
        assert each in outcome.err
    assert strays(tmp_path, ["file", "settings.json"]) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b""])
def test_settings_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    settings = tmp_path / "settings.json"
    settings.write_bytes(content)
    outcome = call("list", tmp_path / "a.jcf", env={"KAMAROS_SETTINGS": str(settings)}).expect(2)
    assert str(settings) in outcome.err
