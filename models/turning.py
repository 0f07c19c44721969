"""How far a tracked head truly turned, for those who are told its turn in numbers.

The landmark network under-reads turns, by more in one person than in the next, and what it loses shows in the
expression that the fit makes up. A ridge regression on both gives most of it back (docs/decisions/0004). A photo must
not be moved by it: its own turn was read by the same network, and the loss cancels there.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from models import rotation
from models.face import F64, FaceParams
from models.motion import N_EXPRESSION, N_LEARNED

DATA = Path(__file__).resolve().parent / "data" / "turning.npz"
_UNIT_RAD = 0.35  # turns count in units of it
_SQUARES = ((0, 1), (1, 2), (0, 2), (0, 0), (1, 1))
N_FEATURES = 3 + len(_SQUARES) + 2 + N_EXPRESSION
_LEARNED_UNIT = 2.0


def features(turn: F64, change: F64) -> F64:
    """What the regression looks at, (T, N_FEATURES): turns (T, 3) rad from rest, change of expression (T, 52 + L)."""
    t = np.asarray(turn, np.float64) / _UNIT_RAD
    squares = np.stack([t[:, i] * t[:, j] for i, j in _SQUARES], 1)
    signed = t[:, :2] * np.abs(t[:, :2])
    e = np.asarray(change, np.float64).copy()
    e[:, -N_LEARNED:] /= _LEARNED_UNIT
    return np.concatenate([t, squares, signed, e], 1)


def true_turn(params: FaceParams, neutral: FaceParams, weights: F64 | None = None) -> F64:
    """Rotation (4,) of a head whose tracked params are these, `neutral`'s being right; at rest it is neutral's.

    `weights` (N_FEATURES, 3), radians, instead of the shipped ones.
    """
    turn = rotation.log(rotation.multiply(params.rotation, rotation.inverse(neutral.rotation)))
    change = np.asarray(params.expression - neutral.expression, np.float64)
    missed = features(turn[None], change[None])[0] @ (load_weights() if weights is None else weights)
    return rotation.multiply(rotation.exp(turn + missed), neutral.rotation)


def told(params: FaceParams, neutral: FaceParams) -> FaceParams:
    """Params as they are told to others: the rotation is the true one."""
    return params.with_(rotation=true_turn(params, neutral))


@functools.cache
def load_weights(path: Path = DATA) -> F64:
    """Read the shipped weights, (N_FEATURES, 3)."""
    with np.load(path) as z:
        weights = np.asarray(z["weights"], np.float64)
    if weights.shape != (N_FEATURES, 3):
        raise ValueError(f"{path.name} has weights of shape {weights.shape}, this engine reads {(N_FEATURES, 3)}")
    return weights
