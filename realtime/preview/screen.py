"""The newest picture as JPEG, for any number of viewers, none of whom anybody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2

from realtime.outputs.alpha import stacked
from realtime.types import U8, Composite


class Screen:
    """Written by the preview's sender thread, read by the server's; encodes only while somebody looks."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._lock = threading.Lock()
        self._wake: dict[int, tuple[Callable[[], None], bool]] = {}
        self._next_key = 0
        self._last: Composite | None = None
        self.jpeg = self.stacked_jpeg = b""
        self.count = 0
        self.driven = False

    def watch(self, wake: Callable[[], None], clear: bool = False) -> int:
        """Add a viewer, who is woken (and must not block) at each new picture; returns the key to leave with.

        A `clear` one looks at `stacked_jpeg`, in which the person's opacity stands below the colours.
        """
        with self._lock:
            self._next_key += 1
            self._wake[self._next_key] = wake, clear
            return self._next_key

    def leave(self, key: int) -> None:
        """Take a viewer away."""
        with self._lock:
            self._wake.pop(key, None)

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._wake)

    def show(self, composite: Composite) -> None:
        """Take a picture."""
        self.driven, self._last = composite.driven, composite
        if self._wake:
            self._encode(composite)

    def snapshot(self) -> bytes:
        """Return the newest picture as JPEG, empty before the first."""
        last = self._last
        return _jpeg(last.rgb, self._quality) if last is not None else b""

    def _encode(self, composite: Composite) -> None:
        with self._lock:
            wakes = list(self._wake.values())
        if any(not clear for _, clear in wakes):
            self.jpeg = _jpeg(composite.rgb, self._quality)
        if any(clear for _, clear in wakes):
            # Full colour resolution: what is clear is black, and would bleed into the edge.
            self.stacked_jpeg = _jpeg(stacked(composite), 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
        self.count += 1
        for wake, _ in wakes:
            wake()


def _jpeg(rgb: U8, quality: int, sampling: int = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    ok, jpeg = cv2.imencode(
        ".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    )
    return jpeg.tobytes() if ok else b""
