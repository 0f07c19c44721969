"""What a driver is, and what can be wrapped around any driver."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from realtime.clock import NS_PER_S, Clock
from realtime.types import U8, Frame, Motion, Tracked

Item = Frame | Motion | Tracked
_ROUNDING_NS = 1000


class Driver(Protocol):
    """Where motion comes from: iterate it once, in one thread; `close` may be called from another."""

    @property
    def name(self) -> str:
        """What to call it in a line to the user."""
        ...

    @property
    def fps(self) -> Fraction:
        """Frames a second it means to give."""
        ...

    @property
    def real_time(self) -> bool:
        """True: frames come when they happen, stamped with the run's clock. False: stamps count from 0, at no pace."""
        ...

    @property
    def has_pictures(self) -> bool:
        """True: it gives `Frame`, which need tracking. False: `Motion`, or `Tracked` by others."""
        ...

    @property
    def audio(self) -> Path | None:
        """File whose sound belongs to the pictures."""
        ...

    def __iter__(self) -> Iterator[Item]: ...

    def close(self) -> None:
        """Free the device; the iteration ends soon after."""
        ...


class Pictures:
    """A driver made of one's own pictures: any iterable of RGB arrays (H, W, 3) uint8, `fps` of them a second."""

    real_time = False
    has_pictures = True
    audio: Path | None = None

    def __init__(self, pictures: Iterable[U8], fps: Fraction | int = 30, name: str = "pictures") -> None:
        self._pictures = pictures
        self.fps = Fraction(fps)
        self.name = name

    def __iter__(self) -> Iterator[Item]:
        for index, rgb in enumerate(self._pictures):
            yield Frame(index, int(index * NS_PER_S / self.fps), rgb)

    def close(self) -> None:
        """Nothing to free."""


def as_driver(driver: Driver | Iterable[U8], fps: Fraction | int) -> Driver:
    """Return `driver`, or the pictures (H, W, 3) that it yields as a driver of `fps`."""
    if hasattr(driver, "real_time"):
        return driver  # type: ignore[return-value]
    return Pictures(driver, fps)


class Paced:
    """Releases the frames of a driver that has no pace of its own on the clock, each stamped at its release."""

    def __init__(self, driver: Driver, clock: Clock, stop: threading.Event) -> None:
        self._driver = driver
        self._clock = clock
        self._stop = stop

    def __iter__(self) -> Iterator[Item]:
        start_ns: int | None = None
        # The next frame is decoded before the wait, so that decoding does not delay its release.
        for item in self._driver:
            if start_ns is None:
                start_ns = self._clock.now_ns() - item.captured_ns
            if not self._clock.wait_until(start_ns + item.captured_ns, self._stop):
                return
            yield replace(item, captured_ns=self._clock.now_ns())


def limited(items: Iterable[Item], seconds: float | None) -> Iterator[Item]:
    """Yield the items of the first `seconds` (None: all) after the first one."""
    first_ns: int | None = None
    for item in items:
        if first_ns is None:
            first_ns = item.captured_ns
        # A stamp rounded down by a nanosecond must not smuggle one more frame in.
        if seconds is not None and item.captured_ns - first_ns >= seconds * NS_PER_S - _ROUNDING_NS:
            return
        yield item
