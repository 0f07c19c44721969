"""The small network that predicts motion, and what is learned from how it did: one face, a few microseconds.

Rows are coordinates of a face (N), columns of `past` their differences to the last row (P: `lags` lags, then running
means). The specification is `models/dynamics_net.py` in NumPy (`inputs`, `weigh`) and `models/dynamics_history.py`
(`past_of`); tests compare. Arrays are C-contiguous; nothing is checked here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kernels.jit import interpolating

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_EVEN = 6  # inputs between the differences and the regions


@interpolating
def between(t: F64, x: F64, n: int, at: float, column: int) -> float:
    """Value of a column of the rows `x[:n]` at the time `at`, on straight lines; the ends are held."""
    k = n - 1
    while k > 0 and t[k - 1] > at:
        k -= 1
    if k == 0 or at >= t[k]:
        return float(x[k, column])
    s = (at - t[k - 1]) / (t[k] - t[k - 1])
    return float(x[k - 1, column] * (1 - s) + x[k, column] * s)


@interpolating
def differences(t: F64, x: F64, means: F64, lag_s: F64, out: F32) -> None:
    """Fill `out` (N, P) with rows at lags before the last of `x` (T, N), then of `means`, less the last row."""
    last = len(t) - 1
    for i in range(len(lag_s)):
        at = max(t[last] - lag_s[i], t[0])
        k = last
        while k > 0 and t[k - 1] > at:
            k -= 1
        before = max(k - 1, 0)
        s = (at - t[before]) / (t[k] - t[before]) if k > before else 0.0
        for c in range(x.shape[1]):
            out[c, i] = x[before, c] * (1 - s) + x[k, c] * s - x[last, c]
    for i in range(len(means)):
        for c in range(x.shape[1]):
            out[c, len(lag_s) + i] = means[i, c] - x[last, c]


@interpolating
def first_layer(past: F32, last: F64, noise: F32, step: float, bounded: F32, region: I64, w: F32, b: F32) -> F32:
    """First layer (N, H) before its softsign, without the horizon; `step` in units of the usual frame time."""
    n, p = past.shape
    regions, hidden = w.shape[0] - p - _EVEN, w.shape[1]
    size, energy = np.empty(n, np.float32), np.empty(n, np.float32)
    sums, counts = np.zeros(regions, np.float32), np.zeros(regions, np.float32)
    face = np.float32(0.0)
    for c in range(n):
        square = np.float32(0.0)
        for k in range(p):
            square += past[c, k] * past[c, k]
        size[c] = np.sqrt(square / np.float32(p) + noise[c] * noise[c])
        energy[c] = np.log(size[c] / noise[c])
        sums[region[c]] += energy[c]
        counts[region[c]] += np.float32(1.0)
        face += energy[c]
    face /= np.float32(n)
    out = np.empty((n, hidden), np.float32)
    for c in range(n):
        r = region[c]
        scale, value = np.float32(1.0) / size[c], np.float32(last[c]) * bounded[c]
        lively = sums[r] / counts[r]
        for j in range(hidden):
            out[c, j] = (
                b[j] + energy[c] * w[p, j] + lively * w[p + 1, j] + face * w[p + 2, j] + value * w[p + 3, j]
                + np.float32(step) * w[p + 5, j] + w[p + _EVEN + r, j]
            )  # fmt: skip
        for k in range(p):
            share = past[c, k] * scale
            for j in range(hidden):
                out[c, j] += share * w[k, j]
    return out


@interpolating
def weigh(
    first: F32, past: F32, rows: int, head: int, ahead: F32, w1: F32, w2: F32, b2: F32, w3: F32, b3: F32
) -> tuple[F32, F32]:
    """Sums of the weighed past for every horizon: change of place (M, rows), and of speed of the head (M, head).

    `first` is `first_layer`'s; `w1` (H,) the horizon's weights in it; `ahead` (M,) the horizons in the network's unit.
    """
    hidden, p = first.shape[1], past.shape[1]
    place, speed = np.empty((len(ahead), rows), np.float32), np.empty((len(ahead), head), np.float32)
    one, two = np.empty(hidden, np.float32), np.empty(hidden, np.float32)
    out = np.empty(2 * p, np.float32)
    for m in range(len(ahead)):
        for c in range(rows):
            for j in range(hidden):
                v = first[c, j] + ahead[m] * w1[j]
                one[j] = v / (np.float32(1.0) + abs(v))
                two[j] = b2[j]
            for i in range(hidden):
                for j in range(hidden):
                    two[j] += one[i] * w2[i, j]
            wanted = 2 * p if c < head else p
            for k in range(wanted):
                out[k] = b3[k]
            for i in range(hidden):
                v = two[i] / (np.float32(1.0) + abs(two[i]))
                for k in range(wanted):
                    out[k] += v * w3[i, k]
            total = np.float32(0.0)
            for k in range(p):
                total += out[k] * past[c, k]
            place[m, c] = total
            if c < head:
                total = np.float32(0.0)
                for k in range(p):
                    total += out[p + k] * past[c, k]
                speed[m, c] = total
    return place, speed


@interpolating
def look_back(
    t: F64, x: F64, n: int, edge_s: float, keep: float, due: F64, place: F64, speed: F64, share_s: F64, used: I64,
    sums: F64,
) -> None:  # fmt: skip
    """Compare expectations whose instant has come with the rows `x[:n]` at `t`, and add up what they missed.

    For each of R horizons a ring of Q expectations: `due` (R, Q) s, `place` and `speed` (R, Q, 6), `share_s` (R, Q) the
    time each stands for, `used` (R, 2) first and next. `sums` (R, 4), multiplied by `keep` before, take up: turn's miss
    times true speed, expected times true speed, shift's miss times expected speed, expected speed squared.
    """
    size = due.shape[1]
    for r in range(len(due)):
        for i in range(4):
            sums[r, i] *= keep
        while used[r, 0] < used[r, 1] and due[r, used[r, 0] % size] + edge_s <= t[n - 1]:
            q = used[r, 0] % size
            at, weight = due[r, q], share_s[r, q]
            for c in range(6):
                missed = between(t, x, n, at, c) - place[r, q, c]
                if c < 3:
                    v = (between(t, x, n, at + edge_s, c) - between(t, x, n, at - edge_s, c)) / (2 * edge_s)
                    sums[r, 0] += missed * v * weight
                    sums[r, 1] += speed[r, q, c] * v * weight
                else:
                    sums[r, 2] += missed * speed[r, q, c] * weight
                    sums[r, 3] += speed[r, q, c] * speed[r, q, c] * weight
            used[r, 0] += 1
