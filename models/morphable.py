"""The 3D morphable model on MediaPipe's topology: V = mean + identity . S + expression . E, millimetres, head frame.

The head frame has x to the image right when the face looks at the camera (the subject's left), y down, z into the
head, origin between the outer eye corners, which lie 90 mm apart. The file is built by
`models/training/build_morphable.py`; its licence and provenance stand in `models/data/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from models.face import F32, I32
from models.motion import N_EXPRESSION

IOD_MM = 90.0
N_POINTS = 478
N_MESH = 468  # without the ten iris points

OUTER_CORNERS = (33, 263)
FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
UPPER_INNER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_INNER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)  # paired with the row above
MOUTH_CORNERS = (78, 308)
INNER_LIPS = (78, *UPPER_INNER_LIP, 308, *reversed(LOWER_INNER_LIP))
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)


@dataclass(frozen=True)
class Eye:
    """Landmark indices of one eye; upper and lower lid points are paired."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    corners: tuple[int, int]  # image left, image right
    iris: int  # centre; the next four are its ring

    @property
    def contour(self) -> tuple[int, ...]:
        """The aperture as a closed loop."""
        return (self.corners[0], *self.upper, self.corners[1], *reversed(self.lower))


RIGHT_EYE = Eye((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), (33, 133), 468)
LEFT_EYE = Eye((398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249), (362, 263), 473)
EYES = (LEFT_EYE, RIGHT_EYE)  # the order of FaceParams.gaze


@dataclass(frozen=True, eq=False)
class Morphable:
    """The linear model; arrays are float32 and never written to."""

    mean: F32  # (478, 3) mm
    identity: F32  # (I, 478, 3) mm per standard deviation
    basis: F32  # (52 + L, 478, 3) mm: per unit at 1, then per standard deviation
    rigid: F32  # (478,) 0..1, how little a point moves with expression
    mirror: I32  # (478,) partner of each point
    triangles: I32  # (T, 3), eyes and mouth left open

    @cached_property
    def flat(self) -> F32:
        """The basis as a matrix, (52 + L, 478 * 3)."""
        return np.ascontiguousarray(self.basis.reshape(len(self.basis), -1))

    def offsets(self, expression: F32) -> F32:
        """Displacement of every point by an expression, (478, 3) mm."""
        return (expression.astype(np.float32) @ self.flat).reshape(N_POINTS, 3)


def load_morphable(path: Path | None = None) -> Morphable:
    """Read the model file that is committed beside this module."""
    file = path or Path(__file__).parent / "data" / "morphable.npz"
    with np.load(file) as z:
        basis = np.concatenate([z["units"], z["learned"]]).astype(np.float32)
        if len(basis) != N_EXPRESSION:
            raise ValueError(f"{file.name} has {len(basis)} expression components, this engine reads {N_EXPRESSION}")
        rigid = np.ones(N_POINTS, np.float32)
        rigid[: len(z["rigid"])] = z["rigid"]
        return Morphable(
            z["mean"].astype(np.float32),
            z["identity"].astype(np.float32),
            basis,
            rigid,
            z["mirror"].astype(np.int32),
            z["triangles"].astype(np.int32),
        )
