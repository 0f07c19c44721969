"""A Chrome trace (chrome://tracing, Perfetto) of every stage of every frame."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from realtime.errors import OutputError
from realtime.files import write_atomically

_MAX_EVENTS = 2_000_000  # about an hour of live pace; more would only fill the memory


class Trace:
    """Collects spans from all threads; `save` writes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[tuple[str, int, int, int, int]] = []
        self._threads: dict[int, str] = {}
        self.lost = 0

    def span(self, name: str, start_ns: int, end_ns: int, seq: int) -> None:
        """Record that the calling thread worked on frame `seq` in stage `name` from `start_ns` to `end_ns`."""
        thread = threading.current_thread()
        ident = thread.ident or 0
        with self._lock:
            self._threads.setdefault(ident, thread.name)
            if len(self._events) < _MAX_EVENTS:
                self._events.append((name, start_ns, end_ns, seq, ident))
            else:
                self.lost += 1

    def to_json(self) -> dict[str, Any]:
        """Return the trace in Chrome's trace-event form, times in µs from the first span."""
        with self._lock:
            events, threads = list(self._events), dict(self._threads)
        zero_ns = min((event[1] for event in events), default=0)
        rows: list[dict[str, Any]] = [
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": ident, "args": {"name": name}}
            for ident, name in threads.items()
        ]
        rows += [
            {"ph": "X", "name": name, "cat": "stage", "pid": 1, "tid": ident, "ts": (start - zero_ns) / 1000,
             "dur": (end - start) / 1000, "args": {"seq": seq}}
            for name, start, end, seq, ident in events
        ]  # fmt: skip
        return {"displayTimeUnit": "ms", "traceEvents": rows}

    def save(self, path: Path) -> None:
        """Write the trace to `path`; raises `OutputError` when it cannot be written."""
        try:
            write_atomically(path, json.dumps(self.to_json()))
        except OSError as error:
            raise OutputError(f"trace {path}", str(error.strerror or error), "Choose a writable --trace FILE") from None
