"""Lay what the camera saw onto what the puppet drew, so that a network is not taught the tracker's error as blur.

The landmarks that place the puppet are a pixel or two off, differently in every frame, and no network can know where
the driver's picture really was. A truth that is moved onto the warp asks for colour and lids only. Truths that figures
are computed from are never moved.
"""

from __future__ import annotations

import cv2
import numpy as np

MOST_PX = 3
_GAIN = 0.95  # the error must fall to this share, or the truth stays where it is
_AROUND = 0.10  # of the crop's side: how far beyond the opening is looked at


def shift_between(true: np.ndarray, warp: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Find the translation (2,) px by which `true` (S, S, 3) uint8 lies off `warp`, seen through a mask (S, S) bool.

    Whole pixels first, then halves: least mean absolute error, each channel freed of its mean. (0, 0) when nothing
    within MOST_PX lowers the error enough.
    """
    inside, target = np.nonzero(where), warp[where].astype(np.float32)
    target -= target.mean(0)

    def error(d: np.ndarray) -> float:
        if d[0] == int(d[0]) and d[1] == int(d[1]):
            y, x = (np.clip(v + int(k), 0, len(true) - 1) for v, k in zip(inside, d[::-1], strict=True))
            e = true[y, x].astype(np.float32)
        else:
            e = moved(true, d)[where].astype(np.float32)
        return float(np.abs(e - e.mean(0) - target).mean())

    best = np.zeros(2, np.float32)
    start = least = error(best)
    for step, reach in ((1.0, MOST_PX), (0.5, 1)):
        middle = best
        for i in range(-reach, reach + 1):
            for j in range(-reach, reach + 1):
                d = middle + np.array([i, j], np.float32) * np.float32(step)
                if (e := error(d)) < least:
                    least, best = e, d
    return best if least < _GAIN * start else np.zeros(2, np.float32)


def moved(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Take each pixel of a picture from `shift` px beside it; edges are repeated."""
    m = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    return cv2.warpAffine(picture, m, picture.shape[1::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def laid_on(true: np.ndarray, warp: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Register truths (..., S, S, 3) with warps of the same shape around the opening; masks (..., S, S, 1) 0..255."""
    s = true.shape[-2]
    out = true.reshape(-1, s, s, 3).copy()
    w, m = warp.reshape(out.shape), mask.reshape(len(out), s, s)
    k = 2 * int(_AROUND * s) + 1
    for i in range(len(out)):
        where = cv2.dilate(m[i], np.ones((k, k), np.uint8)) > 127
        if where.any() and (d := shift_between(out[i], w[i], where)).any():
            out[i] = moved(out[i], d)
    return out.reshape(true.shape)
