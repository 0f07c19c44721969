"""The driver's neutral: what the resting face looks like, against which motion is transferred."""

from __future__ import annotations

from typing import Literal

from models import lids, motion
from models.face import FaceParams


class Calibration:
    """Averages the driver's params over about a second (`auto`) or takes the first tracked frame (`first`)."""

    def __init__(self, mode: Literal["auto", "first"] = "auto", duration_ns: int = 1_000_000_000) -> None:
        if mode not in ("auto", "first"):
            raise ValueError(f"mode: expected auto or first, got {mode!r}")
        self._mode = mode
        self._duration_ns = duration_ns
        self._seen: list[FaceParams] = []
        self._start_ns = 0
        self._neutral: FaceParams | None = None

    @property
    def neutral(self) -> FaceParams | None:
        """The driver's resting params, None until they are known."""
        return self._neutral

    def recalibrate(self) -> None:
        """Start over with the next observation."""
        self._seen, self._neutral = [], None

    def observe(self, params: FaceParams, captured_ns: int) -> None:
        """Take one tracked instant into account; blinks are left out of an average."""
        if self._neutral is not None:
            return
        if self._mode == "first":
            self._neutral = params
            return
        if not self._seen:
            self._start_ns = captured_ns
        self._seen.append(params)
        if captured_ns - self._start_ns >= self._duration_ns:
            awake = [p for p in self._seen if lids.read_units(p.expression).max() < 0.5]
            self._neutral = motion.mean(awake or self._seen)
