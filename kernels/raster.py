"""The backward-map rasteriser of the CPU backend: one band of rows at a time, so that no two threads share a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.coverage import SUBPIXEL, clip, crossing, edge_bias, row_ranges, snap
from kernels.jit import exact, interpolating, parallel

BLUR_PX = 1e-5
"""More than the float64 crossing of an edge and a row is ever wrong by: 2^18 px and a few roundings make 1e-10."""


@exact
def prepare(vertices: Any, triangles: Any, facing: int, width: int) -> Any:
    """Return the snapped vertices (N, 2) int64, each triangle's rows (T, 2) int32 and the first bad triangle or -1."""
    snapped = np.empty((vertices.shape[0], 2), np.int64)
    rows = np.empty((triangles.shape[0], 2), np.int32)
    snap(vertices, snapped)
    bad = row_ranges(snapped, triangles, facing, width, rows, 0, triangles.shape[0])
    return snapped, rows, bad


@exact
def clear(triangle: Any, depth: Any, count: int) -> None:
    """Reset the first `count` rows: one plain loop a buffer, which the compiler turns into wide stores."""
    width = depth.shape[1]
    for r in range(count):
        depth_row, triangle_row = depth[r], triangle[r]
        for x in range(width):
            depth_row[x] = -np.inf
        for x in range(width):
            triangle_row[x] = -1


@interpolating
def draw_band(
    vertices: Any, source: Any, triangles: Any, snapped: Any, rows: Any, top: int, bottom: int, triangle: Any,
    depth: Any, planes: Any,
) -> None:  # fmt: skip
    """Draw rows [top, bottom) of triangle ids and depth into buffers whose row 0 is `top`.

    vertices (N, 3) float32; source (N, 2) float32; triangles (T, 3) int32; snapped, rows from `prepare`; triangle
    (R, W) int32 and depth (R, W) float32 with R >= bottom - top; planes (T, 6) float64 receives the source position
    of each triangle drawn: u = planes[0] + planes[1] * x + planes[2] * y, v likewise from planes[3:].
    """
    width = depth.shape[1]
    clear(triangle, depth, bottom - top)
    for t in range(triangles.shape[0]):
        if rows[t, 1] < top or rows[t, 0] >= bottom or rows[t, 0] > rows[t, 1]:
            continue
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        area = (snapped[b, 0] - snapped[a, 0]) * (snapped[c, 1] - snapped[a, 1]) - (snapped[b, 1] - snapped[a, 1]) * (
            snapped[c, 0] - snapped[a, 0]
        )
        if area < 0:  # one winding for the edge functions below
            b, c = c, b
            area = -area
        ax, ay = snapped[a, 0], snapped[a, 1]
        bx, by = snapped[b, 0], snapped[b, 1]
        cx, cy = snapped[c, 0], snapped[c, 1]
        # edge function of p -> q at pixel (X, Y): (qx - px) * (Y - py) - (qy - py) * (X - px), > 0 inside
        dx0, dy0 = cx - bx, cy - by
        dx1, dy1 = ax - cx, ay - cy
        dx2, dy2 = bx - ax, by - ay
        bias0, bias1, bias2 = edge_bias(dx0, dy0), edge_bias(dx1, dy1), edge_bias(dx2, dy2)
        step0, step1, step2 = -dy0 * SUBPIXEL, -dy1 * SUBPIXEL, -dy2 * SUBPIXEL
        # planes of depth and source position over the snapped triangle: weights of b and c, a has the rest
        inv = 1.0 / np.float64(area)
        bx_w, by_w = np.float64(step1) * inv, np.float64(dx1 * SUBPIXEL) * inv
        cx_w, cy_w = np.float64(step2) * inv, np.float64(dx2 * SUBPIXEL) * inv
        zb = np.float64(vertices[b, 2]) - np.float64(vertices[a, 2])
        zc = np.float64(vertices[c, 2]) - np.float64(vertices[a, 2])
        ub = np.float64(source[b, 0]) - np.float64(source[a, 0])
        uc = np.float64(source[c, 0]) - np.float64(source[a, 0])
        vb = np.float64(source[b, 1]) - np.float64(source[a, 1])
        vc = np.float64(source[c, 1]) - np.float64(source[a, 1])
        z_dx, z_dy = zb * bx_w + zc * cx_w, zb * by_w + zc * cy_w
        u_dx, u_dy = ub * bx_w + uc * cx_w, ub * by_w + uc * cy_w
        v_dx, v_dy = vb * bx_w + vc * cx_w, vb * by_w + vc * cy_w
        z_step = np.float32(z_dx)
        x_a, y_a = np.float64(ax) / SUBPIXEL, np.float64(ay) / SUBPIXEL
        planes[t, 0] = np.float64(source[a, 0]) - u_dx * x_a - u_dy * y_a
        planes[t, 1] = u_dx
        planes[t, 2] = u_dy
        planes[t, 3] = np.float64(source[a, 1]) - v_dx * x_a - v_dy * y_a
        planes[t, 4] = v_dx
        planes[t, 5] = v_dy
        first_column = max(np.int64(0), -((-min(ax, bx, cx)) // SUBPIXEL))
        last_column = min(np.int64(width - 1), max(ax, bx, cx) // SUBPIXEL)
        first_row = max(int(rows[t, 0]), top)
        end_row = min(int(rows[t, 1]) + 1, bottom)
        # an edge that is not level crosses row y at column base + lean * y
        lean0, base0 = crossing(bx, by, dx0, dy0)
        lean1, base1 = crossing(cx, cy, dx1, dy1)
        lean2, base2 = crossing(ax, ay, dx2, dy2)
        for y in range(first_row, end_row):
            low, high = np.float64(first_column), np.float64(last_column)
            row = np.float64(y)
            if dy0 < 0:
                low = max(low, base0 + lean0 * row)
            elif dy0 > 0:
                high = min(high, base0 + lean0 * row)
            elif dx0 * (np.int64(y) * SUBPIXEL - by) + bias0 < 0:
                continue
            if dy1 < 0:
                low = max(low, base1 + lean1 * row)
            elif dy1 > 0:
                high = min(high, base1 + lean1 * row)
            elif dx1 * (np.int64(y) * SUBPIXEL - cy) + bias1 < 0:
                continue
            if dy2 < 0:
                low = max(low, base2 + lean2 * row)
            elif dy2 > 0:
                high = min(high, base2 + lean2 * row)
            elif dx2 * (np.int64(y) * SUBPIXEL - ay) + bias2 < 0:
                continue
            if low > high + BLUR_PX:
                continue
            left, right = np.int64(np.ceil(low)), np.int64(np.floor(high))
            if (
                left - low < BLUR_PX
                or low + 1.0 - left < BLUR_PX
                or high - right < BLUR_PX
                or right + 1.0 - high < BLUR_PX
            ):
                # within rounding of a pixel centre: the integers decide
                left, right = first_column, last_column
                Y = np.int64(y) * SUBPIXEL
                left, right = clip(dx0 * (Y - by) + dy0 * bx + bias0, step0, left, right)
                left, right = clip(dx1 * (Y - cy) + dy1 * cx + bias1, step1, left, right)
                left, right = clip(dx2 * (Y - ay) + dy2 * ax + bias2, step2, left, right)
            if left > right:
                continue
            px, py = np.float64(left) - x_a, np.float64(y) - y_a
            z0 = np.float32(np.float64(vertices[a, 2]) + z_dx * px + z_dy * py)
            depth_row = depth[y - top]
            triangle_row = triangle[y - top]
            for i in range(right - left + 1):
                z = z0 + z_step * np.float32(i)
                column = np.uint64(left + i)
                if z > depth_row[column]:
                    depth_row[column] = z
                    triangle_row[column] = t


@interpolating
def write_band(planes: Any, triangle: Any, top: int, xy: Any) -> None:
    """Write the source position of each covered pixel, 0 elsewhere; row 0 of triangle (R, W) and xy is `top`."""
    for r in range(triangle.shape[0]):
        row = np.float64(top + r)
        for x in range(triangle.shape[1]):
            t = triangle[r, x]
            if t < 0:
                xy[r, x, 0] = 0.0
                xy[r, x, 1] = 0.0
            else:
                i = np.uint64(t)
                column = np.float64(x)
                xy[r, x, 0] = planes[i, 0] + planes[i, 1] * column + planes[i, 2] * row
                xy[r, x, 1] = planes[i, 3] + planes[i, 4] * column + planes[i, 5] * row


@parallel
def draw(
    vertices: Any, source: Any, triangles: Any, snapped: Any, rows: Any, band_rows: int, planes: Any, xy: Any,
    triangle: Any, depth: Any,
) -> None:  # fmt: skip
    """Draw the whole map; worker w of planes.shape[0] takes bands w, w + workers, ... and its own planes (T, 6)."""
    height = depth.shape[0]
    workers = planes.shape[0]
    bands = (height + band_rows - 1) // band_rows
    for w in prange(workers):
        for band in range(w, bands, workers):
            top = band * band_rows
            bottom = min(height, top + band_rows)
            draw_band(vertices, source, triangles, snapped, rows, top, bottom, triangle[top:bottom], depth[top:bottom],
                      planes[w])  # fmt: skip
            write_band(planes[w], triangle[top:bottom], top, xy[top:bottom])
