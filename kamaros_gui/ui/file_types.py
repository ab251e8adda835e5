"""What kind of thing an entry is, told by its name: the icon and the words shown for it."""

from __future__ import annotations

import functools
from typing import Final

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

__all__ = ["icon_for", "type_text"]

_CONTEXT: Final = "FileTypes"
# Icon, tint, description, endings.
_KINDS: Final = (
    (
        "file-image",
        "image",
        QT_TRANSLATE_NOOP("FileTypes", "Image"),
        "png jpg jpeg gif bmp svg webp tif tiff ico heic avif psd xcf raw",
    ),
    ("file-audio", "media", QT_TRANSLATE_NOOP("FileTypes", "Audio"), "mp3 flac wav ogg opus m4a aac aif mid"),
    ("file-video", "media", QT_TRANSLATE_NOOP("FileTypes", "Video"), "mp4 mkv mov avi webm m4v wmv mpg mpeg"),
    (
        "file-archive",
        "warning",
        QT_TRANSLATE_NOOP("FileTypes", "Archive"),
        "jcf zip 7z rar tar gz tgz bz2 xz zst lz4 deb rpm jar whl iso",
    ),
    (
        "file-code",
        "code",
        QT_TRANSLATE_NOOP("FileTypes", "Source code"),
        (
            "py pyi c h cc cpp cxx hpp rs go js ts tsx jsx java kt cs rb php pl lua sh bash ps1 bat html htm css scss"
            " xml json yaml yml toml sql vue swift ipynb cmake"
        ),
    ),
    ("file-text", "muted", QT_TRANSLATE_NOOP("FileTypes", "Text"), "txt md rst log csv tsv ini cfg conf tex srt"),
    (
        "file-text",
        "accent",
        QT_TRANSLATE_NOOP("FileTypes", "Document"),
        "pdf doc docx odt rtf xls xlsx ods ppt pptx odp epub",
    ),
)
_BY_ENDING: Final = {ending: (kind[0], kind[1], str(kind[2])) for kind in _KINDS for ending in kind[3].split()}


def icon_for(name: str, entry_type: str) -> tuple[str, str]:
    """Return icon and tint for an entry called *name*."""
    if entry_type == "directory":
        return "folder", "folder"
    if entry_type == "symlink":
        return "file-link", "muted"
    kind = _BY_ENDING.get(_ending(name))
    return (kind[0], kind[1]) if kind else ("file", "muted")


def type_text(name: str, entry_type: str) -> str:
    """Return what an entry called *name* is, in words: ``Folder``, ``Image (PNG)``."""
    if entry_type == "directory":
        return QCoreApplication.translate("FileTypes", "Folder")
    if entry_type == "symlink":
        return QCoreApplication.translate("FileTypes", "Link")
    ending = _ending(name)
    return _words(ending if len(ending) <= 8 else "")


@functools.lru_cache(maxsize=1024)
def _words(ending: str) -> str:
    kind = _BY_ENDING.get(ending)
    if kind:
        return f"{QCoreApplication.translate(_CONTEXT, kind[2])} ({ending.upper()})"
    if ending:
        return QCoreApplication.translate("FileTypes", "{} file").format(ending.upper())
    return QCoreApplication.translate("FileTypes", "File")


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem else ""
