"""What a ``.jcf`` means: container, manifest, versions, and everything that is done with them.

The container is a standard ZIP (ZIP64 where needed):

============================  =======================================================================================
entry                         what it is
============================  =======================================================================================
``mimetype``                  first, stored, without extra field: ``application/x-jcf``
``content/<path>``            the current state, every file whole
``.store/blobs/<sha256>``     content of older versions that the current state no longer has, once each
``.store/versions/<sha256>``  what a version says of its paths, where the manifest would grow long with it
``manifest.json``             last: files, versions, hashes
============================  =======================================================================================

A save appends and never rewrites what is committed. Where to begin reading:

* :mod:`~kamaros_gui.archive.commit`: the order of a commit, which makes it atomic;
  :mod:`~kamaros_gui.archive.recovery`: what the next one does after a crash.
* :mod:`~kamaros_gui.archive.checkpoint`, :mod:`~kamaros_gui.archive.changes`, :mod:`~kamaros_gui.archive.building`:
  from changes to the next state; :mod:`~kamaros_gui.archive.blobs`: content becomes history without a copy.
* :mod:`~kamaros_gui.archive.manifest`, :mod:`~kamaros_gui.archive.history`: what versions say;
  :mod:`~kamaros_gui.archive.path_log`, :mod:`~kamaros_gui.archive.differences`: what can be asked of them.
* :mod:`~kamaros_gui.archive.amending`: forgetting, tagging, compacting; :mod:`~kamaros_gui.archive.rewriting`.
* :mod:`~kamaros_gui.archive.foreign`, :mod:`~kamaros_gui.archive.exporting`, :mod:`~kamaros_gui.archive.importing`:
  archives of other writers.
* :mod:`~kamaros_gui.archive.verify`, :mod:`~kamaros_gui.archive.repair`: what is wrong, and what can be mended.
"""

from kamaros_gui.archive.manager import JCFManager
from kamaros_gui.archive.restoring import RestoreOptions
from kamaros_gui.archive.saving import SaveOptions
from kamaros_gui.pipeline import Workers

__all__ = ["JCFManager", "RestoreOptions", "SaveOptions", "Workers"]
