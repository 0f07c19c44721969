"""What is read out of a finished map: interpolated colours, source visibility, network tensors (compiled by Numba)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kernels.coverage import SUBPIXEL
from kernels.jit import exact, interpolating


@interpolating
def gouraud(
    colours: Any, triangles: Any, snapped: Any, triangle: Any, top: int, bottom: int, bias: Any, out: Any
) -> None:
    """Write the interpolated vertex colour of each covered pixel, 0 elsewhere, into rows [top, bottom).

    colours (N, 3) float32; snapped (N, 2) int64; triangle (H, W) int32; out (H, W, 3); bias 0.5 to round bytes.
    """
    for y in range(top, bottom):
        row = np.int64(y) * SUBPIXEL
        for x in range(triangle.shape[1]):
            t = triangle[y, x]
            if t < 0:
                out[y, x, 0] = 0
                out[y, x, 1] = 0
                out[y, x, 2] = 0
                continue
            column = np.int64(x) * SUBPIXEL
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            dx, dy = column - snapped[a, 0], row - snapped[a, 1]
            bx, by = snapped[b, 0] - snapped[a, 0], snapped[b, 1] - snapped[a, 1]
            cx, cy = snapped[c, 0] - snapped[a, 0], snapped[c, 1] - snapped[a, 1]
            inverse = 1.0 / np.float64(bx * cy - by * cx)
            wb = np.float32(np.float64(dx * cy - dy * cx) * inverse)
            wc = np.float32(np.float64(bx * dy - by * dx) * inverse)
            wa = np.float32(1.0) - wb - wc
            out[y, x, 0] = wa * colours[a, 0] + wb * colours[b, 0] + wc * colours[c, 0] + bias
            out[y, x, 1] = wa * colours[a, 1] + wb * colours[b, 1] + wc * colours[c, 1] + bias
            out[y, x, 2] = wa * colours[a, 2] + wb * colours[b, 2] + wc * colours[c, 2] + bias


@exact
def visible(source: Any, triangles: Any, depth: Any, xy: Any, triangle: Any, out: Any) -> None:
    """Write 1 where a covered pixel's source point was seen by the source depth buffer, else 0.

    source (N, 3) float32; depth (Hs, Ws) float32 of the source pose; xy, triangle: the target map; out (H, W) uint8.
    A shadow-map test at the nearest source pixel, biased by one pixel of the triangle's slope plus 1/64 px.
    """
    last_column, last_row = depth.shape[1] - 1, depth.shape[0] - 1
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            t = triangle[y, x]
            out[y, x] = 0
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay, az = np.float64(source[a, 0]), np.float64(source[a, 1]), np.float64(source[a, 2])
            bx, by, bz = source[b, 0] - ax, source[b, 1] - ay, source[b, 2] - az
            cx, cy, cz = source[c, 0] - ax, source[c, 1] - ay, source[c, 2] - az
            area = bx * cy - by * cx
            if area == 0.0:  # edge-on in the source: it showed nothing of itself
                continue
            z_dx, z_dy = (bz * cy - by * cz) / area, (bx * cz - bz * cx) / area
            u, v = np.float64(xy[y, x, 0]), np.float64(xy[y, x, 1])
            z = az + z_dx * (u - ax) + z_dy * (v - ay)
            column = np.int64(min(max(np.floor(u + 0.5), 0.0), np.float64(last_column)))
            row = np.int64(min(max(np.floor(v + 0.5), 0.0), np.float64(last_row)))
            if z + abs(z_dx) + abs(z_dy) + 1.0 / 64.0 >= depth[row, column]:
                out[y, x] = 1


@interpolating
def tensor_from_affine(image: Any, affine: Any, scale: Any, offset: Any, half: bool, out: Any) -> None:
    """Write a bilinear crop as planes: out[c, y, x] = sample * scale + offset.

    image (Hs, Ws, C) uint8 or float32; affine (2, 3) float64, output pixel (x, y, 1) to source (column, row); out
    (C, H, W) float32 or uint8, or uint16 holding float16 bits when `half`. Edge pixels are repeated.
    """
    height, width = out.shape[1], out.shape[2]
    x_max, y_max = np.float32(image.shape[1] - 1), np.float32(image.shape[0] - 1)
    i_max, j_max = max(image.shape[1] - 2, 0), max(image.shape[0] - 2, 0)
    dx, dy = min(1, image.shape[1] - 1), min(1, image.shape[0] - 1)
    zero, one = np.float32(0.0), np.float32(1.0)
    whole = out.itemsize == 1
    for y in range(height):
        for x in range(width):
            u = np.float32(affine[0, 0] * x + affine[0, 1] * y + affine[0, 2])
            v = np.float32(affine[1, 0] * x + affine[1, 1] * y + affine[1, 2])
            u = u if u > zero else zero
            v = v if v > zero else zero
            u = u if u < x_max else x_max
            v = v if v < y_max else y_max
            i, j = min(np.int64(u), i_max), min(np.int64(v), j_max)
            fx, fy = u - np.float32(i), v - np.float32(j)
            gx, gy = one - fx, one - fy
            for c in range(out.shape[0]):
                upper = image[j, i, c] * gx + image[j, i + dx, c] * fx
                lower = image[j + dy, i, c] * gx + image[j + dy, i + dx, c] * fx
                value = np.float32((upper * gy + lower * fy) * scale + offset)
                if half:
                    out[c, y, x] = half_bits(value)
                elif whole:
                    out[c, y, x] = np.uint8(min(max(value, zero), np.float32(255.0)) + np.float32(0.5))
                else:
                    out[c, y, x] = value


@exact
def half_bits(value: Any) -> int:
    """Return the IEEE binary16 bits of a float32, rounded to nearest even; overflow becomes infinity."""
    size = np.float64(abs(value))
    sign = 0x8000 if value < 0.0 else 0
    if not size < 65520.0:
        return sign | (0x7C00 if size >= 65520.0 else 0x7E00)
    if size < 2.0**-14:  # subnormal: whole steps of 2^-24
        return sign | int(np.rint(size * 2.0**24))
    mantissa, exponent = math.frexp(size)
    steps = int(np.rint((2.0 * mantissa - 1.0) * 1024.0))  # 1024 steps carry into the exponent, as they should
    return sign | (((exponent + 14) << 10) + steps)
