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
    """One instant of a driver that has no picture (`imagine`, later a phone or a motion file)."""

    seq: int
    captured_ns: int  # monotonic clock
    params: FaceParams  # relative to `models.motion.neutral_params()`


@dataclass(frozen=True, eq=False)
class Tracked:
    """What the tracker saw in a frame; no face is data, not an exception."""

    seq: int
    captured_ns: int
    params: FaceParams | None
    confidence: float  # 0..1


@dataclass(frozen=True, eq=False)
class Composite:
    """One finished picture of the source face; the only thing an output accepts."""

    seq: int
    captured_ns: int  # of the driver frame it shows
    rgb: U8  # (H, W, 3) contiguous, made by the renderer from the source photo alone
    predicted_for_ns: int
    driven: bool = True  # False: idle or resting, no driver frame is behind it, so it has no latency
