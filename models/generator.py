"""The live generator: paints the inside of the mouth, and leaves every pixel outside its mask as the warp made it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.face import F32, U8
from models.inference import Device, Got, Network
from models.mouth_crop import CROP_PX, crop_from_picture, cut, masks, window

WEIGHTS = Path(__file__).parent / "data" / "mouth.onnx"
_LEAST = 1.0 / 64  # a mask below this paints nothing


class Generator:
    """Paints one source's mouth; create once per source, use from one thread."""

    def __init__(self, source_rgb: U8, source_points: F32, device: Device = "auto", threads: int = 2,
                 weights: Path = WEIGHTS) -> None:  # fmt: skip
        """source_rgb (H, W, 3); source_points (478, 3) px. Raises UserError without weights or a runtime."""
        self._network = Network(weights, device, threads)
        self._x: F32 = np.zeros((1, 9, CROP_PX, CROP_PX), np.float32)
        m = crop_from_picture(source_points)
        self._x[0, 3:6] = cut(source_rgb, m).transpose(2, 0, 1) * np.float32(1 / 255)
        self._x[0, 8] = masks(source_points, m)[0] * np.float32(1 / 255)
        self._window = window()

    @property
    def got(self) -> Got:
        """What the network runs on."""
        return self._network.got

    def paint(self, frame: U8, target: F32) -> None:
        """Paint the mouth of a warped frame in place.

        frame (H, W, 3); target (468+, 2 or more) mesh vertices, px. What is added is the network's change, enlarged to
        the frame's own resolution, so skin keeps its texture; where the mask is 0 nothing is touched.
        """
        m = crop_from_picture(target)
        crop = cut(frame, m)
        self._x[0, 0:3] = crop.transpose(2, 0, 1) * np.float32(1 / 255)
        self._x[0, 6:8] = masks(target, m) * np.float32(1 / 255)
        y = self._network(self._x)[0]
        mask = y[3] * self._window
        mask = np.where(mask < _LEAST, np.float32(0), mask)
        change = (y[:3] - self._x[0, 0:3]) * (mask * np.float32(255))
        _add(frame, change.transpose(1, 2, 0), m)


def _add(frame: U8, change: F32, m: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Add a crop's change (CROP_PX, CROP_PX, 3), 0..255, to the frame at the crop's place."""
    h, w = frame.shape[:2]
    back = cv2.invertAffineTransform(m)
    corners = np.array([[0, 0], [CROP_PX, 0], [0, CROP_PX], [CROP_PX, CROP_PX]]) @ back[:, :2].T + back[:, 2]
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [w, h])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, [w, h])
    if x1 <= x0 or y1 <= y0:
        return
    a = m.copy()
    a[:, 2] += m[:, :2] @ np.array([x0, y0], np.float64)
    grown = cv2.warpAffine(np.ascontiguousarray(change), a, (int(x1 - x0), int(y1 - y0)),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
    part = frame[y0:y1, x0:x1]
    np.copyto(part, np.clip(np.rint(part + grown), 0, 255).astype(np.uint8))
