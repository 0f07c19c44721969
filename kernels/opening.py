"""How light an opening is inside, in its own coordinates: measured in one picture, brought into another.

An opening's own coordinates run from 0 to 1: u from its first column to its last, v in every column from its upper
border to its lower one. A grid has its nodes in the middle of equal cells of that square.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check, check_writable
from kernels.jit import exact

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
HALF = 128  # of 255: from here on a pixel of the mask belongs to the opening


def measure_light(crop: U8, painted: F32, masks: U8, share: F32, prior: float, most: float, *,
                  lips: bool = False) -> tuple[int, float, float]:  # fmt: skip
    """Measure luma (Rec. 601) on the nodes of a grid, as a share of the luma around the opening.

    crop (S, S, 3 or more) uint8 RGB; painted (S, S, 4) float32 is laid over it first, premultiplied colour 0..255 and
    cover 0..1, or has no rows: (0, 0, 4). masks (S, S, 1 or more) uint8, the first the opening, which lies within the
    last; share (R, C) float32 is overwritten, R and C at least 2. Every pixel is shared among four nodes, bilinearly;
    `prior` pixels of the opening's mean belong to every node; shares are at most `most`. Returns the pixels of the
    opening, the luma around it, 0..255 (of the last mask's box, wider by an eighth of S, or with `lips` of the last
    mask itself; less the opening), and the mean share.
    Raises TypeError or ValueError, naming the array.
    """
    check("crop", crop, (np.uint8,), (None, None, None))
    check("painted", painted, (np.float32,), (*(crop.shape[:2] if painted.size else (0, 0)), 4))
    check("share", share, (np.float32,), (None, None))
    _check_masks(masks, crop.shape[:2])
    check_writable("share", share)
    _check_grid(share)
    pixels, around, mean = _measure(crop, painted, masks, share, prior, most, lips)
    return int(pixels), float(around), float(mean)


def add_light(grid: F32, crop: U8, masks: U8, painted: F32, colours: F32, step: float, pull: float) -> None:
    """Add a grid of luma to a finished crop where its opening is, by changing what is painted there, in place.

    grid (R, C) float32, R and C at least 2, drawn bilinearly; crop, masks and painted as in `measure_light`, painted
    with rows; of the first mask, within the last, over 255, so much is added. colours (N, 3) float32 of luma 1 say of
    what hue a luma is (row n at (n + 0.5) * step, linear between, the ends beyond): what gets lighter gains the hue of
    its new luma, what gets darker is scaled and its hue goes as the colours do; then what is painted goes the share
    `pull` of the way to that hue, as far as it covers.
    Raises TypeError or ValueError, naming the array.
    """
    check("grid", grid, (np.float32,), (None, None))
    check("crop", crop, (np.uint8,), (None, None, None))
    check("painted", painted, (np.float32,), (*crop.shape[:2], 4))
    check("colours", colours, (np.float32,), (None, 3))
    _check_masks(masks, painted.shape[:2])
    check_writable("painted", painted)
    _check_grid(grid)
    _add(grid, crop, masks, painted, colours, 1.0 / max(step, 1e-6), pull)


def _check_masks(masks: U8, size: tuple[int, ...]) -> None:
    """Masks may be channels of a picture, which are not contiguous."""
    if not isinstance(masks, np.ndarray) or masks.dtype != np.uint8:
        raise TypeError("masks: expected a NumPy array of uint8")
    if masks.ndim != 3 or masks.shape[:2] != size or not masks.shape[2]:
        raise ValueError(f"masks: expected ({size[0]}, {size[1]}, 1 or more), got {masks.shape}")


def _check_grid(grid: F32) -> None:
    if min(grid.shape) < 2:
        raise ValueError(f"grid: expected at least two rows and columns, got {grid.shape}")


@exact
def _box(masks: Any) -> tuple[int, int, int, int]:
    """First and last column and row of the last mask; the last ones before the first where there is nothing."""
    last = masks.shape[2] - 1
    x0, x1, y0, y1 = masks.shape[1], -1, masks.shape[0], -1
    for y in range(masks.shape[0]):
        for x in range(masks.shape[1]):
            if masks[y, x, last] > 0:
                x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), y
    return x0, x1, y0, y1


@exact
def _borders(masks: Any, box: Any, top: Any, bottom: Any) -> tuple[int, int]:
    """First and last row of the opening in every column, -1 where there is none; returns its first and last column."""
    x0, x1, y0, y1 = box
    top[:] = -1
    bottom[:] = -1
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            if masks[y, x, 0] >= HALF:
                if top[x] < 0:
                    top[x] = y
                bottom[x] = y
    left, right = -1, -1
    for x in range(x0, x1 + 1):
        if top[x] >= 0:
            if left < 0:
                left = x
            right = x
    return left, right


@exact
def _measure(
    crop: Any, painted: Any, masks: Any, share: Any, prior: float, most: float, lips: bool
) -> tuple[int, float, float]:
    rows, columns = share.shape
    size = masks.shape[1]
    top, bottom = np.empty(size, np.int32), np.empty(size, np.int32)
    light, weight = np.zeros((rows, columns)), np.zeros((rows, columns))
    share[:] = np.float32(0.0)
    x0, x1, y0, y1 = _box(masks)
    left, right = _borders(masks, (x0, x1, y0, y1), top, bottom)
    margin, last = 0 if lips else size // 8, masks.shape[2] - 1
    around, inside, outside, pixels = 0.0, 0.0, 0, 0
    for y in range(max(0, y0 - margin), min(masks.shape[0], y1 + margin + 1)):
        for x in range(max(0, x0 - margin), min(size, x1 + margin + 1)):
            luma = 0.299 * crop[y, x, 0] + 0.587 * crop[y, x, 1] + 0.114 * crop[y, x, 2]
            if painted.shape[0]:
                luma = luma * (1.0 - painted[y, x, 3]) + (
                    0.299 * painted[y, x, 0] + 0.587 * painted[y, x, 1] + 0.114 * painted[y, x, 2]
                )
            if masks[y, x, 0] < HALF:
                if not lips or masks[y, x, last] >= HALF:
                    around += luma
                    outside += 1
            else:
                u = (x - left + 0.5) / (right - left + 1) * columns - 0.5
                v = (y - top[x] + 0.5) / (bottom[x] - top[x] + 1) * rows - 0.5
                u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
                i, j = min(int(u), columns - 2), min(int(v), rows - 2)
                fu, fv = u - i, v - j
                for dj in range(2):
                    for di in range(2):
                        w = (fu if di else 1.0 - fu) * (fv if dj else 1.0 - fv)
                        light[j + dj, i + di] += w * luma
                        weight[j + dj, i + di] += w
                inside += luma
                pixels += 1
    around = around / max(outside, 1)
    if pixels == 0:
        return 0, around, 0.0
    inside /= pixels
    mean = 0.0
    for j in range(rows):
        for i in range(columns):
            value = (light[j, i] + prior * inside) / (weight[j, i] + prior) / max(around, 1.0)
            share[j, i] = np.float32(min(max(value, 0.0), most))
            mean += share[j, i]
    return pixels, around, mean / (rows * columns)


@exact
def _add(grid: Any, crop: Any, masks: Any, painted: Any, colours: Any, finer: float, pull: float) -> None:
    rows, columns = grid.shape
    size = masks.shape[1]
    top, bottom = np.empty(size, np.int32), np.empty(size, np.int32)
    x0, x1, y0, y1 = _box(masks)
    left, right = _borders(masks, (x0, x1, y0, y1), top, bottom)
    if left < 0:
        return
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            if masks[y, x, 0] == 0:
                continue
            near = min(max(x, left), right)  # the soft rim reaches beyond the opening
            while top[near] < 0:
                near -= 1  # a column that pinches the opening off looks like the one before
            u = (near - left + 0.5) / (right - left + 1) * columns - 0.5
            v = (y - top[near] + 0.5) / (bottom[near] - top[near] + 1) * rows - 0.5
            u, v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
            i, j = min(int(u), columns - 2), min(int(v), rows - 2)
            fu, fv = u - i, v - j
            upper = grid[j, i] + fu * (grid[j, i + 1] - grid[j, i])
            lower = grid[j + 1, i] + fu * (grid[j + 1, i + 1] - grid[j + 1, i])
            part = masks[y, x, 0] / 255.0
            more = (upper + fv * (lower - upper)) * part
            clear = 1.0 - painted[y, x, 3]
            r = crop[y, x, 0] * clear + painted[y, x, 0]
            g = crop[y, x, 1] * clear + painted[y, x, 1]
            b = crop[y, x, 2] * clear + painted[y, x, 2]
            before = r, g, b
            r, g, b = min(max(r, 0.0), 255.0), min(max(g, 0.0), 255.0), min(max(b, 0.0), 255.0)
            old = max(0.299 * r + 0.587 * g + 0.114 * b, 1.0)
            new = max(old + more, 0.0)
            r1, g1, b1 = _hue(colours, new * finer)
            if more >= 0.0:
                r2, g2, b2 = r + more * r1, g + more * g1, b + more * b1
            else:
                r0, g0, b0 = _hue(colours, old * finer)
                r2, g2, b2 = r * r1 / r0, g * g1 / g0, b * b1 / b0
            k = new / max(0.299 * r2 + 0.587 * g2 + 0.114 * b2, 1e-3)
            w = pull * part * painted[y, x, 3]
            painted[y, x, 0] += np.float32((1.0 - w) * k * r2 + w * new * r1 - before[0])
            painted[y, x, 1] += np.float32((1.0 - w) * k * g2 + w * new * g1 - before[1])
            painted[y, x, 2] += np.float32((1.0 - w) * k * b2 + w * new * b1 - before[2])


@exact
def _hue(colours: Any, at: float) -> tuple[float, float, float]:
    """Colour of luma 1 at a place between the rows, the first at 0.5."""
    last = colours.shape[0] - 1
    p = min(max(at - 0.5, 0.0), float(last))
    i = min(int(p), max(last - 1, 0))
    j, f = min(i + 1, last), p - i
    return (
        colours[i, 0] + f * (colours[j, 0] - colours[i, 0]),
        colours[i, 1] + f * (colours[j, 1] - colours[i, 1]),
        colours[i, 2] + f * (colours[j, 2] - colours[i, 2]),
    )
