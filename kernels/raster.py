"""The backward-map rasteriser of the CPU backend (compiled by Numba).

Coverage is decided in whole sub-pixels, eight pixels at a time; depth is compared in float32. A band of rows has its
own small depth buffer, which stays in the cache of the worker that draws it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.bands import around, bands_of
from kernels.coverage import NOWHERE, SUBPIXEL, SUBPIXEL_BITS, edge_bias
from kernels.jit import exact, interpolating, parallel
from kernels.lanes import LANES
from kernels.map_lanes import claim

WIDE = 3 * LANES
"""From this box width on, a row's columns are first narrowed to those near the triangle."""


@exact
def boxes(
    snapped: Any, triangles: Any, facing: int, height: int, width: int, start: int, stop: int, kept: Any, box: Any
) -> int:
    """List the triangles of [start, stop) that may own a pixel, in order, and return how many; < 0 for a bad index.

    snapped (N, 2) int64; triangles (T, 3) int32; facing 0 keeps both windings, +1 clockwise on screen, -1 the other;
    kept (T,) int32 and box (T, 4) int32 (left, top, right, bottom, inclusive) are filled from `start` on.
    """
    n = np.uint64(snapped.shape[0])
    count = start
    for t in range(start, stop):
        a, b, c = np.uint64(triangles[t, 0]), np.uint64(triangles[t, 1]), np.uint64(triangles[t, 2])
        if a >= n or b >= n or c >= n:  # a negative index is a huge unsigned one
            return -1 - t
        ax, bx, cx = snapped[a, 0], snapped[b, 0], snapped[c, 0]
        ay, by, cy = snapped[a, 1], snapped[b, 1], snapped[c, 1]
        if ax == NOWHERE or bx == NOWHERE or cx == NOWHERE:
            continue
        left, right = max(-((-min(ax, bx, cx)) >> SUBPIXEL_BITS), 0), min(max(ax, bx, cx) >> SUBPIXEL_BITS, width - 1)
        top, bottom = max(-((-min(ay, by, cy)) >> SUBPIXEL_BITS), 0), min(max(ay, by, cy) >> SUBPIXEL_BITS, height - 1)
        if left > right or top > bottom:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or area * facing < 0:
            continue
        kept[count] = t
        box[count, 0] = left
        box[count, 1] = top
        box[count, 2] = right
        box[count, 3] = bottom
        count += 1
    return count - start


@parallel
def list_boxes(
    snapped: Any, triangles: Any, facing: int, height: int, width: int, kept: Any, box: Any, counts: Any
) -> None:
    """Run `boxes` over as many runs of triangles as `counts` is long; each run keeps its own list, in order."""
    runs = counts.shape[0]
    n = triangles.shape[0]
    for w in prange(runs):
        counts[w] = boxes(snapped, triangles, facing, height, width, n * w // runs, n * (w + 1) // runs, kept, box)


@exact
def list_bands(
    snapped: Any, triangles: Any, facing: int, height: int, width: int, shift: int, kept: Any, box: Any
) -> Any:
    """Run `boxes` and `bands_of` on one thread; returns (count or < 0 for a bad index, starts, listed)."""
    counts = np.empty(1, np.int64)
    total = triangles.shape[0]
    counts[0] = boxes(snapped, triangles, facing, height, width, 0, total, kept, box)
    starts, listed = bands_of(box, np.maximum(counts, 0), total, shift, height)
    return counts[0], starts, listed


@exact
def near_columns(edges: Any, inverse: Any, left: int, right: int) -> Any:
    """Narrow columns left..right to those that may lie inside, with a pixel to spare on either side.

    edges: the three edge functions at column 0; inverse: of their change per column, 0 for a level edge.
    """
    low, high = np.float64(left), np.float64(right)
    for i in range(3):
        crossing = -np.float64(edges[i]) * inverse[i]  # wrong by far less than a pixel inside the guard band
        if inverse[i] > 0.0:
            low = max(low, crossing - 1.0)
        elif inverse[i] < 0.0:
            high = min(high, crossing + 1.0)
    return int(np.floor(min(low, right + 1.0))), int(np.ceil(max(high, left - 1.0)))


@exact
def per_column(step: int) -> float:
    """Return 1 / step, or 0 for a level edge."""
    return 0.0 if step == 0 else 1.0 / np.float64(step)


@exact
def clear(depth: Any, ids: Any, count: int) -> None:
    """Reset the first `count` pixels: one plain loop a buffer, which the compiler turns into wide stores."""
    for i in range(count):
        depth[i] = -np.inf
    for i in range(count):
        ids[i] = 0


@interpolating
def draw_band(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, listed: Any, top: int, bottom: int,
    depth: Any, ids: Any, pitch: int, planes: Any,
) -> None:  # fmt: skip
    """Draw a band's triangles into rows [top, bottom) of cleared scratch: listed triangle i is called i + 1.

    vertices (N, 3) float32; source (N, 2) float32; triangles (T, 3) int32; snapped (N, 2) int64; depth: flat float32
    and ids: flat int32, `pitch` numbers a row; planes (., 6) float64: row i + 1 receives the source position, that is
    u = planes[0] + planes[1] * x + planes[2] * y, v likewise from planes[3:].
    """
    for i in range(listed.shape[0]):
        k = listed[i]
        t = kept[k]
        a, b, c = np.uint64(triangles[t, 0]), np.uint64(triangles[t, 1]), np.uint64(triangles[t, 2])
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
        steps = (-dy0 * SUBPIXEL, -dy1 * SUBPIXEL, -dy2 * SUBPIXEL)
        # planes of depth and source position over the snapped triangle: weights of b and c, a has the rest
        inv = 1.0 / np.float64(area)
        bx_w, by_w = np.float64(steps[1]) * inv, np.float64(dx1 * SUBPIXEL) * inv
        cx_w, cy_w = np.float64(steps[2]) * inv, np.float64(dx2 * SUBPIXEL) * inv
        za = np.float64(vertices[a, 2])
        zb, zc = np.float64(vertices[b, 2]) - za, np.float64(vertices[c, 2]) - za
        ua, va = np.float64(source[a, 0]), np.float64(source[a, 1])
        ub, uc = np.float64(source[b, 0]) - ua, np.float64(source[c, 0]) - ua
        vb, vc = np.float64(source[b, 1]) - va, np.float64(source[c, 1]) - va
        z_dx, z_dy = zb * bx_w + zc * cx_w, zb * by_w + zc * cy_w
        u_dx, u_dy = ub * bx_w + uc * cx_w, ub * by_w + uc * cy_w
        v_dx, v_dy = vb * bx_w + vc * cx_w, vb * by_w + vc * cy_w
        x_a, y_a = np.float64(ax) / SUBPIXEL, np.float64(ay) / SUBPIXEL
        planes[i + 1, 0] = ua - u_dx * x_a - u_dy * y_a
        planes[i + 1, 1] = u_dx
        planes[i + 1, 2] = u_dy
        planes[i + 1, 3] = va - v_dx * x_a - v_dy * y_a
        planes[i + 1, 4] = v_dx
        planes[i + 1, 5] = v_dy
        left, right = int(box[k, 0]), int(box[k, 2])
        first, last = max(int(box[k, 1]), top), min(int(box[k, 3]), bottom - 1)
        narrow = right - left >= WIDE
        inverse = (0.0, 0.0, 0.0)
        if narrow:
            inverse = (per_column(steps[0]), per_column(steps[1]), per_column(steps[2]))
        # the edge functions at column 0 of the row, biased so that a pixel is inside where none is negative
        row = first * SUBPIXEL
        e0 = dx0 * (row - by) + dy0 * bx + edge_bias(dx0, dy0)
        e1 = dx1 * (row - cy) + dy1 * cx + edge_bias(dx1, dy1)
        e2 = dx2 * (row - ay) + dy2 * ax + edge_bias(dx2, dy2)
        for y in range(first, last + 1):
            start, stop = left, right
            if narrow:
                start, stop = near_columns((e0, e1, e2), inverse, left, right)
            z_row = za + z_dy * (np.float64(y) - y_a)
            at = np.uint64((y - top) * pitch)
            for x in range(start, stop + 1, LANES):
                z = z_row + z_dx * (np.float64(x) - x_a)
                edges = (e0 + steps[0] * x, e1 + steps[1] * x, e2 + steps[2] * x)
                claim(depth, ids, at + np.uint64(x), edges, steps, z, z_dx, np.int32(i + 1))
            e0 += dx0 * SUBPIXEL
            e1 += dx1 * SUBPIXEL
            e2 += dx2 * SUBPIXEL


@interpolating
def draw_scratch(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    band: int, height: int, pitch: int, depth: Any, ids: Any, planes: Any,
) -> Any:  # fmt: skip
    """Clear and draw one band; returns (left, top, right, bottom), ends exclusive, of what may be covered, or zeros."""
    mine = listed[starts[band] : starts[band + 1]]
    first, end = band << shift, min(height, (band + 1) << shift)
    left, top, right, bottom = around(box, mine, first, end)
    if right <= 0:
        return 0, first, 0, first
    clear(depth, ids, (bottom - top) * pitch)
    draw_band(vertices, source, triangles, snapped, kept, box, mine, top, bottom, depth, ids, pitch, planes)
    return left, top, right, bottom
