"""Pictures for the tests of outputs, and video files written and read back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from fakes import Said

from realtime.clock import NS_PER_S, FakeClock
from realtime.config import Config
from realtime.outputs.base import Stream
from realtime.outputs.video import VideoOutput
from realtime.types import Composite

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (200, 150, 120),
    (90, 60, 40),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
]


def bars(width: int = 128, height: int = 96) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    for i, colour in enumerate(COLOURS):
        rgb[:, i * width // 8 : (i + 1) * width // 8] = colour
    return rgb


def composite(rgb: np.ndarray, seq: int = 0, at_ns: int = 0) -> Composite:
    return Composite(seq, at_ns, rgb, at_ns)


def write(
    path: Path,
    count: int = 25,
    fps: Fraction = Fraction(25),
    rgb: np.ndarray | None = None,
    said: Said | None = None,
    audio: Path | None = None,
    times: list[float] | None = None,
) -> Path:
    rgb = bars() if rgb is None else rgb
    out = VideoOutput(path, Config(), said if said is not None else Said())
    out.open(Stream(rgb.shape[1], rgb.shape[0], fps, FakeClock(), stamped=True, audio=audio))
    for i in range(count):
        at = times[i] if times else float(i / fps)
        out.send(composite(rgb, i, int(at * NS_PER_S)))
    out.close(True)
    return path


def read(path: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(path))
    frames, fps = [], capture.get(cv2.CAP_PROP_FPS)
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames, fps
        frames.append(frame[..., ::-1])


def person(ground: tuple[int, int, int] = (0, 177, 64)) -> Composite:
    """A skin-coloured square with a soft edge, laid on a ground."""
    alpha = np.zeros((96, 128), np.uint8)
    alpha[24:72, 32:96] = 128
    alpha[28:68, 36:92] = 255
    a = alpha[..., None] / 255
    rgb = np.rint(a * np.array([200, 150, 120]) + (1 - a) * np.array(ground)).astype(np.uint8)
    return Composite(0, 0, rgb, 0, alpha=alpha, ground=ground)
