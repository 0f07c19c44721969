"""The published sparse texture mapping on the CPU, decision for decision (compiled by Numba).

Every pixel of a triangle's box is judged by the published inside test itself, in IEEE float64 and in the published
order of operations, eight pixels at a time: nothing is approximated, so nothing has to be proved. Bands of rows with
their own small depth buffer keep the traffic inside the cache and two threads apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.bands import around, bands_of, longest
from kernels.flat_lanes import copy_four, cover
from kernels.jit import exact, parallel
from kernels.lanes import LANES

FAR = -999999.0
"""The published depth buffer starts here: a triangle must lie nearer to be seen."""

WIDE = 3 * LANES
"""From this box width on, a row's columns are first narrowed to those near the triangle."""

SURE = 1e-3
"""A triangle is narrowed only if rounding cannot move its u and v by more than this; a sliver's whole box is judged."""


@exact
def vertex_colours(image: Any, vertices: Any, colours: Any, onto: Any) -> None:
    """Write the colour of the pixel nearest each vertex (halves to even, clipped to the picture), 0 if not finite.

    image (H, W, 3); vertices (N, 3) float64; colours (N, 3); onto (N, 3) float64 receives the vertices moved onto the
    picture, as the published program does when it reads their colours.
    """
    height, width = image.shape[:2]
    for i in range(vertices.shape[0]):
        x, y = vertices[i, 0], vertices[i, 1]
        # in this order a NaN stays one
        x1 = 0.0 if x < 0.0 else (width - 1.0 if x > width - 1.0 else x)
        y1 = 0.0 if y < 0.0 else (height - 1.0 if y > height - 1.0 else y)
        onto[i, 0] = x1
        onto[i, 1] = y1
        onto[i, 2] = vertices[i, 2]
        if not abs(x) + abs(y) < np.inf:
            colours[i, 0] = 0.0
            colours[i, 1] = 0.0
            colours[i, 2] = 0.0
            continue
        column, row = np.uint64(np.rint(x1)), np.uint64(np.rint(y1))
        colours[i, 0] = image[row, column, 0]
        colours[i, 1] = image[row, column, 1]
        colours[i, 2] = image[row, column, 2]


@exact
def boxes(vertices: Any, triangles: Any, height: int, width: int, start: int, stop: int, kept: Any, box: Any) -> int:
    """List the triangles of [start, stop) that can own a pixel, in order, and return how many; < 0 for a bad index.

    vertices (N, 3) float64; kept (T,) int32 and box (T, 4) int32 (left, top, right, bottom, inclusive) are filled from
    `start` on. A triangle that is not finite is left out.
    """
    n = np.uint64(vertices.shape[0])
    w1, h1 = width - 1.0, height - 1.0
    count = start
    for t in range(start, stop):
        a, b, c = np.uint64(triangles[t, 0]), np.uint64(triangles[t, 1]), np.uint64(triangles[t, 2])
        if a >= n or b >= n or c >= n:  # a negative index is a huge unsigned one
            return -1 - t
        x1, x2, x3 = vertices[a, 0], vertices[b, 0], vertices[c, 0]
        y1, y2, y3 = vertices[a, 1], vertices[b, 1], vertices[c, 1]
        left = max(np.ceil(min(x1, x2, x3)), 0.0)
        right = min(np.floor(max(x1, x2, x3)), w1)
        top = max(np.ceil(min(y1, y2, y3)), 0.0)
        bottom = min(np.floor(max(y1, y2, y3)), h1)
        if not (left <= right and top <= bottom):
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
        count += 1
    return count - start


@parallel
def list_boxes(vertices: Any, triangles: Any, height: int, width: int, kept: Any, box: Any, counts: Any) -> None:
    """Run `boxes` over as many runs of triangles as `counts` is long; each run keeps its own list, in order."""
    runs = counts.shape[0]
    n = triangles.shape[0]
    for w in prange(runs):
        counts[w] = boxes(vertices, triangles, height, width, n * w // runs, n * (w + 1) // runs, kept, box)


@exact
def list_bands(vertices: Any, triangles: Any, height: int, width: int, shift: int, kept: Any, box: Any) -> Any:
    """Run `boxes` and `bands_of` on one thread; returns (count or < 0 for a bad index, starts, listed)."""
    counts = np.empty(1, np.int64)
    total = triangles.shape[0]
    counts[0] = boxes(vertices, triangles, height, width, 0, total, kept, box)
    starts, listed = bands_of(box, np.maximum(counts, 0), total, shift, height)
    return counts[0], starts, listed


@exact
def near_columns(py: float, ay: float, by: float, p: Any, left: int, right: int) -> Any:
    """Narrow a row's columns left..right to those that may pass `cover`, generously.

    p: (x1, ax, bx, aa, ab, bb, inverse) of a triangle whose u and v are known to `SURE`; py: row - y1.
    """
    x1, ax, bx, aa, ab, bb, inverse = p
    u_dx, v_dx = (bb * ax - ab * bx) * inverse, (aa * bx - ab * ax) * inverse
    u, v = (bb * ay - ab * by) * inverse * py, (aa * by - ab * ay) * inverse * py
    low, high = np.float64(left), np.float64(right)
    for at, dx in ((u, u_dx), (v, v_dx), (1.0 - u - v, -u_dx - v_dx)):
        if abs(dx) > 1e-9:
            crossing = x1 - (at + 8.0 * SURE) / dx
            if dx > 0.0:
                low = max(low, crossing - 1.0)
            else:
                high = min(high, crossing + 1.0)
    return int(np.floor(min(low, right + 1.0))), int(np.ceil(max(high, left - 1.0)))


@exact
def draw_band(
    vertices: Any, triangles: Any, colours: Any, kept: Any, box: Any, listed: Any, top: int, bottom: int, three: float,
    bias: float, depth: Any, ids: Any, pitch: int, table: Any,
) -> None:  # fmt: skip
    """Draw a band's triangles into rows [top, bottom): listed triangle i is called i + 1 and table[i + 1] its colour.

    depth: flat float64 and ids: flat int32 hold the band's rows, `pitch` numbers each; table (., 4) of the picture's
    dtype; three: the divisor, in the precision of the colours; bias: 0.5 to round whole numbers, else 0.
    """
    for i in range(listed.shape[0]):
        k = listed[i]
        t = kept[k]
        a, b, c = np.uint64(triangles[t, 0]), np.uint64(triangles[t, 1]), np.uint64(triangles[t, 2])
        for channel in range(3):
            table[i + 1, channel] = (colours[a, channel] + colours[b, channel] + colours[c, channel]) / three + bias
        z = (vertices[a, 2] + vertices[b, 2] + vertices[c, 2]) / 3.0
        x1, y1 = vertices[a, 0], vertices[a, 1]
        ax, ay = vertices[c, 0] - x1, vertices[c, 1] - y1
        bx, by = vertices[b, 0] - x1, vertices[b, 1] - y1
        aa, ab, bb = ax * ax + ay * ay, ax * bx + ay * by, bx * bx + by * by
        area = aa * bb - ab * ab
        inverse = 0.0 if area == 0.0 else 1.0 / area
        left, right = int(box[k, 0]), int(box[k, 2])
        first, last = max(int(box[k, 1]), top), min(int(box[k, 3]), bottom - 1)
        end = np.float64(right)
        p = (x1, ax, bx, aa, ab, bb, inverse)
        narrow = False
        if right - left >= WIDE:
            # products of lengths, a dozen roundings, taken eight times too large
            reach = abs(ax) + abs(ay) + abs(bx) + abs(by) + (right - left) + (last - first) + 2.0
            narrow = 1e-14 * (aa + bb) * reach * (reach + abs(x1) + abs(y1)) * abs(inverse) < SURE
        for y in range(first, last + 1):
            py = np.float64(y) - y1
            start, stop = left, right
            if narrow:
                start, stop = near_columns(py, ay, by, p, left, right)
            edges = (x1, ax, bx, aa, ab, bb, inverse, ay * py, by * py)
            row = np.uint64((y - top) * pitch)
            for x in range(start, stop + 1, LANES):
                cover(depth, ids, row + np.uint64(x), np.float64(x), end, edges, z, np.int32(i + 1))


@exact
def paint_band(ids: Any, pitch: int, table: Any, left: int, right: int, top: int, bottom: int, out: Any) -> None:
    """Write the colours of columns [left, right), rows [top, bottom); table row 0 is the background's.

    ids: flat int32; table: flat, four numbers a colour; out (H, W, 3).
    """
    pixels = out.reshape(-1)
    for y in range(top, bottom):
        row = np.uint64((y - top) * pitch)
        at = np.uint64((y * out.shape[1] + left) * 3)
        for x in range(np.uint64(left), np.uint64(right - 1)):
            copy_four(table, np.uint64(ids[row + x]) * np.uint64(4), pixels, at)
            at += np.uint64(3)
        # the last pixel without the fourth number: its place is another thread's, or outside the picture
        where = np.uint64(ids[row + np.uint64(right - 1)]) * np.uint64(4)
        for channel in range(np.uint64(3)):
            pixels[at + channel] = table[where + channel]


@exact
def render_bands(
    vertices: Any, triangles: Any, colours: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int, worker: int,
    workers: int, three: float, bias: float, out: Any,
) -> None:  # fmt: skip
    """Render bands worker, worker + workers, ... of a cleared `out`."""
    height, width = out.shape[:2]
    bands = starts.shape[0] - 1
    rows = 1 << shift
    pitch = width + LANES
    depth, ids = np.empty(rows * pitch), np.empty(rows * pitch, np.int32)
    table = np.empty((longest(starts, worker, workers) + 1, 4), out.dtype)
    for channel in range(4):
        table[0, channel] = 0
    for band in range(worker, bands, workers):
        mine = listed[starts[band] : starts[band + 1]]
        left, top, right, bottom = around(box, mine, band * rows, min(height, (band + 1) * rows))
        if right <= 0:
            continue
        for i in range((bottom - top) * pitch):
            depth[i] = FAR
        for i in range((bottom - top) * pitch):
            ids[i] = 0
        draw_band(vertices, triangles, colours, kept, box, mine, top, bottom, three, bias, depth, ids, pitch, table)
        paint_band(ids, pitch, table.reshape(-1), left, right, top, bottom, out)


@parallel
def render(
    vertices: Any, triangles: Any, colours: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    workers: int, three: float, bias: float, out: Any,
) -> None:  # fmt: skip
    """Render with `workers` threads, each its own bands: no two threads share a pixel."""
    for w in prange(workers):
        render_bands(vertices, triangles, colours, kept, box, starts, listed, shift, w, workers, three, bias, out)


@parallel
def render_pair(
    first: Any, second: Any, triangles: Any, colours: Any, shift: int, three: float, bias: float, found: Any, out: Any
) -> None:
    """Render two poses of one mesh, each on its own thread; found (2,) int64: as `list_bands` returns it.

    first, second (N, 3) float64; out (2, H, W, 3), cleared.
    """
    total = triangles.shape[0]
    for w in prange(2):
        vertices = first if w == 0 else second
        kept, box = np.empty(total, np.int32), np.empty((total, 4), np.int32)
        found[w], starts, listed = list_bands(vertices, triangles, out.shape[1], out.shape[2], shift, kept, box)
        if found[w] >= 0:
            render_bands(vertices, triangles, colours, kept, box, starts, listed, shift, 0, 1, three, bias, out[w])
