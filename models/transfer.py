"""Driver params to source params: relative motion, per-region gains, limits of what one photo can show."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from models import lids, rotation
from models.face import F32, F64, N_UNITS, UNITS, FaceParams
from models.inner_light import transfer_light
from models.morphable import EYES, FACE_OVAL, INNER_LIPS, OUTER_LIPS, Morphable
from models.shell import PIVOT_MM

_FREE_TURN = np.radians(28.0)  # up to here the head turns as the driver's
_MOST_TURN = np.radians(45.0)  # beyond this a photo has nothing to show
# A half profile shows less: by its own yaw, the most it turns towards the camera (the far half is not there) and away.
_HALF_YAW, _MOST_TOWARDS = np.radians([15.0, 42.0]), np.radians([45.0, 8.0])
_SIDE_YAW, _MOST_AWAY = np.radians([20.0, 45.0]), np.radians([45.0, 24.0])
_FREE_SHIFT = 0.9  # in head widths (IOD) from the source's place
_MOST_SHIFT = 1.8
LEARNED_LIMIT = 4.5  # standard deviations
_GAZE_LIMIT = 0.7  # radians
_ASKEW = 0.25  # radians by which an eye looks another way than the driver's: its light tells little of ours
_APART = np.array([0.02, 0.01], np.float32)  # radians, sideways and up, that one eye may turn more than both do


@dataclass(frozen=True)
class Gains:
    """How strongly each region follows the driver; 1 is as the driver moves, 0 holds the source's own."""

    brows: float = 1.0
    eyes: float = 1.0
    gaze: float = 1.0
    mouth: float = 1.0
    jaw: float = 1.0
    cheeks: float = 1.0
    head: float = 1.0


def unit_region(name: str) -> str:
    """Region of an ARKit unit, a field of `Gains`."""
    for prefix, region in (("brow", "brows"), ("eyeLook", "gaze"), ("eye", "eyes"), ("jaw", "jaw"), ("mouth", "mouth"),
                           ("tongue", "mouth"), ("cheek", "cheeks"), ("nose", "cheeks")):  # fmt: skip
        if name.startswith(prefix):
            return region
    raise ValueError(f"unit {name!r} belongs to no region")


def gain_vector(model: Morphable, gains: Gains) -> F32:
    """Gain of every expression coefficient, (52 + L,); learned components by where their energy lies."""
    g = np.array([getattr(gains, unit_region(u)) for u in UNITS], np.float32)
    names = [f.name for f in fields(Gains) if f.name not in ("head", "gaze")]
    y = model.mean[:, 1]
    region = np.full(len(y), names.index("cheeks"))
    region[y < -12] = names.index("brows")
    region[[i for e in EYES for i in e.contour]] = names.index("eyes")
    region[[*INNER_LIPS, *OUTER_LIPS]] = names.index("mouth")
    region[[i for i in FACE_OVAL if y[i] > 50]] = names.index("jaw")
    energy = (model.basis[N_UNITS:, : len(region)] ** 2).sum(2)
    share = np.stack([energy[:, region == i].sum(1) for i in range(len(names))], 1)
    share /= share.sum(1, keepdims=True)
    return np.concatenate([g, share @ np.array([getattr(gains, n) for n in names])]).astype(np.float32)


def retarget(
    source: FaceParams, driver: FaceParams, neutral: FaceParams, gains: Gains, vector: F32, *, absolute: bool = False
) -> FaceParams:
    """Params that make the source move as the driver moved from its neutral.

    Rotation: the driver's turn in the camera frame, in the tangent space, applied to the source's own and eased towards
    what the photo can show, a half profile less than a portrait (docs/decisions/0007). Translation: of
    the neck's pivot, in mm of a head of common size; depth as a ratio. Expression: source + gain (driver - neutral),
    units clamped to 0..1. Eyes: closure is scaled so that a shut driver eye shuts the source's.
    Light inside: `inner_light.transfer_light`.
    `vector` from `gain_vector`; `absolute` takes the driver's expression and rotation as they are.
    """
    rest = neutral
    if absolute:
        neutral = neutral.with_(rotation=rotation.identity(), expression=np.zeros_like(neutral.expression),
                                gaze=np.zeros_like(neutral.gaze))  # fmt: skip
        source_q, source_c, source_g = rotation.identity(), np.zeros_like(source.expression), np.zeros_like(source.gaze)
    else:
        source_q, source_c, source_g = source.rotation, source.expression, source.gaze
    turn = gains.head * rotation.log(rotation.multiply(driver.rotation, rotation.inverse(neutral.rotation)))
    q = rotation.multiply(rotation.exp(turn), source_q)
    turn = rotation.log(rotation.multiply(q, rotation.inverse(source.rotation))) if absolute else turn
    q = rotation.multiply(rotation.exp(_ease_turn(turn, source.rotation)), source.rotation)
    t = _translate(source, driver, neutral, q, gains.head)

    c = source_c + vector * (driver.expression - neutral.expression)
    c[:N_UNITS] = np.clip(c[:N_UNITS], 0.0, 1.0)
    most = np.maximum(np.abs(source_c[N_UNITS:]), np.float32(LEARNED_LIMIT))  # never tighter than the photo itself
    c[N_UNITS:] = np.clip(c[N_UNITS:], -most, most)
    shut = _closure(lids.read_units(source_c), lids.read_units(driver.expression),
                    lids.read_units(neutral.expression), gains.eyes)  # fmt: skip
    lids.write_units(c, lids.gap_of(shut))
    look = _together(driver.gaze - neutral.gaze, lids.read_units(driver.expression))
    gaze = source_g + np.float32(gains.gaze) * look
    far = np.maximum(np.abs(source_g), np.float32(_GAZE_LIMIT))
    gaze = np.clip(gaze, -far, far).astype(np.float32)
    askew = np.linalg.norm((gaze - source.gaze) - (driver.gaze - rest.gaze), axis=1)
    alike = min(gains.eyes, 1.0) * np.exp(-((askew / _ASKEW) ** 2))
    return FaceParams(q, t, c.astype(np.float32), gaze, transfer_light(source, driver, rest, gains.mouth, alike))


def _together(change: F32, closed: F64) -> F32:
    """Let both eyes turn alike, (2, 2) rad, but for a little convergence; closed (2,) as `lids.read_units`.

    Eyes move as a pair (Hering's law); an iris is read a few degrees off on a turned or small face, and that shows
    as a squint. An eye that is shut has no say.
    """
    w = np.clip(1.0 - closed, 0.02, 1.0).astype(np.float32)[:, None]
    both = (w * change).sum(0) / w.sum()
    return np.asarray(both + np.clip(change - both, -_APART, _APART), np.float32)


def _closure(source: F64, driver: F64, neutral: F64, gain: float) -> F64:
    change = driver - neutral
    room = np.maximum(1.0 - np.clip(neutral, -1, 0.8), 0.2)
    closing = source + np.maximum(1.0 - source, 0.0) * np.clip(gain * change / room, 0, 1)
    return np.where(change > 0, closing, np.clip(source + gain * change, -1.0, 1.0))


def _translate(source: FaceParams, driver: FaceParams, neutral: FaceParams, q: F64, gain: float) -> F64:
    pivot = PIVOT_MM

    def neck(p: FaceParams) -> F64:
        return np.asarray(p.translation + rotation.matrix(p.rotation) @ pivot)

    shift = gain * (neck(driver) - neck(neutral))[:2]
    n = float(np.linalg.norm(shift))
    limit = _ease(np.array([n, 0.0, 0.0]), _FREE_SHIFT * 90.0, _MOST_SHIFT * 90.0)[0]
    shift = shift * (limit / n) if n > 1e-6 else shift
    t = np.empty(3)
    t[:2] = (neck(source)[:2] + shift) - (rotation.matrix(q) @ pivot)[:2]
    z = neutral.translation[2]
    ratio = (driver.translation[2] / z) ** gain if z > 1e-6 and driver.translation[2] > 1e-6 else 1.0
    t[2] = source.translation[2] * float(np.clip(ratio, 0.65, 1.6))
    return t


def _ease_turn(turn: F64, own: F64) -> F64:
    """Bring a turn (3,) rad within what a photo of rotation `own` can show; its direction stays."""
    yaw = float(np.arcsin(np.clip(rotation.matrix(own)[0, 2], -1.0, 1.0)))  # where the face looks, as a turn about y
    if turn[1] * yaw < 0.0:
        most = np.interp(abs(yaw), _HALF_YAW, _MOST_TOWARDS)
    else:
        most = np.interp(abs(yaw), _SIDE_YAW, _MOST_AWAY)
    felt = turn * np.array([1.0, float(_MOST_TURN / most), 1.0])
    n = float(np.linalg.norm(felt))
    return turn if n < 1e-9 else turn * (float(np.linalg.norm(_ease(felt, float(_FREE_TURN), float(_MOST_TURN)))) / n)


def _ease(v: F64, free: float, most: float) -> F64:
    """Leave a vector shorter than `free` alone and bring longer ones softly below `most`."""
    n = float(np.linalg.norm(v))
    if n <= free:
        return v
    room = most - free
    return np.asarray(v * ((free + room * np.tanh((n - free) / room)) / n))
