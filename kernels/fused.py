"""Rasterise and sample band by band: the map never leaves the cache (compiled by Numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from kernels.bands import longest
from kernels.jit import exact, interpolating, parallel
from kernels.lanes import LANES
from kernels.map_lanes import locate, sample
from kernels.raster import draw_scratch
from kernels.shade import half_bits
from kernels.vector import mix


@interpolating
def locate_row(planes: Any, ids: Any, at: int, y: int, left: int, right: int, source: Any, taps: Any) -> None:
    """Find the source taps of columns [left, right) of row y, whose ids start at `at`; elsewhere they mean nothing.

    planes (., 6) float64; source: (height, width, numbers in a pixel) of the source; taps: (start, fx, fy) of one row.
    """
    height, width, channels = source
    limits = (np.float32(width - 1), np.float32(height - 1))
    sizes = (np.int32(max(width - 2, 0)), np.int32(max(height - 2, 0)), np.int32(width * channels), np.int32(channels))
    start, fx, fy = taps
    row = np.float64(y)
    x = left
    while x < right:
        i = np.uint64(ids[np.uint64(at + x)])
        plane = (planes[i, 0] + planes[i, 2] * row, planes[i, 1], planes[i, 3] + planes[i, 5] * row, planes[i, 4])
        x += locate(ids, np.uint64(at + x), x, plane, limits, sizes, start, fx, fy)


@interpolating
def compose_rows(
    person: Any, planes: Any, plate: Any, ids: Any, pitch: int, left: int, right: int, top: int, bottom: int, taps: Any,
    out: Any,
) -> None:  # fmt: skip
    """Lay the sampled person over the plate in columns [left, right), rows [top, bottom), where a triangle is.

    person (Hs, Ws, 4) float32; planes (., 6) float64; ids: flat int32; plate, out (H, W, 3) uint8; taps: row scratch.
    """
    step = np.uint64(4 * min(1, person.shape[1] - 1))
    below = np.uint64(4 * person.shape[1] * min(1, person.shape[0] - 1))
    start, fx, fy = taps
    flat, under, pixels = person.reshape(-1), plate.reshape(-1), out.reshape(-1)
    for y in range(top, bottom):
        at = (y - top) * pitch
        locate_row(planes, ids, at, y, left, right, (person.shape[0], person.shape[1], 4), taps)
        to = np.uint64(3 * (y * out.shape[1] + left))
        for x in range(np.uint64(left), np.uint64(right)):
            if ids[np.uint64(at) + x] != 0:
                mix(flat, np.uint64(start[x]), below, step, fx[x], fy[x], under, pixels, to)
            to += np.uint64(3)


@interpolating
def sample_rows(
    image: Any, planes: Any, ids: Any, pitch: int, left: int, right: int, top: int, bottom: int, taps: Any, out: Any
) -> None:
    """Write bilinear samples in columns [left, right), rows [top, bottom), where a triangle is.

    image (Hs, Ws, 3) uint8 of two by two pixels or more; out (H, W, 3) uint8; the others as `compose_rows`.
    """
    row = np.uint64(3 * image.shape[1])
    # a vector step reads eight bytes of either row: at the very end of the picture that is two too many
    safe = np.int64(image.size) - np.int64(row) - 8
    start, fx, fy = taps
    flat, pixels = image.reshape(-1), out.reshape(-1)
    for y in range(top, bottom):
        at = (y - top) * pitch
        locate_row(planes, ids, at, y, left, right, (image.shape[0], image.shape[1], 3), taps)
        to = np.uint64(3 * (y * out.shape[1] + left))
        for x in range(np.uint64(left), np.uint64(right)):
            if ids[np.uint64(at) + x] != 0:
                first = np.uint64(start[x])
                if start[x] <= safe:
                    sample(flat, first, row, fx[x], fy[x], pixels, to)
                else:
                    for c in range(np.uint64(3)):
                        a, b = np.float32(flat[first + c]), np.float32(flat[first + c + np.uint64(3)])
                        a2, b2 = np.float32(flat[first + row + c]), np.float32(flat[first + row + c + np.uint64(3)])
                        a, b = a + (a2 - a) * fy[x], b + (b2 - b) * fy[x]
                        pixels[to + c] = np.uint8(a + (b - a) * fx[x] + np.float32(0.5))
            to += np.uint64(3)


@interpolating
def tensor_rows(
    image: Any, planes: Any, ids: Any, pitch: int, left: int, right: int, top: int, bottom: int, taps: Any, scale: Any,
    offset: Any, half: bool, out: Any,
) -> None:  # fmt: skip
    """Write bilinear samples as planes, sample * scale + offset, in columns [left, right), rows [top, bottom).

    image (Hs, Ws, 3) uint8 of two by two pixels or more; out (3, H, W) float32, uint8, or uint16 holding float16 bits
    when `half`; the others as `compose_rows`.
    """
    row, three = np.uint64(3 * image.shape[1]), np.uint64(3)
    start, fx, fy = taps
    flat = image.reshape(-1)
    whole = out.itemsize == 1
    for y in range(top, bottom):
        at = (y - top) * pitch
        locate_row(planes, ids, at, y, left, right, (image.shape[0], image.shape[1], 3), taps)
        for c in range(np.uint64(3)):
            out_row = out[c, y]
            for x in range(np.uint64(left), np.uint64(right)):
                if ids[np.uint64(at) + x] == 0:
                    continue
                i = np.uint64(start[x]) + c
                a, b = np.float32(flat[i]), np.float32(flat[i + three])
                a2, b2 = np.float32(flat[i + row]), np.float32(flat[i + row + three])
                a, b = a + (a2 - a) * fy[x], b + (b2 - b) * fy[x]
                value = np.float32((a + (b - a) * fx[x]) * scale + offset)
                if half:
                    out_row[x] = half_bits(value)
                elif whole:
                    out_row[x] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)) + np.float32(0.5))
                else:
                    out_row[x] = value


@interpolating
def row_taps(width: int) -> Any:
    """Return row scratch for `locate_row`: first numbers of taps, and positions between them."""
    length = width + LANES
    return np.empty(length, np.int32), np.empty(length, np.float32), np.empty(length, np.float32)


@exact
def keep_depth(depth: Any, at: int, drawn: bool, out: Any) -> None:
    """Copy one row of a band's depth, which starts at `at`, or mark the row as not covered."""
    if drawn:
        first = np.uint64(at)
        for x in range(np.uint64(out.shape[0])):
            out[x] = depth[first + x]
    else:
        for x in range(out.shape[0]):
            out[x] = -np.inf


@interpolating
def compose_bands(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    worker: int, workers: int, person: Any, plate: Any, out: Any, near: Any,
) -> None:  # fmt: skip
    """Rasterise and compose bands worker, worker + workers, ...; `out` already holds the plate.

    near: (H, W) float32 receives the depth, or (0, 0) where nobody wants it.
    """
    height, width = out.shape[:2]
    pitch = width + LANES
    depth, ids = np.empty(pitch << shift, np.float32), np.empty(pitch << shift, np.int32)
    planes = np.zeros((longest(starts, worker, workers) + 1, 6))
    taps = row_taps(width)
    for band in range(worker, starts.shape[0] - 1, workers):
        left, top, right, bottom = draw_scratch(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, band, height, pitch, depth, ids,
            planes,
        )  # fmt: skip
        compose_rows(person, planes, plate, ids, pitch, left, right, top, bottom, taps, out)
        for y in range(band << shift, min(near.shape[0], (band + 1) << shift)):
            keep_depth(depth, (y - top) * pitch, top <= y < bottom, near[y])


@interpolating
def sample_bands(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    worker: int, workers: int, image: Any, out: Any,
) -> None:  # fmt: skip
    """Rasterise and sample bands worker, worker + workers, ... of a cleared `out`."""
    height, width = out.shape[:2]
    pitch = width + LANES
    depth, ids = np.empty(pitch << shift, np.float32), np.empty(pitch << shift, np.int32)
    planes = np.zeros((longest(starts, worker, workers) + 1, 6))
    taps = row_taps(width)
    for band in range(worker, starts.shape[0] - 1, workers):
        left, top, right, bottom = draw_scratch(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, band, height, pitch, depth, ids,
            planes,
        )  # fmt: skip
        sample_rows(image, planes, ids, pitch, left, right, top, bottom, taps, out)


@interpolating
def tensor_bands(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    worker: int, workers: int, image: Any, scale: Any, offset: Any, half: bool, out: Any,
) -> None:  # fmt: skip
    """Rasterise and sample bands worker, worker + workers, ... into a cleared (3, H, W) `out`."""
    height, width = out.shape[1:]
    pitch = width + LANES
    depth, ids = np.empty(pitch << shift, np.float32), np.empty(pitch << shift, np.int32)
    planes = np.zeros((longest(starts, worker, workers) + 1, 6))
    taps = row_taps(width)
    for band in range(worker, starts.shape[0] - 1, workers):
        left, top, right, bottom = draw_scratch(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, band, height, pitch, depth, ids,
            planes,
        )  # fmt: skip
        tensor_rows(image, planes, ids, pitch, left, right, top, bottom, taps, scale, offset, half, out)


@parallel
def compose(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    workers: int, person: Any, plate: Any, out: Any, near: Any,
) -> None:  # fmt: skip
    """Rasterise and compose the whole picture with `workers` threads."""
    for w in prange(workers):
        compose_bands(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, w, workers, person, plate, out, near
        )


@parallel
def sampled(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    workers: int, image: Any, out: Any,
) -> None:  # fmt: skip
    """Rasterise and sample the whole picture with `workers` threads."""
    for w in prange(workers):
        sample_bands(vertices, source, triangles, snapped, kept, box, starts, listed, shift, w, workers, image, out)


@parallel
def tensor(
    vertices: Any, source: Any, triangles: Any, snapped: Any, kept: Any, box: Any, starts: Any, listed: Any, shift: int,
    workers: int, image: Any, scale: Any, offset: Any, half: bool, out: Any,
) -> None:  # fmt: skip
    """Rasterise and sample the whole picture into planes with `workers` threads."""
    for w in prange(workers):
        tensor_bands(
            vertices, source, triangles, snapped, kept, box, starts, listed, shift, w, workers, image, scale, offset,
            half, out,
        )  # fmt: skip
