"""A picture at rest, one pass each: how far it is from what is held, and what is held moved towards it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check, check_writable
from kernels.jit import interpolating

F32 = npt.NDArray[np.float32]


def change(picture: npt.NDArray[np.uint8], held: F32) -> float:
    """Return the mean absolute difference over all channels, grey levels; the last channel counts as weight, 1 + value.

    picture (H, W, C) uint8, held the same shape float32. Raises TypeError or ValueError, naming the array.
    """
    check("picture", picture, (np.uint8,), (None, None, None))
    check("held", held, (np.float32,), picture.shape)
    return float(_change(picture.reshape(-1), held.reshape(-1), picture.shape[2]))


def follow(held: F32, new: npt.NDArray[Any], share: float) -> None:
    """Move what is held a share of the way to what is new, in place: held += share * (new - held); 1 copies exactly.

    held float32 and new uint8 or float32, of one shape. Raises TypeError or ValueError, naming the array.
    """
    check("held", held, (np.float32,), tuple(None for _ in held.shape))
    check("new", new, (np.uint8, np.float32), held.shape)
    check_writable("held", held)
    if share >= 1.0:
        held[...] = new
    else:
        _follow(held.reshape(-1), new.reshape(-1), np.float32(share))


@interpolating
def _change(picture: Any, held: Any, channels: Any) -> Any:
    total = weights = np.float32(0.0)
    for first in range(np.uint64(0), np.uint64(picture.shape[0]), np.uint64(channels)):
        here = np.float32(0.0)
        for k in range(np.uint64(channels)):
            here += abs(np.float32(picture[first + k]) - held[first + k])
        weight = np.float32(1.0) + np.float32(picture[first + np.uint64(channels - 1)])
        total += here * weight
        weights += weight
    return total / (weights * np.float32(channels)) if weights > np.float32(0.0) else np.float32(0.0)


@interpolating
def _follow(held: Any, new: Any, share: Any) -> None:
    for k in range(held.shape[0]):
        held[k] += share * (np.float32(new[k]) - held[k])
