"""Kamaros: a desktop archiver with a memory.

The Python interface, importable without Qt::

    from kamaros_gui import AbortController, JCFConfig, JCFManager

    controller = AbortController()
    async with await JCFManager.open("project.jcf", JCFConfig(chunk_size=256 * 1024), create=True) as manager:
        await manager.add_file("video.mp4", "/media/video.mp4", signal=controller.signal, on_progress=print)
        version = await manager.save_checkpoint("first cut", author="me")
        await manager.restore_version(version, "out", signal=controller.signal)
        async for chunk in await manager.open_file("video.mp4", version):
            ...

Beside the archive there are its streams, a port of the WHATWG Streams standard (:mod:`kamaros_gui.streams`), and the
places for files it works on (:mod:`kamaros_gui.storage`). Names are loaded when they are first used, so
``import kamaros_gui`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kamaros_gui.archive.manager import JCFManager
    from kamaros_gui.base.abort import AbortController, AbortSignal
    from kamaros_gui.base.config import JCFConfig
    from kamaros_gui.base.errors import AbortError, KamarosError
    from kamaros_gui.storage.adapter import FileSystemAdapter
    from kamaros_gui.storage.local import LocalAdapter
    from kamaros_gui.storage.memory import MemoryAdapter
    from kamaros_gui.streams import ReadableStream, TransformStream, WritableStream

__version__ = "0.1.0"

__all__ = [
    "AbortController",
    "AbortError",
    "AbortSignal",
    "FileSystemAdapter",
    "JCFConfig",
    "JCFManager",
    "KamarosError",
    "LocalAdapter",
    "MemoryAdapter",
    "ReadableStream",
    "TransformStream",
    "WritableStream",
    "__version__",
]

_HOMES = {
    "AbortController": "kamaros_gui.base.abort",
    "AbortError": "kamaros_gui.base.errors",
    "AbortSignal": "kamaros_gui.base.abort",
    "FileSystemAdapter": "kamaros_gui.storage.adapter",
    "JCFConfig": "kamaros_gui.base.config",
    "JCFManager": "kamaros_gui.archive.manager",
    "KamarosError": "kamaros_gui.base.errors",
    "LocalAdapter": "kamaros_gui.storage.local",
    "MemoryAdapter": "kamaros_gui.storage.memory",
    "ReadableStream": "kamaros_gui.streams",
    "TransformStream": "kamaros_gui.streams",
    "WritableStream": "kamaros_gui.streams",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
