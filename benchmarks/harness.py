"""What every benchmark shares: warm-up, check-then-time, percentiles, the machine card, the JSON report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from realtime.files import write_atomically
from realtime.machine import machine_card, versions
from realtime.meter import percentiles

T = TypeVar("T")
CLIPS = (".mp4", ".mov", ".webm", ".mkv")
STILLS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Arguments:
    """The flags that all benchmarks have."""

    report: Path
    clips: list[Path]
    stills: list[Path]


def arguments(description: str, words: list[str] | None = None) -> Arguments:
    """Read `--report FILE.json [--clips DIR] [--stills DIR]`; exits with argparse's words when they make no sense."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--report", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="driver videos")
    parser.add_argument("--stills", type=Path, metavar="DIR", help="source pictures")
    chosen = parser.parse_args(words)
    for name in ("clips", "stills"):
        folder = getattr(chosen, name)
        if folder is not None and not folder.is_dir():
            parser.error(f"--{name} {folder}: there is no such folder")
    return Arguments(chosen.report, files(chosen.clips, CLIPS), files(chosen.stills, STILLS))


def files(folder: Path | None, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files under `folder` with one of the suffixes, sorted; none without a folder."""
    if folder is None:
        return []
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)


def time_ms(work: Callable[[], T], *, check: Callable[[T], None], warm_up: int = 3, repeats: int = 30,
            at_most_s: float = 10.0) -> dict[str, float | None]:  # fmt: skip
    """Check the result of `work` once, warm up, then time it; returns p50, p95, p99 in ms.

    `check` raises when the result is wrong: a fast wrong answer is never timed.
    """
    check(work())
    for _ in range(warm_up):
        work()
    samples: list[float] = []
    end = time.perf_counter() + at_most_s
    while len(samples) < repeats and (not samples or time.perf_counter() < end):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1000)
    return percentiles(samples)


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Give a function that returns the seconds since the start."""
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def save(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures with the machine card and the versions, and print where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {**figures, "machine": machine_card(), "versions": versions()}
    write_atomically(path, json.dumps(report, indent=1) + "\n")
    print(f"wrote {path}", file=sys.stderr)
