"""Sharpen what was painted: an unsharp mask over a picture, in place, as strong as the paint covers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check, check_writable
from kernels.jit import exact, interpolating
from kernels.placed import RIM, placed

U8 = npt.NDArray[np.uint8]


def sharpen(picture: U8, painted: npt.NDArray[np.float32], affine: npt.NDArray[np.float64], amount: float) -> None:
    """Add amount * cover * (picture - blurred) where paint lies, in place, rounded; blurred is binomial over 3 by 3.

    picture (H, W, 3) uint8; painted (S, S, 4) float32, whose last channel is cover 0..1, sampled bilinearly under
    affine (2, 3) float64, crop px to picture px. Pixels without cover and the picture's outermost keep their bytes.
    Raises TypeError or ValueError, naming the array; a degenerate affine changes nothing.
    """
    check("picture", picture, (np.uint8,), (None, None, 3))
    check_writable("picture", picture)
    check("painted", painted, (np.float32,), (None, None, 4))
    check("affine", affine, (np.float64,), (2, 3))
    where = placed(painted.shape, affine, picture.shape, margin=1)
    if where is not None:
        _sharpen(picture, painted, *where, np.float32(amount))


@interpolating
def _cover(cover: Any, width: int, rows: int, inverse: Any, y: int, left: int, out: Any) -> bool:
    """Sample one row of cover, (rows, width) flat; returns whether there is any."""
    low = np.float32(RIM)
    right, bottom = np.float32(width - 1 - RIM), np.float32(rows - 1 - RIM)
    most = np.float32(0.0)
    u0 = np.float32(inverse[0, 1] * y + inverse[0, 2] + inverse[0, 0] * left)
    v0 = np.float32(inverse[1, 1] * y + inverse[1, 2] + inverse[1, 0] * left)
    du, dv = np.float32(inverse[0, 0]), np.float32(inverse[1, 0])
    pitch = np.uint64(4 * width)
    for k in range(out.shape[0]):
        u, v = u0 + du * np.float32(k), v0 + dv * np.float32(k)
        inside = u >= low and v >= low and u < right and v < bottom
        u, v = (u, v) if inside else (low, low)
        i, j = np.int32(u), np.int32(v)
        fx, fy = u - np.float32(i), v - np.float32(j)
        at = np.uint64(j) * pitch + np.uint64(4) * np.uint64(i) + np.uint64(3)
        upper = cover[at] + fx * (cover[at + np.uint64(4)] - cover[at])
        lower = cover[at + pitch] + fx * (cover[at + pitch + np.uint64(4)] - cover[at + pitch])
        value = upper + fy * (lower - upper)
        value = min(max(value, np.float32(0.0)), np.float32(1.0)) if inside else np.float32(0.0)
        out[k] = value
        most = max(most, value)
    return bool(most > np.float32(0.0))


@exact
def _column(above: Any, here: Any, below: Any, out: Any) -> None:
    for k in range(out.shape[0]):
        out[k] = np.int16(above[k]) + np.int16(2) * np.int16(here[k]) + np.int16(below[k])


@interpolating
def _row(column: Any, here: Any, cover: Any, amount: Any, out: Any) -> None:
    for x in range(cover.shape[0]):
        strength = amount * cover[x]  # where it is 0 the byte comes back as it was
        for c in range(3):
            k = 3 * x + c
            blurred = np.float32(column[k] + np.int16(2) * column[k + 3] + column[k + 6]) * np.float32(0.0625)
            value = np.float32(here[k + 3])
            value += strength * (value - blurred)
            out[k] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)) + np.float32(0.5))


@interpolating
def _sharpen(picture: Any, painted: Any, inverse: Any, x0: int, y0: int, x1: int, y1: int, amount: Any) -> None:
    width = x1 - x0
    cover = np.empty(width, np.float32)
    column = np.empty(3 * (width + 2), np.int16)
    above, here = np.empty(3 * (width + 2), np.uint8), np.empty(3 * (width + 2), np.uint8)
    paint = painted.reshape(-1)
    pitch = 3 * picture.shape[1]
    flat = picture.reshape(-1)
    first = (y0 - 1) * pitch + 3 * (x0 - 1)
    above[:] = flat[first : first + 3 * (width + 2)]
    for y in range(y0, y1):
        at = y * pitch + 3 * (x0 - 1)
        here[:] = flat[at : at + 3 * (width + 2)]  # rows above are changed already: their bytes are kept here
        if _cover(paint, painted.shape[1], painted.shape[0], inverse, y, x0, cover):
            _column(above, here, flat[at + pitch : at + pitch + 3 * (width + 2)], column)
            _row(column, here, cover, amount, flat[at + 3 : at + 3 + 3 * width])
        above, here = here, above
