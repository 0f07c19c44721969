"""The smoothing that a user asks for on top of the predictor's: a low-pass of first order, which lags by its time."""

from __future__ import annotations

import math

from models.face import FaceParams
from realtime.clock import NS_PER_MS
from realtime.stages import Blend


class Smoothing:
    """Follows the source's params; params of another source need another one."""

    def __init__(self, blend: Blend) -> None:
        self._blend = blend
        self._last: tuple[int, FaceParams] | None = None  # time and params shown last

    def step(self, params: FaceParams, t_ns: int, ms: float) -> FaceParams:
        """Return the params to show at `t_ns`, smoothed with a time constant of `ms`; 0 leaves them as they are."""
        before, self._last = self._last, (t_ns, params)
        if ms <= 0.0 or before is None:
            return params
        passed_ms = (t_ns - before[0]) / NS_PER_MS
        smooth = self._blend(before[1], params, 1.0 - math.exp(-max(passed_ms, 0.0) / ms))
        self._last = (t_ns, smooth)
        return smooth
