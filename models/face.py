"""The two nouns of the engine: the params of one instant and the prepared source face."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

UNITS: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 ARKit names in the order of `FaceParams.expression[:52]` (left and right are the subject's own)."""

UNIT: dict[str, int] = {name: i for i, name in enumerate(UNITS)}
N_UNITS = len(UNITS)


@dataclass(frozen=True, eq=False)
class InnerLight:
    """How light the mouth and the eyes of a face are inside (`models/inner_light.py`)."""

    share: F32  # (3, 8, 8) luma over the luma around: mouth, the subject's left eye, right eye (mirrored)
    known: F32  # (3,) 0..1: 0 of closed ones


@dataclass(frozen=True, eq=False)
class FaceParams:
    """One instant of a face: head pose, expression and gaze (`docs/conventions.md` holds the frames)."""

    rotation: F64  # (4,) unit quaternion wxyz, camera_from_head; identity looks straight at the camera
    translation: F64  # (3,) mm, camera frame (x right, y down, z forward), of the head origin
    expression: F32  # (52 + L,) ARKit units 0..1, then L learned components in standard deviations
    gaze: F32  # (2, 2) radians, rows left and right eye (the subject's), columns yaw (to image right) and pitch (down)
    light: InnerLight | None = None  # None: not known, as of what is not a picture

    def with_(self, **changes: Any) -> FaceParams:
        """Return a copy with some fields replaced."""
        return replace(self, **changes)
