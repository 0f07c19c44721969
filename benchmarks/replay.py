"""The engine's offline pace without its threads: clip frames -> what the tracker sees -> pictures of a source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from models.calibration import Calibration
from models.dynamics import Calmer
from models.errors import UserError
from models.face import F32, U8, FaceParams
from models.generator import Generator
from models.imagine import Imagine
from models.landmarks import FaceNetworks
from models.motion import blend, neutral_params
from models.published import Published
from models.puppet import Puppet
from models.readback import load_readback
from models.second_look import EVERY
from models.source import SourceFace
from models.tracking import FaceTracker
from models.transfer import Gains
from realtime.clock import NS_PER_S, MonotonicClock
from realtime.config import Config
from realtime.meter import Meter
from realtime.notices import log_notice
from realtime.performer import Performer
from realtime.stages import Finish, Stages
from realtime.types import Frame, Tracked

CONFIG = Config(pace="offline", neutral="first")


class Replay:
    """One driver on its way through the engine's own `Performer`, one frame after the other."""

    def __init__(self, puppet: Puppet | None, networks: FaceNetworks | None = None) -> None:
        tracker = FaceTracker(networks=networks, every=EVERY)
        strings: Any = Strings(puppet) if puppet is not None else None
        if puppet is not None:
            puppet.forget()  # another replay may have shown it
        calibration, idle = Calibration(CONFIG.neutral), Imagine(CONFIG.seed)
        stages = Stages(tracker, calibration, Calmer(), idle, strings, neutral_params(), blend)
        self._tracker = tracker
        self._performer = Performer(stages, CONFIG, Meter(MonotonicClock()), log_notice)

    def track(self, frames: Sequence[U8], fps: float) -> tuple[list[Tracked], list[F32 | None], list[float]]:
        """Return what is seen in every frame, the landmarks (478, 3) px behind it, and the milliseconds it took."""
        seen: list[Tracked] = []
        points: list[F32 | None] = []
        took: list[float] = []
        for i, rgb in enumerate(frames):
            start = time.perf_counter()
            seen.append(self._performer.track(Frame(i, round(i * NS_PER_S / fps), rgb)))
            took.append((time.perf_counter() - start) * 1e3)
            points.append(None if self._tracker.points is None else self._tracker.points.copy())
        return seen, points, took

    def show(self, seen: Sequence[Tracked]) -> list[U8]:
        """Return one picture for each tracked frame."""
        return [self._performer.show(s, s.captured_ns).rgb for s in seen]


class Strings:
    """A puppet as the engine holds it, relative motion."""

    def __init__(self, puppet: Puppet) -> None:
        self._puppet = puppet
        self.size = puppet.size

    def retarget(self, driver: FaceParams, neutral: FaceParams, gains: Gains) -> FaceParams:
        """Return the source's params for the driver's."""
        return self._puppet.retarget(driver, neutral, gains)

    def render(self, params: FaceParams) -> U8:
        """Return the picture at `params`."""
        return self._puppet.render(params)

    def forget(self) -> None:
        """Let the next picture owe nothing to those before."""
        self._puppet.forget()

    def begin(self, params: FaceParams) -> Finish:
        """Draw the picture at `params` by geometry, and return what finishes it."""
        return self._puppet.begin(params)


def engine_puppet(source: SourceFace, kind: str = "engine") -> tuple[Puppet, str | None]:
    """Return the source's puppet with a generator, and a note when it has none; kind engine, published or warp."""
    if kind == "warp":
        return Puppet(source), None
    make: Any = Published if kind == "published" else Generator
    try:
        puppet = Puppet(source, generator=make(source.image, source.points))
    except UserError as error:
        return Puppet(source), f"{kind} is warp: {error}"
    puppet.readback = load_readback(puppet)
    return puppet, None
