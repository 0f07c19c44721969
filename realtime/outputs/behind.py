"""Work that may be late but keeps its order: a queue with a thread behind it, for encoders."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from realtime.flow import Bounded, ClosedError

T = TypeVar("T")


class Behind(Generic[T]):
    """Takes items at once and works on them one after the other in a thread of its own.

    Only when `capacity` items wait does `put` wait too. The first error of the work is raised by the next `put`, or by
    `finish`; what still waits then is thrown away.
    """

    def __init__(self, work: Callable[[T], None], capacity: int, name: str) -> None:
        self._work = work
        self._queue: Bounded[T] = Bounded(capacity)
        self._error: Exception | None = None
        self.most_waiting = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Leave an item; raises what the work has raised."""
        try:
            self._queue.put(item)
        except ClosedError:
            self._raise()
            raise
        self.most_waiting = max(self.most_waiting, len(self._queue))

    def finish(self, complete: bool) -> None:
        """End: `complete` waits for what is left and raises what the work has raised, else what is left is dropped."""
        if complete:
            self._queue.close()
        else:
            self._queue.abort()
        self._thread.join()
        if complete:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while True:
                self._work(self._queue.take())
        except ClosedError:
            pass
        except Exception as error:
            self._error = error
            self._queue.abort()
