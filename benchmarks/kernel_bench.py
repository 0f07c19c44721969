"""How one kernel is timed and becomes a row of the report."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Row = dict[str, Any]
Work = Callable[[], object]


class Time(NamedTuple):
    """Milliseconds of one call."""

    p50: float
    least: float


def once(call: Callable[[], Any]) -> tuple[Time, Any]:
    """Return the time of one call, for things too slow to repeat, and its result; `least` is its time on the core."""
    start, on_core = time.perf_counter(), time.thread_time()
    result = call()
    return Time((time.perf_counter() - start) * 1e3, (time.thread_time() - on_core) * 1e3), result


class Bench:
    """Collects the rows of one run."""

    def __init__(self, rounds: int = 5, round_s: float = 0.06) -> None:
        self.rounds, self.round_s = rounds, round_s
        self.rows: list[Row] = []
        source = np.ones(64 << 20, np.uint8)  # well above the caches
        target = np.empty_like(source)
        self.memcpy_gbps = 2 * source.nbytes / 1e6 / self.time(functools.partial(np.copyto, target, source)).p50

    def time(self, work: Work) -> Time:
        """Return the time of one call: see `compare`."""
        return self.compare({"it": work})["it"]

    def compare(self, works: Mapping[str, Work]) -> dict[str, Time]:
        """Time several works in turns, round by round, so that a busy machine is busy for all of them.

        The least of the rounds' medians is the figure; the fastest call stands beside it, because on a machine that is
        shared a call longer than a scheduler's slice is hardly ever left alone.
        """
        medians: dict[str, float] = dict.fromkeys(works, float("inf"))
        fastest = dict(medians)
        for _ in range(self.rounds):
            for name, work in works.items():
                work()
                samples: list[float] = []
                end = time.perf_counter() + self.round_s
                while len(samples) < 3 or time.perf_counter() < end:
                    start = time.perf_counter()
                    work()
                    samples.append((time.perf_counter() - start) * 1e3)
                medians[name] = min(medians[name], statistics.median(samples))
                fastest[name] = min(fastest[name], *samples)
        return {name: Time(medians[name], fastest[name]) for name in works}

    def add(
        self, op: str, mode: str, size: int, backend: str, taken: Time, moved: float = 0.0, error: float | None = None,
        reference: Time | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Append one row: `moved`: bytes that must cross memory once; `error`: the largest against the reference."""
        ms = taken.p50
        gbps = moved / 1e6 / ms if moved else None
        self.rows.append(
            {"op": op, "mode": mode, "size": size, "backend": backend, "ms_p50": ms, "gbps": gbps, "max_abs_err": error,
             "ratio_vs_reference": reference.p50 / ms if reference else None,
             "ratio_vs_memcpy": gbps / self.memcpy_gbps if gbps else None,
             "ms_least": taken.least, **more}
        )  # fmt: skip
        rate = f"{gbps:7.2f} GB/s" if gbps else ""
        sys.stdout.write(f"{op:18s} {mode:9s} {size:5d} {backend:22s} {ms:11.3f} ms (least {taken.least:.3f}) {rate}\n")
        sys.stdout.flush()
