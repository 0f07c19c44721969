"""What goes on beside the engine in a soak: it is sampled and steered, and a clock that does nothing else ticks."""

from __future__ import annotations

import io
import os
import threading
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
from verdict import MOST_GAP_MS, Sample

STEER_S = 20.0
STEPS: tuple[dict[str, Any], ...] = (
    {"gains": {"mouth": 1.3}}, {"background": "blur"}, {"smoothing": 40}, {"background": "green"}, {"mirror": True},
    {"background": "#204060"}, {"lookahead": 30}, {"mirror": False}, {"generator": False}, {"background": "own"},
    {"generator": True, "smoothing": 0, "lookahead": "auto", "gains": {"mouth": 1.0}},
)  # fmt: skip


def sample(pid: int, second: float) -> Sample | None:
    """Return the state of a process, None when it is gone."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        rss, anonymous = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
    except (OSError, KeyError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Sample(round(second, 1), round(rss, 2), round(anonymous, 2), os.getloadavg()[0], ticks / os.sysconf(2))


class Metronome(threading.Thread):
    """Ticks a hundred times a second and does nothing else: where it is late, the machine was, not the engine."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self.longest_ms = 0.0
        self.stalls = 0  # of more than a third of the gap that is judged

    def run(self) -> None:
        """Tick until `end`."""
        last = time.monotonic()
        while not self._ended.wait(0.01):
            now = time.monotonic()
            late_ms = (now - last) * 1e3 - 10
            self.longest_ms = max(self.longest_ms, late_ms)
            self.stalls += late_ms > MOST_GAP_MS / 3
            last = now

    def end(self) -> None:
        """Stop."""
        self._ended.set()
        self.join()


def starved_s() -> float | None:
    """Return the seconds in which somebody on this machine waited for a processor so far, None where nobody counts."""
    try:
        some = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2]) / 1e6


class Hand(threading.Thread):
    """Turns the page's knobs, one step after the other, and swaps between two sources."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address, self._ended = address, threading.Event()
        self.steps = self.refused = 0

    def run(self) -> None:
        """Steer until `end`."""
        with httpx.Client(base_url=self._address, timeout=30) as page:
            state = page.get("/api/state").json()
            first = state["sources"][0]["id"]
            second = page.post("/api/sources", params={"name": "mirrored"}, content=mirrored_portrait()).json()["id"]
            actions = cycle([*({"patch": step} for step in STEPS), {"use": second}, {"use": first}])
            while not self._ended.wait(STEER_S):
                action = next(actions)
                try:
                    answer = (page.patch("/api/state", json=action["patch"]) if "patch" in action
                              else page.post(f"/api/sources/{action['use']}/use"))  # fmt: skip
                except httpx.HTTPError:
                    self.refused += 1
                    continue
                self.steps += 1
                self.refused += answer.status_code != 200

    def end(self) -> None:
        """Let go."""
        self._ended.set()
        self.join(40)


def mirrored_portrait() -> bytes:
    """Return the default portrait turned around, as PNG: another source."""
    from PIL import Image, ImageOps

    from realtime.assembly import source_path
    from realtime.config import Config

    out = io.BytesIO()
    ImageOps.mirror(Image.open(source_path(Config(), lambda _: None)).convert("RGB")).save(out, "PNG")
    return out.getvalue()
