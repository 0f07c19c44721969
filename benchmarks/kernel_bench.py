"""How one kernel is timed and becomes a row of the report."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.harness import time_ms

Row = dict[str, Any]
Work = Callable[[], object]


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds of one call, for things too slow to repeat, and its result."""
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1e3, result


def nothing(_: object) -> None:
    """Accept any result: of work that was compared with the reference before it is timed."""


class Bench:
    """Collects the rows of one run."""

    def __init__(self, rounds: int = 5, round_s: float = 0.06) -> None:
        self.rounds, self.round_s = rounds, round_s
        self.rows: list[Row] = []
        source = np.ones(64 << 20, np.uint8)  # well above the caches
        target = np.empty_like(source)
        self.memcpy_gbps = 2 * source.nbytes / 1e6 / self.time(functools.partial(np.copyto, target, source))

    def time(self, work: Work) -> float:
        """Return the milliseconds of one call: the median of a round, the least of several rounds."""
        return self.compare({"it": work})["it"]

    def compare(self, works: Mapping[str, Work]) -> dict[str, float]:
        """Time several works in turns, round by round, so that a busy machine is busy for all of them.

        The least of the rounds' medians is what the machine does when nothing else has the core.
        """
        best = dict.fromkeys(works, float("inf"))
        for _ in range(self.rounds):
            for name, work in works.items():
                median = time_ms(work, check=nothing, warm_up=1, repeats=400, at_most_s=self.round_s)["p50"]
                best[name] = min(best[name], median or 0.0)
        return best

    def add(
        self, op: str, mode: str, size: int, backend: str, ms: float, moved: float = 0.0, error: float | None = None,
        reference_ms: float | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Append one row: `moved`: bytes that must cross memory once; `error`: the largest against the reference."""
        gbps = moved / 1e6 / ms if moved else None
        self.rows.append(
            {"op": op, "mode": mode, "size": size, "backend": backend, "ms_p50": ms, "gbps": gbps, "max_abs_err": error,
             "ratio_vs_reference": reference_ms / ms if reference_ms else None,
             "ratio_vs_memcpy": gbps / self.memcpy_gbps if gbps else None, **more}
        )  # fmt: skip
        rate = f"{gbps:7.2f} GB/s" if gbps else ""
        sys.stdout.write(f"{op:18s} {mode:9s} {size:5d} {backend:22s} {ms:11.3f} ms {rate}\n")
        sys.stdout.flush()
