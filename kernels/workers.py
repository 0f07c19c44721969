"""How many threads a kernel runs on, and what keeps two callers apart."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt

BAND_BYTES = 1 << 18
"""What a band's scratch may take: a quarter of the second-level cache of the machines this is made for."""

MANY_TRIANGLES = 8192
"""Above this, listing the visible triangles is worth a parallel pass of its own."""

_ONE_AT_A_TIME = threading.Lock()  # Numba's fallback layer aborts the process when two threads launch at once


def worker_count(threads: int | None) -> int:
    """Return how many workers a kernel is split into: `threads`, or every core Numba was given.

    Raises ValueError for less than one.
    """
    if threads is None:
        return int(numba.config.NUMBA_NUM_THREADS)
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    return int(threads)


def worth(threads: int | None, pixels: int, triangles: int) -> int:
    """Return how many workers a job is split into: `threads`, or as many cores as the work repays.

    A worker more for each half megapixel or 262,144 triangles: below that a hand-over gains little on a quiet machine
    and loses a whole scheduler slice on a busy one (docs/decisions/0306). Raises ValueError for less than one.
    """
    cores = worker_count(threads)
    return cores if threads is not None else min(cores, 1 + (pixels >> 19) + (triangles >> 18))


def band_shift(height: int, width: int, pixel_bytes: int, workers: int) -> int:
    """Return the log2 of the rows of a band: its scratch fits a core's cache and every worker has two bands or more."""
    shift = 3
    while (2 << shift) * width * pixel_bytes <= BAND_BYTES and (2 << shift) * 2 * workers <= max(height, 1):
        shift += 1
    return shift


def first_bad(counts: npt.NDArray[np.int64]) -> int:
    """Return what the runs of a listing kernel found: -1 - the first triangle with a bad index, or 0."""
    return int(counts[counts < 0].max()) if counts.min() < 0 else 0


@contextlib.contextmanager
def parallel_region() -> Iterator[None]:
    """Hold whatever the threading layer needs while a parallel kernel runs (docs/decisions/0302)."""
    # read once by OpenMP, when Numba loads it: a spinning barrier on a busy machine costs a whole scheduler slice
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if _layer_is_safe():
        yield
        return
    with _ONE_AT_A_TIME:
        yield


def _layer_is_safe() -> bool:
    try:
        return bool(numba.threading_layer() != "workqueue")
    except ValueError:  # not known before the first launch
        return False
