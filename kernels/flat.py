"""The published sparse texture mapping on the CPU, decision for decision (compiled by Numba).

A pixel's inside test is evaluated in IEEE float64 in the published order of operations wherever rounding could matter;
elsewhere, and that is nearly everywhere, a row's span is found once and filled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.jit import exact, parallel

FAR = -999999.0
"""The published depth buffer starts here: a triangle must lie nearer to be seen."""

SMALL_PIXELS = 48
"""Up to this bounding box the inside test of every pixel costs less than finding spans."""


@exact
def vertex_colours(image: Any, vertices: Any, colours: Any) -> None:
    """Write the colour of the pixel nearest each vertex (halves to even, clipped to the picture), 0 if not finite.

    image (H, W, 3); vertices (N, 3) float64; colours (N, 3) float64.
    """
    height, width = image.shape[:2]
    for i in range(vertices.shape[0]):
        x, y = vertices[i, 0], vertices[i, 1]
        if not (abs(x) < np.inf and abs(y) < np.inf):
            colours[i, 0] = 0.0
            colours[i, 1] = 0.0
            colours[i, 2] = 0.0
            continue
        column = np.int64(np.rint(min(max(x, 0.0), width - 1.0)))
        row = np.int64(np.rint(min(max(y, 0.0), height - 1.0)))
        colours[i, 0] = image[row, column, 0]
        colours[i, 1] = image[row, column, 1]
        colours[i, 2] = image[row, column, 2]


@exact
def boxes(
    vertices: Any, triangles: Any, height: int, width: int, start: int, stop: int, kept: Any, box: Any, union: Any
) -> int:
    """List the triangles of [start, stop) that can own a pixel, in order, and return how many; < 0 for a bad index.

    vertices (N, 3) float64; kept (T,) int32 and box (T, 4) int32 (left, top, right, bottom, inclusive) are filled from
    `start` on, union (4,) int64 with the box around them all. A triangle that is not finite is left out.
    """
    union[0], union[1], union[2], union[3] = width, height, -1, -1
    n = vertices.shape[0]
    w1, h1 = width - 1.0, height - 1.0
    count = start
    for t in range(start, stop):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if min(a, b, c) < 0 or max(a, b, c) >= n:
            return -1 - t
        x1, x2, x3 = vertices[a, 0], vertices[b, 0], vertices[c, 0]
        left = max(np.ceil(min(x1, x2, x3)), 0.0)
        right = min(np.floor(max(x1, x2, x3)), w1)
        if not left <= right:
            continue
        y1, y2, y3 = vertices[a, 1], vertices[b, 1], vertices[c, 1]
        top = max(np.ceil(min(y1, y2, y3)), 0.0)
        bottom = min(np.floor(max(y1, y2, y3)), h1)
        if not top <= bottom:
            continue
        total = abs(x1) + abs(x2) + abs(x3) + abs(y1) + abs(y2) + abs(y3)
        total += abs(vertices[a, 2]) + abs(vertices[b, 2]) + abs(vertices[c, 2])
        if not total < np.inf:  # a NaN fails every comparison, so it ends here at the latest
            continue
        kept[count] = t
        box[count, 0] = np.int32(left)
        box[count, 1] = np.int32(top)
        box[count, 2] = np.int32(right)
        box[count, 3] = np.int32(bottom)
        union[0], union[1] = min(union[0], box[count, 0]), min(union[1], box[count, 1])
        union[2], union[3] = max(union[2], box[count, 2]), max(union[3], box[count, 3])
        count += 1
    return count - start


@exact
def inside(x: float, y: float, p: Any) -> bool:
    """Return the published test u >= 0, v >= 0, u + v < 1, in its order of operations.

    p: (x1, y1, ax, ay, bx, by, aa, ab, bb, inverse) of the triangle, a = p3 - p1 and b = p2 - p1.
    """
    px, py = x - p[0], y - p[1]
    ap = p[2] * px + p[3] * py
    bp = p[4] * px + p[5] * py
    u = (p[8] * ap - p[7] * bp) * p[9]
    v = (p[6] * bp - p[7] * ap) * p[9]
    return bool(u >= 0.0 and v >= 0.0 and u + v < 1.0)


@exact
def draw_band(
    vertices: Any, triangles: Any, kept: Any, box: Any, start: int, count: int, top: int, bottom: int, triangle: Any,
    depth: Any,
) -> None:  # fmt: skip
    """Draw listed triangles [start, start + count) into rows [top, bottom) of triangle ids and float64 depth (H, W)."""
    for k in range(start, start + count):
        if box[k, 3] < top or box[k, 1] >= bottom:
            continue
        t = kept[k]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        z = (vertices[a, 2] + vertices[b, 2] + vertices[c, 2]) / 3.0
        x1, y1 = vertices[a, 0], vertices[a, 1]
        ax, ay = vertices[c, 0] - x1, vertices[c, 1] - y1
        bx, by = vertices[b, 0] - x1, vertices[b, 1] - y1
        aa, ab, bb = ax * ax + ay * ay, ax * bx + ay * by, bx * bx + by * by
        area = aa * bb - ab * ab
        inverse = 0.0 if area == 0.0 else 1.0 / area
        p = (x1, y1, ax, ay, bx, by, aa, ab, bb, inverse)
        left, right = int(box[k, 0]), int(box[k, 2])
        first, last = max(int(box[k, 1]), top), min(int(box[k, 3]), bottom - 1)
        boxed = (right - left + 1) * (last - first + 1)
        slack, reach = 0.0, 0.0
        if boxed > SMALL_PIXELS:
            # how far rounding can move u and v: products of lengths, a dozen roundings, taken eight times too large
            reach = (abs(ax) + abs(ay) + abs(bx) + abs(by)) + (right - left) + (last - first) + 2.0
            slack = 1e-14 * (aa + bb) * reach * (reach + abs(x1) + abs(y1)) * abs(inverse)
        if boxed <= SMALL_PIXELS or not slack < 0.01:
            # a sliver, no area at all or a tiny box: every pixel by the published test
            for y in range(first, last + 1):
                depth_row = depth[y]
                triangle_row = triangle[y]
                for x in range(np.uint64(left), np.uint64(right + 1)):
                    if z > depth_row[x] and inside(np.float64(x), np.float64(y), p):
                        depth_row[x] = z
                        triangle_row[x] = t
            continue
        u_dx, v_dx = (bb * ax - ab * bx) * inverse, (aa * bx - ab * ax) * inverse
        u_dy, v_dy = (bb * ay - ab * by) * inverse, (aa * by - ab * ay) * inverse
        s_dx, s_dy = -u_dx - v_dx, -u_dy - v_dy
        # an edge crosses row y at a column base + lean * (y - y1) known to +-blur, or it is level and decides about
        # whole rows; a triangle has at most two edges on either side and one that is level
        low_a, low_b, high_a, high_b = -np.inf, -np.inf, np.inf, np.inf
        low_a_lean, low_b_lean, high_a_lean, high_b_lean = 0.0, 0.0, 0.0, 0.0
        level, level_at, level_dy, blur = False, 0.0, 0.0, 0.0
        for at_p1, dx, dy in ((0.0, u_dx, u_dy), (0.0, v_dx, v_dy), (1.0, s_dx, s_dy)):
            if abs(dx) <= 100 * slack:
                level, level_at, level_dy = True, at_p1, dy
                continue
            over = -1.0 / dx
            blur = max(blur, slack * abs(over))
            if dx > 0.0:
                low_b, low_b_lean = low_a, low_a_lean
                low_a, low_a_lean = x1 + at_p1 * over, dy * over
            else:
                high_b, high_b_lean = high_a, high_a_lean
                high_a, high_a_lean = x1 + at_p1 * over, dy * over
        margin = slack * (1.0 + 100.0 * reach)
        for y in range(first, last + 1):
            py = np.float64(y) - y1
            low = max(low_a + low_a_lean * py, low_b + low_b_lean * py)
            high = min(high_a + high_a_lean * py, high_b + high_b_lean * py)
            # columns that may be inside are start..stop, those that surely are, sure_start..sure_stop
            low, high = min(max(low, -1.0), right + 2.0), min(max(high, -2.0), right + 1.0)
            start = max(int(np.ceil(low - blur)), left)
            stop = min(int(np.floor(high + blur)), right)
            if start > stop:
                continue
            sure_start = max(int(np.ceil(low + blur)), left)
            sure_stop = max(min(int(np.floor(high - blur)), right), -1)
            if level:
                value = level_at + level_dy * py
                if value < -margin:
                    continue
                if value <= margin:
                    sure_stop = -1
            depth_row = depth[y]
            triangle_row = triangle[y]
            for x in range(start, min(sure_start, stop + 1)):
                if z > depth_row[x] and inside(np.float64(x), np.float64(y), p):
                    depth_row[x] = z
                    triangle_row[x] = t
            for x in range(np.uint64(sure_start), np.uint64(sure_stop + 1)):
                if z > depth_row[x]:
                    depth_row[x] = z
                    triangle_row[x] = t
            for x in range(max(sure_start, sure_stop + 1), stop + 1):
                if z > depth_row[x] and inside(np.float64(x), np.float64(y), p):
                    depth_row[x] = z
                    triangle_row[x] = t


@exact
def paint_band(
    colours: Any, triangles: Any, triangle: Any, left: int, top: int, right: int, bottom: int, three: float,
    bias: float, out: Any,
) -> None:  # fmt: skip
    """Write the mean vertex colour of each covered pixel's triangle into columns [left, right), rows [top, bottom).

    out (H, W, 3); three: the divisor, in the precision of the colours; bias: 0.5 to round whole numbers, else 0.
    """
    pixel = np.empty(3, out.dtype)  # converted once a run: neighbours mostly share their triangle
    for y in range(top, bottom):
        last = np.int32(-1)
        triangle_row, out_row = triangle[y], out[y]
        for x in range(np.uint64(left), np.uint64(right)):
            t = triangle_row[x]
            if t < 0:
                continue
            if t != last:
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                for c in range(3):
                    pixel[c] = (colours[i, c] + colours[j, c] + colours[k, c]) / three + bias
                last = t
            out_row[x, 0] = pixel[0]
            out_row[x, 1] = pixel[1]
            out_row[x, 2] = pixel[2]


@parallel
def list_boxes(
    vertices: Any, triangles: Any, height: int, width: int, kept: Any, box: Any, counts: Any, unions: Any
) -> None:
    """Run `boxes` over as many runs of triangles as `counts` is long; each run keeps its own list, in order."""
    runs = counts.shape[0]
    n = triangles.shape[0]
    for w in prange(runs):
        counts[w] = boxes(vertices, triangles, height, width, n * w // runs, n * (w + 1) // runs, kept, box, unions[w])


@exact
def render_band(
    vertices: Any, triangles: Any, colours: Any, kept: Any, box: Any, counts: Any, around: Any, top: int, bottom: int,
    three: float, bias: float, triangle: Any, depth: Any, out: Any,
) -> None:  # fmt: skip
    """Draw and paint rows [top, bottom) of a cleared `out`; nothing outside the mesh's box `around` is touched."""
    left, right = around[0], around[2] + 1
    top, bottom = max(top, around[1]), min(bottom, around[3] + 1)
    for y in range(top, bottom):
        for x in range(left, right):
            triangle[y, x] = -1
            depth[y, x] = FAR
    runs = counts.shape[0]
    n = triangles.shape[0]
    for r in range(runs):
        draw_band(vertices, triangles, kept, box, n * r // runs, counts[r], top, bottom, triangle, depth)
    paint_band(colours, triangles, triangle, left, top, right, bottom, three, bias, out)


@parallel
def render(
    vertices: Any, triangles: Any, colours: Any, kept: Any, box: Any, counts: Any, around: Any, workers: int, rows: int,
    three: float, bias: float, triangle: Any, depth: Any, out: Any,
) -> None:  # fmt: skip
    """Render bands of `rows` rows, worker w taking bands w, w + workers, ...: no two threads share a pixel."""
    height = depth.shape[0]
    bands = (height + rows - 1) // rows
    for w in prange(workers):
        for band in range(w, bands, workers):
            render_band(
                vertices, triangles, colours, kept, box, counts, around, band * rows, min(height, (band + 1) * rows),
                three, bias, triangle, depth, out,
            )  # fmt: skip
