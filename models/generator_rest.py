"""Holds what was painted still while what was painted over is still: a network amplifies the tracker's last noise.

Where the crop is the photo's own, as good as unmoved, there is nothing to mend, and nothing is painted.
"""

from __future__ import annotations

import numpy as np

from kernels import calm
from models.face import F32, U8

# Grey levels in the opening: a driver at rest under sensor noise changes the crop by 0.1 to 0.7 (medians, four faces),
# a speaking or blinking one by 2 to 14 (docs/decisions/0408).
_REST, _MOTION = 1.0, 2.5
_SLOW = 0.04  # share of what is new that passes at rest
# The same, between what is held and the photo's crop: a driver that sits as in neutral stays below 2.4, three of four
# crops of speaking ones are above 5 (docs/decisions/0408).
_PHOTO, _AWAY = 2.4, 3.6


class Rest:
    """One crop's memory; used from one thread."""

    def __init__(self, picture: U8, painted: F32, rests_px: float) -> None:
        """Make room for a network's input (S, S, C) uint8, masks last, and its output (S, S, 4) float32.

        `rests_px`, px of the crop: an outline this near to the photo's rests, one twice as far has moved.
        """
        self._held = np.zeros(picture.shape, np.float32)
        self._shown = np.zeros(painted.shape, np.float32)
        self._faded = np.zeros(painted.shape, np.float32)
        self._photo: U8 | None = None
        self._outline: F32 | None = None  # the photo's
        self._drawn: F32 = np.zeros((0, 2), np.float32)  # as held
        self._rests_px = rests_px
        self._empty = True

    def rest_on(self, picture: U8 | None, outline: F32 | None) -> None:
        """Remember input and outline, as for `settle`, of the photo as it is; None: not known, and all is painted."""
        self._photo = None if picture is None else picture.copy()
        self._outline = None if outline is None else outline.copy()

    def forget(self) -> None:
        """Begin anew: another face, or a face that was gone."""
        self._empty = True

    def settle(self, picture: U8, painted: F32, outline: F32) -> F32 | None:
        """Return what to lay over, for the network's input and output of this frame; valid until the next call.

        outline (N, 2) px of the crop: the points that bound what is painted. In motion that is `painted` to the bit; at
        rest a running mean of it. Motion is measured from what was last held, so a slow change adds up until it passes.
        Where the picture and outline that are held are near the photo's, less of it is painted: None for nothing.
        """
        share = 1.0
        if not self._empty:
            share = (calm.change(picture, self._held) - _REST) / (_MOTION - _REST)
            share = min(1.0, max(_SLOW, share))
            self._drawn = self._drawn + np.float32(share) * (outline - self._drawn)
        else:
            self._drawn = outline.copy()
        self._empty = False
        calm.follow(self._held, picture, share)
        calm.follow(self._shown, painted, share)
        if self._photo is None or self._outline is None:
            return self._shown
        off = self._drawn - self._outline
        moved = float(np.sqrt((off * off).sum() / len(off))) / self._rests_px - 1.0
        away = max(moved, (calm.change(self._photo, self._held) - _PHOTO) / (_AWAY - _PHOTO))
        if away <= 0.0:
            return None
        return self._shown if away >= 1.0 else np.multiply(self._shown, np.float32(away), out=self._faded)
