"""Bilinear sampling and compositing of the CPU backend (compiled by Numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.jit import interpolating, parallel
from kernels.vector import mix

BAND_ROWS = 16
"""Rows a worker takes at a time when it only samples: 512 rows give 32 bands to balance."""


@interpolating
def compose_band(person: Any, plate: Any, xy: Any, triangle: Any, out: Any) -> None:
    """Write round(clip(rgb + (1 - alpha) * plate)) where the map covers and nothing elsewhere.

    person (Hs, Ws, 4) float32; plate, out (R, W, 3) uint8; xy (R, W, 2) float32; triangle (R, W) int32.
    """
    height, width = triangle.shape
    x_max = np.float32(person.shape[1] - 1)
    y_max = np.float32(person.shape[0] - 1)
    i_max = np.int32(max(person.shape[1] - 2, 0))
    j_max = np.int32(max(person.shape[0] - 2, 0))
    step = np.uint64(4 * min(1, person.shape[1] - 1))
    row = np.uint64(4 * person.shape[1])
    pitch = row * np.uint64(min(1, person.shape[0] - 1))
    zero = np.float32(0.0)
    taps, under, pixels = person.reshape(-1), plate.reshape(-1), out.reshape(-1)
    for r in range(height):
        triangle_row, xy_row = triangle[r], xy[r]
        for x in range(np.uint64(width)):
            if triangle_row[x] < 0:
                continue
            # in this order a NaN becomes 0 and never an address
            u, v = xy_row[x, 0], xy_row[x, 1]
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < x_max else x_max
            v = v if v < y_max else y_max
            i = min(np.int32(u), i_max)
            j = min(np.int32(v), j_max)
            offset = np.uint64(j) * row + np.uint64(i) * np.uint64(4)
            at = (np.uint64(r * width) + x) * np.uint64(3)
            mix(taps, offset, pitch, step, u - np.float32(i), v - np.float32(j), under, pixels, at)


@parallel
def compose(person: Any, plate: Any, xy: Any, triangle: Any, workers: int, out: Any) -> None:
    """Compose the covered pixels with `workers` threads; `out` already holds the plate."""
    height = out.shape[0]
    bands = (height + BAND_ROWS - 1) // BAND_ROWS
    for w in prange(workers):
        for band in range(w, bands, workers):
            top = band * BAND_ROWS
            bottom = min(height, top + BAND_ROWS)
            compose_band(person, plate[top:bottom], xy[top:bottom], triangle[top:bottom], out[top:bottom])


@interpolating
def resample_band(image: Any, xy: Any, triangle: Any, out: Any) -> None:
    """Write the bilinear sample where the map covers and 0 elsewhere.

    image (Hs, Ws, C) uint8 or float32; out (R, W, C) of the same dtype; xy (R, W, 2) float32; triangle (R, W) int32.
    """
    height, width = triangle.shape
    x_max = np.float32(image.shape[1] - 1)
    y_max = np.float32(image.shape[0] - 1)
    i_max = np.int32(max(image.shape[1] - 2, 0))
    j_max = np.int32(max(image.shape[0] - 2, 0))
    dx = np.uint64(min(1, image.shape[1] - 1))
    dy = np.uint64(min(1, image.shape[0] - 1))
    one = np.float32(1.0)
    zero = np.float32(0.0)
    # a byte is rounded by adding a half before it is cut; a float32 is kept as it is
    half = np.float32(0.5) if out.itemsize == 1 else np.float32(0.0)
    for r in range(height):
        for x in range(width):
            if triangle[r, x] < 0:
                for c in range(out.shape[2]):
                    out[r, x, c] = 0
                continue
            u, v = xy[r, x, 0], xy[r, x, 1]
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < x_max else x_max
            v = v if v < y_max else y_max
            i = min(np.int32(u), i_max)
            j = min(np.int32(v), j_max)
            fx = u - np.float32(i)
            fy = v - np.float32(j)
            w11 = fx * fy
            w10 = fy - w11
            w01 = fx - w11
            w00 = one - fx - w10
            row0 = image[np.uint64(j)]
            row1 = image[np.uint64(j) + dy]
            left = np.uint64(i)
            right = left + dx
            for c in range(out.shape[2]):
                out[r, x, c] = (
                    w00 * row0[left, c] + w01 * row0[right, c] + w10 * row1[left, c] + w11 * row1[right, c] + half
                )


@parallel
def resample(image: Any, xy: Any, triangle: Any, workers: int, out: Any) -> None:
    """Resample the whole picture with `workers` threads."""
    height = out.shape[0]
    bands = (height + BAND_ROWS - 1) // BAND_ROWS
    for w in prange(workers):
        for band in range(w, bands, workers):
            top = band * BAND_ROWS
            bottom = min(height, top + BAND_ROWS)
            resample_band(image, xy[top:bottom], triangle[top:bottom], out[top:bottom])
