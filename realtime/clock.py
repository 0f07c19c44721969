"""The one monotonic clock, passed in wherever time matters; tests pass a fake one."""

from __future__ import annotations

import threading
import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Anything that counts nanoseconds and can wait."""

    def now_ns(self) -> int:
        """Return the time in ns; never goes back."""
        ...

    def wait_until(self, deadline_ns: int, stop: threading.Event | None = None) -> bool:
        """Wait for `deadline_ns`; return False when `stop` was set before it came."""
        ...


class MonotonicClock:
    """The machine's own monotonic clock."""

    # Event.wait may oversleep by a scheduler tick (1 ms on a busy machine): the last stretch is slept in small steps.
    _FINE_NS = 2 * NS_PER_MS

    def now_ns(self) -> int:
        """Return `time.monotonic_ns()`."""
        return time.monotonic_ns()

    def wait_until(self, deadline_ns: int, stop: threading.Event | None = None) -> bool:
        """Wait for `deadline_ns`; return False when `stop` was set before it came."""
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            if stop is not None and stop.is_set():
                return False
            if left_ns > self._FINE_NS and stop is not None:
                stop.wait((left_ns - self._FINE_NS) / NS_PER_S)
            else:
                time.sleep(min(left_ns, self._FINE_NS) / NS_PER_S)
        return stop is None or not stop.is_set()


class FakeClock:
    """A clock that stands still until told to move: `wait_until` jumps to the deadline at once."""

    def __init__(self, start_ns: int = 0) -> None:
        self._lock = threading.Lock()
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the set time in ns."""
        with self._lock:
            return self._now_ns

    def advance(self, by_ns: int) -> int:
        """Move on by `by_ns` (>= 0) and return the new time in ns."""
        if by_ns < 0:
            raise ValueError(f"a clock does not go back: {by_ns} ns")
        with self._lock:
            self._now_ns += by_ns
            return self._now_ns

    def wait_until(self, deadline_ns: int, stop: threading.Event | None = None) -> bool:
        """Jump to `deadline_ns` if it lies ahead; return False when `stop` is set."""
        if stop is not None and stop.is_set():
            return False
        with self._lock:
            self._now_ns = max(self._now_ns, deadline_ns)
        return True
