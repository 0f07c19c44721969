"""Reading a ring at a fractional position and a rate near 1: band-limited, compiled, without the interpreter's lock."""

from __future__ import annotations

import numpy as np

from kernels.jit import interpolating
from models.face import F32

TAPS = 32
PHASES = 256


def sinc_table() -> F32:
    """Return the windowed sinc (PHASES + 1, TAPS): row p interpolates p / PHASES of a sample after tap TAPS / 2 - 1.

    Kaiser window, beta 9: the pass band reaches 0.85 of the Nyquist frequency, images lie below -80 dB.
    """
    t = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    window = np.i0(9.0 * np.sqrt(np.clip(1.0 - (t / (TAPS / 2)) ** 2, 0.0, 1.0))) / np.i0(9.0)
    table = np.sinc(0.95 * t) * 0.95 * window
    return np.asarray(table / table.sum(1, keepdims=True), np.float32)


@interpolating
def read_at(data: F32, mask: int, table: F32, position: float, rate: float, rate_end: float, out: F32) -> float:
    """Fill `out` from `position` (samples) on, at a rate that goes from `rate` to `rate_end`; return the next position.

    data (power of two,), mask its length - 1, table from `sinc_table`.
    """
    n = len(out)
    phases, taps = table.shape[0] - 1, table.shape[1]
    step = (rate_end - rate) / n
    for i in range(n):
        whole = int(np.floor(position))
        phase = (position - whole) * phases
        row = int(phase)
        part = np.float32(phase - row)
        total = np.float32(0.0)
        first = whole - (taps // 2 - 1)
        for k in range(taps):
            weight = table[row, k] + part * (table[row + 1, k] - table[row, k])
            total += data[(first + k) & mask] * weight
        out[i] = total
        position += rate + step * (i + 0.5)
    return position
