"""JCFManager: one archive, from Python. Async, on any asyncio loop, without Qt."""

from __future__ import annotations

from kamaros_gui.archive.manager_core import VersionName
from kamaros_gui.archive.manager_reading import ReadingManager
from kamaros_gui.archive.manager_upkeep import UpkeepManager
from kamaros_gui.archive.manager_writing import WritingManager

__all__ = ["JCFManager", "VersionName"]


class JCFManager(WritingManager, ReadingManager, UpkeepManager):
    """An archive that can be added to, listed, restored and verified.

    Every read sees the newest committed state, so several managers, in several processes, may look at one archive; one
    at a time may write. Make it with :meth:`open`, end it with :meth:`close` or as an async context manager. Use one
    manager on one loop at a time; its methods may run side by side.

    Writing has two forms. :meth:`save`, :meth:`import_from`, :meth:`move` and :meth:`remove` make a version in one go.
    :meth:`add_file`, :meth:`move_file` and :meth:`remove_file` collect changes, which :meth:`save_checkpoint` makes a
    version and :meth:`discard` forgets; from the first of them to the end the archive is locked for other writers, and
    a process that dies meanwhile leaves the state before.

    Every operation takes

    * ``signal``: when it is aborted the operation stops within 100 ms on a local disk, raises the abort's reason, and
      leaves everything as if it had never started;
    * ``on_progress``: called on the loop's thread with a frozen
      :class:`~kamaros_gui.base.progress.ProgressSnapshot`, ten times a second and at the end.

    Args:
        path: the archive.
        config: settings.
        workers: threads to share with other managers; ``None`` for own ones, which :meth:`close` ends.
        files: where the archive, what is saved and what is restored are; ``None`` for the disk.
    """
