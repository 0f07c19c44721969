"""The threads of one run: the first one that fails stops all, and its error is raised in the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from realtime.clock import NS_PER_S, Clock
from realtime.errors import EngineError
from realtime.flow import ClosedError


class Crew:
    """Starts threads, remembers the first failure, joins within bounds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._on_fail: list[Callable[[], None]] = []
        self.stop = threading.Event()
        self.error: BaseException | None = None

    def on_fail(self, action: Callable[[], None]) -> None:
        """Call `action` when a thread fails or `abort` is called (it must only wake others)."""
        self._on_fail.append(action)

    def spawn(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run `work` in a thread called `name`."""

        def body() -> None:
            try:
                work()
            except ClosedError:
                pass
            except BaseException as error:
                self.fail(error)

        thread = threading.Thread(target=body, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def fail(self, error: BaseException) -> None:
        """Remember `error` if it is the first, and stop everybody."""
        with self._lock:
            if self.error is None:
                self.error = error
        self.abort()

    def abort(self) -> None:
        """Stop everybody without an error."""
        self.stop.set()
        for action in self._on_fail:
            action()

    def join(self, bound_s: float) -> None:
        """Wait `bound_s` in all for the threads; raises the first failure, or `EngineError` for one that hangs."""
        deadline_ns = self._clock.now_ns() + int(bound_s * NS_PER_S)
        for thread in self._threads:
            thread.join(max((deadline_ns - self._clock.now_ns()) / NS_PER_S, 0.01))
        if self.error is not None:
            raise self.error
        hanging = [thread.name for thread in self._threads if thread.is_alive()]
        if hanging:
            raise EngineError(f"these threads did not end within {bound_s} s: {', '.join(hanging)}")
