"""Fake stages, drivers and outputs: a face whose params are a colour, so that pictures tell what was shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from models.face import FaceParams
from models.motion import blend, neutral_params
from models.transfer import Gains
from realtime.capture.base import Item
from realtime.clock import NS_PER_S
from realtime.config import Config
from realtime.errors import OutputError
from realtime.notices import Notice, Notices
from realtime.outputs.base import Stream
from realtime.stages import Finish, Stages
from realtime.types import U8, Composite, Frame

POISON = (251, 3, 249)  # a colour that no fake puppet renders


def params(jaw: float = 0.0, x: float = 0.0) -> FaceParams:
    """Params told apart by their jaw unit and their x."""
    rest = neutral_params()
    expression = rest.expression.copy()
    expression[24] = jaw
    return FaceParams(rest.rotation, np.array([x, 0.0, 0.0]), expression, rest.gaze)


def poisoned(height: int = 48, width: int = 64, seed: int = 0) -> U8:
    """A driver picture in the poison colour, with a pattern of its complement."""
    rng = np.random.default_rng(seed)
    rgb = np.full((height, width, 3), POISON, np.uint8)
    rgb[rng.random((height, width)) < 0.25] = (4, 252, 6)
    return rgb


def is_clean(rgb: U8, tolerance: int = 40) -> bool:
    """Whether no pixel comes near the two colours of `poisoned`."""
    flat = rgb.reshape(-1, 3).astype(int)
    return all(np.abs(flat - colour).max(1).min() > tolerance for colour in (POISON, (4, 252, 6)))


@dataclass
class FakeTracker:
    """Sees `params(jaw=mean red / 255)`, or whatever `see` says of the count of frames."""

    see: Callable[[int], FaceParams | None] | None = None
    delay_s: float = 0.0
    frames: int = 0
    resets: int = 0
    closed: bool = False
    kept: list[U8] = field(default_factory=list)

    def track(self, rgb: U8, captured_ns: int) -> tuple[FaceParams | None, float]:
        self.frames += 1
        self.kept = [rgb]
        if self.delay_s:
            time.sleep(self.delay_s)
        found = self.see(self.frames - 1) if self.see else params(float(rgb[..., 0].mean()) / 255)
        return found, float(found is not None)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeCalibration:
    """Neutral after `after` observations."""

    after: int = 1
    seen: int = 0
    resets: int = 0

    @property
    def neutral(self) -> FaceParams | None:
        return params() if self.seen >= self.after else None

    def observe(self, _params: FaceParams, captured_ns: int) -> None:
        self.seen += 1

    def recalibrate(self) -> None:
        self.seen = 0
        self.resets += 1


@dataclass
class FakePredictor:
    """Holds the last instant and remembers what it was asked."""

    last: FaceParams | None = None
    asked: list[int] = field(default_factory=list)
    resets: int = 0

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        self.last = params

    def predict(self, at_ns: int) -> FaceParams:
        assert self.last is not None
        self.asked.append(at_ns)
        return self.last

    def reset(self) -> None:
        self.resets += 1


class FakeImagine:
    """A slow sway of x."""

    def params_at(self, t_ns: int) -> FaceParams:
        return params(0.0, float(np.sin(t_ns / NS_PER_S)))


class FakePuppet:
    """A grey picture whose red is 100 + 100 * jaw; never near the poison."""

    def __init__(
        self, size: tuple[int, int] = (32, 24), delay_s: float = 0.0, fail: Callable[[int], bool] | None = None
    ):
        self.size = size
        self.delay_s, self.fail = delay_s, fail
        self.plate: U8 | None = None
        self.generator = True
        self.rendered: list[FaceParams] = []
        self.forgotten = 0

    def retarget(self, driver: FaceParams, neutral: FaceParams, gains: Gains) -> FaceParams:
        return driver.with_(expression=(driver.expression - neutral.expression) * np.float32(gains.jaw))

    def set_backdrop(self, plate: U8 | None) -> None:
        self.plate = plate

    def matte(self) -> U8:
        alpha = np.zeros((self.size[1], self.size[0]), np.uint8)
        alpha[:, self.size[0] // 3 :] = 255
        return alpha

    def set_generator(self, on: bool) -> None:
        self.generator = on

    def forget(self) -> None:
        self.forgotten += 1

    def begin(self, params: FaceParams) -> Finish:
        return lambda: self.render(params)

    def render(self, params: FaceParams) -> U8:
        index = len(self.rendered)
        self.rendered.append(params)
        if self.delay_s:
            time.sleep(self.delay_s)
        if self.fail is not None and self.fail(index):
            raise RuntimeError("render fault")
        rgb = np.full((self.size[1], self.size[0], 3), 90, np.uint8)
        rgb[..., 0] = int(100 + 100 * float(params.expression[24]))
        return rgb


def stages(
    tracker: FakeTracker | None = None,
    puppet: FakePuppet | None = None,
    calibration: FakeCalibration | None = None,
    predictor: FakePredictor | None = None,
) -> Stages:
    """A set of fake stages."""
    return Stages(
        tracker or FakeTracker(),
        calibration or FakeCalibration(),
        predictor or FakePredictor(),
        FakeImagine(),
        puppet or FakePuppet(),
        neutral_params(),
        blend,
    )


def assembler(made: Stages) -> Callable[..., Stages]:
    """An `assemble` that hands out `made`."""

    def assemble(config: Config, notices: Notices, *, pictures: bool) -> Stages:
        return made

    return assemble


class FakeDriver:
    """A driver that yields the given pictures; `real_time` ones sleep `period_s` before each."""

    has_pictures = True
    audio: Path | None = None

    def __init__(
        self,
        pictures: list[U8],
        fps: int = 30,
        real_time: bool = False,
        end: Exception | None = None,
        clock: object | None = None,
    ) -> None:
        self.name, self.fps, self.real_time, self.end = "fake", Fraction(fps), real_time, end
        self.pictures, self.closed, self.clock = pictures, threading.Event(), clock

    def __iter__(self) -> Iterator[Item]:
        for seq, rgb in enumerate(self.pictures):
            if self.real_time:
                if self.closed.wait(1 / float(self.fps)):
                    return
                yield Frame(seq, self.clock.now_ns(), rgb)  # type: ignore[union-attr]
            else:
                yield Frame(seq, int(seq * NS_PER_S / self.fps), rgb)
        if self.end is not None:
            raise self.end

    def close(self) -> None:
        self.closed.set()


class Collector:
    """An output that keeps what it gets."""

    def __init__(self, name: str = "collector", fail_at: int | None = None, delay_s: float = 0.0) -> None:
        self.name, self.fail_at, self.delay_s = name, fail_at, delay_s
        self.stream: Stream | None = None
        self.sent: list[Composite] = []
        self.sent_ns: list[int] = []
        self.closed: bool | None = None

    def open(self, stream: Stream) -> None:
        self.stream = stream

    def send(self, composite: Composite) -> None:
        if self.fail_at is not None and len(self.sent) >= self.fail_at:
            raise OutputError(f"output {self.name}", "it broke", "Mend it")
        if self.delay_s:
            time.sleep(self.delay_s)
        self.sent.append(composite)
        if self.stream is not None:
            self.sent_ns.append(self.stream.clock.now_ns())

    def close(self, complete: bool) -> None:
        self.closed = complete

    @property
    def reds(self) -> list[int]:
        return [int(c.rgb[0, 0, 0]) for c in self.sent]


class Said(list[Notice]):
    """A notice sink."""

    def __call__(self, notice: Notice) -> None:
        self.append(notice)

    @property
    def text(self) -> str:
        return "\n".join(notice.text for notice in self)
