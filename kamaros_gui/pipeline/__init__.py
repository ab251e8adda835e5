"""Save and restore as flows: sources, transforms and sinks joined, and the worker threads they use.

This layer is the only one that joins streams, codecs, ZIP records and files; the archive above it decides what flows,
and what it means.
"""

from kamaros_gui.pipeline.aborting import abortable
from kamaros_gui.pipeline.content import ByteStream, Content, content_stream
from kamaros_gui.pipeline.copying import CopyFlow, CopyItem, TargetRegion
from kamaros_gui.pipeline.entry_reader import open_entry
from kamaros_gui.pipeline.packing import PackedEntry, ReusableContent, SaveItem, WholeContents, pack_bytes
from kamaros_gui.pipeline.restore import RestoreFlow
from kamaros_gui.pipeline.save import SaveFlow
from kamaros_gui.pipeline.unpacking import RestoreItem, read_entry
from kamaros_gui.pipeline.workers import Workers

__all__ = [
    "ByteStream",
    "Content",
    "CopyFlow",
    "CopyItem",
    "PackedEntry",
    "RestoreFlow",
    "RestoreItem",
    "ReusableContent",
    "SaveFlow",
    "SaveItem",
    "TargetRegion",
    "WholeContents",
    "Workers",
    "abortable",
    "content_stream",
    "open_entry",
    "pack_bytes",
    "read_entry",
]
