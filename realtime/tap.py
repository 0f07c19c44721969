"""What the debug view sees of the driver: landmarks, and the picture only where that was asked for in so many words."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from models.face import F32
from realtime.types import U8


@dataclass(frozen=True, eq=False)
class Seen:
    """One look at the driver."""

    points: F32 | None  # (N, 2) 0..1 of the picture's width and height; None without a face
    aspect: float  # width over height of the driver's picture
    rgb: U8 | None = None  # (h, w, 3) small; None unless --show-driver


class Tap:
    """One slot that the compute thread fills while somebody watches, and leaves alone otherwise."""

    def __init__(self, show_driver: bool = False) -> None:
        self.show_driver = show_driver
        self._lock = threading.Lock()
        self._watchers = 0
        self._seen: Seen | None = None
        self._count = 0

    def watch(self, by: int) -> None:
        """Count a watcher in (1) or out (-1)."""
        with self._lock:
            self._watchers += by

    @property
    def wanted(self) -> bool:
        """Whether anybody watches."""
        return self._watchers > 0

    def put(self, points: F32 | None, rgb: U8) -> None:
        """Keep the landmarks (N, 3) px of a driver picture; of the picture itself only its shape, see `show_driver`."""
        height, width = rgb.shape[:2]
        small = None
        if self.show_driver:
            step = max(1, width // 320)
            small = np.ascontiguousarray(rgb[::step, ::step])
        flat = None if points is None else (points[:, :2] / np.array([width, height], np.float32)).astype(np.float32)
        self._seen, self._count = Seen(flat, width / height, small), self._count + 1

    def newest(self, after: int) -> tuple[Seen | None, int]:
        """Return what was seen last and its number; None when nothing came after number `after`."""
        count = self._count
        return (self._seen if count != after else None), count
