"""The mouth crop that the generator reads and paints: its frame in the picture and its masks.

The crop is a square turned with the eyes, 1.05 inter-ocular distances wide, centred between the inner lips; training
(`models/training/mouth_data.py`) and run time cut it with the same lines of code.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face import F32, F64, U8
from models.morphable import INNER_LIPS, OUTER_LIPS

CROP_PX = 96
SIDE_IOD = 1.05


def crop_from_picture(points: F32) -> F64:
    """Affine (2, 3) that takes picture px to crop px, from mesh vertices (468+, 2 or more) px."""
    eyes = points[263, :2].astype(np.float64) - points[33, :2]
    # Seen from the side the eyes stand closer than they are: the face's height holds the scale then.
    height = np.linalg.norm(points[152, :2] - points[10, :2])
    side = SIDE_IOD * max(float(np.linalg.norm(eyes)), 0.55 * float(height))
    angle = np.arctan2(eyes[1], eyes[0])
    centre = (points[13, :2].astype(np.float64) + points[14, :2]) / 2
    k = CROP_PX / side
    c, s = k * np.cos(angle), k * np.sin(angle)
    half = (CROP_PX - 1) / 2
    m = np.array([[c, s, 0.0], [-s, c, 0.0]])
    m[:, 2] = half - m[:, :2] @ centre
    return m


def cut(image: U8, m: F64) -> U8:
    """Cut the crop (CROP_PX, CROP_PX, 3) out of a picture; area-averaged where the picture is much finer."""
    k = float(np.hypot(m[0, 0], m[0, 1]))
    if k < 0.55:
        f = round(1 / k)
        inv = cv2.invertAffineTransform(m)
        corners = np.array([[0, 0], [CROP_PX, 0], [0, CROP_PX], [CROP_PX, CROP_PX]]) @ inv[:, :2].T + inv[:, 2]
        h, w = image.shape[:2]
        x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - f, 0, [w - 1, h - 1])
        x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + f, 0, [w, h])
        x1, y1 = x0 + (x1 - x0) // f * f, y0 + (y1 - y0) // f * f
        if x1 > x0 and y1 > y0:
            small = cv2.resize(image[y0:y1, x0:x1], ((x1 - x0) // f, (y1 - y0) // f), interpolation=cv2.INTER_AREA)
            a = m.copy()
            a[:, 2] += m[:, :2] @ np.array([x0 + (f - 1) / 2, y0 + (f - 1) / 2])
            a[:, :2] *= f
            return np.asarray(cv2.warpAffine(small, a, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR,
                                             borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip
    return np.asarray(cv2.warpAffine(image, m, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR,
                                     borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip


def masks(points: F32, m: F64) -> U8:
    """Inner mouth and lips of the mesh in the crop, (2, CROP_PX, CROP_PX) 0 or 255, anti-aliased."""
    out = np.zeros((2, CROP_PX, CROP_PX), np.uint8)
    xy = points[:, :2] @ m[:, :2].T + m[:, 2]
    for i, loop in enumerate((INNER_LIPS, OUTER_LIPS)):
        cv2.fillPoly(out[i], [np.rint(xy[list(loop)] * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    return out


def window() -> F32:
    """Weight (CROP_PX, CROP_PX) that lets a change fall to 0 at the border of the crop."""
    t = np.abs(np.linspace(-1, 1, CROP_PX))
    w = 1 - np.clip((t - 0.72) / 0.24, 0, 1)
    w = w * w * (3 - 2 * w)
    return np.asarray(np.outer(w, w), np.float32)
