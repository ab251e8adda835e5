"""What sources, sinks and transformers look like.

Every method is optional, which a protocol can't say; the streams look them up by name. Each may be a plain function
or return an awaitable. Plain ones are called and done: no task, no future. An exception, raised or awaited,
errors the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from kamaros_gui.streams.readable_controller import ReadableController
    from kamaros_gui.streams.transform_controller import TransformController
    from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["Transformer", "UnderlyingSink", "UnderlyingSource"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class UnderlyingSource(Protocol[T]):
    """Where a readable stream's chunks come from."""

    def start(self, controller: ReadableController[T]) -> Any:
        """Run once, inside the constructor of the stream."""

    def pull(self, controller: ReadableController[T]) -> Any:
        """Enqueue at least one chunk, or close. Not called again before it is done, nor while the queue is full."""

    def cancel(self, reason: object) -> Any:
        """Give up what the source holds: nobody reads on. Not called after close or error.

        A ``pull`` still waiting for something has to be ended from here.
        """


class UnderlyingSink(Protocol[T_contra]):
    """Where a writable stream's chunks go."""

    def start(self, controller: WritableController[Any]) -> Any:
        """Run once, inside the constructor of the stream."""

    def write(self, chunk: T_contra, controller: WritableController[Any]) -> Any:
        """Take one chunk. Never called again before it is done.

        Usually plain; returning an awaitable, now and then, when a batch is flushed, holds the next chunk back.
        """

    def close(self) -> Any:
        """Finish, after every write succeeded. Not called after an error."""

    def abort(self, reason: object) -> Any:
        """Throw away what was written. Called at most once, after a running write has finished; never with close."""


class Transformer(Protocol[T_contra]):
    """What happens to chunks between a writable and a readable side."""

    def start(self, controller: TransformController[Any]) -> Any:
        """Run once, inside the constructor of the stream."""

    def transform(self, chunk: T_contra, controller: TransformController[Any]) -> Any:
        """Take one chunk and enqueue any number. Without this method chunks pass unchanged."""

    def flush(self, controller: TransformController[Any]) -> Any:
        """Enqueue what is left, after the last chunk. Either this or ``cancel`` runs, never both."""

    def cancel(self, reason: object) -> Any:
        """Give up: the readable side was cancelled or the writable side aborted."""
