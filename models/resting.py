"""What of a driver's neutral is rest, and what is expression that happened to be on when neutral was taken.

Motion is measured from the driver's neutral. Whoever speaks or smiles in that moment would otherwise leave a puppet
whose mouth does not open until theirs opens wider still. So a unit counts as rest only as far as resting faces show it;
the remainder stays expression. Against a source that shows the same (a clip that drives its own first frame) nothing
changes.
"""

from __future__ import annotations

import functools

import numpy as np

from models.face import F32, N_UNITS, UNITS, FaceParams

# 95th percentile of our own fit over 118 neutral portraits (London and Canadian sets of the Face Research Lab), the
# larger of left and right; what stays below FLOOR is left out. `python -m models.training.measure_rest` prints it.
FLOOR = 0.05
MOST_AT_REST = {
    "browDown": 0.53, "browInnerUp": 0.25, "browOuterUp": 0.34, "eyeLookDown": 0.38, "eyeLookIn": 0.27,
    "eyeLookOut": 0.27, "eyeLookUp": 0.21, "eyeSquint": 0.54, "mouthPress": 0.30, "mouthPucker": 0.57,
    "mouthRollLower": 0.14, "mouthRollUpper": 0.08, "mouthShrugLower": 0.70, "mouthShrugUpper": 0.23,
    "mouthSmile": 0.23,
}  # fmt: skip


@functools.cache
def most_at_rest() -> F32:
    """Return the most that a resting face shows of every unit, (52,) 0..1."""
    return np.array([MOST_AT_REST.get(side_free(u), FLOOR) for u in UNITS], np.float32)


def side_free(unit: str) -> str:
    """Name of a unit without the side of the face; jawLeft and mouthLeft are directions and keep theirs."""
    if unit in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return unit
    return unit.removesuffix("Left").removesuffix("Right")


def settle(neutral: FaceParams, source: FaceParams) -> FaceParams:
    """Return the neutral to measure motion from when `source` is to be moved.

    Of a unit beyond the most at rest only that much is taken off the driver's motion, and as much of the source's own
    given up: source + driver - neutral becomes driver + w (source - neutral), w = most / neutral. Where source and
    neutral are equal this is the driver itself, whatever w is. Poses, gaze and learned components are left alone.
    """
    n, own = neutral.expression[:N_UNITS], source.expression[:N_UNITS]
    most = most_at_rest()
    if not (n > most).any():
        return neutral
    w = most / np.maximum(n, most)
    expression = neutral.expression.copy()
    expression[:N_UNITS] = own + w * (n - own)
    return neutral.with_(expression=expression)
