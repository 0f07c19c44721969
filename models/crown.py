"""The crown of a head that the photo's upper border just cuts off: completed above the picture, once.

A head that moves down shows what the border cut. Without it the hair had to be held at the border and was drawn out
into a cone. So where the border takes little of the head, its outline is closed by the circle through what can be seen
of it, filled with the hair just below, mirrored. Where more is missing nothing is invented and the border holds.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face import F32

MOST_CUT_IOD = 1.5  # a border that cuts the head over more than this holds it
TOUCH_IOD = 0.03  # what ends so near a border is taken for cut by it
_MOST_IOD = 0.42  # nothing is made up farther above the border than this
_BELOW_IOD = 0.25  # the outline is read at the border and this far below
_HAIR_IOD = 0.06  # thin hair is no deeper than this: what is mirrored comes from no farther below
_SOFT_IOD = 0.12  # and its soft edge is carried on as far out


def complete_crown(person: F32, matte: F32, middle: float, iod: float) -> F32:
    """Return the rows above a picture that complete the head in it, (N, W, 4), N = 0 where nothing is to be completed.

    Empty rows lie above it, so that what ends there is not taken for cut; hair that only touches the border gets those
    alone. person (H, W, 4) premultiplied colour and opacity 0..1; matte (H, W) 0..1, which alone says what is head, for
    opacity may have been raised beside it; `middle` px, the column of the face; `iod` px between the outer eye corners.
    Nearest row to the picture last.
    """
    person = person * np.minimum(1.0, matte / np.maximum(person[..., 3], 1e-6))[..., None]
    h, w = person.shape[:2]
    none = np.empty((0, w, 4), np.float32)
    below = max(2, round(_BELOW_IOD * iod))
    if h <= 2 * below:
        return none
    edge = max(2, round(TOUCH_IOD * iod))
    clear = np.zeros((edge + 1, w, 4), np.float32)
    top, lower = (_run(person[y, :, 3], middle, iod) for y in (0, below))
    if top is None:
        return clear if (person[:edge, :, 3] > 0.02).any() else none
    if lower is None:
        return none
    a0, a1 = 0.5 * (top[1] - top[0]), 0.5 * (lower[1] - lower[0])
    if top[0] <= 1 or top[1] >= w - 2 or not 2.0 * a0 < MOST_CUT_IOD * iod or a1 < a0:
        return none
    # the circle through both chords: its middle lies u below the border
    u = max((a1 * a1 - a0 * a0 + below * below) / (2.0 * below), 0.0)
    rise = float(np.hypot(a0, u)) - u
    tall = min(rise, _MOST_IOD * iod, float(h // 2))
    soft = _SOFT_IOD * iod
    rows = int(np.ceil(tall)) + 1
    y = np.arange(1, rows + 1, dtype=np.float32)
    scaled = y * np.float32(rise / max(tall, 1e-6))
    half = np.sqrt(np.maximum(a0 * a0 - 2.0 * u * scaled - scaled * scaled, 0.0))
    lean = 0.5 * (top[0] + top[1] - lower[0] - lower[1]) / below  # a head that leans goes on leaning
    mid = 0.5 * (top[0] + top[1]) + np.clip(lean, -0.5, 0.5) * y
    hair = np.float32(max(_HAIR_IOD * iod, 1.0))
    deep = hair * (1.0 - np.exp(-y / hair))
    seen = [_run(person[round(float(v)), :, 3], middle, iod) or top for v in deep]
    left, right = (np.array([s[i] for s in seen], np.float32)[:, None] for i in (0, 1))
    x = np.arange(w, dtype=np.float32)[None] - mid[:, None].astype(np.float32)
    wide = np.maximum(half, 1e-3)[:, None].astype(np.float32)
    inside = 0.5 * (left + right) + x / wide * 0.5 * (right - left)
    outside = np.where(x < 0, left + (x + wide), right + (x - wide))
    at = np.where(np.abs(x) <= wide, inside, outside).astype(np.float32)
    out = cv2.remap(person, at, np.repeat(deep[:, None], w, 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    out *= np.clip(1.0 - (np.abs(x) - wide) / soft, 0.0, 1.0)[..., None]
    out *= np.clip(tall + 0.5 - y, 0.0, 1.0)[:, None, None]
    return np.concatenate([clear, out[::-1]]).astype(np.float32)


def _run(opacity: F32, middle: float, iod: float) -> tuple[float, float] | None:
    """First and last column of the solid run of a row that lies nearest to a column, within 0.6 iod of it."""
    solid = np.flatnonzero(opacity > 0.5)
    if not len(solid):
        return None
    parts = np.split(solid, np.flatnonzero(np.diff(solid) > 0.08 * iod) + 1)
    apart = [max(float(p[0]) - middle, middle - float(p[-1]), 0.0) for p in parts]
    best = int(np.argmin(apart))
    return (float(parts[best][0]), float(parts[best][-1])) if apart[best] < 0.6 * iod else None
