"""Bands of rows: each holds the list of triangles that touch it, and one worker draws it from first to last.

No two workers share a row, so depth and colour need no lock and no atomic, and a list keeps the order of the mesh, so
that the earlier triangle keeps a tie whatever the number of workers (compiled by Numba).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.jit import exact


@exact
def bands_of(box: Any, counts: Any, total: int, shift: int, height: int) -> Any:
    """Sort the listed triangles into the bands of 2^shift rows they touch, keeping their order in each.

    box (T, 4) int32 (left, top, right, bottom) is filled in runs: run r holds counts[r] of them from total * r // runs
    on. Returns starts (bands + 1,) int64 and listed (.,) int32: band b holds listed[starts[b] : starts[b + 1]].
    """
    bands = ((height - 1) >> shift) + 1
    starts = np.zeros(bands + 2, np.int64)
    runs = counts.shape[0]
    for r in range(runs):
        first = total * r // runs
        for k in range(first, first + counts[r]):
            for band in range(box[k, 1] >> shift, (box[k, 3] >> shift) + 1):
                starts[band + 2] += 1
    for band in range(bands):
        starts[band + 2] += starts[band + 1]
    listed = np.empty(starts[bands + 1], np.int32)
    for r in range(runs):
        first = total * r // runs
        for k in range(first, first + counts[r]):
            for band in range(box[k, 1] >> shift, (box[k, 3] >> shift) + 1):
                listed[starts[band + 1]] = k
                starts[band + 1] += 1
    return starts[: bands + 1], listed


@exact
def longest(starts: Any, worker: int, workers: int) -> int:
    """Return the longest list among the bands worker, worker + workers, ..."""
    most = 0
    for band in range(worker, starts.shape[0] - 1, workers):
        most = max(most, starts[band + 1] - starts[band])
    return most


@exact
def around(box: Any, listed: Any, top: int, bottom: int) -> Any:
    """Return (left, top, right, bottom), ends exclusive, of what the listed triangles touch of rows [top, bottom)."""
    left, right, low, high = np.int32(1 << 30), np.int32(-1), np.int32(1 << 30), np.int32(-1)
    for k in listed:
        left, right = min(left, box[k, 0]), max(right, box[k, 2])
        low, high = min(low, box[k, 1]), max(high, box[k, 3])
    return np.int64(left), max(np.int64(low), top), np.int64(right) + 1, min(np.int64(high) + 1, bottom)
