"""Kamaros: a desktop archiver with a memory.

The Python interface, importable without Qt::

    from kamaros_gui import AbortController, JCFConfig, JCFManager

    async with await JCFManager.open("project.jcf", JCFConfig(chunk_size=256 * 1024), create=True) as manager:
        report = await manager.save(["photos"], message="first cut")
        await manager.restore("out", version=report.version)

Names are loaded when they are first used, so ``import kamaros_gui`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kamaros_gui.archive.manager import JCFManager
    from kamaros_gui.base.abort import AbortController, AbortSignal
    from kamaros_gui.base.config import JCFConfig
    from kamaros_gui.base.errors import AbortError, KamarosError

__version__ = "0.1.0"

__all__ = ["AbortController", "AbortError", "AbortSignal", "JCFConfig", "JCFManager", "KamarosError", "__version__"]

_HOMES = {
    "AbortController": "kamaros_gui.base.abort",
    "AbortError": "kamaros_gui.base.errors",
    "AbortSignal": "kamaros_gui.base.abort",
    "JCFConfig": "kamaros_gui.base.config",
    "JCFManager": "kamaros_gui.archive.manager",
    "KamarosError": "kamaros_gui.base.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
