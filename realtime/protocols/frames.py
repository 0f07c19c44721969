"""Conversions between the engine's params and the frames of Unity (VMC) and ARKit (phones); `docs/protocols.md`.

The engine's camera frame is x to the image right (the subject's left), y down, z away from the camera, in mm. Unity's
avatar frame is x to the avatar's right, y up, z out of the face, in metres: every axis points the other way, so a
rotation matrix is the same in both, and a position is divided by -1000. ARKit's camera frame is x to the image right,
y up, z out of the face, in metres: half a turn about x.
"""

from __future__ import annotations

import numpy as np

from models import lids, rotation
from models.face import F32, F64, N_UNITS, UNIT, UNITS, FaceParams
from models.motion import N_EXPRESSION
from models.shell import PIVOT_MM

NOMINAL_MM = 600.0  # distance of a head whose sender knows no camera
LOOK_RAD = 0.5  # eyeLook at 1, about 29 degrees
_REST_MM = PIVOT_MM + np.array([0.0, 0.0, NOMINAL_MM])  # pivot of a head that looks straight at the camera
_ANCHOR_MM = np.array([0.0, -27.0, -26.0])  # ARKit's face anchor to the middle of the eyes, head frame
_BY_LOWER = {name.lower(): i for i, name in enumerate(UNITS)}
_PARTNER = np.array([
    UNIT.get(name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right"), i)
    for i, name in enumerate(UNITS)
])  # fmt: skip


def unit_index(name: str) -> int | None:
    """Return the index of an ARKit unit by any of its spellings: jawOpen, JawOpen, eyeBlink_L; None for others."""
    key = name.lower()
    if key.endswith("_l"):
        key = key[:-2] + "left"
    elif key.endswith("_r"):
        key = key[:-2] + "right"
    return _BY_LOWER.get(key)


def expression_of(units: F32) -> F32:
    """Return a row of params (52 + L,) that holds these 52 units, clipped to 0..1, and no learned components."""
    row = np.zeros(N_EXPRESSION, np.float32)
    row[:N_UNITS] = np.clip(units, 0.0, 1.0)
    return row


def gaze_of_units(units: F32) -> F32:
    """Return gaze (2, 2) radians from the eight eyeLook units, for senders that turn no eye bones."""

    def look(direction: str, side: str) -> float:
        return float(units[UNIT[f"eyeLook{direction}{side}"]])

    yaw = (look("Out", "Left") - look("In", "Left"), look("In", "Right") - look("Out", "Right"))
    pitch = [look("Down", side) - look("Up", side) for side in ("Left", "Right")]
    return np.array([[yaw[0], pitch[0]], [yaw[1], pitch[1]]], np.float32) * np.float32(LOOK_RAD)


def unity_gaze(gaze: F32) -> list[F64]:
    """Return the local quaternions (wxyz, Unity) of the left and the right eye bone for gaze (2, 2) radians."""
    turns = []
    for yaw, pitch in np.asarray(gaze, np.float64):
        turns.append(
            rotation.multiply(rotation.exp(np.array([0.0, -yaw, 0.0])), rotation.exp(np.array([pitch, 0.0, 0.0])))
        )
    return turns


def gaze_of_unity(q: F64) -> tuple[float, float]:
    """Return yaw and pitch (radians, the engine's) of an eye bone's local quaternion (wxyz, Unity)."""
    x, y, z = rotation.matrix(q)[:, 2]
    return -float(np.arctan2(x, z)), float(np.arcsin(np.clip(-y, -1.0, 1.0)))


def params_of_arkit(units: F32, degrees: F64, metres: F64, eyes: tuple[F64 | None, F64 | None]) -> FaceParams:
    """Params of a phone's head.

    units (52,) 0..1; degrees (3,) about ARKit's x (down), y (to the image right), z, applied z first, y last; metres
    (3,) of the face anchor in the camera's frame, zeros when the sender knows none; eyes left, right: degrees (3,)
    relative to the head, or None.
    """
    x, y, z = np.radians(degrees)
    turn = rotation.multiply(
        rotation.multiply(rotation.exp(np.array([0.0, y, 0.0])), rotation.exp(np.array([x, 0.0, 0.0]))),
        rotation.exp(np.array([0.0, 0.0, z])),
    )
    q = turn * np.array([1.0, 1.0, -1.0, -1.0])  # half a turn about x: the other two axes change their sign
    anchor = metres * np.array([1000.0, -1000.0, -1000.0])
    if not metres.any():
        anchor = np.array([0.0, 0.0, NOMINAL_MM])
    t = anchor + rotation.matrix(q) @ _ANCHOR_MM
    gaze = gaze_of_units(units)
    if eyes[0] is not None and eyes[1] is not None:
        gaze = np.array([[np.radians(e[1]), np.radians(e[0])] for e in eyes if e is not None], np.float32)
    return FaceParams(q, t, expression_of(units), gaze)


def pivot_metres(params: FaceParams) -> F64:
    """Return the skull's pivot on the neck, (3,) m in Unity's frame; 0 for a straight head at the nominal distance."""
    pivot = params.translation + rotation.matrix(params.rotation) @ PIVOT_MM
    return np.asarray((pivot - _REST_MM) / -1000.0)


def translation_of_pivot(metres: F64, q: F64) -> F64:
    """Return the translation (3,) mm of a head turned by `q` whose pivot lies at `metres`; undoes `pivot_metres`."""
    return np.asarray(metres * -1000.0 + _REST_MM - rotation.matrix(q) @ PIVOT_MM)


def relative(params: FaceParams, neutral: FaceParams) -> FaceParams:
    """Return the motion from `neutral` to `params` as params of a head at the nominal distance.

    Units are what neutral leaves room for (an eye that shuts still reaches 1); learned components are left out.
    """
    q = rotation.multiply(params.rotation, rotation.inverse(neutral.rotation))
    pivot = pivot_metres(params) - pivot_metres(neutral)
    now, rest = params.expression[:N_UNITS], neutral.expression[:N_UNITS]
    units = np.clip(now - rest, 0.0, 1.0)
    for i in lids.BLINK:
        units[i] = units[i] / max(1.0 - float(rest[i]), 0.2)
    return FaceParams(q, translation_of_pivot(pivot, q), expression_of(units), params.gaze - neutral.gaze)


def mirrored(params: FaceParams) -> FaceParams:
    """Return the params of the face seen in a mirror: left and right change places."""
    expression = params.expression.copy()
    expression[:N_UNITS] = expression[_PARTNER]
    expression[N_UNITS:] = 0.0
    return FaceParams(
        params.rotation * np.array([1.0, 1.0, -1.0, -1.0]),
        params.translation * np.array([-1.0, 1.0, 1.0]),
        expression,
        params.gaze[::-1] * np.array([-1.0, 1.0], np.float32),
    )
