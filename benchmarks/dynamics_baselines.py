"""The filters and predictors that everybody else uses, on rows of coordinates with irregular times.

Every parameter is an array (P, N): P candidates, N coordinates, so that tuning tries all candidates in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from models.face import F64

TAU = 2 * np.pi


class Filter(Protocol):
    """Takes rows as they are measured and says where they will be."""

    def observe(self, x: F64, t_s: float) -> None:
        """Take a row (N,) measured at `t_s` into account."""
        ...

    def predict(self, ahead_s: float) -> F64:
        """Return the rows (P, N) expected `ahead_s` after the last one."""
        ...


class Hold:
    """The last row."""

    def __init__(self, params: F64) -> None:
        del params

    def observe(self, x: F64, t_s: float) -> None:
        """Keep it."""
        del t_s
        self._x = x[None]

    def predict(self, ahead_s: float) -> F64:
        """Return it."""
        del ahead_s
        return self._x


class MovingAverage:
    """Mean of the last `n` rows."""

    def __init__(self, params: F64) -> None:
        self._n = np.round(params[..., 0]).astype(int)
        self._kept: list[F64] = []

    def observe(self, x: F64, t_s: float) -> None:
        """Keep as many as the longest window needs."""
        del t_s
        self._kept = [*self._kept, x][-int(self._n.max()) :]

    def predict(self, ahead_s: float) -> F64:
        """Return each coordinate's mean."""
        del ahead_s
        sums = np.cumsum(self._kept[::-1], axis=0)
        n = np.minimum(self._n, len(self._kept))
        return np.asarray(np.take_along_axis(sums, n - 1, axis=0) / n)


class OneEuro:
    """Casiez, Roussel, Vogel 2012: a low-pass whose cutoff rises with speed; parameters cutoff Hz, gain."""

    def __init__(self, params: F64, ahead: bool = False) -> None:
        self._rest, self._gain = params[..., 0], params[..., 1]
        self._ahead = ahead
        self._t: float | None = None

    def observe(self, x: F64, t_s: float) -> None:
        """Filter one row."""
        if self._t is None:
            self._x, self._last, self._v = np.broadcast_to(x, self._rest.shape).copy(), x, np.zeros(self._rest.shape)
        else:
            dt = t_s - self._t
            raw = (x - self._last) / dt
            self._v = self._v + _alpha(np.full(1, 1.0), dt) * (raw - self._v)
            self._x = self._x + _alpha(self._rest + self._gain * np.abs(self._v), dt) * (x - self._x)
            self._last = x
        self._t = t_s

    def predict(self, ahead_s: float) -> F64:
        """Return the filtered row."""
        del ahead_s
        return self._x


class DoubleExponential:
    """LaViola 2003: two exponential smoothings in a row give place and trend; parameter: time constant s."""

    def __init__(self, params: F64) -> None:
        self._tau = params[..., 0]
        self._t: float | None = None

    def observe(self, x: F64, t_s: float) -> None:
        """Smooth twice."""
        if self._t is None:
            self._a = np.broadcast_to(x, self._tau.shape).copy()
            self._b, self._dt = self._a.copy(), 1 / 30
        else:
            self._dt = t_s - self._t
            alpha = 1 - np.exp(-self._dt / self._tau)
            self._a = self._a + alpha * (x - self._a)
            self._b = self._b + alpha * (self._a - self._b)
        self._t = t_s

    def predict(self, ahead_s: float) -> F64:
        """Extrapolate the trend."""
        alpha = 1 - np.exp(-self._dt / self._tau)
        slope = alpha / np.maximum(1 - alpha, 1e-6) * (self._a - self._b)
        return np.asarray(2 * self._a - self._b + slope * ahead_s / self._dt)


class Kalman:
    """Constant velocity (order 2) or acceleration (order 3) in the tangent space; parameter: log10 of noise density."""

    def __init__(self, params: F64, order: int = 2) -> None:
        self._q = 10.0 ** params[..., 0]  # process noise over measurement variance
        self._n = order
        self._t: float | None = None

    def observe(self, x: F64, t_s: float) -> None:
        """Predict to the instant, then correct."""
        n = self._n
        if self._t is None:
            self._s = np.zeros((*self._q.shape, n))
            self._s[..., 0] = x
            self._p = np.zeros((*self._q.shape, n, n))
            self._p[..., range(n), range(n)] = np.array([1.0, 1e2, 1e4])[:n]
        else:
            dt = t_s - self._t
            f = _transition(dt, n)
            s = self._s @ f.T
            p = f @ self._p @ f.T + self._q[..., None, None] * _process(dt, n)
            gain = p[..., :, 0] / (p[..., 0, 0] + 1.0)[..., None]
            self._s = s + gain * (x - s[..., 0])[..., None]
            self._p = p - gain[..., None] * p[..., :1, :]
        self._t = t_s

    def predict(self, ahead_s: float) -> F64:
        """Carry the state on."""
        return np.asarray(self._s @ _transition(ahead_s, self._n)[0])


def _transition(dt: float, n: int) -> F64:
    return np.array([[1, dt, dt * dt / 2], [0, 1, dt], [0, 0, 1]])[:n, :n]


def _process(dt: float, n: int) -> F64:
    if n == 2:
        return np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    return np.array([
        [dt**5 / 20, dt**4 / 8, dt**3 / 6], [dt**4 / 8, dt**3 / 3, dt**2 / 2], [dt**3 / 6, dt**2 / 2, dt]
    ])  # fmt: skip


class Autoregression:
    """Ridge-fitted weights on the last rows at even steps of time; parameters: none here, weights are given."""

    STEP_S, LAGS = 1 / 30, 6

    def __init__(self, weights: F64, horizons_s: F64) -> None:
        self._w, self._h = weights, horizons_s  # (H, LAGS, N)
        self._t: list[float] = []
        self._x: list[F64] = []

    def observe(self, x: F64, t_s: float) -> None:
        """Keep a quarter of a second or more."""
        self._t, self._x = [*self._t, t_s][-24:], [*self._x, x][-24:]

    def predict(self, ahead_s: float) -> F64:
        """Return last + sum of weights on differences to the last; weights between horizons are interpolated."""
        j = int(np.clip(np.searchsorted(self._h, ahead_s) - 1, 0, len(self._h) - 2))
        s = float(np.clip((ahead_s - self._h[j]) / (self._h[j + 1] - self._h[j]), 0, 1))
        w = (1 - s) * self._w[j] + s * self._w[j + 1]
        u = lags(np.array(self._t), np.array(self._x), self._t[-1:])[0]
        return np.asarray(self._x[-1] + (w * u).sum(0))[None]

    @staticmethod
    def fit(series: Sequence[tuple[F64, F64, Callable[[F64], F64]]], horizons_s: F64, groups: list[tuple[int, ...]],
            ridge: float) -> F64:  # fmt: skip
        """Return weights (H, LAGS, N), one set for each group of coordinates, from (times, rows, truth at) series."""
        n = sum(map(len, groups))
        out = np.zeros((len(horizons_s), Autoregression.LAGS, n))
        u = [lags(t, x, t) for t, x, _ in series]
        for k, h in enumerate(horizons_s):
            y = [truth(t + h) - x for t, x, truth in series]
            for columns in groups:
                c = list(columns)
                a = np.concatenate([v[:, :, c].transpose(0, 2, 1).reshape(-1, Autoregression.LAGS) for v in u])
                b = np.concatenate([v[:, c].ravel() for v in y])
                g = a.T @ a
                g += ridge * np.trace(g) / len(g) * np.eye(len(g))
                out[k][:, c] = np.linalg.solve(g, a.T @ b)[:, None]
        return out


def lags(t: F64, x: F64, at: Any) -> F64:
    """Differences of rows at even lags before each of `at` to the row there, (M, LAGS, N)."""
    at = np.asarray(at)
    k0 = np.searchsorted(t, at, side="right") - 1
    out = np.empty((len(at), Autoregression.LAGS, x.shape[1]))
    for i in range(Autoregression.LAGS):
        when = np.maximum(at - (i + 1) * Autoregression.STEP_S, t[0])
        k = np.clip(np.searchsorted(t, when, side="right") - 1, 0, max(len(t) - 2, 0))
        k1 = np.minimum(k + 1, len(t) - 1)
        span = np.where(k1 > k, t[k1] - t[k], 1.0)
        s = ((when - t[k]) / span)[:, None]
        out[:, i] = (1 - s) * x[k] + s * x[k1] - x[k0]
    return out


def _alpha(cutoff_hz: Any, dt: float) -> Any:
    k = TAU * cutoff_hz * dt
    return k / (1 + k)


class DampedVelocity:
    """One-Euro with a velocity that is trusted for 90 ms: what this engine used before it learned."""

    _TAU_S = 0.09

    def __init__(self, rest_hz: F64, gain: F64, velocity_hz: float = 6.0) -> None:
        self._rest, self._gain, self._hz = rest_hz, gain, velocity_hz
        self._t: float | None = None

    def observe(self, x: F64, t_s: float) -> None:
        """Filter one row."""
        if self._t is None:
            self._x, self._v = x.copy(), np.zeros(len(x))
        else:
            dt = t_s - self._t
            self._v = self._v + _alpha(self._hz, dt) * ((x - self._x) / dt - self._v)
            self._x = self._x + _alpha(self._rest + self._gain * np.abs(self._v), dt) * (x - self._x)
        self._t = t_s

    def predict(self, ahead_s: float) -> F64:
        """Carry the row on at a fading velocity."""
        return np.asarray(self._x + self._v * (self._TAU_S * (1 - np.exp(-ahead_s / self._TAU_S))))[None]
