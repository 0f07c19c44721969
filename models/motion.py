"""Arithmetic on `FaceParams`: the resting face, blending, mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import rotation
from models.face import N_UNITS, FaceParams, InnerLight

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
        blend_light([a.light, b.light], [1.0 - weight, weight]),
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
        blend_light([p.light for p in params], [1.0 / len(params)] * len(params)),
    )


def blend_light(lights: Sequence[InnerLight | None], weights: Sequence[float]) -> InnerLight | None:
    """Average lights under weights that sum to 1, each as far as it is known; None when none is."""
    some = [(x, w) for x, w in zip(lights, weights, strict=True) if x is not None]
    if not some:
        return None
    known = np.asarray(sum(w * x.known for x, w in some), np.float32)
    total = np.asarray(sum(w * x.known[:, None, None] * x.share for x, w in some), np.float32)
    return InnerLight(np.asarray(total / np.maximum(known, 1e-6)[:, None, None], np.float32), known)
