"""The apparent lag of the picture: the shift that best lays the motion shown over the motion made, while it runs."""

from __future__ import annotations

import threading

import numpy as np

from models import rotation
from models.face import F64, UNIT, FaceParams
from realtime.clock import NS_PER_MS

_KEPT = 512
_WINDOW_NS = 4_000_000_000
_SHIFTS_MS = np.arange(-50.0, 401.0, 5.0)
_LEAST_MOTION = 0.02  # standard deviation of the signals; below it there is nothing to see
_SMOOTH = 0.4
_JAW_WEIGHT = 2.0  # lips are what sound must fit


class _Track:
    """The last samples of a few signals, by time."""

    def __init__(self) -> None:
        self.times = np.zeros(_KEPT)
        self.values = np.zeros((_KEPT, 3))
        self.count = 0

    def add(self, at_ns: int, params: FaceParams) -> None:
        i = self.count % _KEPT
        turn = rotation.log(params.rotation)
        self.times[i] = at_ns / NS_PER_MS
        self.values[i] = _JAW_WEIGHT * params.expression[UNIT["jawOpen"]], turn[0], turn[1]
        self.count += 1

    def recent(self) -> tuple[F64, F64]:
        """Return times (ms) and values in order."""
        order = np.argsort(self.times[: min(self.count, _KEPT)], kind="stable")
        return self.times[order], self.values[order]


class Lag:
    """Measures the lag of what is shown behind what was made; methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made, self._shown = _Track(), _Track()
        self._ms: float | None = None

    @property
    def ms(self) -> float | None:
        """The lag in ms, None until there was motion to measure it by; below 0 the picture is ahead."""
        return None if self._ms is None else round(self._ms, 1)

    def made(self, captured_ns: int, params: FaceParams) -> None:
        """Note the driver's params of an instant, as they were tracked."""
        with self._lock:
            self._made.add(captured_ns, params)

    def shown(self, handed_ns: int, params: FaceParams) -> None:
        """Note the driver's params behind a picture at its hand-over."""
        with self._lock:
            self._shown.add(handed_ns, params)

    def update(self) -> None:
        """Measure again over the last seconds; call it about once a second."""
        with self._lock:
            made_t, made = self._made.recent()
            shown_t, shown = self._shown.recent()
        if len(made_t) < 20 or len(shown_t) < 20:
            return
        start = shown_t[-1] - _WINDOW_NS / NS_PER_MS
        first = max(start, made_t[0] + _SHIFTS_MS[-1])
        keep = (shown_t >= first) & (shown_t <= made_t[-1] + _SHIFTS_MS[0])
        if keep.sum() < 20 or shown[keep].std(0).max() < _LEAST_MOTION:
            return
        t, s = shown_t[keep], shown[keep]
        errors = np.empty(len(_SHIFTS_MS))
        for i, shift in enumerate(_SHIFTS_MS):
            errors[i] = sum(np.mean((s[:, c] - np.interp(t - shift, made_t, made[:, c])) ** 2) for c in range(3))
        best = int(np.argmin(errors))
        if not 0 < best < len(errors) - 1:
            return
        a, b, c = errors[best - 1 : best + 2]
        found = _SHIFTS_MS[best] + 5.0 * 0.5 * (a - c) / max(a - 2 * b + c, 1e-12)
        self._ms = found if self._ms is None else self._ms + _SMOOTH * (found - self._ms)
