"""The driver `imagine`: free motion without a camera."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

from realtime.capture.base import Item
from realtime.clock import NS_PER_S
from realtime.stages import Imagine
from realtime.types import Motion


class ImagineDriver:
    """Imagined motion, `fps` instants a second, for ever, stamped from 0."""

    name = "imagine"
    real_time = False
    has_pictures = False
    audio: Path | None = None

    def __init__(self, imagine: Imagine, fps: Fraction | int) -> None:
        self._imagine = imagine
        self.fps = Fraction(fps)
        self._closed = False

    def __iter__(self) -> Iterator[Item]:
        for seq in count():
            if self._closed:
                return
            t_ns = int(seq * NS_PER_S / self.fps)
            yield Motion(seq, t_ns, self._imagine.params_at(t_ns))

    def close(self) -> None:
        """End the motion."""
        self._closed = True
