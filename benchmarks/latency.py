"""How late and how fast: live pace at 512 and on a 1280x720 canvas, offline pace, start-up times, apparent lag.

`python -m benchmarks.latency --report FILE.json [--clips DIR] [--stills DIR]`; without `--clips` the driver is a clip
that the engine makes itself: the default portrait, moved by `imagine`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.harness import arguments, save, stopwatch
from models.rotation import log
from realtime.capture.base import Pictures
from realtime.config import Config
from realtime.outputs.base import Stream
from realtime.outputs.null import NullOutput
from realtime.pipeline import run
from realtime.types import U8, Composite

F64 = npt.NDArray[np.float64]
_SECONDS = 15.0
_FPS = 30
_LAG_STEP_MS, _LAG_MAX_MS = 2.0, 250.0
_ROOT = Path(__file__).resolve().parents[1]


class Recorder:
    """Keeps what was sent and when, for the lag."""

    name = "recorder"

    def open(self, stream: Stream) -> None:
        """Start."""
        self._clock = stream.clock
        self.sent: list[tuple[int, U8]] = []

    def send(self, composite: Composite) -> None:
        """Keep one picture with its time, ns."""
        self.sent.append((self._clock.now_ns(), composite.rgb))

    def close(self, complete: bool) -> None:
        """Keep everything."""


def decode(path: Path, seconds: float) -> list[U8]:
    """Return the first `seconds` of a clip as RGB pictures."""
    pictures: list[U8] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= seconds:
                break
            pictures.append(frame.to_ndarray(format="rgb24"))
    return pictures


def own_clip(folder: Path) -> Path:
    """Make a driver clip of the default portrait moved by `imagine`, and return its path."""
    path = folder / "driver.mp4"
    run(Config(driver="imagine", seconds=_SECONDS, pace="offline", output=(str(path),), fps=_FPS))
    return path


def live(config: Config, pictures: list[U8]) -> dict[str, Any]:
    """Play the pictures at 30 a second at live pace and return the figures of the run."""
    report = run(replace(config, pace="live"), driver=Pictures(pictures, _FPS), outputs=[NullOutput()])
    kept = ("frames_in", "frames_out", "repeated", "dropped", "tracked", "fps", "latency_ms", "stages_ms", "memory_mb")
    return {
        **{name: report[name] for name in kept},
        "dropped_percent": round(100 * report["dropped"] / len(pictures), 2),
    }


def offline(config: Config, pictures: list[U8]) -> dict[str, Any]:
    """Run the pictures at offline pace and return the figures of the run."""
    report = run(replace(config, pace="offline"), driver=Pictures(pictures, _FPS), outputs=[NullOutput()])
    return {name: report[name] for name in ("frames_out", "seconds", "fps", "stages_ms", "memory_mb")}


def apparent_lag_ms(config: Config, pictures: list[U8]) -> float | None:
    """Return the delay at which the output's head motion fits the driver's best, ms; both are tracked afterwards.

    Positive: the output is later than the driver. None when either hardly moves.
    """
    recorder = Recorder()
    driver = _Released(pictures)
    run(replace(config, pace="live", neutral="first"), driver=driver, outputs=[recorder])
    theirs = _yaw_pitch([(ns, rgb) for ns, rgb in zip(driver.released_ns, pictures, strict=False)])
    ours = _yaw_pitch(recorder.sent)
    return best_shift_ms(theirs, ours)


class _Released:
    """A driver that plays pictures in real time and keeps the capture stamps."""

    name, real_time, has_pictures, audio = "released", False, True, None

    def __init__(self, pictures: list[U8]) -> None:
        self._inner = Pictures(pictures, _FPS)
        self.fps = self._inner.fps
        self.released_ns: list[int] = []

    def __iter__(self) -> Any:
        from realtime.clock import MonotonicClock

        clock = MonotonicClock()
        for item in self._inner:
            yield item
            # The pacer asks for the next item right after it released this one.
            self.released_ns.append(clock.now_ns())

    def close(self) -> None:
        """Nothing to free."""


def _yaw_pitch(stamped: list[tuple[int, U8]]) -> tuple[F64, F64]:
    """Track pictures; returns times (N,) ms and rotation vectors (N, 3), radians."""
    from models.tracking import FaceTracker

    tracker, times, turns = FaceTracker(), [], []
    for ns, rgb in stamped:
        params, _ = tracker.track(rgb, ns)
        if params is not None:
            times.append(ns / 1e6)
            turns.append(log(params.rotation))
    tracker.close()
    return np.array(times), np.array(turns).reshape(-1, 3)


def best_shift_ms(driver: tuple[F64, F64], output: tuple[F64, F64]) -> float | None:
    """Return the shift of `output` against `driver` (times ms, vectors) with the highest correlation, ms."""
    if min(len(driver[0]), len(output[0])) < 30 or driver[1].std() < 0.003 or output[1].std() < 0.003:
        return None
    grid = np.arange(driver[0][0] + _LAG_MAX_MS, driver[0][-1] - _LAG_MAX_MS, 1000 / 120)

    def at(series: tuple[F64, F64], shift: float) -> F64:
        values = np.stack([np.interp(grid + shift, series[0], series[1][:, k]) for k in range(3)])
        centred: F64 = values - values.mean(1, keepdims=True)
        return centred

    base = at(driver, 0.0)
    shifts = np.arange(-_LAG_MAX_MS, _LAG_MAX_MS + 1, _LAG_STEP_MS)

    def fit(shift: float) -> float:
        other = at(output, shift)
        return float((base * other).sum() / np.sqrt((base**2).sum() * (other**2).sum() + 1e-12))

    return float(shifts[int(np.argmax([fit(float(s)) for s in shifts]))])


def start_up(folder: Path) -> dict[str, float]:
    """Return seconds from the command to the end of a one-picture run, with an empty and with a filled source cache."""
    command = [sys.executable, "run_live.py", "--driver", "imagine", "--seconds", "0.03", "--pace", "offline"]
    figures: dict[str, float] = {}
    for name in ("new_source_s", "same_source_s"):
        out = folder / f"{name}.mp4"
        # A size that nobody uses makes the source new without touching the user's cache of model files.
        words = [*command, "--size", "514", "--output", str(out)]
        with stopwatch() as passed:
            subprocess.run(words, cwd=_ROOT, check=True, capture_output=True)
        figures[name] = round(passed(), 2)
    return figures


def main(words: list[str] | None = None, say: Callable[[str], None] = print) -> None:
    """Measure everything and write the report."""
    chosen = arguments(__doc__ or "", words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = chosen.clips[0] if chosen.clips else own_clip(folder)
        pictures = decode(clip, _SECONDS)
        source = str(chosen.stills[0]) if chosen.stills else ""
        config = Config(source=source, neutral="first")
        figures: dict[str, Any] = {"clip": clip.name, "frames": len(pictures)}
        for label, work in (
            ("live_512", lambda: live(config, pictures)),
            ("live_1280x720", lambda: live(replace(config, canvas=(1280, 720)), pictures)),
            ("offline_512", lambda: offline(config, pictures)),
            ("offline_1280x720", lambda: offline(replace(config, canvas=(1280, 720)), pictures)),
            ("apparent_lag_ms", lambda: apparent_lag_ms(config, pictures)),
            ("start_up", lambda: start_up(folder)),
        ):
            figures[label] = work()
            say(f"{label}: {figures[label]}")
        save(chosen.report, figures)


if __name__ == "__main__":
    main()
