"""Counts and times of a run, gathered from all threads."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from realtime.clock import NS_PER_MS, NS_PER_S, Clock
from realtime.lag import Lag
from realtime.trace import Trace

STAGES = ("track", "predict", "map", "generate", "compose", "send")
COUNTS = ("frames_in", "frames_out", "dropped", "tracked", "idle", "repeated", "tracker_errors", "render_errors",
          "recalibrations", "second_looks")  # fmt: skip
_KEPT = 1 << 16  # samples kept of each figure: the last 36 minutes at 30 fps
_SMOOTH = 0.05  # of the running latency that prediction aims at


def percentiles(samples: Iterable[float], points: tuple[int, ...] = (50, 95, 99)) -> dict[str, float | None]:
    """Return `{"p50": ..}` of the samples, rounded to 0.001; None for each point when there is no sample."""
    values = np.fromiter(samples, np.float64)
    if not values.size:
        return {f"p{point}": None for point in points}
    return {f"p{point}": round(float(np.percentile(values, point)), 3) for point in points}


class Samples:
    """The last 65,536 samples of one figure."""

    def __init__(self) -> None:
        self._values = array("f")
        self._next = 0
        self.total = 0

    def add(self, value: float) -> None:
        """Keep one sample."""
        self.total += 1
        if len(self._values) < _KEPT:
            self._values.append(value)
        else:
            self._values[self._next] = value
            self._next = (self._next + 1) % _KEPT

    def last(self, count: int) -> list[float]:
        """Return the newest `count` samples, oldest first."""
        size = len(self._values)
        if size < _KEPT:
            return list(self._values[-count:])
        return [self._values[(self._next - k) % _KEPT] for k in range(min(count, size), 0, -1)]

    def percentiles(self) -> dict[str, float | None]:
        """Return p50, p95 and p99."""
        return percentiles(array("f", self._values))


class Meter:
    """Gathers the figures of one run; every method may be called from any thread."""

    def __init__(self, clock: Clock, trace: Trace | None = None) -> None:
        self._clock = clock
        self._trace = trace
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(COUNTS, 0)
        self._stages = {name: Samples() for name in STAGES}
        self._latency = Samples()
        self._latency_ns: float | None = None
        self._gauges: dict[str, Callable[[], Any]] = {}
        self._ticks: list[Callable[[], None]] = []
        self.lag = Lag()
        self.on_tick(self.lag.update)
        self.gauge("apparent_lag_ms", lambda: self.lag.ms)
        self._start_ns = self._end_ns = clock.now_ns()

    @property
    def clock(self) -> Clock:
        """The clock of the run."""
        return self._clock

    @property
    def start_ns(self) -> int:
        """When the run's time began."""
        return self._start_ns

    def start(self) -> None:
        """Start the run's time."""
        self._start_ns = self._end_ns = self._clock.now_ns()

    def count(self, name: str, by: int = 1) -> None:
        """Add to a count."""
        with self._lock:
            self._counts[name] += by

    def set_count(self, name: str, value: int) -> None:
        """Set a count that is kept elsewhere."""
        with self._lock:
            self._counts[name] = value

    def stage(self, name: str, start_ns: int, end_ns: int, seq: int) -> None:
        """Record that stage `name` of frame `seq` took from `start_ns` to `end_ns`."""
        with self._lock:
            self._stages[name].add((end_ns - start_ns) / NS_PER_MS)
        if self._trace is not None:
            self._trace.span(name, start_ns, end_ns, seq)

    def latency(self, captured_ns: int, handed_ns: int) -> None:
        """Record one hand-over of a driven picture."""
        took_ns = handed_ns - captured_ns
        with self._lock:
            self._latency.add(took_ns / NS_PER_MS)
            before = self._latency_ns
            self._latency_ns = took_ns if before is None else before + _SMOOTH * (took_ns - before)

    @property
    def running_latency_ns(self) -> int:
        """The smoothed latency in ns, 0 before the first hand-over."""
        return int(self._latency_ns or 0)

    @property
    def lag_ms(self) -> float:
        """How far the picture is behind the driver; until motion has been measured, the latency is the best guess."""
        return self.lag.ms if self.lag.ms is not None else self.running_latency_ns / NS_PER_MS

    def gauge(self, name: str, read: Callable[[], Any]) -> None:
        """Add a figure that is kept elsewhere to every snapshot; `read` is called from any thread and must not wait."""
        self._gauges[name] = read

    def on_tick(self, action: Callable[[], None]) -> None:
        """Call `action` about once a second at live pace, in the main thread."""
        self._ticks.append(action)

    def tick(self) -> None:
        """Do what is to be done once a second."""
        for action in self._ticks:
            action()

    def stop(self) -> None:
        """Stop the run's time."""
        self._end_ns = self._clock.now_ns()

    def recent(self, count: int = 90) -> dict[str, Any]:
        """Return counts, latency and stage times of the newest `count` frames; holds the lock for a copy only."""
        with self._lock:
            counts = dict(self._counts)
            latency, total = self._latency.last(count), self._latency.total
            stages = {name: samples.last(count) for name, samples in self._stages.items()}
        gauges = {name: read() for name, read in self._gauges.items()}
        return {**gauges, **counts, "latency_ms": percentiles(latency), "latencies_ms": [round(x, 2) for x in latency],
                "latencies_total": total,
                "stages_ms": {name: percentiles(samples) for name, samples in stages.items()}}  # fmt: skip

    def snapshot(self, running: bool = False) -> dict[str, Any]:
        """Return counts, fps, latency and stage times so far."""
        gauges = {name: read() for name, read in self._gauges.items()}
        with self._lock:
            seconds = max((self._clock.now_ns() if running else self._end_ns) - self._start_ns, 1) / NS_PER_S
            return {
                **self._counts,
                "seconds": round(seconds, 3),
                "fps": round(self._counts["frames_out"] / seconds, 2),
                "latency_ms": self._latency.percentiles(),
                "stages_ms": {name: samples.percentiles() for name, samples in self._stages.items()},
                **gauges,
            }


class Stopwatch:
    """Times the stages of one frame one after the other."""

    def __init__(self, meter: Meter, seq: int) -> None:
        self._meter = meter
        self._seq = seq
        self._last_ns = meter.clock.now_ns()

    def restart(self) -> None:
        """Leave the time since the last lap out."""
        self._last_ns = self._meter.clock.now_ns()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap (or the start) on `stage`."""
        now_ns = self._meter.clock.now_ns()
        self._meter.stage(stage, self._last_ns, now_ns, self._seq)
        self._last_ns = now_ns
