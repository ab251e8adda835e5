"""``kamaros demo``: the main job, end to end, on a small real tree, with every step shown."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from kamaros_gui.base.errors import IntegrityError, StorageError
from kamaros_gui.cli.exit_status import ExitStatus
from kamaros_gui.cli.show_history import show_history
from kamaros_gui.jobs import ListRequest, RestoreRequest, SaveRequest, VerifyRequest

if TYPE_CHECKING:
    from kamaros_gui.cli.session import Session

__all__ = ["run_demo"]

_PROGRAM_FILES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run_demo(session: Session, folder: str | None) -> int:
    """Save the program's own files, change one, save again, restore both versions and compare them.

    Args:
        session: runs the jobs.
        folder: where to work; ``None`` for a new temporary folder. It must be empty or not exist.

    Raises:
        KamarosError: a step failed; what was made so far stays in the folder.
    """
    place = _working_folder(folder)
    return _Demo(session, place).run()


def _working_folder(folder: str | None) -> str:
    if folder is None:
        return tempfile.mkdtemp(prefix="kamaros-demo-")
    place = os.path.abspath(folder)
    try:
        os.makedirs(place, exist_ok=True)
        occupied = bool(os.listdir(place))
    except OSError as error:
        raise StorageError(f"{place} can't be used: {error.strerror}.", path=place) from error
    if occupied:
        raise StorageError(f"{place} is not empty.", path=place, hint="Name an empty folder, or none at all.")
    return place


class _Demo:
    def __init__(self, session: Session, place: str) -> None:
        self._session = session
        self._say = session.output.line
        self._archive = os.path.join(place, "demo.jcf")
        self._tree = os.path.join(place, "tree")
        self._place = place

    def run(self) -> int:
        self._say(f"Working in {self._place}")
        self._prepare()
        self._save("first save")
        self._verify()
        before = os.path.join(self._place, "tree-as-first-saved")
        shutil.copytree(self._tree, before, symlinks=True)
        self._change()
        self._save("one file changed, one added, one deleted")
        self._restore_and_compare("HEAD", "restored-now", self._tree)
        self._restore_and_compare("HEAD~1", "restored-first", before)
        self._verify()
        self._say()
        self._say("The history:")
        versions = self._session.runner.query(ListRequest(archive=self._archive)).result().versions
        show_history(self._session.output, versions)
        self._say()
        self._say(f"The archive is an ordinary ZIP as well; try: unzip -l {self._archive}")
        return ExitStatus.DONE

    def _prepare(self) -> None:
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(_PROGRAM_FILES, os.path.join(self._tree, "kamaros_gui"), ignore=ignore, symlinks=True)
        with open(os.path.join(self._tree, "notes.txt"), "w", encoding="utf-8") as file:
            file.write("Drafts of today.\n" * 100)
        with open(os.path.join(self._tree, "old.txt"), "w", encoding="utf-8") as file:
            file.write("This one is deleted later.\n")

    def _change(self) -> None:
        with open(os.path.join(self._tree, "notes.txt"), "a", encoding="utf-8") as file:
            file.write("And one more line.\n")
        with open(os.path.join(self._tree, "new.txt"), "w", encoding="utf-8") as file:
            file.write("Made after the first save.\n")
        os.unlink(os.path.join(self._tree, "old.txt"))
        self._say()
        self._say("Changed notes.txt, added new.txt, deleted old.txt.")

    def _save(self, message: str) -> None:
        self._say()
        self._say(f"Saving {self._tree} into {self._archive} …")
        request = SaveRequest(archive=self._archive, paths=(self._tree,), message=message, mirror=True)
        self._say(self._session.finish(request).outcome)

    def _verify(self) -> None:
        snapshot = self._session.finish(VerifyRequest(archive=self._archive))
        self._say(snapshot.outcome)
        if snapshot.report is None or not getattr(snapshot.report, "valid", False):
            raise IntegrityError(f"{self._archive} did not verify.")

    def _restore_and_compare(self, version: str, name: str, original: str) -> None:
        target = os.path.join(self._place, name)
        outcome = self._session.finish(RestoreRequest(archive=self._archive, target=target, version=version)).outcome
        different = _differences(original, os.path.join(target, "tree"))
        if different:
            raise IntegrityError(f"{version} differs from what was saved: {', '.join(different[:5])}.")
        self._say(f"{outcome} {version} into {target}: every file is as it was saved.")


def _differences(left: str, right: str) -> list[str]:
    """Return the paths in which two trees differ."""
    comparison = filecmp.dircmp(left, right, ignore=[], hide=[])
    found = [*comparison.left_only, *comparison.right_only, *comparison.funny_files]
    _, mismatch, errors = filecmp.cmpfiles(left, right, comparison.common_files, shallow=False)
    found += [*mismatch, *errors]
    for name in comparison.common_dirs:
        found += [f"{name}/{each}" for each in _differences(os.path.join(left, name), os.path.join(right, name))]
    return found
