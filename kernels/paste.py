"""Crops in and out of a picture at an affine: sample one as bytes, scale it, lay a painted one over, one pass each.

Pixel centres lie at integer coordinates. An affine (2, 3) float64 takes crop (x, y, 1) to picture (column, row), px.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check, check_writable
from kernels.cubic import blank, lay
from kernels.jit import exact, interpolating
from kernels.map_lanes import sample
from kernels.placed import RIM, placed

U8 = npt.NDArray[np.uint8]


def cut(picture: U8, affine: npt.NDArray[np.float64], out: U8) -> None:
    """Sample a crop bilinearly into the first channels of `out`; edge pixels are repeated beyond the borders.

    picture (H, W, 3) uint8; out (S, S, C) uint8 with C >= 3, its other channels are left alone. A minifying affine
    aliases. Raises TypeError or ValueError, naming the array.
    """
    check("picture", picture, (np.uint8,), (None, None, 3))
    check("affine", affine, (np.float64,), (2, 3))
    check("out", out, (np.uint8,), (None, None, None))
    check_writable("out", out)
    if out.shape[2] < 3:
        raise ValueError(f"out: expected at least 3 channels, got {out.shape[2]}")
    _cut(picture, affine, out)


def lay_over(picture: U8, painted: npt.NDArray[np.float32], affine: npt.NDArray[np.float64]) -> None:
    """Lay premultiplied colour and cover over a picture, in place: picture * (1 - cover) + colour, rounded.

    picture (H, W, 3) uint8; painted (S, S, 4) float32, colour 0..255 and cover 0..1, whose outer two rows and columns
    are not drawn. Sampled by the Catmull-Rom cubic. Where the nearest four values are 0 the picture keeps
    its bytes. Raises TypeError or ValueError, naming the array; a degenerate affine draws nothing.
    """
    check("picture", picture, (np.uint8,), (None, None, 3))
    check_writable("picture", picture)
    check("painted", painted, (np.float32,), (None, None, 4))
    check("affine", affine, (np.float64,), (2, 3))
    where = placed(painted.shape, affine, picture.shape)
    if where is not None:
        _lay_over(picture, painted, *where)


def scale(picture: U8, factor: float, out: npt.NDArray[np.float32]) -> None:
    """Write bytes as numbers: out = picture * factor, rounded once.

    picture (H, W, C) uint8; out (H, W, C) float32. Raises TypeError or ValueError, naming the array.
    """
    check("picture", picture, (np.uint8,), (None, None, None))
    check("out", out, (np.float32,), picture.shape)
    check_writable("out", out)
    _scale(picture.reshape(-1), np.float32(factor), out.reshape(-1))


@exact
def _scale(picture: Any, factor: Any, out: Any) -> None:
    for i in range(picture.shape[0]):
        out[i] = np.float32(picture[i]) * factor


@interpolating
def _cut(picture: Any, affine: Any, out: Any) -> None:
    x_max, y_max = np.float32(picture.shape[1] - 1), np.float32(picture.shape[0] - 1)
    i_max, j_max = np.int32(max(picture.shape[1] - 2, 0)), np.int32(max(picture.shape[0] - 2, 0))
    step = np.uint64(3 * min(1, picture.shape[1] - 1))
    row = np.uint64(3 * picture.shape[1])
    pitch = row * np.uint64(min(1, picture.shape[0] - 1))
    zero, one, half = np.float32(0.0), np.float32(1.0), np.float32(0.5)
    pixels, crop = picture.reshape(-1), out.reshape(-1)
    width, channels = np.uint64(out.shape[1]), np.uint64(out.shape[2])
    # a vector step reads eight bytes of either row: at the very end of the picture that is two too many
    safe = np.int64(picture.size) - np.int64(row) - 8 if min(picture.shape[0], picture.shape[1]) > 1 else np.int64(-1)
    for y in range(np.uint64(out.shape[0])):
        u_row = affine[0, 1] * np.float64(y) + affine[0, 2]
        v_row = affine[1, 1] * np.float64(y) + affine[1, 2]
        for x in range(width):
            u = np.float32(u_row + affine[0, 0] * np.float64(x))
            v = np.float32(v_row + affine[1, 0] * np.float64(x))
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < x_max else x_max
            v = v if v < y_max else y_max
            i, j = min(np.int32(u), i_max), min(np.int32(v), j_max)
            fx, fy = u - np.float32(i), v - np.float32(j)
            at = np.uint64(j) * row + np.uint64(i) * np.uint64(3)
            to = (y * width + x) * channels
            if np.int64(at) <= safe:
                sample(pixels, at, row, fx, fy, crop, to)
                continue
            gx, gy = one - fx, one - fy
            for c in range(np.uint64(3)):
                k = at + c
                upper = np.float32(pixels[k]) * gx + np.float32(pixels[k + step]) * fx
                lower = np.float32(pixels[k + pitch]) * gx + np.float32(pixels[k + pitch + step]) * fx
                crop[to + c] = np.uint8(upper * gy + lower * fy + half)


@interpolating
def _cubic(t: Any) -> Any:
    """Catmull-Rom weights of the taps at -1, 0, 1, 2."""
    h = np.float32(0.5)
    t2 = t * t
    t3 = t2 * t
    return (
        h * (np.float32(2.0) * t2 - t3 - t),
        h * (np.float32(3.0) * t3 - np.float32(5.0) * t2 + np.float32(2.0)),
        h * (np.float32(4.0) * t2 - np.float32(3.0) * t3 + t),
        h * (t3 - t2),
    )


@interpolating
def _lay_over(picture: Any, painted: Any, inverse: Any, left: int, top: int, last_x: int, last_y: int) -> None:
    height, width = painted.shape[0], painted.shape[1]
    low = np.float32(RIM)
    right, bottom = np.float32(width - 1 - RIM), np.float32(height - 1 - RIM)
    flat, pixels = painted.reshape(-1), picture.reshape(-1)
    pitch, row = np.uint64(4 * width), np.uint64(3 * picture.shape[1])
    for y in range(np.uint64(top), np.uint64(last_y)):
        u_row = inverse[0, 1] * np.float64(y) + inverse[0, 2]
        v_row = inverse[1, 1] * np.float64(y) + inverse[1, 2]
        for x in range(np.uint64(left), np.uint64(last_x)):
            u = np.float32(u_row + inverse[0, 0] * np.float64(x))
            v = np.float32(v_row + inverse[1, 0] * np.float64(x))
            if not (u >= low and v >= low and u < right and v < bottom):
                continue
            i, j = np.int32(u), np.int32(v)
            near = np.uint64(j) * pitch + np.uint64(4) * np.uint64(i)
            if not blank(flat, near, pitch):
                first = near - pitch - np.uint64(4)
                at = y * row + np.uint64(3) * x
                lay(flat, first, pitch, _cubic(u - np.float32(i)), _cubic(v - np.float32(j)), pixels, at)
