"""Plain motion models used while `models.dynamics` and `models.imagine` are not there: hold-last and a seeded sway."""

from __future__ import annotations

import numpy as np

from models import rotation
from models.face import UNIT, FaceParams
from models.motion import neutral_params
from realtime.clock import NS_PER_S

_BLINK_S = 0.22
_SLOT_S = 4.0  # one blink and one glance fall into each slot


class HoldLast:
    """Predicts that the face stays as it was seen last: no look-ahead, and no error from one."""

    def __init__(self) -> None:
        self._last: FaceParams | None = None

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Remember the instant."""
        self._last = params

    def predict(self, at_ns: int) -> FaceParams:
        """Return the instant seen last; raises ValueError before the first."""
        if self._last is None:
            raise ValueError("predict before observe")
        return self._last

    def reset(self) -> None:
        """Forget it."""
        self._last = None


class Sway:
    """Seeded idle motion: the head sways with the breath, the eyes blink and glance; continuous in time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 6)

    def params_at(self, t_ns: int) -> FaceParams:
        """Return the params of instant `t_ns`, relative to `neutral_params()`."""
        t, p = t_ns / NS_PER_S, self._phase
        yaw = 0.035 * np.sin(0.61 * t + p[0]) + 0.02 * np.sin(0.23 * t + p[1])
        pitch = 0.022 * np.sin(0.47 * t + p[2]) + 0.008 * np.sin(1.57 * t + p[3])
        roll = 0.015 * np.sin(0.37 * t + p[4])
        rest = neutral_params()
        expression = rest.expression.copy()
        blink, glance = self._blink(t), self._glance(t)
        expression[[UNIT["eyeBlinkLeft"], UNIT["eyeBlinkRight"]]] = blink
        expression[[UNIT["mouthSmileLeft"], UNIT["mouthSmileRight"]]] = 0.06 + 0.06 * np.sin(0.31 * t + p[5])
        expression[UNIT["browInnerUp"]] = 0.06 + 0.06 * np.sin(0.29 * t + p[3])
        gaze = np.tile(np.asarray(glance, np.float32), (2, 1))
        shift = np.array([1.5 * np.sin(0.41 * t + p[1]), 1.2 * np.sin(1.57 * t + p[3]), 0.0])
        return FaceParams(rotation.exp(np.array([pitch, yaw, roll])), shift, expression, gaze)

    def _slot(self, index: int) -> np.random.Generator:
        """Return the random numbers of one slot of time."""
        return np.random.default_rng([self._seed, index & 0xFFFFFFFF])

    def _blink(self, t: float) -> float:
        """Return how far the lids are shut, 0..1."""
        index = int(t // _SLOT_S)
        start = index * _SLOT_S + self._slot(index).uniform(0.5, _SLOT_S - 0.5)
        x = (t - start) / _BLINK_S
        return float(np.sin(np.pi * x) ** 2) if 0.0 < x < 1.0 else 0.0

    def _glance(self, t: float) -> tuple[float, float]:
        """Return gaze yaw and pitch in radians: held for a slot, moved within a tenth of a second."""
        index = int(t // _SLOT_S)
        aims = [self._slot(i).uniform([-0.16, -0.06], [0.16, 0.06], 2) for i in (index - 1, index)]
        k = min(max((t - index * _SLOT_S) / 0.1, 0.0), 1.0)
        now = aims[0] + (aims[1] - aims[0]) * (k * k * (3 - 2 * k))
        return float(now[0]), float(now[1])
