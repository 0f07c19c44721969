"""Bilinear sampling and compositing of the CPU backend (compiled by Numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.jit import interpolating, parallel
from kernels.raster import BAND_ROWS


@interpolating
def compose_band(person: Any, plate: Any, xy: Any, triangle: Any, out: Any) -> None:
    """Write round(clip(rgb + (1 - alpha) * plate)) where the map covers, the plate elsewhere.

    person (Hs, Ws, 4) float32; plate, out (R, W, 3) uint8; xy (R, W, 2) float32; triangle (R, W) int32.
    """
    height, width = triangle.shape
    x_max = np.float32(person.shape[1] - 1)
    y_max = np.float32(person.shape[0] - 1)
    i_max = np.int32(max(person.shape[1] - 2, 0))
    j_max = np.int32(max(person.shape[0] - 2, 0))
    dx = np.uint64(min(1, person.shape[1] - 1))
    dy = np.uint64(min(1, person.shape[0] - 1))
    one, half, top = np.float32(1.0), np.float32(0.5), np.float32(255.0)
    for r in range(height):
        for x in range(width):
            if triangle[r, x] < 0:
                out[r, x, 0] = plate[r, x, 0]
                out[r, x, 1] = plate[r, x, 1]
                out[r, x, 2] = plate[r, x, 2]
                continue
            u = min(max(xy[r, x, 0], np.float32(0.0)), x_max)
            v = min(max(xy[r, x, 1], np.float32(0.0)), y_max)
            i = min(np.int32(u), i_max)
            j = min(np.int32(v), j_max)
            fx = u - np.float32(i)
            fy = v - np.float32(j)
            w11 = fx * fy
            w10 = fy - w11
            w01 = fx - w11
            w00 = one - fx - w10
            row0 = person[np.uint64(j)]
            row1 = person[np.uint64(j) + dy]
            left = np.uint64(i)
            right = left + dx
            alpha = w00 * row0[left, 3] + w01 * row0[right, 3] + w10 * row1[left, 3] + w11 * row1[right, 3]
            rest = one - alpha
            for c in range(3):
                colour = w00 * row0[left, c] + w01 * row0[right, c] + w10 * row1[left, c] + w11 * row1[right, c]
                value = colour + rest * np.float32(plate[r, x, c])
                out[r, x, c] = np.uint8(min(max(value, np.float32(0.0)), top) + half)


@parallel
def compose(person: Any, plate: Any, xy: Any, triangle: Any, workers: int, out: Any) -> None:
    """Compose the whole picture with `workers` threads."""
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
    # a byte is rounded by adding a half before it is cut; a float32 is kept as it is
    half = np.float32(0.5) if out.itemsize == 1 else np.float32(0.0)
    for r in range(height):
        for x in range(width):
            if triangle[r, x] < 0:
                for c in range(out.shape[2]):
                    out[r, x, c] = 0
                continue
            u = min(max(xy[r, x, 0], np.float32(0.0)), x_max)
            v = min(max(xy[r, x, 1], np.float32(0.0)), y_max)
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
