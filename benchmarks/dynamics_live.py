"""How late the live engine looks: the output's own head motion against the driver's, with and without prediction.

Extra latency is made as a slow camera makes it: a frame reaches the engine so many ms after its capture stamp.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency import Recorder, best_shift_ms
from models.face import F64, U8
from models.rotation import log
from models.tracking import FaceTracker
from realtime.assembly import assemble
from realtime.clock import NS_PER_MS, NS_PER_S, FakeClock, MonotonicClock
from realtime.config import Config
from realtime.meter import Meter
from realtime.notices import log_notice
from realtime.performer import Performer
from realtime.pipeline import run
from realtime.types import Frame

EXTRA_MS = (0, 30, 60, 100)
PACED_MS = (20, 30, 60, 100)
LOOKAHEADS: tuple[float | str, ...] = (0.0, "auto")


class SlowCamera:
    """Plays pictures in real time; every frame arrives `extra_ms` after the stamp it carries."""

    name, real_time, has_pictures = "slow camera", True, True
    audio: Path | None = None

    def __init__(self, pictures: list[U8], fps: float, extra_ms: float) -> None:
        self._pictures = pictures
        self.fps = Fraction(fps).limit_denominator(1000)
        self._extra_ns = round(extra_ms * NS_PER_MS)
        self._closed = False
        self.stamps_ns: list[int] = []

    def __iter__(self) -> Iterator[Frame]:
        clock = MonotonicClock()
        start = clock.now_ns()
        for i, rgb in enumerate(self._pictures):
            clock.wait_until(start + int(i * NS_PER_S / self.fps))
            if self._closed:
                return
            stamp = clock.now_ns() - self._extra_ns
            self.stamps_ns.append(stamp)
            yield Frame(i, stamp, rgb)

    def close(self) -> None:
        """Stop playing."""
        self._closed = True


def turns(pictures: list[U8]) -> tuple[list[int], F64]:
    """Numbers of the pictures that show a face, and the rotation vectors (N, 3) in them."""
    tracker, at, out = FaceTracker(), [], []
    for i, rgb in enumerate(pictures):
        params, _ = tracker.track(rgb, i)
        if params is not None:
            at.append(i)
            out.append(log(params.rotation))
    tracker.close()
    return at, np.array(out).reshape(-1, 3)


def apparent_lags(pictures: list[U8], fps: float, config: Config) -> dict[str, Any]:
    """Apparent lag and true latency, ms, for every extra latency with and without prediction."""
    at, driver_turns = turns(pictures)
    out: dict[str, Any] = {}
    for extra in EXTRA_MS:
        for lookahead in LOOKAHEADS:
            camera, recorder = SlowCamera(pictures, fps, extra), Recorder()
            chosen: Any = {"pace": "live", "neutral": "first", "lookahead": lookahead}
            report = run(Config(**{**config.__dict__, **chosen}), driver=camera, outputs=[recorder])
            mine, output_turns = turns([rgb for _, rgb in recorder.sent])
            theirs = np.array([camera.stamps_ns[i] for i in at if i < len(camera.stamps_ns)]) / 1e6
            ours = np.array([recorder.sent[i][0] for i in mine]) / 1e6
            lag = best_shift_ms((theirs, driver_turns[: len(theirs)]), (ours, output_turns))
            out[f"extra_{extra}_lookahead_{lookahead}"] = {
                "apparent_lag_ms": lag, "latency_ms": report["latency_ms"], "dropped": report["dropped"],
            }  # fmt: skip
    return out


def paced_lags(pictures: list[U8], fps: float, config: Config, latencies_ms: tuple[int, ...]) -> dict[str, Any]:
    """Apparent lag, ms, of the engine's own stages when every frame takes exactly so long: no machine's mood in it.

    Real tracking, prediction, transfer and rendering, then the pictures are tracked; only the clock is made.
    """
    at, driver_turns = turns(pictures)
    stamps = [round(i * NS_PER_S / fps) for i in range(len(pictures))]
    theirs = np.array([stamps[i] for i in at]) / 1e6
    out: dict[str, Any] = {}
    smoothed = _shown(pictures, stamps, config, 0)
    for latency in latencies_ms:
        for lookahead, (times, output_turns) in ((0, smoothed), (latency, _shown(pictures, stamps, config, latency))):
            lag = best_shift_ms((theirs, driver_turns), (times + latency, output_turns))
            out[f"latency_{latency}_lookahead_{lookahead}"] = lag
    return out


def _shown(pictures: list[U8], stamps: list[int], config: Config, lookahead: int) -> tuple[F64, F64]:
    """Capture times, ms, and turns of the engine's pictures for a driver's, as they are tracked."""
    chosen: Any = {"pace": "live", "neutral": "first", "lookahead": float(lookahead)}
    stages = assemble(Config(**{**config.__dict__, **chosen}), log_notice, pictures=True)
    performer = Performer(stages, Config(**{**config.__dict__, **chosen}), Meter(FakeClock()), log_notice)
    shown = []
    for i, rgb in enumerate(pictures):
        seen = performer.track(Frame(i, stamps[i], rgb))
        shown.append(performer.show(seen, stamps[i]).rgb)
    stages.close()
    mine, output_turns = turns(shown)
    return np.array([stamps[i] for i in mine]) / 1e6, output_turns
