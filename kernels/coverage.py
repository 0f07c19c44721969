"""Which pixels a triangle covers, in exact integer arithmetic (compiled by Numba, shared by every CPU kernel)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.jit import exact

SUBPIXEL = 4096
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
def row_ranges(snapped: Any, triangles: Any, facing: int, width: int, rows: Any, start: int, stop: int) -> int:
    """Write the inclusive rows each triangle may touch and return the first triangle with a bad index, or -1.

    snapped (N, 2) int64; triangles (T, 3) int32; facing 0 keeps both windings, +1 clockwise on screen, -1 the other;
    rows (T, 2) int32, of which [start, stop) is written; an empty range (1, 0) drops the triangle.
    """
    limit = np.int64(width - 1) * SUBPIXEL
    for t in range(start, stop):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if min(a, b, c) < 0 or max(a, b, c) >= snapped.shape[0]:
            return t
        ax, ay = snapped[a, 0], snapped[a, 1]
        bx, by = snapped[b, 0], snapped[b, 1]
        cx, cy = snapped[c, 0], snapped[c, 1]
        rows[t, 0] = 1
        rows[t, 1] = 0
        if ax == NOWHERE or bx == NOWHERE or cx == NOWHERE:
            continue
        if max(ax, bx, cx) < 0 or min(ax, bx, cx) > limit:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or area * facing < 0:
            continue
        low = min(ay, by, cy)
        high = max(ay, by, cy)
        rows[t, 0] = -((-low) // SUBPIXEL)
        rows[t, 1] = high // SUBPIXEL
    return -1


@exact
def clip(edge: int, step: int, left: int, right: int) -> Any:
    """Narrow the columns left..right to those with edge + step * column >= 0; an empty range has left > right."""
    if step > 0:
        first = np.int64(np.ceil(-np.float64(edge) / np.float64(step)))
        # the quotient is rounded, so the integers have the last word: one step at most inside the guard band
        while edge + step * first < 0:
            first += 1
        while edge + step * (first - 1) >= 0:
            first -= 1
        return max(first, left), right
    if step < 0:
        last = np.int64(np.floor(np.float64(edge) / -np.float64(step)))
        while edge + step * last < 0:
            last -= 1
        while edge + step * (last + 1) >= 0:
            last += 1
        return left, min(last, right)
    return left, right


@exact
def crossing(x: int, y: int, dx: int, dy: int) -> Any:
    """Return (lean, base) such that the edge through (x, y) along (dx, dy) crosses row r at base + lean * r, in px."""
    if dy == 0:
        return 0.0, 0.0
    lean = np.float64(dx) / np.float64(dy)
    return lean, (np.float64(x) - lean * np.float64(y)) / SUBPIXEL


@exact
def edge_bias(dx: int, dy: int) -> int:
    """Return 0 for a top or left edge of a clockwise triangle, whose pixels are its own, and -1 for the others."""
    if dy < 0 or (dy == 0 and dx > 0):
        return 0
    return -1
