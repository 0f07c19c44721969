"""Holds what was painted still while what was painted over is still: a network amplifies the tracker's last noise."""

from __future__ import annotations

import numpy as np

from kernels import calm
from models.face import F32, U8

# Grey levels in the opening: a driver at rest under sensor noise changes the crop by 0.1 to 0.7 (medians, four faces),
# a speaking or blinking one by 2 to 14 (docs/decisions/0408).
_REST, _MOTION = 1.0, 2.5
_SLOW = 0.04  # share of what is new that passes at rest


class Rest:
    """One crop's memory; used from one thread."""

    def __init__(self, picture: U8, painted: F32) -> None:
        """Make room for a network's input (S, S, C) uint8, masks last, and its output (S, S, 4) float32."""
        self._held = np.zeros(picture.shape, np.float32)
        self._shown = np.zeros(painted.shape, np.float32)
        self._empty = True

    def forget(self) -> None:
        """Begin anew: another face, or a face that was gone."""
        self._empty = True

    def settle(self, picture: U8, painted: F32) -> F32:
        """Return what to lay over, for the network's input and output of this frame; valid until the next call.

        In motion that is `painted` to the bit; at rest a running mean of it. Motion is measured from what was last
        held, so a slow change adds up until it passes.
        """
        share = 1.0
        if not self._empty:
            share = (calm.change(picture, self._held) - _REST) / (_MOTION - _REST)
            share = min(1.0, max(_SLOW, share))
        self._empty = False
        calm.follow(self._held, picture, share)
        calm.follow(self._shown, painted, share)
        return self._shown
