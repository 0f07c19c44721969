"""What a soak run must keep to, judged from what was sampled; no clocks, no processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

MOST_GROWTH = 0.05  # of the memory after warm-up
MOST_GAP_MS = 100.0  # between two pictures at an output, and of driver frames dropped in a row
LEAST_RATE = 0.98  # of the pictures that the rate asks for
MOST_PRESSURE = 0.5  # of the time, with somebody waiting for a processor: more says that others work here too
LEAST_HEARD = 0.9  # of the clicks, at the far end of the cable


@dataclass(frozen=True)
class Sample:
    """The engine's process at one moment."""

    second: float  # since the first picture
    rss_mb: float
    anonymous_mb: float  # without files mapped into memory, which the system may take and give
    load: float  # of the machine, one minute
    cpu_s: float  # used by the engine so far


def growth(samples: Sequence[Sample], warm_up_s: float) -> dict[str, float]:
    """Return memory after warm-up, the highest minute and the last minute after it (MB), and the growth of both.

    A minute counts by its median, so that one picture being decoded is no leak. Raises `ValueError` without samples
    from two minutes (or two tenths of a short run) after the warm-up.
    """
    rest = [sample for sample in samples if sample.second >= warm_up_s]
    if len(rest) < 2:
        raise ValueError("the run ended before memory could be watched")
    window = min(60.0, (rest[-1].second - warm_up_s) / 10 or 1.0)
    minutes: dict[int, list[float]] = {}
    for sample in rest:
        minutes.setdefault(int((sample.second - warm_up_s) / window), []).append(sample.rss_mb)
    levels = [median(values) for _, values in sorted(minutes.items())]
    first, last, highest = levels[0], levels[-1], max(levels)
    return {
        "after_warm_up_mb": round(first, 1), "highest_mb": round(highest, 1), "last_mb": round(last, 1),
        "growth": round(highest / first - 1, 4), "growth_at_end": round(last / first - 1, 4),
    }  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A limit that was missed."""

    text: str
    timed: bool = False  # a busy machine alone can be the reason


def faults(found: dict[str, Any], period_ms: float) -> list[Fault]:
    """Return what a run missed; empty when it kept every limit.

    `found`: `memory` (of `growth`), `seconds` (asked), `sent` (of the engine's report), `file`, `viewers`, `sound`,
    `exit_code`.
    """
    wrong = []
    grown = found["memory"]["growth"]
    if abs(grown) > MOST_GROWTH:
        wrong.append(Fault(f"memory grew by {100 * grown:.1f} % (limit {100 * MOST_GROWTH:.0f} %)"))
    wanted = LEAST_RATE * found["seconds"] * 1000 / period_ms
    for name, sent in found["sent"].items():
        if sent["longest_gap_ms"] > MOST_GAP_MS:
            wrong.append(Fault(f"{name}: {sent['longest_gap_ms']:.0f} ms without a picture, {sent['gaps_over_100_ms']} "
                               f"gaps over {MOST_GAP_MS:.0f} ms", True))  # fmt: skip
        # A picture stands for one period anyway; what is beyond that was dropped.
        if sent["longest_still_ms"] - period_ms > MOST_GAP_MS:
            wrong.append(Fault(f"{name}: the picture stood still for {sent['longest_still_ms']:.0f} ms: a burst of "
                               f"drops over {MOST_GAP_MS:.0f} ms", True))  # fmt: skip
        if sent["pictures"] < wanted:
            wrong.append(Fault(f"{name}: {sent['pictures']} pictures, {wanted:.0f} wanted", True))
    kept, handed = found["file"]["pictures"], found["sent"]["file"]["pictures"]
    if kept != handed:
        wrong.append(Fault(f"the file holds {kept} of {handed} pictures"))
    wrong += [Fault(f"viewer {v['name']} saw nothing") for v in found["viewers"] if not v["pictures"]]
    sound = found.get("sound")
    if sound is not None and sound["heard"] < LEAST_HEARD * sound["played"]:
        wrong.append(Fault(f"{sound['heard']} of {sound['played']} clicks came out of the cable", True))
    if found["exit_code"]:
        wrong.append(Fault(f"the engine ended with {found['exit_code']}"))
    return wrong


def why_no_verdict(found: dict[str, Any]) -> str | None:
    """Return why gaps and rates say nothing about the engine: the machine itself stood still, or was overloaded."""
    stalls, pressure = found["machine_stalls"], found["cpu_pressure"]
    if stalls["over_33_ms"]:
        return f"a clock that does nothing else was late {stalls['over_33_ms']} times, by {stalls['longest_ms']:.0f} ms"
    if pressure is not None and pressure > MOST_PRESSURE:
        return f"for {100 * pressure:.0f} % of the time somebody waited for a processor"
    return None
