"""Which pixels a triangle covers, in exact integer arithmetic (compiled by Numba, shared by every CPU kernel)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.jit import exact

SUBPIXEL_BITS = 12
SUBPIXEL = 1 << SUBPIXEL_BITS
"""Steps a pixel is divided into: a vertex moves by at most 1/8192 px when it is snapped."""

GUARD_PX = 131072.0
"""A triangle with a vertex outside +-GUARD_PX is dropped; inside it 64-bit edge functions cannot overflow (< 2^61)."""

NOWHERE = np.iinfo(np.int64).min
"""The snapped coordinate of a vertex that is NaN, infinite or outside the guard band."""


@exact
def snap(vertices: Any, snapped: Any) -> None:
    """Write the vertices' x and y as whole sub-pixels, or `NOWHERE` when a coordinate is not usable.

    vertices (N, 3) float32 px; snapped (N, 2) int64, 1/4096 px, round half up.
    """
    for i in range(vertices.shape[0]):
        x = np.float64(vertices[i, 0])
        y = np.float64(vertices[i, 1])
        z = np.float64(vertices[i, 2])
        # written so that a NaN fails the test
        if abs(x) <= GUARD_PX and abs(y) <= GUARD_PX and abs(z) < np.inf:
            snapped[i, 0] = np.int64(np.floor(x * SUBPIXEL + 0.5))
            snapped[i, 1] = np.int64(np.floor(y * SUBPIXEL + 0.5))
        else:
            snapped[i, 0] = NOWHERE
            snapped[i, 1] = NOWHERE


@exact
def edge_bias(dx: int, dy: int) -> int:
    """Return 0 for a top or left edge of a clockwise triangle, whose pixels are its own, and -1 for the others."""
    if dy < 0 or (dy == 0 and dx > 0):
        return 0
    return -1
