"""Webcams through OpenCV: found without opening them where possible, stamped at the grab, re-opened when lost."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from realtime.capture.base import Item
from realtime.clock import NS_PER_S, Clock
from realtime.config import Config
from realtime.errors import DriverError
from realtime.notices import Notice, Notices
from realtime.types import U8, Frame

_PLATFORM: str = sys.platform  # a variable, or mypy would call the other platforms unreachable
_LOG = logging.getLogger("faceanime.camera")
_RETRY_NS = NS_PER_S
_RATE_FRAMES = 45  # the real frame rate is measured over so many
_VIRTUAL = ("v4l2loopback", "obs virtual", "dummy video", "unitycapture", "faceanime")
_V4L = Path("/sys/class/video4linux")


class Grabber(Protocol):
    """The part of an opened camera that the driver needs."""

    def grab(self) -> bool:
        """Wait for the next frame; False when the camera is gone."""
        ...

    def retrieve(self) -> U8 | None:
        """Return the grabbed frame as RGB (H, W, 3)."""
        ...

    def release(self) -> None:
        """Give the camera back."""
        ...


Open = Callable[[int, tuple[int, int], int], Grabber | None]


class CameraDriver:
    """A webcam by number; one that is unplugged may come back for `camera_wait_s` before it counts as lost."""

    real_time = True
    has_pictures = True
    audio: Path | None = None

    def __init__(self, index: int, config: Config, clock: Clock, notices: Notices, opener: Open | None = None) -> None:
        self.name = f"camera {index}"
        self.fps = Fraction(config.fps)
        self._index, self._config, self._clock, self._notices = index, config, clock, notices
        self._open = opener or open_camera
        self._closed = False
        self._grabber = self._open(index, config.camera_size, config.fps)
        if self._grabber is None:
            found = ", ".join(f"{number} ({name})" for number, name in list_cameras()) or "none"
            raise DriverError(self.name, f"it cannot be opened; cameras found: {found}",
                              "Close other programs that use it, or run `python run_live.py devices`, or use "
                              "--driver imagine")  # fmt: skip

    def __iter__(self) -> Iterator[Item]:
        seq = 0
        stamps: list[int] = []
        while not self._closed:
            if self._grabber is None or not self._grabber.grab():
                self._reopen()
                stamps = []
                continue
            captured_ns = self._clock.now_ns()  # before the JPEG is decoded
            rgb = self._grabber.retrieve()
            if rgb is None:
                continue
            yield Frame(seq, captured_ns, rgb)
            seq += 1
            if len(stamps) < _RATE_FRAMES:
                stamps.append(captured_ns)
                if len(stamps) == _RATE_FRAMES:
                    self._say_rate(stamps, rgb)
        self._release()

    def close(self) -> None:
        """End the iteration; it gives the camera back."""
        self._closed = True

    def _say_rate(self, stamps: list[int], rgb: U8) -> None:
        """Tell the measured rate when it falls short."""
        fps = (len(stamps) - 1) * NS_PER_S / (stamps[-1] - stamps[0])
        height, width = rgb.shape[:2]
        _LOG.info("%s gives %dx%d at %.1f frames a second", self.name, width, height, fps)
        if fps < 0.8 * self._config.fps:
            self._notices(Notice("warning", f"{self.name} gives {fps:.0f} frames a second, not {self._config.fps}: "
                                 "more light on the face usually helps"))  # fmt: skip

    def _reopen(self) -> None:
        """Wait for a lost camera; raises `DriverError` when it stays away."""
        self._release()
        if self._closed:
            return
        lost_ns = self._clock.now_ns()
        self._notices(Notice("warning", f"{self.name} is gone; the photo idles. Plug it in again within "
                             f"{self._config.camera_wait_s:.0f} s"))  # fmt: skip
        while not self._closed:
            if self._clock.now_ns() - lost_ns > self._config.camera_wait_s * NS_PER_S:
                raise DriverError(self.name, f"it was lost and stayed away for {self._config.camera_wait_s:.0f} s",
                                  "Plug it in and run again")  # fmt: skip
            self._clock.wait_until(self._clock.now_ns() + _RETRY_NS)
            self._grabber = self._open(self._index, self._config.camera_size, self._config.fps)
            if self._grabber is not None:
                self._notices(Notice("note", f"{self.name} is back"))
                return

    def _release(self) -> None:
        """Give the camera back."""
        if self._grabber is not None:
            self._grabber.release()
            self._grabber = None


class _OpenCvGrabber:
    """A `cv2.VideoCapture`."""

    def __init__(self, capture: object) -> None:
        self._capture = capture

    def grab(self) -> bool:
        """Wait for the next frame."""
        return bool(self._capture.grab())  # type: ignore[attr-defined]

    def retrieve(self) -> U8 | None:
        """Decode the grabbed frame."""
        import cv2

        ok, bgr = self._capture.retrieve()  # type: ignore[attr-defined]
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)) if ok else None

    def release(self) -> None:
        """Give the camera back."""
        self._capture.release()  # type: ignore[attr-defined]


def open_camera(index: int, size: tuple[int, int], fps: int) -> Grabber | None:
    """Open a webcam, asking for MJPG (raw formats halve the rate of most USB cameras), or return None."""
    import cv2

    _hush_opencv()
    backend = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}.get(
        _PLATFORM, cv2.CAP_ANY
    )
    capture = cv2.VideoCapture(index, backend)
    if not capture.isOpened():
        capture.release()
        return None
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a queue in the driver would be latency that no stamp shows
    if not capture.grab():
        capture.release()
        return None
    return _OpenCvGrabber(capture)


def list_cameras() -> list[tuple[int, str]]:
    """Return number and name of each webcam; virtual cameras are left out.

    Linux tells without opening them; elsewhere the first four numbers are tried.
    """
    if _PLATFORM == "linux":
        found = []
        for node in sorted(_V4L.glob("video*"), key=lambda path: int(path.name[5:])) if _V4L.is_dir() else []:
            name = (node / "name").read_text(errors="replace").strip() if (node / "name").exists() else node.name
            main = (node / "index").read_text().strip() == "0" if (node / "index").exists() else True
            if main and not any(word in name.lower() for word in _VIRTUAL):
                found.append((int(node.name[5:]), name))
        return found
    cameras = []
    for index in range(4):
        grabber = open_camera(index, (640, 480), 30)
        if grabber is not None:
            cameras.append((index, f"camera {index}"))
            grabber.release()
    return cameras


def _hush_opencv() -> None:
    """Keep OpenCV's own complaints off the terminal: ours say what to do."""
    import cv2

    quiet = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # its home differs by version
    quiet(0)
