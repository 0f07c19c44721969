"""Arithmetic on `FaceParams`: the resting face, blending, mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import rotation
from models.face import N_UNITS, FaceParams

N_LEARNED = 40
N_EXPRESSION = N_UNITS + N_LEARNED


def neutral_params() -> FaceParams:
    """Return a resting face that looks straight at the camera from nowhere in particular (translation 0 mm)."""
    return FaceParams(
        rotation.identity(), np.zeros(3), np.zeros(N_EXPRESSION, np.float32), np.zeros((2, 2), np.float32)
    )


def blend(a: FaceParams, b: FaceParams, weight: float) -> FaceParams:
    """Move from `a` (weight 0) to `b` (weight 1): rotations along the shortest arc, everything else linearly."""
    if weight <= 0.0:
        return a
    if weight >= 1.0:
        return b
    w = np.float32(weight)
    return FaceParams(
        rotation.slerp(a.rotation, b.rotation, weight),
        a.translation + weight * (b.translation - a.translation),
        a.expression + w * (b.expression - a.expression),
        a.gaze + w * (b.gaze - a.gaze),
    )


def mean(params: Sequence[FaceParams]) -> FaceParams:
    """Average instants of one face (Karcher mean of rotations, two steps: they lie close together)."""
    if not params:
        raise ValueError("mean of no params")
    q = params[0].rotation
    for _ in range(2):
        step = np.mean([rotation.log(rotation.multiply(rotation.inverse(q), p.rotation)) for p in params], axis=0)
        q = rotation.multiply(q, rotation.exp(step))
    return FaceParams(
        q,
        np.mean([p.translation for p in params], axis=0),
        np.mean([p.expression for p in params], axis=0, dtype=np.float32),
        np.mean([p.gaze for p in params], axis=0, dtype=np.float32),
    )
