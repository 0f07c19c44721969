"""Seeded idle motion without a driver: breathing sway, blinks, glances and small talk, a pure function of time.

Every kind of event lives in slots of time of its own; a slot's contents come from (seed, kind, slot), so any instant
can be asked for in any order, nothing loops, and nothing drifts. The learned imagination has its own issue.
"""

from __future__ import annotations

import numpy as np

from models import rotation
from models.face import UNIT, FaceParams
from models.motion import N_EXPRESSION

_TALK_SLOT_S = 7.0
_BLINK_SLOT_S = 3.6
_GLANCE_SLOT_S = 2.9
_VISEMES: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.30, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15},
    {"jawOpen": 0.16, "mouthStretchLeft": 0.2, "mouthStretchRight": 0.2, "mouthSmileLeft": 0.12,
     "mouthSmileRight": 0.12},
    {"jawOpen": 0.14, "mouthFunnel": 0.35, "mouthPucker": 0.2},
    {"jawOpen": 0.06, "mouthPucker": 0.45},
    {"mouthPressLeft": 0.15, "mouthPressRight": 0.15, "mouthRollLower": 0.1},
    {"jawOpen": 0.2, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15},
)  # fmt: skip


class Imagine:
    """Idle motion of a person who sits, breathes, looks around and now and then says something."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, 99])
        self._rate = rng.uniform(0.05, 0.55, (6, 5))  # Hz
        self._phase = rng.uniform(0, 2 * np.pi, (6, 5))

    def params_at(self, t_ns: int) -> FaceParams:
        """Return the params at an instant, ns; relative to `motion.neutral_params()`."""
        t = t_ns * 1e-9
        wave = self._waves(t)
        talk = self._talk(t)
        breath = np.sin(2 * np.pi * 0.24 * t + self._phase[0, 0])
        speech = float(talk["jawOpen"]) if "jawOpen" in talk else 0.0
        gaze = self._gaze(t)
        turn = np.array([0.035 * wave[0] - 0.05 * speech, 0.075 * wave[1] + 0.12 * gaze[0], 0.03 * wave[2]])
        shift = np.array([2.2 * wave[3], 0.9 * wave[4] + 0.7 * breath, 0.0])
        e = np.zeros(N_EXPRESSION, np.float32)
        for name, value in talk.items():
            e[UNIT[name]] += value
        for side in ("Left", "Right"):
            e[UNIT[f"mouthSmile{side}"]] += 0.05 * max(0.0, wave[5])
            e[UNIT[f"browOuterUp{side}"]] += 0.12 * max(0.0, wave[2])
            e[UNIT[f"eyeBlink{side}"]] = self._blink(t)
        e[UNIT["browInnerUp"]] += 0.15 * max(0.0, wave[2]) + 0.2 * speech
        return FaceParams(rotation.exp(turn), shift, np.clip(e, 0, 1), np.stack([gaze, gaze]).astype(np.float32))

    def _waves(self, t: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Six slow noises of about unit size: sums of incommensurate sines."""
        return np.asarray(np.sin(2 * np.pi * self._rate * t + self._phase).sum(1) / 1.9)

    def _rng(self, kind: int, slot: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, kind, slot + 1_000_000])

    def _blink(self, t: float) -> float:
        """Closure 0..1: down in 70 ms, up in 130 ms; sometimes twice."""
        shut = 0.0
        slot = int(np.floor(t / _BLINK_SLOT_S))
        for s in (slot - 1, slot):
            rng = self._rng(1, s)
            at = (s + rng.uniform(0.1, 0.85)) * _BLINK_SLOT_S
            times = [at, at + 0.32] if rng.random() < 0.12 else [at]
            for b in times:
                d = t - b
                if -0.07 < d <= 0.0:
                    shut = max(shut, _ease(1.0 + d / 0.07))
                elif 0.0 < d < 0.03:
                    shut = 1.0
                elif 0.03 <= d < 0.16:
                    shut = max(shut, _ease(1.0 - (d - 0.03) / 0.13))
        return shut

    def _gaze(self, t: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Fixations with 50 ms saccades, mostly at the camera."""

        def fixation(s: int) -> tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]:
            rng = self._rng(2, s)
            at = (s + rng.uniform(0.0, 0.6)) * _GLANCE_SLOT_S
            away = rng.random() < 0.35
            return at, rng.normal(0, [0.16, 0.07]) if away else rng.normal(0, 0.02, 2)

        slot = int(np.floor(t / _GLANCE_SLOT_S))
        start, now = fixation(slot)
        if t < start:
            slot -= 1
            start, now = fixation(slot)
        before = fixation(slot - 1)[1]
        return np.asarray(before + (now - before) * _ease(min(1.0, (t - start) / 0.05)))

    def _talk(self, t: float) -> dict[str, float]:
        """Bursts of syllables, four to five a second, in about every other slot."""
        slot = int(np.floor(t / _TALK_SLOT_S))
        rng = self._rng(3, slot)
        if rng.random() < 0.45:
            return {}
        start = (slot + rng.uniform(0.05, 0.3)) * _TALK_SLOT_S
        length = rng.uniform(1.2, 4.2)
        inside = min(_ease((t - start) / 0.25), _ease((start + length - t) / 0.3))
        if inside <= 0.0:
            return {}
        rate = rng.uniform(3.6, 4.8)
        position = (t - start) * rate
        out: dict[str, float] = {}
        for k in (int(np.floor(position)), int(np.floor(position)) + 1):
            r = self._rng(4, slot * 64 + k)
            weight = _ease(1.0 - abs(position - k)) * r.uniform(0.45, 1.0) * inside
            for name, value in _VISEMES[int(r.integers(len(_VISEMES)))].items():
                out[name] = out.get(name, 0.0) + weight * value
        return out


def _ease(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)
