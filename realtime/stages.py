"""What the engine needs of the face models, as protocols: the engine never looks inside a face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.face import FaceParams
from models.transfer import Gains
from realtime.types import U8

Finish = Callable[[], U8]  # completes a picture that was begun: (height, width, 3)
Blend = Callable[[FaceParams, FaceParams, float], FaceParams]


class Tracker(Protocol):
    """Finds the driver's params in a picture."""

    def track(self, rgb: U8, captured_ns: int) -> tuple[FaceParams | None, float]:
        """Return params (None: no face) and confidence 0..1 of an RGB picture (H, W, 3)."""
        ...

    def reset(self) -> None:
        """Forget the person: the next face may be another's."""
        ...

    def close(self) -> None:
        """Free the networks."""
        ...


class Calibration(Protocol):
    """Finds the driver's neutral params."""

    @property
    def neutral(self) -> FaceParams | None:
        """The neutral params, None until they are known."""
        ...

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take one tracked instant into account."""
        ...

    def recalibrate(self) -> None:
        """Start again."""
        ...


class Predictor(Protocol):
    """Gives params of a later instant."""

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take one tracked instant into account."""
        ...

    def predict(self, at_ns: int) -> FaceParams:
        """Return the params expected at `at_ns`; at least one instant has been observed."""
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


class Imagine(Protocol):
    """Free motion, relative to `Stages.rest`."""

    def params_at(self, t_ns: int) -> FaceParams:
        """Return the params of instant `t_ns`."""
        ...


class Puppet(Protocol):
    """Poses the source picture; it is never handed a driver frame."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in px."""
        ...

    def retarget(self, driver: FaceParams, neutral: FaceParams, gains: Gains) -> FaceParams:
        """Return the source's params for the driver's."""
        ...

    def render(self, params: FaceParams) -> U8:
        """Return the picture (height, width, 3) of the source at `params`."""
        ...

    def begin(self, params: FaceParams) -> Finish:
        """Draw that picture by geometry; what is returned finishes it, in order, in one thread, maybe another."""
        ...

    def forget(self) -> None:
        """Let the next picture owe nothing to those before: another driver, or the first of this puppet's."""
        ...

    def set_backdrop(self, plate: U8 | None) -> None:
        """Show `plate` (height, width, 3) behind the person from the next picture on; None: the photo's own."""
        ...

    def matte(self) -> U8:
        """Return the person's opacity (height, width) in the picture rendered last."""
        ...

    def set_generator(self, on: bool) -> None:
        """Let the network finish the next pictures, or not."""
        ...


@dataclass(frozen=True, eq=False)
class Dressed:
    """A source that is ready to be shown."""

    puppet: Puppet
    device: str  # where its network runs
    backdrop: Callable[[str], U8 | None]  # words of --background -> plate (height, width, 3), None: the photo's own


Dress = Callable[[Path, "int | None", bool], Dressed]  # picture file, --size, with the generator


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages one run works with; `realtime/assembly.py` puts the real ones together, tests put fakes."""

    tracker: Tracker | None  # None when the driver has no picture
    calibration: Calibration
    predictor: Predictor
    imagine: Imagine
    puppet: Puppet
    rest: FaceParams  # neutral of motion that comes from no driver picture
    blend: Blend  # `a` at weight 0, `b` at weight 1, the shortest way between
    device: str = "cpu"  # where the networks run
    dress: Dress | None = None  # prepares another source while the run goes on; may raise `UserError`
    first: Dressed | None = None  # the source that `puppet` shows

    def forget_driver(self) -> None:
        """Let another face drive from the next frame on: neutral, motion and what was painted by it are forgotten."""
        self.calibration.recalibrate()
        self.predictor.reset()
        self.puppet.forget()

    def close(self) -> None:
        """Free the networks."""
        if self.tracker is not None:
            self.tracker.close()
