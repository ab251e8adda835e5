"""Look at archives in tests: their content through the manager, their bytes, and what this process has open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kamaros_gui import JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.storage.local import LocalAdapter

__all__ = ["content_of", "listed", "open_files", "packed_bytes", "read_all", "until"]


async def read_all(stream: Any) -> bytes:
    """Return everything that comes out of a stream."""
    return b"".join([bytes(chunk) async for chunk in stream])


async def content_of(manager: JCFManager, path: str, version: Any = None) -> bytes:
    """Return the content of a file in an archive."""
    return await read_all(await manager.open_file(path, version))


async def listed(manager: JCFManager, version: Any = "HEAD") -> list[str]:
    """Return the paths of a version, sorted."""
    return sorted(entry.path for entry in (await manager.list_files(version)).entries)


def packed_bytes(archive: Path, name: str) -> bytes:
    """Return the bytes of one entry as they lie in the file: local header and data."""
    container = Container.load(LocalAdapter(), str(archive))
    try:
        entry = container.entries[name]
        head = container.file.read(entry.header_offset, 30)
        size = 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        return container.file.read_exactly(entry.header_offset, size + entry.compressed_size)
    finally:
        container.close()


def open_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of what this process has open below *folder*, sorted."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        if path.startswith(f"{os.fspath(folder)}/"):
            found.append(os.path.basename(path))
    return sorted(found)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop and the threads work until *condition* holds; the timeout of the test ends what never comes."""
    while not condition():  # noqa: ASYNC110 - threads know no asyncio event
        await asyncio.sleep(0)
