from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kamaros_gui.base.config import CODECS, JCFConfig, available_cpus, format_size, load_config, parse_size, save_config
from kamaros_gui.base.errors import ConfigError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize("size", [4 * KIB << shift for shift in range(13)])
def test_every_power_of_two_within_the_bounds_is_a_chunk_size(size: int) -> None:
    assert JCFConfig(chunk_size=size).chunk_size == size


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("chunk_size", 2 * KIB, "4 KiB to 16 MiB"),
        ("chunk_size", 32 * MIB, "4 KiB to 16 MiB"),
        ("chunk_size", 64 * KIB + 1, "power of two"),
        ("chunk_size", 0, "power of two"),
        ("chunk_size", -64 * KIB, "power of two"),
        ("codec", "lzma", "deflate, zstd, store"),
        ("level", 0, "1 to 9"),
        ("level", 10, "1 to 9"),
        ("workers", -1, "1 to 64"),
        ("workers", 65, "1 to 64"),
        ("verify_after_save", "maybe", "off, fast or full"),
        ("snapshot_interval", 0, "1 to 1000"),
        ("snapshot_interval", 1001, "1 to 1000"),
    ],
)
def test_values_outside_their_range_are_refused_with_field_value_and_range(field: str, value: Any, named: str) -> None:
    for make in (lambda: JCFConfig(**{field: value}), lambda: JCFConfig().replace(**{field: value})):
        with pytest.raises(ConfigError) as caught:
            make()
        assert field in str(caught.value)
        assert str(value) in str(caught.value)
        assert named in str(caught.value)


def test_levels_follow_the_codec() -> None:
    for codec, (low, high, usual) in CODECS.items():
        assert JCFConfig(codec=codec).effective_level == usual  # type: ignore[arg-type]
        if codec != "store":
            assert JCFConfig(codec=codec, level=low).effective_level == low  # type: ignore[arg-type]
            assert JCFConfig(codec=codec, level=high).effective_level == high  # type: ignore[arg-type]
    assert JCFConfig(codec="store", level=99).effective_level == 0
    with pytest.raises(ConfigError, match="level is 19"):
        JCFConfig(codec="zstd", level=19).replace(codec="deflate")


def test_workers_default_to_the_cpus_at_hand() -> None:
    assert JCFConfig().effective_workers == available_cpus() >= 1
    assert JCFConfig(workers=7).effective_workers == 7


def test_replace_leaves_the_original_alone() -> None:
    before = JCFConfig(workers=3)
    after = before.replace(codec="zstd")
    assert (after.codec, after.workers, before.codec) == ("zstd", 3, "deflate")
    with pytest.raises(AttributeError):
        before.codec = "store"  # type: ignore[misc]  # frozen, which is what is checked


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536), ("64K", 64 * KIB), ("64k", 64 * KIB), ("64 KiB", 64 * KIB), ("64KB", 64 * KIB),
        (" 1M ", MIB), ("2 mib", 2 * MIB), ("3G", 3 * GIB), ("0", 0), ("12B", 12),
    ],
)  # fmt: skip
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", " ", "K", "KiB", "1.5M", "64 X", "1 2K", "many", "0x10", "1K1", "K64"])
def test_parse_size_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert f"“{text}”" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (MIB - 1, "1.0 MiB"),
        (MIB, "1 MiB"), (5 * GIB // 2, "2.5 GiB"), (GIB - 1, "1.0 GiB"), (3 << 40, "3 TiB"), (3 << 50, "3072 TiB"),
        (-1536, "-1.5 KiB"), (0.4, "0 B"),
    ],
)  # fmt: skip
def test_format_size(size: float, shown: str) -> None:
    assert format_size(size) == shown


@pytest.mark.parametrize("shift", range(12, 25))
def test_format_and_parse_are_inverse_for_chunk_sizes(shift: int) -> None:
    assert parse_size(format_size(1 << shift)) == 1 << shift


def test_saved_settings_are_loaded_again(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "er" / "settings.json")
    for config in (
        JCFConfig(),
        JCFConfig(
            chunk_size=MIB,
            codec="zstd",
            level=19,
            workers=4,
            verify_after_save="full",
            reread_unchanged=True,
            snapshot_interval=1,
        ),
    ):
        save_config(config, path)
        assert load_config(path=path, environment={}) == config
        assert os.listdir(os.path.dirname(path)) == ["settings.json"]


def test_settings_that_cannot_be_saved_leave_no_half_written_file(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    with pytest.raises(ConfigError, match=r"settings\.json"):
        save_config(JCFConfig(), str(tmp_path / "settings.json"))
    assert os.listdir(tmp_path) == ["settings.json"]


def settings(folder: Path, values: object) -> str:
    path = folder / "settings.json"
    path.write_text(json.dumps(values))
    return str(path)


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    path = settings(tmp_path, {"workers": 1, "snapshot_interval": 2, "chunk_size": 4096, "unknown": 1})
    environment = {"KAMAROS_SNAPSHOT_INTERVAL": "3", "KAMAROS_CHUNK_SIZE": "8K", "KAMAROS_REREAD_UNCHANGED": "true"}
    config = load_config(path=path, environment=environment, overrides={"chunk_size": 16 * KIB, "workers": None})
    assert (config.workers, config.snapshot_interval, config.chunk_size) == (1, 3, 16 * KIB)
    assert config.reread_unchanged is True


def test_a_missing_file_and_empty_variables_count_as_nothing(tmp_path: Path) -> None:
    assert load_config(path=str(tmp_path / "none.json"), environment={"KAMAROS_WORKERS": ""}) == JCFConfig()


def test_a_codec_from_a_stronger_source_drops_the_level_of_a_weaker_one(tmp_path: Path) -> None:
    path = settings(tmp_path, {"codec": "zstd", "level": 19})
    config = load_config(path=path, environment={"KAMAROS_CODEC": "deflate"})
    assert (config.codec, config.level) == ("deflate", None)
    config = load_config(path=path, environment={"KAMAROS_CODEC": "deflate", "KAMAROS_LEVEL": "9"})
    assert (config.codec, config.level) == ("deflate", 9)
    assert load_config(path=path, environment={}, overrides={"level": 1}).level == 1


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"{", "can't be read"), (b"\xff\xfe\x00", "can't be read"), (b"[]", "JSON object"), (b"", "can't be read")],
)
def test_a_settings_file_that_is_no_settings_file_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=named) as caught:
        load_config(path=str(path), environment={})
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("values", "environment", "overrides", "source"),
    [
        ({"workers": 99}, {}, {}, "settings.json"),
        ({"codec": None}, {}, {}, "settings.json"),
        ({}, {"KAMAROS_WORKERS": "many"}, {}, "KAMAROS_WORKERS"),
        ({}, {"KAMAROS_CHUNK_SIZE": "huge"}, {}, "KAMAROS_CHUNK_SIZE"),
        ({}, {"KAMAROS_CODEC": "rar"}, {}, "one of deflate, zstd, store"),
        ({}, {}, {"level": 10}, "command line"),
    ],
)
def test_a_bad_value_names_its_source(
    tmp_path: Path, values: dict[str, Any], environment: dict[str, str], overrides: dict[str, Any], source: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path=settings(tmp_path, values), environment=environment, overrides=overrides)
    assert source in str(caught.value)
