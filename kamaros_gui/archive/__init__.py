"""What a ``.jcf`` means: container, manifest, versions, save, restore, verify.

The container is a standard ZIP (ZIP64 where needed):

=========================  ==========================================================================================
entry                      what it is
=========================  ==========================================================================================
``mimetype``               first, stored, without extra field: ``application/x-jcf``
``content/<path>``         the current state, every file whole
``.store/blobs/<sha256>``  content of older versions that the current state no longer has, once each
``manifest.json``          last: files, versions, hashes
=========================  ==========================================================================================

A save appends and never rewrites what is committed; see :mod:`kamaros_gui.archive.commit` for the order that makes it
atomic, and :mod:`kamaros_gui.archive.blobs` for how superseded content becomes history without being copied.
"""

from kamaros_gui.archive.manager import JCFManager
from kamaros_gui.archive.restoring import RestoreOptions
from kamaros_gui.archive.saving import SaveOptions
from kamaros_gui.pipeline import Workers

__all__ = ["JCFManager", "RestoreOptions", "SaveOptions", "Workers"]
