"""What a predictor remembers of the past: differences to the last row, at even lags and to running means.

Frames come when they come; rows in between are taken from straight lines. Running means are the exact solution of a
first-order low-pass for such a line, so any frame rate gives the same answer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kernels import forecast
from models.dynamics_space import N_ROW
from models.face import F32, F64

STEP_S = 1 / 30
LAGS = 6
MEANS_S = (0.08, 0.25, 1.0)
N_PAST = LAGS + len(MEANS_S)
_TAU = np.array(MEANS_S)
_KEPT = 48  # rows: 0.2 s at 240 Hz
_LAG_S: F64 = np.asarray(STEP_S * np.arange(1, LAGS + 1), np.float64)


class History:
    """The last fifth of a second of one driver, and its running means."""

    def __init__(self) -> None:
        self._t = np.empty(2 * _KEPT)
        self._x = np.empty((2 * _KEPT, N_ROW))
        self._n = 0  # rows in use
        self._means: F64 = np.zeros((len(MEANS_S), N_ROW))
        self.step_s = STEP_S

    @property
    def last(self) -> F64:
        """The last row, (N_ROW,)."""
        out: F64 = self._x[self._n - 1]
        return out

    def observe(self, row: F64, t_s: float) -> None:
        """Take the next row into account; `t_s` must grow."""
        n = self._n
        if n == 0:
            self._means[:] = row
        else:
            dt = t_s - self._t[n - 1]
            a, b, c = mean_weights(dt)
            self._means *= a[:, None]
            self._means += b[:, None] * self._x[n - 1] + c[:, None] * row
            self.step_s = dt
        if n == len(self._t):
            self._t[:_KEPT], self._x[:_KEPT] = self._t[_KEPT:].copy(), self._x[_KEPT:].copy()
            n = _KEPT
        self._t[n], self._x[n] = t_s, row
        self._n = n + 1

    def past(self) -> F32:
        """Differences to the last row, (N_ROW, N_PAST): at the lags (33 ms steps), then of the running means."""
        first = max(0, self._n - _KEPT)
        out = np.empty((N_ROW, N_PAST), np.float32)
        forecast.differences(self._t[first : self._n], self._x[first : self._n], self._means, _LAG_S, out)
        return out

    def kept(self) -> tuple[F64, F64, int]:
        """Times and rows in whole buffers, and how many of them are in use; for reading only."""
        return self._t, self._x, self._n


def mean_weights(dt: float) -> tuple[F64, F64, F64]:
    """Weights of the mean before, the row before and the row now in each running mean after `dt` s."""
    a = np.exp(-dt / _TAU)
    m = _TAU / dt * (1 - a)
    return a, m - a, 1 - m


def past_of(t: F64, rows: F64) -> npt.NDArray[np.float32]:
    """`History.past` after every row of a whole track at once, (T, N_ROW, N_PAST)."""
    out = np.empty((len(t), N_ROW, N_PAST), np.float32)
    for i in range(LAGS):
        when = np.maximum(t - _LAG_S[i], t[0])
        k1 = np.minimum(np.searchsorted(t, when, side="right"), len(t) - 1)
        k0 = np.maximum(k1 - 1, 0)
        s = ((when - t[k0]) / np.where(k1 > k0, t[k1] - t[k0], 1.0))[:, None]
        out[:, :, i] = rows[k0] * (1 - s) + rows[k1] * s - rows
    mean = np.repeat(rows[:1], len(MEANS_S), axis=0)
    out[0, :, LAGS:] = 0.0
    for i in range(1, len(t)):
        a, b, c = mean_weights(t[i] - t[i - 1])
        mean = a[:, None] * mean + b[:, None] * rows[i - 1] + c[:, None] * rows[i]
        out[i, :, LAGS:] = (mean - rows[i]).T
    return out
