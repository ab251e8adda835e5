"""Streams: chunks that flow from a source to a sink with backpressure, and stop when told to.

The semantics are those of the WHATWG Streams standard in Python names; the order of events is the standard's.

Rules of the package:

- Streams belong to the event loop in which they were made. Only an ``AbortSignal`` may be fired from another thread.
- A stream has one reader or writer at a time; it is *locked* meanwhile. Pipes and tees lock too.
- Operations start when they are called, not when they are awaited, and return a :class:`Promise`: await it as often
  as needed, or not at all. Nobody is told off for a failure that was not awaited.
- Whoever fails, the other side learns it once. Everything settles with the same error object, and the locks are
  released. An error may be any object; one that can't be raised arrives wrapped in ``AbortReasonError``.
- Every stream measures itself: ``statistics()`` tells, on any thread, what went through and who waited for whom.
- Nothing here cancels asyncio tasks, and only a coroutine returned by a source, sink or transformer becomes one.
- ``RangeError`` of the standard is ``ValueError`` here, ``undefined`` is ``None``.

Three deviations, on purpose:

- **Bounded tee** (:func:`tee`): the standard follows the faster branch and lets the slower one queue without limit.
  Here the source is read only while both branches hold less than a bound, because a slow disk must not fill memory.
- **Parallel transform** (:class:`ParallelTransformStream`): several blocks are in work at once and are delivered in
  order, because one core does not compress as fast as a disk reads.
- **Synchronous fast path**: methods of sources, sinks and transformers may be plain functions. They cost no task and
  no future, and a pipe moves chunks in a plain loop, because a trip through the event loop per chunk and hop costs
  more than hashing the chunk does. A write whose sink is plain has therefore settled when ``write()`` returns.
"""

from kamaros_gui.streams.joined import pipe_all
from kamaros_gui.streams.parallel import ParallelTransformStream
from kamaros_gui.streams.parallel_core import Job, JobResult, ParallelTransformer, Submit
from kamaros_gui.streams.pipe import PipePromise
from kamaros_gui.streams.piping import pipe_to
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.protocols import Transformer, UnderlyingSink, UnderlyingSource
from kamaros_gui.streams.queuing import (
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
    QueuingStrategy,
    byte_length,
)
from kamaros_gui.streams.readable import ReadableStream, ReadableWritablePair
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.reader import ReadableStreamDefaultReader, ReadResult
from kamaros_gui.streams.tee import DEFAULT_BOUND, tee
from kamaros_gui.streams.transform import TransformStream
from kamaros_gui.streams.transform_controller import TransformController
from kamaros_gui.streams.writable import WritableStream, WritableStreamDefaultWriter
from kamaros_gui.streams.writable_controller import WritableController

__all__ = [
    "DEFAULT_BOUND",
    "ByteLengthQueuingStrategy",
    "CountQueuingStrategy",
    "Job",
    "JobResult",
    "ParallelTransformStream",
    "ParallelTransformer",
    "PipePromise",
    "Promise",
    "QueuingStrategy",
    "ReadResult",
    "ReadableController",
    "ReadableStream",
    "ReadableStreamDefaultReader",
    "ReadableWritablePair",
    "Submit",
    "TransformController",
    "TransformStream",
    "Transformer",
    "UnderlyingSink",
    "UnderlyingSource",
    "WritableController",
    "WritableStream",
    "WritableStreamDefaultWriter",
    "byte_length",
    "pipe_all",
    "pipe_to",
    "tee",
]
