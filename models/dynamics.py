"""Short-horizon dynamics: smooth the params of the past and say where they will be at a future instant.

A One-Euro filter (Casiez, Roussel, Vogel 2012) on every coordinate, rotations in the tangent space at the last
estimate, and a damped constant-velocity step ahead. Lids get almost no smoothing: a blink lasts 100 ms. The learned
predictor of the dynamics issue will stand behind the same three methods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models import lids, rotation
from models.face import F64, N_UNITS, FaceParams
from models.motion import N_EXPRESSION

_LONGEST_STEP_S = 0.25  # after a longer gap the past says nothing
_TAU_S = 0.09  # a motion's velocity is trusted for about this long
_N = 6 + N_EXPRESSION + 4


@dataclass(frozen=True)
class Smoothing:
    """Cutoffs of the One-Euro filter by kind of coordinate: at rest (Hz) and gain per unit of speed (Hz s / unit)."""

    rotation: tuple[float, float] = (2.0, 18.0)  # radians
    translation: tuple[float, float] = (2.0, 0.08)  # mm
    expression: tuple[float, float] = (3.5, 4.0)  # units
    learned: tuple[float, float] = (3.5, 1.2)  # standard deviations
    lids: tuple[float, float] = (9.0, 25.0)
    gaze: tuple[float, float] = (4.0, 14.0)  # radians
    velocity_hz: float = 6.0


class Predictor:
    """Filters one driver's params; irregular timestamps and gaps are expected."""

    def __init__(self, smoothing: Smoothing | None = None) -> None:
        s = smoothing or Smoothing()
        self._rest = np.empty(_N)
        self._beta = np.empty(_N)
        at = 6 + N_EXPRESSION
        for part, (rest, beta) in (
            (slice(0, 3), s.rotation), (slice(3, 6), s.translation), (slice(6, 6 + N_UNITS), s.expression),
            (slice(6 + N_UNITS, at), s.learned), (slice(at, None), s.gaze),
        ):  # fmt: skip
            self._rest[part], self._beta[part] = rest, beta
        for i in (*lids.BLINK, *lids.WIDE):
            self._rest[6 + i], self._beta[6 + i] = s.lids
        self._velocity_hz = s.velocity_hz
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._at_ns: int | None = None
        self._q = rotation.identity()  # tangent point of the rotation coordinates
        self._x: F64 = np.zeros(_N)
        self._v: F64 = np.zeros(_N)

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take one tracked instant into account; an instant older than the last is ignored."""
        if self._at_ns is None or captured_ns - self._at_ns > _LONGEST_STEP_S * 1e9:
            self._at_ns, self._q = captured_ns, params.rotation
            self._x, self._v = _vector(params, self._q), np.zeros(_N)
            return
        dt = (captured_ns - self._at_ns) * 1e-9
        if dt <= 0.0:
            return
        z = _vector(params, self._q)
        raw = (z - self._x) / dt
        self._v += _alpha(np.full(_N, self._velocity_hz), dt) * (raw - self._v)
        self._x += _alpha(self._rest + self._beta * np.abs(self._v), dt) * (z - self._x)
        self._at_ns = captured_ns
        q = rotation.multiply(rotation.exp(self._x[:3]), self._q)
        self._q, self._x[:3] = q / np.linalg.norm(q), 0.0

    def predict(self, at_ns: int) -> FaceParams:
        """Return the params expected at `at_ns`, ns; coefficients stay in range.

        Raises RuntimeError before the first observation.
        """
        if self._at_ns is None:
            raise RuntimeError("predict before any observation")
        ahead = max(0.0, (at_ns - self._at_ns) * 1e-9)
        x = self._x + self._v * (_TAU_S * (1.0 - np.exp(-ahead / _TAU_S)))
        e = x[6 : 6 + N_EXPRESSION].astype(np.float32)
        e[:N_UNITS] = np.clip(e[:N_UNITS], 0.0, 1.0)
        e[N_UNITS:] = np.clip(e[N_UNITS:], -6.0, 6.0)
        q = rotation.multiply(rotation.exp(x[:3]), self._q)
        return FaceParams(q / np.linalg.norm(q), x[3:6].copy(), e, x[-4:].reshape(2, 2).astype(np.float32))


def _vector(p: FaceParams, tangent: F64) -> F64:
    turn = rotation.log(rotation.multiply(p.rotation, rotation.inverse(tangent)))
    return np.concatenate([turn, p.translation, p.expression, p.gaze.ravel()]).astype(np.float64)


def _alpha(cutoff_hz: F64, dt: float) -> F64:
    """Weight of a new sample for a first-order low-pass."""
    k = 2.0 * np.pi * cutoff_hz * dt
    return np.asarray(k / (1.0 + k))
