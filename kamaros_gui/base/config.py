"""JCFConfig: one frozen record of settings, with its sources and their priority."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from kamaros_gui.base.errors import ConfigError
from kamaros_gui.base.limits import DEFAULT_CHUNK_SIZE, KIB, MAX_CHUNK_SIZE, MIN_CHUNK_SIZE

__all__ = ["CODECS", "CodecName", "JCFConfig", "VerifyMode", "format_size", "load_config", "parse_size", "save_config"]

CodecName = Literal["deflate", "zstd", "store"]
VerifyMode = Literal["off", "fast", "full"]

CODECS: Final[dict[str, tuple[int, int, int]]] = {"deflate": (1, 9, 6), "zstd": (1, 19, 3), "store": (0, 0, 0)}
"""Codec → lowest level, highest level, level used when none is chosen."""

_ENVIRONMENT_PREFIX: Final = "KAMAROS_"
_UNITS: Final = {"": 1, "K": KIB, "M": KIB**2, "G": KIB**3}
_MAX_WORKERS: Final = 64


class JCFConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the engine. Every field is checked on construction.

    Attributes:
        chunk_size: bytes per chunk in the streams, a power of two from 4 KiB to 16 MiB (default 64 KiB).
        codec: ``"deflate"`` (opens everywhere), ``"zstd"`` (method 93: smaller and faster, needs Kamaros or
            7-Zip) or ``"store"`` (no compression).
        level: 1–9 for deflate, 1–19 for zstd, ``None`` for the codec's usual level (6 and 3). Not used by store.
        workers: threads that hash and compress, 1–64; 0 means one per CPU this process may use.
        verify_after_save: ``"off"``, ``"fast"`` (directory and CRC-32 of what was written) or ``"full"`` (hashes).
        reread_unchanged: read files again although size, times and inode are as recorded.
        snapshot_interval: at least how many versions lie between two full listings in the history, 1–1000. A listing
            is only written when the changes since the last one are as many, so the history grows with changes alone.
        auto_compact: compact an archive after a save when its dead space exceeds 64 MiB and 30 % of it.

    Raises:
        ConfigError: a value is outside its range; the message names field, value and range.
    """

    chunk_size: int = DEFAULT_CHUNK_SIZE
    codec: CodecName = "deflate"
    level: int | None = None
    workers: int = 0
    verify_after_save: VerifyMode = "off"
    reread_unchanged: bool = False
    snapshot_interval: int = 20
    auto_compact: bool = True

    def __post_init__(self) -> None:
        if not MIN_CHUNK_SIZE <= self.chunk_size <= MAX_CHUNK_SIZE or self.chunk_size & (self.chunk_size - 1):
            raise ConfigError(
                f"chunk_size is {self.chunk_size} bytes; it must be a power of two"
                f" from {format_size(MIN_CHUNK_SIZE)} to {format_size(MAX_CHUNK_SIZE)}."
            )
        if self.codec not in CODECS:
            raise ConfigError(f"codec is “{self.codec}”; it must be one of {', '.join(CODECS)}.")
        low, high, _ = CODECS[self.codec]
        if self.codec != "store" and self.level is not None and not low <= self.level <= high:
            raise ConfigError(f"level is {self.level}; for {self.codec} it must be from {low} to {high}.")
        if not 0 <= self.workers <= _MAX_WORKERS:
            raise ConfigError(f"workers is {self.workers}; it must be from 1 to {_MAX_WORKERS}, or 0 for one per CPU.")
        if self.verify_after_save not in get_args(VerifyMode):
            raise ConfigError(f"verify_after_save is “{self.verify_after_save}”; it must be off, fast or full.")
        if not 1 <= self.snapshot_interval <= 1000:
            raise ConfigError(f"snapshot_interval is {self.snapshot_interval}; it must be from 1 to 1000.")

    @property
    def effective_level(self) -> int:
        """The level in force: the chosen one, or the codec's usual one."""
        return CODECS[self.codec][2] if self.level is None or self.codec == "store" else self.level

    @property
    def effective_workers(self) -> int:
        """Number of worker threads in force."""
        return self.workers or available_cpus()

    def replace(self, **changes: Any) -> JCFConfig:
        """Return a copy with *changes* applied and checked (raises ConfigError)."""
        return msgspec.structs.replace(self, **changes)


def available_cpus() -> int:
    """CPUs this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def parse_size(text: str) -> int:
    """Read a size such as ``65536``, ``64K``, ``64 KiB`` or ``1M`` as bytes (powers of 1024).

    Raises:
        ConfigError: *text* is not a size.
    """
    cleaned = text.strip().upper().removesuffix("B").removesuffix("I").strip()
    number, unit = (cleaned[:-1], cleaned[-1:]) if cleaned[-1:] in _UNITS else (cleaned, "")
    try:
        return int(number) * _UNITS[unit]
    except ValueError:
        raise ConfigError(f"“{text}” is not a size; write for example 65536, 64K or 1M.") from None


def format_size(size: float) -> str:
    """Show *size* bytes for people, in powers of 1024: ``1.5 MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1023.95 or unit == "TiB":  # beyond that it would be shown as 1024.0
            return f"{value:.0f} {unit}" if unit == "B" or value == int(value) else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def settings_path() -> str:
    """Path of the settings file of this user."""
    import platformdirs

    override = os.environ.get("KAMAROS_SETTINGS")
    return override or os.path.join(platformdirs.user_config_dir("kamaros", appauthor=False), "settings.json")


def load_config(
    *, path: str | None = None, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> JCFConfig:
    """Settings from the file, then ``KAMAROS_*`` variables, then *overrides*, the later ones winning.

    Args:
        path: settings file; ``None`` for the user's own. A missing file counts as empty.
        environment: variables to read; ``None`` for the process's.
        overrides: field → value, for instance from the command line; ``None`` values are left out.

    Raises:
        ConfigError: a value is not acceptable; the message names its source.
    """
    merged: dict[str, Any] = {}
    for source, values in (
        _from_file(settings_path() if path is None else path),
        _from_environment(os.environ if environment is None else environment),
        ("the command line", {name: value for name, value in (overrides or {}).items() if value is not None}),
    ):
        if "codec" in values and "level" not in values:
            merged.pop("level", None)  # a level chosen for one codec says nothing about another
        merged |= values
        try:
            msgspec.convert(merged, JCFConfig, strict=False)
        except (msgspec.ValidationError, ConfigError) as error:
            raise ConfigError(
                f"{source}: {error}{_choices(str(error))}", hint="Correct the value or remove it."
            ) from None
    return msgspec.convert(merged, JCFConfig, strict=False)


def _choices(message: str) -> str:
    """Return what a field with named values accepts, to follow a validation error that is about one."""
    for field, values in (("codec", CODECS), ("verify_after_save", get_args(VerifyMode))):
        if message.endswith(f"at `$.{field}`"):
            return f"; it must be one of {', '.join(values)}."
    return ""


def save_config(config: JCFConfig, path: str | None = None) -> None:
    """Write *config* as the user's settings, replacing the file atomically.

    Raises:
        ConfigError: the file can't be written.
    """
    target = settings_path() if path is None else path
    staged = f"{target}.{os.getpid()}.part"
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with open(staged, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
        os.replace(staged, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise ConfigError(f"The settings can't be written to {target}: {error.strerror}.") from error


def _from_file(path: str) -> tuple[str, dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            values = msgspec.json.decode(file.read())
    except FileNotFoundError:
        return path, {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"The settings file {path} can't be read: {error}", hint="Correct or delete it.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"The settings file {path} must hold a JSON object.", hint="Correct or delete it.")
    return path, {name: value for name, value in values.items() if name in JCFConfig.__struct_fields__}


def _from_environment(environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {}
    names: list[str] = []
    for field in JCFConfig.__struct_fields__:
        variable = _ENVIRONMENT_PREFIX + field.upper()
        if environment.get(variable):
            names.append(variable)
            try:
                values[field] = parse_size(environment[variable]) if field == "chunk_size" else environment[variable]
            except ConfigError as error:
                raise ConfigError(f"environment ({variable}): {error}", hint="Correct or remove it.") from None
    return f"environment ({', '.join(names)})", values
