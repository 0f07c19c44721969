"""From scratch to a map in memory: source positions, triangle ids and depth of every pixel (compiled by Numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.bands import longest
from kernels.jit import exact, interpolating, parallel
from kernels.lanes import LANES
from kernels.raster import draw_scratch


@interpolating
def write_band(
    planes: Any, triangle_of: Any, depth: Any, ids: Any, pitch: int, left: int, right: int, top: int, bottom: int,
    xy: Any, triangle: Any, out_depth: Any,
) -> None:  # fmt: skip
    """Write columns [left, right), rows [top, bottom) of the map from a band's scratch.

    planes, depth, ids, pitch: as `draw_band` left them; triangle_of (.,) int32: the triangle called i, -1 for 0.
    """
    for y in range(top, bottom):
        row = np.float64(y)
        at = np.uint64((y - top) * pitch)
        xy_row, triangle_row, depth_row = xy[y], triangle[y], out_depth[y]
        for x in range(np.uint64(left), np.uint64(right)):
            i = np.uint64(ids[at + x])
            column = np.float64(x)
            xy_row[x, 0] = planes[i, 0] + planes[i, 1] * column + planes[i, 2] * row
            xy_row[x, 1] = planes[i, 3] + planes[i, 4] * column + planes[i, 5] * row
            triangle_row[x] = triangle_of[i]
            depth_row[x] = depth[at + x]


@exact
def blank(xy: Any, triangle: Any, depth: Any, start: int, stop: int) -> None:
    """Mark columns [start, stop) of a row as not covered."""
    for x in range(start, stop):
        xy[x, 0] = 0.0
        xy[x, 1] = 0.0
    for x in range(start, stop):
        triangle[x] = -1
    for x in range(start, stop):
        depth[x] = -np.inf


@interpolating
def draw_bands(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    worker: int, workers: int, xy: Any, triangle: Any, depth: Any,
) -> None:  # fmt: skip
    """Write bands worker, worker + workers, ... of the map."""
    height, width = depth.shape
    pitch = width + LANES
    near, ids = np.empty(pitch << shift, np.float32), np.empty(pitch << shift, np.int32)
    most = longest(starts, worker, workers)
    planes, triangle_of = np.zeros((most + 1, 6)), np.empty(most + 1, np.int32)
    triangle_of[0] = -1
    for band in range(worker, starts.shape[0] - 1, workers):
        left, top, right, bottom = draw_scratch(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, band, height, pitch, near, ids,
            planes,
        )  # fmt: skip
        for i in range(starts[band + 1] - starts[band]):
            triangle_of[i + 1] = kept[listed[starts[band] + i]]
        for y in range(band << shift, min(height, (band + 1) << shift)):
            inside = top <= y < bottom
            blank(xy[y], triangle[y], depth[y], 0, left if inside else width)
            blank(xy[y], triangle[y], depth[y], right if inside else width, width)
        write_band(planes, triangle_of, near, ids, pitch, left, right, top, bottom, xy, triangle, depth)


@parallel
def draw(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    workers: int, xy: Any, triangle: Any, depth: Any,
) -> None:  # fmt: skip
    """Write the whole map with `workers` threads."""
    for w in prange(workers):
        draw_bands(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, w, workers, xy, triangle, depth
        )
