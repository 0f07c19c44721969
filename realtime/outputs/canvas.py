"""A fixed canvas for call apps: the whole picture in the middle, its own blur around it."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.types import U8

Colour = tuple[int, int, int]
_DIM = 0.55  # the surround is darker than the picture, so that the picture stays the subject


class Canvas:
    """Puts pictures of one size on a canvas of another.

    The surround is made once for each source, from its first picture: it neither moves nor costs time. The picture is
    scaled to fit (area filter down, bilinear up, pixel centres at integers plus a half as OpenCV has it).
    """

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._ground: U8 | None = None
        self._look: tuple[int, Colour | None] = (0, None)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self._width, self._height

    def place(self, rgb: U8, look: int = 0, colour: Colour | None = None) -> U8:
        """Return a new picture (height, width, 3) with `rgb` (H, W, 3) in its middle; each `look` has its surround.

        A `colour` goes on around the picture, so that a background to be keyed is keyed to the canvas's edge.
        """
        height, width = rgb.shape[:2]
        if (width, height) == (self._width, self._height):
            return rgb
        if self._ground is None or (look, colour) != self._look:
            self._look = look, colour
            self._ground = self._surround(rgb) if colour is None else self._filled(colour)
        return self._laid(rgb, self._ground.copy())

    def place_alpha(self, alpha: U8) -> U8:
        """Return the opacity (height, width) of a canvas whose middle has `alpha` (H, W) and whose rest is clear."""
        if alpha.shape == (self._height, self._width):
            return alpha
        return self._laid(alpha, np.zeros((self._height, self._width), np.uint8))

    def _laid(self, picture: U8, out: U8) -> U8:
        """Scale a picture into the middle of `out`."""
        height, width = picture.shape[:2]
        k = min(self._width / width, self._height / height)
        w, h = max(1, min(self._width, round(width * k))), max(1, min(self._height, round(height * k)))
        x, y = (self._width - w) // 2, (self._height - h) // 2
        inside = out[y : y + h, x : x + w]
        if (w, h) == (width, height):
            inside[:] = picture
        else:
            inside[:] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
        return out

    def _filled(self, colour: Colour) -> U8:
        return np.full((self._height, self._width, 3), colour, np.uint8)

    def _surround(self, rgb: U8) -> U8:
        """Return the canvas filled with the blurred, dimmed picture."""
        height, width = rgb.shape[:2]
        k = max(self._width / width, self._height / height)
        small = cv2.resize(rgb, (max(2, round(width * k / 16)), max(2, round(height * k / 16))),
                           interpolation=cv2.INTER_AREA)  # fmt: skip
        cols, rows = max(1, self._width // 16), max(1, self._height // 16)
        x, y = max(0, (small.shape[1] - cols) // 2), max(0, (small.shape[0] - rows) // 2)
        cut = cv2.GaussianBlur(small[y : y + rows, x : x + cols], (0, 0), 2.0)
        full = cv2.resize(cut, (self._width, self._height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(full * np.float32(_DIM)).astype(np.uint8)
