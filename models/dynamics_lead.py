"""How much one driver's head must be led: learned while it moves, from how earlier expectations turned out.

The least error is late: of a motion that is half known it shows the known half. Adding some seconds of the expected
speed takes the lateness out, but how many seconds differs from one person to the next by more than ten. So the
predictor looks back: every frame it notes what it expects at a few horizons, and when the instant has come it adds up
what was missed. The turn is led until what it misses no longer goes along with the speed (no lag), the shift only as
far as that makes the error smaller. `docs/decisions/0504-lead-is-learned-live.md`.

A turn never goes much further than its speed, with its gain of speed carried on, would carry it: a clean turn is not
hedged and needs no lead. What is added is smoothed over a frame, because a lead that jumps is seen as a shake.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import forecast
from models.dynamics_history import STEP_S, History
from models.dynamics_net import N_HEAD, DynamicsNet
from models.face import F32, F64

_AT = (0.02, 0.06, 0.1)  # horizons, s, at which it looks back
HORIZONS_S = np.array(_AT)
_WAITING = 64  # expectations whose instant has not come: 0.14 s at 240 Hz
_EDGE_S = 0.035  # either side of an instant, for its true speed
_MEMORY_S = 8.0
_LEAST, _FIRST, _MOST = 0.05, 1.5, 5.0  # horizons of speed that the turn is led by: first, before anything is known
_BELIEF = 0.001  # rad^2/s of motion that the first value counts as
_SHIFT_LEAST, _SHIFT_MOST = -0.5, 3.0  # horizons of speed that the shift is led by
_SHIFT_BELIEF = 1000.0  # mm^2/s
_SMOOTH_S = 0.05  # of what is added to the turn
# Below 30 ms little is late and a lead is mostly shake: seven tenths of it are shown there, all of it from 60 ms on.
_NEAR_S, _NEAR_SHARE = (0.03, 0.06), 0.7
_AXES = np.array([1.0, 1.0, 0.7])  # roll is led less: it moves the most picture
# Seconds at its present speed that a led turn may go: three tenths more than the horizon, less so beyond 66 ms.
_REACH: F64 = HORIZONS_S + 0.3 * np.minimum(HORIZONS_S, 0.066) * np.clip((0.15 - HORIZONS_S) / 0.084, 0.0, 1.0)
_GAIN_STEPS = 2.0  # frames of 33 ms that a gain of speed is carried on


class Lead:
    """What is added to the head of one driver, and what was learned about that."""

    def __init__(self) -> None:
        r = len(_AT)
        self._sums = np.zeros((r, 4))
        self._due, self._share = np.zeros((r, _WAITING)), np.zeros((r, _WAITING))
        self._place, self._speed = np.zeros((r, _WAITING, N_HEAD)), np.zeros((r, _WAITING, N_HEAD))
        self._used = np.zeros((r, 2), np.int64)
        self._added = np.zeros((r, 3))  # to the turn, at each horizon
        self._turn_s = self._shift_s = np.zeros(r)
        self._settle()

    @property
    def seconds(self) -> tuple[F64, F64]:
        """Seconds of expected speed that turn and shift are led by at each horizon, (R,) each."""
        return self._turn_s, self._shift_s

    def forget_waiting(self) -> None:
        """Drop what belongs to a past that was cut; what was learned stays."""
        self._used[:] = 0
        self._added[:] = 0.0

    def learn(self, history: History, net: DynamicsNet, seen: F32, past: F32) -> None:
        """Look back from the row just observed, then note what is expected from here on."""
        t, x, n = history.kept()
        dt = history.step_s
        waiting = self._due, self._place, self._speed, self._share, self._used
        forecast.look_back(t, x, n, _EDGE_S, math.exp(-dt / _MEMORY_S), *waiting, self._sums)
        self._settle()
        change, speed = net.of(seen, past, HORIZONS_S, N_HEAD)
        self._added += (1.0 - math.exp(-dt / _SMOOTH_S)) * (self._wanted(past, change, speed) - self._added)
        q = int(self._used[0, 1]) % _WAITING
        self._due[:, q] = t[n - 1] + HORIZONS_S
        self._place[:, q], self._speed[:, q] = x[n - 1, :N_HEAD] + change, speed
        self._speed[:, q, :3] = self._added / self._turn_s[:, None]  # what a second of lead really adds
        self._share[:, q] = dt
        self._used[:, 1] += 1
        np.maximum(self._used[:, 0], self._used[:, 1] - _WAITING, out=self._used[:, 0])

    def add(self, out: F64, speed: F64, ahead_s: float, share: float) -> None:
        """Lead the head in the row `out`, expected `ahead_s` after the last one with `speed`; 0 adds nothing."""
        k = 0
        while k < len(_AT) - 1 and ahead_s > _AT[k]:
            k += 1
        before = _AT[k - 1] if k else 0.0
        s = min(max((ahead_s - before) / (_AT[k] - before), 0.0), 1.0)
        turn, shift = s * self._added[k], s * self._shift_s[k]
        if k:
            turn, shift = turn + (1 - s) * self._added[k - 1], shift + (1 - s) * self._shift_s[k - 1]
        near, far = _NEAR_S
        share *= _NEAR_SHARE + (1.0 - _NEAR_SHARE) * min(max((ahead_s - near) / (far - near), 0.0), 1.0)
        out[:3] += share * turn
        out[3:6] += share * shift * speed[3:6]

    def _wanted(self, past: F32, change: F64, speed: F64) -> F64:
        """Lead of the turn at each horizon before smoothing, (R, 3)."""
        now = past[:3, 0] / -STEP_S
        gain = now - (past[:3, 0] - past[:3, 1]) / STEP_S
        sign = np.sign(speed[:, :3])
        reach = _REACH[:, None] * (sign * now + _GAIN_STEPS * np.maximum(sign * gain, 0.0))
        room = np.maximum(reach - sign * change[:, :3], 0.0)
        return np.asarray(sign * np.minimum(self._turn_s[:, None] * _AXES * np.abs(speed[:, :3]), room))

    def _settle(self) -> None:
        missed, expected, shift_missed, square = self._sums.T
        h = HORIZONS_S
        turn = (missed + _FIRST * h * _BELIEF) / (np.maximum(expected, 0.0) + _BELIEF)
        self._turn_s = np.minimum(np.maximum(turn, _LEAST * h), _MOST * h)
        shift = shift_missed / (square + _SHIFT_BELIEF)
        self._shift_s = np.minimum(np.maximum(shift, _SHIFT_LEAST * h), _SHIFT_MOST * h)
