"""TransformController: what a transformer is given, and what joins its two sides.

WHATWG Streams, sections 6.3 and 6.4. The transformer runs inside the write, so a chunk passes from the pipe before it
to the pipe after it without a future, as long as the reader of the readable side keeps up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kamaros_gui.base.abort import exception_from
from kamaros_gui.streams.calling import call, is_awaitable, method_of, react
from kamaros_gui.streams.promise import Promise
from kamaros_gui.streams.readable_controller import ReadableController
from kamaros_gui.streams.writable_controller import WritableController

__all__ = ["TransformController"]

O = TypeVar("O")  # noqa: E741 - output


class TransformController(Generic[O]):
    """What a transformer uses: ``enqueue``, ``error``, ``terminate``, ``desired_size``.

    It is also the sink of the writable side and the source of the readable side.
    """

    __slots__ = (
        "_backpressure",
        "_cancel_transformer",
        "_finish",
        "_flush_transformer",
        "_readable",
        "_transform",
        "_waiting",
        "_writable",
    )

    def __init__(self, transformer: object | None) -> None:
        if transformer is None:
            self._transform: Callable[..., Any] | None = None
        else:
            self._transform = method_of(transformer, "transform")
        self._flush_transformer: Callable[..., Any] | None = method_of(transformer, "flush")
        self._cancel_transformer: Callable[..., Any] | None = method_of(transformer, "cancel")
        # No chunk is transformed before the readable side wants one.
        self._backpressure = True
        self._waiting: tuple[Any, Promise[None]] | None = None
        self._finish: Promise[None] | None = None
        self._readable: ReadableController[O]
        self._writable: WritableController[Any]

    # ------------------------------------------------------------------------------------- for transformers

    @property
    def desired_size(self) -> float | None:
        """How much more the readable side should get; see :attr:`ReadableController.desired_size`."""
        return self._readable.desired_size

    def enqueue(self, chunk: O) -> None:
        """Give a chunk to the readable side.

        Raises:
            TypeError: the readable side is closed, closing (after :meth:`terminate`) or errored.
            ValueError: the size the strategy gives the chunk is out of range; both sides have failed with it.
        """
        readable = self._readable
        try:
            readable.enqueue(chunk)
        except Exception as error:
            if readable.error_stored is error:
                self._fail_writable(error)
            raise
        # The chunk may have gone straight through to a reader that wants the next one already.
        if not self._backpressure and not readable.should_pull():
            self._backpressure = True

    def error(self, reason: object) -> None:
        """Fail both sides. A no-op when they have ended already: the first error wins."""
        self._fail(exception_from(reason))

    def terminate(self) -> None:
        """End the readable side after what is queued there, and fail the writable side with a ``TypeError``."""
        self._readable.close_if_possible()
        self._fail_writable(TypeError("the transform was terminated"))

    # ------------------------------------------------------------------ the source and sink of the two sides

    def attach(self, writable: WritableController[Any], readable: ReadableController[O]) -> None:
        """Connect the two sides, once."""
        self._writable = writable
        self._readable = readable

    def pull(self) -> None:
        """Note that the readable side wants a chunk; transform the one that waits, if there is one."""
        self._backpressure = False
        self._unblock()

    def write(self, chunk: Any, _controller: object) -> Any:
        """Transform a chunk, now or when the readable side wants one."""
        if self._backpressure:
            promise: Promise[None] = Promise()
            self._waiting = (chunk, promise)
            return promise
        return self._transform_chunk(chunk)

    def abort(self, reason: object) -> Any:
        """The writable side was aborted."""
        error = exception_from(reason)

        def cancelled(finish: Promise[None]) -> None:
            if self._readable.error_stored is not None:
                finish.reject(self._readable.error_stored)
            else:
                self._readable.fail(self._writable.error_stored or error)
                finish.resolve(None)

        return self._run_last(self._cancel_transformer, (reason,), cancelled, self._readable.fail)

    def close(self) -> Any:
        """Flush: the writable side has ended."""

        def flushed(finish: Promise[None]) -> None:
            if self._readable.error_stored is not None:
                finish.reject(self._readable.error_stored)
            else:
                self._readable.close_if_possible()
                finish.resolve(None)

        return self._run_last(self._flush_transformer, (self,), flushed, self._readable.fail)

    def cancel(self, reason: object) -> Any:
        """The readable side was cancelled."""

        def cancelled(finish: Promise[None]) -> None:
            writable = self._writable
            if writable.state == "errored" and writable.error_stored is not None:
                finish.reject(writable.error_stored)
            else:
                self._fail_writable(exception_from(reason))
                finish.resolve(None)

        return self._run_last(self._cancel_transformer, (reason,), cancelled, self._fail_writable)

    # -------------------------------------------------------------------------------------------- internals

    def _run_last(
        self,
        method: Callable[..., Any] | None,
        arguments: tuple[Any, ...],
        done: Callable[[Promise[None]], None],
        failed: Callable[[BaseException], object],
    ) -> Promise[None] | None:
        """Run ``flush`` or ``cancel``, whichever comes first; the other one gets its outcome."""
        if self._finish is not None:
            return self._finish
        finish = self._finish = Promise()
        self._forget_transformer()

        def on_failure(error: BaseException) -> None:
            failed(error)
            finish.reject(error)

        call(method, arguments, lambda _result: done(finish), on_failure)
        # A plain method that succeeded has nothing left to wait for.
        return None if finish.state == "fulfilled" else finish

    def _transform_chunk(self, chunk: Any) -> Any:
        if self._transform is None:
            try:
                self.enqueue(chunk)
            except Exception as error:
                self._fail(error)
                raise
            return None
        try:
            result = self._transform(chunk, self)
        except Exception as error:
            self._fail(error)
            raise
        if result is None or not is_awaitable(result):
            return None
        promise: Promise[None] = Promise()

        def failed(error: BaseException) -> None:
            self._fail(error)
            promise.reject(error)

        react(result, promise.resolve, failed)
        return promise

    def _unblock(self) -> None:
        if self._waiting is None:
            return
        (chunk, promise), self._waiting = self._waiting, None
        writable = self._writable
        if writable.state == "erroring" and writable.error_stored is not None:
            promise.reject(writable.error_stored)
            return
        try:
            result = self._transform_chunk(chunk)
        except Exception as error:  # noqa: BLE001 - the write of this chunk fails with it
            promise.reject(error)
            return
        if result is None:
            promise.resolve(None)
        else:
            result.add_reaction(promise.resolve, promise.reject)

    def _fail(self, error: BaseException) -> None:
        self._readable.fail(error)
        self._fail_writable(error)

    def _fail_writable(self, error: BaseException) -> None:
        self._forget_transformer()
        self._writable.fail_if_writable(error)
        # A write that waits for a reader learns that none will come.
        if self._backpressure:
            self._backpressure = False
            self._unblock()

    def _forget_transformer(self) -> None:
        self._transform = _not_any_more
        self._flush_transformer = self._cancel_transformer = None


def _not_any_more(_chunk: object, _controller: object) -> None:
    """Stand for a transformer that was let go; a write can't reach it, because its stream has failed."""
