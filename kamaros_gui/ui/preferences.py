"""What the window remembers between two starts: theme, folders, recent archives, its size."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

import msgspec
from PySide6.QtCore import QObject, Signal

from kamaros_gui.base.config import settings_path

__all__ = ["PreferenceStore", "Preferences", "Theme", "preferences_path"]

Theme = Literal["system", "light", "dark"]
_MAX_RECENT: Final = 10


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """Preferences of the window; the engine's settings are in ``JCFConfig``.

    Attributes:
        theme: colour scheme, ``system`` follows the desktop.
        default_folder: where new archives are proposed, empty for the folder used last.
        last_folder: folder of the archive made or opened last.
        recent_archives: paths, newest first.
        recent_targets: folders restored into, newest first.
        geometry: size and place of the window, base64 of Qt's record.
        history_shown: whether the history panel is open.
        make_subfolder: whether an extraction of several items gets its own folder.
    """

    theme: Theme = "system"
    default_folder: str = ""
    last_folder: str = ""
    recent_archives: tuple[str, ...] = ()
    recent_targets: tuple[str, ...] = ()
    geometry: str = ""
    history_shown: bool = False
    make_subfolder: bool = True


def preferences_path() -> str:
    """Return the path of the preferences file, beside the settings of the engine."""
    return os.path.join(os.path.dirname(settings_path()), "window.json")


class PreferenceStore(QObject):
    """The preferences in force. Changes are written by a thread of its own; a file that can't be written is no error.

    Signals:
        changed: the preferences have new values.

    Args:
        path: file to read and write, ``None`` for the user's own.
        parent: owner.
    """

    changed = Signal()

    def __init__(self, path: str | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = preferences_path() if path is None else path
        self._current = _load(self._path)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kamaros-preferences")

    @property
    def current(self) -> Preferences:
        """The values in force."""
        return self._current

    def update(self, **changes: Any) -> None:
        """Change some values and write them soon."""
        updated = msgspec.structs.replace(self._current, **changes)
        if updated == self._current:
            return
        self._current = updated
        self._writer.submit(_store, self._path, updated)
        self.changed.emit()

    def note_archive(self, path: str) -> None:
        """Put *path* first among the recent archives."""
        self.update(
            recent_archives=_first(path, self._current.recent_archives),
            last_folder=os.path.dirname(path),
        )

    def forget_archive(self, path: str) -> None:
        """Take *path* off the recent archives."""
        self.update(recent_archives=tuple(known for known in self._current.recent_archives if known != path))

    def note_target(self, path: str) -> None:
        """Put *path* first among the folders restored into."""
        self.update(recent_targets=_first(path, self._current.recent_targets))

    def close(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown()


def _first(path: str, known: tuple[str, ...]) -> tuple[str, ...]:
    return (path, *(other for other in known if other != path))[:_MAX_RECENT]


def _load(path: str) -> Preferences:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=Preferences)
    except (OSError, msgspec.MsgspecError):
        # Preferences are a convenience: a damaged file must never keep the program from starting.
        return Preferences()


def _store(path: str, preferences: Preferences) -> None:
    staged = f"{path}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(staged, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(preferences), indent=2) + b"\n")
        os.replace(staged, path)
