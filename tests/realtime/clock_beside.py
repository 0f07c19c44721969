"""A clock that ticks beside a test and does nothing else: says whether the machine was late, or what is tested was."""

from __future__ import annotations

import threading
import time

_TICK_S = 0.005
_STEADY_MS = 25.0


class Beside:
    """Ticks from entering a with-block to its end; times are judged only where `steady`, everything else always."""

    longest_ms = 0.0

    def __enter__(self) -> Beside:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()
        return self

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(_TICK_S):
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, (now - last - _TICK_S) * 1e3)
            last = now

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def steady(self) -> bool:
        """Whether no tick was late enough to spoil a time: another program had the processor otherwise."""
        return self.longest_ms < _STEADY_MS
