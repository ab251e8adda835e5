"""Whoever reads an archive sees one committed state, whatever a writer does meanwhile."""

from __future__ import annotations

from pathlib import Path

from kamaros_gui import JCFConfig, JCFManager
from kamaros_gui.archive.container import Container
from kamaros_gui.archive.restoring import RestoreOptions, _Restore
from kamaros_gui.archive.views import view_version
from kamaros_gui.base.control import RunControl
from kamaros_gui.pipeline import Workers
from kamaros_gui.storage.local import LocalAdapter
from tests.helpers.trees import differences, noise, scan, write


async def test_restore_that_began_before_a_save_gets_what_it_began_with(tmp_path: Path) -> None:
    """The save turns entries the restore is about to read into history and rewrites their headers."""
    tree, archive = tmp_path / "tree", tmp_path / "a.jcf"
    for number in range(20):
        write(tree / f"file {number}", noise(3000, number))
    write(tree / "large", noise(1_500_000))
    workers, config = Workers(2), JCFConfig()
    try:
        manager = JCFManager(archive, config, workers)
        await manager.save([tree], mirror=True)
        before = scan(tree)
        container = await workers.io(Container.load, LocalAdapter(), str(archive))
        view = view_version(container, "HEAD")
        for number in range(20):
            write(tree / f"file {number}", noise(3001, number))
        write(tree / "large", noise(1_500_001))
        await manager.save([tree], mirror=True)
        options = RestoreOptions(target=str(tmp_path / "out"))
        report = await _Restore(LocalAdapter(), view, view.select(()), options, config, workers, RunControl()).run()
        container.close()
    finally:
        workers.close()
    assert report.issues == ()
    assert differences(before, tmp_path / "out" / "tree") == []
