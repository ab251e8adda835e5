"""An archive with a past, what every version of it held, and ways to look at it after a repair."""

from __future__ import annotations

import dataclasses
import os
import shutil
import zipfile
from pathlib import Path

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.repair import verify_and_repair
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.abort import AbortSignal
from kamaros_gui.base.control import RunControl
from kamaros_gui.base.errors import KamarosError
from kamaros_gui.base.reports import VerifyReport
from kamaros_gui.pipeline import Workers, read_entry
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.trees import noise, text, write

__all__ = ["Past", "make_past", "repair", "versions_in", "wrong_versions"]

LONG_NAME = "sub/" + "żółć-" * 20 + "名前.txt"


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """An archive, oldest version first.

    Attributes:
        path: the archive.
        versions: id → path → content.
        ends: length of the file after each version.
        stages: the whole file after each version; later saves change names in it.
    """

    path: Path
    versions: dict[str, dict[str, bytes]]
    ends: list[int]
    stages: list[bytes]

    def copy(self, target: Path, length: int | None = None) -> Path:
        """Copy the first *length* bytes of the archive, or all of them."""
        shutil.copyfile(self.path, target)
        if length is not None:
            os.truncate(target, length)
        return target

    def ended_by(self, length: int) -> list[str]:
        """Return the versions that were committed within the first *length* bytes."""
        return [version for version, end in zip(self.versions, self.ends, strict=True) if end <= length]


async def make_past(place: Path) -> Past:
    """Make an archive of five versions: replaced, removed, reverted, twin, large, empty and oddly named files."""
    tree = place / "tree"
    states: list[dict[str, bytes | None]] = [
        {
            "one": b"the first content of one",
            "twin a": b"two files hold this",
            "twin b": b"two files hold this",
            "empty": b"",
            LONG_NAME: text(3_000, 1),
            "sub/deep/file": text(9_000, 2),
            "large text": text(1_300_000, 3),
            "large noise": noise(1_100_000, 4),
            "gone soon": text(700, 5),
        },
        {"one": b"another content of one", "gone soon": None, LONG_NAME: text(2_500, 6), "new": noise(900, 7)},
        {
            "large noise": noise(1_200_000, 8),
            "twin a": b"only one left",
            "moved": text(9_000, 2),
            "sub/deep/file": None,
        },
        {"one": b"the first content of one", "new": noise(5_000, 9), "nested.zip": _nested(place)},
        {"last": text(4_000, 10), "one": b"the newest content", "zażółć": noise(2_000, 11), "new": None},
    ]
    archive = place / "a.jcf"
    versions: dict[str, dict[str, bytes]] = {}
    stages = []
    held: dict[str, bytes] = {}
    async with await JCFManager.open(archive, JCFConfig(), create=True) as manager:
        for number, changes in enumerate(states):
            for name, content in changes.items():
                if content is None:
                    (tree / name).unlink()
                    del held[name]
                else:
                    write(tree / name, content)
                    held[name] = content
            report = await manager.save([f"{tree}/."], mirror=True, message=f"save {number}")
            versions[report.version] = dict(held)
            stages.append(archive.read_bytes())
    return Past(archive, versions, [len(stage) for stage in stages], stages)


def _nested(place: Path) -> bytes:
    """A ZIP whose members have the names of ours, stored, so that its headers lie open in the outer archive."""
    path = place / "nested.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as container:
        container.writestr("mimetype", "application/x-jcf")
        container.writestr("content/one", noise(3_000, 20))
        container.writestr("content/large text", b"not the large text")
        container.writestr("manifest.json", b'{"refs": {}}')
    return path.read_bytes()


async def repair(archive: Path, workers: Workers, signal: AbortSignal | None = None) -> VerifyReport:
    """Run the repair."""
    return await verify_and_repair(LocalAdapter(), str(archive), JCFConfig(), workers, RunControl(signal))


def versions_in(archive: Path) -> dict[str, dict[str, bytes | None]]:
    """Return version id → path → content of every version an archive has; ``None`` for what it can't give."""
    container = Container.load(LocalAdapter(), str(archive))
    try:
        assert container.manifest is not None
        found: dict[str, dict[str, bytes | None]] = {}
        for version in container.manifest.versions:
            view = view_version(container, version.id)
            held = found[version.id] = {}
            for path, state in view.states.items():
                if state.type != "directory":
                    entry = view.entry_of(path, state)
                    try:
                        held[path] = None if entry is None else read_entry(container.file, entry, 1 << 30)
                    except KamarosError:
                        held[path] = None
        return found
    finally:
        container.close()


def wrong_versions(past: Past, archive: Path, must: list[str]) -> list[str]:
    """Say what is wrong with the versions of a repaired archive: those of *must* have to be whole."""
    found = versions_in(archive)
    said = [f"{version} is not whole" for version in must if found.get(version) != past.versions[version]]
    for version, held in found.items():
        model = past.versions.get(version)
        if model is None:
            said.append(f"{version} never was")
        elif not held.keys() <= model.keys() or any(
            content not in {None, model[path]} for path, content in held.items()
        ):
            said.append(f"{version} holds something wrong")
    return said
