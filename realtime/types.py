"""What travels between the threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.face import FaceParams

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of the driver, stamped at the grab."""

    seq: int  # counts grabs, gaps are drops
    captured_ns: int  # monotonic clock, taken before any conversion
    rgb: U8  # (H, W, 3) contiguous


@dataclass(frozen=True, eq=False)
class Motion:
    """One instant of a driver that is motion already and needs no calibration (`imagine`)."""

    seq: int
    captured_ns: int  # monotonic clock
    params: FaceParams  # relative to `models.motion.neutral_params()`


@dataclass(frozen=True, eq=False)
class Tracked:
    """What the tracker, or a phone, saw at an instant; no face is data, not an exception."""

    seq: int
    captured_ns: int
    params: FaceParams | None
    confidence: float  # 0..1


@dataclass(frozen=True, eq=False)
class DriverMotion:
    """What moved the picture, as numbers; for outputs that carry motion instead of pictures."""

    params: FaceParams  # the driver's, predicted
    neutral: FaceParams | None  # the driver's, None until it is known
    pictured: bool = False  # tracked in pictures by us: the turn is read too small (models/turning.py)


@dataclass(frozen=True, eq=False)
class Composite:
    """One finished picture of the source face; the only thing an output accepts."""

    seq: int
    captured_ns: int  # of the driver frame it shows
    rgb: U8  # (H, W, 3) contiguous, made by the renderer from the source photo alone
    predicted_for_ns: int
    driven: bool = True  # False: idle or resting, no driver frame is behind it, so it has no latency
    motion: DriverMotion | None = None  # None while no face is seen
    look: int = 0  # counts the source pictures shown so far: what is derived from one is made anew for the next
    card: bool = False  # outputs show the privacy card in its place
    alpha: U8 | None = None  # (H, W) opacity of the person in `rgb` on `ground`; None: nothing is clear
    ground: tuple[int, int, int] | None = None  # colour around the picture on a larger canvas; None: its blur
