"""Faces and tiny ONNX files for the generator's tests; nothing here needs torch or the trained weights."""

from __future__ import annotations

import numpy as np

from models.morphable import load_morphable


def face_points(size: int = 256, iod: float = 80.0, roll: float = 0.0) -> np.ndarray:
    """The mean face in the middle of a square picture, (478, 3) px, larger z nearer."""
    mean = load_morphable().mean.astype(np.float64) * (iod / 90.0)
    c, s = np.cos(roll), np.sin(roll)
    p = mean @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]).T
    p[:, 2] *= -1
    p[:, :2] += [size / 2, size / 2 - 0.2 * iod]
    return p.astype(np.float32)


def picture(size: int = 256, seed: int = 0) -> np.ndarray:
    """A busy picture (size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
