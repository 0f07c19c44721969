"""How far the eyes are open, measured on the lids themselves.

MediaPipe's blink scores differ from person to person and do not reach 1; the gap between the lids does reach 0. So the
units eyeBlink and eyeWide are defined here by the gap over its own open reference: ratio 1 is open, 0 is shut.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.face import F32, F64, UNIT
from models.morphable import EYES, Eye

BLINK = (UNIT["eyeBlinkLeft"], UNIT["eyeBlinkRight"])
WIDE = (UNIT["eyeWideLeft"], UNIT["eyeWideRight"])
SHUT_RATIO = 0.12  # MediaPipe's lids keep about this gap when an eye is shut
WIDE_SPAN = 0.4  # an eye this much wider than its reference is eyeWide 1
WIDE_FREE, WIDE_MOST = 0.29, 0.345  # gaps over eye width: up to here as asked, never beyond for an eye of common size
WIDE_GROWTH = 1.25  # how much wider than in its photo an eye that is large already may become
TYPICAL = 0.30  # open gap over eye width of the average face


def eye_openness(head: F32 | F64, eye: Eye) -> float:
    """Mean gap between the paired lid points over the width of the eye; points (478, 3) in the head frame."""
    p = np.asarray(head, np.float64)
    gap = np.linalg.norm(p[list(eye.upper)] - p[list(eye.lower)], axis=1)[1:-1].mean()
    return float(gap / np.linalg.norm(p[eye.corners[0]] - p[eye.corners[1]]))


def openness(head: F32 | F64) -> F64:
    """Gap over width of the left and the right eye (the subject's), (2,)."""
    return np.array([eye_openness(head, e) for e in EYES])


def closure(ratio: F64) -> F64:
    """Lid gap over its open reference to signed closure: 1 shut, 0 open, negative wide (-1 is eyeWide 1)."""
    r = np.asarray(ratio, np.float64)
    shut = np.clip((1.0 - r) / (1.0 - SHUT_RATIO), 0.0, 1.0)
    return np.where(r <= 1.0, shut, -np.clip((r - 1.0) / WIDE_SPAN, 0.0, 1.0))


def gap_ratio(closed: F64) -> F64:
    """Signed closure to the gap that is to be drawn, over the open reference; shut is exactly 0."""
    c = np.asarray(closed, np.float64)
    return np.where(c >= 0.0, 1.0 - c, 1.0 - c * WIDE_SPAN)


def wide_limit(gap: F64, own: F64) -> F64:
    """Ease gaps (2,) of eyes that widen: a driver whose neutral was sleepy must not leave the photo staring.

    Gaps over eye width; `own` is the photo's open gap. Nothing up to the larger of `own` and WIDE_FREE changes.
    """
    free = np.maximum(own, WIDE_FREE)
    room = np.maximum(WIDE_GROWTH * own, WIDE_MOST) - free
    over = np.maximum(gap - free, 0.0)
    return np.asarray(np.minimum(gap, free) + room * np.tanh(over / room))


def seen_ratio(gaps: F64, reference: F64, scores: Any) -> F64:
    """Gap over the open reference (2,), shut where the blink scores say so too.

    Shut lids keep a measured gap of 0.08 to 0.32 of the open one, from person to person; half-open ones may have 0.3 as
    well. Below half, the scores (52,) decide: from 0.5 to 0.65 they carry the rest of the way.
    """
    r = np.asarray(gaps, np.float64) / reference
    sure = _step((np.array([float(scores[i]) for i in BLINK]) - 0.5) / 0.15) * _step((0.5 - r) / 0.15)
    return np.minimum(r, r + (SHUT_RATIO - r) * sure)


def _step(x: F64) -> F64:
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def write_units(units: Any, ratio: F64) -> None:
    """Write eyeBlink and eyeWide of both eyes into a row of units, from gap ratios (2,) left, right."""
    c = closure(ratio)
    for i in range(2):
        units[BLINK[i]] = max(float(c[i]), 0.0)
        units[WIDE[i]] = max(-float(c[i]), 0.0)


def gap_of(closed: F64) -> F64:
    """The measured gap ratio that has this signed closure, the inverse of `closure`."""
    c = np.asarray(closed, np.float64)
    return np.where(c >= 0.0, 1.0 - c * (1.0 - SHUT_RATIO), 1.0 - c * WIDE_SPAN)


def read_units(units: Any) -> F64:
    """Signed closure of both eyes, (2,) left, right, from a row of units."""
    return np.array([float(units[BLINK[i]]) - float(units[WIDE[i]]) for i in range(2)])


def open_reference(gaps: F64, scores: F32) -> F64:
    """Open gap (2,) of a face seen once: its own gap, unless MediaPipe scores the eye as shutting."""
    blink = np.array([float(scores[BLINK[i]]) for i in range(2)])
    return np.where(blink < 0.45, gaps, np.maximum(gaps, 0.85 * TYPICAL))
