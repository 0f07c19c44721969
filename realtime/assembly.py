"""The one place where the engine meets the face models: builds the real stages of a run."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.face import FaceParams
from models.transfer import Gains
from realtime.backdrop import make_backdrop
from realtime.capture.clip_end import clip_end
from realtime.clock import NS_PER_S, MonotonicClock
from realtime.config import Config
from realtime.errors import DriverError, UserError
from realtime.notices import Notice, Notices
from realtime.stages import Dressed, Finish, Stages, Tracker
from realtime.types import U8

if TYPE_CHECKING:
    from models.imagine import Start
    from models.source import SourceFace

_IMAGINE_FROM_S = 4.0  # of a clip's end say where its motion has got to and what its rest is


def assemble(config: Config, notices: Notices, *, pictures: bool) -> Stages:
    """Build the stages, tracker and source at the same time; `pictures`: the driver needs a tracker.

    Raises `UserError` when the source, or a model file, cannot be used.
    """
    from models.calibration import Calibration
    from models.dynamics import Calmer, Predictor
    from models.imagine import Imagine
    from models.motion import blend, neutral_params

    source = source_path(config, notices)
    with ThreadPoolExecutor(2, "assemble") as pool:
        tracker = pool.submit(_tracker, config) if pictures else None
        puppet = pool.submit(_dress, config, notices, source, config.size, config.generator != "off")
        first = puppet.result()
        tracking = tracker.result() if tracker is not None else None
    # Who has no driver performs; who waits for a face to come back had better not talk.
    start = _imagine_start(config, notices) if config.imagine_from else None
    motion, idle = (
        Predictor() if config.pace == "live" else Calmer(),
        Imagine(config.seed, "idle" if pictures or config.mouth != "off" else config.style, start),
    )
    first.puppet.set_backdrop(first.backdrop(config.background))
    return Stages(tracking, Calibration(config.neutral), motion, idle, first.puppet, neutral_params(), blend,
                  first.device, partial(_dress, config, notices, precision=_precision(first)), first)  # fmt: skip


def _imagine_start(config: Config, notices: Notices) -> Start:
    """Track the end of the clip that imagined motion goes on from; raises `DriverError` when it shows no face."""
    from models.dynamics_space import Development
    from models.imagine import start_of

    path = Path(config.imagine_from or "").expanduser()
    tracker, space = _tracker(config), Development()
    rows, times = [], []
    for frame in clip_end(path, _IMAGINE_FROM_S, config.driver_size, notices):
        params, _ = tracker.track(frame.rgb, frame.captured_ns)
        if params is not None:
            rows.append(space.row(params))
            times.append(frame.captured_ns / NS_PER_S)
    tracker.close()
    if len(rows) < 3:
        raise DriverError(f"--imagine-from {path}", "its last seconds show no face",
                          "Give a video that ends with one face seen from the front")  # fmt: skip
    return start_of(np.array(rows), np.array(times))


def source_path(config: Config, notices: Notices) -> Path:
    """Return the source picture, or the portrait that matplotlib ships (public domain) when none is given."""
    if config.source:
        return Path(config.source).expanduser()
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.exists():
            notices(Notice("chose", "source: Grace Hopper, public domain (or give --source face.jpg)"))
            return path
    raise UserError("the default portrait", "matplotlib, which brings it, is not installed", "Give --source face.jpg")


def picture_size(config: Config, source: Path) -> int:
    """Return the longer side in px: `--size`, or what fits the canvas, or the default."""
    if config.size is not None:
        return config.size
    if config.canvas is None:
        return config.default_size
    from PIL import Image

    try:
        with Image.open(source) as picture:
            width, height = picture.size
            turned = picture.getexif().get(0x0112, 1) >= 5
    except (OSError, ValueError):
        return config.default_size  # `prepare_source` says what is wrong with it
    if turned:
        width, height = height, width
    k = min(config.canvas[0] / width, config.canvas[1] / height)
    return max(64, round(max(width, height) * k))


def _tracker(config: Config) -> Tracker:
    """Load the tracking networks."""
    from models.second_look import EVERY
    from models.tracking import FaceTracker

    # A second look takes 3 to 5 ms: a file has them at fixed frames, a live run where no frame waits for them.
    every = EVERY if config.pace == "offline" else 0
    used = config.generator == "live" or config.pace == "live"  # a live run's generator can be switched on later
    inside = used and not config.no_inner_light
    return FaceTracker(config.device, config.network_threads, every=every, inside=inside)


def _precision(dressed: Dressed) -> str:
    """Return what later sources' networks compute in: what the first one's found to be fastest, without trying again.

    Trying means to compile and run each network twice, beside the frames.
    """
    generator = getattr(dressed.puppet, "generator", None)
    found = str(generator.report.get("precision", "")) if generator is not None else ""
    return found if found in ("f32", "bf16") else "auto"


def _dress(config: Config, notices: Notices, source: Path, size: int | None, finished: bool, *,
           precision: str = "auto") -> Dressed:  # fmt: skip
    """Prepare a source and hang it on its strings, `finished` by the generator or not."""
    from models.puppet import Puppet as SourcePuppet
    from models.readback import load_readback
    from models.source import prepare_source

    prepared = prepare_source(source, picture_size(replace(config, size=size), source))
    generator, device = None, "cpu"
    if finished:
        generator, device = _generator(config, prepared, notices, precision)
    strings = SourcePuppet(prepared, config.gains, config.kernel_threads, generator)
    strings.readback = load_readback(strings)
    puppet = _Puppet(strings, config.absolute)
    return Dressed(puppet, device, lambda word: make_backdrop(word, prepared))


def _generator(config: Config, prepared: SourceFace, notices: Notices, precision: str = "auto") -> tuple[Any, str]:
    """Open the generator on the source; without it the picture moves by geometry alone, and that is said."""
    from models.generator import Generator
    from models.published import Published

    kind: Any = Published if config.generator == "published" else Generator
    try:
        # A file must come out the same every time: only a live run may choose its precision by the clock.
        clock = MonotonicClock().now_ns if config.pace == "live" else None
        generator = kind(prepared.image, prepared.points, config.device, config.network_threads, clock=clock,
                         precision=precision)  # fmt: skip
    except UserError as error:
        if config.device == "cuda":
            raise
        notices(Notice("warning", f"no generator, geometry alone: {error}"))
        return None, "cpu"
    got = generator.report
    how = [got.get(k, "") for k in ("runtime", "precision")]
    if got.get("device") == "cuda":
        how.insert(1, got.get("provider", ""))
    return generator, f"{got.get('device', 'cpu')} ({' '.join(how)})"


class _Puppet:
    """The puppet with the run's choice of relative or absolute motion, of background and of generator."""

    def __init__(self, puppet: Any, absolute: bool) -> None:
        self._puppet, self._absolute = puppet, absolute
        self.generator = puppet.generator
        self.size: tuple[int, int] = puppet.size

    def retarget(self, driver: FaceParams, neutral: FaceParams, gains: Gains) -> FaceParams:
        """Return the source's params for the driver's."""
        params: FaceParams = self._puppet.retarget(driver, neutral, gains, absolute=self._absolute)
        return params

    def render(self, params: FaceParams) -> U8:
        """Return the picture at `params`."""
        return self.begin(params)()

    def begin(self, params: FaceParams) -> Finish:
        """Draw the picture at `params` by geometry, and return what finishes it."""
        finish: Finish = self._puppet.begin(params)
        return finish

    def forget(self) -> None:
        """Let the next picture owe nothing to those before."""
        self._puppet.forget()

    def set_backdrop(self, plate: U8 | None) -> None:
        """Show `plate` behind the person, None: the photo's own."""
        self._puppet.plate = self._puppet.source.plate if plate is None else plate

    def matte(self) -> U8:
        """Return the person's opacity (H, W) in the picture rendered last."""
        alpha: U8 = self._puppet.matte()
        return alpha

    def set_generator(self, on: bool) -> None:
        """Let the network finish the pictures, where one was loaded."""
        self._puppet.generator = self.generator if on else None
